//! How far one request got, told by the connector to whoever has to explain a failure.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::config::TimeLimit;
use crate::error::{Delivery, Phase};

/// For how long after a request's end its connection may be on its way to the idle list.
const FALLS_IDLE: Duration = Duration::from_millis(10);

tokio::task_local! {
    static ATTEMPT: Arc<Attempt>;
}

/// How far a request got, told by the connector to whoever has to explain a failure.
pub struct Attempt {
    connect_limit: TimeLimit,
    phase: AtomicI32,
    http_status: AtomicU16,
    /// The response came whole and said nothing against using its connection again.
    falls_idle: AtomicBool,
    /// The connector was asked for a connection for this request.
    dialed: AtomicBool,
    /// A connection was opened for this request, and this request was first to use it.
    connected: AtomicBool,
    traffic: Arc<Traffic>,
    opened: Box<dyn Fn() + Send + Sync>,
}

/// What a transport's requests know of each other.
pub struct Traffic {
    /// Connections ever opened: a request may have been sent over any.
    connections: AtomicUsize,
    under_way: AtomicUsize,
    began: Instant,
    /// When a request that leaves its connection reusable ended last, in microseconds from `began`; 0 before the first.
    last_end: AtomicU64,
}

impl Traffic {
    pub fn new() -> Self {
        Traffic {
            connections: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            began: Instant::now(),
            last_end: AtomicU64::new(0),
        }
    }
}

/// A request under way. Not the attempt's own life: a spare dial may hold that a little longer.
pub struct UnderWay<'a>(&'a Attempt);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let traffic = &self.0.traffic;
        traffic.under_way.fetch_sub(1, Ordering::SeqCst);
        if self.0.falls_idle.load(Ordering::Relaxed) {
            traffic.last_end.store(traffic.began.elapsed().as_micros() as u64, Ordering::Relaxed);
        }
    }
}

impl Attempt {
    /// `opened` is told of each connection that was opened for this request.
    pub fn begin(
        traffic: Arc<Traffic>,
        connect_limit: TimeLimit,
        opened: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Attempt> {
        Arc::new(Attempt {
            connect_limit,
            phase: AtomicI32::new(Phase::None as i32),
            http_status: AtomicU16::new(0),
            falls_idle: AtomicBool::new(false),
            dialed: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            traffic,
            opened: Box::new(opened),
        })
    }

    /// From the request's start to its end, whichever end that is.
    pub fn under_way(&self) -> UnderWay<'_> {
        self.traffic.under_way.fetch_add(1, Ordering::SeqCst);
        UnderWay(self)
    }

    /// Runs `future` as this attempt: `current` is true to it there, and only there.
    pub async fn scope<F: Future>(self: Arc<Self>, future: F) -> F::Output {
        ATTEMPT.scope(self, future).await
    }

    /// A connection stands that was opened for this request.
    pub fn connected(&self) {
        (self.opened)();
        self.traffic.connections.fetch_add(1, Ordering::SeqCst);
        // Outside its request's task the connection is a spare: the request went over another.
        self.connected.store(Attempt::current().is_some(), Ordering::Relaxed);
        self.enter_if_mine(Phase::FirstByte);
    }

    pub fn connect_limit(&self) -> TimeLimit {
        self.connect_limit
    }

    /// The attempt whose task runs now.
    pub fn current() -> Option<Arc<Attempt>> {
        ATTEMPT.try_with(Arc::clone).ok()
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as i32, Ordering::Relaxed);
    }

    /// The response's head has come.
    pub fn answered(&self, status: StatusCode) {
        self.http_status.store(status.as_u16(), Ordering::Relaxed);
        self.enter(Phase::Body);
    }

    /// The response came whole, and its connection is falling idle.
    pub fn leaves_idle_connection(&self) {
        self.falls_idle.store(true, Ordering::Relaxed);
    }

    /// The response's status, 0 before it came.
    pub fn http_status(&self) -> u16 {
        self.http_status.load(Ordering::Relaxed)
    }

    /// A connection is being opened for this request.
    pub fn dials(&self) {
        self.dialed.store(true, Ordering::Relaxed);
        self.enter_if_mine(Phase::Connect);
    }

    pub fn dialed(&self) -> bool {
        self.dialed.load(Ordering::Relaxed)
    }

    /// Polled outside of its request's task, a dial was left behind: the request is on another connection by now.
    pub fn leave_dial_if_not_mine(&self) {
        if Attempt::current().is_none() {
            for dialing in [Phase::Dns, Phase::Connect] {
                let (from, to) = (dialing as i32, Phase::FirstByte as i32);
                let _ = self.phase.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    /// As `enter`, but not from a connection that became a spare: its request is further on.
    pub fn enter_if_mine(&self, phase: Phase) {
        if Attempt::current().is_some() {
            self.enter(phase);
        }
    }

    pub fn phase(&self) -> Phase {
        let is = |phase: &Phase| *phase as i32 == self.phase.load(Ordering::Relaxed);
        [Phase::None, Phase::Dns, Phase::Connect, Phase::Body].into_iter().find(is).unwrap_or(Phase::FirstByte)
    }

    /// What is certain when the caller gives up. While a connection is opened, another that fell idle may have taken the
    /// request, so only a transport that never had one knows that nothing was sent.
    pub fn delivery(&self) -> Delivery {
        match self.phase() {
            Phase::None => Delivery::NotSent,
            Phase::Body => Delivery::ResponseStarted,
            Phase::Dns | Phase::Connect if self.traffic.connections.load(Ordering::SeqCst) == 0 => Delivery::NotSent,
            _ => Delivery::MaybeSent,
        }
    }

    /// Whether a connection that this request could use must be falling idle just now. Asked for a serial caller's sake:
    /// among many at once a connection more is soon used, and waiting costs more than it.
    pub fn may_reuse_soon(&self) -> bool {
        let Traffic { connections, under_way, began, last_end } = &*self.traffic;
        let last_end = last_end.load(Ordering::Relaxed);
        let since_last_end = began.elapsed().saturating_sub(Duration::from_micros(last_end));
        last_end > 0
            && since_last_end < FALLS_IDLE
            && under_way.load(Ordering::SeqCst) == 1
            && connections.load(Ordering::SeqCst) > 0
    }

    /// Whether the request went over a connection that was open already.
    pub fn reused(&self) -> bool {
        !self.connected.load(Ordering::Relaxed)
    }
}
