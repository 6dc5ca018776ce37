//! One request, from its head to the head of its response.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Version};

use crate::body::{Body, Content, Cut, CutEnd};
use crate::connection::{Connection, End};
use crate::faults::{Faults, Silence};
use crate::reply::{self, Reply};
use crate::sandbox::Sandbox;
use crate::stats::{Exchange, Stats};
use crate::{chat, control, echo, payload};

const MAX_BODY: usize = 16 * 1024 * 1024;

/// A request that has been read to its end.
pub struct Call {
    pub head: Parts,
    pub body: Bytes,
    pub faults: Faults,
}

/// What goes wrong is an answer too, or the end of the connection.
pub type Answer = Result<Response<Body>, Infallible>;

/// Answers one request, or ends its connection.
pub async fn answer(sandbox: Arc<Sandbox>, connection: Arc<Connection>, request: Request<Incoming>) -> Answer {
    if request.uri().path().starts_with(control::PREFIX) {
        let reply = control::answer(&sandbox, &request).await;
        return Ok(reply.map(Body::uncounted));
    }
    let exchange = Exchange::begin(Arc::clone(&connection.stats), request.version());
    let (head, body) = request.into_parts();
    let faults = Faults::of(&head);
    if let Ok(Faults { close_upload: Some(limit), .. }) = faults {
        read_at_most(body, limit, &connection.stats).await;
        return end(&connection, End::Reset).await;
    }
    let (reply, faults, is_head) = match (read(body, &connection.stats).await, faults) {
        (Err(reply), _) => (reply, Faults::default(), false),
        (_, Err(message)) => {
            let reply = reply::error(StatusCode::BAD_REQUEST, &message, None, Some("unknown_fault"));
            (reply, Faults::default(), false)
        }
        (Ok(body), Ok(faults)) => {
            let call = Call { head, body, faults };
            let reply = perform(&sandbox, &connection, &call).await;
            (reply, call.faults, call.head.method == Method::HEAD)
        }
    };
    Ok(respond(reply, &faults, is_head, exchange, &connection))
}

/// The reply to a call, after the faults that come before it.
async fn perform(sandbox: &Sandbox, connection: &Arc<Connection>, call: &Call) -> Reply {
    if let Some(delay) = call.faults.delay {
        tokio::time::sleep(delay).await;
    }
    match call.faults.silence {
        Some(Silence::Reset) => end(connection, End::Reset).await,
        Some(Silence::Close) => end(connection, End::Close).await,
        Some(Silence::Stall) => std::future::pending().await,
        None => {}
    }
    if let Some(status) = call.faults.status {
        return reply::failure(status);
    }
    route(sandbox, &connection.stats, call).await
}

async fn route(sandbox: &Sandbox, stats: &Stats, call: &Call) -> Reply {
    let path = call.head.uri.path();
    match path {
        "/v1/chat/completions" => return chat::completions(call, stats),
        "/v1/models" => return chat::models(call),
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
    exchange: Exchange,
    connection: &Arc<Connection>,
) -> Response<Body> {
    let http2 = exchange.version() == Version::HTTP_2;
    let (mut head, content) = reply.into_parts();
    if let Some(seconds) = faults.retry_after {
        head.headers.insert(RETRY_AFTER, seconds.into());
    }
    if faults.close_after && !http2 {
        head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let cut = cut(&content, faults).map(|(limit, end)| Cut::new(connection, &content, limit, end));
    let mut body = Body::counted(content, exchange, http2);
    if let Some(cut) = cut {
        body = body.with_cut(cut);
    }
    if faults.goaway || (faults.close_after && http2) {
        body = body.then_drain(Arc::clone(connection));
    }
    body.finish_if_empty(is_head);
    Response::from_parts(head, body)
}

/// Where the body is to be cut: after bytes, or at the end of the events before the cut.
fn cut(content: &Content, faults: &Faults) -> Option<(u64, CutEnd)> {
    let events = match content {
        Content::Chat(stream) => stream.cut_after().map(|_| (u64::MAX, CutEnd::Reset)),
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
