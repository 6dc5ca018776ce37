//! The serial loop, in a process of its own: a neighbour that takes both processors would make the thread look idle.

use std::sync::Arc;

use aipool::runtime::Runtime;
use aipool::stats::{Driving, read};
use tokio::sync::oneshot;

#[test]
fn a_serial_loop_hands_nothing_over() {
    let driving = Arc::new(Driving::default());
    let runtime = Runtime::start(0, driving.clone()).unwrap();
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
