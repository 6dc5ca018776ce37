//! Where one request goes, taken apart once: the URL, whom to dial, what HTTP says of it.

use http::{HeaderValue, Uri};
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::transport::dial::Target;

/// As long as names get in DNS, with a dot at the end (RFC 1035, 3.1).
const LONGEST_HOST: usize = 254;

/// A request's URL, and what is made of it.
#[derive(Debug)]
pub struct Address {
    pub url: Url,
    pub target: Target,
    /// The value of `Host`.
    pub host: HeaderValue,
    /// As HTTP/1.1 asks a server: path and query.
    pub path: Uri,
    /// As HTTP/2 and proxies are asked: all of it.
    pub whole: Uri,
}

impl Address {
    pub fn of(url: Url) -> Result<Address> {
        let bad = |what: &dyn std::fmt::Display| Error::invalid("url", format_args!("cannot be sent as HTTP ({what})"));
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => return Err(bad(&"it has no host")),
        };
        if host.len() > LONGEST_HOST {
            return Err(Error::invalid("url", format_args!("has a host name of over {LONGEST_HOST} bytes")));
        }
        let target = Target { https: url.scheme() == "https", host, port: url.port_or_known_default().unwrap_or(80) };
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        Ok(Address {
            target,
            host: HeaderValue::from_str(authority).map_err(|error| bad(&error))?,
            path: url[url::Position::BeforePath..url::Position::AfterQuery].parse().map_err(|error| bad(&error))?,
            whole: url[..url::Position::AfterQuery].parse().map_err(|error| bad(&error))?,
            url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let address = Address::of(Url::parse("https://API.x.com/v1/chat?q=1#f").unwrap()).unwrap();
        assert_eq!(address.target, Target { https: true, host: "api.x.com".into(), port: 443 });
        assert_eq!(address.host, "api.x.com");
        assert_eq!(address.path.to_string(), "/v1/chat?q=1");
        assert_eq!(address.whole.to_string(), "https://api.x.com/v1/chat?q=1");
        assert!(Address::of(Url::parse(&format!("http://{}.x/", "a".repeat(252))).unwrap()).is_ok());
        let error = Address::of(Url::parse(&format!("http://{}.x/", "a".repeat(253))).unwrap()).unwrap_err();
        assert!(error.message.starts_with("url: has a host name of over"), "{error}");
        let v6 = Address::of(Url::parse("http://[::1]:8080").unwrap()).unwrap();
        assert_eq!((v6.target.host.as_str(), v6.target.port), ("::1", 8080));
        assert_eq!((v6.host.as_bytes(), v6.path.to_string().as_str()), (&b"[::1]:8080"[..], "/"));
    }
}
