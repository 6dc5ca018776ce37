//! What the servers in memory say: `/hold` when it is let, `/drips` over HTTP/2 twice when it is let, `/silent` never, anything
//! else at once.

use std::io;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use h2::Reason;
use h2::server::SendResponse;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;

use crate::memory::{World, until_closed};

/// HTTP/1.1 by hand, to the connection's end.
pub async fn http1(mut stream: DuplexStream, world: &World) -> io::Result<()> {
    let mut unread = BytesMut::new();
    loop {
        let path = read_request(&mut stream, &mut unread).await?;
        world.counts.requests.add(1);
        match path.as_str() {
            "/silent" => {
                until_closed(&mut stream).await;
                return Ok(());
            }
            "/hold" => tokio::select! {
                () = until_closed(&mut stream) => return Ok(()),
                pass = world.answers_pass.acquire() => pass.unwrap().forget(),
            },
            _ => {}
        }
        if !answer(&mut stream, world).await? {
            return Ok(());
        }
    }
}

/// The path of a request that was read to its end.
async fn read_request(stream: &mut DuplexStream, unread: &mut BytesMut) -> io::Result<String> {
    let head = loop {
        if let Some(end) = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break String::from_utf8_lossy(&unread.split_to(end + 4)).to_lowercase();
        }
        more(stream, unread).await?;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut left: usize = length.map_or(0, |length| length.parse().unwrap());
    loop {
        let here = left.min(unread.len());
        unread.advance(here);
        left -= here;
        if left == 0 {
            return Ok(head.split(' ').nth(1).unwrap().to_owned());
        }
        more(stream, unread).await?;
    }
}

async fn more(stream: &mut DuplexStream, unread: &mut BytesMut) -> io::Result<()> {
    match stream.read_buf(unread).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// One answer; false where the connection ends with it.
async fn answer(stream: &mut DuplexStream, world: &World) -> io::Result<bool> {
    let body = body(world);
    let closes = world.dice(40);
    let mut head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
    let kept = if closes { Some("close") } else { world.plan.keep_alive.map(|_| "keep-alive") };
    for (name, value) in [("connection", kept), ("keep-alive", world.plan.keep_alive)] {
        if let Some(value) = value {
            head.extend([name, ": ", value, "\r\n"]);
        }
    }
    let whole = [head.as_bytes(), b"\r\n", &body].concat();
    // Of some answers nothing comes, or a part.
    let cut = if world.dice(15) { fastrand::usize(0..whole.len()) } else { whole.len() };
    let mut rest = &whole[..cut];
    while !rest.is_empty() {
        let piece = if world.dice(2) { fastrand::usize(1..=rest.len()) } else { rest.len() };
        stream.write_all(&rest[..piece]).await?;
        rest = &rest[piece..];
        world.dawdle().await;
    }
    Ok(cut == whole.len() && !closes && !world.dice(30))
}

fn body(world: &World) -> Vec<u8> {
    if world.dice(2) { vec![b'x'; fastrand::usize(0..10_000)] } else { b"ok".to_vec() }
}

/// HTTP/2, to the connection's end.
pub async fn http2(stream: DuplexStream, world: &Arc<World>) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(world.plan.most_streams);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let ends = Arc::new(Ends::default());
    loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                let (world, ends) = (world.clone(), ends.clone());
                tokio::spawn(async move { stream_of_its_own(request, respond, &world, &ends).await });
            }
            () = ends.now.notified() => return,
            () = ends.gracefully.notified() => connection.graceful_shutdown(),
        }
    }
}

/// How a stream ends its whole connection.
#[derive(Default)]
struct Ends {
    now: Notify,
    gracefully: Notify,
}

async fn stream_of_its_own(
    request: Request<h2::RecvStream>,
    mut respond: SendResponse<Bytes>,
    world: &World,
    ends: &Ends,
) -> Option<()> {
    let path = request.uri().path().to_owned();
    let mut incoming = request.into_body();
    while let Some(data) = incoming.data().await {
        let length = data.ok()?.len();
        incoming.flow_control().release_capacity(length).ok()?;
    }
    world.counts.requests.add(1);
    match path.as_str() {
        "/silent" => std::future::pending().await,
        "/hold" => world.answers_pass.acquire().await.unwrap().forget(),
        "/drips" => return drips(respond, world).await,
        _ => {}
    }
    world.dawdle().await;
    if world.dice(40) {
        ends.now.notify_one();
    }
    if world.dice(40) {
        ends.gracefully.notify_one();
    }
    if world.dice(20) {
        let reason = if world.dice(2) { Reason::REFUSED_STREAM } else { Reason::INTERNAL_ERROR };
        respond.send_reset(reason);
        return None;
    }
    let mut stream = respond.send_response(Response::new(()), false).ok()?;
    let mut body = Bytes::from(body(world));
    while body.len() > 1 && world.dice(2) {
        world.dawdle().await;
        stream.send_data(body.split_to(fastrand::usize(1..body.len())), false).ok()?;
        if world.dice(20) {
            stream.send_reset(Reason::INTERNAL_ERROR);
            return None;
        }
    }
    stream.send_data(body, true).ok()
}

async fn drips(mut respond: SendResponse<Bytes>, world: &World) -> Option<()> {
    world.answers_pass.acquire().await.unwrap().forget();
    let mut stream = respond.send_response(Response::new(()), false).ok()?;
    stream.send_data("drip ".into(), false).ok()?;
    world.answers_pass.acquire().await.unwrap().forget();
    stream.send_data("drop".into(), true).ok()
}
