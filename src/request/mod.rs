//! The life of one request: its limits, its end by whoever ends it, and what came.

pub mod pace;
pub mod redirect;
pub mod retry;
pub mod retry_after;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};

use crate::cancel::Cancel;
use crate::config::{LimitOverrides, Limits, TimeLimit};
use crate::error::{Delivery, Detail, Error, Phase, Result, Status};
use crate::response::Response;
use crate::transport::{Attempt, Body, Head, Outgoing, Transport};

/// A request as its caller wrote it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Absolute, or relative to the session's base.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub limits: LimitOverrides,
    pub cancel: Option<Cancel>,
    /// A signal on the waiting thread ends the wait.
    pub interruptible: bool,
}

/// A failure, and the answer that some failures carry.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub response: Option<Box<Response>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, response: None }
    }
}

/// One request on its way: what it needs besides the runtime.
pub struct Exchange {
    pub transport: Arc<Transport>,
    pub attempt: Arc<Attempt>,
    pub outgoing: Outgoing,
    pub limits: Limits,
    pub cancel: Option<Cancel>,
    /// Fired when the waiting thread was interrupted.
    pub interrupt: Option<Cancel>,
    pub started: Instant,
}

impl Exchange {
    /// Runs to the whole response, or until a limit, a cancel or `cut` ends it.
    pub async fn run(self, cut: impl Future<Output = ()>) -> std::result::Result<Response, Failure> {
        let Exchange { transport, attempt, outgoing, limits, cancel, interrupt, started } = self;
        let _under_way = attempt.under_way();
        let mut whole = pin!(whole_response(&transport, &attempt, outgoing, limits.body, started));
        let mut cancelled = pin!(fired(cancel));
        let mut interrupted = pin!(fired(interrupt));
        let mut cut = pin!(cut);
        let mut timed_out = pin!(elapsed(limits.total, started));
        let given_up = |error| Poll::Ready(Err(given_up(error, &attempt).into()));
        let outcome = poll_fn(|cx| {
            if cancelled.as_mut().poll(cx).is_ready() {
                return given_up(cancelled_by_handle());
            }
            if interrupted.as_mut().poll(cx).is_ready() {
                return given_up(interrupted_by_signal());
            }
            if let Poll::Ready(response) = whole.as_mut().poll(cx) {
                return Poll::Ready(response);
            }
            if cut.as_mut().poll(cx).is_ready() {
                return given_up(cut_off());
            }
            match timed_out.as_mut().poll(cx) {
                Poll::Ready(limit) => given_up(total_limit_ran_out(limit, attempt.phase())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        outcome.map_err(|failure: Failure| Failure {
            error: Error { elapsed: started.elapsed(), ..failure.error },
            ..failure
        })
    }
}

/// A failure that we brought about: how far the request had got then.
fn given_up(error: Error, attempt: &Attempt) -> Error {
    let (phase, delivery) = (attempt.phase(), attempt.delivery());
    let retryable = error.status == Status::Timeout && delivery == Delivery::NotSent;
    Error { phase, delivery, retryable, http_status: attempt.http_status(), ..error }
}

async fn whole_response(
    transport: &Transport,
    attempt: &Arc<Attempt>,
    outgoing: Outgoing,
    cap: Option<u64>,
    started: Instant,
) -> std::result::Result<Response, Failure> {
    let (head, body) = transport.send(outgoing, attempt.clone()).await?;
    let first_byte = started.elapsed();
    let (body, end) = collect(body, cap).await;
    let Head { status, version, headers, remote } = head;
    let reused = attempt.reused();
    let response = Response { status, version, headers, body, remote, reused, first_byte, total: started.elapsed() };
    match end {
        Ok(()) => Ok(response),
        Err(error) => {
            let error = Error { http_status: status.as_u16(), ..error };
            let carries = matches!(error.status, Status::TooLarge | Status::Truncated);
            Err(Failure { error, response: carries.then(|| Box::new(response)) })
        }
    }
}

/// The body as far as it came, and how it ended.
async fn collect(mut body: Body, cap: Option<u64>) -> (Bytes, Result<()>) {
    let cap = cap.map_or(usize::MAX, |cap| usize::try_from(cap).unwrap_or(usize::MAX));
    let expected = body.length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let next = match body.next().await {
            Ok(Some(next)) => next,
            Ok(None) => return (joined(first, rest), Ok(())),
            Err(error) => return (joined(first, rest), Err(error)),
        };
        let room = cap - first.len() - rest.len();
        if next.len() > room {
            append(&mut first, &mut rest, next.slice(..room), expected.min(cap));
            return (joined(first, rest), Err(too_large(cap)));
        }
        append(&mut first, &mut rest, next, expected.min(cap));
    }
}

/// A body of one piece is never copied.
fn append(first: &mut Bytes, rest: &mut BytesMut, next: Bytes, expected: usize) {
    const MOST_RESERVED: usize = 1 << 20;
    if first.is_empty() && rest.is_empty() {
        *first = next;
        return;
    }
    if rest.is_empty() {
        rest.reserve(expected.min(MOST_RESERVED));
        rest.extend_from_slice(first);
        *first = Bytes::new();
    }
    rest.extend_from_slice(&next);
}

fn joined(first: Bytes, rest: BytesMut) -> Bytes {
    if rest.is_empty() { first } else { rest.freeze() }
}

async fn fired(cancel: Option<Cancel>) {
    match cancel {
        Some(cancel) => cancel.fired().await,
        None => std::future::pending().await,
    }
}

async fn elapsed(limit: TimeLimit, started: Instant) -> Duration {
    match limit {
        Some(limit) => {
            tokio::time::sleep_until((started + limit).into()).await;
            limit
        }
        None => std::future::pending().await,
    }
}

fn total_limit_ran_out(limit: Duration, phase: Phase) -> Error {
    let doing = match phase {
        Phase::Dns => "looking up the host name",
        Phase::Connect => "connecting",
        Phase::Body => "reading the body",
        _ => "waiting for the response",
    };
    let message = format!("timeout_ms: {} ms ran out while {doing}; raise it, or AIP_OFF for none", limit.as_millis());
    Error::new(Status::Timeout, message).detail(Detail::TotalLimit)
}

fn too_large(cap: usize) -> Error {
    let message = format!("max_body_bytes: the body is over {cap} bytes; raise it; the response holds what fitted");
    Error::new(Status::TooLarge, message).phase(Phase::Body).delivery(Delivery::ResponseStarted)
}

fn cancelled_by_handle() -> Error {
    Error::new(Status::Cancelled, "request: cancelled by its cancel handle")
}

fn interrupted_by_signal() -> Error {
    Error::new(Status::Interrupted, "request: a signal handler ran on the waiting thread (AIP_REQUEST_INTERRUPTIBLE)")
}

fn cut_off() -> Error {
    Error::new(Status::Closed, "drain_ms: the pool was closed and the time for requests under way ran out")
        .detail(Detail::DrainLimit)
}
