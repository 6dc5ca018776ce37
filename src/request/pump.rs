//! A stream's body: from the wire into the pipe, as far as there is room.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::Stream;
use super::engine_body::EngineBody;
use super::progress::Progress;
use crate::body::events::{Events, Format};
use crate::body::pipe::Pipe;
use crate::config::Limits;
use crate::error::{Delivery, Error, Phase, Result, Status};

/// One step's bytes.
const STEP: usize = 64 << 10;
/// How long an abandoned HTTP/1.1 body may take to end by itself, so that its connection can be used again.
const LAST_CHANCE: Duration = Duration::from_millis(50);
/// And one that has said all, but has not ended.
const AFTER_THE_MARK: Duration = Duration::from_millis(250);

/// Moves one body.
pub struct Pump<'a> {
    progress: &'a Progress,
    pipe: &'a Pipe,
    /// Most bytes in all.
    most: u64,
    /// Counts data events, where a limit depends on them.
    watch: Option<Events>,
}

impl<'a> Pump<'a> {
    pub fn new(
        progress: &'a Progress,
        limits: &Limits,
        stream: &'a Stream,
        content_type: Option<&HeaderValue>,
    ) -> Self {
        let watched = limits.first_event.is_some() || limits.between_events.is_some();
        let format = stream.plan.format.or_else(|| Format::of(content_type)).filter(|_| watched);
        let watch = format.map(|format| Events::new(format, stream.plan.most));
        if watch.is_none() {
            progress.counts_no_events();
        }
        Pump { progress, pipe: &stream.pipe, most: limits.body.unwrap_or(u64::MAX), watch }
    }

    /// Moves all of it; the trailers at its end.
    pub async fn run(&mut self, body: &mut EngineBody) -> Result<HeaderMap> {
        loop {
            if !self.room(body).await {
                // Boxed, for a stream is long, and it leaves once.
                return Box::pin(self.leave(body)).await;
            }
            let next = {
                let mut next = pin!(body.next(STEP));
                poll_fn(|cx| match self.pipe.poll_abandoned(cx) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => next.as_mut().poll(cx).map(Some),
                })
                .await
            };
            match next {
                None => return Box::pin(self.leave(body)).await,
                Some(Ok(Some(bytes))) => self.push(&bytes)?,
                Some(Ok(None)) => return Ok(body.trailers()),
                Some(Err(error)) => return Err(error),
            }
        }
    }

    /// Waits for room: the limits stand still meanwhile, it is the reader who is slow. False when nobody reads any more.
    async fn room(&self, body: &mut EngineBody) -> bool {
        let mut paused = false;
        let room = poll_fn(|cx| {
            let room = self.pipe.poll_room(cx);
            if room.is_pending() && !std::mem::replace(&mut paused, true) {
                self.progress.pauses_reading();
                body.pause();
            }
            room
        })
        .await;
        if paused {
            self.progress.reads_on();
        }
        room
    }

    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let (passed, _) = self.pipe.progress();
        let left = self.most.saturating_sub(passed);
        self.progress.enter(Phase::Body);
        self.count_events(bytes);
        if (bytes.len() as u64) <= left {
            self.pipe.push(bytes);
            return Ok(());
        }
        self.pipe.push(&bytes[..left as usize]);
        let message = format!("max_body_bytes: the body is over {} bytes; raise it", self.most);
        Err(Error::new(Status::TooLarge, message).phase(Phase::Body).delivery(Delivery::ResponseStarted))
    }

    fn count_events(&mut self, bytes: &[u8]) {
        let (Some(watch), mut rest) = (&mut self.watch, bytes) else { return };
        let mut came = false;
        // One that is too large is the reader's to say; it counts as one that has not come.
        while watch.feed(&mut rest).unwrap_or(false) {
            came = true;
        }
        if came {
            self.progress.had_event();
        }
    }

    /// Nobody reads the rest. An HTTP/2 stream is reset; an HTTP/1.1 connection is worth a little reading. What follows the mark
    /// of a stream's end is as good as nothing, so that is waited for longer.
    async fn leave(&self, body: &mut EngineBody) -> Result<HeaderMap> {
        let satisfied = self.pipe.is_satisfied();
        if satisfied || !body.is_http2() {
            let patience = if satisfied { AFTER_THE_MARK } else { LAST_CHANCE };
            let _ = tokio::time::timeout(patience, body.drain()).await;
        }
        if satisfied {
            return Ok(body.trailers());
        }
        Err(Error::new(Status::Cancelled, "response: was freed before its body had come whole")
            .phase(Phase::Body)
            .delivery(Delivery::ResponseStarted))
    }
}
