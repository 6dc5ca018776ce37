//! A body on its way: bytes between the wire and a caller, bounded, and what a caller reads out of them.
//!
//! `pipe`: a bounded buffer with backpressure, one end a caller. `budget`: the bound on all pipes of a pool together.
//! `upload`: a request's body that its caller pushes. `reader`: a response's body as its caller reads it, bytes or events.
//! `events`: the framings as one; `sse` and `ndjson` are the two there are, `lines` what both stand on.
//! `reply`: what an AI answered, put together out of the events.

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
