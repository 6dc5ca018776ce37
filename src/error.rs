//! What a failure says: its class, where it happened, whether the server can have seen the request.

use std::fmt;
use std::io;
use std::time::Duration;

/// The class of an outcome, alone, so that one comparison is enough. Numbers are explicit and pinned by a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Status {
    Ok = 0,
    End = 1,
    WouldBlock = 2,
    InvalidArgument = 10,
    InvalidHandle = 11,
    /// Another thread is inside a call that allows one at a time.
    Busy = 12,
    Closed = 13,
    Timeout = 20,
    Cancelled = 21,
    Interrupted = 22,
    Limit = 23,
    Dns = 30,
    Connect = 31,
    Tls = 32,
    Protocol = 33,
    Reset = 34,
    Body = 35,
    TooLarge = 36,
    Truncated = 37,
    Unsupported = 40,
    /// A client lacks what it needs to begin.
    NotConfigured = 41,
    /// The provider does not accept who asks.
    Auth = 50,
    RateLimited = 51,
    /// A quota or a balance is used up; no waiting mends that.
    Quota = 52,
    /// Any other refusal of a provider.
    Provider = 53,
    System = 60,
    Panic = 61,
}

/// What within the class: which limit ran out, which thing was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Detail {
    None = 0,
    Evicted = 1,
    SessionClosed = 2,
    PoolClosed = 3,
    QueueClosed = 4,
    TotalLimit = 10,
    ConnectLimit = 11,
    DrainLimit = 12,
    QueueLimit = 13,
    DnsLimit = 14,
    TlsLimit = 15,
    SendLimit = 16,
    FirstByteLimit = 17,
    BetweenBytesLimit = 18,
    FirstEventLimit = 19,
    BetweenEventsLimit = 21,
    /// The call's own patience; what it waited for goes on.
    WaitLimit = 22,
    /// As many requests as allowed wait for a connection already.
    QueueFull = 20,
    /// It happened at the proxy, on the way to the server.
    Proxy = 30,
    UntrustedIssuer = 40,
    WrongHost = 41,
    Expired = 42,
    WrongPin = 43,
    /// The server wants a certificate of ours, or refused the one it got.
    ClientCertificate = 44,
    /// Decoded, the body is far larger than what was sent.
    Bomb = 50,
    /// A redirect too many, or one that leads nowhere.
    Redirect = 51,
    BadRequest = 60,
    Permission = 61,
    NotFound = 62,
    /// The prompt is longer than the model takes.
    ContextOverflow = 63,
    ContentFilter = 64,
    /// The provider failed at it.
    ServerError = 65,
    Overloaded = 66,
    /// As many requests at once as the provider allows.
    Concurrency = 67,
    /// Not sent, for the requests before it failed.
    CircuitOpen = 68,
    /// The answer is not what its format promises: HTML, or JSON that is cut.
    NotJson = 69,
    /// Tools were called again and again and led nowhere.
    ToolLoop = 70,
}

/// Where in the life of a request it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Phase {
    None = 0,
    /// For a connection that is in use.
    Queue = 1,
    Dns = 2,
    /// TCP, and the proxy's part.
    Connect = 3,
    Tls = 4,
    Send = 5,
    FirstByte = 6,
    Body = 7,
}

/// Whether the server can have seen the request: an AI service may have billed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Delivery {
    NotSent = 0,
    MaybeSent = 1,
    ResponseStarted = 2,
}

/// A failure. The message names the field and the mend, and never holds a header value, a body or a key.
#[derive(Clone, Debug)]
pub struct Error {
    pub status: Status,
    pub detail: Detail,
    pub phase: Phase,
    pub delivery: Delivery,
    pub http_status: u16,
    pub os_error: i32,
    pub elapsed: Duration,
    pub retryable: bool,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Error {
            status,
            detail: Detail::None,
            phase: Phase::None,
            delivery: Delivery::NotSent,
            http_status: 0,
            os_error: 0,
            elapsed: Duration::ZERO,
            retryable: false,
            retry_after: None,
            message: message.into(),
        }
    }

    /// A bad argument: `field` is the name the caller used, `mend` what to write instead.
    pub fn invalid(field: impl fmt::Display, mend: impl fmt::Display) -> Self {
        Error::new(Status::InvalidArgument, format!("{field}: {mend}"))
    }

    /// A refusal because the session or pool is closed: nothing was sent, so a fresh session may try again.
    pub fn closed(detail: Detail) -> Self {
        let message = match detail {
            Detail::Evicted => "session: evicted from its pool; get the session again",
            Detail::PoolClosed => "pool: freed or closed; make or get a pool again",
            _ => "session: closed; get the session again",
        };
        Error { detail, retryable: true, ..Error::new(Status::Closed, message) }
    }

    /// Whether nothing was sent, for the session was closed just then: a fresh one may do.
    pub fn is_stale(&self) -> bool {
        self.status == Status::Closed
            && self.delivery == Delivery::NotSent
            && matches!(self.detail, Detail::Evicted | Detail::SessionClosed)
    }

    #[must_use]
    pub fn detail(self, detail: Detail) -> Self {
        Error { detail, ..self }
    }

    #[must_use]
    pub fn phase(self, phase: Phase) -> Self {
        Error { phase, ..self }
    }

    #[must_use]
    pub fn delivery(self, delivery: Delivery) -> Self {
        Error { delivery, ..self }
    }

    /// With the system's number, where `error` has one.
    #[must_use]
    pub fn os_error<'a>(self, error: impl Into<Option<&'a io::Error>>) -> Self {
        Error { os_error: error.into().and_then(io::Error::raw_os_error).unwrap_or(0), ..self }
    }

    #[must_use]
    pub fn retryable(self) -> Self {
        Error { retryable: true, ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
