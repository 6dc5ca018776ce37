//! The queue, its descriptor, cancel flags, the guard, the handle table and a connection's driver, as they are in `src`, over primitives
//! whose every order can be tried.
//!
//! shuttle runs a scenario's threads one at a time and chooses at each lock, atomic, wait and wake who goes on. A thread that is never
//! woken is a deadlock to it, and it prints the schedule that led there. What is above and below the files under test stands in here.
#![allow(dead_code, reason = "the library's files come whole, and no scenario uses all of them")]

#[path = "../../../src/abort.rs"]
pub mod abort;
#[path = "../../../src/driver.rs"]
pub mod driver;
#[path = "../../../src/error.rs"]
pub mod error;
#[path = "../../../src/flags.rs"]
pub mod flags;
#[path = "../../../src/lock.rs"]
pub mod lock;
#[path = "../../../src/queue.rs"]
pub mod queue;
#[path = "../../../src/readiness.rs"]
pub mod readiness;
#[path = "../../../src/transport/shared_driver.rs"]
pub mod shared_driver;
#[path = "../../../src/slots.rs"]
pub mod slots;
#[path = "../../../src/stats.rs"]
pub mod stats;
#[path = "../../../src/ffi/table.rs"]
pub mod table;

pub mod explore;
mod notify;
mod stand_ins;
pub mod sync;
pub mod sys;

pub use stand_ins::{answer, body, cancel, request, response, runtime};
