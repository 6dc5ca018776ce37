//! Moves on a queue in any order, and those that the fuzz target found worth keeping.
#![cfg(unix)]

#[path = "queue_moves/game.rs"]
mod game;
#[path = "queue_moves/server.rs"]
mod server;

use std::fs;
use std::path::Path;

#[test]
fn random_moves_end_each_request_once() {
    let mut random = fastrand::Rng::with_seed(0x5eed);
    for _ in 0..300 {
        let moves: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..)).collect();
        game::play(&moves);
    }
}

#[test]
fn the_corpus_of_the_fuzz_target_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/queue");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.len() >= 12);
    for file in files {
        game::play(&fs::read(file).unwrap());
    }
}
