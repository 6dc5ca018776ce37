//! A body on its way: bytes between the wire and a caller, bounded, and what a caller reads out of them.

mod budget;
pub mod events;
mod lines;
mod ndjson;
pub mod pipe;
pub mod reader;
pub mod reply;
mod sse;
pub mod upload;

pub use self::budget::Budget;
