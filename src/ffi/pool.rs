//! Pools in C.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

use super::args::{self, AIP_OFF, AIP_UNLIMITED, SizedStruct};
use super::guard::guard;
use super::handle::{self, Kind, Tabled};
use super::request::{self, aip_request};
use super::response::{self, aip_response};
use super::session::aip_session;
use super::session_options::{self, aip_session_options};
use super::status::aip_error;
use crate::config::{
    ConnectionCaps, Eviction, LARGEST_POOL, LONGEST_LIMIT, LimitOverrides, MOST_CONNECTIONS, MOST_PER_ORIGIN,
    MOST_QUEUED, MOST_THREADS, MaxSize, PoolConfig,
};
use crate::error::Result;
use crate::pool::{ConnectionPool, PoolHandle};

/// A pool of sessions keyed by base URL.
pub struct aip_pool {
    _private: [u8; 0],
}

impl Kind for aip_pool {
    const KIND: u64 = 1;
    const NAME: &'static str = "pool";
}

impl Tabled for aip_pool {
    type Object = PoolHandle;

    fn freed(pool: &PoolHandle) {
        pool.end();
    }
}

/// The least recently used session goes first (the default).
pub const AIP_EVICT_LRU: u32 = 1;
/// The session that was inserted first goes first, however recently it was used.
pub const AIP_EVICT_FIFO: u32 = 2;

/// How a pool is made. Call aip_pool_options_init() first; every 0 is the default.
#[repr(C)]
pub struct aip_pool_options {
    /// sizeof(aip_pool_options); set by aip_pool_options_init().
    pub size: usize,
    /// Sessions kept, 1 to 1000000; 0 is 10. AIP_OFF: every get is a session of its own. AIP_UNLIMITED: no eviction.
    pub max_size: i64,
    /// Milliseconds from a request's start to the end of its body; 0 is 60000. AIP_OFF: no limit.
    pub timeout_ms: i64,
    /// Milliseconds for name, TCP, proxy and TLS of a new connection together; 0 is 10000. AIP_OFF: no limit.
    pub connect_timeout_ms: i64,
    /// Most bytes of a buffered, decoded body; 0 is 67108864 (64 MiB). AIP_UNLIMITED: no limit.
    pub max_body_bytes: i64,
    /// Whom a full pool gives up: AIP_EVICT_LRU (also 0) or AIP_EVICT_FIFO.
    pub eviction: u32,
    /// 0: the threads that wait drive the I/O, on one core at a time. 1 to 256: that many threads of the library's own do.
    pub threads: u32,
    /// Milliseconds that a request waits for a connection while all allowed are in use; 0 is 30000. AIP_OFF: no limit.
    pub queue_timeout_ms: i64,
    /// Milliseconds for a name look-up; 0 is 5000. AIP_OFF: no limit.
    pub dns_timeout_ms: i64,
    /// Milliseconds for a TLS handshake; 0 is 5000. AIP_OFF: no limit.
    pub tls_timeout_ms: i64,
    /// Milliseconds without one more byte of a large request going out; 0 is 30000. AIP_OFF: no limit.
    pub send_timeout_ms: i64,
    /// Milliseconds from a request's last byte to the response's head; 0 and AIP_OFF: no limit but timeout_ms.
    pub first_byte_timeout_ms: i64,
    /// Milliseconds without one more byte of the body; 0 and AIP_OFF: no limit but timeout_ms.
    pub between_bytes_timeout_ms: i64,
    /// Connections to one origin, 1 to 100000; 0 is 64. AIP_UNLIMITED.
    pub max_connections_per_origin: i64,
    /// Connections of the pool, 1 to 1000000; 0 is 512. AIP_UNLIMITED.
    pub max_connections: i64,
    /// Requests that may wait for a connection to one origin, 1 to 1000000; 0 is 10000. AIP_UNLIMITED.
    pub max_queue: i64,
    /// Milliseconds after which an idle connection closes; 0 is 50000, AIP_OFF 30 days. Servers that say less are believed.
    pub idle_timeout_ms: i64,
    /// Milliseconds after which a connection is replaced, give or take 15 %; 0 is 600000. AIP_OFF: never.
    pub max_lifetime_ms: i64,
    /// Milliseconds from the going out of a stream's request to its first data event; 0 and AIP_OFF: no limit.
    pub first_event_timeout_ms: i64,
    /// Milliseconds without one more data event of a stream, comments and pings not counted; 0 and AIP_OFF: no limit.
    pub between_events_timeout_ms: i64,
}

const _: () = assert!(size_of::<aip_pool_options>() == 152);

// SAFETY: repr(C), `size` first, integers only.
unsafe impl SizedStruct for aip_pool_options {
    const FIRST_SIZE: usize = 152;
}

/// Sets all defaults. `size` is sizeof(aip_pool_options).
/// The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_options_init(options: *mut aip_pool_options, size: usize) {
    // SAFETY: the header's contract.
    unsafe { args::init(options, size) }
}

/// Makes a pool. `options` may be NULL: all defaults.
/// The handle in `*pool` is the caller's until aip_pool_free(). Any thread.
/// AIP_INVALID_ARGUMENT names a wrong field; AIP_UNSUPPORTED; AIP_SYSTEM when no thread can be started or no descriptor is left. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_new(
    options: *const aip_pool_options,
    pool: *mut *mut aip_pool,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let (out, config) = unsafe { (args::out_handle("pool", pool)?, config(options)?) };
        out.set(PoolHandle::owner(ConnectionPool::new(config.unwrap_or_default())?))
    })
}

/// Gets a handle to the process's one shared pool, making it on first use.
/// The first use sets the options; later, NULL accepts what exists and different options are AIP_INVALID_ARGUMENT.
/// Each handle is freed with aip_pool_free(), which never ends the global pool. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_global(
    options: *const aip_pool_options,
    pool: *mut *mut aip_pool,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let (out, config) = unsafe { (args::out_handle("pool", pool)?, config(options)?) };
        out.set(PoolHandle::guest(ConnectionPool::global(config)?))
    })
}

/// Ends the global pool: as aip_pool_close_all(), and its handles say AIP_CLOSED from then on. The next
/// aip_pool_global() makes a new one. AIP_OK where there is none.
/// Blocks for `drain_ms` at most. Any thread. AIP_TIMEOUT when requests had to be cut off. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_close_global(drain_ms: u32, error: *mut aip_error) -> i32 {
    guard(error, || ConnectionPool::close_global(drain_ms))
}

/// Gets the session of a base URL, making it when there is none or when it is closed.
/// `key` is compared normalised (case of scheme and host, default port, trailing slash, no fragment); a key that is no
/// http or https URL is legal and then takes absolute request URLs only. `options` NULL accepts what exists, or the
/// connection options of the closed session it replaces; connection options that differ from the session that exists are AIP_INVALID_ARGUMENT unless `partition` differs too.
/// Each call gives a handle of its own to the shared session, the caller's until aip_session_free(). Any thread; the same
/// key gives the same session, also to many threads at once. AIP_CLOSED when the pool is; AIP_SYSTEM when a file that is
/// named cannot be read; AIP_UNSUPPORTED for what AIP_TRANSPORT_REQWEST lacks. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_get_session(
    pool: *mut aip_pool,
    key: *const c_char,
    key_len: usize,
    options: *const aip_session_options,
    session: *mut *mut aip_session,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("session", session)? };
        let pool = handle::get(pool)?;
        // SAFETY: the header's contract.
        let (key, config) = unsafe { (args::text("key", key, key_len)?, session_options::config(options)?) };
        out.set(pool.get_session(key, config)?)
    })
}

/// As aip_pool_get_session(), and a lease: while this handle lives, its session is never evicted.
/// When every session is leased the pool exceeds max_size until a lease ends, and says so in its stats. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_acquire(
    pool: *mut aip_pool,
    key: *const c_char,
    key_len: usize,
    options: *const aip_session_options,
    session: *mut *mut aip_session,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("session", session)? };
        let pool = handle::get(pool)?;
        // SAFETY: the header's contract.
        let (key, config) = unsafe { (args::text("key", key, key_len)?, session_options::config(options)?) };
        out.set(pool.acquire(key, config)?)
    })
}

/// Gets the session of `key` and sends a request over it, again on a fresh session when that one was just closed. What is
/// made anew has the options of the session that was closed; after an eviction or aip_pool_close_session() those are
/// forgotten, and it has the defaults: where options such as a proxy matter, send over a session you got with them.
/// Blocks within the request's limits. Otherwise as aip_pool_get_session() and aip_session_request(). Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_request(
    pool: *mut aip_pool,
    key: *const c_char,
    key_len: usize,
    request: *const aip_request,
    response: *mut *mut aip_response,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_handle("response", response)? };
        let pool = handle::get(pool)?;
        // SAFETY: the header's contract.
        let (key, request) = unsafe { (args::text("key", key, key_len)?, request::parse(request)?) };
        handle::room()?;
        response::set(out, pool.answer(key, &request))
    })
}

/// Closes the session of `key` in every partition and forgets it; AIP_OK where there is none. Requests under way finish,
/// later ones on its handles are AIP_CLOSED, the next get makes a fresh session. Never blocks. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_close_session(
    pool: *mut aip_pool,
    key: *const c_char,
    key_len: usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let pool = handle::get(pool)?;
        // SAFETY: the header's contract.
        pool.close_session(unsafe { args::text("key", key, key_len)? })
    })
}

/// Closes every session and waits up to `drain_ms` for requests under way; what is left then ends with AIP_CLOSED.
/// The pool stays usable: the next get makes a fresh session. 0 cuts at once.
/// Any thread. AIP_TIMEOUT when requests had to be cut off; the message counts them. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_close_all(pool: *mut aip_pool, drain_ms: u32, error: *mut aip_error) -> i32 {
    guard(error, || handle::get(pool)?.close_all(drain_ms))
}

/// Reads the certificate files of this pool's sessions again, the system's roots too. Connections made from now on use them;
/// those that stand finish what is under way and carry no new requests. On failure everything stays as it was. Sessions over
/// AIP_TRANSPORT_REQWEST keep what they have.
/// Reads files, does no other I/O. Any thread. AIP_SYSTEM, AIP_INVALID_ARGUMENT and AIP_TLS name the file. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_reload_tls(pool: *mut aip_pool, error: *mut aip_error) -> i32 {
    guard(error, || handle::get(pool)?.reload_tls())
}

/// Gives a pool handle up. For a pool of aip_pool_new() its sessions become AIP_CLOSED; requests under way finish.
/// NULL is AIP_OK. Never blocks, does no I/O. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_free(pool: *mut aip_pool) -> i32 {
    guard(std::ptr::null_mut(), || handle::free(pool))
}

/// The checked configuration, or `None` for NULL.
unsafe fn config(options: *const aip_pool_options) -> Result<Option<PoolConfig>> {
    // SAFETY: the header's contract.
    let Some(options) = (unsafe { args::sized("options", "aip_pool_options_init", options)? }) else { return Ok(None) };
    let default = PoolConfig::default();
    Ok(Some(PoolConfig {
        max_size: match options.max_size {
            0 => default.max_size,
            AIP_OFF => MaxSize::Off,
            AIP_UNLIMITED => MaxSize::Unlimited,
            n if usize::try_from(n).is_ok_and(|n| n <= LARGEST_POOL) => MaxSize::Limit(n.unsigned_abs() as usize),
            n => return Err(args::out_of_range("max_size", n, "1 to 1000000")),
        },
        eviction: args::choice(
            "eviction",
            options.eviction,
            &[(0, Eviction::Lru), (AIP_EVICT_LRU, Eviction::Lru), (AIP_EVICT_FIFO, Eviction::Fifo)],
            "AIP_EVICT_LRU or AIP_EVICT_FIFO",
        )?,
        threads: args::within("threads", options.threads.into(), 0, MOST_THREADS as u64)? as usize,
        connections: caps(&options)?,
        limits: default.limits.with(args::limits!(&options)),
    }))
}

fn caps(options: &aip_pool_options) -> Result<ConnectionCaps> {
    let default = ConnectionCaps::default();
    let per_origin = options.max_connections_per_origin;
    let idle = args::time_limit("idle_timeout_ms", options.idle_timeout_ms)?;
    Ok(ConnectionCaps {
        per_origin: args::count("max_connections_per_origin", per_origin, default.per_origin, MOST_PER_ORIGIN)?,
        total: args::count("max_connections", options.max_connections, default.total, MOST_CONNECTIONS)?,
        queue: args::count("max_queue", options.max_queue, default.queue, MOST_QUEUED)?,
        // Without a limit of its own an idle connection still ends with its life.
        idle: idle.map_or(default.idle, |idle| idle.unwrap_or(LONGEST_LIMIT)),
        lifetime: args::time_limit("max_lifetime_ms", options.max_lifetime_ms)?.unwrap_or(default.lifetime),
    })
}
