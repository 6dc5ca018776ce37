//! One handle to a session: what its caller can do with it.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::spawn::{HeadSender, ResponseMode, hold};
use super::{InFlight, Session, SessionLease, SessionStats};
use crate::answer::Answer;
use crate::body::Budget;
use crate::body::pipe::Pipe;
use crate::body::reader::Plan;
use crate::cancel::{Cancel, Hold};
use crate::config::{LONGEST_LIMIT, Limits, MOST_HEADERS, Persistence, RequestDefaults};
use crate::error::{Detail, Error, Result, Status};
use crate::lock::lock;
use crate::queue::Queue;
use crate::request::retry::RetryBudget;
use crate::request::{Exchange, Failure, Request, Stream, TransportPath, UploadEnds};
use crate::response::Response;
use crate::runtime::Runtime;
use crate::stats::read;
use crate::transport::{Outgoing, OutgoingBody};

/// How much of a stream's body waits for its reader before it is read no further.
const STREAM_BUFFER: usize = 1 << 20;

/// One handle to a shared session, with request defaults of its own.
pub struct SessionHandle {
    pub session: Arc<Session>,
    pub runtime: Runtime,
    pub pool_limits: Limits,
    pub defaults: RequestDefaults,
    /// The pool's, so that an outage is not amplified.
    pub budget: Arc<RetryBudget>,
    pub lease: Option<SessionLease>,
    /// What the pool's streams hold unread.
    pub unread: Arc<Budget>,
    /// Names its pool.
    pub pool: u64,
}

impl SessionHandle {
    pub fn id(&self) -> u64 {
        self.session.id
    }

    /// One more handle, with the same defaults; no lease.
    #[must_use]
    pub fn another(&self) -> SessionHandle {
        let SessionHandle { session, runtime, pool_limits, defaults, budget, unread, pool, .. } = self;
        SessionHandle {
            session: session.clone(),
            runtime: runtime.clone(),
            pool_limits: *pool_limits,
            defaults: defaults.clone(),
            budget: budget.clone(),
            lease: None,
            unread: unread.clone(),
            pool: *pool,
        }
    }

    pub fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    pub fn close(&self) {
        self.session.close(Detail::SessionClosed);
    }

    pub fn stats(&self) -> SessionStats {
        let Session { counters, leases, .. } = &*self.session;
        SessionStats {
            in_flight: self.session.in_flight(),
            leases: leases.load(Ordering::SeqCst),
            requests: read(&counters.requests),
            failures: read(&counters.failures),
            connections_opened: read(&counters.connections_opened),
            requests_reused: read(&counters.requests_reused),
        }
    }

    /// Sends a request and waits for the whole response.
    pub fn request(&self, request: Request) -> std::result::Result<Response, Failure> {
        let begun = InFlight::begin(&self.session)?;
        let interrupt = if request.interruptible { Some(Cancel::for_one_wait()?) } else { None };
        // Held to the end: a flag that is fired and freed at once still ends the request.
        let held = request.cancel.map(hold).transpose()?;
        let mut exchange = self.exchange(request)?;
        let tally = self.tally(&exchange);
        if held.is_some() || interrupt.is_some() {
            self.runtime.watch_cancels();
        }
        let outcome = if let Some(interrupt) = &interrupt {
            exchange.interrupt = Some(interrupt.cancel());
            self.runtime.wait_interruptibly(run(begun, exchange), interrupt.cancel())
        } else {
            // Pinned here: it is large, and a move would copy it.
            let cut = pin!(begun.0.cut_off());
            let run = pin!(exchange.run(cut));
            self.runtime.wait(run)
        };
        let outcome = outcome.map_err(Failure::from).and_then(|outcome| outcome);
        tally.ended(outcome.as_ref().map(|response| response.report.reused));
        outcome
    }

    /// Sends a request from within a task of the runtime: the whole response.
    pub async fn send(&self, request: Request) -> std::result::Result<Response, Failure> {
        let begun = InFlight::begin(&self.session)?;
        let _held = request.cancel.map(hold).transpose()?;
        let exchange = self.exchange(request)?;
        let tally = self.tally(&exchange);
        let outcome = run(begun, exchange).await;
        tally.ended(outcome.as_ref().map(|response| response.report.reused));
        outcome
    }

    /// Sends a request and waits for what its caller asked for: the whole response, or a stream's head.
    pub fn answer(&self, mut request: Request) -> std::result::Result<Arc<Answer>, AnswerFailure> {
        let plan = std::mem::take(&mut request.plan);
        if !request.stream {
            return match self.request(request) {
                Ok(response) => Ok(Arc::new(Answer::whole(response, plan))),
                Err(Failure { error, response: None }) => Err(without_answer(error)),
                Err(Failure { error, response: Some(response) }) => {
                    let answer = Answer::of_failure(*response, plan, &error);
                    Err((error, Some(Arc::new(answer))))
                }
            };
        }
        let interrupt =
            if request.interruptible { Some(Cancel::for_one_wait().map_err(without_answer)?) } else { None };
        if interrupt.is_some() {
            self.runtime.watch_cancels();
        }
        let (tell, told) = oneshot::channel();
        let pipe = self.new_pipe();
        let stream =
            Stream { pipe: pipe.clone(), plan: plan.clone(), sink: Arc::new(HeadSender(Mutex::new(Some(tell)))) };
        let prepared =
            self.prepare_task(request, ResponseMode::Stream(stream), interrupt.as_ref().map(Hold::cancel), None);
        let begin = prepared.map_err(without_answer)?;
        self.headed(begin, told, interrupt.as_ref(), pipe, plan)
    }

    /// Lets a stream's task begin, and waits for its head.
    pub(super) fn headed(
        &self,
        begin: impl FnOnce() + Send + 'static,
        told: oneshot::Receiver<std::result::Result<Response, Failure>>,
        interrupt: Option<&Hold>,
        pipe: Arc<Pipe>,
        plan: Plan,
    ) -> std::result::Result<Arc<Answer>, AnswerFailure> {
        // Begun by who drives: nobody else need be woken for it, and where nobody can wait nothing is sent.
        let head = async {
            begin();
            told.await
        };
        let headed = match interrupt {
            Some(interrupt) => self.runtime.wait_interruptibly(head, interrupt.cancel()),
            None => self.runtime.wait(head),
        };
        let lost = |_| Err(Failure::from(Error::new(Status::Panic, "bug: a stream's task ended without a word")));
        match headed.map_err(Failure::from).and_then(|told| told.unwrap_or_else(lost)) {
            Ok(response) => Ok(Arc::new(Answer::streaming(response, plan, pipe, self.runtime.clone()))),
            Err(Failure { error, response }) => {
                pipe.abandon();
                // A refusal has its provider's words with it.
                let answer = response.map(|response| Arc::new(Answer::of_failure(*response, plan, &error)));
                Err((error, answer))
            }
        }
    }

    /// Starts a request that a queue tells of.
    pub fn submit(&self, mut request: Request, queue: &Arc<Queue>, tag: u64) -> Result<()> {
        if queue.pool != self.pool {
            return Err(Error::invalid("queue", "is another pool's; make one with aip_queue_new() for this one"));
        }
        let plan = std::mem::take(&mut request.plan);
        let stream = request.stream.then(|| self.new_pipe());
        let upload = match &request.body {
            OutgoingBody::Upload(upload) => Some(upload.clone()),
            OutgoingBody::Whole(_) => None,
        };
        let operation = queue.accept(tag, plan.clone(), stream.clone(), self.runtime.clone())?;
        let mode = match stream {
            Some(pipe) => {
                pipe.tell(operation.body_side());
                ResponseMode::Stream(Stream { pipe, plan, sink: operation.clone() })
            }
            None => ResponseMode::Whole(operation.clone()),
        };
        let begin = self.prepare_task(request, mode, None, Some(queue.clone()));
        let begin = begin.inspect_err(|_| operation.never_began())?;
        // Its own from here on: another request's is left with who told of it before.
        if let Some(upload) = upload {
            upload.tell(operation.upload_side());
        }
        begin();
        Ok(())
    }

    pub(super) fn new_pipe(&self) -> Arc<Pipe> {
        Pipe::new(STREAM_BUFFER, self.unread.clone())
    }

    /// Opens connections to the base URL until `wanted` are there for requests that come together; how many stand then.
    pub fn warm(&self, wanted: usize, timeout: Duration) -> Result<usize> {
        let begun = InFlight::begin(&self.session)?;
        let limits = self.pool_limits.with(self.defaults.limits);
        let route = lock(&self.session.route).clone().ok_or_else(|| Error::closed(Detail::SessionClosed))?;
        let (_, path) = route.path(&self.session.base, "", &limits, || {})?;
        let TransportPath::Engine(group, _) = path else {
            let message = "warm: needs the pool's own connections; choose AIP_TRANSPORT_ENGINE";
            return Err(Error::new(Status::Unsupported, message));
        };
        let started = Instant::now();
        let warmed = self.runtime.wait(async {
            tokio::select! {
                biased;
                why = begun.0.cut_off() => Err(why),
                warmed = group.warm(wanted, &limits, timeout.min(LONGEST_LIMIT)) => warmed,
            }
        });
        warmed.and_then(|warmed| warmed).map_err(|error| Error { elapsed: started.elapsed(), ..error })
    }

    pub(super) fn exchange(&self, request: Request) -> Result<Exchange> {
        let started = Instant::now();
        let session = &self.session;
        let route = lock(&session.route).clone();
        let route =
            route.ok_or_else(|| session.closed_error().unwrap_or_else(|| Error::closed(Detail::SessionClosed)))?;
        let limits = self.pool_limits.with(self.defaults.limits).with(request.limits);
        let limits = if request.stream { limits.of_stream(request.limits, self.defaults.limits) } else { limits };
        let counted = session.clone();
        let opened = move || counted.count(|counters| &counters.connections_opened);
        let (address, path) = route.path(&session.base, &request.url, &limits, opened)?;
        let persistence = Persistence::default().with(self.defaults.persistence).with(request.persistence);
        if matches!(path, TransportPath::Reqwest(..)) {
            self.refuse_engine_options(persistence, &request)?;
        }
        if persistence.redirects > 0 {
            route.prepare_for_redirects()?;
        }
        let headers = with_defaults(request.headers, &self.defaults.headers)?;
        Ok(Exchange {
            // The last that can fail: what is refused for another reason leaves the upload to the next request.
            upload: UploadEnds::claimed(&request.body, &self.runtime)?,
            // reqwest keeps two of the limits itself, and knows no others.
            limits: if matches!(path, TransportPath::Engine(..)) { limits } else { limits.total_and_body() },
            persistence,
            budget: self.budget.clone(),
            provider: request.provider,
            path,
            address,
            outgoing: Outgoing { method: request.method, headers, body: request.body, may_repeat: request.may_repeat },
            cancel: request.cancel,
            interrupt: None,
            started,
        })
    }

    /// What was asked for and is not there over reqwest is refused by name.
    fn refuse_engine_options(&self, persistence: Persistence, request: &Request) -> Result<()> {
        let field = match request.limits.phase_limit(self.defaults.limits) {
            Some(field) => field,
            None if request.stream => "flags (AIP_REQUEST_STREAM)",
            None if matches!(request.body, OutgoingBody::Upload(_)) => "upload",
            None if persistence.redirects > 0 => "max_redirects",
            None if persistence.retries > 0 => "max_retries",
            None => return Ok(()),
        };
        let mend = "needs the pool's own connections; leave it 0 or choose AIP_TRANSPORT_ENGINE";
        Err(Error::new(Status::Unsupported, format!("{field}: {mend}")))
    }
}

/// A failure, and the answer that some carry.
pub type AnswerFailure = (Error, Option<Arc<Answer>>);

pub(super) fn without_answer(error: Error) -> AnswerFailure {
    (error, None)
}

async fn run(begun: InFlight, mut exchange: Exchange) -> std::result::Result<Response, Failure> {
    exchange.run(pin!(begun.0.cut_off())).await
}

/// The request's headers, and the handle's where the request has none of that name.
fn with_defaults(mut headers: HeaderMap, defaults: &HeaderMap) -> Result<HeaderMap> {
    if headers.len() + defaults.len() > MOST_HEADERS {
        return Err(Error::invalid(
            "headers",
            format_args!("are over {MOST_HEADERS} with the session's own; send fewer"),
        ));
    }
    for name in defaults.keys().filter(|name| !headers.contains_key(*name)).cloned().collect::<Vec<_>>() {
        for value in defaults.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    Ok(headers)
}
