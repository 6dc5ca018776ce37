//! For tests: a connection in memory to a server of h2's.

use std::future::{Future, poll_fn};
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Method, Request, Response};
use tokio::io::DuplexStream;

use super::{Driver, SendHandle};
use crate::transport::OutgoingBody;
use crate::transport::http::DriverEvent;
use crate::transport::payload::Payload;

pub const WINDOW: usize = 1 << 16;

/// A handle to a server that runs `stream` for each request.
pub async fn served<F>(
    stream: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + 'static,
) -> Arc<SendHandle>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve(theirs, stream));
    let (handle, driver) = super::handshake(Box::new(ours), WINDOW as u32).await.unwrap();
    tokio::spawn(drive(driver));
    handle
}

async fn serve<F>(theirs: DuplexStream, stream: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connection = h2::server::handshake(theirs).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(stream(request, respond));
    }
}

/// To the connection's end.
pub async fn drive(mut driver: Driver) {
    while !matches!(poll_fn(|cx| driver.poll(cx)).await, DriverEvent::Over(_)) {}
}

pub fn request(path: &str, body: impl Into<Bytes>) -> Request<Payload> {
    let uri = format!("http://memory.example{path}");
    Request::builder().method(Method::POST).uri(uri).body(Payload::new(OutgoingBody::Whole(body.into()))).unwrap()
}

/// Answers in one go.
pub fn answer(respond: &mut SendResponse<Bytes>, body: &'static str) {
    let mut sending = respond.send_response(Response::new(()), false).unwrap();
    sending.send_data(body.into(), true).unwrap();
}
