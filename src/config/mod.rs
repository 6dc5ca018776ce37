//! Options as the core knows them, checked: durations, counts, identities.

mod network;
mod tls;

use std::time::Duration;

use http::HeaderMap;

pub use self::network::{Keepalive, NetworkOptions, Override, ProxyOptions, ProxyUrl};
pub use self::tls::{ClientCertificate, KeyBytes, TlsOptions, TlsVersion, Trust};
use crate::error::{Error, Result};

/// The longest time limit that is not taken for a slip of the pen: 30 days.
pub const LONGEST_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The largest pool that is not taken for a slip of the pen.
pub const LARGEST_POOL: usize = 1_000_000;
/// The most runtime threads that make sense.
pub const MOST_THREADS: usize = 256;

/// More retries or redirects than these are a loop.
pub const MOST_RETRIES: u32 = 10;
pub const MOST_REDIRECTS: u32 = 30;

/// The largest caps of connections and waiters that are meant.
pub const MOST_PER_ORIGIN: usize = 100_000;
pub const MOST_CONNECTIONS: usize = 1_000_000;
pub const MOST_QUEUED: usize = 1_000_000;

/// Bytes of one HTTP/2 stream that may wait unread: less stalls it, more is a body.
pub const STREAM_WINDOWS: std::ops::RangeInclusive<u32> = 1 << 10..=16 << 20;

/// The most connections opened before requests need them, and how long that may take.
pub const MOST_WARMED: usize = 64;
pub const WARM_LIMIT: Duration = Duration::from_secs(10);

/// How long a stream's server may be silent, before its head and within its body, where nobody said.
pub const STREAM_SILENCE: Duration = Duration::from_secs(300);
/// Most bytes of one event of a stream, where nobody said.
pub const EVENT_BYTES: u64 = 8 << 20;

/// The most headers of one request: the map below holds some 24,000 and its users add their own.
pub const MOST_HEADERS: usize = 10_000;

/// A time limit: `None` where it was switched off.
pub type TimeLimit = Option<Duration>;

/// How many sessions a pool keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxSize {
    /// Every get is a session of its own.
    Off,
    Limit(usize),
    Unlimited,
}

/// Which session a full pool gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// The least recently used.
    Lru,
    /// The first inserted.
    Fifo,
}

/// What a pool is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    pub max_size: MaxSize,
    pub eviction: Eviction,
    /// 0: the threads that wait drive the I/O. Otherwise: that many runtime threads.
    pub threads: usize,
    pub limits: Limits,
    pub connections: ConnectionCaps,
}

/// How many connections a pool opens, and how long it keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionCaps {
    /// To one origin by one identity.
    pub per_origin: usize,
    pub total: usize,
    /// Requests that may wait for a connection to one origin.
    pub queue: usize,
    /// Below the 60 s after which common load balancers close a silent connection.
    pub idle: Duration,
    /// A connection is replaced after this time, give or take 15 %.
    pub lifetime: Option<Duration>,
}

impl Default for ConnectionCaps {
    fn default() -> Self {
        ConnectionCaps {
            per_origin: 64,
            total: 512,
            queue: 10_000,
            idle: Duration::from_secs(50),
            lifetime: Some(Duration::from_secs(600)),
        }
    }
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            max_size: MaxSize::Limit(10),
            eviction: Eviction::Lru,
            threads: 0,
            limits: Limits {
                total: Some(Duration::from_secs(60)),
                queue: Some(Duration::from_secs(30)),
                dns: Some(Duration::from_secs(5)),
                connect: Some(Duration::from_secs(10)),
                tls: Some(Duration::from_secs(5)),
                send: Some(Duration::from_secs(30)),
                first_byte: None,
                between_bytes: None,
                first_event: None,
                between_events: None,
                body: Some(64 << 20),
            },
            connections: ConnectionCaps::default(),
        }
    }
}

/// The limits one request runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start to the end of the buffered body.
    pub total: TimeLimit,
    /// Waiting for a connection, as all allowed are in use.
    pub queue: TimeLimit,
    /// Name look-up.
    pub dns: TimeLimit,
    /// Name, TCP, proxy and TLS together.
    pub connect: TimeLimit,
    /// TLS handshake.
    pub tls: TimeLimit,
    /// Without one more byte of the request going out.
    pub send: TimeLimit,
    /// From the request's last byte to the response's head.
    pub first_byte: TimeLimit,
    /// Without one more byte of the body coming in.
    pub between_bytes: TimeLimit,
    /// From the request's going out to the first data event of its stream.
    pub first_event: TimeLimit,
    /// Without one more data event.
    pub between_events: TimeLimit,
    /// Most bytes of a decoded body.
    pub body: Option<u64>,
}

/// Limits as one level sets them: `None` leaves the level below in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    pub total: Option<TimeLimit>,
    pub queue: Option<TimeLimit>,
    pub dns: Option<TimeLimit>,
    pub connect: Option<TimeLimit>,
    pub tls: Option<TimeLimit>,
    pub send: Option<TimeLimit>,
    pub first_byte: Option<TimeLimit>,
    pub between_bytes: Option<TimeLimit>,
    pub first_event: Option<TimeLimit>,
    pub between_events: Option<TimeLimit>,
    pub body: Option<Option<u64>>,
}

impl LimitOverrides {
    /// What this level sets, and `below` for the rest.
    #[must_use]
    pub fn or(self, below: LimitOverrides) -> LimitOverrides {
        LimitOverrides {
            total: self.total.or(below.total),
            queue: self.queue.or(below.queue),
            dns: self.dns.or(below.dns),
            connect: self.connect.or(below.connect),
            tls: self.tls.or(below.tls),
            send: self.send.or(below.send),
            first_byte: self.first_byte.or(below.first_byte),
            between_bytes: self.between_bytes.or(below.between_bytes),
            first_event: self.first_event.or(below.first_event),
            between_events: self.between_events.or(below.between_events),
            body: self.body.or(below.body),
        }
    }

    /// The first limit of a single phase that is in force, where `below` is the level below.
    pub fn phase_limit(self, below: LimitOverrides) -> Option<&'static str> {
        // One that is switched off asks for nothing.
        let asked = |limit: Option<TimeLimit>, below: Option<TimeLimit>| limit.or(below).flatten().is_some();
        first([
            ("queue_timeout_ms", asked(self.queue, below.queue)),
            ("dns_timeout_ms", asked(self.dns, below.dns)),
            ("tls_timeout_ms", asked(self.tls, below.tls)),
            ("send_timeout_ms", asked(self.send, below.send)),
            ("first_byte_timeout_ms", asked(self.first_byte, below.first_byte)),
            ("between_bytes_timeout_ms", asked(self.between_bytes, below.between_bytes)),
            ("first_event_timeout_ms", asked(self.first_event, below.first_event)),
            ("between_events_timeout_ms", asked(self.between_events, below.between_events)),
        ])
    }
}

impl Limits {
    /// These limits, with what a level above says put over them.
    #[must_use]
    pub fn with(self, over: LimitOverrides) -> Limits {
        Limits {
            total: over.total.unwrap_or(self.total),
            queue: over.queue.unwrap_or(self.queue),
            dns: over.dns.unwrap_or(self.dns),
            connect: over.connect.unwrap_or(self.connect),
            tls: over.tls.unwrap_or(self.tls),
            send: over.send.unwrap_or(self.send),
            first_byte: over.first_byte.unwrap_or(self.first_byte),
            between_bytes: over.between_bytes.unwrap_or(self.between_bytes),
            first_event: over.first_event.unwrap_or(self.first_event),
            between_events: over.between_events.unwrap_or(self.between_events),
            body: over.body.unwrap_or(self.body),
        }
    }

    /// For a stream: no total limit and no cap but the request's own, for nobody knows how long an answer grows; and where
    /// nobody set one, a bound to the server's silence.
    #[must_use]
    pub fn of_stream(self, request: LimitOverrides, handle: LimitOverrides) -> Limits {
        let silence = |asked: Option<TimeLimit>, limit: TimeLimit| {
            if asked.is_some() { limit } else { limit.or(Some(STREAM_SILENCE)) }
        };
        Limits {
            total: request.total.flatten(),
            body: request.body.flatten(),
            first_byte: silence(request.first_byte.or(handle.first_byte), self.first_byte),
            between_bytes: silence(request.between_bytes.or(handle.between_bytes), self.between_bytes),
            ..self
        }
    }

    /// Without those of single phases.
    #[must_use]
    pub fn total_and_body(self) -> Limits {
        let Limits { total, body, .. } = self;
        let none = None;
        Limits {
            total,
            body,
            queue: none,
            dns: none,
            connect: none,
            tls: none,
            send: none,
            first_byte: none,
            between_bytes: none,
            first_event: none,
            between_events: none,
        }
    }
}

/// Which HTTP is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HttpVersion {
    /// By ALPN over TLS; HTTP/1.1 without.
    #[default]
    Auto,
    Http1,
    /// HTTP/2 only; without TLS by prior knowledge.
    Http2,
}

/// What carries a session's requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// The pool's own connections.
    #[default]
    Engine,
    /// reqwest's idle list, with what it can do.
    Reqwest,
}

/// What makes two sessions under one key different: the options that shape a connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionConfig {
    pub transport: TransportKind,
    pub http_version: HttpVersion,
    pub tls: TlsOptions,
    pub network: NetworkOptions,
    /// Bytes of one HTTP/2 stream that may wait unread.
    pub stream_window: u32,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        ConnectionConfig {
            transport: TransportKind::default(),
            http_version: HttpVersion::default(),
            tls: TlsOptions::default(),
            network: NetworkOptions::default(),
            // Enough for streams of events; a hundred paused ones hold 6 MiB.
            stream_window: 64 << 10,
        }
    }
}

impl ConnectionConfig {
    /// Same identity, or an error that names the field that differs from the session that exists.
    pub fn must_equal(&self, wanted: &ConnectionConfig) -> Result<()> {
        let own = first([
            ("transport", self.transport != wanted.transport),
            ("http_version", self.http_version != wanted.http_version),
            ("stream_window_bytes", self.stream_window != wanted.stream_window),
        ]);
        let differs = own.or_else(|| self.tls.difference(&wanted.tls));
        match differs.or_else(|| self.network.difference(&wanted.network)) {
            None => Ok(()),
            Some(field) => Err(Error::invalid(
                field,
                "differs from the session that exists under this key; set partition for a second one, or close_session first",
            )),
        }
    }
}

/// The first name that is marked.
fn first<const N: usize>(names: [(&'static str, bool); N]) -> Option<&'static str> {
    names.into_iter().find(|(_, marked)| *marked).map(|(name, _)| name)
}

/// How often a request is tried beyond its first answer. Raw sessions do neither unless asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Persistence {
    /// After failures and answers that are worth it.
    pub retries: u32,
    /// Redirects followed.
    pub redirects: u32,
}

/// Persistence as one level sets it: `None` leaves the level below in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersistenceOverrides {
    pub retries: Option<u32>,
    pub redirects: Option<u32>,
}

impl Persistence {
    #[must_use]
    pub fn with(self, over: PersistenceOverrides) -> Persistence {
        Persistence {
            retries: over.retries.unwrap_or(self.retries),
            redirects: over.redirects.unwrap_or(self.redirects),
        }
    }
}

/// What belongs to one session handle and may differ between handles.
#[derive(Clone, Debug, Default)]
pub struct RequestDefaults {
    pub limits: LimitOverrides,
    pub persistence: PersistenceOverrides,
    /// Sent with every request unless the request carries the same name.
    pub headers: HeaderMap,
}

/// What a session is asked for with.
#[derive(Clone, Debug, Default)]
pub struct SessionConfig {
    /// Another partition is another session under the same key.
    pub partition: String,
    pub connection: ConnectionConfig,
    pub defaults: RequestDefaults,
}
