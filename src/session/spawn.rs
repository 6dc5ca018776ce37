//! Requests in tasks of their own, and who is told of their end.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::InFlight;
use super::handle::SessionHandle;
use super::tally::Tally;
use crate::body::pipe::Pipe;
use crate::cancel::{Cancel, Hold};
use crate::error::{Delivery, Detail, Error, Result, Status};
use crate::lock::lock;
use crate::queue::Queue;
use crate::request::{Exchange, Failure, Request, Sink, Stream, TransportPath};
use crate::response::Response;

impl SessionHandle {
    /// Readies a request for a task of its own, which begins with the call of what this gives.
    pub(super) fn prepare_task(
        &self,
        request: Request,
        mode: ResponseMode,
        interrupt: Option<Cancel>,
        queue: Option<Arc<Queue>>,
    ) -> Result<impl FnOnce() + use<>> {
        let begun = InFlight::begin(&self.session)?;
        let held = request.cancel.map(hold).transpose()?;
        // Boxed, for it is handed on often.
        let mut exchange = Box::new(self.exchange(request)?);
        exchange.interrupt = interrupt;
        if held.is_some() {
            self.runtime.watch_cancels();
        }
        let end_guard = match &mode {
            ResponseMode::Whole(sink) => EndGuard::with_pipe(sink.clone(), None),
            ResponseMode::Stream(stream) => EndGuard::with_pipe(stream.sink.clone(), Some(stream.pipe.clone())),
        };
        let mut guard = RequestGuard { tally: self.tally(&exchange), begun, held, end_guard };
        // Two tasks, for a stream's is much the smaller, and it stays.
        let runtime = self.runtime.clone();
        Ok(move || match mode {
            ResponseMode::Whole(_) => runtime.spawn(async move {
                guard.end_guard.begins();
                let outcome = exchange.run(pin!(cut_off(&guard.begun, queue.as_deref()))).await;
                // It refers to connections, which whoever hears of the end may want closed.
                drop(exchange);
                guard.with(outcome.map(|response| (response.report.reused, Some(response))));
            }),
            ResponseMode::Stream(stream) => runtime.spawn(async move {
                guard.end_guard.begins();
                let outcome = exchange.stream(pin!(cut_off(&guard.begun, queue.as_deref())), &stream).await;
                guard.with(outcome.map(|report| (report.reused, None)));
            }),
        })
    }

    pub(super) fn tally(&self, exchange: &Exchange) -> Tally {
        Tally::begin(&self.session, matches!(exchange.path, TransportPath::Engine(..)))
    }
}

/// Ends when the request's session or queue has no more patience.
async fn cut_off(begun: &InFlight, queue: Option<&Queue>) -> Error {
    match queue {
        Some(queue) => tokio::select! { why = begun.0.cut_off() => why, why = queue.cut_off() => why },
        None => begun.0.cut_off().await,
    }
}

/// How the response is handed over.
pub(super) enum ResponseMode {
    Whole(Arc<dyn Sink>),
    Stream(Stream),
}

/// What follows a request, and also where its task is dropped: in this order, so that whoever hears of the end finds it counted.
struct RequestGuard {
    tally: Tally,
    begun: InFlight,
    held: Option<Hold>,
    end_guard: EndGuard,
}

impl RequestGuard {
    /// With whether its connection was used before.
    fn with(self, outcome: std::result::Result<(bool, Option<Response>), Failure>) {
        let RequestGuard { tally, begun, held, end_guard } = self;
        tally.ended(outcome.as_ref().map(|(reused, _)| *reused));
        drop((begun, held));
        end_guard.with(outcome.map(|(_, response)| response));
    }
}

/// However a task ends, done, panicked or dropped, its sink hears of it once.
pub(super) struct EndGuard {
    sink: Option<Arc<dyn Sink>>,
    /// It ends with the task, where no request has finished it: the first end stays.
    pipe: Option<Arc<Pipe>>,
    /// What may have left where the task is dropped.
    delivery: Delivery,
}

impl EndGuard {
    pub(super) fn with_pipe(sink: Arc<dyn Sink>, pipe: Option<Arc<Pipe>>) -> EndGuard {
        EndGuard { sink: Some(sink), pipe, delivery: Delivery::NotSent }
    }

    /// The task's first poll.
    pub(super) fn begins(&mut self) {
        self.delivery = Delivery::MaybeSent;
    }

    pub(super) fn with(mut self, outcome: std::result::Result<Option<Response>, Failure>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: std::result::Result<Option<Response>, Failure>) {
        let Some(sink) = self.sink.take() else { return };
        if let Some(pipe) = &self.pipe {
            pipe.finish(outcome.as_ref().map(|_| ()).map_err(|failure| failure.error.clone()));
        }
        sink.ended(outcome);
    }
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        if self.sink.is_some() {
            let error = if std::thread::panicking() {
                Error::new(Status::Panic, "bug: a request's task panicked; please report it")
            } else {
                Error::closed(Detail::PoolClosed)
            };
            let retryable = error.retryable && self.delivery == Delivery::NotSent;
            self.tell(Err(Error { delivery: self.delivery, retryable, ..error }.into()));
        }
    }
}

/// Tells one waiting thread of a stream's head, or why there is none.
pub(super) struct HeadSender(pub(super) Mutex<Option<oneshot::Sender<std::result::Result<Response, Failure>>>>);

impl HeadSender {
    fn tell(&self, outcome: std::result::Result<Response, Failure>) {
        if let Some(tell) = lock(&self.0).take() {
            let _ = tell.send(outcome);
        }
    }
}

impl Sink for HeadSender {
    fn headed(&self, response: Response) {
        self.tell(Ok(response));
    }

    fn ended(&self, outcome: std::result::Result<Option<Response>, Failure>) {
        if let Err(failure) = outcome {
            self.tell(Err(failure));
        }
    }
}

pub(super) fn hold(cancel: Cancel) -> Result<Hold> {
    let freed = || Error::new(Status::InvalidHandle, "cancel: the handle was freed; make one for this request");
    cancel.hold().ok_or_else(freed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it was told in the end.
    #[derive(Default)]
    struct Ears(Mutex<Option<Error>>);

    impl Sink for Ears {
        fn headed(&self, _: Response) {}

        fn ended(&self, outcome: std::result::Result<Option<Response>, Failure>) {
            *lock(&self.0) = outcome.err().map(|failure| failure.error);
        }
    }

    #[test]
    fn a_task_that_never_began_sent_nothing_and_one_that_began_may_have() {
        for (begins, delivery, retryable) in [(false, Delivery::NotSent, true), (true, Delivery::MaybeSent, false)] {
            let ears = Arc::<Ears>::default();
            let mut end_guard = EndGuard::with_pipe(ears.clone(), None);
            if begins {
                end_guard.begins();
            }
            drop(end_guard);
            let error = lock(&ears.0).take().unwrap();
            assert_eq!((error.delivery, error.retryable), (delivery, retryable));
        }
    }
}
