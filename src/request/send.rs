//! Sends one request over the pool's own connections: until one has a response's head, each a connection of its own choosing.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version};
use tokio::time::Instant;

use super::engine_body::EngineBody;
use super::progress::Progress;
use crate::address::Address;
use crate::config::Limits;
use crate::connections::{Checkout, Connection, Group, Lease};
use crate::error::{Delivery, Error, Phase, Result};
use crate::events::CloseReason;
use crate::transport::decode::{ACCEPT_ENCODING as ENCODINGS, Decoder};
use crate::transport::dial::DialLimits;
use crate::transport::http::{NoResponse, ResponseBody};
use crate::transport::link::Via;
use crate::transport::payload::{Payload, SentAt};
use crate::transport::{Head, Outgoing};

/// How often a request goes out in all when nobody asked for retries: only ever again where the server has not worked on it, or where
/// it may be repeated.
const MOST_ATTEMPTS: u32 = 4;
/// A server that closes silent connections after less than this gets a margin in proportion.
const SHORT_KEEP: Duration = Duration::from_secs(10);
const KEEP_MARGIN: Duration = Duration::from_secs(2);

const IDEMPOTENCY_KEYS: [HeaderName; 2] =
    [HeaderName::from_static("idempotency-key"), HeaderName::from_static("x-idempotency-key")];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A response that has begun. Boxed where it is made, for it is large and handed on often.
pub struct Incoming {
    pub head: Head,
    pub body: EngineBody,
}

/// Sends until a head has come.
pub async fn send(
    group: &Arc<Group>,
    address: &Address,
    outgoing: &Outgoing,
    limits: &Limits,
    progress: &Progress,
) -> Result<Box<Incoming>> {
    let (mut request, mut attempts) = (None, 0);
    loop {
        progress.attempt();
        attempts += 1;
        let mut lease = checkout(group, limits, progress).await?;
        // One that was given back goes again, where it can.
        let goes = match request.take().filter(|request| same_form(request, lease.connection())) {
            Some(request) => request,
            None => build(address, lease.connection(), outgoing)?,
        };
        let taken = goes.body().sent_at();
        progress.goes_over(&lease, taken.clone(), &outgoing.body);
        request = Some(goes);
        let failed = match lease.send(&mut request).await {
            Ok(response) => {
                progress.answered(response.status());
                return incoming(response, lease, taken);
            }
            Err(failed) => failed,
        };
        let unsent = request.is_some();
        let verdict = judge(&failed, unsent, &lease, progress, outgoing);
        // A body that its caller gave up will not be whole over any other connection either.
        let given_up = outgoing.body.failure();
        let may_go_again = given_up.is_none();
        let error = given_up.unwrap_or_else(|| failed.error());
        // Over HTTP/1.1 it was closing when it was lent; over HTTP/2 the server may refuse one connection after the other.
        let found_dead = unsent && lease.reused() && (failed.was_dead() || !lease.connection().http2);
        match verdict.closes {
            Some(why) => lease.failed(why),
            None => drop(lease),
        }
        if found_dead {
            // No attempt: it happens as often as there are idle connections, each of which is out of the pool then.
            progress.did_not_go_out();
            attempts -= 1;
        } else if !(verdict.again && may_go_again) || attempts >= MOST_ATTEMPTS {
            let (delivery, retryable) = (verdict.delivery, may_go_again && verdict.delivery == Delivery::NotSent);
            return Err(Error { delivery, retryable, ..error }.phase(Phase::FirstByte));
        }
        if verdict.delivery == Delivery::MaybeSent {
            progress.may_have_been_seen();
        }
    }
}

/// What a request without a response means.
struct Verdict {
    delivery: Delivery,
    again: bool,
    /// Why its connection takes no more requests; `None` where it does.
    closes: Option<CloseReason>,
}

fn judge(failed: &NoResponse, unsent: bool, lease: &Lease, progress: &Progress, outgoing: &Outgoing) -> Verdict {
    let unprocessed = unsent || failed.was_never_processed();
    // A stream's own failure leaves the connection to the others.
    let stream_only = failed.is_stream_reset();
    let delivery = if unprocessed { Delivery::NotSent } else { progress.delivery_now(!stream_only) };
    // The server closed an idle connection just as we wrote: no byte came back.
    let stale = lease.reused() && !progress.heard_back() && failed.is_broken();
    let again =
        (delivery == Delivery::NotSent && outgoing.body.is_at_its_beginning()) || (stale && may_repeat(outgoing));
    let over = lease.connection();
    // A peer that takes no streams now says so once, not to one connection after the other.
    let takes_none = stream_only && (!over.is_settled() || over.most_streams() == 0);
    let closes = match (unprocessed, stale) {
        _ if takes_none => None,
        (true, _) if over.http2 => Some(CloseReason::GoAway),
        (_, true) | (true, _) => Some(CloseReason::Stale),
        _ if stream_only => None,
        _ => Some(CloseReason::Error),
    };
    Verdict { delivery, again, closes }
}

async fn checkout(group: &Arc<Group>, limits: &Limits, progress: &Progress) -> Result<Lease> {
    let mut waiting = match group.checkout(DialLimits::of(limits))? {
        Checkout::Now(lease) => return Ok(lease),
        Checkout::Later(waiting) => waiting,
    };
    let begun = Instant::now();
    progress.waits(waiting.state().clone());
    let served = waiting.served().await;
    group.shared.waited(begun.elapsed());
    served
}

/// Whether the server may get this request twice: by its method, by a key of its own, or because the caller says so.
pub fn may_repeat(outgoing: &Outgoing) -> bool {
    let harmless = outgoing.may_repeat
        || outgoing.method.is_idempotent()
        || IDEMPOTENCY_KEYS.iter().any(|key| outgoing.headers.contains_key(key));
    harmless && outgoing.body.is_at_its_beginning()
}

/// A copy with room for what is still to come: host, a proxy's credential, the length.
fn with_standard_headers(own: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(own.len() + 5);
    // The body's own length is the one that is true.
    let sent = own.iter().filter(|(name, _)| **name != CONTENT_LENGTH && **name != TRANSFER_ENCODING);
    for (name, value) in sent {
        headers.append(name.clone(), value.clone());
    }
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static(ENCODINGS));
    headers
}

/// The request as this connection wants it.
fn build(address: &Address, over: &Connection, outgoing: &Outgoing) -> Result<Request<Payload>> {
    let mut headers = with_standard_headers(&outgoing.headers);
    let uri = if over.http2 {
        http2_uri(address, &mut headers)?
    } else {
        if !headers.contains_key(HOST) {
            headers.insert(HOST, address.host.clone());
        }
        match &over.facts.via {
            Via::Forward(credential) => {
                if let Some(credential) = credential {
                    headers.insert(PROXY_AUTHORIZATION, credential.clone());
                }
                address.whole.clone()
            }
            Via::Nobody | Via::Tunnel => address.path.clone(),
        }
    };
    let mut request = Request::new(Payload::new(outgoing.body.clone()));
    *request.method_mut() = outgoing.method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    *request.version_mut() = if over.http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    Ok(request)
}

/// A `Host` of the caller's own becomes the authority.
fn http2_uri(address: &Address, headers: &mut HeaderMap) -> Result<Uri> {
    let Some(host) = headers.remove(HOST) else { return Ok(address.whole.clone()) };
    let bad = || Error::invalid("headers", "host is no host name with or without a port, as HTTP/2 wants it");
    let mut parts = address.whole.clone().into_parts();
    parts.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| bad())?);
    Uri::from_parts(parts).map_err(|_| bad())
}

/// Whether a request that was given back can go over this connection as it is.
fn same_form(request: &Request<Payload>, over: &Connection) -> bool {
    (request.version() == Version::HTTP_2) == over.http2 && !matches!(over.facts.via, Via::Forward(_))
}

fn incoming(response: http::Response<ResponseBody>, lease: Lease, sent: Option<SentAt>) -> Result<Box<Incoming>> {
    let (mut parts, inflow) = response.into_parts();
    let connection = parts.headers.get(CONNECTION);
    // Keep-Alive stands only beside a Connection that names it (RFC 9112, C.2.2).
    let keep = connection.filter(|connection| names(connection, KEEP_ALIVE.as_str()));
    let keep = keep.and_then(|_| parts.headers.get(KEEP_ALIVE)).and_then(keep_alive);
    if parts.version == Version::HTTP_10
        || keep == Some(Duration::ZERO)
        || connection.is_some_and(|connection| names(connection, "close"))
    {
        // Not lent again, however soon its end is noticed.
        lease.closes();
    }
    let remote = lease.connection().facts.remote;
    let decoder = Decoder::for_headers(&mut parts.headers)?;
    Ok(Box::new(Incoming {
        head: Head { status: parts.status, version: parts.version, headers: parts.headers, remote },
        body: EngineBody::new(inflow, lease, keep, sent, decoder),
    }))
}

fn names(connection: &HeaderValue, option: &str) -> bool {
    connection.to_str().is_ok_and(|named| named.split(',').any(|one| one.trim().eq_ignore_ascii_case(option)))
}

/// The server closes after so long: be gone before.
fn keep_alive(value: &HeaderValue) -> Option<Duration> {
    let mut parameters = value.to_str().ok()?.split(',');
    let timeout = parameters.find_map(|parameter| parameter.trim().strip_prefix("timeout="))?;
    let limit = Duration::from_secs(timeout.trim().parse().ok()?);
    Some(if limit < SHORT_KEEP { limit * 4 / 5 } else { limit.saturating_sub(KEEP_MARGIN) })
}
