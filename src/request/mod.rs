//! The life of one request: its limits, its end by whoever ends it, and what came.

mod attempts;
mod clock;
mod engine;
mod journey;
pub mod pace;
pub mod redirect;
pub mod retry;
pub mod retry_after;
pub mod warm;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use tokio::time::Instant;

use self::attempts::Attempts;
pub use self::attempts::Elsewhere;
use self::clock::Clock;
use self::engine::EngineBody;
use self::journey::Journey;
use self::retry::RetryBudget;
use crate::address::Address;
use crate::cancel::Cancel;
use crate::config::{LimitOverrides, Limits, Persistence, PersistenceOverrides};
use crate::connections::{Connection, Group, count_first_byte};
use crate::error::{Delivery, Detail, Error, Phase, Result, Status};
use crate::events;
use crate::response::{Report, Response};
use crate::transport::reqwest::{Attempt, ReqwestBody, Transport};
use crate::transport::{Head, Outgoing};

/// A request as its caller wrote it.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Absolute, or relative to the session's base.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub limits: LimitOverrides,
    pub persistence: PersistenceOverrides,
    pub cancel: Option<Cancel>,
    /// A signal on the waiting thread ends the wait.
    pub interruptible: bool,
    /// The server may get it twice: a POST is sent again over a fresh connection when a reused one broke.
    pub may_repeat: bool,
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
    pub path: Path,
    pub address: Arc<Address>,
    pub outgoing: Outgoing,
    pub limits: Limits,
    pub persistence: Persistence,
    pub budget: Arc<RetryBudget>,
    pub cancel: Option<Cancel>,
    /// Fired when the waiting thread was interrupted.
    pub interrupt: Option<Cancel>,
    pub started: Instant,
}

/// Over which connections a request goes.
pub enum Path {
    /// The pool's own.
    Engine(Arc<Group>, Arc<dyn Elsewhere>),
    Reqwest(Arc<Transport>, Arc<Attempt>),
}

impl Exchange {
    /// Runs to the whole response, or until a limit, a cancel or `cut` ends it.
    pub async fn run(self, cut: impl Future<Output = ()>) -> std::result::Result<Response, Failure> {
        let Exchange { path, address, outgoing, limits, persistence, budget, cancel, interrupt, started } = self;
        let progress = Progress::begin(&path, started);
        let whole = Whole { path: &path, progress: &progress, limits: &limits, persistence, budget: &budget, started };
        let mut whole = pin!(whole.response(address, outgoing));
        let mut cancelled = pin!(fired(cancel));
        let mut interrupted = pin!(fired(interrupt));
        let mut cut = pin!(cut);
        let mut clock = Clock::new(&limits, started, &progress);
        let outcome = poll_fn(|cx| {
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(progress.given_up(cancelled_by_handle()).into()));
            }
            if interrupted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(progress.given_up(interrupted_by_signal()).into()));
            }
            if let Poll::Ready(response) = whole.as_mut().poll(cx) {
                return Poll::Ready(response);
            }
            if cut.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(progress.given_up(cut_off()).into()));
            }
            clock.poll_ran_out(cx).map(|(detail, limit, phase)| {
                let error = clock::ran_out(detail, limit, phase, || progress.occupied());
                Err(progress.timed_out(error).into())
            })
        })
        .await;
        let outcome = outcome.map_err(|failure: Failure| Failure {
            error: Error { elapsed: started.elapsed(), ..failure.error },
            ..failure
        });
        progress.record(&outcome);
        outcome
    }
}

/// How far a request got, whichever path it takes.
#[expect(clippy::large_enum_variant, reason = "one a request, on its stack")]
enum Progress<'a> {
    Engine(Journey, &'a Arc<Group>),
    Reqwest(&'a Arc<Attempt>, Instant),
}

impl<'a> Progress<'a> {
    fn begin(path: &'a Path, started: Instant) -> Self {
        match path {
            Path::Engine(group, _) => Progress::Engine(Journey::begin(started), group),
            Path::Reqwest(_, attempt) => Progress::Reqwest(attempt, started),
        }
    }

    /// A failure that we brought about: how far the request had got then.
    fn given_up(&self, error: Error) -> Error {
        let (phase, delivery, http_status) = match self {
            Progress::Engine(journey, _) => (journey.phase().0, journey.delivery(false), journey.http_status()),
            Progress::Reqwest(attempt, _) => (attempt.phase(), attempt.delivery(), attempt.http_status()),
        };
        let retryable = error.status == Status::Timeout && delivery == Delivery::NotSent;
        Error { phase, delivery, http_status, retryable, ..error }
    }

    /// As `given_up`; and where the server was silent, its connection is under suspicion.
    fn timed_out(&self, error: Error) -> Error {
        let error = self.given_up(error);
        if let Progress::Engine(journey, group) = self {
            let silent = matches!(error.phase, Phase::Send | Phase::FirstByte | Phase::Body);
            if let (true, Some(connection)) = (silent, journey.connection()) {
                group.suspect(&connection);
            }
        }
        error
    }

    fn phase(&self) -> (Phase, Instant) {
        match self {
            Progress::Engine(journey, _) => journey.phase(),
            Progress::Reqwest(attempt, begun) => (attempt.phase(), *begun),
        }
    }

    /// When the head came, asked when it has.
    fn answered_at(&self) -> Instant {
        match self {
            Progress::Engine(journey, _) => journey.phase().1,
            Progress::Reqwest(..) => Instant::now(),
        }
    }

    fn joined(&self) -> Option<Instant> {
        match self {
            Progress::Engine(journey, _) => journey.joined(),
            Progress::Reqwest(..) => None,
        }
    }

    fn connection(&self) -> Option<Arc<Connection>> {
        match self {
            Progress::Engine(journey, _) => journey.connection(),
            Progress::Reqwest(..) => None,
        }
    }

    fn occupied(&self) -> String {
        match self {
            Progress::Engine(_, group) => group.occupied_now(),
            Progress::Reqwest(..) => String::new(),
        }
    }

    /// The request's end, for the event ring and the metrics.
    fn record(&self, outcome: &std::result::Result<Response, Failure>) {
        let Progress::Engine(journey, group) = self else { return };
        let micros = |time: Duration| time.as_micros() as u64;
        let report = journey.report();
        let (status, http_status, first_byte, total) = match outcome {
            Ok(Response { status, report, .. }) => (Status::Ok, status.as_u16(), report.first_byte, report.total),
            Err(Failure { error, .. }) => (error.status, error.http_status, Duration::ZERO, error.elapsed),
        };
        if outcome.is_ok() {
            count_first_byte(&group.shared, first_byte);
        }
        let kind = events::Kind::Request {
            host: group.host.clone(),
            status: status as i32,
            http_status,
            attempts: report.attempts,
            reused: report.reused,
            queue_us: micros(report.queue),
            first_byte_us: micros(first_byte),
            total_us: micros(total),
        };
        events::record(group.shared.id, report.connection, kind);
    }

    fn report(&self) -> Report {
        match self {
            Progress::Engine(journey, _) => journey.report(),
            Progress::Reqwest(attempt, _) => Report { attempts: 1, reused: attempt.reused(), ..Report::default() },
        }
    }
}

/// The rest of a response, whichever path it takes.
enum Body {
    Engine(EngineBody),
    Reqwest(ReqwestBody),
}

impl Body {
    async fn next(&mut self, room: usize, progress: &Progress<'_>) -> Result<Option<Bytes>> {
        match (self, progress) {
            (Body::Engine(body), Progress::Engine(journey, _)) => body.next(room, journey).await,
            (Body::Reqwest(body), _) => body.next().await,
            (Body::Engine(_), Progress::Reqwest(..)) => unreachable!("a body's path is its request's"),
        }
    }

    fn length(&self) -> Option<u64> {
        match self {
            Body::Engine(body) => body.length,
            Body::Reqwest(body) => body.length(),
        }
    }
}

/// A whole response, however many attempts it takes.
struct Whole<'a> {
    path: &'a Path,
    progress: &'a Progress<'a>,
    limits: &'a Limits,
    persistence: Persistence,
    budget: &'a Arc<RetryBudget>,
    started: Instant,
}

impl Whole<'_> {
    async fn response(self, address: Arc<Address>, outgoing: Outgoing) -> std::result::Result<Response, Failure> {
        let Whole { path, progress, limits, persistence, budget, started } = self;
        let (head, body) = match (path, progress) {
            (Path::Engine(group, elsewhere), Progress::Engine(journey, _)) => {
                let attempts = Attempts { limits, journey, elsewhere: &**elsewhere, persistence, budget };
                let (head, body) = attempts.answer(group.clone(), address, outgoing).await?;
                (head, Body::Engine(body))
            }
            (Path::Reqwest(transport, attempt), _) => {
                let _under_way = attempt.under_way();
                let (head, body) = transport.send(&address.url, outgoing, attempt.clone()).await?;
                (head, Body::Reqwest(body))
            }
            (Path::Engine(..), Progress::Reqwest(..)) => unreachable!("progress is made for its path"),
        };
        let first_byte = progress.answered_at().saturating_duration_since(started);
        let (body, end) = collect(body, progress, limits.body).await;
        let Head { status, version, headers, remote } = head;
        let report = Report { remote, first_byte, total: started.elapsed(), ..progress.report() };
        let response = Response { status, version, headers, body, report };
        match end {
            Ok(()) => Ok(response),
            Err(error) => {
                let error = Error { http_status: status.as_u16(), ..error };
                let carries = matches!(error.status, Status::TooLarge | Status::Truncated);
                Err(Failure { error, response: carries.then(|| Box::new(response)) })
            }
        }
    }
}

/// The body as far as it came, and how it ended.
async fn collect(mut body: Body, progress: &Progress<'_>, cap: Option<u64>) -> (Bytes, Result<()>) {
    let cap = cap.map_or(usize::MAX, |cap| usize::try_from(cap).unwrap_or(usize::MAX));
    let expected = body.length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let room = cap - first.len() - rest.len();
        let next = match body.next(room, progress).await {
            Ok(Some(next)) => next,
            Ok(None) => return (joined(first, rest), Ok(())),
            Err(error) => return (joined(first, rest), Err(error)),
        };
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
