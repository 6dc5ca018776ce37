//! reqwest's connections of one origin and identity: its clients, and a connector that keeps each request's own limit.

mod attempt;
mod failure;
mod resolve;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http::header::CONNECTION;
use once_cell::sync::OnceCell;
use tower_layer::layer_fn;
use tower_service::Service;
use url::Url;

pub use self::attempt::Attempt;
use self::attempt::Traffic;
use self::failure::ConnectLimitRanOut;
use self::resolve::SystemResolver;
use super::tls::{self, TlsIdentity};
use super::{Head, Outgoing, OutgoingBody};
use crate::config::{ConnectionCaps, ConnectionConfig, HttpVersion, TimeLimit, TlsOptions};
use crate::error::{Error, Phase, Result, Status};

/// The connections of one origin and identity. Clients are made on first use: the one for https reads root certificates.
pub struct Transport {
    connection: ConnectionConfig,
    plain: OnceCell<reqwest::Client>,
    secure: OnceCell<reqwest::Client>,
    traffic: Arc<Traffic>,
}

impl Transport {
    /// `UNSUPPORTED` names the first option that is set and that reqwest is not given.
    pub fn new(connection: ConnectionConfig) -> Result<Self> {
        let default = ConnectionConfig::default();
        // Roots it is given; nothing else.
        let TlsOptions { ca_file, ca_bytes, .. } = connection.tls.clone();
        let roots = TlsOptions { ca_file, ca_bytes, ..TlsOptions::default() };
        let window = (connection.stream_window != default.stream_window).then_some("stream_window_bytes");
        let beyond = connection.tls.difference(&roots).or_else(|| connection.network.difference(&default.network));
        if let Some(field) = beyond.or(window) {
            let mend = "needs the pool's own connections; leave it out or choose AIP_TRANSPORT_ENGINE";
            return Err(Error::new(Status::Unsupported, format!("{field}: {mend}")));
        }
        TlsIdentity::of(&connection.tls)?;
        Ok(Transport { connection, plain: OnceCell::new(), secure: OnceCell::new(), traffic: Arc::new(Traffic::new()) })
    }

    /// The record of one request's way; `opened` is told of each connection that was opened for it.
    pub fn attempt(&self, connect_limit: TimeLimit, opened: impl Fn() + Send + Sync + 'static) -> Arc<Attempt> {
        Attempt::begin(self.traffic.clone(), connect_limit, opened)
    }

    /// Makes the client for this URL if need be. Reads files, so it is called before this thread begins to drive.
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
    pub async fn send(&self, url: &Url, outgoing: Outgoing, attempt: Arc<Attempt>) -> Result<(Head, ReqwestBody)> {
        let client =
            self.client(url).get().ok_or_else(|| Error::new(Status::Panic, "bug: the transport was not prepared"))?;
        let Outgoing { method, headers, body, .. } = outgoing;
        let mut request = reqwest::Request::new(method, url.clone());
        *request.headers_mut() = headers;
        match body {
            OutgoingBody::Whole(bytes) if bytes.is_empty() => {}
            OutgoingBody::Whole(bytes) => *request.body_mut() = Some(bytes.into()),
            // Refused before, by name: it needs the pool's own connections.
            OutgoingBody::Upload(_) => return Err(Error::new(Status::Panic, "bug: an upload over reqwest")),
        }
        attempt.enter(Phase::FirstByte);
        let sent = loop {
            let again = request.try_clone();
            let sent = attempt.clone().scope(client.execute(request)).await;
            match (again, &sent) {
                // Over HTTP/2 one request dials for all; when it gives up, the others hear of it as a failed connect.
                // One that never dialed itself sent nothing, and now dials or waits for another.
                (Some(again), Err(error)) if error.is_connect() && !attempt.dialed() => request = again,
                _ => break sent,
            }
        };
        let mut response = sent.map_err(|error| failure::before_head(&error.without_url(), &attempt))?;
        attempt.answered(response.status());
        let head = Head {
            status: response.status(),
            version: response.version(),
            headers: std::mem::take(response.headers_mut()),
            remote: response.remote_addr(),
        };
        let reusable = head.version != Version::HTTP_10 && head.headers.get(CONNECTION).is_none();
        Ok((head, ReqwestBody { response, attempt: reusable.then_some(attempt) }))
    }
}

/// The rest of a response, decoded.
pub struct ReqwestBody {
    response: reqwest::Response,
    /// To be told of a proper end, where the connection can be used again then.
    attempt: Option<Arc<Attempt>>,
}

impl ReqwestBody {
    /// The next bytes, or `None` at a proper end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let next = self.response.chunk().await.map_err(|error| failure::in_body(&error.without_url()))?;
        if let (None, Some(attempt)) = (&next, &self.attempt) {
            attempt.leaves_idle_connection();
        }
        Ok(next)
    }

    /// How many bytes are to come, where the server said so.
    pub fn length(&self) -> Option<u64> {
        self.response.content_length()
    }
}

fn client(connection: &ConnectionConfig, tls: rustls::ClientConfig) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(SystemResolver)
        .connector_layer(layer_fn(|connector| Dial(Arc::new(connector))))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .pool_idle_timeout(ConnectionCaps::default().idle)
        .tcp_nodelay(true);
    builder = match connection.http_version {
        HttpVersion::Auto => builder,
        HttpVersion::Http1 => builder.http1_only(),
        HttpVersion::Http2 => builder.http2_prior_knowledge(),
    };
    builder.build().map_err(|error| Error::new(Status::System, format!("session: cannot make its client: {error}")))
}

/// How often a dial looks whether the connection that is falling idle has come: the shortest time the timer knows.
const TAKES_IDLE: Duration = Duration::from_millis(1);

/// Around reqwest's connector: keeps the connect limit of the request that dials, and tells its attempt how it went.
#[derive(Clone)]
struct Dial<S>(Arc<S>);

impl<S, R> Service<R> for Dial<S>
where
    S: Service<R, Error = Box<dyn std::error::Error + Send + Sync>> + Clone + Send + Sync + 'static,
    S::Response: Send,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = std::result::Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), S::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: R) -> Self::Future {
        // Cloned to dial only: reqwest clones the whole connector several times a request, each three boxes deep.
        let mut connector = S::clone(&self.0);
        let connecting = async move {
            poll_fn(|cx| connector.poll_ready(cx)).await?;
            connector.call(target).await
        };
        let attempt = Attempt::current();
        Box::pin(async move {
            let Some(attempt) = attempt else { return connecting.await };
            // With runtime threads a body can end before its connection is back in reqwest's list. The request gets it then,
            // and goes on without this future, which ends up outside of its task.
            while attempt.may_reuse_soon() {
                tokio::time::sleep(TAKES_IDLE).await;
                if Attempt::current().is_none() {
                    return Err("not needed any more".into());
                }
            }
            attempt.dials();
            // Left behind when its request takes another connection: the phase is not this dial's any more.
            let mut connecting = std::pin::pin!(connecting);
            let connecting = poll_fn(|cx| {
                attempt.leave_dial_if_not_mine();
                connecting.as_mut().poll(cx)
            });
            let connected = match attempt.connect_limit() {
                None => connecting.await,
                Some(limit) => match tokio::time::timeout(limit, connecting).await {
                    Ok(connected) => connected,
                    Err(_) => return Err(ConnectLimitRanOut(limit).into()),
                },
            };
            if connected.is_ok() {
                attempt.connected();
            }
            connected
        })
    }
}
