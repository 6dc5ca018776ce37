//! One-shot abort: its owner fires it once, and it ends all that waits for it then or later. A caller's own flag is `cancel`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

use crate::sync::{AtomicBool, Notify, Ordering};

#[derive(Default)]
pub struct Abort {
    fired: AtomicBool,
    waiting: Notify,
}

impl Abort {
    /// Ends all waits, also those that begin later.
    pub fn fire(&self) {
        self.fired.store(true, Ordering::SeqCst);
        self.waiting.notify_waiters();
    }

    /// Ends when it is fired.
    pub async fn fired(&self) {
        let mut notified = pin!(self.waiting.notified());
        let mut known: Option<Waker> = None;
        poll_fn(|cx| {
            // Polled at each wake of its task, and those are rarely for this: who is known will be woken.
            if !known.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                known = Some(cx.waker().clone());
                if notified.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            if self.fired.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
