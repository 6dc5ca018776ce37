//! What a request may ask for besides: limits of single phases, redirects, retries.

use aipool::request::Failure;
use aipool::response::Response;

use super::*;

fn failed(outcome: Result<Response, Failure>) -> aipool::error::Result<Response> {
    outcome.map_err(|failure| failure.error)
}

pub fn first_byte_limit_is_timeout(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let mut request = faulty("/echo", "stall-head");
    request.limits.first_byte = Some(Some(Duration::from_millis(100)));
    let outcome = failed(session(&pool, &listener.http).request(request));
    if over.lacks(&outcome, "first_byte_timeout_ms: ") {
        return;
    }
    let error = outcome.unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::FirstByteLimit), "{error:?}");
    assert_eq!((error.phase, error.delivery), (Phase::FirstByte, Delivery::MaybeSent));
    assert!(error.message.starts_with("first_byte_timeout_ms: "), "{error}");
}

pub fn between_bytes_limit_is_timeout(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let mut request = faulty("/bytes/100", "stall=10");
    request.limits.between_bytes = Some(Some(Duration::from_millis(100)));
    let outcome = failed(session(&pool, &listener.http).request(request));
    if over.lacks(&outcome, "between_bytes_timeout_ms: ") {
        return;
    }
    let error = outcome.unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::BetweenBytesLimit), "{error:?}");
    assert_eq!((error.phase, error.delivery), (Phase::Body, Delivery::ResponseStarted));
    assert_eq!(error.http_status, 200);
    assert!(error.message.starts_with("between_bytes_timeout_ms: "), "{error}");
}

pub fn redirects_are_followed_on_request(over: Over) {
    let (pool, here, there) = (pool(over), Listener::open(), Listener::open());
    let session = session(&pool, &here.http);
    let mut request = get(&format!("/redirect?to={}/redirect?to=/echo", there.http));
    request.headers.insert("authorization", "Bearer secret".parse().unwrap());
    request.headers.insert("x-mine", "yes".parse().unwrap());
    request.persistence.redirects = Some(2);
    let outcome = failed(session.request(request.clone()));
    if over.lacks(&outcome, "max_redirects: ") {
        return;
    }
    let response = outcome.unwrap();
    let body = String::from_utf8(response.body.to_vec()).unwrap();
    assert_eq!((response.status.as_u16(), response.report.redirects), (200, 2));
    // Credentials stay with the origin they were given for.
    assert!(body.contains("x-mine: yes\n") && !body.contains("secret"), "{body}");
    assert_eq!((here.count("requests"), there.count("requests")), (1, 2));
    request.persistence.redirects = Some(1);
    let error = session.request(request).unwrap_err().error;
    assert_eq!((error.status, error.detail), (Status::Protocol, Detail::Redirect), "{error:?}");
    assert!(error.message.contains("max_redirects"), "{error}");
}

pub fn redirects_are_not_followed_unasked(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let response = session(&pool, &listener.http).request(get("/redirect?to=/echo")).unwrap();
    assert_eq!((response.status.as_u16(), response.report.redirects), (302, 0));
    assert_eq!(response.headers["location"], "/echo");
    assert_eq!(listener.count("requests"), 1);
}

pub fn retries_follow_retry_after(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let session = session(&pool, &listener.http);
    let mut request = faulty("/echo", "status=503, retry-after=1");
    assert_eq!(session.request(request.clone()).unwrap().report.attempts, 1);
    request.persistence.retries = Some(1);
    let outcome = failed(session.request(request));
    if over.lacks(&outcome, "max_retries: ") {
        return;
    }
    let response = outcome.unwrap();
    assert_eq!((response.status.as_u16(), response.report.attempts), (503, 2));
    assert!(response.report.total >= Duration::from_secs(1), "{:?}", response.report);
    assert_eq!(listener.count("requests"), 3);
}
