//! The life of one request: its limits, its end by whoever ends it, and what came.

mod attempts;
mod body;
mod clock;
mod engine;
mod journey;
pub mod pace;
pub mod redirect;
pub mod retry;
pub mod retry_after;
pub mod warm;
mod way;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;

pub use self::attempts::Elsewhere;
use self::clock::Clock;
use self::pace::Pace;
use self::retry::RetryBudget;
use self::way::{Tries, Way};
use crate::address::Address;
use crate::cancel::Cancel;
use crate::config::{LimitOverrides, Limits, Persistence, PersistenceOverrides};
use crate::connections::Group;
use crate::error::{Detail, Error, Status};
use crate::response::Response;
use crate::transport::Outgoing;
use crate::transport::reqwest::{Attempt, Transport};

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
    pub pace: Arc<dyn Pace>,
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
    pub async fn run(self, cut: impl Future<Output = ()>) -> Result<Response, Failure> {
        let Exchange { path, address, outgoing, limits, persistence, budget, pace, cancel, interrupt, started } = self;
        let way = Way::begin(path, started);
        let tries = Tries { persistence, budget: &budget, pace: &*pace };
        let mut whole = pin!(way.whole_response(address, outgoing, &limits, tries));
        let mut cancelled = pin!(fired(cancel));
        let mut interrupted = pin!(fired(interrupt));
        let mut cut = pin!(cut);
        let mut clock = Clock::new(&limits, started, &way);
        let outcome = poll_fn(|cx| {
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(way.given_up(cancelled_by_handle()).into()));
            }
            if interrupted.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(way.given_up(interrupted_by_signal()).into()));
            }
            if let Poll::Ready(response) = whole.as_mut().poll(cx) {
                return Poll::Ready(response);
            }
            if cut.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(way.given_up(cut_off()).into()));
            }
            clock.poll_ran_out(cx).map(|(detail, limit, phase)| {
                let error = clock::ran_out(detail, limit, phase, || way.occupied());
                Err(way.timed_out(error).into())
            })
        })
        .await;
        let outcome = outcome.map_err(|failure: Failure| Failure {
            error: Error { elapsed: started.elapsed(), ..failure.error },
            ..failure
        });
        way.record(&outcome);
        outcome
    }
}

async fn fired(cancel: Option<Cancel>) {
    match cancel {
        Some(cancel) => cancel.fired().await,
        None => std::future::pending().await,
    }
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
