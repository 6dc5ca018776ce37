//! HTTP/2 against servers that end, limit, refuse, flood and lie: what is sent again, what never is, how many connections.

mod support;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use aipool::config::{ConnectionConfig, HttpVersion, SessionConfig};
use aipool::error::{Delivery, Detail, Phase, Status};
use aipool::pool::PoolHandle;
use aipool::session::SessionHandle;
use support::counter::{Counter, Gate};
use support::expect::{bounded, fails_cleanly, millis, pool, verdict};
use support::frames::{self, H2, h2_server, polite_server};
use support::raw::RawServer;
use support::{Listener, get, post, trusting};

/// A session that speaks HTTP/2 without TLS.
fn h2_session(pool: &PoolHandle, url: &str) -> Arc<SessionHandle> {
    let connection = ConnectionConfig { http_version: HttpVersion::Http2, ..Default::default() };
    Arc::new(pool.get_session(url, Some(SessionConfig { connection, ..Default::default() })).unwrap())
}

/// A server whose first connection runs `fault` after its settings; all others answer.
fn faulty_first(fault: impl Fn(&mut H2<'_>) -> io::Result<()> + Send + Sync + 'static) -> RawServer {
    h2_server(move |h2| {
        h2.settings(100)?;
        match h2.serial() {
            1 => fault(h2),
            _ => answer_all(h2),
        }
    })
}

fn answer_all(h2: &mut H2<'_>) -> io::Result<()> {
    loop {
        let stream = h2.next_request()?;
        h2.respond(stream, "ok")?;
    }
}

/// Sends `count` requests at once, each on a thread of its own.
fn at_once(session: &Arc<SessionHandle>, count: usize) -> Vec<std::thread::JoinHandle<u16>> {
    let barrier = Arc::new(Barrier::new(count));
    let one = |_| {
        let (session, barrier) = (session.clone(), barrier.clone());
        std::thread::spawn(move || {
            barrier.wait();
            session.request(bounded(post("/echo", "x"))).expect("an answer").status.as_u16()
        })
    };
    (0..count).map(one).collect()
}

fn all_answered(requests: Vec<std::thread::JoinHandle<u16>>) {
    for request in requests {
        assert_eq!(request.join().unwrap(), 200);
    }
}

#[test]
fn a_stream_above_the_last_of_goaway_is_sent_again_also_post() {
    for closes in [true, false] {
        let pool = pool(0);
        let server = faulty_first(move |h2| {
            h2.next_head()?;
            h2.goaway(0, frames::NO_ERROR)?;
            if closes { Ok(()) } else { h2.conn.wait_closed() }
        });
        let response = h2_session(&pool, &server.http).request(bounded(post("/", "x"))).unwrap();
        assert_eq!((&response.body[..], response.report.reused), (&b"ok"[..], false));
        assert_eq!((server.counts.requests.get(), server.counts.accepted.get()), (1, 2));
        assert_eq!(pool.stats().in_flight, 0);
    }
}

#[test]
fn a_stream_that_goaway_includes_is_never_sent_again() {
    for code in [frames::NO_ERROR, frames::INTERNAL_ERROR] {
        let pool = pool(0);
        let server = faulty_first(move |h2| {
            let stream = h2.next_request()?;
            h2.goaway(stream, code)?;
            h2.conn.counts.closed.add(1);
            Ok(())
        });
        let session = h2_session(&pool, &server.http);
        let failure = fails_cleanly(&session, &pool, &server, post("/", "x"));
        let wanted = (Status::Reset, Detail::None, Phase::FirstByte, Delivery::MaybeSent);
        assert_eq!(verdict(&failure), wanted, "{failure:?}");
        assert_eq!(server.counts.requests.get(), 2, "the failed one, and the next");
    }
}

#[test]
fn a_stream_that_goaway_includes_is_answered_to_its_end() {
    let pool = pool(0);
    let server = faulty_first(|h2| {
        let stream = h2.next_request()?;
        h2.goaway(stream, frames::NO_ERROR)?;
        h2.respond(stream, "the last answer")?;
        h2.conn.wait_closed()
    });
    let session = h2_session(&pool, &server.http);
    assert_eq!(session.request(bounded(post("/", "x"))).unwrap().body, "the last answer");
    assert_eq!(session.request(bounded(post("/", "x"))).unwrap().body, "ok");
    assert_eq!(server.counts.accepted.get(), 2);
    server.counts.closed.wait(1);
}

#[test]
fn a_connection_that_goaway_ended_while_idle_takes_no_request() {
    let (pool, gone) = (pool(0), Counter::default());
    let going = gone.clone();
    let server = faulty_first(move |h2| {
        let stream = h2.next_request()?;
        h2.respond(stream, "first")?;
        h2.goaway(stream, frames::NO_ERROR)?;
        going.add(1);
        h2.conn.wait_closed()
    });
    let session = h2_session(&pool, &server.http);
    assert_eq!(session.request(bounded(get("/"))).unwrap().body, "first");
    gone.wait(1);
    assert_eq!(session.request(bounded(post("/", "x"))).unwrap().body, "ok");
    assert_eq!(server.counts.requests.get(), 2);
}

#[test]
fn a_refused_stream_is_sent_again() {
    let (pool, refused) = (pool(0), AtomicUsize::new(0));
    let server = h2_server(move |h2| {
        h2.settings(100)?;
        loop {
            let stream = h2.next_head()?;
            if refused.fetch_add(1, Ordering::SeqCst) == 0 {
                h2.rst(stream, frames::REFUSED_STREAM)?;
            } else {
                h2.conn.counts.requests.add(1);
                h2.respond(stream, "ok")?;
            }
        }
    });
    let response = h2_session(&pool, &server.http).request(bounded(post("/", "x"))).unwrap();
    assert_eq!((&response.body[..], server.counts.requests.get()), (&b"ok"[..], 1));
}

/// A request to a server that refuses each one by `refuse` ends after few attempts, certain that nothing was done.
fn storm(refuse: impl Fn(&mut H2<'_>) -> io::Result<()> + Send + Sync + 'static) {
    let (pool, refused) = (pool(0), Counter::default());
    let counting = refused.clone();
    let server = h2_server(move |h2| {
        h2.settings(100)?;
        loop {
            refuse(h2)?;
            counting.add(1);
        }
    });
    let error = h2_session(&pool, &server.http).request(bounded(post("/", "x"))).unwrap_err().error;
    assert!(matches!(error.status, Status::Reset | Status::Protocol), "{error:?}");
    assert_eq!((error.delivery, error.retryable), (Delivery::NotSent, true), "{error:?}");
    let (connections, attempts) = (server.counts.accepted.get(), refused.get());
    assert!(connections <= 4 && attempts <= 8, "{connections} connections, {attempts} refusals");
    assert_eq!(pool.stats().in_flight, 0);
}

#[test]
fn a_storm_of_goaway_ends_after_few_attempts_not_sent() {
    storm(|h2| {
        h2.next_head()?;
        h2.goaway(0, frames::NO_ERROR)?;
        // Closed at once, with the body unread, the kernel would take the frame back by a reset.
        h2.conn.wait_closed()?;
        Err(io::ErrorKind::ConnectionAborted.into())
    });
}

#[test]
fn a_storm_of_refused_streams_ends_after_few_attempts_not_sent() {
    storm(|h2| {
        let stream = h2.next_head()?;
        h2.rst(stream, frames::REFUSED_STREAM)
    });
}

#[test]
fn a_reset_stream_is_reset_maybe_sent_and_its_connection_goes_on() {
    const CANCEL: u32 = 8;
    for code in [frames::INTERNAL_ERROR, CANCEL] {
        let pool = pool(0);
        let server = faulty_first(move |h2| {
            let stream = h2.next_request()?;
            h2.rst(stream, code)?;
            answer_all(h2)
        });
        let session = h2_session(&pool, &server.http);
        let failure = session.request(bounded(post("/", "x"))).unwrap_err();
        let wanted = (Status::Reset, Detail::None, Phase::FirstByte, Delivery::MaybeSent);
        assert_eq!(verdict(&failure), wanted, "{failure:?}");
        assert_eq!(session.request(bounded(get("/"))).unwrap().body, "ok");
        assert_eq!((server.counts.requests.get(), server.counts.accepted.get()), (2, 1));
    }
}

#[test]
fn a_reset_without_error_after_the_answer_leaves_the_answer_whole() {
    let pool = pool(0);
    let server = h2_server(|h2| {
        // No larger windows: the body cannot have gone out when the answer comes.
        h2.frame(frames::SETTINGS, 0, 0, &[])?;
        loop {
            let stream = h2.next_head()?;
            h2.respond(stream, "enough")?;
            h2.rst(stream, frames::NO_ERROR)?;
        }
    });
    let session = h2_session(&pool, &server.http);
    for _ in 0..3 {
        let response = session.request(bounded(post("/", vec![b'x'; 1 << 20]))).unwrap();
        assert_eq!((response.status.as_u16(), &response.body[..]), (200, &b"enough"[..]));
    }
}

#[test]
fn an_end_in_the_body_is_truncated_with_what_came() {
    type End = fn(&mut H2<'_>, u32) -> io::Result<()>;
    let ends: [(&str, End); 3] = [
        ("reset", |h2, stream| h2.rst(stream, frames::INTERNAL_ERROR)),
        ("goaway", |h2, stream| {
            h2.goaway(stream, frames::INTERNAL_ERROR)?;
            Err(io::ErrorKind::ConnectionAborted.into())
        }),
        ("close", |_, _| Err(io::ErrorKind::ConnectionAborted.into())),
    ];
    for (name, end) in ends {
        let pool = pool(0);
        let server = faulty_first(move |h2| {
            let stream = h2.next_request()?;
            h2.frame(frames::HEADERS, frames::END_HEADERS, stream, &[frames::STATUS_200])?;
            h2.frame(frames::DATA, 0, stream, b"hello")?;
            end(h2, stream)?;
            answer_all(h2)
        });
        let session = h2_session(&pool, &server.http);
        let failure = session.request(bounded(post("/", "x"))).unwrap_err();
        let wanted = (Status::Truncated, Detail::None, Phase::Body, Delivery::ResponseStarted);
        assert_eq!(verdict(&failure), wanted, "{name}: {failure:?}");
        assert_eq!(failure.response.unwrap().body, "hello", "{name}");
        assert_eq!(session.request(bounded(get("/"))).unwrap().body, "ok", "{name}");
    }
}

#[test]
fn no_streams_at_all_is_the_queue_limit_not_a_flood_of_connections() {
    let pool = pool(2);
    let server = h2_server(|h2| {
        h2.settings(0)?;
        loop {
            let stream = h2.next_head()?;
            h2.rst(stream, frames::REFUSED_STREAM)?;
        }
    });
    let session = h2_session(&pool, &server.http);
    let one = || {
        let mut request = post("/", "x");
        request.limits.queue = millis(300);
        let failure = session.request(bounded(request)).unwrap_err();
        // One stream a connection is lent before the peer has said how many it takes; that one may have gone out.
        let (status, detail, phase, _) = verdict(&failure);
        assert_eq!((status, detail, phase), (Status::Timeout, Detail::QueueLimit, Phase::Queue), "{failure:?}");
        failure.error.delivery
    };
    std::thread::scope(|scope| {
        let requests: Vec<_> = (0..10).map(|_| scope.spawn(one)).collect();
        let deliveries: Vec<_> = requests.into_iter().map(|request| request.join().unwrap()).collect();
        let maybe_sent = deliveries.iter().filter(|delivery| **delivery != Delivery::NotSent).count();
        assert!(maybe_sent <= server.counts.accepted.get(), "{deliveries:?}");
    });
    assert!(server.counts.accepted.get() <= 4, "{} connections", server.counts.accepted.get());
}

/// A request to a server that floods or lies ends by an error or its limit; the next one goes elsewhere.
fn survives(fault: impl Fn(&mut H2<'_>) -> io::Result<()> + Send + Sync + 'static) {
    let pool = pool(0);
    let server = faulty_first(move |h2| {
        h2.next_request()?;
        let _ = fault(h2);
        h2.conn.counts.closed.add(1);
        Ok(())
    });
    let session = h2_session(&pool, &server.http);
    let mut request = post("/", "x");
    request.limits.first_byte = millis(500);
    let failure = session.request(bounded(request)).unwrap_err();
    assert!(matches!(failure.error.status, Status::Protocol | Status::Reset | Status::Timeout), "{failure:?}");
    assert_ne!(failure.error.detail, Detail::TotalLimit, "{failure:?}");
    assert_eq!((failure.error.phase, failure.error.delivery), (Phase::FirstByte, Delivery::MaybeSent), "{failure:?}");
    assert_eq!(pool.stats().in_flight, 0);
    let next = session.request(bounded(get("/"))).unwrap();
    assert_eq!((&next.body[..], next.report.reused), (&b"ok"[..], false));
}

#[test]
fn a_flood_of_continuations_is_survived() {
    survives(|h2| {
        h2.frame(frames::HEADERS, 0, 1, &[frames::STATUS_200])?;
        let more = frames::literal("x-more", &"a".repeat(100)).repeat(100);
        loop {
            h2.frame(frames::CONTINUATION, 0, 1, &more)?;
        }
    });
}

#[test]
fn a_flood_of_pings_is_survived() {
    survives(|h2| {
        loop {
            h2.frame(frames::PING, 0, 0, b"floodin!")?;
        }
    });
}

#[test]
fn a_flood_of_settings_is_survived() {
    survives(|h2| {
        loop {
            h2.frame(frames::SETTINGS, 0, 0, &[])?;
        }
    });
}

#[test]
fn garbage_for_frames_is_survived() {
    survives(|h2| {
        h2.raw(&b"these are no frames at all; ".repeat(1000))?;
        h2.conn.wait_closed()
    });
}

#[test]
fn a_server_of_http1_is_no_server_of_http2() {
    let pool = pool(0);
    let server = RawServer::start(|conn| {
        conn.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
        conn.wait_closed()
    });
    let error = h2_session(&pool, &server.http).request(bounded(post("/", "x"))).unwrap_err().error;
    assert!(matches!(error.status, Status::Protocol | Status::Reset), "{error:?}");
    assert!(server.counts.accepted.get() <= 4);
}

/// A server with `most` streams a connection that holds every request until the gate opens.
fn holding_server(most: u32) -> (RawServer, Gate) {
    let gate = Gate::default();
    let opened = gate.clone();
    let server = h2_server(move |h2| {
        h2.settings(most)?;
        loop {
            let stream = h2.next_request()?;
            let (writer, gate) = (h2.writer()?, opened.clone());
            std::thread::spawn(move || {
                gate.pass();
                let _ = writer.respond(stream, "ok");
            });
        }
    });
    (server, gate)
}

#[test]
fn ten_requests_at_two_streams_a_connection_are_on_five_connections_at_once() {
    for threads in [0, 2] {
        let (pool, (server, gate)) = (pool(threads), holding_server(2));
        let requests = at_once(&h2_session(&pool, &server.http), 10);
        server.counts.requests.wait(10);
        assert_eq!(server.counts.accepted.get(), 5);
        gate.open();
        all_answered(requests);
    }
}

#[test]
fn three_hundred_requests_at_a_hundred_streams_need_few_connections() {
    let (pool, (server, gate)) = (pool(0), holding_server(100));
    let requests = at_once(&h2_session(&pool, &server.http), 300);
    server.counts.requests.wait(300);
    assert!((3..=4).contains(&server.counts.accepted.get()), "{} connections", server.counts.accepted.get());
    gate.open();
    all_answered(requests);
}

#[test]
fn warm_streams_share_their_connection() {
    let (pool, server) = (pool(0), polite_server(100));
    let session = h2_session(&pool, &server.http);
    session.request(bounded(get("/"))).unwrap();
    all_answered(at_once(&session, 50));
    assert_eq!((server.counts.accepted.get(), server.counts.requests.get()), (1, 51));
}

#[test]
fn a_cold_herd_of_one_url_makes_one_tls_handshake() {
    for threads in [0, 2] {
        let (pool, listener) = (pool(threads), Listener::open());
        let session = Arc::new(pool.get_session(&listener.https, Some(trusting())).unwrap());
        all_answered(at_once(&session, 50));
        assert_eq!((listener.count("tls_handshakes"), listener.count("http2_requests")), (1, 50));
    }
}

#[test]
fn a_cold_herd_of_fifty_base_urls_makes_one_tls_handshake() {
    let (pool, listener) = (pool(0), Listener::open());
    let barrier = Barrier::new(50);
    std::thread::scope(|scope| {
        for n in 0..50 {
            let session = pool.get_session(&format!("{}/base{n}", listener.https), Some(trusting())).unwrap();
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                assert_eq!(session.request(bounded(get("/x"))).unwrap().status, 404);
            });
        }
    });
    assert_eq!((listener.count("tls_handshakes"), listener.count("http2_requests")), (1, 50));
}

#[test]
fn a_cold_herd_against_http1_dials_at_once_not_one_by_one() {
    let (pool, listener) = (pool(0), Listener::open());
    let mut options = trusting();
    options.connection.http_version = HttpVersion::Http1;
    let session = Arc::new(pool.get_session(&listener.https, Some(options)).unwrap());
    let name = support::unique("h1-herd");
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let (session, url) = (session.clone(), format!("/hold/{name}"));
            std::thread::spawn(move || session.request(bounded(get(&url))).unwrap().status.as_u16())
        })
        .collect();
    support::wait_held(&name, 20);
    support::release(&name);
    all_answered(requests);
    assert_eq!(listener.count("connections_opened"), 20);
}
