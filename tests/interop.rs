//! Against servers and proxies that others wrote: nginx, haproxy, nghttpx, tinyproxy, dante.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aipool::config::{HttpVersion, ProxyOptions, ProxyUrl, SessionConfig};
use aipool::error::{Delivery, Detail, Phase, Status};
use aipool::session::SessionHandle;
use support::counter::Counter;
use support::dante::Dante;
use support::expect::{bounded, connect_event, over, pool, verdict};
use support::haproxy::Haproxy;
use support::nghttpx::Nghttpx;
use support::nginx::Nginx;
use support::port::Port;
use support::tinyproxy::Tinyproxy;
use support::{Listener, get, post, trusting};

/// Sends `count` POSTs from eight threads; all must be answered 200.
fn posts(session: &Arc<SessionHandle>, url: &str, count: usize) {
    std::thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                for n in (thread..count).step_by(8) {
                    let response = session.request(bounded(post(url, "x".repeat(n))));
                    assert_eq!(response.unwrap_or_else(|failure| panic!("{n}: {failure:?}")).status, 200, "{n}");
                }
            });
        }
    });
}

/// A chat over each HTTP, whole and as a stream, then many requests.
fn serves(http: &str, https: &str) {
    let pool = pool(0);
    for (url, version, number) in
        [(http, HttpVersion::Auto, 11), (https, HttpVersion::Http1, 11), (https, HttpVersion::Auto, 20)]
    {
        let session = over(&pool, url, version);
        for (stream, wanted) in [(false, "You said: hello there"), (true, "data: [DONE]")] {
            let question = format!(
                r#"{{"model": "any", "stream": {stream}, "messages": [{{"role": "user", "content": "hello there"}}]}}"#
            );
            let mut request = post("/v1/chat/completions", question);
            request.headers.insert("content-type", "application/json".parse().unwrap());
            let response = session.request(bounded(request)).unwrap();
            assert_eq!((response.status.as_u16(), response.version_number()), (200, number));
            assert!(String::from_utf8_lossy(&response.body).contains(wanted), "{response:?}");
        }
        posts(&session, "/echo", 200);
        let stats = session.stats();
        assert_eq!((stats.failures, stats.requests), (0, 202));
        // Eight threads; a dial begun while a connection is falling idle makes one more.
        assert!(stats.connections_opened <= 16, "{version:?}: {} connections", stats.connections_opened);
    }
    assert_eq!(pool.stats().in_flight, 0);
}

#[test]
fn chats_and_many_requests_through_haproxy() {
    let listener = Listener::open();
    let haproxy = Haproxy::start(&listener.http);
    serves(&haproxy.http, &haproxy.https);
    assert_eq!((listener.count("requests"), listener.count("chats")), (606, 6));
}

#[test]
fn chats_and_many_requests_through_nghttpx() {
    let listener = Listener::open();
    let nghttpx = Nghttpx::start(&listener.http);
    serves(&nghttpx.http, &nghttpx.https);
    assert_eq!((listener.count("requests"), listener.count("chats")), (606, 6));
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// POSTs from four threads until `stop` took the server away: whatever failed was NOT_SENT, or sent and then said to be so;
/// what was answered, and what may have been seen, covers what the backend counted.
fn loses_nothing(session: &Arc<SessionHandle>, backend: &Listener, stop: impl FnOnce()) {
    let (answered, unsure, ended) = (Counter::default(), Counter::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !ended.load(Ordering::SeqCst) {
                    match session.request(bounded(post("/echo", "x"))) {
                        Ok(response) => {
                            assert_eq!(response.status, 200);
                            answered.add(1);
                        }
                        Err(failure) if failure.error.delivery == Delivery::NotSent => {
                            assert_eq!(failure.error.status, Status::Connect, "{failure:?}");
                            return;
                        }
                        Err(failure) => {
                            assert!(matches!(failure.error.status, Status::Reset | Status::Truncated), "{failure:?}");
                            unsure.add(1);
                        }
                    }
                }
            });
        }
        // Also when a wait below fails: the threads must end before that is told.
        let _end = End(&ended);
        answered.wait(100);
        stop();
    });
    let seen = usize::try_from(backend.count("requests")).unwrap();
    let (answered, unsure) = (answered.get(), unsure.get());
    assert!((answered..=answered + unsure).contains(&seen), "{answered} answered, {unsure} unsure, {seen} seen");
    // A soft stop lets what is under way finish: at most one request a thread met a closing connection.
    assert!(unsure <= 4, "{unsure} unsure");
}

#[test]
fn a_soft_stop_of_haproxy_loses_no_request() {
    for version in [HttpVersion::Http1, HttpVersion::Auto] {
        let (pool, listener) = (pool(0), Listener::open());
        let mut haproxy = Haproxy::start(&listener.http);
        let session = over(&pool, &haproxy.https, version);
        loses_nothing(&session, &listener, || haproxy.stop());
    }
}

#[test]
fn a_soft_stop_of_nghttpx_loses_no_request() {
    for version in [HttpVersion::Http1, HttpVersion::Auto] {
        let (pool, listener) = (pool(0), Listener::open());
        let mut nghttpx = Nghttpx::start(&listener.http);
        let session = over(&pool, &nghttpx.https, version);
        loses_nothing(&session, &listener, || nghttpx.stop());
    }
}

#[test]
fn a_thousand_posts_through_connections_of_twenty_are_a_thousand() {
    for (version, protocol) in [(HttpVersion::Http1, "HTTP/1.1"), (HttpVersion::Auto, "HTTP/2.0")] {
        let (pool, nginx) = (pool(0), Nginx::start("keepalive_requests 20;"));
        let session = over(&pool, &nginx.https, version);
        posts(&session, "/sink", 1000);
        assert_eq!((session.stats().failures, pool.stats().in_flight), (0, 0));
        let log = nginx.access_log();
        let good = log.iter().filter(|line| line.ends_with(&format!(" {protocol} 200"))).count();
        assert_eq!((log.len(), good), (1000, 1000), "{protocol}");
        let mut on_each: HashMap<_, usize> = HashMap::new();
        for line in &log {
            *on_each.entry(line.split(' ').next()).or_default() += 1;
        }
        assert!(on_each.len() >= 50 && on_each.values().all(|count| *count <= 20), "{} connections", on_each.len());
    }
}

#[test]
fn streams_over_the_limit_of_nginx_take_another_connection() {
    let (pool, nginx) = (pool(0), Nginx::start("http2_max_concurrent_streams 4;"));
    let session = over(&pool, &nginx.https, HttpVersion::Auto);
    posts(&session, "/sink", 200);
    let connections = session.stats().connections_opened;
    assert_eq!(nginx.access_log().len(), 200);
    assert!((2..=4).contains(&connections), "{connections} connections");
}

/// Options of a session that goes through `proxy`.
fn through(proxy: &str) -> SessionConfig {
    let mut options = trusting();
    options.connection.network.proxy = ProxyOptions::Through { url: ProxyUrl(proxy.to_owned()), except: String::new() };
    proxy.clone_into(&mut options.partition);
    options
}

#[test]
fn https_goes_through_a_tunnel_of_an_http_proxy_with_login() {
    let (pool, listener) = (pool(0), Listener::open());
    let proxy = Tinyproxy::start(Some(("user", "password")));
    let url = format!("http://us%65r:pass%77ord@{}", proxy.authority);
    let session = pool.get_session(&listener.https, Some(through(&url))).unwrap();
    for turn in 0..3 {
        let response = session.request(bounded(post("/echo", "x"))).unwrap();
        assert!(turn > 0 || connect_event(&listener.https).contains("\"proxied\":true"));
        assert_eq!((response.status.as_u16(), response.version_number()), (200, 20));
        // The server never hears of the proxy's password.
        assert!(!String::from_utf8_lossy(&response.body).contains("proxy-authorization"), "{response:?}");
    }
    assert_eq!((proxy.requests("CONNECT"), listener.count("connections_opened")), (1, 1));
}

#[test]
fn plain_http_goes_through_an_http_proxy() {
    let (pool, listener) = (pool(0), Listener::open());
    let proxy = Tinyproxy::start(Some(("user", "password")));
    let url = format!("http://user:password@{}", proxy.authority);
    let session = pool.get_session(&listener.http, Some(through(&url))).unwrap();
    // It closes after each answer without a word of it, so a POST could not be sent again in safety.
    for turn in 0..3 {
        assert_eq!(session.request(bounded(get("/echo"))).unwrap().status, 200);
        assert!(turn > 0 || connect_event(&listener.http).contains("\"proxied\":true"));
    }
    assert_eq!((proxy.requests("GET"), proxy.requests("CONNECT")), (3, 0));
    assert_eq!(listener.count("requests"), 3);
}

#[test]
fn a_proxy_that_refuses_is_connect_at_the_proxy_and_its_password_stays_secret() {
    let (pool, listener) = (pool(0), Listener::open());
    let proxy = Tinyproxy::start(Some(("user", "password")));
    for login in ["", "user:s3cr3t-wrong@"] {
        let url = format!("http://{login}{}", proxy.authority);
        let session = pool.get_session(&listener.https, Some(through(&url))).unwrap();
        let failure = session.request(bounded(post("/echo", "x"))).unwrap_err();
        let wanted = (Status::Connect, Detail::Proxy, Phase::Connect, Delivery::NotSent);
        assert_eq!(verdict(&failure), wanted, "{failure:?}");
        assert!(failure.error.message.starts_with("proxy: "), "{failure:?}");
        assert!(!format!("{failure:?}").contains("s3cr3t"), "{failure:?}");
    }
    assert_eq!(listener.count("connections_opened"), 0);
}

#[test]
fn a_proxy_that_is_not_there_is_connect_at_the_proxy() {
    let (pool, listener) = (pool(0), Listener::open());
    let nobody = Port::reserve();
    for scheme in ["http", "socks5h"] {
        let proxy = format!("{scheme}://127.0.0.1:{}", nobody.number);
        let session = pool.get_session(&listener.https, Some(through(&proxy))).unwrap();
        let failure = session.request(bounded(post("/echo", "x"))).unwrap_err();
        let wanted = (Status::Connect, Detail::Proxy, Phase::Connect, Delivery::NotSent);
        assert_eq!(verdict(&failure), wanted, "{failure:?}");
    }
}

#[test]
fn both_schemes_go_through_a_socks_proxy() {
    let proxy = Dante::start();
    for scheme in ["socks5", "socks5h"] {
        let (pool, listener) = (pool(0), Listener::open());
        for url in [&listener.http, &listener.https] {
            let options = through(&format!("{scheme}://{}", proxy.authority));
            let session = pool.get_session(url, Some(options)).unwrap();
            let ask = || assert_eq!(session.request(bounded(get("/echo"))).unwrap().status, 200, "{scheme} {url}");
            ask();
            // At once: a thousand requests of another test write over the ring.
            assert!(connect_event(url).contains("\"proxied\":true"), "{scheme} {url}");
            ask();
            ask();
        }
        assert_eq!(listener.count("connections_opened"), 2);
    }
    assert_eq!(proxy.connections(), 4);
}
