//! As `late`, for a connection of many streams: who is woken in its turn is woken at the turn's end, when all that came is there
//! and out of h2.

use std::sync::{Arc, Mutex};

use super::Pulse;
use super::basin::Basin;
use crate::lock::lock;

/// Whom the turn under way brings something; `None` between turns.
#[derive(Default)]
pub struct Turns(Mutex<Option<Vec<Arc<Basin>>>>);

/// The connection is polled.
pub struct Turn {
    pulse: Arc<Pulse>,
    /// Out of h2 already, and not woken yet.
    filled: Vec<Arc<Basin>>,
}

impl Turn {
    pub fn begin(pulse: &Arc<Pulse>) -> Turn {
        *lock(&pulse.turns.0) = Some(Vec::new());
        Turn { pulse: pulse.clone(), filled: Vec::new() }
    }

    /// Takes out of h2 what the turn has brought so far.
    pub fn fill(&mut self) {
        let brought = lock(&self.pulse.turns.0).replace(Vec::new());
        self.take_out(brought);
    }

    fn take_out(&mut self, brought: Option<Vec<Arc<Basin>>>) {
        for basin in brought.into_iter().flatten() {
            basin.fill();
            self.filled.push(basin);
        }
    }
}

impl Turns {
    /// False when no turn is under way.
    pub fn brings(&self, basin: &Arc<Basin>) -> bool {
        let mut brought = lock(&self.0);
        let Some(brought) = &mut *brought else { return false };
        brought.push(basin.clone());
        true
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let brought = lock(&self.pulse.turns.0).take();
        self.take_out(brought);
        // Only then: a reader on another core would ask for the lock that is wanted for the next.
        for basin in &self.filled {
            basin.wake_reader();
        }
    }
}
