//! How a connection's bytes get to its server: proxy, unix socket, addresses, TCP. Part of a connection's identity.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NetworkOptions {
    pub proxy: ProxyOptions,
    /// Every connection goes to this unix socket, whatever the URL's host is; proxies are left out then.
    pub unix_socket: Option<PathBuf>,
    /// Addresses of host names that are not to be looked up.
    pub overrides: Arc<[Override]>,
    /// The address connections come from.
    pub local_address: Option<IpAddr>,
    pub keepalive: Keepalive,
}

impl NetworkOptions {
    /// The first option that differs, by its name in C.
    pub fn difference(&self, other: &NetworkOptions) -> Option<&'static str> {
        let NetworkOptions { proxy, unix_socket, overrides, local_address, keepalive } = self;
        let through = |proxy: &ProxyOptions| matches!(proxy, ProxyOptions::Through { .. });
        let proxy_field = if through(proxy) || through(&other.proxy) { "proxy" } else { "proxy_mode" };
        super::first([
            (proxy_field, *proxy != other.proxy),
            ("unix_socket", *unix_socket != other.unix_socket),
            ("resolve", *overrides != other.overrides),
            ("local_address", *local_address != other.local_address),
            ("keepalive_ms", *keepalive != other.keepalive),
        ])
    }
}

/// Which proxy a connection goes through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProxyOptions {
    /// As `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say when the session is made; loopback goes direct.
    #[default]
    Environment,
    /// None.
    Off,
    /// This one, but for the hosts that `except` names (as `no_proxy`: names, suffixes, addresses, CIDR).
    Through { url: ProxyUrl, except: String },
}

/// A proxy's URL, user and password possibly in it: http, https, socks5 (names looked up here) or socks5h.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ProxyUrl(pub String);

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of every log.
        f.write_str(self.0.rsplit_once('@').map_or(self.0.as_str(), |(_, host)| host))
    }
}

/// `host` has these addresses, whoever asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Override {
    pub host: String,
    pub addresses: Vec<IpAddr>,
}

/// TCP keep-alive probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keepalive {
    Off,
    /// After so long without traffic; then every 15 s, given up after 4.
    After(Duration),
}

impl Keepalive {
    /// The system counts in seconds: less is one.
    pub fn after(silence: Duration) -> Keepalive {
        Keepalive::After(silence.max(Duration::from_secs(1)))
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        // Below the shortest NAT time-outs met in production.
        Keepalive::After(Duration::from_secs(30))
    }
}
