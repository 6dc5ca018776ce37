//! Counts a request and its end, for the session and its pool.

use std::sync::Arc;

use super::Session;
use crate::request::Failure;
use crate::stats::add_one;

/// Counts a request and its end.
pub(super) struct Tally {
    session: Arc<Session>,
    by_engine: bool,
    open: bool,
}

impl Tally {
    pub(super) fn begin(session: &Arc<Session>, by_engine: bool) -> Tally {
        session.count(|counters| &counters.requests);
        Tally { session: session.clone(), by_engine, open: true }
    }

    /// With whether its connection was used before.
    pub(super) fn ended(mut self, outcome: Result<bool, &Failure>) {
        self.open = false;
        match outcome {
            Ok(true) => self.session.count(|counters| &counters.requests_reused),
            // Its pool counts connections when they are opened.
            Ok(false) if self.by_engine => add_one(&self.session.counters.connections_opened),
            Ok(false) => {}
            Err(_) => self.session.count(|counters| &counters.failures),
        }
    }
}

/// One that was dropped has no answer.
impl Drop for Tally {
    fn drop(&mut self) {
        if self.open {
            self.session.count(|counters| &counters.failures);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PoolConfig;
    use crate::pool::{ConnectionPool, PoolHandle};

    #[test]
    fn a_request_that_was_dropped_counts_as_one_that_failed() {
        let pool = PoolHandle::owner(ConnectionPool::new(PoolConfig::default()).unwrap());
        let session = pool.get_session("http://host.test", None).unwrap();
        drop(Tally::begin(&session.session, true));
        assert_eq!((session.stats().requests, session.stats().failures), (1, 1));
        Tally::begin(&session.session, true).ended(Ok(true));
        assert_eq!((session.stats().requests, session.stats().failures), (2, 1));
    }
}
