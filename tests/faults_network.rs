//! Networks that break, slow down and lie, between the library and a server that is well.

mod support;

use std::time::Duration;

use aipool::config::HttpVersion;
use aipool::error::{Delivery, Detail, Phase, Status};
use support::chaos::{Chaos, Toxics, Way};
use support::expect::{bounded, millis, over, pool, verdict};
use support::{Listener, get, post, sandbox, trusting};

/// As long as the body that is sent and echoed: what ends at this byte or before cannot have passed it on whole.
const BODY: usize = 3000;

/// One POST over a fresh connection that `toxics` end after `at` bytes one way: its whole answer, or a failure that says no
/// more than is certain.
fn post_ended_by(version: HttpVersion, way: Way, at: usize, toxics: &Toxics) {
    let (pool, listener) = (pool(0), Listener::open());
    let chaos = Chaos::start(&listener.https);
    let session = over(&pool, &chaos.https(), version);
    chaos.set(way, toxics.clone());
    let body = vec![b'x'; BODY];
    let outcome = session.request(bounded(post("/echo", body.clone())));
    if let Ok(response) = &outcome {
        assert!(at > BODY && response.status == 200 && response.body.ends_with(&body), "{toxics:?}: {response:?}");
        assert_eq!(listener.count("requests"), 1);
    }
    if let Err(failure) = &outcome {
        let error = &failure.error;
        let known = matches!(
            error.status,
            Status::Connect | Status::Tls | Status::Reset | Status::Protocol | Status::Truncated
        );
        assert!(known, "{version:?} {way:?} {toxics:?}: {failure:?}");
        // What was on its way has come or is lost.
        listener.wait_connections_open(0);
        let seen = listener.count("requests");
        assert!(error.delivery != Delivery::NotSent || seen == 0, "{toxics:?}: {seen} seen, but {failure:?}");
        assert!(seen <= 1, "{toxics:?}: {seen} seen");
    }
    assert_eq!(pool.stats().in_flight, 0);
    chaos.calm();
    assert_eq!(session.request(bounded(post("/echo", "x"))).unwrap().status, 200, "{toxics:?} after {outcome:?}");
}

#[test]
fn an_end_at_any_byte_is_a_failure_that_says_no_more_than_is_certain() {
    let at = [1, 5, 100, 300, 600, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500, 5000];
    for version in [HttpVersion::Http1, HttpVersion::Auto] {
        for (way, at) in [Way::Up, Way::Down].into_iter().flat_map(|way| at.map(|at| (way, at))) {
            let bytes = Some(at as u64);
            post_ended_by(version, way, at, &Toxics { limit: bytes, ..Toxics::default() });
            post_ended_by(version, way, at, &Toxics { reset_at: bytes, ..Toxics::default() });
        }
    }
}

#[test]
fn what_is_slow_is_not_stalled() {
    for version in [HttpVersion::Http1, HttpVersion::Auto] {
        let (pool, listener) = (pool(0), Listener::open());
        let chaos = Chaos::start(&listener.https);
        let session = over(&pool, &chaos.https(), version);
        let down = Toxics { slices: (4096, Duration::ZERO), bandwidth: 50_000, ..Toxics::default() };
        chaos.set(Way::Down, down);
        chaos.set(Way::Up, Toxics { latency: Duration::from_millis(5), ..Toxics::default() });
        let mut request = get("/bytes/100000");
        // Shorter than the whole takes, and many times longer than any silence in it.
        let limit = Duration::from_millis(1500);
        request.limits.between_bytes = Some(Some(limit));
        let slow = session.request(bounded(request)).unwrap();
        assert!(slow.body.len() == 100_000 && slow.report.total > limit, "{:?}", slow.report);
        chaos.calm();
        chaos.set(Way::Up, Toxics { slices: (64 << 10, Duration::from_millis(10)), ..Toxics::default() });
        let mut request = post("/status/200", vec![b'x'; 14 << 20]);
        request.limits.send = Some(Some(limit));
        let slow = session.request(bounded(request)).unwrap();
        assert!(slow.status == 200 && slow.report.total > limit, "{:?}", slow.report);
    }
}

#[test]
fn a_whole_answer_does_not_wait_for_its_connection_to_close() {
    let (pool, listener) = (pool(0), Listener::open());
    let chaos = Chaos::start(&listener.http);
    chaos.set(Way::Down, Toxics { slow_close: Duration::from_secs(30), ..Toxics::default() });
    let session = pool.get_session(&chaos.http(), None).unwrap();
    for n in 1..=3 {
        assert_eq!(session.request(bounded(support::faulty("/echo", "close-after"))).unwrap().status, 200);
        assert_eq!(chaos.counts.accepted.get(), n);
    }
}

#[test]
fn a_peer_that_is_dead_without_a_word_is_left_for_a_fresh_connection() {
    let (pool, listener) = (pool(0), Listener::open());
    let chaos = Chaos::start(&listener.https);
    let session = pool.get_session(&chaos.https(), Some(trusting())).unwrap();
    assert_eq!(session.request(bounded(get("/echo"))).unwrap().version_number(), 20);
    chaos.stall_open();
    let mut request = post("/echo", "x");
    request.limits.first_byte = millis(300);
    let failure = session.request(bounded(request)).unwrap_err();
    let wanted = (Status::Timeout, Detail::FirstByteLimit, Phase::FirstByte, Delivery::MaybeSent);
    assert_eq!(verdict(&failure), wanted, "{failure:?}");
    let next = session.request(bounded(post("/echo", "x"))).unwrap();
    assert_eq!((next.status.as_u16(), next.report.reused, chaos.counts.accepted.get()), (200, false, 2));
    drop((session, pool));
    chaos.counts.open.wait_until(|open| open == 0);
}

#[test]
fn a_connection_cut_while_idle_is_replaced() {
    let (pool, listener) = (pool(0), Listener::open());
    for (target, tls) in [(&listener.http, false), (&listener.https, true)] {
        let chaos = Chaos::start(target);
        let url = if tls { chaos.https() } else { chaos.http() };
        let session = pool.get_session(&url, Some(trusting())).unwrap();
        for n in 1..=3 {
            assert_eq!(session.request(bounded(post("/echo", "x"))).unwrap().status, 200);
            assert_eq!(chaos.counts.accepted.get(), n);
            chaos.cut_all();
        }
    }
}

#[test]
fn bytes_in_small_pieces_make_the_same_answer() {
    let (pool, listener) = (pool(0), Listener::open());
    for (target, tls) in [(&listener.http, false), (&listener.https, true)] {
        let chaos = Chaos::start(target);
        for way in [Way::Up, Way::Down] {
            chaos.set(way, Toxics { slices: (7, Duration::ZERO), ..Toxics::default() });
        }
        let url = if tls { chaos.https() } else { chaos.http() };
        let session = pool.get_session(&url, Some(trusting())).unwrap();
        let body: Vec<u8> = (0..=255).cycle().take(20_000).collect();
        let response = session.request(bounded(post("/echo", body.clone()))).unwrap();
        assert!(response.body.ends_with(&body));
    }
}

#[test]
fn a_connection_that_opens_into_nothing_meets_a_limit_of_connecting() {
    let pool = pool(0);
    let chaos = Chaos::start(&sandbox().http);
    chaos.swallow_new();
    let session = pool.get_session(&chaos.https(), Some(trusting())).unwrap();
    let mut request = post("/echo", "x");
    request.limits.tls = millis(300);
    let failure = session.request(bounded(request)).unwrap_err();
    let wanted = (Status::Timeout, Detail::TlsLimit, Phase::Tls, Delivery::NotSent);
    assert_eq!(verdict(&failure), wanted, "{failure:?}");
    chaos.counts.open.wait_until(|open| open == 0);
}
