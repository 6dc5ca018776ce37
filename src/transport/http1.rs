//! HTTP/1.1 on one connection, which is hyper's: the handshake, and sending a request.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::coop::{Unconstrained, unconstrained};

use super::failure::Cause;
use super::http::{End, MOST_HEAD, NoResponse};
use super::link::Stream;
use super::payload::Payload;
use super::shared_driver::{self, OwnTask, SharedDriver};

/// Unconstrained: what it reads is not the request's share of its runtime, and hyper stops by itself, at a piece nobody has taken.
type Hyper = Unconstrained<Box<Connection<TokioIo<Box<dyn Stream>>, Payload>>>;

/// Where requests go in.
pub type Sender = SendRequest<Payload>;

/// The connection's driver, for the request on it.
pub type Http1 = SharedDriver<Hyper>;

/// The same, for the connection's task.
pub struct Http1Task(OwnTask<Hyper>);

/// Starts HTTP/1.1 on a stream.
pub async fn handshake(stream: Box<dyn Stream>) -> Result<(Sender, Http1, Http1Task), Cause> {
    let mut builder = Builder::new();
    // Of 100 headers at most, which is what hyper has room for on the stack: to allow more cost 8 % of a small request's CPU.
    builder.max_header_size(MOST_HEAD);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(Cause::Http1)?;
    let (driver, task) = shared_driver::share(unconstrained(Box::new(connection)));
    Ok((sender, driver, Http1Task(task)))
}

impl Http1Task {
    /// Ready when the connection is over.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<End> {
        self.0.poll(cx).map(|end| if matches!(end, Ok(Ok(()))) { End::Closed } else { End::Broken })
    }
}

/// Sends a request, and ends with its response's head.
///
/// One that goes in just as the connection ends can be left in the channel between them, where nobody finds it until the last sender
/// is gone. So the sender is given up when its connection is gone.
pub async fn send(
    sender: &mut Option<Sender>,
    driver: &Http1,
    request: &mut Option<Request<Payload>>,
) -> Result<Response<Incoming>, NoResponse> {
    let Some(open) = sender else { return Err(NoResponse::dead()) };
    driver.take();
    // The last bytes of the response before may still be in the parser; an end is told by sending.
    if !open.is_ready() {
        let mut ready = pin!(open.ready());
        let _ = poll_fn(|cx| driver.poll(cx, |cx| ready.as_mut().poll(cx))).await;
    }
    let Some(goes) = request.take() else { return Err(NoResponse::dead()) };
    let mut sending = pin!(open.try_send_request(goes));
    let sent = poll_fn(|cx| match driver.poll(cx, |cx| sending.as_mut().poll(cx)) {
        Poll::Pending if !driver.is_over() => Poll::Pending,
        sent => Poll::Ready(sent),
    });
    let sent = match sent.await {
        Poll::Ready(sent) => sent,
        Poll::Pending => {
            drop(sender.take());
            sending.await
        }
    };
    sent.map_err(|mut failed| {
        *request = failed.take_message();
        NoResponse::failed(Cause::Http1(failed.into_error()), request.is_some())
    })
}
