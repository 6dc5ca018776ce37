//! Carries out the steps of a multi-step call: the caller gets its answers as one stream, and the steps read along.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, Version};
use tokio::sync::OwnedMutexGuard;

use super::client::{CallOptions, Inner};
use super::keyed_lock;
use super::service::{Step, Steps, WrittenCall};
use super::stream_tap::StreamTap;
use crate::body::Budget;
use crate::body::pipe::Pipe;
use crate::body::reply::Reply;
use crate::config::{LimitOverrides, TimeLimit};
use crate::error::{Delivery, Detail, Error, Phase, Status};
use crate::lock::lock;
use crate::request::{Failure, Request, Sink, Stream};
use crate::response::{Report, Response};
use crate::session::{CallContext, FRESH_SESSIONS, MultiStepCall, Outcome, SessionHandle};

/// What waits between a response and its reader; the reader's own pipe holds far more.
const BETWEEN: usize = 64 << 10;
/// Most bytes of a stream that is gathered, where no limit says otherwise.
const MOST_GATHERED: u64 = 64 << 20;

/// A multi-step call of a client: its steps, and over what they go.
pub struct SteppedCall {
    pub client: Arc<Inner>,
    pub session: SessionHandle,
    pub steps: Box<dyn Steps>,
    pub options: CallOptions,
    /// How long it may wait for the keyed lock.
    pub lock_timeout: TimeLimit,
}

impl MultiStepCall for SteppedCall {
    async fn run(self, context: CallContext) -> Outcome {
        let started = context.started;
        let mut runner = StepRunner { call: self, context, sent: 0, headed: false, last: None };
        let outcome = runner.through().await;
        outcome.map_err(|failure| {
            let Failure { mut error, response } = failure;
            if runner.sent > 1 && error.delivery == Delivery::NotSent {
                // The requests before it were.
                error = Error { delivery: Delivery::MaybeSent, retryable: false, ..error };
            }
            if error.elapsed.is_zero() {
                error.elapsed = started.elapsed();
            }
            Failure { error, response }
        })
    }
}

/// How far the steps of one call got.
struct StepRunner {
    call: SteppedCall,
    context: CallContext,
    /// Requests begun so far.
    sent: usize,
    /// The caller has its head.
    headed: bool,
    last: Option<Box<Response>>,
}

/// A response that has come, and its body as the steps want it.
type Came = Result<Response, Failure>;

impl StepRunner {
    async fn through(&mut self) -> Outcome {
        let _turn = self.turn().await?;
        loop {
            let step = match self.call.steps.next() {
                Ok(step) => step,
                Err(error) => return Err(self.failed(error)),
            };
            let came = match step {
                Step::Done => return Ok(self.last.take().filter(|_| self.context.stream.is_none()).map(|last| *last)),
                Step::Answer(reply) => return self.put_together(reply),
                Step::Wait(time) => {
                    self.context.between(tokio::time::sleep(time)).await?;
                    continue;
                }
                Step::Ask(written) => self.ask(written).await,
                Step::Tell(written) => self.tell(written).await,
            };
            if self.context.stream.as_ref().is_some_and(|stream| stream.pipe.is_satisfied()) {
                return Ok(None);
            }
            self.answered(came)?;
        }
    }

    /// Waits until no other call of this process works on the same.
    async fn turn(&mut self) -> Result<Option<OwnedMutexGuard<()>>, Failure> {
        let Some(name) = self.call.steps.lock_key() else { return Ok(None) };
        let name = format!("{}/{name}", self.client_name());
        let limit = self.call.lock_timeout.unwrap_or(Duration::MAX);
        let turn = self.context.between(tokio::time::timeout(limit, keyed_lock::lock(name))).await?;
        turn.map(Some).map_err(|_| turn_ran_out(limit).into())
    }

    fn client_name(&self) -> &'static str {
        self.call.client.config.kind.name()
    }

    /// The steps hear of it. What cannot be mended ends the call.
    fn answered(&mut self, came: Came) -> Result<(), Failure> {
        match came {
            Ok(response) => {
                let reply = response.reply.as_deref().cloned().unwrap_or_default();
                let body = response.body.clone();
                self.last = Some(Box::new(response));
                let heard = self.call.steps.answered(&reply, &body);
                heard.map_err(|error| self.failed(error))
            }
            Err(failure) => {
                let reply = failure.response.as_ref().and_then(|response| response.reply.as_deref());
                let may = reply.is_some() && failure.error.http_status >= 300 || is_the_servers(&failure.error);
                let reply = reply.cloned().unwrap_or_default();
                if may && self.call.steps.refused(&failure.error, &reply) { Ok(()) } else { Err(failure) }
            }
        }
    }

    /// A failure that the steps found: with the answer in which they did.
    fn failed(&mut self, error: Error) -> Failure {
        let last = self.last.take();
        let http_status = last.as_ref().map_or(error.http_status, |last| last.status.as_u16());
        let delivery = if last.is_some() { Delivery::ResponseStarted } else { error.delivery };
        Failure { error: Error { delivery, http_status, ..error }, response: last }
    }

    fn put_together(&mut self, reply: Box<Reply>) -> Outcome {
        if self.context.stream.is_some() {
            let message = "stream: this call's answer is put together from several; ask for it whole";
            return Err(Error::new(Status::Unsupported, message).into());
        }
        let last = self.last.take().map_or_else(nothing_came, |last| *last);
        Ok(Some(Response { reply: Some(reply), ..last }))
    }

    async fn ask(&mut self, written: WrittenCall) -> Came {
        self.send(written, false).await
    }

    /// As the caller asked for it: on the way while it comes, or whole. Also what comes whole is read as a stream where it is
    /// one, for only so its silence is noticed.
    async fn tell(&mut self, written: WrittenCall) -> Came {
        let streams = written.framing.is_some() || self.context.stream.is_some();
        self.send(written, streams).await
    }

    async fn send(&mut self, written: WrittenCall, streams: bool) -> Came {
        for fresh in 1.. {
            let request = self.request(written.clone(), streams).await?;
            let came = if streams {
                Box::pin(self.stream(request, StreamTap::new(&written))).await
            } else {
                Box::pin(self.call.session.send_step(request, &self.context)).await
            };
            match came {
                Err(failure) if fresh < FRESH_SESSIONS && failure.error.is_stale() => self.renew_session()?,
                came => return came,
            }
        }
        Err(Error::closed(Detail::SessionClosed).into())
    }

    /// The session was closed between two requests, by an eviction perhaps: the call goes on over another.
    fn renew_session(&mut self) -> Result<(), Failure> {
        self.sent -= 1;
        self.call.session = self.call.client.fresh_session()?;
        Ok(())
    }

    async fn request(&mut self, written: WrittenCall, stream: bool) -> Result<Request, Failure> {
        self.context.between(std::future::ready(())).await?;
        self.sent += 1;
        let mut options = self.call.options.clone();
        if !options.idempotency_key.is_empty() {
            // Another request under the same key would be taken for this one.
            options.idempotency_key = format!("{}-{}", options.idempotency_key, self.sent);
        }
        let mut request = self.call.client.request(written, stream, &options)?;
        // A stream has no bound of its own; what is kept of it has.
        if stream && self.context.stream.is_none() {
            let most = request.limits.body.flatten().unwrap_or(MOST_GATHERED);
            request.limits = LimitOverrides { body: Some(Some(most)), ..request.limits };
        }
        Ok(request)
    }

    /// Sends a request whose answer comes in events, and moves these on.
    async fn stream(&mut self, request: Request, mut tap: StreamTap) -> Came {
        let outer = self.context.stream.as_ref();
        let to =
            outer.map_or_else(|| Destination::Kept(BytesMut::new()), |outer| Destination::Caller(outer.pipe.clone()));
        let tells = outer.filter(|_| !self.headed).map(|outer| outer.sink.clone());
        let head = Arc::new(HeadSink { came: Mutex::new(None), tells });
        let from = Pipe::new(BETWEEN, Arc::<Budget>::default());
        let stream = Stream { pipe: from.clone(), plan: request.plan.clone(), sink: head.clone() };
        let mut relay = BodyRelay { from: from.clone(), to, tap: &mut tap, joins: self.headed };
        let send = async {
            let headed = || lock(&head.came).is_some();
            let sent = self.call.session.stream_step(request, &stream, headed, &self.context).await;
            // Where it did not even begin nobody did.
            from.finish(Err(Error::closed(Detail::SessionClosed)));
            sent
        };
        let (came, ()) = tokio::join!(send, relay.all());
        let BodyRelay { to, .. } = relay;
        let head = lock(&head.came).take();
        self.headed |= head.is_some();
        let body = match to {
            Destination::Kept(bytes) => bytes.freeze(),
            Destination::Caller(_) => Bytes::new(),
        };
        let (error, report) = match came {
            Ok(report) => (tap.ends().err(), Some(report)),
            Err(failure) if failure.response.is_some() => return Err(failure),
            Err(failure) => (Some(failure.error), None),
        };
        let response = head.map(|head| Response {
            report: report.unwrap_or_else(|| head.report.clone()),
            reply: Some(Box::new(tap.reply())),
            body,
            ..head
        });
        match (error, response) {
            (None, Some(response)) => Ok(response),
            (None, None) => Err(Error::new(Status::Panic, "bug: a stream ended without a head").into()),
            (Some(error), response) => {
                let number = response.as_ref().map_or(error.http_status, |response| response.status.as_u16());
                // What came of a stream is the caller's already.
                let response = response.filter(|_| self.context.stream.is_none());
                Err(Failure { error: Error { http_status: number, ..error }, response: response.map(Box::new) })
            }
        }
    }
}

/// Whether a failure is one that the steps may know how to mend: nothing of an answer was told, and it is not the caller's end.
fn is_the_servers(error: &Error) -> bool {
    let callers = matches!(error.status, Status::Cancelled | Status::Interrupted | Status::Closed | Status::Panic);
    !callers && error.detail != Detail::TotalLimit && error.delivery != Delivery::ResponseStarted
}

/// Hears of one response's head, and tells it where it is the call's.
struct HeadSink {
    came: Mutex<Option<Response>>,
    tells: Option<Arc<dyn Sink>>,
}

impl Sink for HeadSink {
    fn headed(&self, response: Response) {
        *lock(&self.came) = Some(response.clone());
        if let Some(sink) = &self.tells {
            sink.headed(response);
        }
    }

    fn ended(&self, _outcome: Outcome) {}
}

/// One response's body on its way to the caller.
struct BodyRelay<'a> {
    from: Arc<Pipe>,
    to: Destination,
    tap: &'a mut StreamTap,
    /// Another response went before it.
    joins: bool,
}

enum Destination {
    Caller(Arc<Pipe>),
    Kept(BytesMut),
}

impl BodyRelay<'_> {
    /// Moves it to its end; whether that is a good one is what its sender says.
    async fn all(&mut self) {
        while let Some(bytes) = self.next().await {
            self.passes(&bytes);
        }
    }

    /// Waits for room and for bytes. `None` at the end, and where the caller has left: its sender knows it then.
    async fn next(&mut self) -> Option<Bytes> {
        let Destination::Caller(to) = &self.to else {
            return poll_fn(|cx| self.from.poll_pull(BETWEEN, cx)).await.ok().flatten();
        };
        if poll_fn(|cx| to.poll_room(cx)).await {
            let pulled = poll_fn(|cx| match to.poll_abandoned(cx) {
                Poll::Ready(()) => Poll::Ready(None),
                Poll::Pending => self.from.poll_pull(BETWEEN, cx).map(Some),
            });
            if let Some(pulled) = pulled.await {
                return pulled.ok().flatten();
            }
        }
        if to.is_satisfied() {
            self.from.satisfied();
        } else {
            self.from.abandon();
        }
        None
    }

    fn passes(&mut self, bytes: &[u8]) {
        self.tap.feed(bytes);
        match &mut self.to {
            Destination::Kept(kept) => kept.extend_from_slice(bytes),
            Destination::Caller(to) => {
                if std::mem::take(&mut self.joins) {
                    // The response before may have forgotten the end of its last event.
                    to.push(b"\n\n");
                }
                to.push(bytes);
            }
        }
    }
}

fn nothing_came() -> Response {
    let (status, version, headers) = (StatusCode::OK, Version::HTTP_11, HeaderMap::new());
    Response { status, version, headers, body: Bytes::new(), report: Report::default(), reply: None }
}

fn turn_ran_out(limit: Duration) -> Error {
    let message = format!(
        "queue_timeout_ms: {} ms ran out while another call worked on the same conversation; wait for its end, or raise it",
        limit.as_millis()
    );
    Error::new(Status::Timeout, message).detail(Detail::QueueLimit).phase(Phase::Queue).retryable()
}
