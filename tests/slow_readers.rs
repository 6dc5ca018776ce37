//! Readers who are slow, or gone, cost their own stream and nobody else's.

#![cfg(target_os = "linux")]

mod support;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aipool::config::{LimitOverrides, PoolConfig};
use aipool::pool::{ConnectionPool, PoolHandle};
use aipool::request::Request;
use aipool::response::{Answer, Read};
use bytes::Bytes;
use support::expect::{bounded, millis};
use support::get;

const UNREAD: usize = 3 << 20;
const MOST_GROWTH: usize = 150 << 20;

/// Serves `/FRAME`, a body of `UNREAD` bytes in frames of so many, and anything else at once. Counts what the peer's windows took.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (url, taken) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<AtomicUsize>::default());
    let counting = taken.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, counting.clone()));
            }
        });
    });
    (url, taken)
}

async fn serve(stream: tokio::net::TcpStream, taken: Arc<AtomicUsize>) {
    let mut builder = h2::server::Builder::new();
    let mut connection = builder.max_concurrent_streams(200).handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let taken = taken.clone();
        tokio::spawn(async move {
            let frame: usize = request.uri().path()[1..].parse().unwrap_or(0);
            let mut sending = respond.send_response(http::Response::new(()), frame == 0).unwrap();
            let piece = Bytes::from(vec![b't'; frame]);
            for _ in 0..UNREAD.checked_div(frame).unwrap_or(0) {
                sending.reserve_capacity(frame);
                while sending.capacity() < frame {
                    match poll_fn(|cx| sending.poll_capacity(cx)).await {
                        Some(Ok(_)) => {}
                        _ => return,
                    }
                }
                if sending.send_data(piece.clone(), false).is_err() {
                    return;
                }
                taken.fetch_add(frame, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
            let _ = sending.send_data(Bytes::new(), true);
        });
    }
}

fn streamed(url: &str) -> Request {
    Request { stream: true, limits: LimitOverrides { first_byte: millis(20_000), ..Default::default() }, ..get(url) }
}

/// Bytes of this process that are in memory: the server's too.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn read_whole(answer: &Answer) -> usize {
    let (mut buf, mut length) = (vec![0; 64 << 10], 0);
    loop {
        match answer.read(&mut buf, Duration::from_secs(20)).unwrap() {
            Read::Got(count) => length += count,
            Read::End => return length,
            Read::Nothing => unreachable!("it waits"),
        }
    }
}

#[test]
fn paused_streams_hold_up_nobody_and_cost_little() {
    for (streams, frame) in [(9, 4), (20, 40)] {
        pause(streams, frame);
    }
}

#[test]
#[ignore = "23 million frames: for scripts/nightly, optimised"]
fn ninety_paused_streams_of_four_bytes() {
    pause(90, 4);
}

fn pause(streams: usize, frame: usize) {
    let (url, taken) = server();
    let pool = PoolHandle::owner(ConnectionPool::new(PoolConfig::default()).unwrap());
    let session = pool.get_session(&url, Some(support::http2())).unwrap();
    session.request(bounded(get("/"))).unwrap();
    let before = resident();
    let paused: Vec<_> = (0..streams)
        .map(|_| session.answer(streamed(&format!("/{frame}"))).map_err(|failed| failed.0).unwrap())
        .collect();
    // They stand still when the server can send nothing more for any of them; siblings are answered meanwhile.
    let mut at_last = usize::MAX;
    while at_last != taken.load(Ordering::SeqCst) {
        at_last = taken.load(Ordering::SeqCst);
        for _ in 0..20 {
            assert_eq!(session.request(bounded(get("/"))).unwrap().status, 200);
        }
    }
    let (held, grown) = (taken.load(Ordering::SeqCst), resident().saturating_sub(before));
    assert!(held < streams * UNREAD, "nobody was paused");
    println!("   {streams} streams of {frame}-byte frames: {} MiB sent, {} MiB grown", held >> 20, grown >> 20);
    assert!(grown < MOST_GROWTH, "{} MiB", grown >> 20);
    assert_eq!(session.request(bounded(get("/"))).unwrap().status, 200);
    // What stood still goes on; the others are given up as they are.
    assert_eq!(read_whole(&paused[0]), UNREAD / frame * frame);
    for answer in &paused {
        answer.give_up();
    }
}
