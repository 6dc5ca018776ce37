//! Answers in the shapes several endpoints share.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use serde_json::{Value, json};

use crate::body::Content;
use crate::ids;
use crate::router::Call;
use crate::stream::{EventStream, Events, Pace};

pub type Reply = Response<Content>;

/// An answer with this content type and body.
pub fn reply(status: StatusCode, content_type: &'static str, content: Content) -> Reply {
    let mut reply = Response::new(content);
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

pub fn text(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    let content = Content::Whole(text.into());
    reply(status, "text/plain; charset=utf-8", content)
}

pub fn json(status: StatusCode, value: &Value) -> Reply {
    let content = Content::Whole(value.to_string().into());
    reply(status, "application/json", content)
}

/// A body of events; the fault `error-event` ends it with `error` after so many of them.
pub fn events(call: &Call, content_type: &'static str, events: Events, error: Bytes) -> Reply {
    if let Some(ms) = call.faults.quirks.number("heartbeats") {
        return heartbeats(content_type, Duration::from_millis(ms as u64));
    }
    let events: Events = match call.faults.quirks.number("error-event") {
        Some(count) => Box::new(events.take(count).chain(std::iter::once(error))),
        None => events,
    };
    let stream = EventStream::new(events, call.faults.pace);
    let mut reply = reply(StatusCode::OK, content_type, Content::Events(Box::new(stream)));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// A service that hangs: a sign of life now and then, and never an event.
fn heartbeats(content_type: &'static str, pause: Duration) -> Reply {
    let beat = move || match content_type {
        "text/event-stream" => Bytes::from(format!(": heartbeat {}\n\n", ids::unix_ms())),
        _ => Bytes::from_static(b"\n"),
    };
    let pace = Pace { drip: Some(pause), ..Pace::default() };
    let stream = EventStream::new(Box::new(std::iter::repeat_with(beat)), pace);
    reply(StatusCode::OK, content_type, Content::Events(Box::new(stream)))
}

/// An error as the OpenAI API describes it.
pub fn error(status: StatusCode, message: &str, param: Option<&str>, code: Option<&str>) -> Reply {
    let kind = match status.as_u16() {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let error = json!({"message": message, "type": kind, "param": param, "code": code});
    json(status, &json!({"error": error}))
}

pub fn bad_request(message: &str, param: Option<&str>) -> Reply {
    error(StatusCode::BAD_REQUEST, message, param, None)
}

pub fn not_found(path: &str) -> Reply {
    let message = format!("Unknown path: {path}");
    error(StatusCode::NOT_FOUND, &message, None, Some("unknown_url"))
}

pub fn method_not_allowed(allow: &'static str) -> Reply {
    let message = format!("Wrong method; this path takes {allow}");
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, &message, None, Some("method_not_allowed"));
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// A small body that names the status; none where HTTP forbids one.
pub fn status(status: StatusCode) -> Reply {
    if forbids_body(status) { empty(status) } else { text(status, format!("{status}\n")) }
}

/// The status as an error; without a body where HTTP forbids one.
pub fn failure(status: StatusCode) -> Reply {
    if forbids_body(status) { empty(status) } else { error(status, "The status was asked for", None, Some("sandbox")) }
}

pub fn forbids_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Content::Whole(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// The value of a query parameter, decoded.
pub fn query(uri: &Uri, name: &str) -> Option<String> {
    form_urlencoded::parse(uri.query()?.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
