//! Redirects, for who asked for them: where a response leads, and what must not go along.

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, LOCATION, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use url::Url;

use crate::error::{Delivery, Detail, Error, Phase, Result, Status};

/// Headers that are for one server: its credentials, under the names AI services use, and its own name.
const FOR_ONE_ORIGIN: [HeaderName; 9] = [
    AUTHORIZATION,
    COOKIE,
    PROXY_AUTHORIZATION,
    WWW_AUTHENTICATE,
    HOST,
    HeaderName::from_static("cookie2"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// How many redirects of a request are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirects {
    pub max: u32,
}

/// The next request of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follow {
    pub method: Method,
    pub url: Url,
    /// The body goes along, as the method is the same.
    pub keep_body: bool,
    /// Another scheme, host or port: what belongs to the first stays behind.
    pub cross_origin: bool,
}

impl Redirects {
    /// Where the answer to `method` of `url` leads after `followed` redirects; `None` where it is an answer to keep.
    pub fn follow(
        self,
        followed: u32,
        (method, url): (&Method, &Url),
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Follow>> {
        let Some(method_after) = method_after(method, status) else { return Ok(None) };
        let Some(location) = headers.get(LOCATION) else { return Ok(None) };
        if followed >= self.max {
            return Err(refused(status, format!("over {} in a row; raise max_redirects or check the URL", self.max)));
        }
        let target = std::str::from_utf8(location.as_bytes()).ok().and_then(|location| url.join(location).ok());
        let Some(mut target) = target else {
            return Err(refused(status, "leads to no URL; the server sent a broken location header"));
        };
        check(url, &target).map_err(|why| refused(status, why))?;
        target.set_fragment(None);
        let (keep_body, cross_origin) = (method_after == *method, target.origin() != url.origin());
        Ok(Some(Follow { method: method_after, url: target, keep_body, cross_origin }))
    }
}

impl Follow {
    /// Takes from the request's headers what does not belong to the next one.
    pub fn strip(&self, headers: &mut HeaderMap) {
        let about_body = |name: &HeaderName| name.as_str().starts_with("content-");
        let mut gone: Vec<HeaderName> = Vec::new();
        if !self.keep_body {
            gone.extend(headers.keys().filter(|name| about_body(name)).cloned());
            gone.extend([CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT]);
        }
        if self.cross_origin {
            gone.extend(headers.iter().filter(|(_, value)| value.is_sensitive()).map(|(name, _)| name.clone()));
            gone.extend(FOR_ONE_ORIGIN);
        }
        for name in gone {
            headers.remove(name);
        }
    }
}

/// As browsers do: 301 and 302 turn POST into GET, 303 all but HEAD, 307 and 308 nothing. `None`: not redirected.
fn method_after(method: &Method, status: StatusCode) -> Option<Method> {
    match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if *method == Method::POST => Some(Method::GET),
        StatusCode::SEE_OTHER if *method != Method::HEAD => Some(Method::GET),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => Some(method.clone()),
        _ => None,
    }
}

fn check(from: &Url, to: &Url) -> std::result::Result<(), &'static str> {
    match (from.scheme(), to.scheme()) {
        ("https", "http") => {
            Err("leads from https to http; ask the server for the https address, or call the http one yourself")
        }
        (_, "http" | "https") if !to.username().is_empty() || to.password().is_some() => {
            Err("leads to a URL with a user name or password; send such credentials yourself")
        }
        (_, "http" | "https") => Ok(()),
        _ => Err("leads to a URL that is not http or https"),
    }
}

/// No URL in it: its query may be a secret.
fn refused(status: StatusCode, why: impl std::fmt::Display) -> Error {
    let error = Error::new(Status::Protocol, format!("redirect: {why}")).detail(Detail::Redirect);
    let error = error.phase(Phase::FirstByte).delivery(Delivery::ResponseStarted);
    Error { http_status: status.as_u16(), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const REDIRECTS: Redirects = Redirects { max: 3 };

    fn step(followed: u32, method: &Method, status: u16, from: &str, location: &str) -> Result<Option<Follow>> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_bytes(location.as_bytes()).unwrap());
        let url = Url::parse(from).unwrap();
        REDIRECTS.follow(followed, (method, &url), StatusCode::from_u16(status).unwrap(), &headers)
    }

    fn lands(from: &str, location: &str) -> Follow {
        step(0, &Method::POST, 307, from, location).unwrap().unwrap()
    }

    #[test]
    fn methods_and_bodies_change_as_in_browsers() {
        let cases = [
            (301, Method::POST, Method::GET),
            (302, Method::POST, Method::GET),
            (303, Method::POST, Method::GET),
            (307, Method::POST, Method::POST),
            (308, Method::POST, Method::POST),
            (301, Method::PUT, Method::PUT),
            (302, Method::DELETE, Method::DELETE),
            (303, Method::PUT, Method::GET),
            (303, Method::HEAD, Method::HEAD),
            (301, Method::HEAD, Method::HEAD),
            (302, Method::GET, Method::GET),
        ];
        for (status, before, after) in cases {
            let follow = step(0, &before, status, "http://h/a", "/b").unwrap().unwrap();
            assert_eq!((&follow.method, follow.keep_body), (&after, before == after), "{status} {before}");
        }
    }

    #[test]
    fn other_answers_are_kept() {
        for status in [200, 201, 300, 304, 305, 306, 400, 500] {
            assert_eq!(step(0, &Method::GET, status, "http://h/a", "/b").unwrap(), None, "{status}");
        }
        let url = Url::parse("http://h/").unwrap();
        let kept = REDIRECTS.follow(0, (&Method::GET, &url), StatusCode::FOUND, &HeaderMap::new());
        assert_eq!(kept.unwrap(), None);
    }

    #[test]
    fn locations_are_relative_to_the_request() {
        let from = "https://h.example/v1/chat?key=1#part";
        for (location, to) in [
            ("/v2", "https://h.example/v2"),
            ("more", "https://h.example/v1/more"),
            ("../up", "https://h.example/up"),
            ("?other", "https://h.example/v1/chat?other"),
            ("//g.example/x", "https://g.example/x"),
            ("https://h.example:443/y#fragment", "https://h.example/y"),
            ("", "https://h.example/v1/chat?key=1"),
            ("/ü", "https://h.example/%C3%BC"),
        ] {
            assert_eq!(lands(from, location).url.as_str(), to, "{location}");
        }
    }

    #[test]
    fn scheme_host_and_port_make_the_origin() {
        for (from, location, cross) in [
            ("https://h/a", "https://h:443/b", false),
            ("https://h/a", "https://H/b", false),
            ("https://h/a", "https://h:8443/b", true),
            ("http://h/a", "https://h/b", true),
            ("https://h/a", "https://sub.h/b", true),
        ] {
            assert_eq!(lands(from, location).cross_origin, cross, "{from} {location}");
        }
    }

    #[test]
    fn what_leads_nowhere_is_refused_without_saying_the_url() {
        for location in
            ["http://h/plain?secret", "https://user:secret@h/", "https://user@h/", "ftp://h/secret", "https://"]
        {
            let error = step(0, &Method::GET, 302, "https://h/a", location).unwrap_err();
            assert_eq!(
                (error.status, error.detail, error.http_status),
                (Status::Protocol, Detail::Redirect, 302),
                "{location}"
            );
            assert!(error.message.starts_with("redirect: ") && !error.message.contains("secret"));
        }
    }

    #[test]
    fn only_so_many_are_followed() {
        assert!(step(2, &Method::GET, 302, "http://h/a", "/a").unwrap().is_some());
        let error = step(3, &Method::GET, 302, "http://h/a", "/a").unwrap_err();
        assert_eq!(error.detail, Detail::Redirect);
        assert!(error.message.contains("max_redirects"));
    }

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in
            ["authorization", "cookie", "x-api-key", "api-key", "host", "content-type", "content-encoding", "accept"]
        {
            headers.insert(name, HeaderValue::from_static("v"));
        }
        let mut sensitive = HeaderValue::from_static("v");
        sensitive.set_sensitive(true);
        headers.append("x-mine", HeaderValue::from_static("v"));
        headers.append("x-mine", sensitive);
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        let mut map = headers();
        lands("https://h/", "https://g/").strip(&mut map);
        assert_eq!(names(&map), ["accept", "content-encoding", "content-type"]);
        let mut map = headers();
        lands("https://h/", "/other").strip(&mut map);
        assert_eq!(map, headers());
    }

    #[test]
    fn a_get_says_nothing_of_a_body() {
        let mut map = headers();
        step(0, &Method::POST, 303, "https://h/", "/other").unwrap().unwrap().strip(&mut map);
        assert_eq!(names(&map), ["accept", "api-key", "authorization", "cookie", "host", "x-api-key", "x-mine"]);
    }
}
