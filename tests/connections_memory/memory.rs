//! Servers in memory and the connector that leads to them: every dial, request and end is counted.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use aipool::error::{Error, Phase, Status};
use aipool::transport::dial::{DialLimits, DialObserver, Target};
use aipool::transport::link::{Connect, Connecting, DialTimes, Leading, Link, TlsFacts, Via};
use aipool::transport::socket_state::SocketState;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::servers;
use crate::support::counter::Counter;

/// Small, so that a body of some size waits for its reader.
const PIPE: usize = 4 << 10;

/// How the servers behave.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "switches that tests combine as they like")]
pub struct Plan {
    pub http2: bool,
    /// TLS is said to be spoken, and ALPN to have chosen.
    pub https: bool,
    pub most_streams: u32,
    /// The value of `keep-alive` in every HTTP/1.1 answer.
    pub keep_alive: Option<&'static str>,
    /// Connections end at an address, which their name may leave.
    pub addressed: bool,
    /// Dials wait to be let through one by one.
    pub gated: bool,
    /// Dials fail and servers end things, at random.
    pub chaos: bool,
}

pub const HTTP1: Plan = Plan {
    http2: false,
    https: false,
    most_streams: 100,
    keep_alive: None,
    addressed: false,
    gated: false,
    chaos: false,
};
pub const HTTP2: Plan = Plan { http2: true, ..HTTP1 };

/// All servers there are, on a runtime of their own.
pub struct World {
    runtime: Option<Runtime>,
    pub plan: Plan,
    chaos: AtomicBool,
    pub counts: Counts,
    /// Who holds a way to a server: from the dial's first moment until the socket is let go of.
    pub held: Arc<Held>,
    /// The name leads elsewhere now.
    pub moved: AtomicBool,
    /// Lets gated dials through.
    pub dials_pass: Semaphore,
    /// So many dials to come fail.
    failing: AtomicUsize,
    /// Lets answers to `/hold` go.
    pub answers_pass: Semaphore,
}

#[derive(Default)]
pub struct Counts {
    pub dials: Counter,
    pub requests: Counter,
    /// Connections that the servers have open.
    pub live: Counter,
    /// How often somebody asked where a name leads.
    pub asked: Counter,
}

impl World {
    pub fn new(plan: Plan) -> Arc<World> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        Arc::new(World {
            runtime: Some(runtime),
            plan,
            chaos: AtomicBool::new(plan.chaos),
            counts: Counts::default(),
            held: Arc::default(),
            moved: AtomicBool::new(false),
            dials_pass: Semaphore::new(0),
            failing: AtomicUsize::new(0),
            answers_pass: Semaphore::new(0),
        })
    }

    pub fn fail_dials(&self, count: usize) {
        self.failing.store(count, Ordering::SeqCst);
    }

    /// From here on everything behaves.
    pub fn calm(&self) {
        self.chaos.store(false, Ordering::SeqCst);
    }

    /// True once in `sides` throws while there is chaos.
    pub fn dice(&self, sides: u32) -> bool {
        self.chaos.load(Ordering::SeqCst) && fastrand::u32(0..sides) == 0
    }

    /// Lets others on, a few times, while there is chaos.
    pub async fn dawdle(&self) {
        if self.chaos.load(Ordering::SeqCst) {
            for _ in 0..fastrand::u32(0..4) {
                yield_now().await;
            }
        }
    }

    fn next_fails(&self) -> bool {
        let fewer = |left: usize| left.checked_sub(1);
        self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fewer).is_ok() || self.dice(10)
    }

    fn serve(self: &Arc<Self>, theirs: DuplexStream) {
        self.counts.live.add(1);
        let live = Live(self.counts.live.clone());
        let world = self.clone();
        let Some(runtime) = &self.runtime else { return };
        runtime.spawn(async move {
            // Counted as gone when the stream is, which the server drops.
            let _live = live;
            if world.plan.http2 {
                servers::http2(theirs, &world).await;
            } else {
                let _ = servers::http1(theirs, &world).await;
            }
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

struct Live(Counter);

impl Drop for Live {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

/// How many ways are held, by host and in all, now and at most.
#[derive(Default)]
pub struct Held(Mutex<HashMap<String, (usize, usize)>>);

const ALL: &str = "";

impl Held {
    fn take(self: &Arc<Self>, host: &str) -> Hold {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in [host, ALL] {
            let (now, most) = hosts.entry(name.to_owned()).or_default();
            *now += 1;
            *most = (*most).max(*now);
        }
        Hold { held: self.clone(), host: host.to_owned() }
    }

    /// Most at once to any one host.
    pub fn most_to_one(&self) -> usize {
        let hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter().filter(|(host, _)| *host != ALL).map(|(_, (_, most))| *most).max().unwrap_or(0)
    }

    /// Most at once.
    pub fn most(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(ALL).map_or(0, |(_, most)| *most)
    }
}

struct Hold {
    held: Arc<Held>,
    host: String,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut hosts = self.held.0.lock().unwrap_or_else(PoisonError::into_inner);
        for name in [self.host.as_str(), ALL] {
            hosts.get_mut(name).unwrap().0 -= 1;
        }
    }
}

/// Leads to the servers of one world.
pub struct Memory(pub Arc<World>);

impl Connect for Memory {
    fn still_leads_to<'a>(&'a self, _: &'a Target, _: IpAddr) -> Leading<'a> {
        self.0.counts.asked.add(1);
        Box::pin(std::future::ready(!self.0.moved.load(Ordering::SeqCst)))
    }

    fn connect<'a>(&'a self, target: &'a Target, _: DialLimits, observer: &'a dyn DialObserver) -> Connecting<'a> {
        let world = &self.0;
        Box::pin(async move {
            let hold = world.held.take(&target.host);
            world.counts.dials.add(1);
            observer.enter(Phase::Connect);
            // Long enough for others to come and go.
            for _ in 0..10 {
                world.dawdle().await;
            }
            if world.plan.gated {
                world.dials_pass.acquire().await.unwrap().forget();
            }
            if world.next_fails() {
                return Err(Error::new(Status::Connect, "url: nobody there").phase(Phase::Connect).retryable());
            }
            if world.plan.https {
                observer.enter(Phase::Tls);
                world.dawdle().await;
            }
            let (ours, theirs) = duplex(PIPE);
            world.serve(theirs);
            let socket = Arc::new(SocketState::default());
            Ok(Link {
                stream: Box::new(Ours { io: ours, socket: socket.clone(), _hold: hold }),
                socket,
                remote: world.plan.addressed.then(|| SocketAddr::from(([192, 0, 2, 1], 80))),
                tls: world.plan.https.then_some(TlsFacts { http2: world.plan.http2, resumed: false }),
                via: Via::Nobody,
                times: DialTimes::default(),
            })
        })
    }
}

/// The client's end, which counts as a socket does.
struct Ours {
    io: DuplexStream,
    socket: Arc<SocketState>,
    _hold: Hold,
}

impl AsyncRead for Ours {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        self.socket.count_read(buf.filled().len() - before);
        read
    }
}

impl AsyncWrite for Ours {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if !self.socket.begin_write() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = &written {
            self.socket.count_written(*bytes);
        }
        self.socket.end_write();
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Reads, whatever comes, until the other end is closed.
pub async fn until_closed(stream: &mut DuplexStream) {
    let mut waste = [0; 1 << 10];
    while stream.read(&mut waste).await.is_ok_and(|read| read > 0) {}
}
