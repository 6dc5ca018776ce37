//! Responses in C: status, headers, body, info; borrowed until the response is freed, or copied.

#![allow(non_camel_case_types)]

use std::ffi::c_char;
use std::ptr::null_mut;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::args::{self, Out, OutHandle, OutText};
use super::guard::{guard, guard_status, guard_value};
use super::handle::{self, Kind, Tabled};
use super::status::aip_error;
use crate::answer::{Answer, Read};
use crate::body::events::Event;
use crate::error::{Delivery, Error, Phase, Result, Status};
use crate::response::Response;
use crate::session::AnswerFailure;

/// A response: whole, or with AIP_REQUEST_STREAM a stream whose body is read while it comes.
pub struct aip_response {
    _private: [u8; 0],
}

impl Kind for aip_response {
    const KIND: u64 = 3;
    const NAME: &'static str = "response";
}

impl Tabled for aip_response {
    type Object = Answer;

    fn freed(answer: &Answer) {
        answer.give_up();
    }
}

/// How a response came.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct aip_response_info {
    /// 10, 11 or 20: HTTP/1.0, 1.1, 2.
    pub http_version: u32,
    /// 1 when another request, or aip_session_warm(), had used its connection before; else 0.
    pub reused: u32,
    /// Bytes of the decoded body; of a stream, those that have come so far.
    pub body_bytes: u64,
    /// Microseconds from the call to the response's head.
    pub first_byte_us: u64,
    /// Microseconds from the call to the end of the body; 0 for a stream.
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
    guard_value(0, || Ok(handle::get(response)?.response.status.as_u16().into()))
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
        out.set(response.response.headers.get(name).map(HeaderValue::as_bytes));
        Ok(())
    })
}

/// How many headers there are, repeated ones counted each; 0 on a bad handle. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_header_count(response: *mut aip_response) -> usize {
    guard_value(0, || Ok(handle::get(response)?.response.headers.len()))
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
        let (key, bytes) = header_at(&response.response, index)?;
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
        let packed = packed(&handle::get(response)?.response.headers);
        // SAFETY: the header's contract.
        unsafe { args::out_bytes(&packed, buf.cast(), cap, needed) }
    })
}

/// The decoded body, AIP_INVALID_ARGUMENT for a stream: borrowed until aip_response_free(); NULL and 0 when it is empty. Any thread. Since 0.1.
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
        let body = response.body()?;
        // An empty body has no address worth giving: foreign collectors dislike dangling ones.
        data.set(if body.is_empty() { std::ptr::null() } else { body.as_ptr() });
        len.set(body.len());
        Ok(())
    })
}

/// Copies the decoded body, AIP_INVALID_ARGUMENT for a stream. `*needed` (may be NULL) is always set to its size; too small a `cap` is
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
        unsafe { args::out_bytes(response.body()?, buf, cap, needed) }
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

/// Copies the next bytes of the decoded body, of a stream or of a whole response: `*count` says how many, one at least. Where none
/// have come yet it blocks for `timeout_ms` at most, and this thread drives the I/O meanwhile; 0 does not wait. AIP_END at the
/// end; AIP_WOULD_BLOCK where 0 ms were enough, and an AIP_COMPLETION_READABLE follows where the request was submitted to a queue;
/// AIP_TIMEOUT with AIP_DETAIL_WAIT_LIMIT where `timeout_ms` were not, and the stream goes on; else how the stream failed, after
/// all that came was read. One thread at a time: AIP_BUSY. AIP_INVALID_ARGUMENT once events were read from it, and for a `cap` of 0.
/// AIP_CANCELLED when the response is freed meanwhile. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_read(
    response: *mut aip_response,
    buf: *mut u8,
    cap: usize,
    timeout_ms: u32,
    count: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard_status(error, || {
        let response = handle::get(response)?;
        // SAFETY: the header's contract.
        let (buf, out) = unsafe { (args::room("buf", buf, cap)?, args::out("count", count)?) };
        Ok(got(out, response.read(buf, Duration::from_millis(timeout_ms.into()))?))
    })
}

/// One event of a stream: borrowed until the next call that reads from the response, or frees it; not NUL-terminated.
#[repr(C)]
pub struct aip_stream_event {
    /// The data lines, joined by newlines; for NDJSON the line. UTF-8, what is not is replaced by U+FFFD. May hold NULs.
    pub data: *const c_char,
    /// Bytes of `data`.
    pub data_len: usize,
    /// The type; empty where none was given, which means "message". Empty for NDJSON.
    pub name: *const c_char,
    /// Bytes of `name`.
    pub name_len: usize,
    /// The last event ID, of this event or an earlier one. Empty for NDJSON.
    pub id: *const c_char,
    /// Bytes of `id`.
    pub id_len: usize,
    /// With AIP_EVENT_RETRY the milliseconds this event sets as reconnection time.
    pub retry_ms: u64,
    /// AIP_EVENT_* bits.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}

const _: () = assert!(size_of::<aip_stream_event>() == 64);

/// In `aip_stream_event.flags`: `retry_ms` was set.
pub const AIP_EVENT_RETRY: u32 = 1;
/// In `aip_stream_event.flags`: the stream ended before the event did: its last line end or blank line is missing.
pub const AIP_EVENT_INCOMPLETE: u32 = 2;

/// In aip_response_event_copy(): the event's data.
pub const AIP_PART_DATA: u32 = 0;
/// In aip_response_event_copy(): the event's name.
pub const AIP_PART_NAME: u32 = 1;
/// In aip_response_event_copy(): the last event ID.
pub const AIP_PART_ID: u32 = 2;

/// Reads the next event, of server-sent events or NDJSON as aip_request.event_format or the content-type say. Waits, and fails, as
/// aip_response_read(); further AIP_TRUNCATED where aip_request.end_marker never came, AIP_TOO_LARGE beyond max_event_bytes, and
/// AIP_INVALID_ARGUMENT once bytes were read from it or where the content-type is of no framing known. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_next_event(
    response: *mut aip_response,
    timeout_ms: u32,
    event: *mut aip_stream_event,
    error: *mut aip_error,
) -> i32 {
    guard_status(error, || {
        let response = handle::get(response)?;
        // SAFETY: the header's contract.
        let out = unsafe { args::out("event", event)? };
        Ok(got(out, response.next_event(Duration::from_millis(timeout_ms.into()), shown)?))
    })
}

/// Copies a part of the event read last: AIP_PART_DATA, AIP_PART_NAME or AIP_PART_ID. `*needed` (may be NULL) is always set to
/// its size; too small a `cap` is AIP_INVALID_ARGUMENT and writes nothing more. AIP_BUSY while another thread reads. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_event_copy(
    response: *mut aip_response,
    part: u32,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let parts = [(AIP_PART_DATA, 0), (AIP_PART_NAME, 1), (AIP_PART_ID, 2)];
        let part: usize = args::choice("part", part, &parts, "AIP_PART_DATA, AIP_PART_NAME or AIP_PART_ID")?;
        let copy = |event: Event<'_>| {
            let text = [event.data, event.name, event.id][part];
            // SAFETY: the header's contract.
            unsafe { args::out_bytes(text.as_bytes(), buf.cast(), cap, needed) }
        };
        handle::get(response)?.last_event(copy)?
    })
}

/// Copies the trailers, which come behind a body, packed as aip_response_headers_copy() does; empty before its end, and where there
/// were none. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_trailers_copy(
    response: *mut aip_response,
    buf: *mut c_char,
    cap: usize,
    needed: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard(error, || {
        let packed = packed(&handle::get(response)?.trailers());
        // SAFETY: the header's contract.
        unsafe { args::out_bytes(&packed, buf.cast(), cap, needed) }
    })
}

/// Frees a response and ends what was borrowed from it; a stream that has not ended is given up. NULL is AIP_OK. Never blocks.
/// Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_response_free(response: *mut aip_response) -> i32 {
    guard(null_mut(), || handle::free(response))
}

/// Hands the outcome of a request out: some failures carry an answer.
pub fn set(out: OutHandle<'_, aip_response>, outcome: std::result::Result<Arc<Answer>, AnswerFailure>) -> Result<()> {
    match outcome {
        Ok(answer) => hand_out(out, answer),
        Err((error, None)) => Err(error),
        Err((error, Some(answer))) => hand_out(out, answer).and(Err(error)),
    }
}

/// The answer came: without room for its handle the caller must still learn that it did.
fn hand_out(out: OutHandle<'_, aip_response>, answer: Arc<Answer>) -> Result<()> {
    let http_status = answer.response.status.as_u16();
    out.set(answer)
        .map_err(|error| Error { http_status, ..error.phase(Phase::Body).delivery(Delivery::ResponseStarted) })
}

/// Headers as name NUL value NUL: neither can hold a NUL.
fn packed(headers: &HeaderMap) -> Vec<u8> {
    let mut packed = Vec::new();
    for (name, value) in headers {
        packed.extend_from_slice(name.as_str().as_bytes());
        packed.push(0);
        packed.extend_from_slice(value.as_bytes());
        packed.push(0);
    }
    packed
}

fn header_at(response: &Response, index: usize) -> Result<(&HeaderName, &HeaderValue)> {
    let count = response.headers.len();
    let missing = || Error::invalid("index", format_args!("is {index}; there are {count} headers"));
    response.headers.iter().nth(index).ok_or_else(missing)
}

fn info(answer: &Answer) -> aip_response_info {
    let response = &answer.response;
    let mut remote_address = [0; 64];
    let report = &response.report;
    let micros = |time: Duration| time.as_micros() as u64;
    let text = report.remote.map(|remote| remote.to_string()).unwrap_or_default();
    for (to, from) in remote_address[..63].iter_mut().zip(text.bytes()) {
        *to = from as c_char;
    }
    aip_response_info {
        http_version: response.version_number(),
        reused: report.reused.into(),
        body_bytes: answer.received(),
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

/// A reading call's status.
pub fn got<T>(out: Out<'_, T>, read: Read<T>) -> Status {
    match read {
        Read::Got(got) => {
            out.set(got);
            Status::Ok
        }
        Read::End => Status::End,
        Read::Nothing => Status::WouldBlock,
    }
}

fn shown(event: Event<'_>) -> aip_stream_event {
    let retry = event.retry.map_or(0, |_| AIP_EVENT_RETRY);
    aip_stream_event {
        data: args::start(event.data.as_ref()),
        data_len: event.data.len(),
        name: args::start(event.name.as_ref()),
        name_len: event.name.len(),
        id: args::start(event.id.as_ref()),
        id_len: event.id.len(),
        retry_ms: event.retry.unwrap_or(0),
        flags: retry | if event.incomplete { AIP_EVENT_INCOMPLETE } else { 0 },
        reserved: 0,
    }
}
