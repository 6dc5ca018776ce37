//! What a caller reads out of a body: bytes, or the events of a stream; the first kind asked for is the only one.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::events::{Event, Events, Format, TooLarge};
use super::pipe::{Pipe, Pulled};
use super::reply::Dialect;
use crate::error::{Delivery, Error, Phase, Result, Status};
use crate::metrics::TokenTimes;

/// Reads one body, for one thread at a time.
pub struct Reader {
    source: Source,
    plan: Plan,
    kind: Kind,
}

/// How events are to be read.
#[derive(Clone, Default)]
pub struct Plan {
    /// `None`: the content type says no framing we know.
    pub format: Option<Format>,
    /// Most bytes of one event.
    pub most: usize,
    /// Data of the event that ends a whole stream; empty where nothing does.
    pub end_marker: Bytes,
    /// How the provider writes its answers, where a client asked.
    pub dialect: Option<Arc<dyn Dialect>>,
    /// Where the times of its parts are counted.
    pub token_times: Option<Arc<TokenTimes>>,
}

enum Source {
    Whole(Bytes),
    Stream(Arc<Pipe>),
}

enum Kind {
    /// Nothing was read yet.
    Any,
    Bytes,
    Events {
        events: Box<Events>,
        marked: bool,
        finished: bool,
    },
}

impl Reader {
    pub fn of_whole(body: Bytes, plan: Plan) -> Reader {
        Reader { source: Source::Whole(body), plan, kind: Kind::Any }
    }

    pub fn of_stream(pipe: Arc<Pipe>, plan: Plan) -> Reader {
        Reader { source: Source::Stream(pipe), plan, kind: Kind::Any }
    }

    /// Copies the next bytes to `buf`, which has room for one at least: how many.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<Pulled<usize>> {
        match self.kind {
            Kind::Any => self.kind = Kind::Bytes,
            Kind::Bytes => {}
            Kind::Events { .. } => return Err(mixed("events")),
        }
        self.source.pull(|bytes| {
            let length = bytes.len().min(buf.len());
            buf[..length].copy_from_slice(&bytes[..length]);
            (length, length)
        })
    }

    /// Reads on to the end of the next event, which `event` shows then.
    pub fn next_event(&mut self) -> Result<Pulled<()>> {
        self.begin_events()?;
        let Reader { source, plan, kind: Kind::Events { events, marked, finished } } = self else {
            return Err(mixed("bytes"));
        };
        loop {
            let fed = source.pull(|bytes| {
                let mut rest = bytes;
                let complete = events.feed(&mut rest);
                (bytes.len() - rest.len(), complete)
            })?;
            match fed {
                Pulled::Got(complete) if complete.map_err(|_: TooLarge| too_large(plan.most))? => {
                    *marked |= !plan.end_marker.is_empty() && events.event().data.as_bytes() == plan.end_marker;
                    return Ok(Pulled::Got(()));
                }
                Pulled::Got(_) => {}
                Pulled::Nothing => return Ok(Pulled::Nothing),
                Pulled::End if *finished => return plan.verdict(*marked),
                Pulled::End => {
                    *finished = true;
                    // By the standard an event without its blank line is none; but servers of AI forget the last one.
                    if events.finish() && plan.shows_unfinished() {
                        *marked |= !plan.end_marker.is_empty() && events.event().data.as_bytes() == plan.end_marker;
                        return Ok(Pulled::Got(()));
                    }
                }
            }
        }
    }

    /// The event read last.
    pub fn event(&self) -> Option<Event<'_>> {
        match &self.kind {
            Kind::Events { events, .. } => Some(events.event()),
            _ => None,
        }
    }

    fn begin_events(&mut self) -> Result<()> {
        if let Kind::Any = self.kind {
            let format = self.plan.format.ok_or_else(no_events)?;
            let events = Box::new(Events::new(format, self.plan.most));
            self.kind = Kind::Events { events, marked: false, finished: false };
        }
        Ok(())
    }
}

impl Plan {
    /// A line at the end of NDJSON is a line; in SSE it counts where the caller knows how the stream ends.
    fn shows_unfinished(&self) -> bool {
        self.format == Some(Format::Ndjson) || !self.end_marker.is_empty() || self.dialect.is_some()
    }

    fn verdict(&self, marked: bool) -> Result<Pulled<()>> {
        if marked || self.end_marker.is_empty() {
            return Ok(Pulled::End);
        }
        let message = "end_marker: the stream ended without it, though in good order; what came is all there is";
        Err(in_body(Status::Truncated, message))
    }
}

impl Source {
    fn pull<T>(&mut self, take: impl FnOnce(&[u8]) -> (usize, T)) -> Result<Pulled<T>> {
        match self {
            Source::Stream(pipe) => pipe.pull(take),
            Source::Whole(bytes) if bytes.is_empty() => Ok(Pulled::End),
            Source::Whole(bytes) => {
                let (taken, made) = take(bytes);
                bytes.advance(taken);
                Ok(Pulled::Got(made))
            }
        }
    }
}

fn in_body(status: Status, message: impl Into<String>) -> Error {
    Error::new(status, message).phase(Phase::Body).delivery(Delivery::ResponseStarted)
}

fn mixed(before: &str) -> Error {
    Error::invalid("response", format_args!("is being read as {before}; one response is read one way only"))
}

fn no_events() -> Error {
    Error::invalid(
        "response",
        "has a content-type that is neither text/event-stream nor NDJSON; read its bytes, or set event_format",
    )
}

fn too_large(most: usize) -> Error {
    let message = format!("max_event_bytes: an event is over {most} bytes; raise it, or read bytes");
    in_body(Status::TooLarge, message)
}
