//! HTTP on a link: the handshake, one request, its response's body, and who keeps the connection moving.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::failure;
use super::late::{End, Late};
use super::link::Stream;
use crate::error::{Error, Result};

/// Most bytes of a response's head.
const MOST_HEAD: usize = 64 << 10;
/// Most headers of an HTTP/1.1 response.
const MOST_HEADERS: usize = 1000;
/// A body goes out in pieces of this size, so that its progress can be seen.
const PIECE: usize = 64 << 10;
/// A larger body may meet a server that does not read.
const WATCHED: usize = 16 << 10;
/// Never the bottleneck of another stream: each stream's own window bounds what it holds.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// As the most streams before the peer said how many it takes: no peer says this.
const UNTOLD: usize = 0x7fff_fff1;
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(10);

/// A request's body: bytes that can be sent again.
pub struct Payload {
    rest: Bytes,
    taken: Option<Taken>,
}

/// When HTTP took the last piece of a body: told by a large one alone, small ones go out in one go.
pub type Taken = Arc<OnceLock<Instant>>;

impl Payload {
    pub fn new(bytes: Bytes) -> Self {
        let taken = (bytes.len() > WATCHED).then(Taken::default);
        Payload { rest: bytes, taken }
    }

    pub fn taken(&self) -> Option<Taken> {
        self.taken.clone()
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(piece);
        if let (true, Some(taken)) = (self.rest.is_empty(), &self.taken) {
            let _ = taken.set(Instant::now());
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

/// Where requests go in; `None` once it was given up.
pub enum Sender {
    Http1(Option<http1::SendRequest<Payload>>, Late),
    Http2(Option<http2::SendRequest<Payload>>),
}

/// A request that got no response.
pub struct NoResponse {
    /// `None` where the connection was found dead before the request went in.
    error: Option<hyper::Error>,
    /// Given back: not one byte of it was written.
    pub unsent: Option<Request<Payload>>,
}

impl NoResponse {
    /// The connection was found dead: the request is untouched.
    pub fn dead(request: Request<Payload>) -> NoResponse {
        NoResponse { error: None, unsent: Some(request) }
    }

    /// Not tried at all.
    pub fn was_dead(&self) -> bool {
        self.error.is_none()
    }

    /// In our terms; what the server can have seen of it is for others to say.
    pub fn error(&self) -> Error {
        self.error.as_ref().map_or_else(failure::dead, failure::without_response)
    }

    /// By the protocol the server has not looked at the request.
    pub fn was_never_processed(&self) -> bool {
        self.error.as_ref().is_some_and(failure::was_never_processed)
    }

    /// Only the stream was reset; its connection goes on.
    pub fn is_stream_reset(&self) -> bool {
        self.error.as_ref().is_some_and(failure::is_stream_reset)
    }

    /// The connection ended, and not because somebody broke the protocol.
    pub fn is_broken(&self) -> bool {
        self.error.as_ref().is_none_or(failure::is_broken)
    }
}

impl Sender {
    pub fn is_closed(&self) -> bool {
        match self {
            Sender::Http1(sender, _) => sender.as_ref().is_none_or(http1::SendRequest::is_closed),
            Sender::Http2(sender) => sender.as_ref().is_none_or(http2::SendRequest::is_closed),
        }
    }

    /// Ends when the last response has been read; false when the connection will take no other request.
    pub async fn ready(&mut self) -> bool {
        match self {
            Sender::Http1(Some(sender), _) => sender.ready().await.is_ok(),
            Sender::Http2(Some(sender)) => sender.ready().await.is_ok(),
            Sender::Http1(None, _) | Sender::Http2(None) => false,
        }
    }

    /// Sends a request; the future ends with its response's head. Dropped, it gives the request up: HTTP/1.1 closes the
    /// connection, HTTP/2 resets the stream.
    ///
    /// A request that goes in just as the connection ends can be left in the channel between them, where nobody finds it
    /// until the last way in is gone. So an HTTP/2 way in, one of many, is given up as soon as the request is in, and an
    /// HTTP/1.1 one when its connection is gone.
    pub async fn send(&mut self, request: Request<Payload>) -> std::result::Result<Response<Inflow>, NoResponse> {
        let (sent, late) = match self {
            Sender::Http1(way_in, late) => {
                let Some(sender) = way_in else { return Err(NoResponse::dead(request)) };
                // The last bytes of the response before may still be in the parser; an end is told by sending.
                if !sender.is_ready() {
                    let _ = late.wait(sender.ready()).await;
                }
                let mut sending = pin!(sender.try_send_request(request));
                let sent = if let Some(sent) = late.wait_to_the_end(sending.as_mut()).await {
                    sent
                } else {
                    drop(way_in.take());
                    sending.await
                };
                (sent, Some(late.clone()))
            }
            Sender::Http2(way_in) => {
                let Some(mut sender) = way_in.take() else { return Err(NoResponse::dead(request)) };
                let sending = sender.try_send_request(request);
                drop(sender);
                (sending.await, None)
            }
        };
        sent.map(|response| response.map(|body| Inflow { body, late })).map_err(|mut failed| {
            let unsent = failed.take_message();
            NoResponse { error: Some(failed.into_error()), unsent }
        })
    }

    /// A second way in, for HTTP/2 only.
    pub fn share(&self) -> Option<Sender> {
        match self {
            Sender::Http1(..) => None,
            Sender::Http2(sender) => Some(Sender::Http2(sender.clone())),
        }
    }
}

/// Keeps a connection moving; polled by a task of its own until it ends.
pub struct Driver {
    half: Half,
    news: Arc<News>,
}

enum Half {
    Http1(Box<http1::Connection<Io, Payload>>, End),
    Http2(Box<http2::Connection<Io, Payload, Executor>>),
}

type Io = TokioIo<Box<dyn Stream>>;

/// What an HTTP/2 connection's inner task tells.
pub struct News {
    /// The peer's settings are waited for: look after each move of the connection.
    watched: AtomicBool,
    moved: Notify,
    ended: Notify,
    has_ended: AtomicBool,
    task: OnceLock<AbortHandle>,
}

impl News {
    fn new() -> Arc<News> {
        Arc::new(News {
            watched: AtomicBool::new(true),
            moved: Notify::new(),
            ended: Notify::new(),
            has_ended: AtomicBool::new(false),
            task: OnceLock::new(),
        })
    }

    /// Ends when the socket was let go of.
    pub async fn ended(&self) {
        let mut ended = pin!(self.ended.notified());
        ended.as_mut().enable();
        if !self.has_ended.load(Ordering::SeqCst) {
            ended.await;
        }
    }

    /// Closes the socket without its last words, which a peer that reads nothing would hold up for ever.
    pub fn cut(&self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// What a driver has to tell.
pub enum Turn {
    /// The peer takes so many streams.
    Streams(usize),
    /// No more requests are taken. Over HTTP/2 those under way may go on.
    Over(std::result::Result<(), Broken>),
}

/// The connection ended with an error, which its requests have heard of.
pub struct Broken;

/// Starts HTTP on a stream.
pub async fn handshake(
    stream: Box<dyn Stream>,
    http2: bool,
    stream_window: u32,
) -> std::result::Result<(Sender, Driver), hyper::Error> {
    let io = TokioIo::new(stream);
    let news = News::new();
    if !http2 {
        let mut builder = http1::Builder::new();
        builder.max_headers(MOST_HEADERS).max_header_size(MOST_HEAD);
        let (sender, connection) = builder.handshake(io).await?;
        let late = Late::default();
        return Ok((
            Sender::Http1(Some(sender), late.clone()),
            Driver { half: Half::Http1(Box::new(connection), End(late)), news },
        ));
    }
    let executor = Executor { news: news.clone(), begun: Arc::default() };
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .initial_max_send_streams(UNTOLD)
        .initial_stream_window_size(stream_window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MOST_HEAD as u32)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_ANSWER);
    let (sender, connection) = builder.handshake(io).await?;
    Ok((Sender::Http2(Some(sender)), Driver { half: Half::Http2(Box::new(connection)), news }))
}

impl Driver {
    pub fn news(&self) -> Arc<News> {
        self.news.clone()
    }

    /// Moves the connection on until there is something to tell. `told` is what `Turn::Streams` said last.
    pub async fn turn(&mut self, told: Option<usize>) -> Turn {
        let News { watched, moved, .. } = &*self.news;
        let mut moves = pin!(moved.notified());
        poll_fn(|cx| {
            let connection = match &mut self.half {
                Half::Http1(connection, End(late)) => {
                    let _turn = late.turn();
                    return Pin::new(connection).poll(cx).map(|over| Turn::Over(over.map_err(|_| Broken)));
                }
                Half::Http2(connection) => connection,
            };
            if let Poll::Ready(over) = Pin::new(&mut *connection).poll(cx) {
                return Poll::Ready(Turn::Over(over.map_err(|_| Broken)));
            }
            loop {
                let streams = connection.current_max_send_streams();
                if streams != UNTOLD && told != Some(streams) {
                    watched.store(false, Ordering::SeqCst);
                    return Poll::Ready(Turn::Streams(streams));
                }
                if !watched.load(Ordering::SeqCst) {
                    return Poll::Pending;
                }
                ready!(moves.as_mut().poll(cx));
                moves.set(moved.notified());
            }
        })
        .await
    }
}

/// Spawns HTTP/2's inner tasks, and watches the first: the one that holds the socket.
#[derive(Clone)]
struct Executor {
    news: Arc<News>,
    begun: Arc<AtomicBool>,
}

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        if self.begun.swap(true, Ordering::Relaxed) {
            tokio::spawn(task);
            return;
        }
        let ending = Ending(self.news.clone());
        let inner = tokio::spawn(async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                let polled = task.as_mut().poll(cx);
                if ending.0.watched.load(Ordering::SeqCst) {
                    ending.0.moved.notify_one();
                }
                polled
            })
            .await;
        });
        let _ = self.news.task.set(inner.abort_handle());
    }
}

/// However the inner task ends, done or dropped, it is told.
struct Ending(Arc<News>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::SeqCst);
        self.0.ended.notify_waiters();
    }
}

/// The rest of a response as it comes.
pub struct Inflow {
    body: Incoming,
    late: Option<Late>,
}

impl Inflow {
    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The next bytes, or `None` at a proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Inflow { body, late } = self;
            let mut poll = |cx: &mut Context<'_>| Pin::new(&mut *body).poll_frame(cx);
            let frame = poll_fn(|cx| match late {
                Some(late) => late.poll(cx, &mut poll),
                None => poll(cx),
            })
            .await;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(failure::in_body(&error)),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => return Ok(Some(data)),
                    // Trailers have no user yet.
                    Err(_) => {}
                },
            }
        }
    }

    /// Whether all has been read.
    pub fn is_at_end(&self) -> bool {
        self.body.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An HTTP/2 server that takes a request and from then on neither reads nor writes.
    async fn falls_silent(stream: tokio::io::DuplexStream) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let _taken = connection.accept().await.unwrap().unwrap();
        std::future::pending::<()>().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_no_ping_is_dead() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(falls_silent(theirs));
        let (mut sender, mut driver) = handshake(Box::new(ours), true, 1 << 16).await.unwrap();
        let moving = tokio::spawn(async move {
            let mut told = None;
            while let Turn::Streams(streams) = driver.turn(told).await {
                told = Some(streams);
            }
        });
        // As a connection that takes more requests has it; without one hyper takes a last stream for none and pings no more.
        let _way_in = sender.share();
        let begun = Instant::now();
        let request = Request::builder().uri("http://silent.example/").body(Payload::new(Bytes::new())).unwrap();
        let failed = sender.send(request).await.err().unwrap();
        // The clock is the test's: it jumps to whatever is due next.
        let waited = begun.elapsed();
        assert!(waited >= PING_EVERY + PING_ANSWER && waited < PING_EVERY * 2 + PING_ANSWER, "{waited:?}");
        assert!(failed.unsent.is_none() && !failed.was_never_processed());
        moving.await.unwrap();
    }
}
