//! Places for connections: so many to one origin, so many in all. A permit is a dial's and then its connection's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::time::Instant;

use super::group::Group;
use crate::stats::lock;

/// The places of one pool.
pub struct Places {
    most: usize,
    state: Mutex<Taken>,
    /// How many starve, to be asked without the lock.
    starving: AtomicUsize,
}

#[derive(Default)]
struct Taken {
    taken: usize,
    /// Groups that found none left, and since when, in the order they came.
    starving: VecDeque<(Instant, Weak<Group>)>,
}

impl Places {
    pub fn new(most: usize) -> Self {
        Places { most, state: Mutex::default(), starving: AtomicUsize::new(0) }
    }

    pub fn taken(&self) -> usize {
        lock(&self.state).taken
    }

    pub fn most(&self) -> usize {
        self.most
    }

    /// Since when a group has waited for a place, where one does.
    pub fn starving_since(&self) -> Option<Instant> {
        if self.starving.load(Ordering::Relaxed) == 0 {
            return None;
        }
        lock(&self.state).starving.front().map(|(since, _)| *since)
    }

    /// A place, or none: then the group is told when one is given back.
    pub fn take(&self, group: &Arc<Group>, is_queued: &mut bool) -> Option<Permit> {
        let mut state = lock(&self.state);
        if state.taken < self.most {
            state.taken += 1;
            return Some(Permit { group: group.clone() });
        }
        if !std::mem::replace(is_queued, true) {
            state.starving.push_back((Instant::now(), Arc::downgrade(group)));
            self.starving.store(state.starving.len(), Ordering::Relaxed);
        }
        None
    }

    fn give_back(&self) {
        lock(&self.state).taken -= 1;
    }

    fn next_starving(&self) -> Option<Arc<Group>> {
        let mut state = lock(&self.state);
        let next = std::iter::from_fn(|| state.starving.pop_front()).find_map(|(_, group)| group.upgrade());
        self.starving.store(state.starving.len(), Ordering::Relaxed);
        next
    }
}

/// One place, in the group and in the pool, given back when dropped. Never dropped under a group's lock.
pub struct Permit {
    group: Arc<Group>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let places = self.group.places();
        places.give_back();
        // First to whom has waited longest for one, whoever it is; then to its own group.
        while let Some(starving) = places.next_starving() {
            if starving.may_dial_again() {
                break;
            }
        }
        self.group.place_came_free();
    }
}
