//! Moves on a queue in any order.
#![cfg(unix)]

#[path = "queue_moves/game.rs"]
mod game;
#[path = "queue_moves/server.rs"]
mod server;

#[test]
fn random_moves_end_each_request_once() {
    let mut random = fastrand::Rng::with_seed(0x5eed);
    for _ in 0..300 {
        let moves: Vec<u8> = (0..random.usize(..300)).map(|_| random.u8(..)).collect();
        game::play(&moves);
    }
}
