//! A warm, bounded, observable pool of HTTP sessions for AI clients, behind a C ABI.
//!
//! The modules, top to ground; none imports from above itself:
//! `ffi` | `clients` | `pool`, `pool_stats`, `session`, `queue`, `route`, `request`, `response`, `connections`, `address`, `base_url` | `transport`, `body` |
//! `runtime`, `driver`, `cancel`, `abort`, `readiness`, `workers` |
//! `config`, `error` | `stats`, `events`, `metrics`, `flags`, `slots`, `lock`, `sync`, `sys`.
//! The Rust API is internal: async inside, blocking at the doors, free to change. The C API is the promise.

pub mod abort;
pub mod address;
pub mod base_url;
pub mod body;
pub mod cancel;
pub mod clients;
pub mod config;
pub mod connections;
pub mod driver;
pub mod error;
pub mod events;
pub mod ffi;
pub mod flags;
pub mod lock;
pub mod metrics;
pub mod pool;
pub mod pool_stats;
pub mod queue;
pub mod readiness;
pub mod request;
pub mod response;
pub mod route;
pub mod runtime;
pub mod session;
pub mod slots;
pub mod stats;
pub mod sync;
pub mod sys;
pub mod transport;
pub mod workers;
