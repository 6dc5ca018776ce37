//! What a group knows, behind its lock: who is idle, who waits, what is being dialed, and what follows from it.

use std::sync::Arc;

use super::connection::Connection;
use super::group::Group;
use super::lease::Lease;
use super::waiter::{Dial, Waiters};
use crate::transport::dial::DialLimits;

/// More streams than this on one connection hold each other up, whatever the peer takes.
const STREAMS_ENOUGH: usize = 100;

/// What the server is known to speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Unknown,
    Http1,
    Http2,
}

/// What a group knows.
#[derive(Default)]
pub struct GroupState {
    /// Sessions that refer to it; with none left connections close once idle.
    pub references: usize,
    pub protocol: Protocol,
    /// HTTP/1.1, the one used last at the end.
    pub idle: Vec<Arc<Connection>>,
    /// HTTP/2, taking streams.
    pub open: Vec<Arc<Connection>>,
    /// All that stand, leaving ones too.
    pub standing: Vec<Arc<Connection>>,
    pub dials: Vec<Arc<Dial>>,
    /// Permits held: by dials and by what stands.
    pub permits: usize,
    pub starving: bool,
    pub waiters: Waiters,
}

impl GroupState {
    /// A connection with room.
    pub fn take(&mut self, group: &Arc<Group>) -> Option<Lease> {
        if let Some(lease) = self.stream(group) {
            return Some(lease);
        }
        std::iter::from_fn(|| self.idle.pop()).find_map(|connection| group.lease(&connection))
    }

    /// A stream on the first connection that is not nearly full, or on the emptiest of all.
    pub fn stream(&mut self, group: &Arc<Group>) -> Option<Lease> {
        let fit = |connection: &&Arc<Connection>| {
            connection.streams() < connection.most_streams() && !connection.is_suspect()
        };
        let roomy = self.open.iter().filter(fit).find(|connection| connection.streams() < soft_limit(connection));
        let connection =
            roomy.or_else(|| self.open.iter().filter(fit).min_by_key(|connection| connection.streams()))?;
        group.lease(connection)
    }

    /// How many waiters the dials and settling connections will serve.
    pub fn coming(&self) -> usize {
        let each = match self.protocol {
            Protocol::Http1 => return self.dials.len(),
            // Whatever it turns out to be, one dial tells; and a peer that takes no streams gets no flood of connections.
            Protocol::Unknown => usize::MAX,
            Protocol::Http2 if self.open.iter().any(|connection| connection.most_streams() == 0) => return usize::MAX,
            Protocol::Http2 => self.streams_each(),
        };
        let settling = self.open.iter().filter(|connection| !connection.is_settled());
        let room = settling.map(|connection| each.saturating_sub(connection.streams()));
        room.fold(self.dials.len().saturating_mul(each), usize::saturating_add)
    }

    /// What a new connection to this peer takes, as far as the others tell.
    pub fn streams_each(&self) -> usize {
        let mut told = self.standing.iter().filter(|connection| connection.http2 && connection.is_settled());
        told.next_back().map_or(STREAMS_ENOUGH, |connection| connection.most_streams()).max(1)
    }

    pub fn is_nearly_full(&self) -> bool {
        let settled = self.open.iter().all(|connection| connection.is_settled());
        let full = self.open.iter().all(|connection| connection.streams() >= soft_limit(connection));
        // Of few streams a fifth is none: then the next connection waits until it is needed.
        let divisible = self.open.iter().all(|connection| soft_limit(connection) < connection.most_streams());
        self.dials.is_empty() && !self.open.is_empty() && settled && full && divisible
    }

    /// The dial that newcomers share: the newest, to a server that is unknown or speaks HTTP/2.
    pub fn shared_dial(&self) -> Option<Arc<Dial>> {
        if self.protocol == Protocol::Http1 { None } else { self.dials.last().cloned() }
    }

    /// Everybody has a dial, but these will not do for all: the limits of a further one.
    pub fn fallback(&self, group: &Arc<Group>) -> Option<DialLimits> {
        (self.protocol == Protocol::Http2).then_some(group.shared.dial_limits)
    }

    pub fn end_dial(&mut self, dial: &Arc<Dial>) {
        self.dials.retain(|other| !Arc::ptr_eq(other, dial));
    }

    pub fn forget(&mut self, connection: &Arc<Connection>) {
        let list = if connection.http2 { &mut self.open } else { &mut self.idle };
        list.retain(|other| !Arc::ptr_eq(other, connection));
    }

    /// What is idle though no session is left.
    pub fn unwanted(&self) -> Vec<Arc<Connection>> {
        if self.references > 0 || self.waiters.len() > 0 {
            return Vec::new();
        }
        let unused = self.open.iter().filter(|connection| connection.streams() == 0);
        self.idle.iter().chain(unused).cloned().collect()
    }
}

/// From this many streams on the next connection is opened.
fn soft_limit(connection: &Connection) -> usize {
    let most = connection.most_streams().min(STREAMS_ENOUGH);
    (most * 4).div_ceil(5)
}
