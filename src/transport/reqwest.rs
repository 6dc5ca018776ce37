//! One reqwest client for the connections of one origin and identity, and what each attempt over it knows of itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use once_cell::sync::OnceCell;
use tower_layer::layer_fn;
use tower_service::Service;
use url::Url;

use super::failure::{self, ConnectLimitRanOut};
use super::resolve::SystemResolver;
use super::tls;
use super::{Head, Outgoing};
use crate::config::{ConnectionConfig, HttpVersion, TimeLimit};
use crate::error::{Delivery, Error, Phase, Result, Status};

tokio::task_local! {
    static ATTEMPT: Arc<Attempt>;
}

/// How far a request got, told by the connector to whoever has to explain a failure.
pub struct Attempt {
    connect_limit: TimeLimit,
    phase: AtomicI32,
    /// A connection was opened for this request, and this request was first to use it.
    connected: AtomicBool,
    traffic: Arc<Traffic>,
    opened: Box<dyn Fn() + Send + Sync>,
}

/// What a transport's requests know of each other.
struct Traffic {
    /// Connections ever opened: a request may have been sent over any.
    connections: AtomicUsize,
    under_way: AtomicUsize,
    began: Instant,
    /// When a request ended last, in microseconds from `began`.
    last_end: AtomicU64,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let traffic = &self.traffic;
        traffic.under_way.fetch_sub(1, Ordering::SeqCst);
        traffic.last_end.store(traffic.began.elapsed().as_micros() as u64, Ordering::Relaxed);
    }
}

impl Attempt {
    /// The attempt whose task runs now.
    pub fn current() -> Option<Arc<Attempt>> {
        ATTEMPT.try_with(Arc::clone).ok()
    }

    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as i32, Ordering::Relaxed);
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

    /// Whether a connection that this request could use must be falling idle just now.
    fn may_reuse_soon(&self) -> bool {
        let Traffic { connections, under_way, began, last_end } = &*self.traffic;
        let since_last_end = began.elapsed().saturating_sub(Duration::from_micros(last_end.load(Ordering::Relaxed)));
        under_way.load(Ordering::SeqCst) <= connections.load(Ordering::SeqCst) && since_last_end < FALLS_IDLE
    }

    /// Whether the request went over a connection that was open already.
    pub fn reused(&self) -> bool {
        !self.connected.load(Ordering::Relaxed)
    }
}

/// The connections of one origin and identity. Clients are made on first use: the one for https reads root certificates.
pub struct Transport {
    connection: ConnectionConfig,
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
    traffic: Arc<Traffic>,
}

impl Transport {
    pub fn new(connection: ConnectionConfig) -> Self {
        Transport {
            connection,
            plain: OnceCell::new(),
            secure: OnceCell::new(),
            traffic: Arc::new(Traffic {
                connections: AtomicUsize::new(0),
                under_way: AtomicUsize::new(0),
                began: Instant::now(),
                last_end: AtomicU64::new(0),
            }),
        }
    }

    /// The record of one request's way; `opened` is told of each connection that was opened for it.
    pub fn attempt(&self, connect_limit: TimeLimit, opened: impl Fn() + Send + Sync + 'static) -> Arc<Attempt> {
        self.traffic.under_way.fetch_add(1, Ordering::SeqCst);
        Arc::new(Attempt {
            connect_limit,
            phase: AtomicI32::new(Phase::None as i32),
            connected: AtomicBool::new(false),
            traffic: self.traffic.clone(),
            opened: Box::new(opened),
        })
    }

    /// Makes the client for this URL if need be. Reads files, so it is called before the driver's seat is taken.
    pub fn prepare(&self, url: &Url) -> Result<()> {
        let make = || match url.scheme() {
            "https" => client(&self.connection, tls::client_config(&self.connection)?),
            _ => client(&self.connection, tls::no_roots()?),
        };
        self.client(url).get_or_try_init(make).map(|_| ())
    }

    fn client(&self, url: &Url) -> &OnceCell<reqwest::Client> {
        if url.scheme() == "https" { &self.secure } else { &self.plain }
    }

    /// Sends a request and waits for the response's head.
    pub async fn send(&self, outgoing: Outgoing, attempt: Arc<Attempt>) -> Result<(Head, Body)> {
        let client = self
            .client(&outgoing.url)
            .get()
            .ok_or_else(|| Error::new(Status::Panic, "bug: the transport was not prepared"))?;
        let Outgoing { method, url, headers, body } = outgoing;
        let mut request = reqwest::Request::new(method, url);
        *request.headers_mut() = headers;
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        attempt.enter(Phase::FirstByte);
        let sent = ATTEMPT.scope(attempt.clone(), client.execute(request)).await;
        let response = sent.map_err(|error| failure::before_head(&error.without_url(), &attempt))?;
        attempt.enter(Phase::Body);
        let head = Head {
            status: response.status(),
            version: response.version(),
            headers: response.headers().clone(),
            remote: response.remote_addr(),
        };
        Ok((head, Body(response)))
    }
}

/// The rest of a response, decoded.
pub struct Body(reqwest::Response);

impl Body {
    /// The next bytes, or `None` at a proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        self.0.chunk().await.map_err(|error| failure::in_body(&error.without_url()))
    }

    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        self.0.content_length()
    }
}

fn client(connection: &ConnectionConfig, tls: rustls::ClientConfig) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(SystemResolver)
        .connector_layer(layer_fn(Dial))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .pool_idle_timeout(IDLE_LIMIT)
        .tcp_nodelay(true);
    builder = match connection.http_version {
        HttpVersion::Auto => builder,
        HttpVersion::Http1 => builder.http1_only(),
        HttpVersion::Http2 => builder.http2_prior_knowledge(),
    };
    builder.build().map_err(|error| Error::new(Status::System, format!("session: cannot make its client: {error}")))
}

/// Below the 60 s after which common load balancers close a silent connection.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

/// For how long after a request's end its connection may be on its way to the idle list.
const FALLS_IDLE: Duration = Duration::from_millis(20);
/// How long a dial waits for it: the shortest time the timer knows.
const TAKES_IDLE: Duration = Duration::from_millis(1);

/// Around reqwest's connector: keeps the connect limit of the request that dials, and tells its attempt how it went.
#[derive(Clone)]
struct Dial<S>(S);

impl<S, R> Service<R> for Dial<S>
where
    S: Service<R, Error = Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: R) -> Self::Future {
        let connecting = self.0.call(target);
        let attempt = Attempt::current();
        Box::pin(async move {
            let Some(attempt) = attempt else { return connecting.await };
            // With runtime threads a body can end before its connection is back in reqwest's list. The request gets it then,
            // and goes on without this future, which ends up outside of its task.
            if attempt.may_reuse_soon() {
                tokio::time::sleep(TAKES_IDLE).await;
                if Attempt::current().is_none() {
                    return Err("not needed any more".into());
                }
            }
            attempt.enter_if_mine(Phase::Connect);
            let connected = match attempt.connect_limit {
                None => connecting.await,
                Some(limit) => match tokio::time::timeout(limit, connecting).await {
                    Ok(connected) => connected,
                    Err(_) => return Err(ConnectLimitRanOut(limit).into()),
                },
            };
            if connected.is_ok() {
                (attempt.opened)();
                attempt.traffic.connections.fetch_add(1, Ordering::SeqCst);
                // Outside its request's task the connection is a spare: the request went over another.
                let mine = Attempt::current().is_some();
                attempt.connected.store(mine, Ordering::Relaxed);
                attempt.enter_if_mine(Phase::FirstByte);
            }
            connected
        })
    }
}
