//! The request, told back.

use bytes::{BufMut, BytesMut};
use hyper::StatusCode;
use hyper::header::HeaderValue;

use crate::reply::{self, Reply};
use crate::router::Call;

/// The request line, the headers and the body as they were read.
pub fn echo(call: &Call) -> Reply {
    let head = &call.head;
    let target = head.uri.path_and_query().map_or("/", hyper::http::uri::PathAndQuery::as_str);
    let mut body = BytesMut::with_capacity(1024 + call.body.len());
    body.put_slice(format!("{} {target} {:?}\n", head.method, head.version).as_bytes());
    for (name, value) in &head.headers {
        body.put_slice(name.as_str().as_bytes());
        body.put_slice(b": ");
        body.put_slice(value.as_bytes());
        body.put_u8(b'\n');
    }
    body.put_u8(b'\n');
    body.put_slice(&call.body);

    let mut reply = reply::text(StatusCode::OK, body);
    for value in ["one", "two"] {
        reply.headers_mut().append("x-dup", HeaderValue::from_static(value));
    }
    reply
}
