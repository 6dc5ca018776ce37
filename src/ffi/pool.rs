//! Pools in C.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

use super::args::{self, AIP_OFF, AIP_UNLIMITED, SizedStruct};
use super::guard::guard;
use super::handle::{self, Kind, Tabled};
use super::request::{self, aip_request};
use super::response::{self, aip_response};
use super::session::{self, aip_session, aip_session_options};
use super::status::aip_error;
use crate::config::{Eviction, LARGEST_POOL, LimitOverrides, MOST_THREADS, MaxSize, PoolConfig};
use crate::error::{Error, Result};
use crate::pool::{ConnectionPool, PoolHandle, PoolStats};

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
    /// Milliseconds for name, TCP and TLS of a new connection; 0 is 10000. AIP_OFF: no limit.
    pub connect_timeout_ms: i64,
    /// Most bytes of a buffered, decoded body; 0 is 67108864 (64 MiB). AIP_UNLIMITED: no limit.
    pub max_body_bytes: i64,
    /// Whom a full pool gives up: AIP_EVICT_LRU (also 0) or AIP_EVICT_FIFO.
    pub eviction: u32,
    /// 0: the threads that wait drive the I/O, on one core at a time. 1 to 256: that many threads of the library's own do.
    pub threads: u32,
}

const _: () = assert!(size_of::<aip_pool_options>() == 48);

// SAFETY: repr(C), `size` first, integers only.
unsafe impl SizedStruct for aip_pool_options {}

/// A pool's state and counters since it was made.
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
}

const _: () = assert!(size_of::<aip_pool_stats>() == 80);

impl From<PoolStats> for aip_pool_stats {
    fn from(stats: PoolStats) -> Self {
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
        }
    }
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
/// AIP_INVALID_ARGUMENT names a wrong field; AIP_UNSUPPORTED; AIP_SYSTEM when no thread can be started. Since 0.1.
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
/// http or https URL is legal and then takes absolute request URLs only. `options` NULL accepts what exists; connection
/// options that differ from the session that exists are AIP_INVALID_ARGUMENT unless `partition` differs too.
/// Each call gives a handle of its own to the shared session, the caller's until aip_session_free(). Any thread; the same
/// key gives the same session, also to many threads at once. AIP_CLOSED when the pool is; AIP_SYSTEM when `ca_file` cannot
/// be read. Since 0.1.
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
        let (key, config) = unsafe { (args::text("key", key, key_len)?, session::config(options)?) };
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
        let (key, config) = unsafe { (args::text("key", key, key_len)?, session::config(options)?) };
        out.set(pool.acquire(key, config)?)
    })
}

/// Gets the session of `key` and sends a request over it, again on a fresh session when that one was just closed.
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
        response::set(out, pool.request(key, request))
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

/// Copies the pool's counters to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_pool_get_stats(
    pool: *mut aip_pool,
    out: *mut aip_pool_stats,
    out_size: usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let stats = handle::get(pool)?.stats().into();
        // SAFETY: the header's contract.
        unsafe { args::out_sized("out", out, out_size, stats) }
    })
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
        eviction: match options.eviction {
            0 | AIP_EVICT_LRU => Eviction::Lru,
            AIP_EVICT_FIFO => Eviction::Fifo,
            n => return Err(Error::invalid("eviction", format_args!("is {n}; use AIP_EVICT_LRU or AIP_EVICT_FIFO"))),
        },
        threads: match options.threads as usize {
            n if n <= MOST_THREADS => n,
            n => return Err(Error::invalid("threads", format_args!("is {n}; use 0 to {MOST_THREADS}"))),
        },
        connections: default.connections,
        limits: default.limits.with(LimitOverrides {
            total: args::time_limit("timeout_ms", options.timeout_ms)?,
            connect: args::time_limit("connect_timeout_ms", options.connect_timeout_ms)?,
            body: args::byte_limit("max_body_bytes", options.max_body_bytes)?,
            ..LimitOverrides::default()
        }),
    }))
}
