//! A request's body over HTTP/2: sent as far as the peer's flow control lets it.

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
pub struct RequestBodySender<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// Taken from the body, and not yet by the peer's window.
    piece: Option<Bytes>,
}

impl<B: Body<Data = Bytes> + Unpin> RequestBodySender<B> {
    pub fn new(body: B, stream: SendStream<Bytes>) -> Self {
        RequestBodySender { body, stream, piece: None }
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
    pub async fn send_rest(mut self, reading: oneshot::Receiver<()>) {
        let mut sent = pin!(poll_fn(|cx| self.poll(cx)));
        tokio::select! {
            () = sent.as_mut() => {}
            read = reading => if read.is_ok() {
                let _ = tokio::time::timeout(SETTLES, sent).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Response;
    use tokio::sync::Notify;

    use super::super::test_server::{answer, request, served};
    use super::*;

    const BIG: usize = 1 << 20;

    #[tokio::test]
    async fn a_big_body_goes_on_behind_an_early_head_and_arrives_whole() {
        let handle = served(|request, mut respond| async move {
            let mut sending = respond.send_response(Response::new(()), false).unwrap();
            assert_eq!(request.headers()["content-length"], BIG.to_string());
            let (mut incoming, mut length) = (request.into_body(), 0);
            while let Some(data) = incoming.data().await {
                let data = data.unwrap();
                length += data.len();
                incoming.flow_control().release_capacity(data.len()).unwrap();
            }
            sending.send_data(length.to_string().into(), true).unwrap();
        })
        .await;
        let mut body = handle.send(&mut Some(request("/", vec![b'x'; BIG]))).await.ok().unwrap().into_body();
        assert_eq!(body.next().await.unwrap().unwrap(), BIG.to_string());
        assert!(body.is_at_end());
    }

    #[tokio::test(start_paused = true)]
    async fn what_still_goes_out_behind_a_whole_answer_ends_soon_and_at_once_where_it_is_given_up() {
        for given_up in [false, true] {
            let reset = Arc::new(Notify::new());
            let builder = reset.clone();
            let handle = served(move |request, mut respond| {
                let builder = builder.clone();
                async move {
                    if given_up {
                        let _sending = respond.send_response(Response::new(()), false).unwrap();
                        ends(request.into_body(), &builder).await;
                    } else {
                        answer(&mut respond, "enough");
                        ends(request.into_body(), &builder).await;
                    }
                }
            })
            .await;
            let mut body = handle.send(&mut Some(request("/", vec![b'x'; BIG]))).await.ok().unwrap().into_body();
            let begun = tokio::time::Instant::now();
            if !given_up {
                assert_eq!(body.next().await.unwrap().unwrap(), "enough");
            }
            drop(body);
            reset.notified().await;
            let wanted = if given_up { Duration::ZERO } else { SETTLES };
            assert_eq!(begun.elapsed().as_secs(), wanted.as_secs());
        }
    }

    /// Takes no bytes, and tells when the body is cut off.
    async fn ends(mut body: h2::RecvStream, builder: &Notify) {
        while let Some(data) = body.data().await {
            if let Err(error) = data {
                assert_eq!(error.reason(), Some(Reason::CANCEL));
                return builder.notify_one();
            }
        }
    }

    #[tokio::test]
    async fn a_reset_without_error_behind_a_whole_answer_ends_the_body_quietly() {
        // A server of h2's that lets go of a request it has answered resets the rest of it like this.
        let handle = served(|_, mut respond| async move { answer(&mut respond, "enough") }).await;
        for _ in 0..3 {
            let mut body = handle.send(&mut Some(request("/", vec![b'x'; BIG]))).await.ok().unwrap().into_body();
            assert_eq!(body.next().await.unwrap().unwrap(), "enough");
            assert!(body.next().await.unwrap().is_none());
        }
    }
}
