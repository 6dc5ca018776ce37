//! An end brought about from outside, which many wait for and which comes once.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Poll, Waker};

use crate::sync::{AtomicBool, Notify, Ordering};

#[derive(Default)]
pub struct Cut {
    came: AtomicBool,
    told: Notify,
}

impl Cut {
    /// Ends all waits, also those that begin later.
    pub fn now(&self) {
        self.came.store(true, Ordering::SeqCst);
        self.told.notify_waiters();
    }

    /// Ends when it comes.
    pub async fn comes(&self) {
        let mut told = pin!(self.told.notified());
        let mut knows: Option<Waker> = None;
        poll_fn(|cx| {
            // Polled at each wake of its task, and those are rarely for this: who is known will be woken.
            if !knows.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                knows = Some(cx.waker().clone());
                if told.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
            if self.came.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
