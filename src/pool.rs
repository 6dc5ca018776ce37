//! The pool: sessions by key, least recently used first out, leases passed over; one global pool a process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use lru::LruCache;
use once_cell::sync::OnceCell;

use crate::answer::Answer;
use crate::base_url::BaseUrl;
use crate::body::Budget;
use crate::config::{ConnectionConfig, Eviction, MaxSize, PoolConfig, SessionConfig, TransportKind};
use crate::connections::{Connections, Maker};
use crate::error::{Detail, Error, Result, Status};
use crate::lock::lock;
use crate::metrics::TokenTimes;
use crate::pool_stats::{PoolStats, PoolTimes};
use crate::queue::Queue;
use crate::request::retry::RetryBudget;
use crate::request::{Failure, Request};
use crate::response::Response;
use crate::route::Route;
use crate::runtime::{Runtime, Sigpipe};
use crate::session::{AnswerFailure, Registry, Session, SessionHandle, SessionLease, over_fresh_sessions};
use crate::stats::{Driving, PoolCounters, add_one, read};
use crate::transport::dns::{Resolver, SystemLookup};
use crate::transport::network::Network;
use crate::transport::reqwest::Transport;
use crate::{metrics, sys};

/// A pool of sessions.
pub struct ConnectionPool {
    config: PoolConfig,
    runtime: Runtime,
    closed: AtomicBool,
    table: Mutex<Table>,
    connections: Connections,
    driving: Arc<Driving>,
    budget: Arc<RetryBudget>,
    /// What its streams hold unread.
    unread: Arc<Budget>,
    token_times: Arc<TokenTimes>,
    /// They are told of the pool's end.
    queues: Mutex<Vec<Weak<Queue>>>,
    /// For sessions over reqwest: their writes need other care than the engine's. Made with the first of them.
    reqwest_runtime: OnceCell<Runtime>,
    /// reqwest's connections are shared by sessions of one origin and identity.
    transports: Mutex<HashMap<TransportKey, Weak<Transport>>>,
    registry: Arc<Registry>,
    counters: Arc<PoolCounters>,
}

type Table = LruCache<SessionKey, Arc<Session>>;

#[derive(Clone, PartialEq, Eq, Hash)]
struct SessionKey {
    base: BaseUrl,
    partition: String,
}

type TransportKey = (String, String, Arc<ConnectionConfig>);

/// The process's shared pool.
#[derive(Default)]
struct Global(Mutex<Option<Arc<ConnectionPool>>>);

impl ConnectionPool {
    pub fn new(config: PoolConfig) -> Result<Arc<ConnectionPool>> {
        let resolver = Resolver::new(SystemLookup);
        ConnectionPool::with_connector(config, Box::new(move |config| Ok(Arc::new(Network::new(config, &resolver)?))))
    }

    /// A pool whose connections are made by `maker`: for tests without a network.
    pub fn with_connector(config: PoolConfig, maker: Box<Maker>) -> Result<Arc<ConnectionPool>> {
        let driving = sys::process_state::<Arc<Driving>>().clone();
        let runtime = Runtime::start(config.threads, Sigpipe::OF_ENGINE, driving.clone())?;
        Ok(Arc::new(ConnectionPool {
            connections: Connections::new(runtime.clone(), config.connections, &config.limits, maker),
            runtime,
            reqwest_runtime: OnceCell::new(),
            driving,
            budget: Arc::default(),
            unread: Arc::default(),
            token_times: Arc::default(),
            queues: Mutex::default(),
            config,
            closed: AtomicBool::new(false),
            table: Mutex::new(LruCache::unbounded()),
            transports: Mutex::default(),
            registry: Arc::default(),
            counters: Arc::default(),
        }))
    }

    /// The global pool. The first use sets its options.
    pub fn global(config: Option<PoolConfig>) -> Result<Arc<ConnectionPool>> {
        let mut global = lock(&sys::process_state::<Global>().0);
        if let Some(pool) = &*global {
            return match config {
                Some(config) if config != pool.config => Err(Error::invalid(
                    "options",
                    "differ from those the global pool was made with; pass NULL, or close the global pool first",
                )),
                _ => Ok(pool.clone()),
            };
        }
        let pool = ConnectionPool::new(config.unwrap_or_default())?;
        *global = Some(pool.clone());
        Ok(pool)
    }

    /// Ends the global pool; the next use makes a new one.
    pub fn close_global(drain_ms: u32) -> Result<()> {
        let Some(pool) = lock(&sys::process_state::<Global>().0).take() else { return Ok(()) };
        pool.closed.store(true, Ordering::SeqCst);
        let drained = pool.close_sessions(Detail::PoolClosed, drain_ms);
        pool.stop_runtimes();
        drained
    }

    pub fn get_session(self: &Arc<Self>, key: &str, config: Option<SessionConfig>) -> Result<SessionHandle> {
        self.handle(key, config, false)
    }

    /// A session that nobody else has: it is in no table, and closes with its last handle.
    pub fn own_session(self: &Arc<Self>, key: &str, config: Option<SessionConfig>) -> Result<SessionHandle> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::closed(Detail::PoolClosed));
        }
        let key = SessionKey { base: BaseUrl::parse(key)?, partition: String::new() };
        let connection = Arc::new(config.as_ref().map(|config| config.connection.clone()).unwrap_or_default());
        let route = self.route(&key, &connection)?;
        self.handle_to(self.new_session(&key, connection, route), None, config)
    }

    /// As `get_session`, and the session is not evicted while the handle lives.
    pub fn acquire(self: &Arc<Self>, key: &str, config: Option<SessionConfig>) -> Result<SessionHandle> {
        self.handle(key, config, true)
    }

    /// Gets and sends, again on a fresh session when this one was closed meanwhile.
    pub fn request(self: &Arc<Self>, key: &str, request: &Request) -> std::result::Result<Response, Failure> {
        over_fresh_sessions(|| self.get_session(key, None)?.request(request.clone()), |failure| &failure.error)
    }

    /// The same, for what the request asks for: a stream's head, perhaps.
    pub fn answer(self: &Arc<Self>, key: &str, request: &Request) -> std::result::Result<Arc<Answer>, AnswerFailure> {
        let session = || self.get_session(key, None).map_err(|error| (error, None));
        over_fresh_sessions(|| session()?.answer(request.clone()), |(error, _)| error)
    }

    /// Names it, as its sessions and queues do.
    pub fn id(&self) -> u64 {
        self.connections.pool_id()
    }

    /// Where the times of streamed answers are counted.
    pub fn token_times(&self) -> Arc<TokenTimes> {
        self.token_times.clone()
    }

    /// A queue for this pool's requests.
    pub fn queue(&self) -> Arc<Queue> {
        let queue = Queue::new(self.connections.pool_id(), self.runtime.clone());
        let mut queues = lock(&self.queues);
        queues.retain(|queue| queue.strong_count() > 0);
        queues.push(Arc::downgrade(&queue));
        queue
    }

    /// Closes the session of this key in every partition.
    pub fn close_session(&self, key: &str) -> Result<()> {
        let base = BaseUrl::parse(key)?;
        let mut table = lock(&self.table);
        let matching: Vec<_> = table.iter().filter(|(key, _)| key.base == base).map(|(key, _)| key.clone()).collect();
        let closing: Vec<_> = matching.iter().filter_map(|key| table.pop(key)).collect();
        drop(table);
        for session in closing {
            session.close(Detail::SessionClosed);
        }
        Ok(())
    }

    /// Closes every session; requests under way have `drain_ms` to finish.
    pub fn close_all(&self, drain_ms: u32) -> Result<()> {
        self.close_sessions(Detail::SessionClosed, drain_ms)
    }

    pub fn stats(&self) -> PoolStats {
        let table = lock(&self.table);
        let sessions = table.len();
        let leased = table.iter().filter(|(_, session)| session.is_leased()).count();
        drop(table);
        let connections = self.connections.stats();
        let PoolCounters { sessions_created, evictions, requests } = &*self.counters;
        PoolStats {
            sessions: sessions as u64,
            leased: leased as u64,
            over_limit: sessions.saturating_sub(self.limit()) as u64,
            in_flight: self.live_sessions().iter().map(|session| session.in_flight()).sum(),
            sessions_created: read(sessions_created),
            evictions: read(evictions),
            requests: read(&requests.requests),
            failures: read(&requests.failures),
            connections_opened: read(&requests.connections_opened) + connections.opened,
            connections,
            requests_reused: read(&requests.requests_reused),
        }
    }

    /// The pool's numbers as Prometheus text.
    pub fn metrics(&self) -> String {
        let (queue, first_byte) = self.connections.times();
        let TokenTimes { first, between } = &*self.token_times;
        let times = PoolTimes { queue, first_byte, first_token: first.counts(), between_tokens: between.counts() };
        metrics::text(&self.stats().families(&times))
    }

    /// Reads certificate files again; connections made from now on use them.
    pub fn reload_tls(&self) -> Result<()> {
        self.connections.reload()
    }

    fn handle(self: &Arc<Self>, key: &str, config: Option<SessionConfig>, leased: bool) -> Result<SessionHandle> {
        let base = BaseUrl::parse(key)?;
        let wanted = config.as_ref().map(|config| &config.connection);
        let key =
            SessionKey { base, partition: config.as_ref().map_or_else(String::new, |config| config.partition.clone()) };
        let (session, lease) = self.session(key, wanted, leased)?;
        self.handle_to(session, lease, config)
    }

    fn handle_to(
        &self,
        session: Arc<Session>,
        lease: Option<SessionLease>,
        config: Option<SessionConfig>,
    ) -> Result<SessionHandle> {
        Ok(SessionHandle {
            runtime: self.runtime_of(&session)?.clone(),
            session,
            pool_limits: self.config.limits,
            budget: self.budget.clone(),
            defaults: config.map(|config| config.defaults).unwrap_or_default(),
            lease,
            unread: self.unread.clone(),
            pool: self.connections.pool_id(),
        })
    }

    /// reqwest's vectored writes can raise SIGPIPE, so those who drive them block it: on a runtime of its own, the engine's
    /// requests are spared that.
    fn runtime_of(&self, session: &Session) -> Result<&Runtime> {
        match session.connection.transport {
            TransportKind::Engine => Ok(&self.runtime),
            TransportKind::Reqwest => self.reqwest_runtime.get_or_try_init(|| {
                let runtime = Runtime::start(self.config.threads, Sigpipe::Blocked, self.driving.clone())?;
                // Stopped in between: the pool's end looked for it too early.
                if self.closed.load(Ordering::SeqCst) {
                    runtime.stop();
                }
                Ok(runtime)
            }),
        }
    }

    fn stop_runtimes(&self) {
        self.runtime.stop();
        if let Some(runtime) = self.reqwest_runtime.get() {
            runtime.stop();
        }
        for queue in lock(&self.queues).iter().filter_map(Weak::upgrade) {
            queue.pool_ended();
        }
    }

    /// The open session of this key, made and entered if need be.
    fn session(
        self: &Arc<Self>,
        key: SessionKey,
        wanted: Option<&ConnectionConfig>,
        leased: bool,
    ) -> Result<(Arc<Session>, Option<SessionLease>)> {
        // Leased under the lock: nobody can evict it in between.
        let with_lease = |session: Arc<Session>| {
            let lease = leased.then(|| self.lease(&session));
            (session, lease)
        };
        let had = match self.find(&mut lock(&self.table), &key, wanted)? {
            Some(open) if !open.is_closed() => return Ok(with_lease(open)),
            closed => closed.map(|session| session.connection.clone()),
        };
        // Who names no options gets those it had: a proxy or a pin is not lost on the way.
        let connection = wanted.cloned().map(Arc::new).or(had).unwrap_or_default();
        // Files may be read for it: those who want other sessions do not wait for that.
        let route = self.route(&key, &connection)?;
        let mut table = lock(&self.table);
        // Somebody may have been quicker.
        if let Some(open) = self.find(&mut table, &key, wanted)?.filter(|session| !session.is_closed()) {
            return Ok(with_lease(open));
        }
        let session = self.new_session(&key, connection, route);
        let both = with_lease(session.clone());
        if self.config.max_size != MaxSize::Off {
            table.push(key, session.clone());
        }
        // The newcomer is in use by whoever asked: it is not the one to go.
        let evicted = self.shrink(&mut table, Some(&session));
        drop(table);
        self.close_evicted(&evicted);
        Ok(both)
    }

    /// The session of this key, which may have closed. Asked again under the lock under which another is entered.
    fn find(
        &self,
        table: &mut Table,
        key: &SessionKey,
        wanted: Option<&ConnectionConfig>,
    ) -> Result<Option<Arc<Session>>> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Error::closed(Detail::PoolClosed));
        }
        let found = match self.config.eviction {
            Eviction::Lru => table.get(key),
            Eviction::Fifo => table.peek(key),
        };
        if let (Some(session), Some(wanted)) = (found.filter(|session| !session.is_closed()), wanted) {
            session.connection.must_equal(wanted)?;
        }
        Ok(found.cloned())
    }

    fn route(&self, key: &SessionKey, connection: &Arc<ConnectionConfig>) -> Result<Route> {
        Ok(match connection.transport {
            TransportKind::Engine => Route::engine(self.connections.clone(), self.connections.identity(connection)?),
            TransportKind::Reqwest => Route::Reqwest(self.transport(key, connection)?),
        })
    }

    fn new_session(&self, key: &SessionKey, connection: Arc<ConnectionConfig>, route: Route) -> Arc<Session> {
        Session::new(key.base.clone(), connection, route, self.counters.clone(), self.registry.clone())
    }

    /// reqwest's connections of the key's origin and identity, shared with other sessions that have both in common.
    fn transport(&self, key: &SessionKey, connection: &Arc<ConnectionConfig>) -> Result<Arc<Transport>> {
        let origin = match &key.base {
            BaseUrl::Http(url) => url[..url::Position::BeforePath].to_owned(),
            BaseUrl::Opaque(text) => text.clone(),
        };
        let transport_key = (origin, key.partition.clone(), connection.clone());
        if let Some(transport) = lock(&self.transports).get(&transport_key).and_then(Weak::upgrade) {
            return Ok(transport);
        }
        let fresh = Arc::new(Transport::new(ConnectionConfig::clone(connection))?);
        let mut transports = lock(&self.transports);
        // Somebody may have been quicker.
        if let Some(transport) = transports.get(&transport_key).and_then(Weak::upgrade) {
            return Ok(transport);
        }
        // Swept when it has doubled, so that dead entries never outnumber live ones for long.
        if transports.len() == transports.capacity() {
            transports.retain(|_, transport| transport.strong_count() > 0);
        }
        transports.insert(transport_key, Arc::downgrade(&fresh));
        Ok(fresh)
    }

    fn lease(self: &Arc<Self>, session: &Arc<Session>) -> SessionLease {
        let pool = Arc::downgrade(self);
        SessionLease::new(session.clone(), move || {
            if let Some(pool) = pool.upgrade() {
                let evicted = pool.shrink(&mut lock(&pool.table), None);
                pool.close_evicted(&evicted);
            }
        })
    }

    /// Takes sessions out until the pool fits, passing over leased ones and `kept`. They are closed without the lock.
    fn shrink(&self, table: &mut Table, kept: Option<&Arc<Session>>) -> Vec<Arc<Session>> {
        let mut evicted = Vec::new();
        while table.len() > self.limit() {
            let free =
                |session: &Arc<Session>| !session.is_leased() && !kept.is_some_and(|kept| Arc::ptr_eq(kept, session));
            // A closed one holds a place for nobody.
            let goes = table.iter().rev().find(|(_, session)| session.is_closed());
            let goes =
                goes.or_else(|| table.iter().rev().find(|(_, session)| free(session))).map(|(key, _)| key.clone());
            let Some(session) = goes.and_then(|key| table.pop(&key)) else { break };
            evicted.push(session);
        }
        evicted
    }

    fn close_evicted(&self, evicted: &[Arc<Session>]) {
        for session in evicted.iter().filter(|session| !session.is_closed()) {
            session.close(Detail::Evicted);
            add_one(&self.counters.evictions);
        }
    }

    fn limit(&self) -> usize {
        match self.config.max_size {
            MaxSize::Limit(limit) => limit,
            MaxSize::Off | MaxSize::Unlimited => usize::MAX,
        }
    }

    fn live_sessions(&self) -> Vec<Arc<Session>> {
        lock(&self.registry).values().filter_map(Weak::upgrade).collect()
    }

    fn close_sessions(&self, why: Detail, drain_ms: u32) -> Result<()> {
        let closing = self.end_sessions(why);
        if closing.iter().all(|session| session.in_flight() == 0) {
            return Ok(());
        }
        self.drain(&closing, Duration::from_millis(drain_ms.into()))
    }

    /// Empties the table and closes every session alive, in the table or not.
    fn end_sessions(&self, why: Detail) -> Vec<Arc<Session>> {
        let table = std::mem::replace(&mut *lock(&self.table), LruCache::unbounded());
        let closing = self.live_sessions();
        for session in &closing {
            session.close(why);
        }
        drop(table);
        closing
    }

    fn drain(&self, closing: &[Arc<Session>], limit: Duration) -> Result<()> {
        let started = Instant::now();
        let all = async {
            for session in closing {
                session.drained().await;
            }
        };
        let drained = self.runtime.wait(async { tokio::time::timeout(limit, all).await })?;
        if drained.is_ok() {
            return Ok(());
        }
        let left: u64 = closing.iter().map(|session| session.in_flight()).sum();
        for session in closing {
            session.cut();
        }
        let message = format!("drain_ms: {} ms ran out; {left} requests were cut off", limit.as_millis());
        let error = Error::new(Status::Timeout, message).detail(Detail::DrainLimit);
        Err(Error { elapsed: started.elapsed(), ..error })
    }
}

impl Drop for ConnectionPool {
    fn drop(&mut self) {
        self.stop_runtimes();
    }
}

/// A handle to a pool: its owner's ends the pool, a guest's never the global one.
pub struct PoolHandle {
    pool: Arc<ConnectionPool>,
    owner: bool,
}

impl PoolHandle {
    pub fn owner(pool: Arc<ConnectionPool>) -> Self {
        PoolHandle { pool, owner: true }
    }

    pub fn guest(pool: Arc<ConnectionPool>) -> Self {
        PoolHandle { pool, owner: false }
    }

    /// What freeing the handle means, at once, even while other threads are inside calls on it.
    pub fn end(&self) {
        if self.owner && !self.pool.closed.swap(true, Ordering::SeqCst) {
            self.pool.end_sessions(Detail::PoolClosed);
            self.pool.stop_runtimes();
        }
    }
}

impl std::ops::Deref for PoolHandle {
    type Target = Arc<ConnectionPool>;

    fn deref(&self) -> &Self::Target {
        &self.pool
    }
}

impl Drop for PoolHandle {
    fn drop(&mut self) {
        self.end();
    }
}
