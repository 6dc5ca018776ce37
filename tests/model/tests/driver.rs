//! Waiters that come and go, submits, and the guard, in every order: what was submitted is always driven.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use aipool_model::driver::{DriverElection, TaskGuard, Until, WaiterGuard};
use aipool_model::explore::explore;
use aipool_model::stats::Driving;
use aipool_model::sync::{AtomicBool, Mutex, Notify, Ordering, sleep, thread};
use shuttle::sync::Condvar;

/// A runtime whose tasks run as long as any thread is inside it.
#[derive(Default)]
struct Engine {
    tasks: Mutex<VecDeque<TaskGuard>>,
    spawned: Notify,
    done: Mutex<usize>,
    more_done: Condvar,
    guard_is_inside: AtomicBool,
    guard_moved: Notify,
}

impl Engine {
    fn block_on(&self, mut until: Until<'_>) {
        let mut tasks = pin!(self.run_tasks());
        shuttle::future::block_on(std::future::poll_fn(|cx| {
            if until.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            tasks.as_mut().poll(cx)
        }));
    }

    async fn run_tasks(&self) {
        loop {
            let mut spawned = pin!(self.spawned.notified());
            spawned.as_mut().enable();
            while let Some(task) = self.next_task() {
                *self.done.lock().unwrap() += 1;
                self.more_done.notify_all();
                drop(task);
            }
            spawned.await;
        }
    }

    fn guard_moves(&self, inside: bool) {
        self.guard_is_inside.store(inside, Ordering::SeqCst);
        self.guard_moved.notify_waiters();
    }

    fn next_task(&self) -> Option<TaskGuard> {
        self.tasks.lock().unwrap().pop_front()
    }
}

#[derive(Clone)]
struct Stage {
    election: Arc<DriverElection>,
    engine: Arc<Engine>,
}

impl Stage {
    /// With its guard thread, which builds the election.
    fn set() -> (Stage, shuttle::thread::JoinHandle<()>) {
        let (built, ready) = shuttle::sync::mpsc::channel();
        let guard = thread::spawn(move || {
            let election = Arc::new(DriverElection::new(false, Arc::new(Driving::default())));
            let engine = Arc::new(Engine::default());
            built.send(Stage { election: election.clone(), engine: engine.clone() }).unwrap();
            election.guard(|until| {
                engine.guard_moves(true);
                engine.block_on(until);
                engine.guard_moves(false);
            });
        });
        (ready.recv().unwrap(), guard)
    }

    fn submit(&self) {
        let task = TaskGuard::new(&self.election);
        self.engine.tasks.lock().unwrap().push_back(task);
        // Who begins to drive later finds it.
        if self.election.is_driven() {
            self.engine.spawned.notify_waiters();
        }
        self.election.submitted();
    }

    fn wait(&self, until: impl Future<Output = ()>) {
        let _waiter = WaiterGuard::enter(&self.election);
        self.engine.block_on(pin!(until));
    }

    fn wait_a_little(&self) {
        self.wait(sleep(std::time::Duration::ZERO));
    }

    /// Sleeps, and drives nothing.
    fn until_done(&self, tasks: usize) {
        let mut done = self.engine.done.lock().unwrap();
        while *done < tasks {
            done = self.engine.more_done.wait(done).unwrap();
        }
    }

    fn guard_is_inside(&self) -> bool {
        self.engine.guard_is_inside.load(Ordering::SeqCst)
    }

    /// Until `condition` holds: asked whenever the guard goes in or comes out.
    async fn until(&self, condition: impl Fn() -> bool) {
        loop {
            let mut moved = pin!(self.engine.guard_moved.notified());
            moved.as_mut().enable();
            if condition() {
                return;
            }
            moved.await;
        }
    }
}

fn start(stage: &Stage, body: impl FnOnce(&Stage) + Send + 'static) -> shuttle::thread::JoinHandle<()> {
    let stage = stage.clone();
    thread::spawn(move || body(&stage))
}

#[test]
fn what_is_submitted_is_driven_whoever_comes_and_goes() {
    explore(|| {
        let (stage, guard) = Stage::set();
        let hosts = [0; 2].map(|_| {
            start(&stage, |stage| {
                stage.wait_a_little();
                stage.submit();
                stage.wait_a_little();
            })
        });
        stage.submit();
        stage.until_done(3);
        hosts.into_iter().for_each(|host| host.join().unwrap());
        stage.submit();
        stage.until_done(4);
        stage.election.stop();
        guard.join().unwrap();
    });
}

/// Without a timer of the guard's: where they stood still, it would wait for ever.
fn a_submit_that_finds_nobody_is_driven_at_once(waiters: usize) {
    explore(move || {
        let (stage, guard) = Stage::set();
        let hosts: Vec<_> = (0..waiters).map(|_| start(&stage, |stage| stage.wait_a_little())).collect();
        hosts.into_iter().for_each(|host| host.join().unwrap());
        thread::clocks_stand_still();
        let other = start(&stage, Stage::submit);
        stage.submit();
        stage.until_done(2);
        other.join().unwrap();
        stage.election.stop();
        guard.join().unwrap();
    });
}

#[test]
fn a_submit_after_a_wait_is_driven_at_once() {
    a_submit_that_finds_nobody_is_driven_at_once(1);
}

#[test]
fn a_submit_after_a_crowd_is_driven_at_once() {
    a_submit_that_finds_nobody_is_driven_at_once(4);
}

#[test]
fn a_waiter_gets_to_drive() {
    explore(|| {
        let (stage, guard) = Stage::set();
        let hosts = [0; 2].map(|_| start(&stage, |stage| stage.wait(stage.until(|| !stage.guard_is_inside()))));
        hosts.into_iter().for_each(|host| host.join().unwrap());
        stage.election.stop();
        guard.join().unwrap();
    });
}

#[test]
fn the_guard_drives_a_crowd_and_lets_go_again() {
    explore(|| {
        let (stage, guard) = Stage::set();
        let seen = Arc::new(AtomicBool::new(false));
        let hosts = [0; 4].map(|_| {
            let seen = seen.clone();
            start(&stage, move |stage| {
                stage.wait(stage.until(|| seen.load(Ordering::SeqCst) || stage.election.guard_drives_a_crowd()));
                // The others may look when it has let go again.
                seen.store(true, Ordering::SeqCst);
                stage.engine.guard_moved.notify_waiters();
            })
        });
        hosts.into_iter().for_each(|host| host.join().unwrap());
        stage.wait(stage.until(|| !stage.guard_is_inside()));
        stage.election.stop();
        guard.join().unwrap();
    });
}

#[test]
fn a_stopped_guard_ends_with_its_last_task() {
    explore(|| {
        let (stage, guard) = Stage::set();
        let waiter = start(&stage, Stage::wait_a_little);
        stage.submit();
        let stopper = start(&stage, |stage| stage.election.stop());
        guard.join().unwrap();
        assert_eq!(*stage.engine.done.lock().unwrap(), 1);
        stopper.join().unwrap();
        waiter.join().unwrap();
    });
}
