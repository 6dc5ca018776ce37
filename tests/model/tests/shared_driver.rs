//! A connection's driver that its request and its task poll in turns, in every order: whatever comes is moved on, and nobody waits for
//! the other.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use aipool_model::explore::explore;
use aipool_model::shared_driver::{self, OwnTask, SharedDriver};
use aipool_model::sync::Mutex;
use aipool_model::sync::thread::spawn;
use shuttle::future::block_on;

/// Things on their way: put in at one end, each wakes the other.
#[derive(Default)]
struct Line(Mutex<Lying>);

#[derive(Default)]
struct Lying {
    things: usize,
    ended: bool,
    waker: Option<Waker>,
}

impl Line {
    fn put(&self, things: usize, ended: bool) {
        let mut lying = self.0.lock().unwrap();
        lying.things += things;
        lying.ended |= ended;
        let waker = lying.waker.take();
        drop(lying);
        waker.into_iter().for_each(Waker::wake);
    }

    /// One thing, or none at the end.
    fn poll_take(&self, cx: &Context<'_>) -> Poll<Option<()>> {
        let mut lying = self.0.lock().unwrap();
        if lying.things > 0 {
            lying.things -= 1;
            return Poll::Ready(Some(()));
        }
        if lying.ended {
            return Poll::Ready(None);
        }
        lying.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// Moves what comes over the wire to who waits for it.
struct Driver {
    wire: Arc<Line>,
    body: Arc<Line>,
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.wire.poll_take(cx) {
                Poll::Ready(Some(())) => self.body.put(1, false),
                Poll::Ready(None) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.body.put(0, true);
    }
}

struct Stage {
    wire: Arc<Line>,
    body: Arc<Line>,
    driver: SharedDriver<Driver>,
    task: OwnTask<Driver>,
}

fn stage() -> Stage {
    let (wire, body) = (Arc::<Line>::default(), Arc::<Line>::default());
    let (driver, task) = shared_driver::share(Driver { wire: wire.clone(), body: body.clone() });
    Stage { wire, body, driver, task }
}

/// Waits for so many things, and says how many came.
fn takes(driver: &SharedDriver<Driver>, body: &Line, most: usize) -> usize {
    driver.take();
    let mut taken = 0;
    while taken < most && block_on(poll_fn(|cx| driver.poll(cx, |cx| body.poll_take(cx)))).is_some() {
        taken += 1;
    }
    driver.release();
    taken
}

/// Looks for one thing, and leaves the turn to the task, as who has no room for more: how many came.
fn pauses(driver: &SharedDriver<Driver>, body: &Line) -> usize {
    driver.take();
    let came = block_on(poll_fn(|cx| Poll::Ready(driver.poll(cx, |cx| body.poll_take(cx)))));
    driver.release();
    usize::from(came == Poll::Ready(Some(())))
}

#[test]
fn what_comes_is_moved_on_whoevers_turn_it_is() {
    explore(|| {
        let Stage { wire, body, driver, task } = stage();
        let server = spawn(move || {
            wire.put(1, false);
            wire.put(1, false);
            wire.put(1, true);
        });
        let reader = body.clone();
        // Two requests, one after the other, that leave the last thing to the task.
        let requests = spawn(move || {
            let first = takes(&driver, &reader, 1);
            let second = pauses(&driver, &reader);
            first + second + takes(&driver, &reader, 1 - second)
        });
        let end = block_on(poll_fn(|cx| task.poll(cx)));
        assert_eq!((end, requests.join().unwrap()), (Ok(()), 2));
        server.join().unwrap();
        assert_eq!(body.0.lock().unwrap().things, 1);
    });
}

#[test]
fn a_connection_that_ends_leaves_no_request_waiting() {
    explore(|| {
        let Stage { wire, body, driver, task } = stage();
        let requests = spawn(move || takes(&driver, &body, 9));
        let server = spawn(move || wire.put(1, false));
        // Polled once, then given up, as the runtime does at its end.
        block_on(poll_fn(|cx| {
            let _ = task.poll(cx);
            Poll::Ready(())
        }));
        drop(task);
        assert!(requests.join().unwrap() <= 1);
        server.join().unwrap();
    });
}
