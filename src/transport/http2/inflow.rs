//! A response's body over HTTP/2: what arrives is joined, and the peer's window opens again as it is read.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, RecvStream};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use tokio::sync::oneshot;

use super::{Open, Waiter};
use crate::error::Result;
use crate::transport::failure::{self, Cause};

/// What is still to come. With its end a stream is let go of, and so is what its window owes.
enum Flow {
    Open(RecvStream, Open),
    Failed(Box<Cause>),
    /// With its trailers.
    Ended(Option<Box<HeaderMap>>),
}

/// The rest of a response as it comes.
pub struct Inflow {
    flow: Flow,
    waiter: Waiter,
    arrived: Arrived,
    /// What the peer may send again once the reader has it.
    held: u32,
    window: u32,
    /// How many bytes are to come, where the server said so.
    left: Option<u64>,
    /// The request is still going out, and wants to know how this ends.
    rest: Option<oneshot::Sender<()>>,
}

impl Inflow {
    pub(super) fn new(
        headers: &HeaderMap,
        stream: RecvStream,
        (open, waiter): (Open, Waiter),
        rest: Option<oneshot::Sender<()>>,
        window: u32,
    ) -> Inflow {
        let ended = stream.is_end_stream();
        let left = content_length(headers).or(ended.then_some(0));
        let mut inflow =
            Inflow { flow: Flow::Open(stream, open), waiter, arrived: Arrived::NOTHING, held: 0, window, left, rest };
        if ended {
            inflow.end(Ok(None));
        }
        inflow
    }

    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        self.left
    }

    /// All that has arrived, or `None` at a proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        self.gather(cx, false);
        if let Some(bytes) = self.arrived.take() {
            let held = std::mem::take(&mut self.held);
            if let Flow::Open(stream, _) = &mut self.flow {
                let _ = stream.flow_control().release_capacity(held as usize);
            }
            return Poll::Ready(Ok(Some(bytes)));
        }
        match &self.flow {
            Flow::Open(..) => Poll::Pending,
            Flow::Ended(_) => Poll::Ready(Ok(None)),
            Flow::Failed(cause) => {
                let failure = failure::in_body(cause);
                self.flow = Flow::Ended(None);
                Poll::Ready(Err(failure))
            }
        }
    }

    /// Takes what arrives for a reader that is paused. The peer may send no more for it.
    pub fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        self.gather(cx, true);
        Poll::Pending
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        matches!(self.flow, Flow::Ended(_)) && self.arrived.is_empty()
    }

    /// What came behind the body, once.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        match &mut self.flow {
            Flow::Ended(trailers) => trailers.take().map(|trailers| *trailers),
            _ => None,
        }
    }

    /// Takes all frames that are there; `keep` when nobody takes them soon.
    fn gather(&mut self, cx: &mut Context<'_>, keep: bool) {
        let waker = self.waiter.stands_for(cx);
        let cx = &mut Context::from_waker(&waker);
        let Flow::Open(stream, _) = &mut self.flow else { return };
        let end = loop {
            match stream.poll_data(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(data))) => {
                    self.held += data.len() as u32;
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    self.arrived.push(data, keep, self.window as usize);
                }
                Poll::Ready(Some(Err(error))) => break Err(error),
                Poll::Ready(None) => match stream.poll_trailers(cx) {
                    Poll::Pending => return,
                    Poll::Ready(trailers) => break trailers,
                },
            }
        };
        self.end(end);
    }

    /// Nothing more comes.
    fn end(&mut self, end: std::result::Result<Option<HeaderMap>, h2::Error>) {
        let Flow::Open(_, open) = &self.flow else { return };
        self.flow = match end {
            Ok(trailers) => Flow::Ended(trailers.map(Box::new)),
            // An early answer is whole, unless it said that more would come (RFC 9113, 8.1).
            Err(error) if error.reason() == Some(Reason::NO_ERROR) && self.left.is_none_or(|left| left == 0) => {
                Flow::Ended(None)
            }
            Err(error) => return self.flow = Flow::Failed(Box::new(open.0.cause(error))),
        };
        if let Some(rest) = self.rest.take() {
            let _ = rest.send(());
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

/// What came and was not taken: one frame as it is, or several in one buffer.
enum Arrived {
    Frame(Bytes),
    Joined(Vec<u8>),
}

impl Arrived {
    const NOTHING: Arrived = Arrived::Joined(Vec::new());

    /// A frame shares its memory with others that came with it, so what is to stay is copied.
    fn push(&mut self, data: Bytes, keep: bool, window: usize) {
        let (frame, mut joined) = match std::mem::replace(self, Arrived::NOTHING) {
            Arrived::Joined(joined) if joined.is_empty() && !keep => return *self = Arrived::Frame(data),
            Arrived::Joined(joined) => (Bytes::new(), joined),
            Arrived::Frame(frame) => (frame, Vec::new()),
        };
        let needed = joined.len() + frame.len() + data.len();
        if needed > joined.capacity() {
            // Doubled, as vectors are, but not beyond what can come.
            let room = (joined.capacity() * 2).min(window).max(needed);
            joined.reserve_exact(room - joined.len());
        }
        joined.extend_from_slice(&frame);
        joined.extend_from_slice(&data);
        *self = Arrived::Joined(joined);
    }

    fn take(&mut self) -> Option<Bytes> {
        let bytes = match std::mem::replace(self, Arrived::NOTHING) {
            Arrived::Frame(frame) => frame,
            Arrived::Joined(joined) => joined.into(),
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    fn is_empty(&self) -> bool {
        match self {
            Arrived::Frame(frame) => frame.is_empty(),
            Arrived::Joined(joined) => joined.is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use h2::server::SendResponse;
    use http::{HeaderValue, Response};

    use super::super::rig::{WINDOW, answer, request, served};
    use super::*;

    /// A model's tokens, for as long as the reader takes them.
    async fn tokens(mut respond: SendResponse<Bytes>, sent: Arc<AtomicUsize>) {
        let mut sending = respond.send_response(Response::new(()), false).unwrap();
        loop {
            sending.reserve_capacity(4);
            while sending.capacity() < 4 {
                if poll_fn(|cx| sending.poll_capacity(cx)).await.is_none() {
                    return;
                }
            }
            sending.send_data(Bytes::from_static(b"word"), false).unwrap();
            sent.fetch_add(4, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    }

    /// Until the peer can send no more for all that others do.
    async fn drain(inflow: &mut Inflow, sent: &AtomicUsize) {
        let jammed = async {
            let mut before = usize::MAX;
            while before != sent.load(Ordering::SeqCst) {
                before = sent.load(Ordering::SeqCst);
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            never = poll_fn(|cx| inflow.poll_drain(cx)) => match never {},
            () = jammed => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_stream_costs_its_window_and_holds_up_nobody() {
        let sent = Arc::new(AtomicUsize::new(0));
        let counting = sent.clone();
        let way = served(move |request, mut respond| {
            let sent = counting.clone();
            async move {
                if request.uri().path() == "/tokens" {
                    tokens(respond, sent).await;
                } else {
                    answer(&mut respond, "ok");
                }
            }
        })
        .await;
        let mut paused = way.send(&mut Some(request("/tokens", "x"))).await.ok().unwrap().into_body();
        for round in 1..=3 {
            drain(&mut paused, &sent).await;
            assert_eq!(sent.load(Ordering::SeqCst), round * WINDOW);
            let Arrived::Joined(joined) = &paused.arrived else { panic!("a frame stayed") };
            assert_eq!((joined.len(), joined.capacity()), (WINDOW, WINDOW));
            let mut sibling = way.send(&mut Some(request("/", "x"))).await.ok().unwrap().into_body();
            assert_eq!(sibling.next().await.unwrap().unwrap(), "ok");
            assert!(sibling.is_at_end() && sibling.next().await.unwrap().is_none());
            let all = paused.next().await.unwrap().unwrap();
            assert_eq!((all.len(), &all[..8]), (WINDOW, &b"wordword"[..]));
        }
        assert!(!paused.is_at_end());
    }

    #[tokio::test]
    async fn what_arrives_together_comes_together_and_trailers_behind_it() {
        let way = served(|_, mut respond| async move {
            let mut sending = respond.send_response(Response::new(()), false).unwrap();
            for word in ["one ", "", "two ", "three"] {
                sending.send_data(word.into(), false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-usage", HeaderValue::from_static("3"));
            sending.send_trailers(trailers).unwrap();
        })
        .await;
        let mut inflow = way.send(&mut Some(request("/", "x"))).await.ok().unwrap().into_body();
        let mut came = Vec::new();
        while let Some(bytes) = inflow.next().await.unwrap() {
            came.extend_from_slice(&bytes);
        }
        assert_eq!(came, b"one two three");
        assert!(inflow.is_at_end());
        assert_eq!(inflow.take_trailers().unwrap()["x-usage"], "3");
        assert!(inflow.take_trailers().is_none() && inflow.next().await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_a_reset_is_given_before_its_failure() {
        for (reason, length, whole) in
            [(Reason::INTERNAL_ERROR, None, false), (Reason::NO_ERROR, None, true), (Reason::NO_ERROR, Some(9), false)]
        {
            let way = served(move |_, mut respond| async move {
                let mut head = Response::builder();
                if let Some(length) = length {
                    head = head.header(CONTENT_LENGTH, length);
                }
                let mut sending = respond.send_response(head.body(()).unwrap(), false).unwrap();
                sending.send_data("hello".into(), false).unwrap();
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                sending.send_reset(reason);
            })
            .await;
            let mut inflow = way.send(&mut Some(request("/", "x"))).await.ok().unwrap().into_body();
            assert_eq!(inflow.next().await.unwrap().unwrap(), "hello");
            assert_eq!(inflow.next().await.is_ok(), whole, "{reason:?} {length:?}");
            assert!(inflow.is_at_end());
        }
    }

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
