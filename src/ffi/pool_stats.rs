//! A pool's numbers in C: as a struct, and as Prometheus text.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

use super::args;
use super::guard::guard;
use super::handle;
use super::pool::aip_pool;
use super::status::aip_error;
use crate::events::CloseReason;
use crate::pool_stats::PoolStats;

/// Places in `aip_pool_stats.closed`: why connections closed. Unused for too long.
pub const AIP_CLOSED_IDLE: u32 = 0;
/// As old as max_lifetime_ms allows.
pub const AIP_CLOSED_LIFETIME: u32 = 1;
/// The server closed it.
pub const AIP_CLOSED_BY_SERVER: u32 = 2;
/// The server wanted no more requests on it (HTTP/2).
pub const AIP_CLOSED_GOAWAY: u32 = 3;
/// It broke, or somebody broke the protocol.
pub const AIP_CLOSED_ERROR: u32 = 4;
/// Its request was given up midway (HTTP/1.1).
pub const AIP_CLOSED_CANCELLED: u32 = 5;
/// No session refers to its server any more.
pub const AIP_CLOSED_NO_SESSION: u32 = 6;
/// The pool was closed.
pub const AIP_CLOSED_POOL: u32 = 7;
/// Found dead when it was wanted.
pub const AIP_CLOSED_STALE: u32 = 8;
/// Its place was needed by another.
pub const AIP_CLOSED_LIMIT: u32 = 9;
/// It did not answer in time.
pub const AIP_CLOSED_SUSPECT: u32 = 10;
/// Its response left it unfit for another request.
pub const AIP_CLOSED_NOT_REUSABLE: u32 = 11;
/// Made before aip_pool_reload_tls().
pub const AIP_CLOSED_RELOADED: u32 = 12;

const _: () = {
    assert!(AIP_CLOSED_IDLE == CloseReason::Idle as u32);
    assert!(AIP_CLOSED_LIFETIME == CloseReason::Lifetime as u32);
    assert!(AIP_CLOSED_BY_SERVER == CloseReason::ServerClosed as u32);
    assert!(AIP_CLOSED_GOAWAY == CloseReason::GoAway as u32);
    assert!(AIP_CLOSED_ERROR == CloseReason::Error as u32);
    assert!(AIP_CLOSED_CANCELLED == CloseReason::Cancelled as u32);
    assert!(AIP_CLOSED_NO_SESSION == CloseReason::NoSession as u32);
    assert!(AIP_CLOSED_POOL == CloseReason::PoolClosed as u32);
    assert!(AIP_CLOSED_STALE == CloseReason::Stale as u32);
    assert!(AIP_CLOSED_LIMIT == CloseReason::Limit as u32);
    assert!(AIP_CLOSED_SUSPECT == CloseReason::Suspect as u32);
    assert!(AIP_CLOSED_NOT_REUSABLE == CloseReason::NotReusable as u32);
    assert!(AIP_CLOSED_RELOADED == CloseReason::Reloaded as u32);
    assert!(AIP_CLOSED_RELOADED as usize + 1 == CloseReason::COUNT);
};

/// A pool's state and counters since it was made. What is said of connections is of the pool's own, not of reqwest's, but for
/// `connections_opened` and `requests_reused`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct aip_pool_stats {
    /// Sessions in the pool now.
    pub sessions: u64,
    /// Of these, held by leases.
    pub leased: u64,
    /// How many sessions are beyond max_size because all are leased.
    pub over_limit: u64,
    /// Requests under way now.
    pub in_flight: u64,
    /// Sessions ever made.
    pub sessions_created: u64,
    /// Sessions given up because the pool was full.
    pub evictions: u64,
    /// Requests begun.
    pub requests: u64,
    /// Requests that ended without a whole response.
    pub failures: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Requests answered over a connection that was open already.
    pub requests_reused: u64,
    /// Connections that stand now: opened, and not closed yet.
    pub connections_open: u64,
    /// Of these, idle.
    pub connections_idle: u64,
    /// Of these, with a request under way.
    pub connections_in_use: u64,
    /// Of these, to servers whose certificate nobody checked (AIP_TRUST_ANYBODY).
    pub connections_insecure: u64,
    /// Connections being opened now.
    pub connections_dialing: u64,
    /// Requests waiting for a connection now.
    pub waiting: u64,
    /// Connections that were wanted and could not be opened.
    pub connects_failed: u64,
    /// TLS handshakes in full.
    pub handshakes_full: u64,
    /// TLS handshakes shortened by a ticket of an earlier connection.
    pub handshakes_resumed: u64,
    /// Times a connection was taken again.
    pub connections_reused: u64,
    /// Times a request waited for a connection, be it opened for it or given back by another.
    pub waits: u64,
    /// Microseconds of all these waits together.
    pub waits_us: u64,
    /// Connections closed, by AIP_CLOSED_*; the last places are yet unused.
    pub closed: [u64; 16],
}

const _: () = assert!(size_of::<aip_pool_stats>() == 304);

impl From<&PoolStats> for aip_pool_stats {
    fn from(stats: &PoolStats) -> Self {
        let (connections, now) = (&stats.connections, &stats.connections.now);
        let mut closed = [0; 16];
        closed[..CloseReason::COUNT].copy_from_slice(&connections.closed);
        aip_pool_stats {
            sessions: stats.sessions,
            leased: stats.leased,
            over_limit: stats.over_limit,
            in_flight: stats.in_flight,
            sessions_created: stats.sessions_created,
            evictions: stats.evictions,
            requests: stats.requests,
            failures: stats.failures,
            connections_opened: stats.connections_opened,
            requests_reused: stats.requests_reused,
            connections_open: now.standing as u64,
            connections_idle: now.idle as u64,
            connections_in_use: now.in_use as u64,
            connections_insecure: now.insecure as u64,
            connections_dialing: now.dialing as u64,
            waiting: now.waiting as u64,
            connects_failed: connections.failed,
            handshakes_full: connections.handshakes_full,
            handshakes_resumed: connections.handshakes_resumed,
            connections_reused: connections.reused,
            waits: connections.queued,
            waits_us: connections.queued_us,
            closed,
        }
    }
}

/// Copies the pool's counters to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_get_stats(
    pool: *mut aip_pool,
    out: *mut aip_pool_stats,
    out_size: usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let stats = (&handle::get(pool)?.stats()).into();
        // SAFETY: the header's contract.
        unsafe { args::out_sized("out", out, out_size, stats) }
    })
}

/// Copies the pool's numbers as Prometheus text (format 0.0.4), not NUL-terminated. `*needed` (may be NULL) is always set to
/// its size; too small a `cap` is AIP_INVALID_ARGUMENT and writes nothing more. The size may grow from call to call: give some
/// room. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_metrics(
    pool: *mut aip_pool,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let text = handle::get(pool)?.metrics();
        // SAFETY: the header's contract.
        unsafe { args::out_bytes(text.as_bytes(), buf.cast(), cap, needed) }
    })
}
