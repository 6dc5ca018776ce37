//! From a target to a stream that stands: names, TCP or a unix socket, proxies, TLS, each under its limit.

use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Uri;
use tokio::time::timeout;

use super::dns::{self, Addresses, Resolver};
use super::link::{DialTimes, Link, Secure, Stream, TlsFacts, Via};
use super::proxy::{Proxies, Proxy, ProxyKind};
use super::socket::Socket;
use super::tcp::Tcp;
use super::tunnel;
use crate::config::{Limits, NetworkOptions, TimeLimit};
use crate::error::{Delivery, Detail, Error, Phase, Result, Status};

/// Where a connection is to end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub https: bool,
    /// As in a URL; an IPv6 address with its brackets or without.
    pub host: String,
    pub port: u16,
}

/// The limits one dial runs under.
#[derive(Clone, Copy, Debug, Default)]
pub struct DialLimits {
    /// Each name look-up.
    pub dns: TimeLimit,
    /// All of it together.
    pub connect: TimeLimit,
    /// Each TLS handshake.
    pub tls: TimeLimit,
}

impl DialLimits {
    pub fn of(limits: &Limits) -> DialLimits {
        DialLimits { dns: limits.dns, connect: limits.connect, tls: limits.tls }
    }
}

/// Is told how far a dial got.
pub trait DialObserver: Send + Sync {
    /// `phase` begins: of `Dns`, `Connect` and `Tls` those that there are.
    fn enter(&self, phase: Phase);
}

/// Opens connections of one identity.
pub struct Dialer {
    network: NetworkOptions,
    resolver: Arc<Resolver>,
    tls: Option<Arc<dyn Secure>>,
    proxy_tls: Option<Arc<dyn Secure>>,
    proxies: Proxies,
    tcp: Tcp,
}

impl Dialer {
    /// `tls` is for https targets, `proxy_tls`, without ALPN, for the way to an https proxy. The environment is read here.
    pub fn new(
        network: NetworkOptions,
        resolver: Arc<Resolver>,
        tls: Option<Arc<dyn Secure>>,
        proxy_tls: Option<Arc<dyn Secure>>,
    ) -> Result<Dialer> {
        if cfg!(not(unix)) && network.unix_socket.is_some() {
            return Err(Error::new(Status::Unsupported, "unix_socket: this system has none; leave it empty"));
        }
        if network.overrides.iter().any(|given| given.addresses.is_empty()) {
            return Err(Error::invalid("resolve", "a host has no address; give it one or leave it out"));
        }
        let proxies = Proxies::new(&network.proxy)?;
        let tcp = Tcp::new(&network);
        Ok(Dialer { network, resolver, tls, proxy_tls, proxies, tcp })
    }

    /// Whether TLS is spoken on the way: with the target, or with a proxy before it.
    pub fn needs_tls(&self, target: &Target) -> Result<bool> {
        let proxy = self.proxies.on_the_way_to(&target.uri()?)?;
        Ok(target.https || proxy.is_some_and(|proxy| proxy.kind == ProxyKind::Https))
    }

    /// Whether a new connection to `target` could end at `address`. Behind a proxy nobody here knows; a name that cannot be
    /// looked up says nothing against it.
    pub async fn still_leads_to(&self, target: &Target, address: IpAddr) -> bool {
        let direct = target.uri().and_then(|destination| self.proxies.on_the_way_to(&destination));
        if !matches!(direct, Ok(None)) {
            return false;
        }
        if let Some(given) = self.given(&target.host) {
            return given.contains(&address);
        }
        self.resolver.resolve_afresh(&target.host).await.map_or(true, |found| found.contains(&address))
    }

    /// Opens a connection. Whatever fails here, nothing of a request was sent.
    pub async fn dial(&self, target: &Target, limits: DialLimits, observer: &dyn DialObserver) -> Result<Link> {
        let mut progress = DialProgress::begin(limits, observer);
        let dialed = within(limits.connect, pin!(self.link(target, &mut progress))).await;
        let error = match dialed {
            Ok(Ok(link)) => return Ok(Link { times: progress.end(), ..link }),
            Ok(Err(error)) => error,
            Err(limit) => ran_out(Detail::ConnectLimit, limit).phase(progress.phase),
        };
        Err(error.delivery(Delivery::NotSent))
    }

    async fn link(&self, target: &Target, progress: &mut DialProgress<'_>) -> Result<Link> {
        let mut link = self.base_stream(target, progress).await?;
        if target.https {
            progress.enter(Phase::Tls);
            let (stream, facts) = secure(self.tls.as_deref(), &target.host, link.stream, progress).await?;
            link.stream = stream;
            link.tls = Some(facts);
        }
        Ok(link)
    }

    /// The stream on which the target's own words begin.
    async fn base_stream(&self, target: &Target, progress: &mut DialProgress<'_>) -> Result<Link> {
        #[cfg(unix)]
        if let Some(path) = &self.network.unix_socket {
            progress.enter(Phase::Connect);
            return unix(path).await;
        }
        let destination = target.uri()?;
        match self.proxies.on_the_way_to(&destination)? {
            None => self.tcp(&target.host, target.port, progress).await,
            Some(proxy) => self.through(&proxy, target, destination, progress).await,
        }
    }

    async fn through(
        &self,
        proxy: &Proxy,
        target: &Target,
        destination: Uri,
        progress: &mut DialProgress<'_>,
    ) -> Result<Link> {
        let mut link = self.tcp(&proxy.host, proxy.port, progress).await.map_err(at_proxy)?;
        if proxy.kind == ProxyKind::Https {
            let secured = secure(self.proxy_tls.as_deref(), &proxy.host, link.stream, progress).await;
            link.stream = secured.map_err(at_proxy)?.0;
        }
        if !target.https && matches!(proxy.kind, ProxyKind::Http | ProxyKind::Https) {
            return Ok(Link { via: Via::Forward(proxy.authorization().cloned()), ..link });
        }
        let stream = match proxy.kind {
            ProxyKind::Http | ProxyKind::Https => tunnel::connect(link.stream, proxy, destination).await?,
            ProxyKind::Socks5h => tunnel::socks5(link.stream, proxy, destination).await?,
            ProxyKind::Socks5 => {
                let addresses = self.addresses(&target.host, progress).await?;
                progress.enter(Phase::Connect);
                let known = Target { host: for_socks(&addresses).to_string(), ..target.clone() };
                tunnel::socks5(link.stream, proxy, known.uri()?).await?
            }
        };
        Ok(Link { stream, via: Via::Tunnel, ..link })
    }

    async fn tcp(&self, host: &str, port: u16, progress: &mut DialProgress<'_>) -> Result<Link> {
        let addresses = self.addresses(host, progress).await?;
        progress.enter(Phase::Connect);
        let stream = self.tcp.connect(&addresses, port).await?;
        let remote = stream.peer_addr().ok();
        Ok(Link { remote, ..plain(Socket::tcp(stream)) })
    }

    /// The addresses that the options give a host.
    fn given(&self, host: &str) -> Option<&[IpAddr]> {
        let given = self.network.overrides.iter().find(|given| given.host.eq_ignore_ascii_case(host));
        given.map(|given| given.addresses.as_slice())
    }

    async fn addresses(&self, host: &str, progress: &mut DialProgress<'_>) -> Result<Addresses> {
        if let Some(given) = self.given(host) {
            return Ok(given.into());
        }
        if let Some(address) = dns::literal(host) {
            return Ok(Arc::new([address]));
        }
        progress.enter(Phase::Dns);
        within(progress.limits.dns, pin!(self.resolver.resolve(host)))
            .await
            .unwrap_or_else(|limit| Err(ran_out(Detail::DnsLimit, limit).phase(Phase::Dns)))
    }
}

impl Target {
    fn uri(&self) -> Result<Uri> {
        let scheme = if self.https { "https" } else { "http" };
        let host = dns::bare(&self.host);
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let uri = format!("{scheme}://{open}{host}{close}:{}/", self.port).parse();
        uri.map_err(|_| Error::invalid("url", "its host cannot be the end of a connection; check the name"))
    }
}

/// How far a dial got, and what it took so far.
struct DialProgress<'a> {
    limits: DialLimits,
    observer: &'a dyn DialObserver,
    phase: Phase,
    since: Instant,
    times: DialTimes,
}

impl<'a> DialProgress<'a> {
    fn begin(limits: DialLimits, observer: &'a dyn DialObserver) -> Self {
        DialProgress { limits, observer, phase: Phase::None, since: Instant::now(), times: DialTimes::default() }
    }

    fn enter(&mut self, phase: Phase) {
        self.count();
        self.phase = phase;
        self.observer.enter(phase);
    }

    fn end(mut self) -> DialTimes {
        self.count();
        self.times
    }

    fn count(&mut self) {
        let took = self.since.elapsed();
        self.since += took;
        match self.phase {
            Phase::Dns => self.times.dns += took,
            Phase::Connect => self.times.connect += took,
            Phase::Tls => self.times.tls += took,
            _ => {}
        }
    }
}

#[cfg(unix)]
async fn unix(path: &std::path::Path) -> Result<Link> {
    let stream = tokio::net::UnixStream::connect(path).await.map_err(|error| {
        if crate::sys::is_shortage(&error) {
            return super::tcp::shortage(&error).phase(Phase::Connect);
        }
        Error::new(Status::Connect, format!("unix_socket: cannot connect ({error}); check its path and its server"))
            .os_error(&error)
            .phase(Phase::Connect)
            .retryable()
    })?;
    Ok(plain(Socket::unix(stream)))
}

fn plain(socket: Socket) -> Link {
    let state = Arc::clone(socket.state());
    Link {
        stream: Box::new(socket),
        socket: state,
        remote: None,
        tls: None,
        via: Via::Nobody,
        times: DialTimes::default(),
    }
}

/// One TLS handshake under its limit.
async fn secure(
    tls: Option<&dyn Secure>,
    host: &str,
    stream: Box<dyn Stream>,
    progress: &DialProgress<'_>,
) -> Result<(Box<dyn Stream>, TlsFacts)> {
    let Some(tls) = tls else {
        return Err(Error::new(Status::Unsupported, "tls: there is none here; use an http URL").phase(progress.phase));
    };
    let secured = within(progress.limits.tls, pin!(tls.secure(dns::bare(host), stream))).await;
    secured.unwrap_or_else(|limit| Err(ran_out(Detail::TlsLimit, limit))).map_err(|error| error.phase(progress.phase))
}

/// What failed on the way to the proxy is the proxy's: the URL's own host was not reached.
fn at_proxy(error: Error) -> Error {
    if !matches!(error.status, Status::Dns | Status::Connect | Status::Tls) {
        return error;
    }
    let what = ["url: ", "tls: "].iter().find_map(|field| error.message.strip_prefix(field));
    let message = format!("proxy: {}", what.unwrap_or(&error.message));
    let detail = if error.detail == Detail::None { Detail::Proxy } else { error.detail };
    Error { detail, message, ..error }
}

/// A proxy takes one address, and fewer proxies reach IPv6 than IPv4.
fn for_socks(addresses: &Addresses) -> IpAddr {
    let fallback = addresses.first().copied().unwrap_or(IpAddr::from([0, 0, 0, 0]));
    addresses.iter().copied().find(IpAddr::is_ipv4).unwrap_or(fallback)
}

/// A limit of a dial ran out: that of names, of TLS, or of all together.
pub fn ran_out(detail: Detail, limit: Duration) -> Error {
    let (field, before) = match detail {
        Detail::DnsLimit => ("dns_timeout_ms", "the host name was resolved; raise it or check the resolver"),
        Detail::TlsLimit => ("tls_timeout_ms", "TLS stood; raise it or check the server"),
        _ => ("connect_timeout_ms", "a connection stood; raise it or check the host"),
    };
    let message = format!("{field}: {} ms ran out before {before}", limit.as_millis());
    Error::new(Status::Timeout, message).detail(detail).retryable()
}

/// The limit that ran out, in place of an outcome. Pinned by the caller: a move would be room for one more.
async fn within<F: Future>(limit: TimeLimit, future: Pin<&mut F>) -> std::result::Result<F::Output, Duration> {
    match limit {
        None => Ok(future.await),
        Some(limit) => timeout(limit, future).await.map_err(|_| limit),
    }
}
