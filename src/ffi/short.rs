//! Four short names: one-line twins. Weak in the static library, so that a host may own these names.

use std::ffi::c_char;

use super::pool::{aip_pool, aip_pool_close_all, aip_pool_get_session, aip_pool_new, aip_pool_options};
use super::request::aip_request;
use super::response::aip_response;
use super::session::{aip_session, aip_session_request};
use super::session_options::aip_session_options;
use super::status::aip_error;

/// aip_pool_new() under a short name. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_new(
    options: *const aip_pool_options,
    pool: *mut *mut aip_pool,
    error: *mut aip_error,
) -> i32 {
    // SAFETY: passed on as it came.
    unsafe { aip_pool_new(options, pool, error) }
}

/// aip_pool_get_session() under a short name. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_get_session(
    pool: *mut aip_pool,
    key: *const c_char,
    key_len: usize,
    options: *const aip_session_options,
    session: *mut *mut aip_session,
    error: *mut aip_error,
) -> i32 {
    // SAFETY: passed on as it came.
    unsafe { aip_pool_get_session(pool, key, key_len, options, session, error) }
}

/// aip_session_request() under a short name. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn session_request(
    session: *mut aip_session,
    request: *const aip_request,
    response: *mut *mut aip_response,
    error: *mut aip_error,
) -> i32 {
    // SAFETY: passed on as it came.
    unsafe { aip_session_request(session, request, response, error) }
}

/// aip_pool_close_all() under a short name. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pool_close_all(pool: *mut aip_pool, drain_ms: u32, error: *mut aip_error) -> i32 {
    // SAFETY: passed on as it came.
    unsafe { aip_pool_close_all(pool, drain_ms, error) }
}
