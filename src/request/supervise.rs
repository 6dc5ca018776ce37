//! Who ends a request besides itself: its limits, its cancel handle, a signal, and the end of its session.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::Failure;
use super::clock::{self, Clock};
use super::execution::Execution;
use crate::cancel::Cancel;
use crate::config::Limits;
use crate::error::{Detail, Error, Phase, Status};

/// What ends a request besides its limits.
pub struct Ends<'a, C> {
    pub cancel: Option<Cancel>,
    pub interrupt: Option<Cancel>,
    pub cut: Pin<&'a mut C>,
}

/// Does the work until it is done, or until a limit or one of `ends` comes first.
pub async fn supervise<T>(
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
