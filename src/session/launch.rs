//! Requests in tasks of their own, and whoever hears of them.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::handle::SessionHandle;
use super::{InFlight, Session};
use crate::body::pipe::Pipe;
use crate::cancel::{Cancel, Hold};
use crate::error::{Delivery, Detail, Error, Result, Status};
use crate::lock::lock;
use crate::queue::Queue;
use crate::request::{Exchange, Failure, Path, Request, Sink, Stream};
use crate::response::Response;
use crate::stats::add_one;

impl SessionHandle {
    /// Readies a request for a task of its own, which begins with the call of what this gives.
    pub(super) fn launch(
        &self,
        request: Request,
        launch: Launch,
        interrupt: Option<Cancel>,
        queue: Option<Arc<Queue>>,
    ) -> Result<impl FnOnce() + use<>> {
        let begun = InFlight::begin(&self.session)?;
        let held = request.cancel.map(hold).transpose()?;
        let mut exchange = self.exchange(request)?;
        exchange.interrupt = interrupt;
        if held.is_some() {
            self.runtime.watch_cancels();
        }
        let tally = self.tally(&exchange);
        let ending = match &launch {
            Launch::Whole(sink) => Ending::with_pipe(sink.clone(), None),
            Launch::Stream(stream) => Ending::with_pipe(stream.sink.clone(), Some(stream.pipe.clone())),
        };
        let land = move |begun: InFlight, outcome: std::result::Result<(bool, Option<Response>), Failure>| {
            tally.ended(outcome.as_ref().map(|(reused, _)| *reused));
            drop((begun, held));
            ending.with(outcome.map(|(_, response)| response));
        };
        // Two tasks, for a stream's is much the smaller, and it stays.
        let runtime = self.runtime.clone();
        Ok(move || match launch {
            Launch::Whole(_) => runtime.spawn(async move {
                let outcome = exchange.run(pin!(cut_off(&begun, queue.as_deref()))).await;
                land(begun, outcome.map(|response| (response.report.reused, Some(response))));
            }),
            Launch::Stream(stream) => {
                let exchange = Box::new(exchange);
                runtime.spawn(async move {
                    let outcome = exchange.stream(pin!(cut_off(&begun, queue.as_deref())), &stream).await;
                    land(begun, outcome.map(|report| (report.reused, None)));
                });
            }
        })
    }

    pub(super) fn tally(&self, exchange: &Exchange) -> Tally {
        self.session.count(|counters| &counters.requests);
        Tally { session: self.session.clone(), by_engine: matches!(exchange.path, Path::Engine(..)) }
    }
}

/// Ends when the request's session or queue has no more patience.
async fn cut_off(begun: &InFlight, queue: Option<&Queue>) -> Error {
    match queue {
        Some(queue) => tokio::select! { why = begun.0.cut_off() => why, why = queue.cut_off() => why },
        None => begun.0.cut_off().await,
    }
}

/// What a task carries out.
pub(super) enum Launch {
    Whole(Arc<dyn Sink>),
    Stream(Stream),
}

/// However a task ends, done, panicked or dropped, its sink hears of it once.
pub(super) struct Ending {
    sink: Option<Arc<dyn Sink>>,
    /// It ends with the task, where no request has finished it: the first end stays.
    pipe: Option<Arc<Pipe>>,
}

impl Ending {
    pub(super) fn with_pipe(sink: Arc<dyn Sink>, pipe: Option<Arc<Pipe>>) -> Ending {
        Ending { sink: Some(sink), pipe }
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

impl Drop for Ending {
    fn drop(&mut self) {
        if self.sink.is_some() {
            let error = if std::thread::panicking() {
                Error::new(Status::Panic, "bug: a request's task panicked; please report it")
            } else {
                Error::closed(Detail::PoolClosed)
            };
            self.tell(Err(error.delivery(Delivery::MaybeSent).into()));
        }
    }
}

/// Tells one waiting thread of a stream's head, or why there is none.
pub(super) struct HeadTold(pub(super) Mutex<Option<oneshot::Sender<std::result::Result<Response, Failure>>>>);

impl HeadTold {
    fn tell(&self, outcome: std::result::Result<Response, Failure>) {
        if let Some(tell) = lock(&self.0).take() {
            let _ = tell.send(outcome);
        }
    }
}

impl Sink for HeadTold {
    fn headed(&self, response: Response) {
        self.tell(Ok(response));
    }

    fn ended(&self, outcome: std::result::Result<Option<Response>, Failure>) {
        if let Err(failure) = outcome {
            self.tell(Err(failure));
        }
    }
}

/// Counts a request's end.
pub(super) struct Tally {
    session: Arc<Session>,
    by_engine: bool,
}

impl Tally {
    /// With whether its connection was used before.
    pub(super) fn ended(self, outcome: std::result::Result<bool, &Failure>) {
        match outcome {
            Ok(true) => self.session.count(|counters| &counters.requests_reused),
            // Its pool counts connections when they are opened.
            Ok(false) if self.by_engine => add_one(&self.session.counters.connections_opened),
            Ok(false) => {}
            Err(_) => self.session.count(|counters| &counters.failures),
        }
    }
}

pub(super) fn hold(cancel: Cancel) -> Result<Hold> {
    let freed = || Error::new(Status::InvalidHandle, "cancel: the handle was freed; make one for this request");
    cancel.hold().ok_or_else(freed)
}
