//! Readers who are slow, or gone, cost their own stream and nobody else's.

#![cfg(target_os = "linux")]

mod support;

use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aipool::answer::{Answer, Read};
use aipool::config::{LimitOverrides, PoolConfig};
use aipool::pool::{ConnectionPool, PoolHandle};
use aipool::request::Request;
use bytes::Bytes;
use support::expect::{bounded, millis};
use support::{faulty, get, sandbox, session, until};

const UNREAD: usize = 3 << 20;
const MOST_GROWTH: usize = 150 << 20;
/// In the environment of the process that serves.
const SERVES: &str = "AIPOOL_SLOW_READERS_SERVE";

/// In a process of its own, so that what the client's has grown by is the client's. It ends when this is dropped.
struct Server {
    url: String,
    process: Child,
    /// Left open: the harness of a long test says so.
    _said: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Server {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "serves_in_a_process_of_its_own", "--nocapture"]).env(SERVES, "");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        // The harness says something before it, on the same line.
        let mut urls = said.by_ref().lines().map(Result::unwrap);
        let url = urls.find_map(|line| line.find("http://").map(|at| line[at..].to_owned())).unwrap();
        Server { url, process, _said: said }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

#[test]
#[ignore = "not a test: the other tests' server"]
fn serves_in_a_process_of_its_own() {
    if std::env::var_os(SERVES).is_none() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (listener, taken) = (tokio::net::TcpListener::from_std(listener).unwrap(), Arc::<AtomicUsize>::default());
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, taken.clone()));
        }
    });
}

/// Serves `/FRAME`, a body of `UNREAD` bytes in frames of so many. To anything else it says how many the peer's windows took so far.
async fn serve(stream: tokio::net::TcpStream, taken: Arc<AtomicUsize>) {
    let mut builder = h2::server::Builder::new();
    let mut connection = builder.max_concurrent_streams(200).handshake(stream).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let taken = taken.clone();
        tokio::spawn(async move {
            let frame: usize = request.uri().path()[1..].parse().unwrap_or(0);
            let mut sending = respond.send_response(http::Response::new(()), false).unwrap();
            if frame == 0 {
                let _ = sending.send_data(taken.load(Ordering::SeqCst).to_string().into(), true);
                return;
            }
            let piece = Bytes::from(vec![b't'; frame]);
            for _ in 0..UNREAD / frame {
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

/// Bytes of this process that are in memory.
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
    let server = Server::start();
    let pool = PoolHandle::owner(ConnectionPool::new(PoolConfig::default()).unwrap());
    let session = pool.get_session(&server.url, Some(support::http2())).unwrap();
    let taken = || {
        let response = session.request(bounded(get("/"))).unwrap();
        assert_eq!(response.status, 200);
        std::str::from_utf8(&response.body).unwrap().parse::<usize>().unwrap()
    };
    taken();
    let before = resident();
    let paused: Vec<_> = (0..streams)
        .map(|_| session.answer(streamed(&format!("/{frame}"))).map_err(|failed| failed.0).unwrap())
        .collect();
    // They stand still when the server can send nothing more for any of them; siblings are answered meanwhile.
    let (mut held, mut most) = (usize::MAX, 0);
    loop {
        let now = (0..20).fold(0, |_, _| taken());
        most = most.max(resident().saturating_sub(before));
        if std::mem::replace(&mut held, now) == now {
            break;
        }
    }
    assert!(held < streams * UNREAD, "nobody was paused");
    println!("   {streams} streams of {frame}-byte frames: {} MiB sent, at most {} MiB grown", held >> 20, most >> 20);
    assert!(most < MOST_GROWTH, "{} MiB", most >> 20);
    taken();
    // What stood still goes on; the others are given up as they are.
    assert_eq!(read_whole(&paused[0]), UNREAD / frame * frame);
    for answer in &paused {
        answer.give_up();
    }
}

#[test]
fn an_answer_that_is_dropped_gives_its_stream_up() {
    let pool = PoolHandle::owner(ConnectionPool::new(PoolConfig::default()).unwrap());
    let session = session(&pool, &sandbox().http);
    let stalls = Request { stream: true, ..faulty("/bytes/1000", "stall=10") };
    drop(session.answer(stalls).map_err(|(error, _)| error).unwrap());
    until("it is given up", || session.stats().in_flight == 0);
}
