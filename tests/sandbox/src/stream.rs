//! A body of events, and the ways it departs from the plain course.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;

/// The events of a stream, made as they are asked for.
pub type Events = Box<dyn Iterator<Item = Bytes> + Send>;

pub const DONE: &str = "data: [DONE]\n\n";

/// How a stream departs from the plain course.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// The pause between two pieces.
    pub drip: Option<Duration>,
    pub no_done: bool,
    /// How many events are sent before the connection is cut.
    pub cut_after: Option<u64>,
    /// How many events are sent before a proper end.
    pub end_after: Option<u64>,
    /// Events go out in pieces of so many bytes.
    pub split: Option<usize>,
    pub comments: bool,
    pub line_end: Option<&'static str>,
    pub bom: bool,
    /// The body never ends, though all events have been sent.
    pub linger: bool,
}

/// Sends events at their pace.
pub struct EventStream {
    events: Events,
    /// Made ahead, so that the end is known with the last piece.
    pieces: VecDeque<Bytes>,
    pace: Pace,
    pause: Option<Pin<Box<Sleep>>>,
    left: Option<u64>,
}

impl EventStream {
    pub fn new(events: Events, pace: Pace) -> Self {
        let mut stream = Self { events: dressed(events, pace), pieces: VecDeque::new(), pace, pause: None, left: None };
        stream.refill();
        stream
    }

    /// The same body with a proper end after so many bytes.
    pub fn end_at(&mut self, bytes: u64) {
        self.left = Some(bytes);
        self.trim();
    }

    pub fn cut_after(&self) -> Option<u64> {
        self.pace.cut_after
    }

    pub fn is_end(&self) -> bool {
        self.pieces.is_empty() && !self.pace.linger
    }

    /// Whether all events have been sent, the last of them included.
    pub fn is_completed(&self) -> bool {
        let whole = self.left.is_none() && self.pace.end_after.is_none() && self.pace.cut_after.is_none();
        self.is_end() && whole && !self.pace.no_done
    }

    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.pieces.is_empty() {
            return if self.pace.linger { Poll::Pending } else { Poll::Ready(None) };
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
        }
        let piece = self.pieces.pop_front();
        self.refill();
        self.trim();
        self.pause = self.pace.drip.map(|drip| Box::pin(tokio::time::sleep(drip)));
        Poll::Ready(piece)
    }

    fn refill(&mut self) {
        while self.pieces.is_empty() {
            let Some(mut event) = self.events.next() else { return };
            while let Some(split) = self.pace.split.filter(|split| *split < event.len()) {
                self.pieces.push_back(event.split_to(split));
            }
            self.pieces.push_back(event);
        }
    }

    /// Shortens the piece that goes next to what is left before the end.
    fn trim(&mut self) {
        let (Some(left), Some(piece)) = (&mut self.left, self.pieces.front_mut()) else { return };
        let fits = usize::try_from(*left).map_or(piece.len(), |left| left.min(piece.len()));
        piece.truncate(fits);
        *left -= fits as u64;
        if fits == 0 {
            self.pieces.clear();
            self.events = Box::new(std::iter::empty());
        }
    }
}

/// The events as they are written: without their end, between comments, with other line ends.
fn dressed(events: Events, pace: Pace) -> Events {
    let mut events = events;
    if pace.no_done {
        events = Box::new(events.filter(|event| event != DONE));
    }
    if let Some(count) = pace.cut_after.or(pace.end_after) {
        events = Box::new(events.take(usize::try_from(count).unwrap_or(usize::MAX)));
    }
    if pace.comments {
        let comment = Bytes::from_static(b": keep-alive\n\n");
        events = Box::new(events.flat_map(move |event| [comment.clone(), event]));
    }
    if let Some(line_end) = pace.line_end {
        let rewrite = move |event: Bytes| String::from_utf8_lossy(&event).replace('\n', line_end).into();
        events = Box::new(events.map(rewrite));
    }
    if pace.bom {
        events = Box::new(std::iter::once(Bytes::from_static(b"\xef\xbb\xbf")).chain(events));
    }
    events
}

/// An event without a name.
pub fn event(data: &str) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}
