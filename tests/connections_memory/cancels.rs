//! Requests given up anywhere, over servers that fail anywhere: afterwards every book agrees.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use aipool::error::{Detail, Error, Phase, Status};
use aipool::request::cut_off;
use tokio::task::yield_now;

use crate::memory::{HTTP1, HTTP2, Plan};
use crate::rig::{Origin, Rig, caps, limits};

/// More than there are permits for, so that some wait.
const AT_ONCE: usize = 20;
const PER_ORIGIN: usize = 6;
const TOTAL: usize = 12;
const ORIGINS: usize = 3;

/// How many are to be given up in each of the four tests: 100,000 in all are shown at night.
fn wanted() -> usize {
    std::env::var("AIPOOL_CANCELS").ok().map_or(20_000, |count| count.parse().unwrap()) / 4
}

/// What happened.
#[derive(Default)]
struct Tally {
    dropped: AtomicUsize,
    cut: AtomicUsize,
    answered: AtomicUsize,
    failed: AtomicUsize,
    /// Of those cut, by phase.
    phases: Mutex<[usize; 8]>,
}

impl Tally {
    fn given_up(&self) -> usize {
        self.dropped.load(Ordering::Relaxed) + self.cut.load(Ordering::Relaxed)
    }
}

/// Polls `future` so often, lets the world go on without it, and drops it.
async fn abandon<F: Future>(future: F, mut polls: Polls, pause: usize) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let ended = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if polls.count(cx) => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    if ended.is_none() {
        for _ in 0..pause {
            yield_now().await;
        }
    }
    ended
}

/// Ready when it has been asked so often: as a drain's end comes.
fn asked(mut polls: Polls) -> impl Future<Output = Error> + Send {
    poll_fn(move |cx| if polls.count(cx) { Poll::Ready(cut_off()) } else { Poll::Pending })
}

/// How a request is polled: so often, and for the restless also when nothing called for it, so that it is given up between
/// any two events.
#[derive(Clone, Copy)]
struct Polls {
    left: usize,
    restless: bool,
}

impl Polls {
    fn random() -> Polls {
        let restless = fastrand::u8(0..3) == 0;
        Polls { left: fastrand::usize(1..=if restless { 40 } else { 12 }), restless }
    }

    /// True at the last one.
    fn count(&mut self, cx: &Context<'_>) -> bool {
        self.left = self.left.saturating_sub(1);
        if self.restless {
            cx.waker().wake_by_ref();
        }
        self.left == 0
    }
}

async fn one(origin: &Origin, tally: &Tally) {
    let body = match fastrand::u8(0..16) {
        // More than hyper takes at once: it is given up while it is sent.
        0 => fastrand::usize(500_000..1_000_000),
        1..4 => fastrand::usize(17_000..300_000),
        _ => 0,
    };
    let mut exchange = origin.exchange("/", body, limits());
    let polls = Polls::random();
    let count = |of: &AtomicUsize| {
        of.fetch_add(1, Ordering::Relaxed);
    };
    let drops = fastrand::bool();
    let ended = if drops {
        let run = async { exchange.run(pin!(std::future::pending())).await };
        abandon(Box::pin(run), polls, fastrand::usize(0..6)).await
    } else {
        Some(exchange.run(pin!(asked(polls))).await)
    };
    match ended {
        None => count(&tally.dropped),
        Some(Ok(_)) => count(&tally.answered),
        Some(Err(failure)) if failure.error.detail == Detail::DrainLimit => {
            tally.phases.lock().unwrap()[failure.error.phase as usize] += 1;
            count(&tally.cut);
        }
        Some(Err(failure)) => {
            // A limit that runs out here means that somebody was forgotten.
            assert_ne!(failure.error.status, Status::Timeout, "{failure:?}");
            count(&tally.failed);
        }
    }
}

async fn worker(origins: Arc<Vec<Origin>>, tally: Arc<Tally>, wanted: usize) {
    while tally.given_up() < wanted {
        one(&origins[fastrand::usize(0..ORIGINS)], &tally).await;
    }
}

fn random_cancels(threads: usize, plan: Plan) {
    let rig = Rig::new(threads, caps(PER_ORIGIN, TOTAL), Plan { chaos: true, ..plan });
    let origins = Arc::new((0..ORIGINS).map(|number| rig.origin(number)).collect::<Vec<_>>());
    let tally = Arc::new(Tally::default());
    let wanted = wanted();
    rig.work(async {
        let worker = |_| tokio::spawn(worker(origins.clone(), tally.clone(), wanted));
        for worker in (0..AT_ONCE).map(worker).collect::<Vec<_>>() {
            worker.await.unwrap();
        }
    });
    rig.comes_to_rest();
    println!("{}", shown(&rig, &tally, threads));
    let phases = *tally.phases.lock().unwrap();
    for phase in [Phase::Queue, Phase::Connect, Phase::Send, Phase::FirstByte, Phase::Body] {
        assert!(phases[phase as usize] > 0, "nobody gave up in {phase:?}: {phases:?}");
    }
    assert!(rig.world.held.most() <= TOTAL && rig.world.held.most_to_one() <= PER_ORIGIN);
    // Nothing was lost on the way: whoever comes now is served.
    rig.world.calm();
    rig.wait(async {
        for number in 0..10 * ORIGINS {
            origins[number % ORIGINS].get("/").await.expect("an answer");
        }
    });
    rig.comes_to_rest();
    drop(origins);
    rig.until("no session, no connections", || rig.world.counts.live.get() == 0);
}

fn shown(rig: &Rig, tally: &Tally, threads: usize) -> String {
    let stats = rig.stats();
    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    format!(
        "threads {threads}, HTTP/{}: {} given up ({} dropped, {} cut; by phase {:?}), {} answered, {} failed; opened {}, \
         closed {}, open {}, permits {}, live at the servers {}, dials {} ({} failed), most at once {}",
        if rig.world.plan.http2 { 2 } else { 1 },
        tally.given_up(),
        count(&tally.dropped),
        count(&tally.cut),
        tally.phases.lock().unwrap(),
        count(&tally.answered),
        count(&tally.failed),
        stats.opened,
        stats.closed.iter().sum::<u64>(),
        stats.now.standing,
        rig.connections.permits_taken(),
        rig.world.counts.live.get(),
        rig.world.counts.dials.get(),
        stats.failed,
        rig.world.held.most(),
    )
}

#[test]
fn random_cancels_over_http1_leave_nothing_behind() {
    random_cancels(0, HTTP1);
}

#[test]
fn random_cancels_over_http1_with_threads_leave_nothing_behind() {
    random_cancels(2, HTTP1);
}

#[test]
fn random_cancels_over_http2_leave_nothing_behind() {
    random_cancels(0, Plan { most_streams: 3, ..HTTP2 });
}

#[test]
fn random_cancels_over_http2_with_threads_leave_nothing_behind() {
    random_cancels(2, Plan { most_streams: 3, ..HTTP2 });
}
