//! Coalesces wake-ups: one for all that a poll of an HTTP/1.1 connection brings.
//!
//! A poll often brings head, body and room for the next request at once. Each has a waker of its own, and a waiter on another
//! core, woken for the head, would sleep again before the body is there.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::lock::lock;

/// Stands between a connection and the one who waits for it. Clones share it.
#[derive(Clone)]
pub struct WakeCoalescer {
    shared: Arc<Shared>,
    /// `shared` once more, as the connection wants it.
    waker: Waker,
}

struct Shared {
    waiting: Mutex<Option<Waker>>,
    polling: AtomicBool,
    wanted: AtomicBool,
    ended: AtomicBool,
}

/// Held by the connection's task behind the connection itself: whoever still waits for it then is told that it is gone.
pub struct CloseGuard(pub WakeCoalescer);

impl Drop for CloseGuard {
    fn drop(&mut self) {
        self.0.shared.ended.store(true, Ordering::SeqCst);
        self.0.shared.wake_by_ref();
    }
}

/// The connection is being polled; whoever it woke meanwhile is woken at the end.
pub struct PollGuard<'a>(&'a Shared);

impl Default for WakeCoalescer {
    fn default() -> Self {
        let shared = Arc::new(Shared {
            waiting: Mutex::new(None),
            polling: AtomicBool::new(false),
            wanted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        });
        WakeCoalescer { waker: Waker::from(shared.clone()), shared }
    }
}

impl WakeCoalescer {
    /// Around each poll of the connection.
    pub fn begin_poll(&self) -> PollGuard<'_> {
        self.shared.polling.store(true, Ordering::SeqCst);
        PollGuard(&self.shared)
    }

    /// Polls what the connection wakes.
    pub fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let mut waiting = lock(&self.shared.waiting);
        if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
        drop(waiting);
        poll(&mut Context::from_waker(&self.waker))
    }

    /// Waits for what the connection wakes.
    pub async fn wait<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| self.poll(cx, |cx| future.as_mut().poll(cx))).await
    }

    /// As `wait`, or `None` when the connection is gone and has left it unfinished.
    pub async fn wait_to_the_end<F: Future>(&self, mut future: Pin<&mut F>) -> Option<F::Output> {
        poll_fn(|cx| match self.poll(cx, |cx| future.as_mut().poll(cx)) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.shared.ended.load(Ordering::SeqCst) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }
}

impl Shared {
    /// A wake-up in a poll is left to its end. Each side says its word before it reads the other's, so none is lost.
    fn settle(&self) {
        if !self.polling.load(Ordering::SeqCst) && self.wanted.swap(false, Ordering::SeqCst) {
            let waiting = lock(&self.waiting).clone();
            if let Some(waker) = waiting {
                waker.wake();
            }
        }
    }
}

impl Drop for PollGuard<'_> {
    fn drop(&mut self) {
        self.0.polling.store(false, Ordering::SeqCst);
        self.0.settle();
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wanted.store(true, Ordering::SeqCst);
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn waiting(coalescer: &WakeCoalescer) -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut inner = None;
        let polled = coalescer.poll(&mut Context::from_waker(&waker), |cx| {
            inner = Some(cx.waker().clone());
            Poll::<()>::Pending
        });
        assert!(polled.is_pending());
        (count, inner.expect("polled"))
    }

    #[test]
    fn all_that_a_poll_brings_is_one_wake_up_at_its_end() {
        let coalescer = WakeCoalescer::default();
        let (count, waker) = waiting(&coalescer);
        let polling = coalescer.begin_poll();
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        drop(polling);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn who_waits_when_the_connection_goes_is_told() {
        let coalescer = WakeCoalescer::default();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let never = pin!(std::future::pending::<()>());
        let mut wait = pin!(coalescer.wait_to_the_end(never));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(CloseGuard(coalescer.clone()));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(wait.poll(&mut Context::from_waker(&waker)), Poll::Ready(None));
    }

    #[test]
    fn outside_of_a_poll_it_wakes_at_once_and_a_quiet_poll_wakes_nobody() {
        let coalescer = WakeCoalescer::default();
        let (count, waker) = waiting(&coalescer);
        drop(coalescer.begin_poll());
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
        waker.wake();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }
}
