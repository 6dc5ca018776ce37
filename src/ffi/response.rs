//! Responses in C: status, headers, body, info; borrowed until the response is freed, or copied.

#![allow(non_camel_case_types)]

use std::ffi::c_char;
use std::ptr::null_mut;

use http::{HeaderName, HeaderValue};

use super::args::{self, OutHandle, OutText};
use super::guard::{guard, guard_value};
use super::handle::{self, Kind, Tabled};
use super::status::aip_error;
use crate::error::{Delivery, Error, Phase, Result};
use crate::request::Failure;
use crate::response::Response;

/// A whole response.
pub struct aip_response {
    _private: [u8; 0],
}

impl Kind for aip_response {
    const KIND: u64 = 3;
    const NAME: &'static str = "response";
}

impl Tabled for aip_response {
    type Object = Response;
}

/// How a response came.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aip_response_info {
    /// 10, 11 or 20: HTTP/1.0, 1.1, 2.
    pub http_version: u32,
    /// 1 when another request, or aip_session_warm(), had used its connection before; else 0.
    pub reused: u32,
    /// Bytes of the decoded body.
    pub body_bytes: u64,
    /// Microseconds from the call to the response's head.
    pub first_byte_us: u64,
    /// Microseconds from the call to the end of the body.
    pub total_us: u64,
    /// The server's address and port as text, NUL-terminated; empty when unknown.
    pub remote_address: [c_char; 64],
    /// Names the connection in its pool, as events do; 0 over reqwest.
    pub connection_id: u64,
    /// How often the request went out.
    pub attempts: u32,
    /// Redirects followed.
    pub redirects: u32,
    /// AIP_TLS_NONE, AIP_TLS_FULL or AIP_TLS_RESUMED; AIP_TLS_NONE over reqwest.
    pub tls: u32,
    /// 1 when nobody checked the server's certificate (AIP_TRUST_ANYBODY).
    pub insecure: u32,
    /// Microseconds of waiting for a connection, the dial's own time left out.
    pub queue_us: u64,
    /// Microseconds of name look-up, where a connection was opened for this request; likewise the next two.
    pub dns_us: u64,
    /// Microseconds of TCP and proxy.
    pub connect_us: u64,
    /// Microseconds of the TLS handshake.
    pub tls_us: u64,
}

/// No TLS.
pub const AIP_TLS_NONE: u32 = 0;
/// A TLS handshake in full.
pub const AIP_TLS_FULL: u32 = 1;
/// A TLS handshake shortened by a ticket of an earlier connection.
pub const AIP_TLS_RESUMED: u32 = 2;

const _: () = assert!(size_of::<aip_response_info>() == 152);

/// The HTTP status; 0 on a bad handle. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_status(response: *mut aip_response) -> u32 {
    guard_value(0, || Ok(handle::get(response)?.status.as_u16().into()))
}

/// The first value of a header, by name in any case: borrowed until aip_response_free(), not NUL-terminated.
/// Where there is none, `*value` is NULL and `*value_len` 0, and that is AIP_OK. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_header(
    response: *mut aip_response,
    name: *const c_char,
    name_len: usize,
    value: *mut *const c_char,
    value_len: *mut usize,
) -> i32 {
    guard(null_mut(), || {
        let response = handle::get(response)?;
        // SAFETY: the header's contract.
        let (name, out) = unsafe { (args::text("name", name, name_len)?, OutText::new("value", value, value_len)?) };
        out.set(response.headers.get(name).map(HeaderValue::as_bytes));
        Ok(())
    })
}

/// How many headers there are, repeated ones counted each; 0 on a bad handle. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_header_count(response: *mut aip_response) -> usize {
    guard_value(0, || Ok(handle::get(response)?.headers.len()))
}

/// The header at `index`: borrowed until aip_response_free(), not NUL-terminated, the name in lower case.
/// Repeated names keep their order. AIP_INVALID_ARGUMENT beyond the last. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_header_at(
    response: *mut aip_response,
    index: usize,
    name: *mut *const c_char,
    name_len: *mut usize,
    value: *mut *const c_char,
    value_len: *mut usize,
) -> i32 {
    guard(null_mut(), || {
        let response = handle::get(response)?;
        // SAFETY: the header's contract.
        let (name, value) =
            unsafe { (OutText::new("name", name, name_len)?, OutText::new("value", value, value_len)?) };
        let (key, bytes) = header_at(&response, index)?;
        name.set(Some(key.as_str().as_bytes()));
        value.set(Some(bytes.as_bytes()));
        Ok(())
    })
}

/// Copies all headers packed as name NUL value NUL ... `*needed` (may be NULL) is always set to their size; too small a
/// `cap` is AIP_INVALID_ARGUMENT and writes nothing more. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_headers_copy(
    response: *mut aip_response,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let packed = handle::get(response)?.packed_headers();
        // SAFETY: the header's contract.
        unsafe { args::out_bytes(&packed, buf.cast(), cap, needed) }
    })
}

/// The decoded body: borrowed until aip_response_free(); NULL and 0 when it is empty. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_body(
    response: *mut aip_response,
    data: *mut *const u8,
    len: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let response = handle::get(response)?;
        // SAFETY: the header's contract.
        let (data, len) = unsafe { (args::out("data", data)?, args::out("len", len)?) };
        // An empty body has no address worth giving: foreign collectors dislike dangling ones.
        data.set(if response.body.is_empty() { std::ptr::null() } else { response.body.as_ptr() });
        len.set(response.body.len());
        Ok(())
    })
}

/// Copies the decoded body. `*needed` (may be NULL) is always set to its size; too small a `cap` is
/// AIP_INVALID_ARGUMENT and writes nothing more. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_body_copy(
    response: *mut aip_response,
    buf: *mut u8,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let response = handle::get(response)?;
        // SAFETY: the header's contract.
        unsafe { args::out_bytes(&response.body, buf, cap, needed) }
    })
}

/// Copies how the response came to `out`, as far as `out_size` (sizeof of your struct) goes. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_get_info(
    response: *mut aip_response,
    out: *mut aip_response_info,
    out_size: usize,
) -> i32 {
    guard(null_mut(), || {
        let info = info(&*handle::get(response)?);
        // SAFETY: the header's contract.
        unsafe { args::out_sized("out", out, out_size, info) }
    })
}

/// Frees a response and ends what was borrowed from it. NULL is AIP_OK. Never blocks. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_free(response: *mut aip_response) -> i32 {
    guard(null_mut(), || handle::free(response))
}

/// Hands the outcome of a request out: some failures carry an answer.
pub fn set(out: OutHandle<'_, aip_response>, outcome: std::result::Result<Response, Failure>) -> Result<()> {
    match outcome {
        Ok(response) => hand_out(out, response),
        Err(Failure { error, response: None }) => Err(error),
        Err(Failure { error, response: Some(response) }) => hand_out(out, *response).and(Err(error)),
    }
}

/// The answer came: without room for its handle the caller must still learn that it did.
fn hand_out(out: OutHandle<'_, aip_response>, response: Response) -> Result<()> {
    let http_status = response.status.as_u16();
    out.set(response)
        .map_err(|error| Error { http_status, ..error.phase(Phase::Body).delivery(Delivery::ResponseStarted) })
}

fn header_at(response: &Response, index: usize) -> Result<(&HeaderName, &HeaderValue)> {
    let count = response.headers.len();
    let missing = || Error::invalid("index", format_args!("is {index}; there are {count} headers"));
    response.headers.iter().nth(index).ok_or_else(missing)
}

fn info(response: &Response) -> aip_response_info {
    let mut remote_address = [0; 64];
    let report = &response.report;
    let micros = |time: std::time::Duration| time.as_micros() as u64;
    let text = report.remote.map(|remote| remote.to_string()).unwrap_or_default();
    for (to, from) in remote_address[..63].iter_mut().zip(text.bytes()) {
        *to = from as c_char;
    }
    aip_response_info {
        http_version: response.version_number(),
        reused: report.reused.into(),
        body_bytes: response.body.len() as u64,
        first_byte_us: micros(report.first_byte),
        total_us: micros(report.total),
        remote_address,
        connection_id: report.connection,
        attempts: report.attempts,
        redirects: report.redirects,
        tls: match report.tls {
            None => AIP_TLS_NONE,
            Some(tls) if tls.resumed => AIP_TLS_RESUMED,
            Some(_) => AIP_TLS_FULL,
        },
        insecure: report.insecure.into(),
        queue_us: micros(report.queue),
        dns_us: micros(report.dial.dns),
        connect_us: micros(report.dial.connect),
        tls_us: micros(report.dial.tls),
    }
}
