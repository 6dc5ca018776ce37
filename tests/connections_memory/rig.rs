//! A pool's connections over servers in memory, and requests driven by hand.

use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aipool::address::Address;
use aipool::config::{ConnectionCaps, ConnectionConfig, HttpVersion, Limits, Persistence, PoolConfig};
use aipool::connections::{Checkout, ConnectionStats, Connections, Group, Identity, Lease, Reference};
use aipool::error::Result;
use aipool::events::CloseReason;
use aipool::request::retry::RetryBudget;
use aipool::request::{Exchange, Failure, RedirectResolver, TransportPath, UploadEnds};
use aipool::response::Response;
use aipool::runtime::{Runtime, Sigpipe};
use aipool::transport::dial::{DialLimits, Target};
use aipool::transport::{Outgoing, OutgoingBody};
use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::task::yield_now;
use url::Url;

use crate::memory::{Memory, Plan, World};

/// How long any wait may take before it fails its test.
const PATIENCE: Duration = Duration::from_secs(30);

/// Caps that no test meets unless it says so.
pub fn caps(per_origin: usize, total: usize) -> ConnectionCaps {
    ConnectionCaps { per_origin, total, queue: 1_000_000, idle: Duration::from_secs(600), lifetime: None }
}

pub struct Rig {
    pub runtime: Runtime,
    pub connections: Connections,
    pub world: Arc<World>,
    identity: Arc<Identity>,
}

/// One origin, as a session has it.
#[derive(Clone)]
pub struct Origin {
    pub reference: Arc<Reference>,
    url: Url,
}

impl Rig {
    pub fn new(threads: usize, caps: ConnectionCaps, plan: Plan) -> Rig {
        let runtime = Runtime::start(threads, Sigpipe::Untouched, Arc::default()).unwrap();
        let world = World::new(plan);
        let connector = Arc::new(Memory(world.clone()));
        let maker = Box::new(move |_: &ConnectionConfig| Ok(connector.clone() as Arc<_>));
        let connections = Connections::new(runtime.clone(), caps, &limits(), maker);
        let http_version = match plan {
            Plan { https: true, .. } => HttpVersion::Auto,
            Plan { http2: true, .. } => HttpVersion::Http2,
            _ => HttpVersion::Http1,
        };
        let config = ConnectionConfig { http_version, ..ConnectionConfig::default() };
        let identity = connections.identity(&Arc::new(config)).unwrap();
        Rig { runtime, connections, world, identity }
    }

    pub fn origin(&self, number: usize) -> Origin {
        let https = self.world.plan.https;
        let scheme = if https { "https" } else { "http" };
        let url = Url::parse(&format!("{scheme}://origin{number}.test")).unwrap();
        let target = Target { https, host: format!("origin{number}.test"), port: if https { 443 } else { 80 } };
        Origin { reference: Arc::new(self.connections.refer(target, &self.identity)), url }
    }

    /// Drives until `future` ends, which it does soon.
    pub fn wait<F: Future<Output: Send> + Send>(&self, future: F) -> F::Output {
        let ended = self.runtime.wait(async { tokio::time::timeout(PATIENCE, future).await }).unwrap();
        ended.unwrap_or_else(|_| panic!("waited in vain; {:?}", self.stats()))
    }

    /// Drives until `future` ends, however much it does.
    pub fn work<F: Future<Output: Send> + Send>(&self, future: F) -> F::Output {
        self.runtime.wait(future).unwrap()
    }

    /// Drives until `reached` is true.
    pub fn until(&self, what: &str, reached: impl Fn() -> bool + Sync) {
        let begun = Instant::now();
        self.wait(async {
            while !reached() {
                assert!(begun.elapsed() < PATIENCE, "{what}: not in time; {:?}", self.stats());
                yield_now().await;
            }
        });
    }

    pub fn stats(&self) -> ConnectionStats {
        self.connections.stats()
    }

    pub fn closed(&self, why: CloseReason) -> u64 {
        self.stats().closed[why.index()]
    }

    /// Drives until nothing is under way, and then nothing may be left over or missing in any book.
    pub fn comes_to_rest(&self) {
        self.until("comes to rest", || self.books_agree());
    }

    fn books_agree(&self) -> bool {
        let stats = self.stats();
        let now = stats.now;
        let still = now.waiting + now.dialing + now.in_use + now.streams == 0;
        let counted = stats.opened - stats.closed.iter().sum::<u64>() == now.standing as u64;
        let permits = (now.permits, self.connections.permits_taken()) == (now.standing, now.standing);
        still && counted && permits && self.world.counts.live.get() == now.standing
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.runtime.stop();
    }
}

pub fn limits() -> Limits {
    PoolConfig::default().limits
}

impl Origin {
    pub fn group(&self) -> &Arc<Group> {
        self.reference.group()
    }

    /// A lease, in the end.
    pub async fn lease(&self) -> Result<Lease> {
        match self.checkout()? {
            Checkout::Now(lease) => Ok(lease),
            Checkout::Later(mut waiting) => waiting.served().await,
        }
    }

    pub fn checkout(&self) -> Result<Checkout> {
        self.group().checkout(DialLimits::of(&limits()))
    }

    /// A whole request, as a session makes one.
    pub fn get(&self, path: &str) -> impl Future<Output = std::result::Result<Response, Failure>> + Send + use<> {
        let mut exchange = self.exchange(path, 0, limits());
        async move { exchange.run(pin!(pending())).await }
    }

    /// One that is ready to run; with a body it is a POST.
    pub fn exchange(&self, path: &str, body: usize, limits: Limits) -> Exchange {
        Exchange {
            path: TransportPath::Engine(self.group().clone(), Arc::new(Nowhere)),
            address: Arc::new(Address::of(self.url.join(path).unwrap()).unwrap()),
            outgoing: Outgoing {
                method: if body == 0 { Method::GET } else { Method::POST },
                headers: HeaderMap::new(),
                body: OutgoingBody::Whole(Bytes::from(vec![b'x'; body])),
                may_repeat: false,
            },
            limits,
            persistence: Persistence::default(),
            budget: Arc::<RetryBudget>::default(),
            provider: None,
            cancel: None,
            interrupt: None,
            started: tokio::time::Instant::now(),
            upload: UploadEnds::default(),
        }
    }
}

/// Redirects are not followed here.
struct Nowhere;

impl RedirectResolver for Nowhere {
    fn resolve(&self, _: Url) -> Result<(Arc<Address>, Arc<Group>)> {
        unreachable!("no request here follows redirects")
    }
}
