//! Places for connections: so many to one origin, so many in all. A permit is a dial's and then its connection's.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use super::group::Group;
use crate::stats::lock;

/// The places of one pool.
pub struct Places {
    most: usize,
    state: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    taken: usize,
    /// Groups that found none left, in the order they came.
    starving: VecDeque<Weak<Group>>,
}

impl Places {
    pub fn new(most: usize) -> Self {
        Places { most, state: Mutex::default() }
    }

    pub fn taken(&self) -> usize {
        lock(&self.state).taken
    }

    pub fn most(&self) -> usize {
        self.most
    }

    /// A place, or none: then the group is told when one is given back.
    pub fn take(&self, group: &Arc<Group>, is_queued: &mut bool) -> Option<Permit> {
        let mut state = lock(&self.state);
        if state.taken < self.most {
            state.taken += 1;
            return Some(Permit { group: group.clone() });
        }
        if !std::mem::replace(is_queued, true) {
            state.starving.push_back(Arc::downgrade(group));
        }
        None
    }

    fn give_back(&self) -> Option<Arc<Group>> {
        let mut state = lock(&self.state);
        state.taken -= 1;
        std::iter::from_fn(|| state.starving.pop_front()).find_map(|group| group.upgrade())
    }
}

/// One place, in the group and in the pool, given back when dropped. Never dropped under a group's lock.
pub struct Permit {
    group: Arc<Group>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.group.place_came_free();
        if let Some(starving) = self.group.places().give_back() {
            starving.may_dial_again();
        }
    }
}
