//! One request, from its head to the head of its response.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::body::{After, Body, Content, Cut, CutEnd};
use crate::connection::{Connection, End};
use crate::faults::{Faults, Silence};
use crate::ledger::Running;
use crate::permits::Permit;
use crate::provider::{self, Provider};
use crate::reply::{self, Reply};
use crate::sandbox::Sandbox;
use crate::stats::{Exchange, Stats};
use crate::{control, echo, errors, limits, payload};

const MAX_BODY: usize = 16 * 1024 * 1024;

/// A request that has been read to its end.
pub struct Call {
    pub head: Arc<Parts>,
    pub body: Bytes,
    pub faults: Faults,
}

/// What goes wrong is an answer too, or the end of the connection.
pub type Answer = Result<Response<Body>, Infallible>;

impl Call {
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    pub fn is(&self, method: &Method) -> bool {
        self.head.method == *method
    }

    /// A header's value, if it is there and visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name)?.to_str().ok()
    }

    pub fn on(&self, quirk: &str) -> bool {
        self.faults.quirks.on(quirk)
    }
}

/// Answers one request, or ends its connection.
pub async fn answer(sandbox: Arc<Sandbox>, connection: Arc<Connection>, request: Request<Incoming>) -> Answer {
    if request.uri().path().starts_with(control::PREFIX) {
        let reply = control::answer(&sandbox, &request).await;
        return Ok(reply.map(Body::uncounted));
    }
    if !connection.begin_request() {
        return end(&connection, End::Close).await;
    }
    let exchange = Exchange::begin(Arc::clone(&connection.stats), request.version());
    let (mut head, body) = request.into_parts();
    // What hyper keeps there would live as long as the request is kept.
    head.extensions.clear();
    let head = Arc::new(head);
    let running = begin(&connection, &head);
    let armed = connection.site.armed.take(head.uri.path());
    let faults = Faults::of(&head, armed.as_deref());
    if let Ok(Faults { close_upload: Some(limit), .. }) = faults {
        read_at_most(body, limit, &connection.stats).await;
        return end(&connection, End::Reset).await;
    }
    let (reply, faults) = match (read(body, &connection.stats).await, faults) {
        (Err(reply), _) => (reply, Faults::default()),
        (_, Err(message)) => {
            let reply = reply::error(StatusCode::BAD_REQUEST, &message, None, Some("unknown_fault"));
            (reply, Faults::default())
        }
        (Ok(body), Ok(faults)) => {
            connection.site.ledger.request(&head, &body);
            let call = Call { head: Arc::clone(&head), body, faults };
            let reply = perform(&sandbox, &connection, &call).await;
            (reply, call.faults)
        }
    };
    connection.site.ledger.status(head.uri.path(), reply.status());
    Ok(respond(reply, &faults, head.method == Method::HEAD, running, exchange, &connection))
}

/// Counts a request for a provider, and its connection.
fn begin(connection: &Connection, head: &Parts) -> Option<Running> {
    let provider = Provider::of(head.uri.path())?;
    if connection.is_news(provider) {
        connection.site.ledger.add(&format!("{}.connections", provider.name()));
    }
    Some(connection.site.ledger.run(provider))
}

/// The reply to a call, after the faults that come before it.
async fn perform(sandbox: &Sandbox, connection: &Arc<Connection>, call: &Call) -> Reply {
    let reply = match (call.faults.silence, refusal(call)) {
        (None, None) => Some(route(sandbox, connection, call).await),
        (None, refusal) => refusal,
        (Some(_), _) => None,
    };
    // A permit of the reply is held meanwhile: the service is at work.
    if let Some(delay) = call.faults.delay {
        tokio::time::sleep(delay).await;
    }
    if let Some(name) = &call.faults.hold {
        sandbox.holds.named(name).wait_released().await;
    }
    match (reply, call.faults.silence) {
        (Some(reply), _) => reply,
        (None, Some(Silence::Reset)) => end(connection, End::Reset).await,
        (None, Some(Silence::Close)) => end(connection, End::Close).await,
        (None, _) => std::future::pending().await,
    }
}

/// The status or the error that was asked for.
fn refusal(call: &Call) -> Option<Reply> {
    let faults = &call.faults;
    if let Some(error) = &faults.error {
        return Some(errors::named(error, call.path(), faults.quirks.number("seconds")));
    }
    if faults.quirks.on("html") {
        return Some(errors::html(faults.status.unwrap_or(StatusCode::OK)));
    }
    faults.status.map(|status| provider::failure(call.path(), status))
}

async fn route(sandbox: &Sandbox, connection: &Connection, call: &Call) -> Reply {
    let path = call.path();
    if let Some(provider) = Provider::of(path) {
        let standing = limits::take(&connection.site, call);
        let reply = match standing.as_ref().filter(|standing| standing.refused) {
            Some(_) => provider::failure(path, StatusCode::TOO_MANY_REQUESTS),
            None => provider.answer(&connection.site, &connection.stats, call),
        };
        return limits::tell(&connection.site, call, standing, reply);
    }
    match path {
        "/echo" => return echo::echo(call),
        "/redirect" => return payload::redirect(call),
        _ => {}
    }
    if let Some(count) = path.strip_prefix("/bytes/") {
        payload::bytes(call, count)
    } else if let Some(coding) = path.strip_prefix("/encoded/") {
        payload::encoded(call, coding)
    } else if let Some(status) = path.strip_prefix("/status/") {
        payload::status(status)
    } else if let Some(name) = path.strip_prefix("/hold/") {
        sandbox.holds.named(name).wait_released().await;
        reply::text(StatusCode::OK, format!("released {name}\n"))
    } else {
        reply::not_found(path)
    }
}

/// Makes a response of a reply, with the faults that come with it and after it.
fn respond(
    reply: Reply,
    faults: &Faults,
    is_head: bool,
    running: Option<Running>,
    exchange: Exchange,
    connection: &Arc<Connection>,
) -> Response<Body> {
    let http2 = exchange.version() == Version::HTTP_2;
    let (mut head, mut content) = reply.into_parts();
    let permit = head.extensions.remove::<Arc<Permit>>();
    for (name, value) in &faults.headers {
        head.headers.insert(name, value.clone());
    }
    if faults.close_after && !http2 {
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    limits::keep_alive(&connection.site, &mut head.headers, http2);
    distort(&mut head.headers, &mut content, faults);
    let cut = cut(&content, faults).map(|(limit, end)| Cut::new(connection, &content, limit, end));
    let mut body = Body::counted(content, exchange, http2).holding((permit, running));
    if let Some(cut) = cut {
        body = body.with_cut(cut);
    }
    if let Some(after) = after(faults, connection, http2) {
        body = body.then(connection, after);
    }
    body.finish_if_empty(is_head);
    Response::from_parts(head, body)
}

/// What the reply itself does not know: another type, blank lines before the body, an early end.
fn distort(headers: &mut HeaderMap, content: &mut Content, faults: &Faults) {
    if let Some(value) = faults.quirks.word("content-type").and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(CONTENT_TYPE, value);
    }
    if let (Some(lines), Content::Whole(bytes)) = (faults.quirks.number("leading-blank"), &mut *content) {
        *bytes = [b"\n".repeat(lines).as_slice(), bytes].concat().into();
    }
    if let (true, Content::Whole(bytes)) = (faults.quirks.on("cut-json"), &mut *content) {
        bytes.truncate(bytes.len() / 2);
    }
    if let Some(limit) = faults.end_at {
        content.end_at(limit);
    }
}

/// What the end of the response does to its connection.
fn after(faults: &Faults, connection: &Connection, http2: bool) -> Option<After> {
    if faults.goaway || (faults.close_after && http2) {
        return Some(After::Drain);
    }
    if faults.drop_next {
        return Some(After::DropNext);
    }
    let idle = faults.drop_idle.or_else(|| limits::idle(&connection.site))?;
    Some(After::DropIdle(idle))
}

/// Where the body is to be cut: after bytes, or at the end of the events before the cut.
fn cut(content: &Content, faults: &Faults) -> Option<(u64, CutEnd)> {
    let events = match content {
        Content::Events(stream) => stream.cut_after().map(|_| (u64::MAX, CutEnd::Reset)),
        _ => None,
    };
    faults.cut.or(events)
}

/// Ends the connection, and with it the task that waits here.
async fn end<T>(connection: &Connection, end: End) -> T {
    connection.end(end);
    std::future::pending().await
}

/// The whole body, or the reply to one that is too long or breaks off.
async fn read(body: Incoming, stats: &Stats) -> Result<Bytes, Reply> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            stats.bytes_in.add(body.len() as u64);
            Ok(body)
        }
        Err(error) if error.is::<LengthLimitError>() => {
            Err(reply::error(StatusCode::PAYLOAD_TOO_LARGE, "The request body is longer than 16 MiB", None, None))
        }
        Err(error) => Err(reply::bad_request(&error.to_string(), None)),
    }
}

async fn read_at_most(mut body: Incoming, limit: u64, stats: &Stats) {
    let mut read = 0;
    while read < limit {
        let Some(Ok(frame)) = body.frame().await else {
            break;
        };
        read += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    stats.bytes_in.add(read);
}
