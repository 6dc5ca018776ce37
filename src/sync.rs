//! What threads share and wait on. `tests/model` has its own in place of these, and tries the orders in which threads can meet there.

pub use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
pub use std::sync::{Mutex, MutexGuard, OnceLock};
pub use std::thread;

pub use tokio::sync::Notify;
pub use tokio::time::sleep;
