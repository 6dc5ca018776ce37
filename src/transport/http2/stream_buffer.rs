//! The buffer of one stream: filled at the end of the connection's poll, emptied by who reads it.
//!
//! h2 keeps every frame by itself, at many times the size of a small one. A reader's task may be late, so it is the connection
//! that takes them out: of all streams, before it reads on.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http::response::Parts;
use tokio::sync::oneshot;

use super::frame_buffer::FrameBuffer;
use super::{ConnectionShared, StreamGuard};
use crate::lock::lock;
use crate::transport::failure::Cause;

/// Shared by the reader and the connection, which is told of it by h2.
pub struct StreamBuffer {
    shared: Arc<ConnectionShared>,
    window: usize,
    /// h2 told of something between two polls, or was never asked: the reader asks it.
    ask: AtomicBool,
    waiting: Mutex<Option<Waker>>,
    state: Mutex<StreamState>,
}

/// Locked before h2 is asked, and never by whom h2 wakes: h2 holds its own lock then.
struct StreamState {
    flow: Flow,
    head: Option<Parts>,
    arrived: FrameBuffer,
    /// What the peer may send again once the reader has it.
    held: u32,
    /// How many bytes are to arrive, where the server said so.
    left: Option<u64>,
    /// Nobody takes soon what arrives.
    paused: bool,
    /// A stream at its end, with what its window owes. It goes with the reader: in the connection's poll it would cost that another.
    spent: Option<RecvStream>,
    /// The request is still going out, and wants to know how this ends.
    on_end: Option<oneshot::Sender<()>>,
}

/// What is still to come.
enum Flow {
    Asked(ResponseFuture, StreamGuard),
    Open {
        stream: RecvStream,
        _counted: StreamGuard,
    },
    Failed(Box<Cause>),
    /// With its trailers.
    Ended(Option<Box<HeaderMap>>),
}

/// The reader's hold: without it the stream is given up.
pub struct StreamReader(Arc<StreamBuffer>);

impl StreamReader {
    pub fn new(shared: &Arc<ConnectionShared>, head: ResponseFuture, window: u32) -> StreamReader {
        let state = StreamState {
            flow: Flow::Asked(head, StreamGuard::new(shared)),
            head: None,
            arrived: FrameBuffer::NOTHING,
            held: 0,
            left: None,
            paused: false,
            spent: None,
            on_end: None,
        };
        let (ask, waiting) = (AtomicBool::new(true), Mutex::default());
        let (shared, window) = (shared.clone(), window as usize);
        StreamReader(Arc::new(StreamBuffer { shared, window, ask, waiting, state: Mutex::new(state) }))
    }
}

impl Deref for StreamReader {
    type Target = Arc<StreamBuffer>;

    fn deref(&self) -> &Arc<StreamBuffer> {
        &self.0
    }
}

impl Drop for StreamReader {
    /// h2 holds on to the buffer as to whom it wakes, and may let go of that under its own lock: so nothing of h2's stays in it.
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let flow = std::mem::replace(&mut state.flow, Flow::Ended(None));
        let given_up = (flow, state.spent.take(), state.on_end.take());
        drop(state);
        drop(given_up);
        let waker = lock(&self.waiting).take();
        drop(waker);
    }
}

impl StreamBuffer {
    /// What h2 is to wake in place of `cx`.
    pub fn waker_for(self: &Arc<Self>, cx: &Context<'_>) -> Waker {
        self.listen(cx);
        Waker::from(self.clone())
    }

    fn listen(&self, cx: &Context<'_>) {
        let mut waiting = lock(&self.waiting);
        if !waiting.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waiting = Some(cx.waker().clone());
        }
    }

    /// The head, once; or why none came.
    pub fn poll_head(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Result<Parts, Cause>> {
        let mut state = lock(&self.state);
        if state.head.is_none() {
            self.look(cx, &mut state);
        }
        if let Some(head) = state.head.take() {
            return Poll::Ready(Ok(head));
        }
        state.take_failure().map_or(Poll::Pending, |cause| Poll::Ready(Err(cause)))
    }

    /// All that has arrived, or `None` at a proper end.
    pub fn poll_next(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Cause>> {
        let mut state = lock(&self.state);
        state.paused = false;
        if state.arrived.is_empty() {
            self.look(cx, &mut state);
        }
        if let Some(bytes) = state.arrived.take() {
            let held = std::mem::take(&mut state.held);
            if let Flow::Open { stream, .. } = &mut state.flow {
                let _ = stream.flow_control().release_capacity(held as usize);
            }
            return Poll::Ready(Ok(Some(bytes)));
        }
        if let Some(cause) = state.take_failure() {
            return Poll::Ready(Err(cause));
        }
        if matches!(state.flow, Flow::Ended(_)) { Poll::Ready(Ok(None)) } else { Poll::Pending }
    }

    /// Listens before it looks whether h2 has anything to tell, so that none of it is lost.
    fn look(self: &Arc<Self>, cx: &Context<'_>, state: &mut StreamState) {
        self.listen(cx);
        if self.ask.swap(false, Ordering::SeqCst) {
            self.gather(state);
        }
    }

    /// The reader takes nothing for a while. What arrives is kept for it, and the peer may send no more.
    pub fn pause(&self) {
        let mut state = lock(&self.state);
        if !std::mem::replace(&mut state.paused, true) {
            state.arrived.keep(self.window);
        }
        drop(state);
        let waker = lock(&self.waiting).take();
        drop(waker);
    }

    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        let state = lock(&self.state);
        state.left.map(|left| left + u64::from(state.held))
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        let state = lock(&self.state);
        matches!(state.flow, Flow::Ended(_)) && state.arrived.is_empty()
    }

    /// What came behind the body, once.
    pub fn take_trailers(&self) -> Option<HeaderMap> {
        match &mut lock(&self.state).flow {
            Flow::Ended(trailers) => trailers.take().map(|trailers| *trailers),
            _ => None,
        }
    }

    /// `ended` is told of a proper end.
    pub fn on_end(&self, ended: oneshot::Sender<()>) {
        let mut state = lock(&self.state);
        if let Flow::Ended(_) = state.flow {
            let _ = ended.send(());
        } else {
            state.on_end = Some(ended);
        }
    }

    // ---- At the connection ----

    /// Takes all that h2 has of the stream.
    pub fn fill(self: &Arc<Self>) {
        self.gather(&mut lock(&self.state));
    }

    pub fn wake_reader(&self) {
        // Without the lock.
        let waker = lock(&self.waiting).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What is here: its length, and the room that it takes where it is joined.
    #[cfg(test)]
    pub fn joined(&self) -> (usize, usize) {
        match &lock(&self.state).arrived {
            FrameBuffer::Joined(joined) => (joined.len(), joined.capacity()),
            FrameBuffer::Frame(frame) => (frame.len(), 0),
        }
    }

    fn gather(self: &Arc<Self>, state: &mut StreamState) {
        let waker = Waker::from(self.clone());
        let cx = &mut Context::from_waker(&waker);
        if let Flow::Asked(head, _) = &mut state.flow {
            match Pin::new(head).poll(cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(response)) => state.headed(response),
                Poll::Ready(Err(error)) => return state.fail(self.shared.cause(error)),
            }
        }
        let Flow::Open { stream, .. } = &mut state.flow else { return };
        let end = loop {
            match stream.poll_data(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(data))) => {
                    state.held += data.len() as u32;
                    state.left = state.left.map(|left| left.saturating_sub(data.len() as u64));
                    state.arrived.push(data, state.paused, self.window);
                }
                Poll::Ready(Some(Err(error))) => break Err(error),
                Poll::Ready(None) => match stream.poll_trailers(cx) {
                    Poll::Pending => return,
                    Poll::Ready(trailers) => break trailers,
                },
            }
        };
        match end {
            Ok(trailers) => state.end(trailers),
            // An early answer is whole, unless it said that more would come (RFC 9113, 8.1).
            Err(error) if error.reason() == Some(Reason::NO_ERROR) && state.left.is_none_or(|left| left == 0) => {
                state.end(None);
            }
            Err(error) => state.fail(self.shared.cause(error)),
        }
    }
}

impl StreamState {
    fn headed(&mut self, response: http::Response<RecvStream>) {
        let (head, stream) = response.into_parts();
        let ended = stream.is_end_stream();
        self.left = content_length(&head.headers).or(ended.then_some(0));
        self.head = Some(head);
        let Flow::Asked(_, counted) = std::mem::replace(&mut self.flow, Flow::Ended(None)) else { return };
        if ended {
            self.spent = Some(stream);
        } else {
            self.flow = Flow::Open { stream, _counted: counted };
        }
    }

    /// Nothing more comes.
    fn end(&mut self, trailers: Option<HeaderMap>) {
        let ended = Flow::Ended(trailers.map(Box::new));
        if let Flow::Open { stream, .. } = std::mem::replace(&mut self.flow, ended) {
            self.spent = Some(stream);
        }
        if let Some(ended) = self.on_end.take() {
            let _ = ended.send(());
        }
    }

    fn fail(&mut self, cause: Cause) {
        self.flow = Flow::Failed(Box::new(cause));
    }

    /// Once.
    fn take_failure(&mut self) -> Option<Cause> {
        if !matches!(self.flow, Flow::Failed(_)) {
            return None;
        }
        match std::mem::replace(&mut self.flow, Flow::Ended(None)) {
            Flow::Failed(cause) => Some(*cause),
            _ => None,
        }
    }
}

impl Wake for StreamBuffer {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    /// By h2, under its lock.
    fn wake_by_ref(self: &Arc<Self>) {
        if !self.shared.woken.defer(self) {
            self.ask.store(true, Ordering::SeqCst);
            self.wake_reader();
        }
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    let mut told = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for digits in value.to_str().ok()?.split(',') {
            let digits = digits.trim();
            let length = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
            if told.is_some_and(|told| told != length) {
                return None;
            }
            told = Some(length);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn lengths_that_disagree_are_none() {
        for (told, wanted) in
            [(&["5"][..], Some(5)), (&["5", "5"], Some(5)), (&["5, 5"], Some(5)), (&["5", "6"], None), (&["+5"], None)]
        {
            let mut headers = HeaderMap::new();
            for value in told {
                headers.append(CONTENT_LENGTH, HeaderValue::from_static(value));
            }
            assert_eq!(content_length(&headers), wanted, "{told:?}");
        }
    }
}
