//! Sessions in C.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

use super::args::{self, SizedStruct};
use super::guard::{guard, guard_value};
use super::handle::{self, Kind, Tabled};
use super::request::{self, aip_request};
use super::response::{self, aip_response};
use super::status::aip_error;
use crate::config::{ConnectionConfig, HttpVersion, LimitOverrides, RequestDefaults, SessionConfig, TlsOptions};
use crate::error::{Error, Result};
use crate::session::{SessionHandle, SessionStats};
use crate::transport::TlsIdentity;

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

/// HTTP/2 where the server offers it by ALPN, HTTP/1.1 otherwise (the default).
pub const AIP_HTTP_AUTO: u32 = 0;
/// HTTP/1.1 only.
pub const AIP_HTTP_1: u32 = 1;
/// HTTP/2 only; over plain http by prior knowledge.
pub const AIP_HTTP_2: u32 = 2;

/// What a session is asked for with. Call aip_session_options_init() first; every 0 is the default.
/// `ca_*` and `http_version` shape connections: they are the session's identity. The rest belongs to the handle.
#[repr(C)]
pub struct aip_session_options {
    /// sizeof(aip_session_options); set by aip_session_options_init().
    pub size: usize,
    /// Another partition is another session under the same key. UTF-8.
    pub partition: *const c_char,
    /// Bytes of `partition`, or AIP_NUL_TERMINATED.
    pub partition_len: usize,
    /// A file of certificates, PEM or DER, trusted besides the system's. UTF-8 path.
    pub ca_file: *const c_char,
    /// Bytes of `ca_file`, or AIP_NUL_TERMINATED.
    pub ca_file_len: usize,
    /// Certificates, PEM or DER, trusted besides the system's.
    pub ca_bytes: *const u8,
    /// Bytes of `ca_bytes`.
    pub ca_bytes_len: usize,
    /// Headers sent with every request that does not carry the same name, packed: name NUL value NUL name NUL value NUL.
    pub headers: *const c_char,
    /// Bytes of `headers`.
    pub headers_len: usize,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub connect_timeout_ms: i64,
    /// As in aip_pool_options, for requests of this handle; 0 is the pool's.
    pub max_body_bytes: i64,
    /// AIP_HTTP_AUTO, AIP_HTTP_1 or AIP_HTTP_2.
    pub http_version: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<aip_session_options>() == 104);

// SAFETY: repr(C), `size` first, pointers and integers only.
unsafe impl SizedStruct for aip_session_options {}

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

/// Sets all defaults. `size` is sizeof(aip_session_options).
/// The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_session_options_init(options: *mut aip_session_options, size: usize) {
    // SAFETY: the header's contract.
    unsafe { args::init(options, size) }
}

/// Sends a request and waits for the whole response; this thread drives the I/O meanwhile.
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
        response::set(out, session.request(unsafe { request::parse(request)? }))
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

/// The checked configuration, or `None` for NULL.
///
/// # Safety
/// The header's contract for session options.
pub unsafe fn config(options: *const aip_session_options) -> Result<Option<SessionConfig>> {
    // SAFETY: the header's contract, as for all that follows.
    let Some(options) = (unsafe { args::sized("options", "aip_session_options_init", options)? }) else {
        return Ok(None);
    };
    if options.reserved != 0 {
        return Err(Error::invalid("reserved", "is not 0; call aip_session_options_init() on the struct first"));
    }
    // SAFETY: the header's contract.
    let (partition, ca_file, ca_bytes, headers) = unsafe {
        (
            args::text("partition", options.partition, options.partition_len)?,
            args::text("ca_file", options.ca_file, options.ca_file_len)?,
            args::bytes("ca_bytes", options.ca_bytes, options.ca_bytes_len)?,
            args::bytes("headers", options.headers.cast(), options.headers_len)?,
        )
    };
    Ok(Some(SessionConfig {
        partition: partition.to_owned(),
        connection: ConnectionConfig {
            http_version: http_version(options.http_version)?,
            tls: tls_options(ca_file, ca_bytes)?,
            ..ConnectionConfig::default()
        },
        defaults: RequestDefaults {
            limits: LimitOverrides {
                total: args::time_limit("timeout_ms", options.timeout_ms)?,
                connect: args::time_limit("connect_timeout_ms", options.connect_timeout_ms)?,
                body: args::byte_limit("max_body_bytes", options.max_body_bytes)?,
                ..LimitOverrides::default()
            },
            headers: request::packed_headers("headers", headers)?,
        },
    }))
}

fn tls_options(ca_file: &str, ca_bytes: &[u8]) -> Result<TlsOptions> {
    let options = TlsOptions { ca_file: ca_file.to_owned(), ca_bytes: ca_bytes.into(), ..TlsOptions::default() };
    TlsIdentity::of(&options)?;
    Ok(options)
}

fn http_version(version: u32) -> Result<HttpVersion> {
    match version {
        AIP_HTTP_AUTO => Ok(HttpVersion::Auto),
        AIP_HTTP_1 => Ok(HttpVersion::Http1),
        AIP_HTTP_2 => Ok(HttpVersion::Http2),
        n => Err(Error::invalid("http_version", format_args!("is {n}; use AIP_HTTP_AUTO, AIP_HTTP_1 or AIP_HTTP_2"))),
    }
}
