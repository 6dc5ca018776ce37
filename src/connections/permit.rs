//! The limit on a pool's connections, a semaphore with a fair line. A permit is a dial's and then its connection's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::group::Group;
use crate::lock::lock;

/// How many connections one pool may have, and who is in line for a permit.
pub struct ConnectionLimit {
    most: usize,
    state: Mutex<LimitState>,
    /// How many starve, for who looks without the lock.
    starving: AtomicUsize,
}

#[derive(Default)]
struct LimitState {
    taken: usize,
    /// Groups that found none left, in the order they came.
    starving: VecDeque<Weak<Group>>,
    /// Permits that come free because an idle connection was closed for them.
    promised: usize,
}

impl ConnectionLimit {
    pub fn new(most: usize) -> Self {
        ConnectionLimit { most, state: Mutex::default(), starving: AtomicUsize::new(0) }
    }

    pub fn taken(&self) -> usize {
        lock(&self.state).taken
    }

    pub fn most(&self) -> usize {
        self.most
    }

    /// A permit, or none. Then a group that `starves` is told when there is one again: in line before anybody can give one back.
    pub fn take(&self, group: &Arc<Group>, starves: bool) -> Option<Permit> {
        self.change_line(|state| {
            if state.taken < self.most {
                state.taken += 1;
                return Some(Permit { group: group.clone() });
            }
            if starves {
                state.starving.push_back(Arc::downgrade(group));
            }
            None
        })
    }

    pub fn leave_line(&self, group: &Arc<Group>) {
        self.change_line(|state| state.starving.retain(|other| !std::ptr::eq(other.as_ptr(), &raw const **group)));
    }

    pub fn anybody_starves(&self) -> bool {
        self.starving.load(Ordering::Relaxed) > 0
    }

    /// Whether a connection should be closed for who starves: one for each, not one for each look.
    pub fn promise(&self) -> bool {
        let mut state = lock(&self.state);
        let short = state.promised < state.starving.len();
        state.promised += usize::from(short);
        short
    }

    /// What was promised does not come.
    pub fn break_promise(&self) {
        let mut state = lock(&self.state);
        state.promised = state.promised.saturating_sub(1);
    }

    fn give_back(&self) {
        let mut state = lock(&self.state);
        state.taken -= 1;
        state.promised = state.promised.saturating_sub(1);
    }

    /// Whose turn it is, while there is a permit.
    fn next_starving(&self) -> Option<Arc<Group>> {
        self.change_line(|state| {
            let free = state.taken < self.most;
            std::iter::from_fn(|| if free { state.starving.pop_front() } else { None })
                .find_map(|group| group.upgrade())
        })
    }

    /// Who looks without the lock sees the line as it is afterwards.
    fn change_line<T>(&self, change: impl FnOnce(&mut LimitState) -> T) -> T {
        let mut state = lock(&self.state);
        let changed = change(&mut state);
        self.starving.store(state.starving.len(), Ordering::Relaxed);
        changed
    }
}

/// Leave for one connection, in the group and in the pool, given back when dropped. Never dropped under a group's lock.
pub struct Permit {
    group: Arc<Group>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let limit = self.group.limit();
        self.group.permit_dropped();
        limit.give_back();
        // The first in line may need it no more: then it is the next one's.
        while let Some(starving) = limit.next_starving() {
            starving.may_dial_again();
        }
        self.group.dial_wanted();
    }
}
