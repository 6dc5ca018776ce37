//! HTTP/2 over the h2 crate: requests as streams, their bodies, and the future that keeps a connection moving.
//!
//! What arrives on a stream is taken out of h2 and joined before the connection reads on, because h2 keeps every frame by
//! itself, at many times the size of a small one. The peer may send more only when the reader has taken it: an unread stream
//! costs its window, no more, whatever its task does meanwhile.

mod driver;
mod frame_buffer;
mod request_body;
mod response_body;
mod stream_buffer;
mod woken_streams;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body::Body;
use tokio::sync::oneshot;

pub use self::driver::Driver;
use self::driver::MeteredStream;
use self::request_body::RequestBodySender;
pub use self::response_body::ResponseBody;
use self::stream_buffer::StreamReader;
use self::woken_streams::WokenStreams;
use super::failure::Cause;
use super::http::{MOST_HEAD, NoResponse};
use super::link::Stream;

/// Never the bottleneck of another stream: each stream's own window bounds what it holds.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// As the most streams before the peer said how many it takes: no peer says this.
const UNTOLD: usize = 0x7fff_fff1;
const FRAME: u32 = 16 << 10;
/// What h2 holds of a body that is on its way out.
const SEND_BUFFER: usize = 1 << 20;
/// Streams that we reset because the peer broke the protocol on them, before the connection ends.
const LOCAL_RESETS: usize = 1024;

/// Of one hop, so not for HTTP/2 (RFC 9113, 8.2.2).
const ONE_HOP: [HeaderName; 4] =
    [HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection"), TRANSFER_ENCODING, UPGRADE];

/// After so many bytes h2 reads no more until all streams' frames are out of it: with what one read brings beyond them, no
/// more than 5,000 frames of a byte are ever in it.
const STEP: usize = 16 << 10;

/// Starts HTTP/2 on a stream.
pub async fn handshake(stream: Box<dyn Stream>, stream_window: u32) -> Result<(Arc<SendHandle>, Driver), h2::Error> {
    let shared = Arc::new(ConnectionShared::default());
    let mut builder = Builder::new();
    builder
        .initial_max_send_streams(UNTOLD)
        .initial_window_size(stream_window)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_header_list_size(MOST_HEAD as u32)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(LOCAL_RESETS))
        .enable_push(false);
    let (requests, connection) = builder.handshake(MeteredStream::new(stream, shared.clone())).await?;
    let handle = Arc::new(SendHandle { requests, window: stream_window, shared: shared.clone() });
    let driver = Driver::new(connection, Arc::downgrade(&handle), shared);
    Ok((handle, driver))
}

/// What the parts of a connection know of each other.
#[derive(Default)]
struct ConnectionShared {
    /// A byte was read since the last look.
    heard: AtomicBool,
    /// A PING was not answered.
    dead: AtomicBool,
    streams: AtomicUsize,
    woken: WokenStreams,
    /// How many bytes the step under way may still read.
    read_budget: AtomicUsize,
    /// It wanted more.
    over_budget: AtomicBool,
}

impl ConnectionShared {
    fn cause(&self, error: h2::Error) -> Cause {
        if self.dead.load(Ordering::Relaxed) {
            return Cause::Io(io::Error::new(io::ErrorKind::TimedOut, "a PING was not answered"));
        }
        error.into()
    }
}

/// A stream that is counted, for as long as something may come.
struct StreamGuard(Arc<ConnectionShared>);

impl StreamGuard {
    fn new(shared: &Arc<ConnectionShared>) -> StreamGuard {
        shared.streams.fetch_add(1, Ordering::Relaxed);
        StreamGuard(shared.clone())
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where requests go in. With the last reference and the last stream the connection says goodbye and closes.
pub struct SendHandle {
    requests: SendRequest<Bytes>,
    window: u32,
    shared: Arc<ConnectionShared>,
}

impl SendHandle {
    /// No more requests are taken.
    pub fn is_closed(&self) -> bool {
        self.end().is_some()
    }

    fn end(&self) -> Option<h2::Error> {
        // A clone waits for no stream, so this is never pending.
        match self.requests.clone().poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Err(error)) => Some(error),
            _ => None,
        }
    }

    /// Sends a request; the future ends with its response's head. Dropped, it resets the stream. A request that is still in its
    /// place then has not become a stream.
    pub async fn send<B>(&self, request: &mut Option<Request<B>>) -> Result<Response<ResponseBody>, NoResponse>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let mut requests = self.requests.clone();
        if let Err(error) = poll_fn(|cx| requests.poll_ready(cx)).await {
            return Err(NoResponse::failed(self.shared.cause(error), true));
        }
        let Some(request) = request.take() else { return Err(NoResponse::dead()) };
        drop(requests);
        let (reader, mut sender) = self.open(request)?;
        let came = poll_fn(|cx| {
            if let Some(flow) = &mut sender {
                let waker = reader.waker_for(cx);
                if flow.poll(&mut Context::from_waker(&waker)).is_ready() {
                    sender = None;
                }
            }
            reader.poll_head(cx)
        });
        let head = came.await.map_err(|cause| NoResponse::failed(cause, false))?;
        if let Some(sender) = sender {
            let (ended, reading) = oneshot::channel();
            reader.on_end(ended);
            tokio::spawn(sender.send_rest(reading));
        }
        Ok(Response::from_parts(head, ResponseBody::new(reader)))
    }

    /// Opens a stream for a request, for which there is room.
    fn open<B>(&self, request: Request<B>) -> Result<(StreamReader, Option<RequestBodySender<B>>), NoResponse>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (request, body) = prepare(request);
        let ends = body.is_end_stream();
        let (head, stream) = self.requests.clone().send_request(request, ends).map_err(|error| {
            // The connection ended since it was asked.
            let never_opened = error.is_io() || error.is_go_away();
            NoResponse::failed(self.shared.cause(error), never_opened)
        })?;
        let sender = (!ends).then(|| RequestBodySender::new(body, stream));
        Ok((StreamReader::new(&self.shared, head, self.window), sender))
    }
}

/// The request as HTTP/2 wants it, without its body.
fn prepare<B: Body>(request: Request<B>) -> (Request<()>, B) {
    let (mut head, body) = request.into_parts();
    let headers = &mut head.headers;
    for name in &ONE_HOP {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
    if let Some(connection) = headers.remove(CONNECTION) {
        for name in connection.to_str().unwrap_or_default().split(',') {
            headers.remove(name.trim());
        }
    }
    if let Some(length) = body.size_hint().exact() {
        let bare = matches!(head.method, Method::GET | Method::HEAD | Method::DELETE | Method::CONNECT);
        if length != 0 || !bare {
            headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
    }
    (Request::from_parts(head, ()), body)
}

#[cfg(test)]
mod test_server;

#[cfg(test)]
mod tests {
    use super::test_server::{answer, request, served};
    use super::*;

    #[tokio::test]
    async fn what_is_of_one_hop_stays_behind() {
        let handle = served(|request, mut respond| async move {
            let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["content-length", "x-kept"]);
            answer(&mut respond, "ok");
        })
        .await;
        let mut request = request("/", "x");
        for (name, value) in [
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("x-kept", "1"),
        ] {
            request.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        let mut body = handle.send(&mut Some(request)).await.ok().unwrap().into_body();
        assert_eq!(body.next().await.unwrap().unwrap(), "ok");
    }

    #[tokio::test]
    async fn a_request_to_a_connection_that_ended_comes_back() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (handle, driver) = handshake(Box::new(ours), 1 << 16).await.unwrap();
        assert!(!handle.is_closed());
        drop(theirs);
        test_server::drive(driver).await;
        assert!(handle.is_closed());
        let mut back = Some(request("/", "x"));
        let failed = handle.send(&mut back).await.err().unwrap();
        assert!(back.is_some() && failed.was_never_processed() && failed.is_broken());
    }
}
