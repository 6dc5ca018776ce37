//! Sessions in C.

#![allow(non_camel_case_types)]

use std::time::Duration;

use super::args;
use super::guard::{guard, guard_value};
use super::handle::{self, Kind, Tabled};
use super::queue::aip_queue;
use super::request::{self, aip_request};
use super::response::{self, aip_response};
use super::status::aip_error;
use crate::config::{MOST_WARMED, WARM_LIMIT};
use crate::session::{SessionHandle, SessionStats};

/// A handle of yours to a shared session: a base URL and warm connections.
pub struct aip_session {
    _private: [u8; 0],
}

impl Kind for aip_session {
    const KIND: u64 = 2;
    const NAME: &'static str = "session";
}

impl Tabled for aip_session {
    type Object = SessionHandle;
}

/// A session's state and counters since it was made.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct aip_session_stats {
    /// Requests under way now.
    pub in_flight: u64,
    /// Live leases.
    pub leases: u64,
    /// Requests begun.
    pub requests: u64,
    /// Requests that ended without a whole response.
    pub failures: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Requests answered over a connection that was open already.
    pub requests_reused: u64,
}

const _: () = assert!(size_of::<aip_session_stats>() == 48);

impl From<SessionStats> for aip_session_stats {
    fn from(stats: SessionStats) -> Self {
        aip_session_stats {
            in_flight: stats.in_flight,
            leases: stats.leases,
            requests: stats.requests,
            failures: stats.failures,
            connections_opened: stats.connections_opened,
            requests_reused: stats.requests_reused,
        }
    }
}

/// Sends a request and waits for the whole response, with AIP_REQUEST_STREAM for its head; this thread drives the I/O meanwhile.
/// `*response` is the caller's until aip_response_free(). Inputs are copied before anything is sent.
/// Blocks within timeout_ms. Any thread, many at once. An HTTP status of 400 or more is AIP_OK.
/// AIP_TOO_LARGE and AIP_TRUNCATED also set `*response`, to what came. Any other failure leaves NULL there, and `error`
/// says class, phase, and whether the server can have seen the request. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_request(
    session: *mut aip_session,
    request: *const aip_request,
    response: *mut *mut aip_response,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("response", response)? };
        let session = handle::get(session)?;
        handle::room()?;
        // SAFETY: the header's contract.
        response::set(out, session.answer(unsafe { request::parse(request)? }))
    })
}

/// Sends a request without waiting: `queue` tells what becomes of it, with `tag`, which means what you like. Inputs are copied
/// before the call returns. Never blocks, but for files that options name (on first use). From AIP_OK on exactly one
/// AIP_COMPLETION_DONE follows, however the request, the session, the pool or the queue ends, unless the queue is freed first; on
/// failure none does. With AIP_REQUEST_STREAM an AIP_COMPLETION_HEAD comes before it where there is a head. To give it up fire
/// aip_request.cancel, or free the stream's response.
/// Any thread, many at once. AIP_CLOSED for a closed session, pool or queue; AIP_INVALID_ARGUMENT, also for the queue of
/// another pool. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_submit(
    session: *mut aip_session,
    request: *const aip_request,
    queue: *mut aip_queue,
    tag: u64,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let (session, queue) = (handle::get(session)?, handle::get(queue)?);
        // SAFETY: the header's contract.
        session.submit(unsafe { request::parse(request)? }, &queue, tag)
    })
}

/// Opens connections to the session's base URL before requests need them, until `connections` (1 to 64) stand that could
/// take as many requests at once: HTTP/2 needs one for many. `*standing` (may be NULL) says how many stand to the server.
/// Over HTTP/1.1 no more than max_connections_per_origin ever stand. Blocks for `timeout_ms` at most, 0 is 10000. Any
/// thread. AIP_TIMEOUT, AIP_LIMIT, AIP_DNS, AIP_CONNECT, AIP_TLS as a request would say it; nothing was sent.
/// AIP_UNSUPPORTED over reqwest. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_warm(
    session: *mut aip_session,
    connections: u32,
    timeout_ms: u32,
    standing: *mut u32,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let wanted = args::within("connections", connections.into(), 1, MOST_WARMED as u64)?;
        let timeout = if timeout_ms == 0 { WARM_LIMIT } else { Duration::from_millis(timeout_ms.into()) };
        let warmed = handle::get(session)?.warm(wanted as usize, timeout)?;
        // SAFETY: the header's contract: NULL or a place of the caller's.
        unsafe { args::out_optional(standing, warmed as u32) };
        Ok(())
    })
}

/// A number that names the shared session behind the handle: equal for two handles of one session, never used again.
/// 0 on a bad handle. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_id(session: *mut aip_session) -> u64 {
    guard_value(0, || Ok(handle::get(session)?.id()))
}

/// 1 when the session is closed or evicted, or the handle is bad; else 0. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_is_closed(session: *mut aip_session) -> i32 {
    guard_value(1, || Ok(handle::get(session)?.is_closed().into()))
}

/// Closes the shared session for everybody: requests under way finish, later ones are AIP_CLOSED, the next get makes a
/// fresh session. Closing twice is AIP_OK. Never blocks. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_close(session: *mut aip_session, error: *mut aip_error) -> i32 {
    guard(error, || {
        handle::get(session)?.close();
        Ok(())
    })
}

/// Copies the session's counters to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_get_stats(
    session: *mut aip_session,
    out: *mut aip_session_stats,
    out_size: usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let stats = handle::get(session)?.stats().into();
        // SAFETY: the header's contract.
        unsafe { args::out_sized("out", out, out_size, stats) }
    })
}

/// Gives a session handle up, and the lease where it is one. The session stays in its pool for others.
/// NULL is AIP_OK. Never blocks, does no I/O. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_free(session: *mut aip_session) -> i32 {
    guard(std::ptr::null_mut(), || handle::free(session))
}
