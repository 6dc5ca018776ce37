//! What needs a process of its own: a neighbour would take its processors, or make its first cancel flag.

use std::sync::Arc;

use aipool::cancel::Cancel;
use aipool::runtime::{Runtime, Sigpipe};
use aipool::stats::{Driving, read};
use tokio::sync::oneshot;

fn a_serial_loop_hands_nothing_over() {
    let driving = Arc::new(Driving::default());
    let runtime = Runtime::start(0, Sigpipe::Untouched, driving.clone()).unwrap();
    for _ in 0..30_000 {
        let (ask, asked) = oneshot::channel();
        let answered = async {
            tokio::spawn(async move { ask.send(()) });
            asked.await
        };
        runtime.wait(answered).unwrap().unwrap();
    }
    assert!(read(&driving.hand_offs) <= 2, "{driving:?}");
}

/// A watch that began before the process's first flag must not be the last one.
fn the_first_cancel_flag_of_a_process_wakes_its_wait() {
    let runtime = Runtime::start(0, Sigpipe::Untouched, Arc::default()).unwrap();
    runtime.watch_cancels();
    // The watch finds no bell, and ends in this wait or before.
    runtime.wait(async { tokio::task::yield_now().await }).unwrap();
    let cancel = Cancel::new().unwrap();
    runtime.watch_cancels();
    let fire = std::thread::spawn(move || cancel.fire());
    runtime.wait(cancel.fired()).unwrap();
    assert!(fire.join().unwrap() && cancel.free());
}

#[test]
fn one_after_the_other() {
    the_first_cancel_flag_of_a_process_wakes_its_wait();
    a_serial_loop_hands_nothing_over();
}
