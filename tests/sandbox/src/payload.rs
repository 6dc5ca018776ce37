//! Responses of a given size, coding or status.

use std::io::{self, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderValue, LOCATION};
use hyper::{Method, StatusCode};

use crate::body::Content;
use crate::faults;
use crate::reply::{self, Reply};
use crate::router::Call;

const LINE: &str = "hello from the sandbox\n";
const LINES: usize = 1000;

static GZIP: LazyLock<Bytes> = LazyLock::new(|| encode(gzip));
static BROTLI: LazyLock<Bytes> = LazyLock::new(|| encode(brotli));
static ZSTD: LazyLock<Bytes> = LazyLock::new(|| encode(|text| zstd::encode_all(text, 3)));

/// So many bytes, with their length announced or not.
pub fn bytes(call: &Call, count: &str) -> Reply {
    if !is_get(call) {
        return reply::method_not_allowed("GET, HEAD");
    }
    let Ok(left) = count.parse() else {
        return reply::bad_request(&format!("Not a number of bytes: {count}"), None);
    };
    let sized = query(call, "chunked").is_none_or(|chunked| chunked != "1");
    reply::reply(StatusCode::OK, "text/plain; charset=utf-8", Content::Letters { left, sized })
}

/// A text in a content coding, whatever the request accepts.
pub fn encoded(call: &Call, coding: &str) -> Reply {
    if !is_get(call) {
        return reply::method_not_allowed("GET, HEAD");
    }
    let (body, coding) = match coding {
        "gzip" => (&GZIP, "gzip"),
        "br" => (&BROTLI, "br"),
        "zstd" => (&ZSTD, "zstd"),
        _ => return reply::not_found(call.head.uri.path()),
    };
    let mut reply = reply::text(StatusCode::OK, Bytes::clone(body));
    reply.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    reply
}

pub fn status(status: &str) -> Reply {
    match faults::final_status(status) {
        Ok(status) => reply::status(status),
        Err(message) => reply::bad_request(&message, None),
    }
}

pub fn redirect(call: &Call) -> Reply {
    let location = query(call, "to").and_then(|to| HeaderValue::from_str(&to).ok());
    let Some(location) = location else {
        return reply::bad_request("The query needs a URL as `to`", Some("to"));
    };
    let mut reply = reply::status(StatusCode::FOUND);
    reply.headers_mut().insert(LOCATION, location);
    reply
}

fn is_get(call: &Call) -> bool {
    matches!(call.head.method, Method::GET | Method::HEAD)
}

fn query(call: &Call, name: &str) -> Option<String> {
    reply::query(&call.head.uri, name)
}

fn encode(encoder: impl Fn(&[u8]) -> io::Result<Vec<u8>>) -> Bytes {
    let text = LINE.repeat(LINES);
    // Writing to memory does not fail; an empty body would show if it did.
    encoder(text.as_bytes()).unwrap_or_default().into()
}

fn gzip(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text)?;
    encoder.finish()
}

fn brotli(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    encoder.write_all(text)?;
    encoder.flush()?;
    Ok(encoder.into_inner())
}
