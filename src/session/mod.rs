//! Sessions: a base URL, an identity, and the connections behind them, shared by handles.

mod handle;
mod multi_step;
mod spawn;
mod tally;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::Notify;

pub use self::handle::{AnswerFailure, SessionHandle};
pub use self::multi_step::{CallContext, MultiStepCall, MultiStepOptions, Outcome};
use crate::abort::Abort;
use crate::base_url::BaseUrl;
use crate::config::ConnectionConfig;
use crate::error::{Detail, Error, Result};
use crate::lock::lock;
use crate::request::cut_off;
use crate::route::Route;
use crate::stats::{PoolCounters, RequestCounters, add_one};

/// How often something is begun when the session it got was just closed.
pub const FRESH_SESSIONS: usize = 3;

/// Begins, and again on a fresh session when the one it got was just closed. `error` is a failure's.
pub fn over_fresh_sessions<T, F>(
    mut begin: impl FnMut() -> std::result::Result<T, F>,
    error: impl Fn(&F) -> &Error,
) -> std::result::Result<T, F> {
    for _ in 1..FRESH_SESSIONS {
        match begin() {
            Err(failed) if error(&failed).is_stale() => {}
            outcome => return outcome,
        }
    }
    begin()
}

/// Every session of a pool that is still alive, in the table or not.
pub type Registry = Mutex<HashMap<u64, Weak<Session>>>;

/// What all handles of one session share.
pub struct Session {
    pub id: u64,
    pub base: BaseUrl,
    pub connection: Arc<ConnectionConfig>,
    /// Given up when the session closes, so that idle connections close unless another session shares them.
    route: Mutex<Option<Arc<Route>>>,
    /// 0 while open, then the detail of its end.
    closed: AtomicI32,
    in_flight: AtomicU64,
    leases: AtomicU64,
    drained: Notify,
    abort: Abort,
    counters: RequestCounters,
    pool_counters: Arc<PoolCounters>,
    registry: Arc<Registry>,
}

/// A session's numbers now.
pub struct SessionStats {
    pub in_flight: u64,
    pub leases: u64,
    pub requests: u64,
    pub failures: u64,
    pub connections_opened: u64,
    pub requests_reused: u64,
}

impl Session {
    pub fn new(
        base: BaseUrl,
        connection: Arc<ConnectionConfig>,
        route: Route,
        pool_counters: Arc<PoolCounters>,
        registry: Arc<Registry>,
    ) -> Arc<Session> {
        static LAST_ID: AtomicU64 = AtomicU64::new(0);
        let session = Arc::new(Session {
            id: LAST_ID.fetch_add(1, Ordering::Relaxed) + 1,
            base,
            connection,
            route: Mutex::new(Some(Arc::new(route))),
            closed: AtomicI32::new(0),
            in_flight: AtomicU64::new(0),
            leases: AtomicU64::new(0),
            drained: Notify::new(),
            abort: Abort::default(),
            counters: RequestCounters::default(),
            pool_counters,
            registry,
        });
        add_one(&session.pool_counters.sessions_created);
        lock(&session.registry).insert(session.id, Arc::downgrade(&session));
        session
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst) != 0
    }

    /// Refuses new requests from here on; those under way finish. The first reason stays.
    pub fn close(&self, why: Detail) {
        let _ = self.closed.compare_exchange(0, why as i32, Ordering::SeqCst, Ordering::SeqCst);
        let route = lock(&self.route).take();
        drop(route);
    }

    /// Ends the requests under way.
    pub fn cut(&self) {
        self.abort.fire();
    }

    /// Ends when no request is under way.
    pub async fn drained(&self) {
        loop {
            let mut drained = std::pin::pin!(self.drained.notified());
            drained.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            drained.await;
        }
    }

    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    pub fn is_leased(&self) -> bool {
        self.leases.load(Ordering::SeqCst) > 0
    }

    fn closed_error(&self) -> Option<Error> {
        let detail = match self.closed.load(Ordering::SeqCst) {
            0 => return None,
            n if n == Detail::Evicted as i32 => Detail::Evicted,
            n if n == Detail::PoolClosed as i32 => Detail::PoolClosed,
            _ => Detail::SessionClosed,
        };
        Some(Error::closed(detail))
    }

    async fn cut_off(&self) -> Error {
        self.abort.fired().await;
        cut_off()
    }

    fn count(&self, of: impl Fn(&RequestCounters) -> &AtomicU64) {
        add_one(of(&self.counters));
        add_one(of(&self.pool_counters.requests));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        lock(&self.registry).remove(&self.id);
    }
}

/// A request under way: counted from before the closed check, so that a drain never misses one.
struct InFlight(Arc<Session>);

impl InFlight {
    fn begin(session: &Arc<Session>) -> Result<Self> {
        session.in_flight.fetch_add(1, Ordering::SeqCst);
        let begun = InFlight(session.clone());
        session.closed_error().map_or(Ok(begun), Err)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 && self.0.is_closed() {
            self.0.drained.notify_waiters();
        }
    }
}

/// A lease of a session, which is never evicted while it lives.
pub struct SessionLease {
    session: Arc<Session>,
    /// Told when the lease has ended: a pool beyond its size shrinks then.
    ended: Box<dyn Fn() + Send + Sync>,
}

impl SessionLease {
    pub fn new(session: Arc<Session>, ended: impl Fn() + Send + Sync + 'static) -> Self {
        session.leases.fetch_add(1, Ordering::SeqCst);
        SessionLease { session, ended: Box::new(ended) }
    }
}

impl Drop for SessionLease {
    fn drop(&mut self) {
        self.session.leases.fetch_sub(1, Ordering::SeqCst);
        (self.ended)();
    }
}
