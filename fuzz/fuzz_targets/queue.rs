//! Moves on a completion queue, whatever they are and in any order.
#![no_main]

#[path = "../../tests/queue_moves/game.rs"]
mod game;
#[path = "../../tests/queue_moves/server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|moves: &[u8]| game::play(moves));
