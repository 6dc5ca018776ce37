//! Which proxy a connection goes through, if any.

use http::uri::Authority;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use super::dns;
use crate::config::{ProxyOptions, ProxyUrl};
use crate::error::{Error, Result};

const MEND: &str = "write http://, https://, socks5:// or socks5h://, then host:port; percent-encode user and password";

/// The rule by which connections of one identity choose.
pub struct Proxies {
    matcher: Option<Matcher>,
    /// The environment speaks of the network; a server on this machine is not meant.
    loopback_is_direct: bool,
}

/// A proxy that was chosen.
pub struct Proxy {
    pub kind: ProxyKind,
    /// Without brackets.
    pub host: String,
    pub port: u16,
    chosen: Intercept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP: forwards http requests, tunnels the rest.
    Http,
    /// The same, with TLS to the proxy.
    Https,
    /// SOCKS5 with addresses: names are looked up here.
    Socks5,
    /// SOCKS5 with names: the proxy looks them up.
    Socks5h,
}

impl Proxies {
    /// Reads the environment if that is to decide: now, and never again.
    pub fn new(options: &ProxyOptions) -> Result<Proxies> {
        match options {
            ProxyOptions::Off => Ok(Proxies { matcher: None, loopback_is_direct: false }),
            ProxyOptions::Environment => Ok(Proxies { matcher: Some(Matcher::from_env()), loopback_is_direct: true }),
            ProxyOptions::Through { url: ProxyUrl(url), except } => {
                // The matcher passes over what it cannot read; a proxy that was asked for must not be.
                let every = Matcher::builder().all(url.as_str()).build();
                let chosen = every.intercept(&Uri::from_static("http://host.invalid/"));
                Proxy::new(chosen.ok_or_else(|| Error::invalid("proxy", MEND))?)?;
                let matcher = Matcher::builder().all(url.as_str()).no(except.as_str()).build();
                Ok(Proxies { matcher: Some(matcher), loopback_is_direct: false })
            }
        }
    }

    /// The proxy on the way to `destination`; `None` goes there directly.
    pub fn on_the_way_to(&self, destination: &Uri) -> Result<Option<Proxy>> {
        let Some(matcher) = &self.matcher else { return Ok(None) };
        if self.loopback_is_direct && destination.host().is_some_and(is_loopback) {
            return Ok(None);
        }
        matcher.intercept(destination).map(Proxy::new).transpose()
    }
}

impl Proxy {
    fn new(chosen: Intercept) -> Result<Proxy> {
        let (kind, usual_port) = match chosen.uri().scheme_str() {
            Some("http") => (ProxyKind::Http, 80),
            Some("https") => (ProxyKind::Https, 443),
            Some("socks5") => (ProxyKind::Socks5, 1080),
            Some("socks5h") => (ProxyKind::Socks5h, 1080),
            _ => return Err(Error::invalid("proxy", MEND)),
        };
        let authority = chosen.uri().authority();
        let Some(host) = authority.map(Authority::host).filter(|host| !host.is_empty()) else {
            return Err(Error::invalid("proxy", MEND));
        };
        let port = match authority.map(Authority::port_u16) {
            Some(Some(port)) => port,
            // What is no port reads as none.
            _ if authority.is_some_and(|all| all.as_str() != host) => return Err(Error::invalid("proxy", MEND)),
            _ => usual_port,
        };
        Ok(Proxy { kind, host: dns::bare(host).to_owned(), port, chosen })
    }

    /// The proxy's own address, without credentials.
    pub fn uri(&self) -> &Uri {
        self.chosen.uri()
    }

    /// The credential of an HTTP proxy, marked sensitive.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.chosen.basic_auth()
    }

    /// User and password of a SOCKS proxy.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        self.chosen.raw_auth()
    }
}

/// `localhost` and its subdomains (RFC 6761), 127/8 and ::1.
fn is_loopback(host: &str) -> bool {
    match dns::literal(host) {
        Some(address) => address.is_loopback(),
        None => host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Status;

    fn through(url: &str, except: &str) -> Result<Proxies> {
        Proxies::new(&ProxyOptions::Through { url: ProxyUrl(url.into()), except: except.into() })
    }

    fn on_the_way(proxies: &Proxies, to: &str) -> Option<Proxy> {
        proxies.on_the_way_to(&to.parse().unwrap()).unwrap()
    }

    #[test]
    fn each_kind_has_its_usual_port() {
        for (url, kind, port) in [
            ("http://proxy", ProxyKind::Http, 80),
            ("proxy:3128", ProxyKind::Http, 3128),
            ("https://proxy", ProxyKind::Https, 443),
            ("socks5://proxy", ProxyKind::Socks5, 1080),
            ("socks5h://proxy:9050", ProxyKind::Socks5h, 9050),
        ] {
            let proxy = on_the_way(&through(url, "").unwrap(), "https://host/").unwrap();
            assert_eq!((proxy.kind, proxy.host.as_str(), proxy.port), (kind, "proxy", port), "{url}");
        }
        assert_eq!(on_the_way(&through("http://[::1]:8080", "").unwrap(), "http://host/").unwrap().host, "::1");
    }

    #[test]
    fn credentials_are_decoded_and_leave_the_address() {
        let proxy = on_the_way(&through("http://us%40er:pa%3Ass@proxy", "").unwrap(), "http://host/").unwrap();
        // us@er:pa:ss
        assert_eq!(proxy.authorization().unwrap(), "Basic dXNAZXI6cGE6c3M=");
        assert!(proxy.authorization().unwrap().is_sensitive());
        assert_eq!(proxy.uri(), "http://proxy/");
        let proxy = on_the_way(&through("socks5h://us%40er:pa%3Ass@proxy", "").unwrap(), "http://host/").unwrap();
        assert_eq!(proxy.credentials(), Some(("us@er", "pa:ss")));
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_password() {
        for url in [
            "",
            "ftp://user:hunter2@proxy",
            "socks4://user:hunter2@proxy",
            "http://user:hunter2@",
            "http://user:hunter2@proxy:99999",
            "http://user:hun@ter2@proxy",
            "http://pro xy",
        ] {
            let Err(error) = through(url, "") else { panic!("{url} passed") };
            assert_eq!(error.status, Status::InvalidArgument);
            assert!(error.message.starts_with("proxy: ") && !error.message.contains("hun"), "{error}");
        }
    }

    #[test]
    fn exceptions_go_direct() {
        let proxies = through("http://proxy", "example.com, 10.0.0.0/8").unwrap();
        for (to, direct) in [
            ("http://example.com/", true),
            ("https://api.example.com/", true),
            ("http://10.1.2.3/", true),
            ("http://notexample.com/", false),
            ("http://localhost/", false),
        ] {
            assert_eq!(on_the_way(&proxies, to).is_none(), direct, "{to}");
        }
    }

    #[test]
    fn the_environments_proxy_is_not_meant_for_this_machine() {
        let matcher = Some(Matcher::builder().all("http://proxy").build());
        let proxies = Proxies { matcher, loopback_is_direct: true };
        for here in ["http://localhost:80/", "http://a.LOCALHOST/", "https://127.0.0.2/", "http://[::1]:8080/"] {
            assert!(on_the_way(&proxies, here).is_none(), "{here}");
        }
        assert!(on_the_way(&proxies, "http://localhost.example/").is_some());
    }

    #[test]
    fn off_is_off() {
        assert!(on_the_way(&Proxies::new(&ProxyOptions::Off).unwrap(), "http://host/").is_none());
    }
}
