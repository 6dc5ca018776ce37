//! The life of one request: its limits, its end by whoever ends it, and what came.

pub mod account;
mod attempts;
mod body;
mod breaker;
mod clock;
mod engine;
mod execution;
mod pace;
mod progress;
pub mod provider;
mod pump;
pub mod redirect;
pub mod retry;
pub mod retry_after;
pub mod warm;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;

pub use self::attempts::RedirectResolver;
use self::clock::Clock;
use self::execution::{Execution, RetryContext};
use self::provider::Provider;
use self::retry::RetryBudget;
use crate::address::Address;
use crate::body::pipe::Pipe;
use crate::body::reader::Plan;
use crate::body::upload::Upload;
use crate::cancel::Cancel;
use crate::config::{LimitOverrides, Limits, Persistence, PersistenceOverrides};
use crate::connections::Group;
use crate::error::{self, Detail, Error, Phase, Status};
use crate::response::{Report, Response};
use crate::runtime::Runtime;
use crate::transport::reqwest::{Attempt, Transport};
use crate::transport::{Outgoing, OutgoingBody};

/// A request as its caller wrote it.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// Absolute, or relative to the session's base.
    pub url: String,
    pub headers: HeaderMap,
    pub body: OutgoingBody,
    /// The response is handed out at its head, its body while it comes.
    pub stream: bool,
    /// How events of the body are to be read.
    pub plan: Plan,
    pub limits: LimitOverrides,
    pub persistence: PersistenceOverrides,
    pub cancel: Option<Cancel>,
    /// A signal on the waiting thread ends the wait.
    pub interruptible: bool,
    /// The server may get it twice: a POST is sent again over a fresh connection when a reused one broke.
    pub may_repeat: bool,
    /// Whose service it goes to, where a client sends it.
    pub provider: Option<Arc<dyn Provider>>,
}

impl Request {
    /// A request without any wish beyond its limits.
    pub fn new(method: Method, url: String, headers: HeaderMap, body: Bytes, limits: LimitOverrides) -> Request {
        Request {
            method,
            url,
            headers,
            body: OutgoingBody::Whole(body),
            stream: false,
            plan: Plan::default(),
            limits,
            persistence: PersistenceOverrides::default(),
            cancel: None,
            interruptible: false,
            may_repeat: false,
            provider: None,
        }
    }
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
    pub path: TransportPath,
    pub address: Arc<Address>,
    pub outgoing: Outgoing,
    pub limits: Limits,
    pub persistence: Persistence,
    pub budget: Arc<RetryBudget>,
    pub provider: Option<Arc<dyn Provider>>,
    pub cancel: Option<Cancel>,
    /// Fired when the waiting thread was interrupted.
    pub interrupt: Option<Cancel>,
    pub started: Instant,
    /// Its end, also of one that never runs, is its upload's.
    pub upload: UploadEnds,
}

/// Over which transport a request goes.
pub enum TransportPath {
    /// The pool's own.
    Engine(Arc<Group>, Arc<dyn RedirectResolver>),
    Reqwest(Arc<Transport>, Arc<Attempt>),
}

/// Where a stream's parts go.
pub struct Stream {
    pub pipe: Arc<Pipe>,
    pub plan: Plan,
    /// Told of the head; the body follows in the pipe.
    pub sink: Arc<dyn Sink>,
}

/// Who is told what becomes of a request that nobody waits for. Told from whatever thread drives: it must not block.
pub trait Sink: Send + Sync {
    /// A stream's head has come.
    fn headed(&self, response: Response);

    /// The one end: the whole response where it was no stream.
    fn ended(&self, outcome: Result<Option<Response>, Failure>);
}

impl Exchange {
    /// Runs to the whole response, or until a limit, a cancel or `cut` ends it.
    pub async fn run(&mut self, cut: Pin<&mut impl Future<Output = Error>>) -> Result<Response, Failure> {
        let _upload = std::mem::take(&mut self.upload);
        let Exchange {
            path, address, outgoing, limits, persistence, budget, provider, cancel, interrupt, started, ..
        } = self;
        let execution = Execution::begin(path, *started);
        let retry = RetryContext { persistence: *persistence, budget, provider: provider.as_deref() };
        let ends = Ends { cancel: *cancel, interrupt: *interrupt, cut };
        // Pinned where it is made: each further move would be room for one more.
        let work = pin!(execution.whole_response(address, outgoing, limits, retry));
        let outcome = supervised(&execution, limits, *started, ends, work).await;
        tell_of_time(&execution, provider.as_deref(), &outcome);
        execution.record(outcome.as_ref().map(|response| (response.status, &response.report)));
        outcome
    }

    /// Runs to the end of a body that goes into a pipe, which hears of the end too: how it came. Boxed, for what is wanted until
    /// the head alone is gone then.
    pub async fn stream(
        mut self: Box<Self>,
        cut: Pin<&mut impl Future<Output = Error>>,
        stream: &Stream,
    ) -> Result<Report, Failure> {
        let (limits, started) = (self.limits, self.started);
        let execution = Execution::begin(&self.path, started);
        let ends = Ends { cancel: self.cancel, interrupt: self.interrupt, cut };
        let _upload = std::mem::take(&mut self.upload);
        let provider = self.provider.clone();
        let work = pin!(execution.stream_response(self, &limits, stream));
        let outcome = supervised(&execution, &limits, started, ends, work).await;
        tell_of_time(&execution, provider.as_deref(), &outcome);
        execution.record(outcome.as_ref().map(|(status, report, _)| (*status, report)));
        match outcome {
            Ok((_, report, trailers)) => {
                stream.pipe.finish_with(Ok(()), trailers);
                Ok(report)
            }
            Err(failure) => {
                stream.pipe.finish(Err(failure.error.clone()));
                Err(failure)
            }
        }
    }
}

/// An attempt that ran out of time is given up from outside, so its provider has to be told.
fn tell_of_time<T>(execution: &Execution, provider: Option<&dyn Provider>, outcome: &Result<T, Failure>) {
    if let (Some(provider), Err(failure)) = (provider, outcome) {
        if failure.error.status == Status::Timeout {
            provider.ran_out(&failure.error, execution.probes());
        }
    }
}

/// With a request its upload is over: who still writes is told.
#[derive(Default)]
pub struct UploadEnds(Option<Arc<Upload>>);

impl UploadEnds {
    /// The upload in `body` is this request's from here on; fails where it is another's already.
    pub fn claimed(body: &OutgoingBody, runtime: &Runtime) -> error::Result<UploadEnds> {
        let OutgoingBody::Upload(upload) = body else { return Ok(UploadEnds(None)) };
        upload.give_to_a_request(runtime.clone())?;
        Ok(UploadEnds(Some(upload.clone())))
    }
}

impl Drop for UploadEnds {
    fn drop(&mut self) {
        if let Some(upload) = &self.0 {
            upload.pipe.abandon();
        }
    }
}

/// What ends a request besides its limits.
struct Ends<'a, C> {
    cancel: Option<Cancel>,
    interrupt: Option<Cancel>,
    cut: Pin<&'a mut C>,
}

/// Does the work until it is done, or until a limit or one of `ends` comes first.
async fn supervised<T>(
    execution: &Execution,
    limits: &Limits,
    started: Instant,
    ends: Ends<'_, impl Future<Output = Error>>,
    mut work: Pin<&mut impl Future<Output = Result<T, Failure>>>,
) -> Result<T, Failure> {
    // Boxed, for most requests have neither.
    let mut cancelled = ends.cancel.map(|cancel| Box::pin(cancel.fired()));
    let mut interrupted = ends.interrupt.map(|interrupt| Box::pin(interrupt.fired()));
    let mut cut = ends.cut;
    let mut clock = Clock::new(limits, started, execution);
    let outcome = poll_fn(|cx| {
        if cancelled.as_mut().is_some_and(|fired| fired.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(execution.given_up(cancelled_by_handle()).into()));
        }
        if interrupted.as_mut().is_some_and(|fired| fired.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Err(execution.given_up(interrupted_by_signal()).into()));
        }
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        if let Poll::Ready(why) = cut.as_mut().poll(cx) {
            return Poll::Ready(Err(execution.given_up(why).into()));
        }
        clock.poll_ran_out(cx).map(|(detail, limit, phase)| {
            let error = clock::ran_out(detail, limit, phase, || execution.occupied());
            Err(execution.timed_out(error).into())
        })
    })
    .await;
    outcome
        .map_err(|failure: Failure| Failure { error: Error { elapsed: started.elapsed(), ..failure.error }, ..failure })
}

pub fn cancelled_by_handle() -> Error {
    Error::new(Status::Cancelled, "request: cancelled by its cancel handle")
}

pub fn interrupted_by_signal() -> Error {
    Error::new(Status::Interrupted, "request: a signal handler ran on the waiting thread (AIP_REQUEST_INTERRUPTIBLE)")
}

/// The whole of a call took longer than it may, between two of its requests.
pub fn total_ran_out(limit: Duration) -> Error {
    clock::ran_out(Detail::TotalLimit, limit, Phase::None, String::new)
}

/// The pool was closed, and its patience is over.
pub fn cut_off() -> Error {
    Error::new(Status::Closed, "drain_ms: the pool was closed and the time for requests under way ran out")
        .detail(Detail::DrainLimit)
}
