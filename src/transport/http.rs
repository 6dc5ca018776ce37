//! HTTP on a link: the handshake, sending a request, its response's body, and the driver that keeps the connection moving.
//! HTTP/1.1 is hyper's, HTTP/2 is `http2`'s.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use hyper::body::Incoming;

use super::failure::{self, Cause};
use super::http1::{self, Http1, Http1Task};
use super::http2;
use super::link::Stream;
use super::payload::Payload;
use crate::error::{Error, Result};

/// Most bytes of a response's head.
pub(super) const MOST_HEAD: usize = 64 << 10;

/// So much of a body is taken at a time, if it is there, before others have their turn.
const MOST_IN_TURN: usize = 256 << 10;

/// Where requests go in; for HTTP/1.1 `None` once it was given up.
pub enum RequestSender {
    Http1(Option<http1::Sender>, Http1),
    Http2(Arc<http2::SendHandle>),
}

/// A request that got no response.
pub struct NoResponse {
    /// `None` where the connection was found dead before the request went in.
    cause: Option<Cause>,
    /// It never became a stream.
    never_opened: bool,
}

impl NoResponse {
    /// The connection was found dead: the request is untouched.
    pub fn dead() -> Self {
        NoResponse { cause: None, never_opened: true }
    }

    pub(super) fn failed(cause: Cause, never_opened: bool) -> Self {
        NoResponse { cause: Some(cause), never_opened }
    }

    /// Not tried at all.
    pub fn was_dead(&self) -> bool {
        self.cause.is_none()
    }

    /// In our terms; what the server can have seen of it is for others to say.
    pub fn error(&self) -> Error {
        self.cause.as_ref().map_or_else(failure::dead, failure::without_response)
    }

    /// By the protocol the server has not looked at the request.
    pub fn was_never_processed(&self) -> bool {
        self.never_opened || self.cause.as_ref().is_some_and(failure::was_never_processed)
    }

    /// Only the stream was reset; its connection goes on.
    pub fn is_stream_reset(&self) -> bool {
        self.cause.as_ref().is_some_and(failure::is_stream_reset)
    }

    /// The connection ended, and not because somebody broke the protocol.
    pub fn is_broken(&self) -> bool {
        self.cause.as_ref().is_none_or(failure::is_broken)
    }
}

impl RequestSender {
    pub fn is_closed(&self) -> bool {
        match self {
            RequestSender::Http1(sender, _) => sender.as_ref().is_none_or(http1::Sender::is_closed),
            RequestSender::Http2(handle) => handle.is_closed(),
        }
    }

    /// Ends when the last response has been read; false when the connection will take no other request.
    pub async fn ready(&mut self) -> bool {
        match self {
            RequestSender::Http1(Some(sender), _) => sender.ready().await.is_ok(),
            RequestSender::Http1(None, _) => false,
            RequestSender::Http2(handle) => !handle.is_closed(),
        }
    }

    /// Sends a request; the future ends with its response's head. Dropped, it gives the request up: HTTP/1.1 closes the
    /// connection, HTTP/2 resets the stream. Of a request that is in its place after a failure not one byte was written.
    pub async fn send(
        &mut self,
        request: &mut Option<Request<Payload>>,
    ) -> std::result::Result<Response<ResponseBody>, NoResponse> {
        match self {
            RequestSender::Http1(sender, driver) => {
                let response = http1::send(sender, driver, request).await?;
                Ok(response.map(|body| ResponseBody::Http1 { body, driver: driver.clone(), taken: 0, trailers: None }))
            }
            RequestSender::Http2(handle) => Ok(handle.send(request).await?.map(ResponseBody::Http2)),
        }
    }

    /// The request is over: from here on the connection moves on without it.
    pub fn release(&self) {
        if let RequestSender::Http1(_, driver) = self {
            driver.release();
        }
    }

    /// A second sender, for HTTP/2 only.
    pub fn share(&self) -> Option<RequestSender> {
        match self {
            RequestSender::Http1(..) => None,
            RequestSender::Http2(handle) => Some(RequestSender::Http2(handle.clone())),
        }
    }
}

/// Keeps a connection moving; polled by a task of its own until it ends. Over HTTP/1.1 while no request does.
pub enum Driver {
    Http1(Http1Task),
    Http2(Box<http2::Driver>),
}

/// What a driver has to tell.
pub enum DriverEvent {
    /// The peer takes so many streams.
    Streams(usize),
    /// No more requests are taken; those under way go on.
    Leaving(End),
    /// All is over.
    Over(End),
}

/// How a connection ends.
pub enum End {
    Closed,
    /// By a GOAWAY that complains of nothing.
    GoAway,
    /// By an error, which its requests have heard of.
    Broken,
}

/// Starts HTTP on a stream.
pub async fn handshake(
    stream: Box<dyn Stream>,
    http2: bool,
    stream_window: u32,
) -> std::result::Result<(RequestSender, Driver), Cause> {
    if http2 {
        let (handle, driver) = http2::handshake(stream, stream_window).await?;
        return Ok((RequestSender::Http2(handle), Driver::Http2(Box::new(driver))));
    }
    let (sender, driver, task) = http1::handshake(stream).await?;
    Ok((RequestSender::Http1(Some(sender), driver), Driver::Http1(task)))
}

impl Driver {
    /// Moves the connection on until there is something to tell.
    pub async fn next_event(&mut self) -> DriverEvent {
        poll_fn(|cx| match self {
            Driver::Http1(task) => task.poll(cx).map(DriverEvent::Over),
            Driver::Http2(driver) => driver.poll(cx),
        })
        .await
    }
}

/// The rest of a response as it comes.
pub enum ResponseBody {
    Http1 { body: Incoming, driver: Http1, taken: usize, trailers: Option<Box<HeaderMap>> },
    Http2(http2::ResponseBody),
}

impl ResponseBody {
    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        match self {
            ResponseBody::Http1 { body, .. } => body.size_hint().exact(),
            ResponseBody::Http2(body) => body.length(),
        }
    }

    /// The next bytes, or `None` at a proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let (body, driver, taken, trailers) = match self {
            ResponseBody::Http1 { body, driver, taken, trailers } => (body, driver, taken, trailers),
            ResponseBody::Http2(body) => return body.next().await,
        };
        if *taken >= MOST_IN_TURN {
            *taken = 0;
            tokio::task::yield_now().await;
        }
        loop {
            let frame = poll_fn(|cx| driver.poll(cx, |cx| Pin::new(&mut *body).poll_frame(cx))).await;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(failure::in_body(&Cause::Http1(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        *taken += data.len();
                        return Ok(Some(data));
                    }
                    Err(frame) => *trailers = frame.into_trailers().ok().map(Box::new),
                },
            }
        }
    }

    /// For a reader that takes nothing until it asks again. Over HTTP/2 what arrives is kept so that it costs no more than the
    /// stream's window, and until then the peer may send no more. Over HTTP/1.1 it waits unread, and what is still to be sent goes on.
    pub fn pause(&mut self) {
        match self {
            ResponseBody::Http1 { driver, .. } => driver.release(),
            ResponseBody::Http2(body) => body.pause(),
        }
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        match self {
            ResponseBody::Http1 { body, .. } => body.is_end_stream(),
            ResponseBody::Http2(body) => body.is_at_end(),
        }
    }

    /// What came behind the body, once, when that is at its end.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        match self {
            ResponseBody::Http1 { trailers, .. } => trailers.take().map(|trailers| *trailers),
            ResponseBody::Http2(body) => body.take_trailers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::transport::OutgoingBody;

    #[tokio::test]
    async fn trailers_of_http1_are_kept() {
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let mut head = [0; 1024];
            assert!(theirs.read(&mut head).await.unwrap() > 0);
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-usage: 3\r\n\r\n";
            theirs.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let (mut sender, mut driver) = handshake(Box::new(ours), false, 1 << 16).await.unwrap();
        tokio::spawn(async move { driver.next_event().await });
        let request = Request::builder().uri("/").body(Payload::new(OutgoingBody::none())).unwrap();
        let mut body = sender.send(&mut Some(request)).await.ok().unwrap().into_body();
        assert_eq!(body.next().await.unwrap().unwrap(), "ok");
        assert!(body.next().await.unwrap().is_none());
        assert_eq!(body.take_trailers().unwrap()["x-usage"], "3");
    }
}
