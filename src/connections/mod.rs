//! The connections of a pool: by origin and identity, bounded, queued for in order, observed.

mod connection;
mod dial;
mod group;
mod group_state;
mod lease;
mod permit;
mod waiter;
mod warm;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use lru::LruCache;

pub use self::connection::Connection;
pub use self::group::{Checkout, Group, Occupancy};
pub use self::group_state::Protocol;
pub use self::lease::{Lease, Waiting, queue_limit_ran_out};
use self::permit::ConnectionLimit;
pub use self::waiter::WaiterState;
use crate::config::{ConnectionCaps, ConnectionConfig, Limits};
use crate::error::{Error, Result};
use crate::events::{self, CloseReason};
use crate::lock::lock;
use crate::metrics::{Counts, Histogram};
use crate::runtime::Runtime;
use crate::stats::{add, add_one, read};
use crate::transport::dial::{DialLimits, Target};
use crate::transport::link::{Connect, Via};
use crate::transport::socket_state::SocketState;
use crate::transport::tls::ReloadRound;

/// Of how many servers a pool remembers what they speak.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// A connection's life is this share shorter or longer, so that those opened together do not go together.
const JITTER: f64 = 0.15;

/// Makes what connects, for one set of options.
pub type Maker = dyn Fn(&ConnectionConfig) -> Result<Arc<dyn Connect>> + Send + Sync;

/// The connections of one pool.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

/// What all groups of a pool share.
pub struct Shared {
    /// The pool, as events name it.
    pub id: u64,
    runtime: Runtime,
    caps: ConnectionCaps,
    limit: ConnectionLimit,
    /// For dials that no request waits for.
    dial_limits: DialLimits,
    counters: Counters,
    groups: Mutex<HashMap<(Target, u64), Weak<Group>>>,
    identities: Mutex<HashMap<Arc<ConnectionConfig>, Weak<Identity>>>,
    maker: Box<Maker>,
    memory: Mutex<LruCache<Target, Protocol>>,
    last_id: AtomicU64,
}

/// What happened to a pool's connections.
#[derive(Default)]
pub struct Counters {
    opened: AtomicU64,
    closed: [AtomicU64; CloseReason::COUNT],
    failed: AtomicU64,
    handshakes_full: AtomicU64,
    handshakes_resumed: AtomicU64,
    reused: AtomicU64,
    queued: AtomicU64,
    queued_us: AtomicU64,
    queue_times: Histogram,
    first_byte_times: Histogram,
}

/// A pool's connections now, and what happened to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    pub now: Occupancy,
    pub opened: u64,
    pub closed: [u64; CloseReason::COUNT],
    pub failed: u64,
    pub handshakes_full: u64,
    pub handshakes_resumed: u64,
    pub reused: u64,
    pub queued: u64,
    pub queued_us: u64,
}

/// A session's hold on a group: after the last, what is idle closes.
pub struct Reference {
    group: Arc<Group>,
}

/// By whom connections are made, and how: sessions with equal options share it.
pub struct Identity {
    id: u64,
    config: Arc<ConnectionConfig>,
    pub connector: Arc<dyn Connect>,
}

impl Connections {
    /// `maker` makes what connects: the network's, or memory's in tests.
    pub fn new(runtime: Runtime, caps: ConnectionCaps, limits: &Limits, maker: Box<Maker>) -> Connections {
        static LAST_POOL: AtomicU64 = AtomicU64::new(0);
        Connections(Arc::new(Shared {
            id: LAST_POOL.fetch_add(1, Ordering::Relaxed) + 1,
            runtime,
            limit: ConnectionLimit::new(caps.total),
            caps,
            dial_limits: DialLimits::of(limits),
            counters: Counters::default(),
            groups: Mutex::default(),
            identities: Mutex::default(),
            maker,
            memory: Mutex::new(LruCache::new(REMEMBERED)),
            last_id: AtomicU64::new(0),
        }))
    }

    /// The number by which events name the pool.
    pub fn pool_id(&self) -> u64 {
        self.0.id
    }

    /// The identity that all sessions with these options share; files they name are read when it is new.
    pub fn identity(&self, config: &Arc<ConnectionConfig>) -> Result<Arc<Identity>> {
        if let Some(identity) = lock(&self.0.identities).get(config).and_then(Weak::upgrade) {
            return Ok(identity);
        }
        let connector = (self.0.maker)(config)?;
        let mut identities = lock(&self.0.identities);
        // Somebody may have been quicker.
        if let Some(identity) = identities.get(config).and_then(Weak::upgrade) {
            return Ok(identity);
        }
        if identities.len() == identities.capacity() {
            identities.retain(|_, identity| identity.strong_count() > 0);
        }
        let id = self.0.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let identity = Arc::new(Identity { id, config: config.clone(), connector });
        identities.insert(config.clone(), Arc::downgrade(&identity));
        Ok(identity)
    }

    /// The group of this origin and identity.
    pub fn refer(&self, target: Target, identity: &Identity) -> Reference {
        let mut groups = lock(&self.0.groups);
        let key = (target, identity.id);
        // One that no session refers to any more lives on while it has requests under way: its permits count.
        let group = groups.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            // Swept when it has doubled, so that dead entries never outnumber live ones for long.
            if groups.len() == groups.capacity() {
                groups.retain(|_, group| group.strong_count() > 0);
            }
            let group = Group::new(key.0.clone(), identity, self.0.clone());
            groups.insert(key, Arc::downgrade(&group));
            group
        });
        group.add_reference();
        Reference { group }
    }

    pub fn stats(&self) -> ConnectionStats {
        let Counters { opened, closed, failed, handshakes_full, handshakes_resumed, reused, queued, queued_us, .. } =
            &self.0.counters;
        let mut now = Occupancy::default();
        for group in self.0.groups() {
            let its = group.occupancy();
            now.standing += its.standing;
            now.idle += its.idle;
            now.in_use += its.in_use;
            now.dialing += its.dialing;
            now.waiting += its.waiting;
            now.streams += its.streams;
            now.insecure += its.insecure;
            now.permits += its.permits;
        }
        ConnectionStats {
            now,
            opened: read(opened),
            closed: std::array::from_fn(|reason| read(&closed[reason])),
            failed: read(failed),
            handshakes_full: read(handshakes_full),
            handshakes_resumed: read(handshakes_resumed),
            reused: read(reused),
            queued: read(queued),
            queued_us: read(queued_us),
        }
    }

    /// Of the permits in all, those taken.
    pub fn permits_taken(&self) -> usize {
        self.0.limit.taken()
    }

    /// How long requests waited for a connection, and for a response's head.
    pub fn times(&self) -> (Counts, Counts) {
        (self.0.counters.queue_times.counts(), self.0.counters.first_byte_times.counts())
    }

    /// Reads certificates and roots again. Connections made from now on use them, those that stand carry no new requests.
    /// On failure everything stays as it was. Reads files, so never called on the driver.
    pub fn reload(&self) -> Result<()> {
        let round = ReloadRound::default();
        let identities: Vec<_> = lock(&self.0.identities).values().filter_map(Weak::upgrade).collect();
        // All are read before the first is in force.
        let read: Result<Vec<_>> = identities.iter().map(|identity| identity.connector.reload(&round)).collect();
        events::record(self.0.id, 0, events::Kind::Reload { ok: read.is_ok() });
        read?.into_iter().for_each(|put_in_force| put_in_force());
        self.retire_all(CloseReason::Reloaded);
        Ok(())
    }

    /// Nothing new goes over the connections that stand now.
    pub fn retire_all(&self, why: CloseReason) {
        for group in self.0.groups() {
            group.retire_all(why);
        }
    }
}

impl Reference {
    pub fn group(&self) -> &Arc<Group> {
        &self.group
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.group.drop_reference();
    }
}

impl Shared {
    /// Counts a finished wait for a connection.
    pub fn waited(&self, time: Duration) {
        add_one(&self.counters.queued);
        add(&self.counters.queued_us, time.as_micros() as u64);
        self.counters.queue_times.count(time);
    }

    /// Counts a response, by the time to its head.
    pub fn answered(&self, first_byte: Duration) {
        self.counters.first_byte_times.count(first_byte);
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        lock(&self.groups).values().filter_map(Weak::upgrade).collect()
    }

    /// Closes the connection that has been idle longest, wherever it is, for a group that starves.
    fn make_room(&self) {
        if !self.limit.promise() {
            return;
        }
        let longest_idle = |group: Arc<Group>| Some((group.longest_idle()?, group));
        loop {
            let idle = self.groups().into_iter().filter_map(longest_idle);
            let Some((connection, group)) = idle.max_by_key(|(connection, _)| connection.idle_for()) else {
                return self.limit.break_promise();
            };
            if group.retire_idle(&connection, CloseReason::Limit) {
                return;
            }
        }
    }

    fn remembered(&self, target: &Target) -> Protocol {
        lock(&self.memory).get(target).copied().unwrap_or(Protocol::Unknown)
    }

    fn remember(&self, target: &Target, protocol: Protocol) {
        lock(&self.memory).put(target.clone(), protocol);
    }

    fn connection(&self, facts: connection::Facts, socket: Arc<SocketState>, http2: bool) -> Connection {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        Connection::new(id, facts, socket, http2, self.caps.idle, self.caps.lifetime.map(|life| jittered(life, id)))
    }

    fn opened(&self, group: &Group, connection: &Connection) {
        add_one(&self.counters.opened);
        let connection::Facts { tls, insecure, ref via, times, .. } = connection.facts;
        let micros = |time: Duration| time.as_micros() as u64;
        let kind = events::Kind::Connect {
            host: group.host.clone(),
            port: group.target.port,
            tls: tls.is_some(),
            http2: connection.http2,
            resumed: tls.is_some_and(|tls| tls.resumed),
            proxied: !matches!(via, Via::Nobody),
            insecure,
            dns_us: micros(times.dns),
            connect_us: micros(times.connect),
            tls_us: micros(times.tls),
        };
        events::record(self.id, connection.id, kind);
        match tls {
            Some(tls) if tls.resumed => add_one(&self.counters.handshakes_resumed),
            Some(_) => add_one(&self.counters.handshakes_full),
            None => {}
        }
    }

    fn closed(&self, connection: &Connection) {
        let reason = connection.why_leaving().unwrap_or(CloseReason::ServerClosed);
        add_one(&self.counters.closed[reason.index()]);
        let age_ms = connection.age().as_millis() as u64;
        events::record(self.id, connection.id, events::Kind::Close { reason, age_ms, requests: connection.uses() });
    }

    fn dial_failed(&self, group: &Group, error: &Error) {
        add_one(&self.counters.failed);
        let kind = events::Kind::ConnectFailed {
            host: group.host.clone(),
            port: group.target.port,
            status: error.status as i32,
            detail: error.detail as i32,
            phase: error.phase as i32,
        };
        events::record(self.id, 0, kind);
    }
}

/// `life`, up to 15 % shorter or longer, evenly spread over the ids.
fn jittered(life: Duration, id: u64) -> Duration {
    // The golden ratio's fractions fall evenly whatever the number of ids.
    let spread = (f64::from((id % (1 << 20)) as u32) * 0.618_033_988_749_894_9).fract();
    life.mul_f64(1.0 + JITTER * (2.0 * spread - 1.0))
}
