//! Session keys: a base URL compared normalised, or any other text taken as it is; and how a request's URL joins it.

use std::fmt::Write;

use url::Url;

use crate::error::{Error, Result};

/// A session's key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BaseUrl {
    /// An http or https URL without fragment, user and trailing slash.
    Http(Url),
    /// Not such a URL, possibly empty: then only absolute request URLs work.
    Opaque(String),
}

impl BaseUrl {
    pub fn parse(key: &str) -> Result<BaseUrl> {
        let Ok(mut url) = Url::parse(key) else { return Ok(BaseUrl::Opaque(key.to_owned())) };
        if !is_http(&url) {
            return Ok(BaseUrl::Opaque(key.to_owned()));
        }
        refuse_credentials("key", &url)?;
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(BaseUrl::Http(url))
    }

    /// The URL that a request asks for: absolute ones as they are, others appended to the base's path.
    pub fn join(&self, reference: &str) -> Result<Url> {
        if reference.is_empty() || reference.starts_with(['/', '?', '#']) {
            return self.append(reference);
        }
        match Url::parse(reference) {
            Ok(url) if is_http(&url) => {
                refuse_credentials("url", &url)?;
                Ok(without_fragment(url))
            }
            Ok(url) if url.has_host() => {
                Err(Error::invalid("url", format_args!("has scheme {}; use http or https", url.scheme())))
            }
            // "a:b" is a URL to the parser, but may be a path here.
            Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => self.append(reference),
            Err(error) => Err(Error::invalid("url", format_args!("is no URL: {error}"))),
        }
    }

    fn append(&self, reference: &str) -> Result<Url> {
        let BaseUrl::Http(base) = self else {
            return Err(Error::invalid(
                "url",
                "is relative, but the session's key is no http URL; use an absolute URL",
            ));
        };
        if reference.is_empty() {
            return Ok(base.clone());
        }
        if reference.starts_with("//") {
            return Err(Error::invalid("url", "starts with //; write the scheme too, or a single /"));
        }
        let path = base.path().trim_end_matches('/');
        let mut joined = base[..url::Position::BeforePath].to_owned();
        let separator = if reference.starts_with(['/', '?', '#']) { "" } else { "/" };
        let _ = write!(joined, "{path}{separator}{reference}");
        Url::parse(&joined)
            .map(without_fragment)
            .map_err(|error| Error::invalid("url", format_args!("is no URL: {error}")))
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn refuse_credentials(field: &str, url: &Url) -> Result<()> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok(());
    }
    Err(Error::invalid(field, "holds a user name or password; send an Authorization header instead"))
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> BaseUrl {
        BaseUrl::parse(text).unwrap()
    }

    #[test]
    fn keys_are_compared_normalised() {
        for same in ["HTTPS://API.X.com:443/", "https://api.x.com", "https://api.x.com/", "https://api.x.com/#frag"] {
            assert_eq!(key(same), key("https://api.x.com"), "{same}");
        }
        assert_eq!(key("http://h/v1/"), key("http://h/v1"));
        for other in ["http://api.x.com", "https://api.x.com:444", "https://api.x.com/v1", "https://api.x.com?a"] {
            assert_ne!(key(other), key("https://api.x.com"), "{other}");
        }
    }

    #[test]
    fn a_key_that_is_no_http_url_is_taken_as_it_is() {
        for text in ["", "my service", "localhost:8080", "ftp://h/", "http://", "//h/x"] {
            assert_eq!(key(text), BaseUrl::Opaque(text.to_owned()));
        }
    }

    #[test]
    fn relative_urls_are_appended_to_the_base() {
        let base = key("https://h:8443/v1/");
        for (reference, whole) in [
            ("/chat", "https://h:8443/v1/chat"),
            ("chat", "https://h:8443/v1/chat"),
            ("", "https://h:8443/v1"),
            ("?q=1", "https://h:8443/v1?q=1"),
            ("chat?q=1#f", "https://h:8443/v1/chat?q=1"),
            ("models/a:b", "https://h:8443/v1/models/a:b"),
            ("a:b", "https://h:8443/v1/a:b"),
            ("http://other/x", "http://other/x"),
        ] {
            assert_eq!(base.join(reference).unwrap().as_str(), whole, "{reference}");
        }
        assert_eq!(key("http://h").join("").unwrap().as_str(), "http://h/");
        assert_eq!(key("http://h/a?k=1").join("").unwrap().as_str(), "http://h/a?k=1");
        assert_eq!(key("http://h/a?k=1").join("b").unwrap().as_str(), "http://h/a/b");
    }

    #[test]
    fn bad_urls_name_the_field_and_the_mend() {
        let base = key("http://h");
        for bad in ["http://", "//evil/x", "ftp://h/x", "http://u:p@h/", "http://[::1", "https://h:99999/"] {
            let error = base.join(bad).unwrap_err();
            assert!(error.message.starts_with("url: ") && !error.message.contains("u:p"), "{bad}: {error}");
        }
        assert!(key("opaque").join("/x").unwrap_err().message.contains("absolute URL"));
        assert!(BaseUrl::parse("http://u:secret@h").unwrap_err().message.starts_with("key: "));
    }
}
