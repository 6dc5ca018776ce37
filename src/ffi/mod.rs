//! The C boundary: one file a noun. A function parses, calls, maps; nothing else happens here.
//!
//! Safety, once for every exported function: callers keep the contract on the header's first screen, that is, pointers
//! are NULL or valid for what their documentation says, for the length of the call. Handles may be any bits.

#![allow(clippy::missing_safety_doc)]

pub mod args;
pub mod call;
pub mod cancel;
pub mod client;
pub mod client_options;
pub mod events;
pub mod guard;
pub mod handle;
pub mod library;
pub mod live;
pub mod pool;
pub mod pool_stats;
pub mod queue;
pub mod reply;
pub mod request;
pub mod response;
pub mod session;
pub mod session_options;
pub mod short;
pub mod status;
pub mod table;
pub mod upload;
