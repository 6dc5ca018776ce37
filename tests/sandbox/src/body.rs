//! Response bodies, whole or cut short by a fault.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::connection::{Connection, End, FlushWatch};
use crate::ledger::Running;
use crate::permits::Permit;
use crate::stats::Exchange;
use crate::stream::EventStream;

const FILL_CHUNK: usize = 64 * 1024;
static LETTERS: [u8; FILL_CHUNK] = [b'a'; FILL_CHUNK];
static SPACES: [u8; FILL_CHUNK] = [b' '; FILL_CHUNK];

/// Where the bytes of a body come from.
pub enum Content {
    Whole(Bytes),
    /// So many letters; `sized` says whether the length is announced.
    Letters {
        left: u64,
        sized: bool,
    },
    Events(Box<EventStream>),
}

impl Content {
    /// The length to announce, if it is known ahead.
    fn len(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) => Some(bytes.len() as u64),
            Self::Letters { left, sized } => sized.then_some(*left),
            Self::Events(_) => None,
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Letters { left, .. } => *left == 0,
            Self::Events(stream) => stream.is_end(),
        }
    }

    /// The same body with a proper end after so many bytes.
    pub fn end_at(&mut self, limit: u64) {
        match self {
            Self::Whole(bytes) => bytes.truncate(usize::try_from(limit).unwrap_or(usize::MAX)),
            Self::Letters { left, .. } => *left = limit.min(*left),
            Self::Events(stream) => stream.end_at(limit),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match self {
            Self::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then_some(bytes))
            }
            Self::Letters { left, .. } => Poll::Ready(fill(&LETTERS, left)),
            Self::Events(stream) => stream.poll_next(cx),
        }
    }
}

fn fill(chunk: &'static [u8], left: &mut u64) -> Option<Bytes> {
    let len = usize::try_from(*left).map_or(chunk.len(), |left| left.min(chunk.len()));
    *left -= len as u64;
    (len > 0).then(|| Bytes::from_static(&chunk[..len]))
}

/// What happens where a body is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutEnd {
    /// RST on the connection.
    Reset,
    /// FIN on the connection; over HTTP/2, a reset of the stream.
    Truncate,
    /// Nothing, until the client goes away.
    Stall,
}

/// Ends a body early, after what came before has gone to the socket.
pub struct Cut {
    end: CutEnd,
    left: u64,
    /// The announced length: always more than is sent.
    len: Option<u64>,
    sent: u64,
    connection: Arc<Connection>,
    state: CutState,
}

enum CutState {
    Sending(FlushWatch),
    Flushing(Pin<Box<dyn Future<Output = ()> + Send>>),
    Done,
}

impl Cut {
    /// Cuts after `limit` bytes, or at the end of a content that has no announced length.
    pub fn new(connection: &Arc<Connection>, content: &Content, limit: u64, end: CutEnd) -> Self {
        Self {
            end,
            left: limit,
            len: content.len().map(|len| len.max(limit.saturating_add(1))),
            sent: 0,
            connection: Arc::clone(connection),
            state: CutState::Sending(connection.watch_flush()),
        }
    }

    /// The next bytes before the cut; a sized content that is too short is filled up.
    fn poll_next(&mut self, content: &mut Content, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let mut bytes = match ready!(content.poll_next(cx)) {
            Some(bytes) => bytes,
            None if self.len.is_none() => return Poll::Ready(None),
            None => return Poll::Ready(fill(&SPACES, &mut self.left)),
        };
        if let Ok(left) = usize::try_from(self.left) {
            bytes.truncate(left);
        }
        self.left -= bytes.len() as u64;
        Poll::Ready(Some(bytes))
    }

    fn poll_end(&mut self, http2: bool, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        if self.end == CutEnd::Stall {
            return Poll::Pending;
        }
        loop {
            match std::mem::replace(&mut self.state, CutState::Done) {
                CutState::Sending(watch) => {
                    self.state = CutState::Flushing(Box::pin(watch.passed(self.sent)));
                }
                CutState::Flushing(mut flushing) => {
                    if flushing.as_mut().poll(cx).is_pending() {
                        self.state = CutState::Flushing(flushing);
                        return Poll::Pending;
                    }
                }
                CutState::Done => break,
            }
        }
        match self.end {
            CutEnd::Truncate if http2 => Poll::Ready(Some(io::ErrorKind::UnexpectedEof.into())),
            CutEnd::Truncate => {
                self.connection.end(End::Close);
                Poll::Pending
            }
            CutEnd::Reset | CutEnd::Stall => {
                self.connection.end(End::Reset);
                Poll::Pending
            }
        }
    }
}

/// A response body that counts its exchange as finished with its last byte.
pub struct Body {
    content: Content,
    cut: Option<Cut>,
    exchange: Option<Exchange>,
    /// What is done with the connection once the body is through.
    after: Option<(Arc<Connection>, After)>,
    held: Held,
    http2: bool,
}

/// What the end of a response does to its connection.
pub enum After {
    Drain,
    /// The next request on it finds it closed.
    DropNext,
    /// Closed when it has been idle for so long.
    DropIdle(Duration),
}

/// What a request holds until the end of its response.
pub type Held = (Option<Arc<Permit>>, Option<Running>);

impl Body {
    /// A body outside all counts, for control calls.
    pub fn uncounted(content: Content) -> Self {
        Self { content, cut: None, exchange: None, after: None, held: Held::default(), http2: false }
    }

    pub fn counted(content: Content, exchange: Exchange, http2: bool) -> Self {
        Self { exchange: Some(exchange), http2, ..Self::uncounted(content) }
    }

    pub fn with_cut(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// Does that to the connection once the body is through.
    pub fn then(mut self, connection: &Arc<Connection>, after: After) -> Self {
        self.after = Some((Arc::clone(connection), after));
        self
    }

    pub fn holding(mut self, held: Held) -> Self {
        self.held = held;
        self
    }

    /// Finishes the exchange if no byte of a body will be asked for.
    pub fn finish_if_empty(&mut self, no_body: bool) {
        if no_body || (self.cut.is_none() && self.content.is_end()) {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            if let Content::Events(stream) = &self.content {
                if stream.is_completed() {
                    exchange.stats().streams_completed.add(1);
                }
            }
            exchange.finish();
        }
        self.exchange = None;
        // Given back before the last bytes leave: a client that has them may ask again.
        self.held = Held::default();
        match self.after.take() {
            Some((connection, After::Drain)) => connection.drain(),
            Some((connection, After::DropNext)) => connection.drop_next(),
            Some((connection, After::DropIdle(idle))) => connection.drop_idle(idle),
            None => {}
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        let Some(cut) = &mut this.cut else {
            let next = ready!(this.content.poll_next(cx));
            if this.content.is_end() {
                this.finish();
            }
            return Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))));
        };
        if let Some(bytes) = ready!(cut.poll_next(&mut this.content, cx)) {
            cut.sent += bytes.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        cut.poll_end(this.http2, cx).map(|error| error.map(Err::<Frame<Bytes>, io::Error>))
    }

    fn is_end_stream(&self) -> bool {
        self.cut.is_none() && self.content.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        let len = match &self.cut {
            Some(cut) => cut.len,
            None => self.content.len(),
        };
        len.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
