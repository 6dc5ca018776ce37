//! Options as the core knows them, checked: durations, counts, identities.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::error::{Error, Result};

/// The longest time limit that is not taken for a slip of the pen: 30 days.
pub const LONGEST_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);
/// The largest pool that is not taken for a slip of the pen.
pub const LARGEST_POOL: usize = 1_000_000;
/// The most runtime threads that make sense.
pub const MOST_THREADS: usize = 256;

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
}

impl Default for PoolConfig {
    fn default() -> Self {
        PoolConfig {
            max_size: MaxSize::Limit(10),
            eviction: Eviction::Lru,
            threads: 0,
            limits: Limits {
                total: Some(Duration::from_secs(60)),
                connect: Some(Duration::from_secs(10)),
                body: Some(64 << 20),
            },
        }
    }
}

/// The limits one request runs under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From the start to the end of the buffered body.
    pub total: TimeLimit,
    /// Name, TCP and TLS together.
    pub connect: TimeLimit,
    /// Most bytes of a decoded body.
    pub body: Option<u64>,
}

/// Limits as one level sets them: `None` leaves the level below in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitOverrides {
    pub total: Option<TimeLimit>,
    pub connect: Option<TimeLimit>,
    pub body: Option<Option<u64>>,
}

impl Limits {
    /// These limits, with what a level above says put over them.
    #[must_use]
    pub fn with(self, over: LimitOverrides) -> Limits {
        Limits {
            total: over.total.unwrap_or(self.total),
            connect: over.connect.unwrap_or(self.connect),
            body: over.body.unwrap_or(self.body),
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

/// What makes two sessions under one key different: the options that shape a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ConnectionConfig {
    /// Certificates in DER, added to the system's roots.
    pub extra_roots: Arc<[Vec<u8>]>,
    pub http_version: HttpVersion,
}

impl ConnectionConfig {
    /// Same identity, or an error that names the field that differs from the session that exists.
    pub fn must_equal(&self, wanted: &ConnectionConfig) -> Result<()> {
        let field = if self.extra_roots != wanted.extra_roots {
            "ca_file/ca_bytes"
        } else if self.http_version != wanted.http_version {
            "http_version"
        } else {
            return Ok(());
        };
        Err(Error::invalid(
            field,
            "differs from the session that exists under this key; set partition for a second one, or close_session first",
        ))
    }
}

/// What belongs to one session handle and may differ between handles.
#[derive(Clone, Debug, Default)]
pub struct RequestDefaults {
    pub limits: LimitOverrides,
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
