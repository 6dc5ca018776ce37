//! Against a real nginx: HTTP/1.1, HTTP/2, TLS, and its ways of ending connections.

mod support;

use aipool::config::{HttpVersion, PoolConfig};
use aipool::pool::{ConnectionPool, PoolHandle};
use support::nginx::Nginx;
use support::{get, post, session, trusting};

fn pool() -> PoolHandle {
    PoolHandle::owner(ConnectionPool::new(PoolConfig::default()).unwrap())
}

#[test]
fn http1_requests_share_one_connection() {
    let (nginx, pool) = (Nginx::start(""), pool());
    let session = session(&pool, &nginx.http);
    for _ in 0..20 {
        let response = session.request(get("/hello.txt")).unwrap();
        assert_eq!((response.version_number(), &response.body[..]), (11, &b"hello from nginx\n"[..]));
    }
    let stats = session.stats();
    assert_eq!((stats.connections_opened, stats.requests_reused), (1, 19));
    let last = nginx.access_log().pop().unwrap();
    assert!(last.ends_with(" 20 HTTP/1.1 200"), "{last}");
}

#[test]
fn http2_is_chosen_by_alpn_and_http1_by_option() {
    let (nginx, pool) = (Nginx::start(""), pool());
    let by_alpn = pool.get_session(&nginx.https, Some(trusting())).unwrap();
    assert_eq!(by_alpn.request(get("/hello.txt")).unwrap().version_number(), 20);
    let mut options = trusting();
    options.partition = "http1".to_owned();
    options.connection.http_version = HttpVersion::Http1;
    let http1 = pool.get_session(&nginx.https, Some(options)).unwrap();
    assert_eq!(http1.request(get("/hello.txt")).unwrap().version_number(), 11);
}

#[test]
fn gzip_of_nginx_is_decoded() {
    let (nginx, pool) = (Nginx::start(""), pool());
    let response = session(&pool, &nginx.http).request(get("/hello.txt")).unwrap();
    assert_eq!(&response.body[..], b"hello from nginx\n");
    assert!(!response.headers.contains_key("content-encoding"));
}

#[test]
fn a_connection_that_nginx_ends_is_replaced() {
    let (nginx, pool) = (Nginx::start("keepalive_requests 5;"), pool());
    let tls = pool.get_session(&nginx.https, Some(trusting())).unwrap();
    for session in [session(&pool, &nginx.http), tls.into()] {
        for _ in 0..23 {
            assert_eq!(session.request(post("/hello.txt", "x")).unwrap().status, 200);
        }
        assert!(session.stats().connections_opened >= 5);
    }
    assert_eq!(nginx.access_log().len(), 46);
}

#[test]
fn fifty_base_urls_of_one_host_share_a_connection() {
    let (nginx, pool) = (Nginx::start(""), pool());
    for n in 0..50 {
        let session = session(&pool, &format!("{}/base{n}", nginx.http));
        assert_eq!(session.request(get("/x")).unwrap().status, 404);
    }
    assert_eq!(pool.stats().connections_opened, 1);
}
