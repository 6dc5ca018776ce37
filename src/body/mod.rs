//! Bodies that arrive in pieces, as the events in them: server-sent events and lines of JSON.

pub mod events;
mod lines;
mod ndjson;
mod sse;
