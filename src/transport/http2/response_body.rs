//! A response's body over HTTP/2, as its reader sees it.

use std::future::poll_fn;

use bytes::Bytes;
use http::HeaderMap;

use super::stream_buffer::StreamReader;
use crate::error::Result;
use crate::transport::failure;

/// The rest of a response as it comes; dropped, it resets the stream.
pub struct ResponseBody(StreamReader);

impl ResponseBody {
    pub(super) fn new(reader: StreamReader) -> ResponseBody {
        ResponseBody(reader)
    }

    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        self.0.length()
    }

    /// All that has arrived, or `None` at a proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|cx| self.0.poll_next(cx)).await.map_err(|cause| failure::in_body(&cause))
    }

    /// For a reader that takes nothing until it asks again: the peer may send no more for it.
    pub fn pause(&mut self) {
        self.0.pause();
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        self.0.is_at_end()
    }

    /// What came behind the body, once.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.0.take_trailers()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Waker};

    use h2::Reason;
    use h2::server::SendResponse;
    use http::header::CONTENT_LENGTH;
    use http::{HeaderValue, Response};

    use super::super::SendHandle;
    use super::super::test_server::{WINDOW, answer, request, served};
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
    async fn jammed(sent: &AtomicUsize) {
        let mut before = usize::MAX;
        while before != sent.load(Ordering::SeqCst) {
            before = sent.load(Ordering::SeqCst);
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    }

    /// Serves tokens, counted, and whatever else is asked at once.
    async fn server_of_tokens(sent: &Arc<AtomicUsize>) -> Arc<SendHandle> {
        let counting = sent.clone();
        served(move |request, mut respond| {
            let sent = counting.clone();
            async move {
                if request.uri().path() == "/tokens" {
                    tokens(respond, sent).await;
                } else {
                    answer(&mut respond, "ok");
                }
            }
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_stream_costs_its_window_and_holds_up_nobody() {
        let sent = Arc::new(AtomicUsize::new(0));
        let handle = server_of_tokens(&sent).await;
        let mut paused = handle.send(&mut Some(request("/tokens", "x"))).await.ok().unwrap().into_body();
        for round in 1..=3 {
            paused.pause();
            jammed(&sent).await;
            assert_eq!(sent.load(Ordering::SeqCst), round * WINDOW);
            assert_eq!(paused.0.joined(), (WINDOW, WINDOW));
            let mut sibling = handle.send(&mut Some(request("/", "x"))).await.ok().unwrap().into_body();
            assert_eq!(sibling.next().await.unwrap().unwrap(), "ok");
            assert!(sibling.is_at_end() && sibling.next().await.unwrap().is_none());
            let all = paused.next().await.unwrap().unwrap();
            assert_eq!((all.len(), &all[..8]), (WINDOW, &b"wordword"[..]));
        }
        assert!(!paused.is_at_end());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_its_reader_is_held_back_is_out_of_h2_and_costs_its_window() {
        let sent = Arc::new(AtomicUsize::new(0));
        let handle = server_of_tokens(&sent).await;
        let readers: Vec<_> = (0..5)
            .map(|_| {
                let (reader, _) = handle.open(request("/tokens", "")).ok().unwrap();
                // Once, as in the poll that sends it; from then on nothing of the reader's runs.
                assert!(reader.poll_head(&mut Context::from_waker(Waker::noop())).is_pending());
                reader
            })
            .collect();
        jammed(&sent).await;
        assert_eq!(sent.load(Ordering::SeqCst), readers.len() * WINDOW);
        assert!(readers.iter().all(|reader| reader.joined() == (WINDOW, WINDOW)));
        let mut sibling = handle.send(&mut Some(request("/", "x"))).await.ok().unwrap().into_body();
        assert_eq!(sibling.next().await.unwrap().unwrap(), "ok");
        for reader in readers {
            assert!(poll_fn(|cx| reader.poll_head(cx)).await.is_ok());
            assert_eq!(ResponseBody::new(reader).next().await.unwrap().unwrap().len(), WINDOW);
        }
    }

    #[tokio::test]
    async fn what_arrives_together_comes_together_and_trailers_behind_it() {
        let handle = served(|_, mut respond| async move {
            let mut sending = respond.send_response(Response::new(()), false).unwrap();
            for word in ["one ", "", "two ", "three"] {
                sending.send_data(word.into(), false).unwrap();
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("x-usage", HeaderValue::from_static("3"));
            sending.send_trailers(trailers).unwrap();
        })
        .await;
        let mut body = handle.send(&mut Some(request("/", "x"))).await.ok().unwrap().into_body();
        let mut came = Vec::new();
        while let Some(bytes) = body.next().await.unwrap() {
            came.extend_from_slice(&bytes);
        }
        assert_eq!(came, b"one two three");
        assert!(body.is_at_end());
        assert_eq!(body.take_trailers().unwrap()["x-usage"], "3");
        assert!(body.take_trailers().is_none() && body.next().await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_a_reset_is_given_before_its_failure() {
        for (reason, length, whole) in
            [(Reason::INTERNAL_ERROR, None, false), (Reason::NO_ERROR, None, true), (Reason::NO_ERROR, Some(9), false)]
        {
            let handle = served(move |_, mut respond| async move {
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
            let mut body = handle.send(&mut Some(request("/", "x"))).await.ok().unwrap().into_body();
            assert_eq!(body.next().await.unwrap().unwrap(), "hello");
            assert_eq!(body.next().await.is_ok(), whole, "{reason:?} {length:?}");
            assert!(body.is_at_end());
        }
    }
}
