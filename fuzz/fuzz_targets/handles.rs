//! Calls on handles of every kind, live or not.
#![no_main]

#[path = "../../tests/fuzz_corpora/handles.rs"]
mod handles;
#[path = "../../tests/queue_moves/server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|moves: &[u8]| handles::play(moves));
