//! One connection that stands: its sender, what is known of it, and the task that moves it on until it ends.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::group::Group;
use super::permit::Permit;
use crate::events::{self, CloseReason};
use crate::lock::lock;
use crate::transport::http::{Driver, DriverEvent, End, RequestSender};
use crate::transport::link::{DialTimes, TlsFacts, Via};
use crate::transport::socket_state::SocketState;

/// Before the peer said how many streams it takes, one is sure to be right or refused unprocessed.
const STREAMS_UNTOLD: usize = 1;
/// The longest life of a connection whose life was extended, and in how many of its lifetimes.
const LONGEST_LIFE: Duration = Duration::from_secs(3600);
const MOST_LIVES: u32 = 6;
/// For a connection's goodbye, behind its last request.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// In use it is looked at no more often, however soon it would idle out.
const LOOK_IN_USE: Duration = Duration::from_secs(1);
/// How long a peer may keep its settings to itself.
const SETTINGS_LIMIT: Duration = Duration::from_secs(10);

/// What is known of a connection from its first moment on.
pub struct Facts {
    pub remote: Option<SocketAddr>,
    pub tls: Option<TlsFacts>,
    /// Nobody checked the server's certificate.
    pub insecure: bool,
    pub via: Via,
    pub times: DialTimes,
}

/// A connection that stands, idle or in use.
pub struct Connection {
    pub id: u64,
    pub facts: Facts,
    pub socket: Arc<SocketState>,
    pub http2: bool,
    born: Instant,
    lifetime: Option<Duration>,
    /// Taken while an HTTP/1.1 request is under way, gone when no more requests are taken.
    sender: Mutex<Option<RequestSender>>,
    /// 0 while it takes requests, then the reason why it does not.
    leaving: AtomicU8,
    /// Requests under way; most of them at once; ever. They begin under the group's lock, and end without it.
    streams: AtomicUsize,
    most_streams: AtomicUsize,
    uses: AtomicU64,
    settled: AtomicBool,
    /// What had been read when a request ran out of time here, and one more; 0 when beyond suspicion.
    suspected_at: AtomicU64,
    clock: Mutex<Clock>,
    /// The next look at the clock may be due sooner.
    clock_changed: Notify,
}

#[derive(Clone, Copy)]
struct Clock {
    idle_since: Instant,
    idle_limit: Duration,
    expires: Option<Instant>,
    left: Option<Instant>,
}

impl Clock {
    /// Where it is on its way out and unused: how long its last words may take.
    fn cut_at(&self) -> Option<Instant> {
        self.left.map(|left| left.max(self.idle_since) + LAST_WORDS)
    }
}

impl Connection {
    pub fn new(
        id: u64,
        facts: Facts,
        socket: Arc<SocketState>,
        http2: bool,
        idle_limit: Duration,
        lifetime: Option<Duration>,
    ) -> Self {
        let born = Instant::now();
        Connection {
            id,
            facts,
            socket,
            http2,
            born,
            lifetime,
            sender: Mutex::new(None),
            leaving: AtomicU8::new(0),
            streams: AtomicUsize::new(0),
            most_streams: AtomicUsize::new(if http2 { STREAMS_UNTOLD } else { 1 }),
            uses: AtomicU64::new(0),
            settled: AtomicBool::new(!http2),
            suspected_at: AtomicU64::new(0),
            clock: Mutex::new(Clock {
                idle_since: born,
                idle_limit,
                expires: lifetime.map(|lifetime| born + lifetime),
                left: None,
            }),
            clock_changed: Notify::new(),
        }
    }

    pub fn age(&self) -> Duration {
        self.born.elapsed()
    }

    pub fn uses(&self) -> u64 {
        self.uses.load(Ordering::Relaxed)
    }

    pub fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    pub fn most_streams(&self) -> usize {
        self.most_streams.load(Ordering::Relaxed)
    }

    /// Whether the peer has said how many streams it takes.
    pub fn is_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed) != 0
    }

    pub fn why_leaving(&self) -> Option<CloseReason> {
        CloseReason::from_number(self.leaving.load(Ordering::Relaxed))
    }

    /// Takes no more requests from here on; what is under way goes on. The first reason stays.
    pub fn leave(&self, why: CloseReason) {
        if self.leaving.compare_exchange(0, why.number(), Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            lock(&self.clock).left = Some(Instant::now());
            self.clock_changed.notify_one();
        }
        drop(lock(&self.sender).take());
    }

    pub fn put_sender(&self, sender: RequestSender) {
        if !self.is_leaving() {
            *lock(&self.sender) = Some(sender);
        }
    }

    /// The sender for one request: HTTP/1.1 has no second one until it is put back.
    pub fn take_sender(&self) -> Option<RequestSender> {
        let mut sender = lock(&self.sender);
        match sender.as_ref()?.share() {
            Some(another) => Some(another),
            None => sender.take(),
        }
    }

    /// Counts one more request; true when it is the first.
    pub fn begin_use(&self) -> bool {
        self.streams.fetch_add(1, Ordering::Relaxed);
        self.uses.fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Counts one request less; idle from now when it was the last.
    pub fn end_use(&self) -> usize {
        let left = self.streams.fetch_sub(1, Ordering::Relaxed) - 1;
        if left == 0 {
            let mut clock = lock(&self.clock);
            clock.idle_since = Instant::now();
            if clock.idle_limit < LOOK_IN_USE {
                self.clock_changed.notify_one();
            }
        }
        left
    }

    pub fn settle(&self, streams: usize) {
        self.most_streams.store(streams, Ordering::Relaxed);
        self.settled.store(true, Ordering::Relaxed);
    }

    /// The server said how long it keeps a silent connection: be gone before.
    pub fn keep_at_most(&self, limit: Duration) {
        let mut clock = lock(&self.clock);
        if limit < clock.idle_limit {
            clock.idle_limit = limit;
            self.clock_changed.notify_one();
        }
    }

    pub fn idle_for(&self) -> Duration {
        lock(&self.clock).idle_since.elapsed()
    }

    pub fn has_idled_out(&self) -> bool {
        let clock = lock(&self.clock);
        self.streams() == 0 && clock.idle_since.elapsed() >= clock.idle_limit
    }

    pub fn has_expired(&self) -> bool {
        lock(&self.clock).expires.is_some_and(|expires| expires <= Instant::now())
    }

    pub fn extend_life(&self, time: Duration) {
        lock(&self.clock).expires = Some(Instant::now() + time);
        self.clock_changed.notify_one();
    }

    /// One lifetime more, as far as any connection may live; `None` when that is over.
    pub fn extension(&self) -> Option<Duration> {
        let lifetime = self.lifetime?;
        let left = LONGEST_LIFE.min(lifetime * MOST_LIVES).saturating_sub(self.age());
        (left > Duration::ZERO).then(|| left.min(lifetime))
    }

    /// A request ran out of time: no new one until something is read again.
    pub fn suspect(&self) {
        self.suspected_at.store(self.socket.read() + 1, Ordering::Relaxed);
    }

    /// Looks before use: false where the server is done with it. What waits unread over plain HTTP/1.1 is an end, or bytes
    /// nobody asked for. Over TLS it may be a ticket, over HTTP/2 a frame: whoever drives reads it first.
    pub async fn is_fit(&self) -> bool {
        const TURNS: usize = 3;
        if self.streams() > 1 || !self.socket.is_readable() {
            return true;
        }
        if !self.http2 && self.facts.tls.is_none() {
            return false;
        }
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            if self.is_leaving() || !self.socket.is_readable() {
                break;
            }
        }
        !self.is_leaving()
    }

    /// Whether something was read since it came under suspicion; said once.
    fn is_cleared(&self) -> bool {
        let suspected = self.suspected_at.load(Ordering::Relaxed);
        // What comes under suspicion anew meanwhile stays there.
        let clear = || self.suspected_at.compare_exchange(suspected, 0, Ordering::Relaxed, Ordering::Relaxed);
        suspected != 0 && suspected != self.socket.read() + 1 && clear().is_ok()
    }

    pub fn is_suspect(&self) -> bool {
        self.suspected_at.load(Ordering::Relaxed) == self.socket.read() + 1
    }

    /// When there may be something to do without anybody's asking.
    fn next_check(&self) -> Instant {
        let clock = *lock(&self.clock);
        if let Some(cut) = clock.cut_at() {
            // In use it cannot end before that.
            return if self.streams() == 0 { cut } else { Instant::now() + LAST_WORDS };
        }
        let settling = if self.is_settled() { None } else { Some(self.born + SETTINGS_LIMIT) };
        let idle = match self.streams() {
            0 => clock.idle_since + clock.idle_limit,
            // In use it cannot idle out before it has idled for the whole limit.
            _ => Instant::now() + clock.idle_limit.max(LOOK_IN_USE),
        };
        [settling, clock.expires.filter(|expires| *expires > Instant::now())]
            .into_iter()
            .flatten()
            .fold(idle, Instant::min)
    }

    /// Behind its last request there was time enough to say goodbye.
    fn is_overdue_to_end(&self) -> bool {
        self.streams() == 0 && lock(&self.clock).cut_at().is_some_and(|cut| cut <= Instant::now())
    }

    fn is_overdue_to_settle(&self) -> bool {
        !self.is_settled() && self.born + SETTINGS_LIMIT <= Instant::now()
    }
}

/// Moves a connection on until its socket is let go of. The permit goes with it, however the task ends.
pub async fn drive(connection: Arc<Connection>, group: Arc<Group>, mut driver: Driver, permit: Permit) {
    let membership = Membership { connection, group, _permit: permit };
    let Membership { connection, group, .. } = &membership;
    let mut check = pin!(tokio::time::sleep_until(connection.next_check()));
    loop {
        tokio::select! {
            biased;
            event = driver.next_event() => match event {
                DriverEvent::Streams(streams) => group.settle(connection, streams),
                // Streams under way go on; behind the last the socket closes.
                DriverEvent::Leaving(end) => membership.retire(&end),
                DriverEvent::Over(end) => {
                    membership.retire(&end);
                    break;
                }
            },
            // Asked behind each poll, which is where things are read.
            () = poll_fn(|_| if connection.is_cleared() { Poll::Ready(()) } else { Poll::Pending }) => group.cleared(),
            () = check.as_mut() => {
                if connection.is_overdue_to_end() {
                    // A peer that reads nothing would hold its last words up for ever.
                    break;
                }
                if connection.is_overdue_to_settle() {
                    group.retire(connection, CloseReason::Error);
                } else if !connection.is_leaving() {
                    group.maintain(connection);
                }
                check.as_mut().reset(connection.next_check());
            }
            () = connection.clock_changed.notified() => check.as_mut().reset(connection.next_check()),
        }
    }
    drop(driver);
}

/// A connection's membership in its group: ends with the task that drives it.
struct Membership {
    connection: Arc<Connection>,
    group: Arc<Group>,
    _permit: Permit,
}

impl Membership {
    /// It takes no more requests, by its own doing or the server's.
    fn retire(&self, end: &End) {
        let Membership { connection, group, .. } = self;
        let under_way = connection.http2 && connection.streams() > 0;
        let why = match end {
            End::GoAway if under_way => {
                if !connection.is_leaving() {
                    events::record(group.shared.id, connection.id, events::Kind::GoAway);
                }
                CloseReason::GoAway
            }
            End::Closed if under_way => CloseReason::Error,
            End::GoAway | End::Closed => CloseReason::ServerClosed,
            End::Broken => CloseReason::Error,
        };
        group.retire(connection, why);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.group.retire(&self.connection, CloseReason::PoolClosed);
        self.group.gone(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_under_way_costs_no_wake_ups_however_short_the_idle_limit() {
        let times = DialTimes::default();
        let facts = Facts { remote: None, tls: None, insecure: false, via: Via::Nobody, times };
        let connection = Connection::new(1, facts, Arc::default(), false, Duration::from_millis(1), None);
        connection.begin_use();
        assert!(connection.next_check() > Instant::now() + Duration::from_millis(500));
        connection.end_use();
        assert!(connection.next_check() <= Instant::now() + Duration::from_millis(1));
    }
}
