//! Status, detail, phase and delivery as C sees them, and the error a caller allocates.

#![allow(non_camel_case_types)]

use std::ffi::{CStr, c_char};

use crate::error::{Delivery, Detail, Error, Phase, Status};

/// The class of an outcome. Compare with `==`; the detail is in `aip_error`. An HTTP status of 400 or more is a response.
#[repr(i32)]
pub enum aip_status {
    /// Done.
    AIP_OK = 0,
    /// A stream has ended, in good order; there is nothing more to read. Of a queue: it is closed and empty.
    AIP_END = 1,
    /// Nothing to read, take or write just now; a completion will say when there is.
    AIP_WOULD_BLOCK = 2,
    /// An argument is wrong; the message names it and says what to write instead.
    AIP_INVALID_ARGUMENT = 10,
    /// The handle was freed, never existed, is of another kind, or was inherited over fork().
    AIP_INVALID_HANDLE = 11,
    /// Another thread is in a call on this handle that allows one at a time.
    AIP_BUSY = 12,
    /// The session or pool is closed; detail says how. Nothing was sent: get the session again. Except with
    /// AIP_DETAIL_DRAIN_LIMIT: then the request was under way, and delivery says how far.
    AIP_CLOSED = 13,
    /// A time limit ran out; detail says which, phase where.
    AIP_TIMEOUT = 20,
    /// The request's cancel handle was fired.
    AIP_CANCELLED = 21,
    /// A signal handler of the host ran during a wait with AIP_REQUEST_INTERRUPTIBLE.
    AIP_INTERRUPTED = 22,
    /// A bound of the library is reached, such as a million live handles.
    AIP_LIMIT = 23,
    /// The host name does not resolve.
    AIP_DNS = 30,
    /// No connection: refused, unreachable.
    AIP_CONNECT = 31,
    /// No secure connection: untrusted, expired or wrong certificate.
    AIP_TLS = 32,
    /// The server broke the protocol.
    AIP_PROTOCOL = 33,
    /// The connection broke before a response.
    AIP_RESET = 34,
    /// The body cannot be decoded.
    AIP_BODY = 35,
    /// The body is larger than max_body_bytes; the response holds what fitted.
    AIP_TOO_LARGE = 36,
    /// The body ended early; the response holds what came.
    AIP_TRUNCATED = 37,
    /// This library cannot do that; a newer one may.
    AIP_UNSUPPORTED = 40,
    /// A client lacks what it needs; the message names the option and its environment variable.
    AIP_NOT_CONFIGURED = 41,
    /// The provider does not accept the credential. With a response.
    AIP_AUTH = 50,
    /// Too many requests, or too many at once; retry_after_ms says how long to wait. With a response.
    AIP_RATE_LIMITED = 51,
    /// A quota or a balance is used up; no waiting mends that. With a response.
    AIP_QUOTA = 52,
    /// The provider refused, or failed; detail says how. With a response where there was one.
    AIP_PROVIDER = 53,
    /// The operating system refused; os_error holds its number.
    AIP_SYSTEM = 60,
    /// A bug in this library; please report it. The process goes on.
    AIP_PANIC = 61,
}

/// What within the class.
#[repr(i32)]
pub enum aip_detail {
    /// Nothing more to say.
    AIP_DETAIL_NONE = 0,
    /// CLOSED: the pool was full and gave this session up.
    AIP_DETAIL_EVICTED = 1,
    /// CLOSED: somebody closed this session.
    AIP_DETAIL_SESSION_CLOSED = 2,
    /// CLOSED: the pool was freed or closed.
    AIP_DETAIL_POOL_CLOSED = 3,
    /// CLOSED: the queue was closed.
    AIP_DETAIL_QUEUE_CLOSED = 4,
    /// TIMEOUT: timeout_ms.
    AIP_DETAIL_TOTAL_LIMIT = 10,
    /// TIMEOUT: connect_timeout_ms.
    AIP_DETAIL_CONNECT_LIMIT = 11,
    /// TIMEOUT or CLOSED: drain_ms of aip_pool_close_all().
    AIP_DETAIL_DRAIN_LIMIT = 12,
    /// TIMEOUT: queue_timeout_ms, as all connections allowed were in use; the message counts them.
    AIP_DETAIL_QUEUE_LIMIT = 13,
    /// TIMEOUT: dns_timeout_ms.
    AIP_DETAIL_DNS_LIMIT = 14,
    /// TIMEOUT: tls_timeout_ms.
    AIP_DETAIL_TLS_LIMIT = 15,
    /// TIMEOUT: send_timeout_ms.
    AIP_DETAIL_SEND_LIMIT = 16,
    /// TIMEOUT: first_byte_timeout_ms.
    AIP_DETAIL_FIRST_BYTE_LIMIT = 17,
    /// TIMEOUT: between_bytes_timeout_ms.
    AIP_DETAIL_BETWEEN_BYTES_LIMIT = 18,
    /// TIMEOUT: first_event_timeout_ms.
    AIP_DETAIL_FIRST_EVENT_LIMIT = 19,
    /// LIMIT: as many requests as allowed wait for a connection already; the message counts them.
    AIP_DETAIL_QUEUE_FULL = 20,
    /// TIMEOUT: between_events_timeout_ms.
    AIP_DETAIL_BETWEEN_EVENTS_LIMIT = 21,
    /// TIMEOUT: the call's own timeout_ms; what it waited for goes on.
    AIP_DETAIL_WAIT_LIMIT = 22,
    /// It happened at the proxy, on the way to the server.
    AIP_DETAIL_PROXY = 30,
    /// TLS: the certificate's issuer is not trusted.
    AIP_DETAIL_UNTRUSTED_ISSUER = 40,
    /// TLS: the certificate is for another host name.
    AIP_DETAIL_WRONG_HOST = 41,
    /// TLS: the certificate has expired, or is not valid yet.
    AIP_DETAIL_EXPIRED = 42,
    /// TLS: the chain holds none of the pinned keys.
    AIP_DETAIL_WRONG_PIN = 43,
    /// TLS: the server wants a client certificate, or refused the one it got.
    AIP_DETAIL_CLIENT_CERTIFICATE = 44,
    /// TOO_LARGE: decoded, the body is far larger than what was sent.
    AIP_DETAIL_BOMB = 50,
    /// PROTOCOL: a redirect too many, or one that leads nowhere.
    AIP_DETAIL_REDIRECT = 51,
    /// PROVIDER: the request is wrong; the response says what.
    AIP_DETAIL_BAD_REQUEST = 60,
    /// PROVIDER: this credential may not do that.
    AIP_DETAIL_PERMISSION = 61,
    /// PROVIDER: no such model, file, operation or address.
    AIP_DETAIL_NOT_FOUND = 62,
    /// PROVIDER: the prompt is longer than the model takes.
    AIP_DETAIL_CONTEXT_OVERFLOW = 63,
    /// PROVIDER: refused by the provider's filter.
    AIP_DETAIL_CONTENT_FILTER = 64,
    /// PROVIDER: the provider failed.
    AIP_DETAIL_SERVER_ERROR = 65,
    /// PROVIDER: the provider has no room now.
    AIP_DETAIL_OVERLOADED = 66,
    /// RATE_LIMITED: as many requests at once as the provider allows.
    AIP_DETAIL_CONCURRENCY = 67,
    /// PROVIDER: not sent, for the requests before it all failed.
    AIP_DETAIL_CIRCUIT_OPEN = 68,
    /// PROVIDER: the answer is HTML, JSON that is cut, or of another content type than its format has.
    AIP_DETAIL_NOT_JSON = 69,
    /// PROVIDER: tools were called again and again and led nowhere.
    AIP_DETAIL_TOOL_LOOP = 70,
}

/// Where in the life of a request it happened.
#[repr(i32)]
pub enum aip_phase {
    /// Before anything was begun.
    AIP_PHASE_NONE = 0,
    /// Waiting for a connection, as all allowed are in use.
    AIP_PHASE_QUEUE = 1,
    /// Looking up the host name.
    AIP_PHASE_DNS = 2,
    /// TCP, and the proxy's part where there is one.
    AIP_PHASE_CONNECT = 3,
    /// The TLS handshake.
    AIP_PHASE_TLS = 4,
    /// Sending the request.
    AIP_PHASE_SEND = 5,
    /// Waiting for the response's head.
    AIP_PHASE_FIRST_BYTE = 6,
    /// Reading the response's body.
    AIP_PHASE_BODY = 7,
}

/// Whether the server can have seen the request: an AI service may have billed it.
#[repr(i32)]
pub enum aip_delivery {
    /// Not one byte of it left, or by the protocol the server did not work on it.
    AIP_NOT_SENT = 0,
    /// It may have arrived.
    AIP_MAYBE_SENT = 1,
    /// The response had begun.
    AIP_RESPONSE_STARTED = 2,
}

/// In `aip_error.flags`: sending the same request again is safe.
pub const AIP_ERROR_RETRYABLE: u32 = 1;

/// What went wrong. Allocated by the caller (256 bytes, for ever), may be NULL, written on failure only.
/// The message is UTF-8, NUL-terminated, and never holds a header value, a body, a key or a token.
#[repr(C)]
pub struct aip_error {
    /// One of aip_status.
    pub status: i32,
    /// One of aip_detail.
    pub detail: i32,
    /// One of aip_phase.
    pub phase: i32,
    /// One of aip_delivery.
    pub delivery: i32,
    /// The response's status, 0 where none came.
    pub http_status: i32,
    /// The operating system's error number, 0 where it has no part in this.
    pub os_error: i32,
    /// Milliseconds from the call to the failure.
    pub elapsed_ms: u32,
    /// AIP_ERROR_* bits.
    pub flags: u32,
    /// Milliseconds the server wants to be left alone; 0 where it did not say.
    pub retry_after_ms: u32,
    /// Zero.
    pub reserved: [u32; 7],
    /// What happened, which field, and the mend.
    pub message: [c_char; 192],
}

const _: () = assert!(size_of::<aip_error>() == 256);

impl From<&Error> for aip_error {
    fn from(error: &Error) -> Self {
        aip_error {
            status: error.status as i32,
            detail: error.detail as i32,
            phase: error.phase as i32,
            delivery: error.delivery as i32,
            http_status: error.http_status.into(),
            os_error: error.os_error,
            elapsed_ms: error.elapsed.as_millis().try_into().unwrap_or(u32::MAX),
            flags: if error.retryable { AIP_ERROR_RETRYABLE } else { 0 },
            retry_after_ms: error.retry_after.map_or(0, |wait| wait.as_millis().try_into().unwrap_or(u32::MAX)),
            reserved: [0; 7],
            message: message(&error.message),
        }
    }
}

/// As much of the text as fits with its NUL, cut between characters.
fn message(text: &str) -> [c_char; 192] {
    let mut out = [0; 192];
    let mut end = text.len().min(out.len() - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    for (to, from) in out.iter_mut().zip(&text.as_bytes()[..end]) {
        *to = *from as c_char;
    }
    out
}

/// The name of a status for C, such as "AIP_TIMEOUT".
pub fn name(status: i32) -> &'static CStr {
    STATUSES.iter().find(|(code, _)| *code as i32 == status).map_or(c"AIP_UNKNOWN", |(_, name)| name)
}

/// Every status this library returns.
pub const STATUSES: [(Status, &CStr); 27] = [
    (Status::Ok, c"AIP_OK"),
    (Status::End, c"AIP_END"),
    (Status::WouldBlock, c"AIP_WOULD_BLOCK"),
    (Status::InvalidArgument, c"AIP_INVALID_ARGUMENT"),
    (Status::InvalidHandle, c"AIP_INVALID_HANDLE"),
    (Status::Busy, c"AIP_BUSY"),
    (Status::Closed, c"AIP_CLOSED"),
    (Status::Timeout, c"AIP_TIMEOUT"),
    (Status::Cancelled, c"AIP_CANCELLED"),
    (Status::Interrupted, c"AIP_INTERRUPTED"),
    (Status::Limit, c"AIP_LIMIT"),
    (Status::Dns, c"AIP_DNS"),
    (Status::Connect, c"AIP_CONNECT"),
    (Status::Tls, c"AIP_TLS"),
    (Status::Protocol, c"AIP_PROTOCOL"),
    (Status::Reset, c"AIP_RESET"),
    (Status::Body, c"AIP_BODY"),
    (Status::TooLarge, c"AIP_TOO_LARGE"),
    (Status::Truncated, c"AIP_TRUNCATED"),
    (Status::Unsupported, c"AIP_UNSUPPORTED"),
    (Status::NotConfigured, c"AIP_NOT_CONFIGURED"),
    (Status::Auth, c"AIP_AUTH"),
    (Status::RateLimited, c"AIP_RATE_LIMITED"),
    (Status::Quota, c"AIP_QUOTA"),
    (Status::Provider, c"AIP_PROVIDER"),
    (Status::System, c"AIP_SYSTEM"),
    (Status::Panic, c"AIP_PANIC"),
];

// The C numbers and the core's are the same numbers.
const _: () = {
    assert!(aip_status::AIP_OK as i32 == Status::Ok as i32);
    assert!(aip_status::AIP_END as i32 == Status::End as i32);
    assert!(aip_status::AIP_WOULD_BLOCK as i32 == Status::WouldBlock as i32);
    assert!(aip_status::AIP_BUSY as i32 == Status::Busy as i32);
    assert!(aip_status::AIP_INVALID_ARGUMENT as i32 == Status::InvalidArgument as i32);
    assert!(aip_status::AIP_INVALID_HANDLE as i32 == Status::InvalidHandle as i32);
    assert!(aip_status::AIP_CLOSED as i32 == Status::Closed as i32);
    assert!(aip_status::AIP_TIMEOUT as i32 == Status::Timeout as i32);
    assert!(aip_status::AIP_CANCELLED as i32 == Status::Cancelled as i32);
    assert!(aip_status::AIP_INTERRUPTED as i32 == Status::Interrupted as i32);
    assert!(aip_status::AIP_LIMIT as i32 == Status::Limit as i32);
    assert!(aip_status::AIP_DNS as i32 == Status::Dns as i32);
    assert!(aip_status::AIP_CONNECT as i32 == Status::Connect as i32);
    assert!(aip_status::AIP_TLS as i32 == Status::Tls as i32);
    assert!(aip_status::AIP_PROTOCOL as i32 == Status::Protocol as i32);
    assert!(aip_status::AIP_RESET as i32 == Status::Reset as i32);
    assert!(aip_status::AIP_BODY as i32 == Status::Body as i32);
    assert!(aip_status::AIP_TOO_LARGE as i32 == Status::TooLarge as i32);
    assert!(aip_status::AIP_TRUNCATED as i32 == Status::Truncated as i32);
    assert!(aip_status::AIP_UNSUPPORTED as i32 == Status::Unsupported as i32);
    assert!(aip_status::AIP_NOT_CONFIGURED as i32 == Status::NotConfigured as i32);
    assert!(aip_status::AIP_AUTH as i32 == Status::Auth as i32);
    assert!(aip_status::AIP_RATE_LIMITED as i32 == Status::RateLimited as i32);
    assert!(aip_status::AIP_QUOTA as i32 == Status::Quota as i32);
    assert!(aip_status::AIP_PROVIDER as i32 == Status::Provider as i32);
    assert!(aip_status::AIP_SYSTEM as i32 == Status::System as i32);
    assert!(aip_status::AIP_PANIC as i32 == Status::Panic as i32);
    assert!(aip_detail::AIP_DETAIL_NONE as i32 == Detail::None as i32);
    assert!(aip_detail::AIP_DETAIL_QUEUE_CLOSED as i32 == Detail::QueueClosed as i32);
    assert!(aip_detail::AIP_DETAIL_FIRST_EVENT_LIMIT as i32 == Detail::FirstEventLimit as i32);
    assert!(aip_detail::AIP_DETAIL_BETWEEN_EVENTS_LIMIT as i32 == Detail::BetweenEventsLimit as i32);
    assert!(aip_detail::AIP_DETAIL_WAIT_LIMIT as i32 == Detail::WaitLimit as i32);
    assert!(aip_detail::AIP_DETAIL_EVICTED as i32 == Detail::Evicted as i32);
    assert!(aip_detail::AIP_DETAIL_SESSION_CLOSED as i32 == Detail::SessionClosed as i32);
    assert!(aip_detail::AIP_DETAIL_POOL_CLOSED as i32 == Detail::PoolClosed as i32);
    assert!(aip_detail::AIP_DETAIL_TOTAL_LIMIT as i32 == Detail::TotalLimit as i32);
    assert!(aip_detail::AIP_DETAIL_CONNECT_LIMIT as i32 == Detail::ConnectLimit as i32);
    assert!(aip_detail::AIP_DETAIL_DRAIN_LIMIT as i32 == Detail::DrainLimit as i32);
    assert!(aip_detail::AIP_DETAIL_QUEUE_LIMIT as i32 == Detail::QueueLimit as i32);
    assert!(aip_detail::AIP_DETAIL_DNS_LIMIT as i32 == Detail::DnsLimit as i32);
    assert!(aip_detail::AIP_DETAIL_TLS_LIMIT as i32 == Detail::TlsLimit as i32);
    assert!(aip_detail::AIP_DETAIL_SEND_LIMIT as i32 == Detail::SendLimit as i32);
    assert!(aip_detail::AIP_DETAIL_FIRST_BYTE_LIMIT as i32 == Detail::FirstByteLimit as i32);
    assert!(aip_detail::AIP_DETAIL_BETWEEN_BYTES_LIMIT as i32 == Detail::BetweenBytesLimit as i32);
    assert!(aip_detail::AIP_DETAIL_QUEUE_FULL as i32 == Detail::QueueFull as i32);
    assert!(aip_detail::AIP_DETAIL_PROXY as i32 == Detail::Proxy as i32);
    assert!(aip_detail::AIP_DETAIL_UNTRUSTED_ISSUER as i32 == Detail::UntrustedIssuer as i32);
    assert!(aip_detail::AIP_DETAIL_WRONG_HOST as i32 == Detail::WrongHost as i32);
    assert!(aip_detail::AIP_DETAIL_EXPIRED as i32 == Detail::Expired as i32);
    assert!(aip_detail::AIP_DETAIL_WRONG_PIN as i32 == Detail::WrongPin as i32);
    assert!(aip_detail::AIP_DETAIL_CLIENT_CERTIFICATE as i32 == Detail::ClientCertificate as i32);
    assert!(aip_detail::AIP_DETAIL_BOMB as i32 == Detail::Bomb as i32);
    assert!(aip_detail::AIP_DETAIL_REDIRECT as i32 == Detail::Redirect as i32);
    assert!(aip_detail::AIP_DETAIL_BAD_REQUEST as i32 == Detail::BadRequest as i32);
    assert!(aip_detail::AIP_DETAIL_PERMISSION as i32 == Detail::Permission as i32);
    assert!(aip_detail::AIP_DETAIL_NOT_FOUND as i32 == Detail::NotFound as i32);
    assert!(aip_detail::AIP_DETAIL_CONTEXT_OVERFLOW as i32 == Detail::ContextOverflow as i32);
    assert!(aip_detail::AIP_DETAIL_CONTENT_FILTER as i32 == Detail::ContentFilter as i32);
    assert!(aip_detail::AIP_DETAIL_SERVER_ERROR as i32 == Detail::ServerError as i32);
    assert!(aip_detail::AIP_DETAIL_OVERLOADED as i32 == Detail::Overloaded as i32);
    assert!(aip_detail::AIP_DETAIL_CONCURRENCY as i32 == Detail::Concurrency as i32);
    assert!(aip_detail::AIP_DETAIL_CIRCUIT_OPEN as i32 == Detail::CircuitOpen as i32);
    assert!(aip_detail::AIP_DETAIL_NOT_JSON as i32 == Detail::NotJson as i32);
    assert!(aip_detail::AIP_DETAIL_TOOL_LOOP as i32 == Detail::ToolLoop as i32);
    assert!(aip_phase::AIP_PHASE_NONE as i32 == Phase::None as i32);
    assert!(aip_phase::AIP_PHASE_QUEUE as i32 == Phase::Queue as i32);
    assert!(aip_phase::AIP_PHASE_TLS as i32 == Phase::Tls as i32);
    assert!(aip_phase::AIP_PHASE_SEND as i32 == Phase::Send as i32);
    assert!(aip_phase::AIP_PHASE_DNS as i32 == Phase::Dns as i32);
    assert!(aip_phase::AIP_PHASE_CONNECT as i32 == Phase::Connect as i32);
    assert!(aip_phase::AIP_PHASE_FIRST_BYTE as i32 == Phase::FirstByte as i32);
    assert!(aip_phase::AIP_PHASE_BODY as i32 == Phase::Body as i32);
    assert!(aip_delivery::AIP_NOT_SENT as i32 == Delivery::NotSent as i32);
    assert!(aip_delivery::AIP_MAYBE_SENT as i32 == Delivery::MaybeSent as i32);
    assert!(aip_delivery::AIP_RESPONSE_STARTED as i32 == Delivery::ResponseStarted as i32);
};
