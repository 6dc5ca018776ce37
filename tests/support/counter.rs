//! Numbers that one thread counts and another waits for.

use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::PATIENCE;

/// A count, shared by its clones.
#[derive(Clone, Default)]
pub struct Counter(Arc<(Mutex<usize>, Condvar)>);

impl Counter {
    pub fn add(&self, more: usize) -> usize {
        self.change(|count| *count += more)
    }

    pub fn sub(&self, less: usize) -> usize {
        self.change(|count| *count -= less)
    }

    pub fn get(&self) -> usize {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until at least `count` are counted.
    pub fn wait(&self, count: usize) {
        self.wait_until(|now| now >= count);
    }

    /// Waits until `reached` is true of the count; fails the test when that takes too long.
    pub fn wait_until(&self, reached: impl Fn(usize) -> bool) {
        let (count, changed) = &*self.0;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, wait) = changed
            .wait_timeout_while(count, PATIENCE, |count| !reached(*count))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!wait.timed_out(), "waited in vain; the count is {count}");
    }

    fn change(&self, change: impl FnOnce(&mut usize)) -> usize {
        let (count, changed) = &*self.0;
        let mut count = count.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut count);
        changed.notify_all();
        *count
    }
}

/// A gate that holds whoever comes until it is opened, for good.
#[derive(Clone, Default)]
pub struct Gate(Counter);

impl Gate {
    pub fn open(&self) {
        self.0.add(1);
    }

    pub fn pass(&self) {
        self.0.wait(1);
    }
}
