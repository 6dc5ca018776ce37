//! What a checkout costs however many wait. Prints figures, checks none: run alone, in release, with --ignored --nocapture.

use std::collections::VecDeque;
use std::time::Instant;

use aipool::connections::Waiting;

use crate::memory::HTTP1;
use crate::queue::{got, leases, waits};
use crate::rig::{Origin, Rig, caps};

const ROUNDS: u32 = 100_000;

#[test]
#[ignore = "a figure, not a test"]
fn checkout_and_give_back() {
    let rig = Rig::new(0, caps(64, 1000), HTTP1);
    println!("| waiting | checkout + give back, ns | join + give up, ns |");
    println!("|---|---|---|");
    for waiters in [0, 100, 1_000, 10_000] {
        let origin = rig.origin(waiters);
        let (in_turn, given_up) = (in_turn(&rig, &origin, waiters), given_up(&rig, &origin, waiters));
        println!("| {waiters} | {in_turn} | {given_up} |");
    }
}

fn per_round(mut round: impl FnMut()) -> u128 {
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        round();
    }
    begun.elapsed().as_nanos() / u128::from(ROUNDS)
}

/// One comes, another's turn has come: so many wait all the time.
fn in_turn(rig: &Rig, origin: &Origin, waiters: usize) -> u128 {
    if waiters == 0 {
        drop(rig.wait(leases(origin, 1)));
        return per_round(|| drop(origin.checkout().unwrap()));
    }
    let mut held = rig.wait(leases(origin, 64));
    let mut queue: VecDeque<Waiting> = (0..waiters).map(|_| waits(origin)).collect();
    let cost = per_round(|| {
        drop(held.pop());
        held.push(queue.pop_front().and_then(|mut first| got(&mut first)).unwrap().unwrap());
        queue.push_back(waits(origin));
    });
    drop(queue);
    cost
}

/// One comes and gives up, behind all the others.
fn given_up(rig: &Rig, origin: &Origin, waiters: usize) -> u128 {
    let held = rig.wait(async {
        let mut held = Vec::new();
        for _ in 0..64 {
            held.push(origin.lease().await.unwrap());
        }
        held
    });
    let queue: Vec<_> = (0..waiters).map(|_| waits(origin)).collect();
    let cost = per_round(|| drop(waits(origin)));
    drop((queue, held));
    cost
}
