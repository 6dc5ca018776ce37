//! Multi-step calls: several requests one after the other, in one task with one end.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handle::{AnswerFailure, SessionHandle, without_answer};
use super::spawn::{EndGuard, HeadSender, hold};
use super::{InFlight, Session};
use crate::answer::Answer;
use crate::body::reader::Plan;
use crate::cancel::{Cancel, Hold};
use crate::config::TimeLimit;
use crate::error::{Delivery, Error, Phase, Result, Status};
use crate::queue::Queue;
use crate::request::{
    Exchange, Failure, Request, Sink, Stream, cancelled_by_handle, interrupted_by_signal, total_ran_out,
};
use crate::response::{Report, Response};

/// The one end: the whole response where it was no stream.
pub type Outcome = std::result::Result<Option<Response>, Failure>;

/// A call whose requests go out one after the other.
pub trait MultiStepCall: Send + 'static {
    fn run(self, context: CallContext) -> impl Future<Output = Outcome> + Send + 'static;
}

/// How a multi-step call goes.
pub struct MultiStepOptions {
    /// Its answer is told while it comes.
    pub stream: bool,
    /// How the caller reads it.
    pub plan: Plan,
    pub cancel: Option<Cancel>,
    pub interruptible: bool,
    /// For all of it.
    pub total: TimeLimit,
}

/// What the requests of one call share.
pub struct CallContext {
    pub started: Instant,
    /// Where the answer goes while it comes; the call's end is the end of its pipe.
    pub stream: Option<Stream>,
    cancel: Option<Cancel>,
    interrupt: Option<Cancel>,
    queue: Option<Arc<Queue>>,
    total: TimeLimit,
    begun: InFlight,
    _held: Option<Hold>,
}

impl CallContext {
    /// Does what is no request; an error where the call must end meanwhile. Asked first, so that nothing more is sent then.
    pub async fn between<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            why = self.ends() => Err(Error { elapsed: self.started.elapsed(), ..why }),
            done = work => Ok(done),
        }
    }

    async fn ends(&self) -> Error {
        let ran_out = async {
            match self.total {
                Some(total) => {
                    tokio::time::sleep_until(self.started + total).await;
                    total_ran_out(total)
                }
                None => pending().await,
            }
        };
        tokio::select! {
            () = fired(self.cancel) => cancelled_by_handle(),
            () = fired(self.interrupt) => interrupted_by_signal(),
            why = self.cut(None, || false) => why,
            why = ran_out => why,
        }
    }

    /// Ends when a session of the call or its queue has no more patience, or nobody reads what comes. Once a response's head is
    /// there who moves its body sees to the last.
    async fn cut(&self, begun: Option<&InFlight>, headed: impl Fn() -> bool) -> Error {
        let queue = async {
            match &self.queue {
                Some(queue) => queue.cut_off().await,
                None => pending().await,
            }
        };
        let elsewhere = async {
            match begun {
                Some(begun) => begun.0.cut_off().await,
                None => pending().await,
            }
        };
        let abandoned = poll_fn(|cx| match &self.stream {
            Some(stream) if !headed() => stream.pipe.poll_abandoned(cx),
            _ => Poll::Pending,
        });
        tokio::select! {
            why = elsewhere => why,
            why = self.begun.0.cut_off() => why,
            why = queue => why,
            () = abandoned => freed_early(),
        }
    }

    /// One of its requests goes over this session: `None` where the call is counted there already.
    fn over(&self, session: &Arc<Session>) -> Result<Option<InFlight>> {
        if !Arc::ptr_eq(session, &self.begun.0) {
            return InFlight::begin(session).map(Some);
        }
        session.closed_error().map_or(Ok(None), Err)
    }

    /// A request of the call: its time runs since the call began.
    fn joined_by(&self, exchange: &mut Exchange) {
        exchange.interrupt = self.interrupt;
        exchange.started = self.started;
    }
}

async fn fired(cancel: Option<Cancel>) {
    match cancel {
        Some(cancel) => cancel.fired().await,
        None => pending().await,
    }
}

fn freed_early() -> Error {
    Error::new(Status::Cancelled, "response: was freed before its body had come whole")
        .phase(Phase::Body)
        .delivery(Delivery::ResponseStarted)
}

impl SessionHandle {
    /// Sends one request of a call: the whole response.
    pub async fn send_step(&self, request: Request, context: &CallContext) -> std::result::Result<Response, Failure> {
        let begun = context.over(&self.session)?;
        let mut exchange = self.exchange(request)?;
        context.joined_by(&mut exchange);
        let tally = self.tally(&exchange);
        let outcome = exchange.run(pin!(context.cut(begun.as_ref(), || false))).await;
        tally.ended(outcome.as_ref().map(|response| response.report.reused));
        outcome
    }

    /// Sends one request of a call: its body goes into the pipe, which hears of the end too. `headed`: whether its head has come.
    pub async fn stream_step(
        &self,
        request: Request,
        stream: &Stream,
        headed: impl Fn() -> bool,
        context: &CallContext,
    ) -> std::result::Result<Report, Failure> {
        let begun = context.over(&self.session)?;
        let mut exchange = Box::new(self.exchange(request)?);
        context.joined_by(&mut exchange);
        let tally = self.tally(&exchange);
        let outcome = exchange.stream(pin!(context.cut(begun.as_ref(), headed)), stream).await;
        tally.ended(outcome.as_ref().map(|report| report.reused));
        outcome
    }

    /// Carries out a call and waits for what its caller asked for: the whole response, or a stream's head.
    pub fn answer_steps(
        &self,
        options: &MultiStepOptions,
        call: impl MultiStepCall,
    ) -> std::result::Result<Arc<Answer>, AnswerFailure> {
        let interrupt =
            if options.interruptible { Some(Cancel::for_one_wait().map_err(without_answer)?) } else { None };
        let flag = interrupt.as_ref().map(Hold::cancel);
        let plan = options.plan.clone();
        if options.stream {
            let (tell, told) = oneshot::channel();
            let pipe = self.new_pipe();
            let sink: Arc<dyn Sink> = Arc::new(HeadSender(Mutex::new(Some(tell))));
            let stream = Stream { pipe: pipe.clone(), plan: plan.clone(), sink: sink.clone() };
            let context = self.context(options, Some(stream), flag, None).map_err(without_answer)?;
            return self.headed(self.begins(context, sink, call), told, interrupt.as_ref(), pipe, plan);
        }
        let run = call.run(self.context(options, None, flag, None).map_err(without_answer)?);
        let outcome = match flag {
            Some(flag) => self.runtime.wait_interruptibly(run, flag),
            None => self.runtime.wait(run),
        };
        let no_answer = || Failure::from(Error::new(Status::Panic, "bug: a call ended without an answer"));
        match outcome.map_err(Failure::from).and_then(|outcome| outcome?.ok_or_else(no_answer)) {
            Ok(response) => Ok(Arc::new(Answer::whole(response, plan))),
            Err(Failure { error, response }) => {
                let answer = response.map(|response| Arc::new(Answer::of_failure(*response, plan, &error)));
                Err((error, answer))
            }
        }
    }

    /// Starts a call that a queue tells of.
    pub fn submit_steps(
        &self,
        options: &MultiStepOptions,
        call: impl MultiStepCall,
        queue: &Arc<Queue>,
        tag: u64,
    ) -> Result<()> {
        if queue.pool != self.pool {
            return Err(Error::invalid("queue", "is another pool's; make one with aip_queue_new() for this one"));
        }
        let pipe = options.stream.then(|| self.new_pipe());
        let operation = queue.accept(tag, options.plan.clone(), pipe.clone(), self.runtime.clone())?;
        let stream = pipe.map(|pipe| {
            pipe.tell(operation.body_side());
            Stream { pipe, plan: options.plan.clone(), sink: operation.clone() }
        });
        let context = self.context(options, stream, None, Some(queue.clone()));
        let context = context.inspect_err(|_| operation.never_began())?;
        self.begins(context, operation, call)();
        Ok(())
    }

    fn context(
        &self,
        options: &MultiStepOptions,
        stream: Option<Stream>,
        interrupt: Option<Cancel>,
        queue: Option<Arc<Queue>>,
    ) -> Result<CallContext> {
        let started = Instant::now();
        let begun = InFlight::begin(&self.session)?;
        let held = options.cancel.map(hold).transpose()?;
        if held.is_some() || interrupt.is_some() {
            self.runtime.watch_cancels();
        }
        let MultiStepOptions { cancel, total, .. } = *options;
        Ok(CallContext { started, stream, cancel, interrupt, queue, total, begun, _held: held })
    }

    /// The call as a task, which begins with the call of what this gives.
    fn begins<C: MultiStepCall>(&self, context: CallContext, sink: Arc<dyn Sink>, call: C) -> impl FnOnce() + use<C> {
        let mut end_guard = EndGuard::with_pipe(sink, context.stream.as_ref().map(|stream| stream.pipe.clone()));
        let runtime = self.runtime.clone();
        move || {
            runtime.spawn(async move {
                end_guard.begins();
                end_guard.with(call.run(context).await);
            });
        }
    }
}
