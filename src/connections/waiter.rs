//! Who waits for a connection, in the order of their coming.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::lease::Lease;
use crate::error::{Error, Phase};
use crate::lock::lock;
use crate::transport::dial::{DialLimits, DialObserver};

const WAITS: u8 = 0;
const SERVED: u8 = 1;
const GONE: u8 = 2;

/// More forgotten entries than this, and than live ones, are swept.
const FORGOTTEN: usize = 64;

/// A dial under way: how far it is, told to those who wait for it.
pub struct Dial {
    pub began: Instant,
    state: Mutex<(Phase, Instant)>,
}

impl Dial {
    pub fn begin() -> Arc<Dial> {
        let began = Instant::now();
        Arc::new(Dial { began, state: Mutex::new((Phase::Connect, began)) })
    }

    /// The phase, and since when.
    pub fn phase(&self) -> (Phase, Instant) {
        *lock(&self.state)
    }
}

impl DialObserver for Dial {
    fn enter(&self, phase: Phase) {
        *lock(&self.state) = (phase, Instant::now());
    }
}

/// A waiter's state, as it and the queue see it.
pub struct WaiterState {
    stage: AtomicU8,
    pub joined: Instant,
    pub limits: DialLimits,
    /// The dial that is made for this waiter, or whose outcome it shares.
    dial: Mutex<Option<Arc<Dial>>>,
}

impl WaiterState {
    /// What is waited for, and since when: a dial, or that somebody gives a connection back.
    pub fn phase(&self) -> (Phase, Instant) {
        lock(&self.dial).as_ref().map_or((Phase::Queue, self.joined), |dial| dial.phase())
    }

    pub fn dial(&self) -> Option<Arc<Dial>> {
        lock(&self.dial).clone()
    }

    fn waits(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == WAITS
    }
}

type Outcome = Result<Lease, Error>;

struct Waiter {
    state: Arc<WaiterState>,
    served: oneshot::Sender<Outcome>,
}

/// The queue of one group, changed under its lock. Those who gave up stay as forgotten entries until they are met or swept,
/// so that giving up costs the same however long the queue is.
#[derive(Default)]
pub struct Waiters {
    queue: VecDeque<Waiter>,
    waiting: usize,
}

impl Waiters {
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Joins at the end; `dial` is the one whose outcome is shared, where there is such.
    pub fn join(
        &mut self,
        limits: DialLimits,
        dial: Option<Arc<Dial>>,
    ) -> (Arc<WaiterState>, oneshot::Receiver<Outcome>) {
        let state = Arc::new(WaiterState {
            stage: AtomicU8::new(WAITS),
            joined: Instant::now(),
            limits,
            dial: Mutex::new(dial),
        });
        let (served, outcome) = oneshot::channel();
        self.queue.push_back(Waiter { state: state.clone(), served });
        self.waiting += 1;
        (state, outcome)
    }

    /// Serves the first in the queue; the lease comes back when nobody wants it. `dial`, where the lease is that dial's, is
    /// exchanged: who was to have it gets the dial of who has it now.
    pub fn serve(&mut self, mut lease: Lease, dial: Option<&Arc<Dial>>) -> Option<Lease> {
        while let Some(waiter) = self.next() {
            let its_dial = lock(&waiter.state.dial).take();
            match waiter.served.send(Ok(lease)) {
                Ok(()) => {
                    self.pass_on(its_dial, dial);
                    return None;
                }
                Err(Ok(back)) => lease = back,
                // It was an Ok.
                Err(Err(_)) => return None,
            }
        }
        Some(lease)
    }

    fn next(&mut self) -> Option<Waiter> {
        loop {
            let waiter = self.queue.pop_front()?;
            if waiter.state.waits() {
                waiter.state.stage.store(SERVED, Ordering::Relaxed);
                self.waiting -= 1;
                return Some(waiter);
            }
        }
    }

    /// `free` was the dial of somebody who needs it no more; whoever shared `used`, which is over, has it now.
    fn pass_on(&self, free: Option<Arc<Dial>>, used: Option<&Arc<Dial>>) {
        let Some(used) = used else { return };
        if free.as_ref().is_some_and(|free| Arc::ptr_eq(free, used)) {
            return;
        }
        if let Some(loser) = self.live().find(|waiter| is_for(waiter, used)) {
            *lock(&loser.state.dial) = free;
        }
    }

    /// The first who has no dial of his own gets this one; `all` who have none where they share it.
    pub fn assign(&self, dial: &Arc<Dial>, all: bool) {
        let without = self.live().filter(|waiter| lock(&waiter.state.dial).is_none());
        for waiter in without.take(if all { usize::MAX } else { 1 }) {
            *lock(&waiter.state.dial) = Some(dial.clone());
        }
    }

    /// Those who shared this dial share it no more.
    pub fn unassign(&self, dial: &Arc<Dial>) {
        for waiter in self.live().filter(|waiter| is_for(waiter, dial)) {
            *lock(&waiter.state.dial) = None;
        }
    }

    /// The dial failed: so do those it was begun for. Who joined later waits for the next.
    pub fn fail(&mut self, dial: &Arc<Dial>, error: &Error) {
        for index in 0..self.queue.len() {
            let waiter = &self.queue[index];
            if !waiter.state.waits() || !is_for(waiter, dial) {
                continue;
            }
            if waiter.state.joined > dial.began {
                *lock(&waiter.state.dial) = None;
                continue;
            }
            waiter.state.stage.store(SERVED, Ordering::Relaxed);
            self.waiting -= 1;
            // The entry's sender is needed by value: a forgotten entry takes its place.
            let (served, _) = oneshot::channel();
            let failed = Waiter { state: waiter.state.clone(), served };
            let failed = std::mem::replace(&mut self.queue[index], failed);
            let _ = failed.served.send(Err(error.clone()));
        }
        self.sweep();
    }

    /// The limits of whom the next dial is for.
    pub fn first_without_dial(&self) -> Option<DialLimits> {
        self.live().find(|waiter| lock(&waiter.state.dial).is_none()).map(|waiter| waiter.state.limits)
    }

    /// A waiter gives up; nothing where it was served meanwhile.
    pub fn leave(&mut self, waiter: &WaiterState) {
        if waiter.waits() {
            waiter.stage.store(GONE, Ordering::Relaxed);
            self.waiting -= 1;
            self.sweep();
            // The next in order is met first, whoever asks.
            while self.queue.front().is_some_and(|first| !first.state.waits()) {
                self.queue.pop_front();
            }
        }
    }

    fn sweep(&mut self) {
        if self.queue.len() - self.waiting > FORGOTTEN.max(self.waiting) {
            self.queue.retain(|waiter| waiter.state.waits());
        }
    }

    fn live(&self) -> impl Iterator<Item = &Waiter> {
        self.queue.iter().filter(|waiter| waiter.state.waits())
    }
}

fn is_for(waiter: &Waiter, dial: &Arc<Dial>) -> bool {
    lock(&waiter.state.dial).as_ref().is_some_and(|its| Arc::ptr_eq(its, dial))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gave_up_is_not_passed_over_again_and_again() {
        let mut waiters = Waiters::default();
        let joined: Vec<_> = (0..1000).map(|_| waiters.join(DialLimits::default(), None)).collect();
        for (waiter, _) in &joined[..400] {
            waiters.leave(waiter);
        }
        assert_eq!((waiters.queue.len(), waiters.len()), (600, 600));
        // In the middle they stay until they are the majority.
        for (waiter, _) in &joined[500..900] {
            waiters.leave(waiter);
        }
        assert!(waiters.queue.len() <= 2 * waiters.len() + 1 && waiters.len() == 200);
    }
}
