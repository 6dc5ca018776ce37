//! A request's body over HTTP/2.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use tokio::sync::oneshot;

/// How long the rest of a request may still go out when its response has been read.
const SETTLES: Duration = Duration::from_secs(1);

/// A request's body on its way out.
pub struct Outflow<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// Taken from the body, and not yet by the peer's window.
    piece: Option<Bytes>,
}

impl<B: Body<Data = Bytes> + Unpin> Outflow<B> {
    pub fn new(body: B, stream: SendStream<Bytes>) -> Self {
        Outflow { body, stream, piece: None }
    }

    /// Ready when nothing more goes out, for whatever reason: the response tells what is to be known of it.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.poll_pieces(cx) {
            // A peer that has answered may want no more of it: RST_STREAM with NO_ERROR.
            Poll::Pending => self.stream.poll_reset(cx).map(drop),
            Poll::Ready(()) => Poll::Ready(()),
        }
    }

    fn poll_pieces(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.piece.is_some() {
                while self.stream.capacity() == 0 {
                    if !matches!(ready!(self.stream.poll_capacity(cx)), Some(Ok(_))) {
                        return Poll::Ready(());
                    }
                }
                let piece = self.piece.take().unwrap_or_default();
                let last = self.body.is_end_stream();
                if self.stream.send_data(piece, last).is_err() || last {
                    return Poll::Ready(());
                }
            }
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // One byte is asked for: h2 asks for the rest of the piece, and the window is not kept from others.
                    self.piece = frame.into_data().ok();
                    if self.piece.as_ref().is_some_and(|piece| !piece.is_empty()) {
                        self.stream.reserve_capacity(1);
                    } else if self.piece.take().is_some() && self.body.is_end_stream() {
                        let _ = self.stream.send_data(Bytes::new(), true);
                        return Poll::Ready(());
                    }
                }
                Some(Err(_)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(());
                }
                None => {
                    let _ = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// The head has come before all was sent: the rest goes out beside the response, and a little longer. A reader that gives
    /// up ends it at once; what is dropped unfinished resets the stream.
    pub async fn go_on(mut self, reading: oneshot::Receiver<()>) {
        let mut sent = pin!(poll_fn(|cx| self.poll(cx)));
        tokio::select! {
            () = sent.as_mut() => {}
            read = reading => if read.is_ok() {
                let _ = tokio::time::timeout(SETTLES, sent).await;
            }
        }
    }
}
