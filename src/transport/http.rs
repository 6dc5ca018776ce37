//! HTTP on a link: the handshake, one request, its response's body, and who keeps the connection moving. HTTP/1.1 is hyper's,
//! HTTP/2 is `http2`'s.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::OutgoingBody;
use super::failure::{self, Cause};
use super::http2;
use super::late::{self, Late};
use super::link::Stream;
use crate::body::pipe::Pipe;
use crate::error::{Error, Result};

/// Most bytes of a response's head.
pub(super) const MOST_HEAD: usize = 64 << 10;
/// Most headers of an HTTP/1.1 response.
const MOST_HEADERS: usize = 1000;
/// A body goes out in pieces of this size, so that its progress can be seen.
const PIECE: usize = 64 << 10;
/// A larger body may meet a server that does not read.
const WATCHED: usize = 16 << 10;

/// A request's body on its way out; `None` without one. Boxed, as hyper makes room for 32 requests a connection.
pub struct Payload(Option<Box<Going>>);

struct Going {
    rest: Rest,
    taken: Option<Taken>,
}

enum Rest {
    Whole(Bytes),
    /// What is still to come of an upload, where its length is known.
    Upload(Arc<Pipe>, Option<u64>),
}

/// When HTTP took the last piece of a body: told by a large one alone, small ones go out in one go.
pub type Taken = Arc<OnceLock<Instant>>;

impl Payload {
    pub fn new(body: OutgoingBody) -> Self {
        let going = match body {
            OutgoingBody::Whole(bytes) if bytes.is_empty() => return Payload(None),
            OutgoingBody::Whole(bytes) => {
                let taken = (bytes.len() > WATCHED).then(Taken::default);
                Going { rest: Rest::Whole(bytes), taken }
            }
            OutgoingBody::Upload(upload) => {
                Going { rest: Rest::Upload(upload.pipe.clone(), upload.length), taken: Some(Taken::default()) }
            }
        };
        Payload(Some(Box::new(going)))
    }

    pub fn taken(&self) -> Option<Taken> {
        self.0.as_ref()?.taken.clone()
    }
}

impl Going {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let piece = match &mut self.rest {
            Rest::Whole(rest) if rest.is_empty() => None,
            Rest::Whole(rest) => {
                let piece = rest.len().min(PIECE);
                Some(Ok(rest.split_to(piece)))
            }
            Rest::Upload(_, Some(0)) => None,
            Rest::Upload(pipe, left) => {
                let piece = ready!(pipe.poll_pull(PIECE, cx)).transpose();
                if let (Some(left), Some(Ok(piece))) = (left, &piece) {
                    *left -= piece.len() as u64;
                }
                piece
            }
        };
        if self.is_at_end() || piece.is_none() {
            self.is_taken();
        }
        Poll::Ready(piece)
    }

    fn is_at_end(&self) -> bool {
        match &self.rest {
            Rest::Whole(rest) => rest.is_empty(),
            Rest::Upload(_, left) => *left == Some(0),
        }
    }

    /// The last of it has been taken.
    fn is_taken(&self) {
        if let Some(taken) = &self.taken {
            let _ = taken.set(Instant::now());
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Some(going) = &mut self.0 else { return Poll::Ready(None) };
        going.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|going| going.is_at_end())
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.as_ref().map(|going| &going.rest) {
            None => SizeHint::with_exact(0),
            Some(Rest::Whole(rest)) => SizeHint::with_exact(rest.len() as u64),
            Some(Rest::Upload(_, Some(left))) => SizeHint::with_exact(*left),
            Some(Rest::Upload(_, None)) => SizeHint::new(),
        }
    }
}

/// Where requests go in; for HTTP/1.1 `None` once it was given up.
pub enum Sender {
    Http1(Option<http1::SendRequest<Payload>>, Late),
    Http2(Arc<http2::Way>),
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

impl Sender {
    pub fn is_closed(&self) -> bool {
        match self {
            Sender::Http1(sender, _) => sender.as_ref().is_none_or(http1::SendRequest::is_closed),
            Sender::Http2(way) => way.is_closed(),
        }
    }

    /// Ends when the last response has been read; false when the connection will take no other request.
    pub async fn ready(&mut self) -> bool {
        match self {
            Sender::Http1(Some(sender), _) => sender.ready().await.is_ok(),
            Sender::Http1(None, _) => false,
            Sender::Http2(way) => !way.is_closed(),
        }
    }

    /// Sends a request; the future ends with its response's head. Dropped, it gives the request up: HTTP/1.1 closes the
    /// connection, HTTP/2 resets the stream. Of a request that is in its place after a failure not one byte was written.
    pub async fn send(
        &mut self,
        request: &mut Option<Request<Payload>>,
    ) -> std::result::Result<Response<Inflow>, NoResponse> {
        match self {
            Sender::Http1(way_in, late) => send_http1(way_in, late, request).await,
            Sender::Http2(way) => Ok(way.send(request).await?.map(Inflow::Http2)),
        }
    }

    /// A second way in, for HTTP/2 only.
    pub fn share(&self) -> Option<Sender> {
        match self {
            Sender::Http1(..) => None,
            Sender::Http2(way) => Some(Sender::Http2(way.clone())),
        }
    }
}

/// A request that goes in just as the connection ends can be left in the channel between them, where nobody finds it until the
/// last way in is gone. So the way in is given up when its connection is gone.
async fn send_http1(
    way_in: &mut Option<http1::SendRequest<Payload>>,
    late: &Late,
    request: &mut Option<Request<Payload>>,
) -> std::result::Result<Response<Inflow>, NoResponse> {
    let Some(sender) = way_in else { return Err(NoResponse::dead()) };
    // The last bytes of the response before may still be in the parser; an end is told by sending.
    if !sender.is_ready() {
        let _ = late.wait(sender.ready()).await;
    }
    let Some(goes) = request.take() else { return Err(NoResponse::dead()) };
    let mut sending = pin!(sender.try_send_request(goes));
    let sent = if let Some(sent) = late.wait_to_the_end(sending.as_mut()).await {
        sent
    } else {
        drop(way_in.take());
        sending.await
    };
    match sent {
        Ok(response) => Ok(response.map(|body| Inflow::Http1 { body, late: late.clone(), trailers: None })),
        Err(mut failed) => {
            *request = failed.take_message();
            Err(NoResponse::failed(Cause::Http1(failed.into_error()), request.is_some()))
        }
    }
}

/// Keeps a connection moving; polled by a task of its own until it ends.
pub enum Driver {
    Http1(Box<http1::Connection<Io, Payload>>, late::End),
    Http2(Box<http2::Driver>),
}

type Io = TokioIo<Box<dyn Stream>>;

/// What a driver has to tell.
pub enum Turn {
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
) -> std::result::Result<(Sender, Driver), Cause> {
    if http2 {
        let (way, driver) = http2::handshake(stream, stream_window).await?;
        return Ok((Sender::Http2(way), Driver::Http2(Box::new(driver))));
    }
    let mut builder = http1::Builder::new();
    builder.max_headers(MOST_HEADERS).max_header_size(MOST_HEAD);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Cause::Http1)?;
    let late = Late::default();
    Ok((Sender::Http1(Some(sender), late.clone()), Driver::Http1(Box::new(connection), late::End(late))))
}

impl Driver {
    /// Moves the connection on until there is something to tell.
    pub async fn turn(&mut self) -> Turn {
        poll_fn(|cx| match self {
            Driver::Http1(connection, late::End(late)) => {
                let _turn = late.turn();
                let over = Pin::new(connection).poll(cx);
                over.map(|over| Turn::Over(if over.is_ok() { End::Closed } else { End::Broken }))
            }
            Driver::Http2(driver) => driver.poll(cx),
        })
        .await
    }
}

/// The rest of a response as it comes.
pub enum Inflow {
    Http1 { body: Incoming, late: Late, trailers: Option<Box<HeaderMap>> },
    Http2(http2::Inflow),
}

impl Inflow {
    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        match self {
            Inflow::Http1 { body, .. } => body.size_hint().exact(),
            Inflow::Http2(inflow) => inflow.length(),
        }
    }

    /// The next bytes, or `None` at a proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let (body, late, trailers) = match self {
            Inflow::Http1 { body, late, trailers } => (body, late, trailers),
            Inflow::Http2(inflow) => return inflow.next().await,
        };
        loop {
            let frame = poll_fn(|cx| late.poll(cx, |cx| Pin::new(&mut *body).poll_frame(cx))).await;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(failure::in_body(&Cause::Http1(error))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    Err(frame) => *trailers = frame.into_trailers().ok().map(Box::new),
                },
            }
        }
    }

    /// For a reader that takes nothing until it asks again. Over HTTP/2 what arrives is kept so that it costs no more than the
    /// stream's window, and until then the peer may send no more. Over HTTP/1.1 it waits unread.
    pub fn pause(&mut self) {
        if let Inflow::Http2(inflow) = self {
            inflow.pause();
        }
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        match self {
            Inflow::Http1 { body, .. } => body.is_end_stream(),
            Inflow::Http2(inflow) => inflow.is_at_end(),
        }
    }

    /// What came behind the body, once, when that is at its end.
    pub fn take_trailers(&mut self) -> Option<HeaderMap> {
        match self {
            Inflow::Http1 { trailers, .. } => trailers.take().map(|trailers| *trailers),
            Inflow::Http2(inflow) => inflow.take_trailers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

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
        tokio::spawn(async move { driver.turn().await });
        let request = Request::builder().uri("/").body(Payload::new(OutgoingBody::none())).unwrap();
        let mut inflow = sender.send(&mut Some(request)).await.ok().unwrap().into_body();
        assert_eq!(inflow.next().await.unwrap().unwrap(), "ok");
        assert!(inflow.next().await.unwrap().is_none());
        assert_eq!(inflow.take_trailers().unwrap()["x-usage"], "3");
    }
}
