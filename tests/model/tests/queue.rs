//! A queue under consumers, posters, wakes, closes and frees that meet in every order.
//!
//! A consumer that is left asleep while something is there, and a descriptor that says so too late or not at all, end as a deadlock.

use std::sync::Arc;
use std::sync::atomic::AtomicU64 as Plain;
use std::time::Duration;

use aipool_model::body::pipe::Pipe;
use aipool_model::body::reader::Plan;
use aipool_model::cancel::Cancel;
use aipool_model::error::Status;
use aipool_model::explore::explore;
use aipool_model::queue::{Completion, Operation, Queue, Waited};
use aipool_model::request::Sink;
use aipool_model::response::Response;
use aipool_model::runtime::Runtime;
use aipool_model::sync::{Mutex, Ordering, thread};
use aipool_model::sys::Light;

const AT_ONCE: Duration = Duration::ZERO;
const AT_ANY_TIME: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::MAX;

/// A queue, and what consumers have taken of it.
#[derive(Clone)]
struct Stage {
    queue: Arc<Queue>,
    runtime: Runtime,
    accepted: Arc<Plain>,
    ends: Arc<Mutex<Vec<u64>>>,
}

#[derive(Debug, PartialEq)]
enum Next {
    Took(usize),
    Woken,
    Over,
    RanOut,
    Freed,
}

impl Stage {
    fn set() -> Stage {
        let runtime = Runtime::default();
        Stage { queue: Queue::new(1, runtime.clone()), runtime, accepted: Arc::default(), ends: Arc::default() }
    }

    fn accept(&self, tag: u64) -> Option<Arc<Operation>> {
        let pipe = Arc::new(Pipe::default());
        let operation = self.queue.accept(tag, Plan, Some(pipe), self.runtime.clone()).ok()?;
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Some(operation)
    }

    /// Whether the queue took it.
    fn submit(&self, tag: u64) -> bool {
        self.accept(tag).map(|operation| operation.ended(Ok(None))).is_some()
    }

    fn take(&self, most: usize) -> usize {
        let mut ended = Vec::new();
        let taken = self.queue.take(most, |tag, completion| {
            if matches!(completion, Completion::Done(..)) {
                ended.push(tag);
            }
            Ok(())
        });
        self.ends.lock().unwrap().extend(ended);
        taken
    }

    /// As aip_queue_next().
    fn next(&self, most: usize, limit: Duration) -> Next {
        loop {
            let taken = self.take(most);
            if taken > 0 {
                return Next::Took(taken);
            }
            match self.queue.wait(limit) {
                Ok(Waited::News) => {}
                Ok(Waited::Woken) => return Next::Woken,
                Ok(Waited::Over) => return Next::Over,
                Ok(Waited::RanOut) => return Next::RanOut,
                Err(error) => {
                    assert_eq!(error.status, Status::Cancelled);
                    return Next::Freed;
                }
            }
        }
    }

    fn light(&self) -> Arc<Light> {
        Light::of(&self.queue.descriptor().unwrap())
    }

    /// Every accepted operation has ended, once.
    fn all_ended_once(&self) {
        let mut ends = self.ends.lock().unwrap().clone();
        ends.sort_unstable();
        let all = ends.len() as u64;
        ends.dedup();
        assert_eq!((ends.len() as u64, all), (self.accepted.load(Ordering::Relaxed), all), "{ends:?}");
    }
}

fn start<T: Send + 'static>(
    stage: &Stage,
    body: impl FnOnce(&Stage) -> T + Send + 'static,
) -> shuttle::thread::JoinHandle<T> {
    let stage = stage.clone();
    thread::spawn(move || body(&stage))
}

fn until_over(stage: &Stage) {
    while stage.next(2, NEVER) != Next::Over {}
}

#[test]
fn each_operation_ends_once_and_nobody_sleeps_on() {
    explore(|| {
        let stage = Stage::set();
        let light = stage.light();
        let consumers = [start(&stage, until_over), start(&stage, until_over)];
        let posters = [1, 2].map(|poster| {
            start(&stage, move |stage| {
                stage.submit(poster * 10);
                stage.submit(poster * 10 + 1);
            })
        });
        // Whenever it comes: what was accepted before it still ends.
        stage.queue.close();
        posters.into_iter().chain(consumers).for_each(|thread| thread.join().unwrap());
        stage.all_ended_once();
        assert!(light.is_on() && !stage.submit(9) && stage.next(1, AT_ONCE) == Next::Over);
    });
}

#[test]
fn what_one_leaves_another_takes() {
    explore(|| {
        let stage = Stage::set();
        let light = stage.light();
        let consumers = [0; 3].map(|_| start(&stage, |stage| stage.next(1, NEVER)));
        (1..4).for_each(|tag| assert!(stage.submit(tag)));
        consumers.into_iter().for_each(|consumer| assert_eq!(consumer.join().unwrap(), Next::Took(1)));
        stage.all_ended_once();
        assert!(!light.is_on());
    });
}

#[test]
fn who_gives_up_loses_nothing() {
    explore(|| {
        let stage = Stage::set();
        let operation = stage.accept(1).unwrap();
        let hasty = start(&stage, |stage| assert_ne!(stage.next(1, AT_ANY_TIME), Next::Freed));
        let patient = start(&stage, until_over);
        stage.queue.close();
        operation.ended(Ok(None));
        hasty.join().unwrap();
        patient.join().unwrap();
        stage.all_ended_once();
    });
}

#[test]
fn who_only_watches_the_descriptor_misses_nothing() {
    explore(|| {
        let stage = Stage::set();
        let watcher = start(&stage, |stage| {
            let light = stage.light();
            while stage.ends.lock().unwrap().len() < 4 {
                light.wait();
                while stage.take(1) > 0 {}
            }
            light
        });
        let posters = [1, 2].map(|poster| {
            start(&stage, move |stage| {
                assert!(stage.submit(poster * 10));
                assert!(stage.submit(poster * 10 + 1));
            })
        });
        posters.into_iter().for_each(|poster| poster.join().unwrap());
        let light = watcher.join().unwrap();
        assert!(!light.is_on(), "drained, it clears itself");
        stage.all_ended_once();
        stage.queue.close();
        assert!(light.is_on());
    });
}

#[test]
fn a_descriptor_made_late_shows_what_is_there() {
    explore(|| {
        let stage = Stage::set();
        let poster = start(&stage, |stage| assert!(stage.submit(1)));
        let (one, other) = (stage.light(), stage.light());
        poster.join().unwrap();
        assert!(one.is_on() && other.is_on() && stage.take(9) == 1);
        assert!(!one.is_on() && !other.is_on());
    });
}

#[test]
fn a_wake_and_a_completion_bring_two_back() {
    explore(|| {
        let stage = Stage::set();
        let light = stage.light();
        let consumers = [0; 2].map(|_| start(&stage, |stage| stage.next(1, NEVER)));
        let waker = start(&stage, |stage| stage.queue.wake());
        assert!(stage.submit(1));
        waker.join().unwrap();
        let came = consumers.map(|consumer| consumer.join().unwrap());
        assert!(came.contains(&Next::Woken) && came.contains(&Next::Took(1)), "{came:?}");
        assert!(!light.is_on());
    });
}

#[test]
fn a_flag_wakes_however_often_it_is_fired() {
    explore(|| {
        let stage = Stage::set();
        let place = Arc::new(Plain::new(0));
        let written = place.clone();
        stage.queue.keep_a_flag(move |flag| written.store(flag, Ordering::SeqCst)).unwrap();
        for _ in 0..2 {
            let place = place.clone();
            let handler = thread::spawn(move || Cancel::from_id(place.load(Ordering::SeqCst)).fire());
            assert_eq!(stage.next(1, NEVER), Next::Woken);
            handler.join().unwrap();
        }
        stage.queue.free();
        stage.runtime.join();
    });
}

#[test]
fn a_closed_queue_lets_all_go() {
    explore(|| {
        let stage = Stage::set();
        let operation = stage.accept(1).unwrap();
        let consumers = [0; 3].map(|_| start(&stage, |stage| stage.next(1, NEVER)));
        let closer = start(&stage, |stage| stage.queue.close());
        // It was accepted, and then its request could not begin: there is no end of it.
        operation.never_began();
        closer.join().unwrap();
        consumers.into_iter().for_each(|consumer| assert_eq!(consumer.join().unwrap(), Next::Over));
    });
}

#[test]
fn a_freed_queue_lets_all_go_and_keeps_no_stream() {
    explore(|| {
        let stage = Stage::set();
        let pipe = Arc::new(Pipe::default());
        let operation = stage.queue.accept(1, Plan, Some(pipe.clone()), stage.runtime.clone()).unwrap();
        let consumers = [0; 2].map(|_| start(&stage, |stage| stage.next(1, NEVER)));
        let queue = stage.queue.clone();
        let cut = shuttle::future::spawn(async move { drop(queue.cut_off().await) });
        let freer = start(&stage, |stage| stage.queue.free());
        operation.headed(Response);
        freer.join().unwrap();
        shuttle::future::block_on(cut).unwrap();
        let came = consumers.map(|consumer| consumer.join().unwrap());
        let taken = came.iter().filter(|next| **next == Next::Took(1)).count();
        assert!(taken + came.iter().filter(|next| **next == Next::Freed).count() == 2, "{came:?}");
        assert_eq!(pipe.is_abandoned(), taken == 0, "whoever took its head reads the stream");
        assert!(stage.queue.accept(2, Plan, None, stage.runtime.clone()).is_err());
    });
}

#[test]
fn a_refused_completion_stays_whole_and_first() {
    explore(|| {
        let stage = Stage::set();
        let operation = stage.accept(1).unwrap();
        let poster = thread::spawn(move || {
            operation.headed(Response);
            operation.ended(Ok(Some(Response)));
        });
        let refuser = start(&stage, |stage| {
            stage.queue.wait(NEVER).unwrap();
            assert_eq!(stage.queue.take(9, |_, completion| Err(completion)), 0);
        });
        refuser.join().unwrap();
        let mut kinds = Vec::new();
        while kinds.len() < 2 {
            stage.queue.wait(NEVER).unwrap();
            stage.queue.take(1, |_, completion| {
                kinds.push(matches!(completion, Completion::Head(_)));
                Ok(())
            });
        }
        poster.join().unwrap();
        assert_eq!(kinds, [true, false]);
        assert_eq!(stage.next(1, AT_ONCE), Next::RanOut);
    });
}

#[test]
fn news_of_a_stream_are_told_after_they_came() {
    explore(|| {
        let stage = Stage::set();
        let operation = stage.accept(1).unwrap();
        let written = Arc::new(Plain::new(0));
        let there = written.clone();
        let wire = thread::spawn(move || {
            let reader = operation.body_side();
            for _ in 0..2 {
                there.fetch_add(1, Ordering::SeqCst);
                reader.on_ready();
            }
        });
        let mut read = 0;
        while read < 2 {
            stage.queue.wait(NEVER).unwrap();
            stage.queue.take(1, |_, completion| {
                assert!(matches!(completion, Completion::Readable));
                read = written.load(Ordering::SeqCst);
                Ok(())
            });
        }
        wire.join().unwrap();
    });
}

#[test]
fn a_freed_pool_ends_its_queues() {
    explore(|| {
        let stage = Stage::set();
        let operation = stage.accept(1).unwrap();
        let consumers = [0; 2].map(|_| start(&stage, until_over));
        let light = stage.light();
        let freer = start(&stage, |stage| {
            stage.runtime.stop();
            stage.queue.pool_ended();
        });
        operation.ended(Ok(None));
        freer.join().unwrap();
        consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
        stage.all_ended_once();
        assert!(light.is_on());
    });
}
