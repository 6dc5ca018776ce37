//! Coalesces wake-ups of an HTTP/2 connection's streams: readers are woken at the end of its poll, when all is out of h2.

use std::sync::{Arc, Mutex};

use super::ConnectionShared;
use super::stream_buffer::StreamBuffer;
use crate::lock::lock;

/// Streams that the poll under way brings something; `None` between polls.
#[derive(Default)]
pub struct WokenStreams(Mutex<Option<Vec<Arc<StreamBuffer>>>>);

/// The connection is being polled.
pub struct PollGuard {
    shared: Arc<ConnectionShared>,
    /// Out of h2 already, and not woken yet.
    filled: Vec<Arc<StreamBuffer>>,
}

impl PollGuard {
    pub fn begin(shared: &Arc<ConnectionShared>) -> PollGuard {
        *lock(&shared.woken.0) = Some(Vec::new());
        PollGuard { shared: shared.clone(), filled: Vec::new() }
    }

    /// Takes out of h2 what the poll has brought so far.
    pub fn fill(&mut self) {
        let woken = lock(&self.shared.woken.0).replace(Vec::new());
        self.take_out(woken);
    }

    fn take_out(&mut self, woken: Option<Vec<Arc<StreamBuffer>>>) {
        for buffer in woken.into_iter().flatten() {
            buffer.fill();
            self.filled.push(buffer);
        }
    }
}

impl WokenStreams {
    /// False when no poll is under way.
    pub fn defer(&self, buffer: &Arc<StreamBuffer>) -> bool {
        let mut woken = lock(&self.0);
        let Some(woken) = &mut *woken else { return false };
        woken.push(buffer.clone());
        true
    }
}

impl Drop for PollGuard {
    fn drop(&mut self) {
        let woken = lock(&self.shared.woken.0).take();
        self.take_out(woken);
        // Only then: a reader on another core would ask for the lock that is wanted for the next.
        for buffer in &self.filled {
            buffer.wake_reader();
        }
    }
}
