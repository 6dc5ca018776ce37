//! One request with all it needs besides the runtime: run to the whole response, or to the end of a stream.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use tokio::time::Instant;

use super::execution::{Execution, RetryContext};
use super::provider::Provider;
use super::retry::RetryBudget;
use super::supervise::{Ends, supervise};
use super::{Failure, Stream, TransportPath};
use crate::address::Address;
use crate::body::upload::Upload;
use crate::cancel::Cancel;
use crate::config::{Limits, Persistence};
use crate::error::{self, Error, Status};
use crate::response::{Report, Response};
use crate::runtime::Runtime;
use crate::transport::{Outgoing, OutgoingBody};

/// A request ready to run.
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
        let outcome = supervise(&execution, limits, *started, ends, work).await;
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
        let ends = Ends { cancel: self.cancel, interrupt: self.interrupt, cut };
        let _upload = std::mem::take(&mut self.upload);
        let provider = self.provider.clone();
        // In a block, for it refers to connections: whoever hears of the end may close their session, and finds nobody who keeps them.
        let outcome = {
            let execution = Execution::begin(&self.path, started);
            let work = pin!(execution.stream_response(self, &limits, stream));
            let outcome = supervise(&execution, &limits, started, ends, work).await;
            tell_of_time(&execution, provider.as_deref(), &outcome);
            execution.record(outcome.as_ref().map(|(status, report, _)| (*status, report)));
            outcome
        };
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
