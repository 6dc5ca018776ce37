//! The bound on what all streams of a pool together hold unread.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use crate::lock::lock;

/// Bytes that wait unread in the streams of a pool; beyond it only a stream that holds nothing takes more.
const MOST_UNREAD: usize = 128 << 20;

/// Counts what is unread, and wakes who waits for less.
#[derive(Default)]
pub struct Budget {
    used: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
}

impl Budget {
    pub fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }

    pub fn take(&self, bytes: usize) {
        self.used.fetch_add(bytes, Ordering::SeqCst);
    }

    pub fn give_back(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::SeqCst);
        if before >= MOST_UNREAD && before - bytes < MOST_UNREAD {
            let waiting = std::mem::take(&mut *lock(&self.waiting));
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether there is room; `waker` is woken when there is again.
    pub fn has_room(&self, waker: &Waker) -> bool {
        if self.used() < MOST_UNREAD {
            return true;
        }
        let mut waiting = lock(&self.waiting);
        if !waiting.iter().any(|other| other.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        drop(waiting);
        // Looked at again: what was given back in between has woken nobody.
        self.used() < MOST_UNREAD
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use super::*;

    struct Nobody;

    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn who_asks_again_and_again_waits_once() {
        let (budget, waker) = (Budget::default(), Waker::from(Arc::new(Nobody)));
        budget.take(MOST_UNREAD);
        (0..100).for_each(|_| assert!(!budget.has_room(&waker)));
        assert_eq!(lock(&budget.waiting).len(), 1);
        budget.give_back(1);
        assert!(lock(&budget.waiting).is_empty() && budget.has_room(&waker));
    }
}
