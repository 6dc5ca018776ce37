//! Requests in C: one struct, copied before the call does anything.

#![allow(non_camel_case_types)]

use std::ffi::c_char;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::args::{self, Nth, SizedStruct};
use super::cancel::{self, aip_cancel};
use super::handle;
use super::upload::aip_upload;
use crate::body::events::Format;
use crate::body::reader::Plan;
use crate::config::{EVENT_BYTES, LimitOverrides, MOST_HEADERS, MOST_REDIRECTS, MOST_RETRIES, PersistenceOverrides};
use crate::error::{Error, Result};
use crate::request::Request;
use crate::transport::OutgoingBody;

/// In `aip_request.flags`: a signal handler of the host that runs on the waiting thread ends the wait with
/// AIP_INTERRUPTED. A signal that comes before the wait has begun is missed: fire a cancel handle in the handler to be
/// sure. Costs one change of threads a request. Hosts whose runtime sends signals to its own threads (Go) must
/// not set it.
pub const AIP_REQUEST_INTERRUPTIBLE: u32 = 1;

/// In `aip_request.flags`: the server may get this request twice. Then it is sent again over a fresh connection when a
/// reused one broke without a byte of an answer. Methods that are idempotent by themselves (GET, PUT, ...) and requests with
/// an Idempotency-Key header need no flag; a POST without either is sent again only when no byte
/// of it had left, or when by the protocol the server did not work on it.
pub const AIP_REQUEST_MAY_REPEAT: u32 = 2;

/// In `aip_request.flags`: the response is handed out at its head; its body is read with aip_response_read() or
/// aip_response_next_event() while it comes. timeout_ms and max_body_bytes count only where the request itself sets them, and where
/// nobody set first_byte_timeout_ms or between_bytes_timeout_ms for sessions or requests, they are 300000. AIP_UNSUPPORTED over
/// reqwest.
pub const AIP_REQUEST_STREAM: u32 = 4;

/// In `aip_request.event_format`: server-sent events (HTML standard, 9.2.6).
pub const AIP_EVENTS_SSE: u32 = 1;
/// In `aip_request.event_format`: a JSON text a line.
pub const AIP_EVENTS_NDJSON: u32 = 2;

/// One header.
#[repr(C)]
pub struct aip_header {
    /// A token (RFC 9110, 5.6.2), any case.
    pub name: *const c_char,
    /// Bytes of `name`, or AIP_NUL_TERMINATED.
    pub name_len: usize,
    /// Bytes without CR, LF and NUL.
    pub value: *const c_char,
    /// Bytes of `value`, or AIP_NUL_TERMINATED.
    pub value_len: usize,
    /// Zero.
    pub reserved: [u64; 2],
}

const _: () = assert!(size_of::<aip_header>() == 48);

/// One request. Call aip_request_init() first; every 0 is the default. Everything is copied before the call that takes it
/// sends anything, so all of it may be freed or reused when that call returns.
#[repr(C)]
pub struct aip_request {
    /// sizeof(aip_request); set by aip_request_init().
    pub size: usize,
    /// A token; NULL is GET.
    pub method: *const c_char,
    /// Bytes of `method`, or AIP_NUL_TERMINATED.
    pub method_len: usize,
    /// An absolute http or https URL, or a path that is appended to the session's base URL ("chat", "/chat", "?q=1";
    /// NULL is the base itself). No user name or password in it.
    pub url: *const c_char,
    /// Bytes of `url`, or AIP_NUL_TERMINATED.
    pub url_len: usize,
    /// Headers; names may repeat, and repeated ones keep their order.
    pub headers: *const aip_header,
    /// How many `headers` there are.
    pub header_count: usize,
    /// More headers, packed: name NUL value NUL name NUL value NUL.
    pub packed_headers: *const c_char,
    /// Bytes of `packed_headers`.
    pub packed_headers_len: usize,
    /// The body.
    pub body: *const u8,
    /// Bytes of `body`.
    pub body_len: usize,
    /// Ends the call from another thread or a signal handler; NULL is none.
    pub cancel: *mut aip_cancel,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub connect_timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub max_body_bytes: i64,
    /// AIP_REQUEST_* bits.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub queue_timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub dns_timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub tls_timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub send_timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub first_byte_timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub between_bytes_timeout_ms: i64,
    /// As in aip_session_options, for this request; 0 is the handle's, AIP_OFF none.
    pub max_redirects: i64,
    /// As in aip_session_options, for this request; 0 is the handle's, AIP_OFF none.
    pub max_retries: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub first_event_timeout_ms: i64,
    /// As in aip_pool_options, for this request; 0 is the handle's.
    pub between_events_timeout_ms: i64,
    /// The body, pushed with aip_upload_write() while it goes out, in place of `body`; NULL is none. It serves one request.
    pub upload: *mut aip_upload,
    /// How aip_response_next_event() reads the body: AIP_EVENTS_SSE or AIP_EVENTS_NDJSON; 0 is by the content-type.
    pub event_format: u32,
    /// Zero.
    pub reserved2: u32,
    /// Most bytes of one event; 0 is 8388608 (8 MiB). AIP_UNLIMITED.
    pub max_event_bytes: i64,
    /// The data of the event that ends a stream, such as `[DONE]`: one that ends without it is AIP_TRUNCATED for
    /// aip_response_next_event(), and an event whose last blank line is missing counts. NULL is none.
    pub end_marker: *const c_char,
    /// Bytes of `end_marker`, or AIP_NUL_TERMINATED.
    pub end_marker_len: usize,
}

const _: () = assert!(size_of::<aip_request>() == 248);

// SAFETY: repr(C), `size` first, pointers and integers only.
unsafe impl SizedStruct for aip_request {
    const FIRST_SIZE: usize = 248;
}

const KNOWN_FLAGS: u32 = AIP_REQUEST_INTERRUPTIBLE | AIP_REQUEST_MAY_REPEAT | AIP_REQUEST_STREAM;

/// Sets all defaults: a GET of the base URL. `size` is sizeof(aip_request).
/// The caller owns the struct. Any thread. No errors: NULL is ignored. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_request_init(request: *mut aip_request, size: usize) {
    // SAFETY: the header's contract.
    unsafe { args::init(request, size) }
}

/// The checked request.
///
/// # Safety
/// The header's contract for requests.
pub unsafe fn parse(request: *const aip_request) -> Result<Request> {
    // SAFETY: the header's contract.
    let request = unsafe { args::sized("request", "aip_request_init", request)? };
    let request = request.ok_or_else(|| Error::invalid("request", "is NULL; pass an aip_request"))?;
    if request.reserved != 0 || request.reserved2 != 0 {
        return Err(Error::invalid("request.reserved", "is not 0; call aip_request_init() on the struct first"));
    }
    let flags = args::flags("request.flags", request.flags, KNOWN_FLAGS)?;
    // SAFETY: the header's contract.
    let (method, url, headers, body, plan) = unsafe {
        (
            args::text("method", request.method, request.method_len)?,
            args::text("url", request.url, request.url_len)?,
            headers(&request)?,
            body(&request)?,
            plan(&request)?,
        )
    };
    Ok(Request {
        method: parse_method(method)?,
        url: url.to_owned(),
        headers,
        body,
        plan,
        stream: flags & AIP_REQUEST_STREAM != 0,
        limits: args::limits!(&request),
        persistence: PersistenceOverrides {
            retries: args::times("max_retries", request.max_retries, MOST_RETRIES)?,
            redirects: args::times("max_redirects", request.max_redirects, MOST_REDIRECTS)?,
        },
        cancel: if request.cancel.is_null() { None } else { Some(cancel::get(request.cancel)?) },
        interruptible: flags & AIP_REQUEST_INTERRUPTIBLE != 0,
        may_repeat: flags & AIP_REQUEST_MAY_REPEAT != 0,
        provider: None,
    })
}

/// # Safety
/// The header's contract for requests.
unsafe fn body(request: &aip_request) -> Result<OutgoingBody> {
    // SAFETY: the header's contract.
    let body = unsafe { args::bytes("body", request.body, request.body_len)? };
    if request.upload.is_null() {
        return Ok(OutgoingBody::Whole(Bytes::copy_from_slice(body)));
    }
    if !body.is_empty() {
        return Err(Error::invalid("upload", "stands beside a body; give one of the two"));
    }
    Ok(OutgoingBody::Upload(handle::get(request.upload)?))
}

/// # Safety
/// The header's contract for requests.
unsafe fn plan(request: &aip_request) -> Result<Plan> {
    // SAFETY: the header's contract.
    let end_marker = unsafe { args::text("end_marker", request.end_marker, request.end_marker_len)? };
    let formats = [(0, None), (AIP_EVENTS_SSE, Some(Format::Sse)), (AIP_EVENTS_NDJSON, Some(Format::Ndjson))];
    let most = args::byte_limit("max_event_bytes", request.max_event_bytes)?.unwrap_or(Some(EVENT_BYTES));
    Ok(Plan {
        format: args::choice("event_format", request.event_format, &formats, "AIP_EVENTS_SSE or AIP_EVENTS_NDJSON")?,
        most: most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)),
        end_marker: Bytes::copy_from_slice(end_marker.as_bytes()),
        dialect: None,
        token_times: None,
    })
}

/// The method of this name; empty is GET.
pub fn parse_method(method: &str) -> Result<Method> {
    match method {
        "" => Ok(Method::GET),
        "CONNECT" => Err(Error::invalid("method", "CONNECT asks for a tunnel, which a request is not")),
        other => other.parse().map_err(|_| Error::invalid("method", "is no HTTP token; use GET, POST, ...")),
    }
}

/// # Safety
/// The header's contract for requests.
unsafe fn headers(request: &aip_request) -> Result<HeaderMap> {
    // SAFETY: the header's contract.
    let packed = unsafe { args::bytes("packed_headers", request.packed_headers.cast(), request.packed_headers_len)? };
    let mut map = HeaderMap::new();
    if request.headers.is_null() && request.header_count > 0 {
        return Err(Error::invalid("headers", "is NULL but header_count is not 0"));
    }
    if request.header_count > MOST_HEADERS {
        return Err(Error::invalid("header_count", format_args!("is over {MOST_HEADERS}; send fewer")));
    }
    for index in 0..request.header_count {
        // SAFETY: not NULL, and `header_count` elements are readable by the header's contract.
        let header = unsafe { request.headers.add(index).read() };
        let field = Nth("headers", index);
        if header.reserved != [0; 2] {
            return Err(Error::invalid(field, "reserved is not 0; zero the struct first"));
        }
        // SAFETY: the header's contract.
        let (name, value) = unsafe {
            (args::text(field, header.name, header.name_len)?, value_bytes(field, header.value, header.value_len)?)
        };
        append(&mut map, field, name.as_bytes(), value)?;
    }
    append_packed(&mut map, "packed_headers", packed)?;
    Ok(map)
}

/// A value may hold any bytes that HTTP allows, so only its end is looked for.
///
/// # Safety
/// As for `args::text`.
unsafe fn value_bytes<'a>(field: Nth<'_>, value: *const c_char, len: usize) -> Result<&'a [u8]> {
    if len == args::AIP_NUL_TERMINATED && !value.is_null() {
        // SAFETY: the caller's promise.
        return Ok(unsafe { std::ffi::CStr::from_ptr(value) }.to_bytes());
    }
    // SAFETY: the caller's promise.
    unsafe { args::bytes(field, value.cast(), len) }
}

/// The headers of a packed block.
pub fn packed_headers(field: &str, block: &[u8]) -> Result<HeaderMap> {
    let mut map = HeaderMap::new();
    append_packed(&mut map, field, block)?;
    Ok(map)
}

fn append_packed(map: &mut HeaderMap, field: &str, block: &[u8]) -> Result<()> {
    if block.is_empty() {
        return Ok(());
    }
    let Some(block) = block.strip_suffix(&[0]) else {
        return Err(Error::invalid(field, "does not end with a NUL; write name NUL value NUL for each header"));
    };
    let mut parts = block.split(|byte| *byte == 0);
    let mut index = 0;
    while let Some(name) = parts.next() {
        let field = Nth(field, index);
        let value = parts.next().ok_or_else(|| Error::invalid(field, "has a name but no value"))?;
        append(map, field, name, value)?;
        index += 1;
    }
    Ok(())
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Adds one header. The message never shows the value: it may be a key.
fn append(map: &mut HeaderMap, field: Nth<'_>, name: &[u8], value: &[u8]) -> Result<()> {
    let name = HeaderName::from_bytes(name).map_err(|_| {
        // A whole line in the name, the commonest slip, would show a key: only the place is told.
        let at = name.iter().position(|byte| !is_token(*byte)).unwrap_or(name.len());
        Error::invalid(field, format_args!("name is no HTTP token (byte {at}); use letters, digits and -"))
    })?;
    let bad = |byte: u8| byte != b'\t' && (byte < 32 || byte == 127);
    let value = HeaderValue::from_bytes(value).map_err(|_| {
        let at = value.iter().position(|byte| bad(*byte)).unwrap_or(0);
        Error::invalid(
            field,
            format_args!("value of {name} has a control character (CR, LF, ...) at byte {at}; remove it"),
        )
    })?;
    if map.len() == MOST_HEADERS {
        return Err(Error::invalid(field, format_args!("is beyond {MOST_HEADERS} headers; send fewer")));
    }
    map.append(name, value);
    Ok(())
}
