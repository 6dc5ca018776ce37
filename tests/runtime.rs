//! Who drives: proved with counters and states, never with times.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use aipool::cancel::Cancel;
use aipool::error::{Delivery, Detail, Status};
use aipool::runtime::{Runtime, Sigpipe};
use aipool::stats::{Driving, read};
use support::until;
use tokio::sync::{Notify, oneshot};

fn start(threads: usize) -> (Runtime, Arc<Driving>) {
    let driving = Arc::new(Driving::default());
    (Runtime::start(threads, Sigpipe::Untouched, driving.clone()).unwrap(), driving)
}

/// A wait that needs the driver: a task on the runtime has to answer.
fn round_trip(runtime: &Runtime) {
    let (ask, asked) = oneshot::channel();
    let answered = async {
        tokio::spawn(async move { ask.send(()) });
        asked.await
    };
    runtime.wait(answered).unwrap().unwrap();
}

#[test]
fn a_spawn_starts_without_a_waiter() {
    for threads in [0, 2] {
        let (runtime, _) = start(threads);
        for _ in 0..200 {
            // Right after a wait the guard stands by: the spawn has to wake it.
            round_trip(&runtime);
            let (done, started) = mpsc::channel();
            runtime.spawn(async move { done.send(()).unwrap() });
            started.recv_timeout(Duration::from_secs(20)).expect("a spawn with nobody waiting starts");
        }
    }
}

#[test]
fn the_guard_parks_while_one_thread_waits_long() {
    let (runtime, driving) = start(0);
    until("the guard watches", || runtime.guard_watches());
    runtime.wait(async { tokio::time::sleep(Duration::from_millis(300)).await }).unwrap();
    assert_eq!(read(&driving.hand_offs), 1);
    assert!(read(&driving.looks) <= 5, "{driving:?}");
    until("the guard watches again", || runtime.guard_watches());
}

#[test]
fn a_spawn_during_a_wait_runs_and_outlives_it() {
    let (runtime, _) = start(0);
    let release = Arc::new(Notify::new());
    let (done, finished) = mpsc::channel();
    let waits_for = release.clone();
    runtime
        .wait(async {
            let spawned = runtime.clone();
            spawned.spawn(async move {
                waits_for.notified().await;
                done.send(()).unwrap();
            });
        })
        .unwrap();
    release.notify_one();
    finished.recv_timeout(Duration::from_secs(20)).expect("the guard drives on");
}

#[test]
fn in_a_crowd_the_guard_drives_and_lets_go_again() {
    let (runtime, driving) = start(0);
    let release = Arc::new(Notify::new());
    let waiting = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                runtime
                    .wait(async {
                        let mut released = std::pin::pin!(release.notified());
                        released.as_mut().enable();
                        waiting.fetch_add(1, Ordering::SeqCst);
                        released.await;
                    })
                    .unwrap();
            });
        }
        until("eight wait", || waiting.load(Ordering::SeqCst) == 8);
        until("the guard drives the crowd", || runtime.guard_drives_a_crowd());
        release.notify_waiters();
    });
    until("the guard lets go", || !runtime.guard_drives_a_crowd());
    let before = read(&driving.hand_offs);
    for _ in 0..1000 {
        round_trip(&runtime);
    }
    assert!(read(&driving.hand_offs) <= before + 2, "{driving:?}");
}

#[test]
fn many_threads_wait_and_spawn_at_random_and_all_end() {
    for threads in [0, 2] {
        let (runtime, _) = start(threads);
        let (spawned, ended) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
        std::thread::scope(|scope| {
            for seed in 1..=8u64 {
                let (runtime, spawned, ended) = (&runtime, &spawned, &ended);
                scope.spawn(move || {
                    let mut random = seed;
                    for _ in 0..2000 {
                        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        if random >> 62 == 0 {
                            spawned.fetch_add(1, Ordering::SeqCst);
                            let ended = ended.clone();
                            runtime.spawn(async move {
                                tokio::task::yield_now().await;
                                ended.fetch_add(1, Ordering::SeqCst);
                            });
                        } else {
                            round_trip(runtime);
                        }
                    }
                });
            }
        });
        until("every spawned operation ends", || ended.load(Ordering::SeqCst) == spawned.load(Ordering::SeqCst));
    }
}

#[test]
fn stop_lets_those_inside_finish_and_refuses_newcomers() {
    for threads in [0, 2] {
        let (runtime, driving) = start(threads);
        let (release, inside) = (Arc::new(Notify::new()), Arc::new(Barrier::new(2)));
        let waiter = {
            let (runtime, release, inside) = (runtime.clone(), release.clone(), inside.clone());
            std::thread::spawn(move || {
                runtime.wait(async {
                    let mut released = std::pin::pin!(release.notified());
                    released.as_mut().enable();
                    inside.wait();
                    released.await;
                })
            })
        };
        inside.wait();
        runtime.stop();
        runtime.stop();
        until("newcomers are refused", || {
            runtime.wait(async {}).err().is_some_and(|error| error.detail == Detail::PoolClosed)
        });
        release.notify_one();
        waiter.join().unwrap().unwrap();
        until("the guard ends", || read(&driving.guards) == 0);
    }
}

#[test]
fn waiting_inside_a_runtime_is_an_error() {
    let (runtime, _) = start(0);
    let nested = runtime.wait(async { runtime.wait(async {}) }).unwrap().unwrap_err();
    assert_eq!(nested.status, Status::InvalidArgument);
    assert!(nested.message.starts_with("thread: "));
}

#[test]
fn a_panic_in_a_wait_leaves_the_runtime_whole() {
    let (runtime, _) = start(0);
    let panicked =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| runtime.wait(async { panic!("on purpose") })));
    assert!(panicked.is_err());
    round_trip(&runtime);
}

#[test]
fn an_interruptible_wait_ends_when_its_task_panics() {
    for threads in [0, 2] {
        let (runtime, _) = start(threads);
        let interrupt = Cancel::new().unwrap();
        let error = runtime.wait_interruptibly(async { panic!("on purpose") }, interrupt).unwrap_err();
        assert_eq!((error.status, error.delivery), (Status::Panic, Delivery::MaybeSent));
        interrupt.free();
    }
}

#[test]
fn an_interruptible_wait_and_a_stop_at_once_both_end() {
    let interrupt = Cancel::new().unwrap();
    for turn in 0..400 {
        let (runtime, driving) = start(0);
        let begin = Barrier::new(2);
        let outcome = std::thread::scope(|scope| {
            let wait = scope.spawn(|| {
                begin.wait();
                runtime.wait_interruptibly(async { tokio::time::sleep(Duration::from_millis(1)).await }, interrupt)
            });
            begin.wait();
            for _ in 0..turn * 20 {
                std::hint::spin_loop();
            }
            runtime.stop();
            wait.join().unwrap()
        });
        assert!(outcome.is_ok() || outcome.is_err_and(|error| error.detail == Detail::PoolClosed));
        until("the guard ends", || read(&driving.guards) == 0);
    }
    interrupt.free();
}
