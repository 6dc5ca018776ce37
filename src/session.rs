//! Sessions: a base URL, an identity, and the connections behind them, shared by handles.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::base_url::BaseUrl;
use crate::body::Budget;
use crate::body::pipe::Pipe;
use crate::cancel::{Cancel, Hold};
use crate::config::{ConnectionConfig, Limits, MOST_HEADERS, Persistence, RequestDefaults};
use crate::error::{Delivery, Detail, Error, Result, Status};
use crate::lock::lock;
use crate::queue::Queue;
use crate::request::pace::Pace;
use crate::request::retry::RetryBudget;
use crate::request::warm::warm;
use crate::request::{Exchange, Failure, Path, Request, Sink, Stream, cut_off};
use crate::response::{Answer, Response};
use crate::route::Route;
use crate::runtime::Runtime;
use crate::stats::{PoolCounters, RequestCounters, add_one, read};
use crate::transport::{Outgoing, OutgoingBody};

/// How much of a stream's body waits for its reader before it is read no further.
const STREAM_BUFFER: usize = 1 << 20;

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
    cut: AtomicBool,
    cut_now: Notify,
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
            cut: AtomicBool::new(false),
            cut_now: Notify::new(),
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
        self.cut.store(true, Ordering::SeqCst);
        self.cut_now.notify_waiters();
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
        let mut cut = std::pin::pin!(self.cut_now.notified());
        cut.as_mut().enable();
        if !self.cut.load(Ordering::SeqCst) {
            cut.await;
        }
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

/// A lease: its session is never evicted while it lives.
pub struct Lease {
    session: Arc<Session>,
    /// Told when the lease has ended: a pool beyond its size shrinks then.
    ended: Box<dyn Fn() + Send + Sync>,
}

impl Lease {
    pub fn new(session: Arc<Session>, ended: impl Fn() + Send + Sync + 'static) -> Self {
        session.leases.fetch_add(1, Ordering::SeqCst);
        Lease { session, ended: Box::new(ended) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.session.leases.fetch_sub(1, Ordering::SeqCst);
        (self.ended)();
    }
}

/// One handle to a shared session, with request defaults of its own.
pub struct SessionHandle {
    pub session: Arc<Session>,
    pub runtime: Runtime,
    pub pool_limits: Limits,
    pub defaults: RequestDefaults,
    /// The pool's, so that an outage is not amplified.
    pub budget: Arc<RetryBudget>,
    /// Holds requests back: nobody does, but for clients that learn a provider's limits.
    pub pace: Arc<dyn Pace>,
    pub lease: Option<Lease>,
    /// What the pool's streams hold unread.
    pub unread: Arc<Budget>,
    /// Names its pool.
    pub pool: u64,
}

impl SessionHandle {
    pub fn id(&self) -> u64 {
        self.session.id
    }

    pub fn is_closed(&self) -> bool {
        self.session.is_closed()
    }

    pub fn close(&self) {
        self.session.close(Detail::SessionClosed);
    }

    pub fn stats(&self) -> SessionStats {
        let Session { counters, leases, .. } = &*self.session;
        SessionStats {
            in_flight: self.session.in_flight(),
            leases: leases.load(Ordering::SeqCst),
            requests: read(&counters.requests),
            failures: read(&counters.failures),
            connections_opened: read(&counters.connections_opened),
            requests_reused: read(&counters.requests_reused),
        }
    }

    /// Sends a request and waits for the whole response.
    pub fn request(&self, request: Request) -> std::result::Result<Response, Failure> {
        let begun = InFlight::begin(&self.session)?;
        let interrupt = if request.interruptible { Some(Cancel::for_one_wait()?) } else { None };
        // Held to the end: a flag that is fired and freed at once still ends the request.
        let held = request.cancel.map(hold).transpose()?;
        let mut exchange = self.exchange(request)?;
        let tally = self.tally(&exchange);
        if held.is_some() || interrupt.is_some() {
            self.runtime.watch_cancels();
        }
        let outcome = if let Some(interrupt) = &interrupt {
            exchange.interrupt = Some(interrupt.cancel());
            self.runtime.wait_interruptibly(run(begun, exchange), interrupt.cancel())
        } else {
            self.runtime.wait(run(begun, exchange))
        };
        let outcome = outcome.map_err(Failure::from).and_then(|outcome| outcome);
        tally.ended(outcome.as_ref().map(|response| response.report.reused));
        outcome
    }

    /// Sends a request and waits for what its caller asked for: the whole response, or a stream's head.
    pub fn answer(&self, mut request: Request) -> std::result::Result<Answer, Answered> {
        let plan = std::mem::take(&mut request.plan);
        if !request.stream {
            let hand = |response| Answer::whole(response, plan.clone(), self.runtime.clone());
            let outcome = self.request(request);
            return outcome
                .map(&hand)
                .map_err(|Failure { error, response }| (error, response.map(|response| Box::new(hand(*response)))));
        }
        let interrupt = if request.interruptible { Some(Cancel::for_one_wait().map_err(alone)?) } else { None };
        if interrupt.is_some() {
            self.runtime.watch_cancels();
        }
        let (tell, told) = oneshot::channel();
        let pipe = self.new_pipe();
        let stream =
            Stream { pipe: pipe.clone(), plan: plan.clone(), sink: Arc::new(HeadTold(Mutex::new(Some(tell)))) };
        let launched = self.launch(request, Launch::Stream(stream), interrupt.as_ref().map(Hold::cancel), None);
        launched.map_err(alone)?;
        let headed = match &interrupt {
            Some(interrupt) => self.runtime.wait_interruptibly(told, interrupt.cancel()),
            None => self.runtime.wait(told),
        };
        let lost = |_| Err(Failure::from(Error::new(Status::Panic, "bug: a stream's task ended without a word")));
        match headed.map_err(Failure::from).and_then(|told| told.unwrap_or_else(lost)) {
            Ok(response) => Ok(Answer::streaming(response, plan, pipe, self.runtime.clone())),
            Err(failure) => {
                pipe.abandon();
                Err(alone(failure.error))
            }
        }
    }

    /// Starts a request that a queue tells of.
    pub fn submit(&self, mut request: Request, queue: &Arc<Queue>, tag: u64) -> Result<()> {
        if queue.pool != self.pool {
            return Err(Error::invalid("queue", "is another pool's; make one with aip_queue_new() for this one"));
        }
        let plan = std::mem::take(&mut request.plan);
        let stream = request.stream.then(|| self.new_pipe());
        let upload = match &request.body {
            OutgoingBody::Upload(upload) => Some(upload.clone()),
            OutgoingBody::Whole(_) => None,
        };
        let operation = queue.accept(tag, plan.clone(), stream.clone(), self.runtime.clone())?;
        if let Some(upload) = upload {
            upload.tell(operation.upload_side());
        }
        let launch = match stream {
            Some(pipe) => {
                pipe.tell(operation.body_side());
                Launch::Stream(Stream { pipe, plan, sink: operation.clone() })
            }
            None => Launch::Whole(operation.clone()),
        };
        self.launch(request, launch, None, Some(queue.clone())).inspect_err(|_| operation.never_began())
    }

    fn new_pipe(&self) -> Arc<Pipe> {
        Pipe::new(STREAM_BUFFER, self.unread.clone())
    }

    /// Starts a request in a task of its own.
    fn launch(
        &self,
        request: Request,
        launch: Launch,
        interrupt: Option<Cancel>,
        queue: Option<Arc<Queue>>,
    ) -> Result<()> {
        let begun = InFlight::begin(&self.session)?;
        let held = request.cancel.map(hold).transpose()?;
        let mut exchange = self.exchange(request)?;
        exchange.interrupt = interrupt;
        if held.is_some() {
            self.runtime.watch_cancels();
        }
        let tally = self.tally(&exchange);
        let ending = Ending(Some(match &launch {
            Launch::Whole(sink) => sink.clone(),
            Launch::Stream(stream) => stream.sink.clone(),
        }));
        self.runtime.spawn(async move {
            let _held = held;
            let outcome = {
                let cut = async {
                    match &queue {
                        Some(queue) => tokio::select! { why = begun.0.cut_off() => why, why = queue.cut_off() => why },
                        None => begun.0.cut_off().await,
                    }
                };
                match launch {
                    Launch::Whole(_) => exchange.run(cut).await.map(Some),
                    Launch::Stream(stream) => exchange.stream(cut, stream).await.map(|()| None),
                }
            };
            let reused =
                outcome.as_ref().map(|response| response.as_ref().is_some_and(|response| response.report.reused));
            tally.ended(reused);
            drop(begun);
            ending.with(outcome);
        });
        Ok(())
    }

    fn tally(&self, exchange: &Exchange) -> Tally {
        self.session.count(|counters| &counters.requests);
        Tally { session: self.session.clone(), by_engine: matches!(exchange.path, Path::Engine(..)) }
    }

    /// Opens connections to the base URL until `wanted` are there for requests that come together; how many stand then.
    pub fn warm(&self, wanted: usize, timeout: Duration) -> Result<usize> {
        let _begun = InFlight::begin(&self.session)?;
        let limits = self.pool_limits.with(self.defaults.limits);
        let route = lock(&self.session.route).clone().ok_or_else(|| Error::closed(Detail::SessionClosed))?;
        let (_, path) = route.path(&self.session.base, "", &limits, || {})?;
        let Path::Engine(group, _) = path else {
            let message = "warm: needs the pool's own connections; choose AIP_TRANSPORT_ENGINE";
            return Err(Error::new(Status::Unsupported, message));
        };
        let started = Instant::now();
        let warmed = self.runtime.wait(async { warm(&group, wanted, &limits, timeout).await });
        warmed.and_then(|warmed| warmed).map_err(|error| Error { elapsed: started.elapsed(), ..error })
    }

    fn exchange(&self, request: Request) -> Result<Exchange> {
        let started = Instant::now();
        let session = &self.session;
        let route = lock(&session.route).clone();
        let route =
            route.ok_or_else(|| session.closed_error().unwrap_or_else(|| Error::closed(Detail::SessionClosed)))?;
        let limits = self.pool_limits.with(self.defaults.limits).with(request.limits);
        let limits = if request.stream { limits.of_stream(request.limits, self.defaults.limits) } else { limits };
        let counted = session.clone();
        let opened = move || counted.count(|counters| &counters.connections_opened);
        let (address, path) = route.path(&session.base, &request.url, &limits, opened)?;
        let persistence = Persistence::default().with(self.defaults.persistence).with(request.persistence);
        if matches!(path, Path::Reqwest(..)) {
            self.refuse_engine_options(persistence, &request)?;
        }
        if persistence.redirects > 0 {
            route.prepare_for_redirects()?;
        }
        if let OutgoingBody::Upload(upload) = &request.body {
            upload.give_to_a_request(self.runtime.clone())?;
        }
        Ok(Exchange {
            // reqwest keeps two of the limits itself, and knows no others.
            limits: if matches!(path, Path::Engine(..)) { limits } else { limits.total_and_body() },
            persistence,
            budget: self.budget.clone(),
            pace: self.pace.clone(),
            path,
            address,
            outgoing: Outgoing {
                method: request.method,
                headers: with_defaults(request.headers, &self.defaults.headers)?,
                body: request.body,
                may_repeat: request.may_repeat,
            },
            cancel: request.cancel,
            interrupt: None,
            started,
        })
    }

    /// What was asked for and is not there over reqwest is refused by name.
    fn refuse_engine_options(&self, persistence: Persistence, request: &Request) -> Result<()> {
        let field = match request.limits.phase_limit(self.defaults.limits) {
            Some(field) => field,
            None if request.stream => "flags (AIP_REQUEST_STREAM)",
            None if matches!(request.body, OutgoingBody::Upload(_)) => "upload",
            None if persistence.redirects > 0 => "max_redirects",
            None if persistence.retries > 0 => "max_retries",
            None => return Ok(()),
        };
        let mend = "needs the pool's own connections; leave it 0 or choose AIP_TRANSPORT_ENGINE";
        Err(Error::new(Status::Unsupported, format!("{field}: {mend}")))
    }
}

/// What a task carries out.
enum Launch {
    Whole(Arc<dyn Sink>),
    Stream(Stream),
}

/// However a task ends, done, panicked or dropped, its sink hears of it once.
struct Ending(Option<Arc<dyn Sink>>);

impl Ending {
    fn with(mut self, outcome: std::result::Result<Option<Response>, Failure>) {
        if let Some(sink) = self.0.take() {
            sink.ended(outcome);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(sink) = self.0.take() {
            let error = if std::thread::panicking() {
                Error::new(Status::Panic, "bug: a request's task panicked; please report it")
            } else {
                Error::closed(Detail::PoolClosed)
            };
            sink.ended(Err(error.delivery(Delivery::MaybeSent).into()));
        }
    }
}

/// Tells one waiting thread of a stream's head, or why there is none.
struct HeadTold(Mutex<Option<oneshot::Sender<std::result::Result<Response, Failure>>>>);

impl HeadTold {
    fn tell(&self, outcome: std::result::Result<Response, Failure>) {
        if let Some(tell) = lock(&self.0).take() {
            let _ = tell.send(outcome);
        }
    }
}

impl Sink for HeadTold {
    fn headed(&self, response: Response) {
        self.tell(Ok(response));
    }

    fn ended(&self, outcome: std::result::Result<Option<Response>, Failure>) {
        if let Err(failure) = outcome {
            self.tell(Err(failure));
        }
    }
}

/// Counts a request's end.
struct Tally {
    session: Arc<Session>,
    by_engine: bool,
}

impl Tally {
    /// With whether its connection was used before.
    fn ended(self, outcome: std::result::Result<bool, &Failure>) {
        match outcome {
            Ok(true) => self.session.count(|counters| &counters.requests_reused),
            // Its pool counts connections when they are opened.
            Ok(false) if self.by_engine => add_one(&self.session.counters.connections_opened),
            Ok(false) => {}
            Err(_) => self.session.count(|counters| &counters.failures),
        }
    }
}

/// A failure, and the answer that some carry.
pub type Answered = (Error, Option<Box<Answer>>);

fn alone(error: Error) -> Answered {
    (error, None)
}

fn hold(cancel: Cancel) -> Result<Hold> {
    let freed = || Error::new(Status::InvalidHandle, "cancel: the handle was freed; make one for this request");
    cancel.hold().ok_or_else(freed)
}

async fn run(begun: InFlight, exchange: Exchange) -> std::result::Result<Response, Failure> {
    exchange.run(begun.0.cut_off()).await
}

/// The request's headers, and the handle's where the request has none of that name.
fn with_defaults(mut headers: HeaderMap, defaults: &HeaderMap) -> Result<HeaderMap> {
    if headers.len() + defaults.len() > MOST_HEADERS {
        return Err(Error::invalid(
            "headers",
            format_args!("are over {MOST_HEADERS} with the session's own; send fewer"),
        ));
    }
    for name in defaults.keys().filter(|name| !headers.contains_key(*name)).cloned().collect::<Vec<_>>() {
        for value in defaults.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    Ok(headers)
}
