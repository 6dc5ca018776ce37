//! HTTP/2 against servers that end, limit, refuse, flood and lie: what is sent again, what never is, how many connections.

mod support;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use aipool::config::{HttpVersion, ProxyOptions, ProxyUrl};
use aipool::error::{Delivery, Detail, Phase, Status};
use aipool::pool::PoolHandle;
use aipool::session::SessionHandle;
use support::counter::{Counter, Gate};
use support::expect::{bounded, fails_cleanly, millis, over, pool, verdict};
use support::frames::{self, H2, h2_server, polite_server};
use support::raw::{Conn, RawServer};
use support::{Listener, at_once, get, joined, post, trusting};

/// A session that speaks HTTP/2 without TLS.
fn h2_session(pool: &PoolHandle, url: &str) -> Arc<SessionHandle> {
    Arc::new(pool.get_session(url, Some(support::http2())).unwrap())
}

/// A server whose first connection runs `fault` after its settings; all others answer.
fn faulty_first(fault: impl Fn(&mut H2<'_>) -> io::Result<()> + Send + Sync + 'static) -> RawServer {
    h2_server(move |h2| {
        h2.settings(100)?;
        match h2.conn.serial {
            1 => fault(h2),
            _ => h2.answer_all(),
        }
    })
}

/// Sends `count` POSTs at once.
fn posts_at_once(session: &Arc<SessionHandle>, count: usize) -> Vec<JoinHandle<u16>> {
    let session = session.clone();
    at_once(count, move |_| session.request(bounded(post("/echo", "x"))).expect("an answer").status.as_u16())
}

fn all_answered(requests: Vec<JoinHandle<u16>>) {
    assert!(joined(requests).iter().all(|status| *status == 200));
}

#[test]
fn a_stream_above_the_last_of_goaway_is_sent_again_also_post() {
    for closes in [true, false] {
        let pool = pool(0);
        let server = faulty_first(move |h2| {
            h2.next_head()?;
            h2.goaway(0, frames::NO_ERROR)?;
            if closes { h2.conn.finish_and_wait() } else { h2.conn.wait_closed() }
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
            h2.conn.finish_and_wait()
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
    server.wait_ended(1);
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
    let second = session.request(bounded(post("/", "x"))).unwrap();
    assert_eq!((&second.body[..], second.report.attempts), (&b"ok"[..], 1));
    assert_eq!((server.counts.requests.get(), server.counts.accepted.get()), (2, 2));
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
            h2.answer_all()
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
            h2.conn.finish_and_wait()
        }),
        ("close", |h2, _| h2.conn.finish_and_wait()),
    ];
    for (name, end) in ends {
        let pool = pool(0);
        let server = faulty_first(move |h2| {
            let stream = h2.next_request()?;
            h2.frame(frames::HEADERS, frames::END_HEADERS, stream, &[frames::STATUS_200])?;
            h2.frame(frames::DATA, 0, stream, b"hello")?;
            end(h2, stream)?;
            h2.answer_all()
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
        fault(h2)
    });
    let session = h2_session(&pool, &server.http);
    let mut request = post("/", "x");
    request.limits.first_byte = millis(500);
    let failure = fails_cleanly(&session, &pool, &server, request);
    assert!(matches!(failure.error.status, Status::Protocol | Status::Reset | Status::Timeout), "{failure:?}");
    assert_ne!(failure.error.detail, Detail::TotalLimit, "{failure:?}");
    assert_eq!((failure.error.phase, failure.error.delivery), (Phase::FirstByte, Delivery::MaybeSent), "{failure:?}");
}

/// A request to a server that sends without end what wants an answer, and reads none, ends by its limit; its connection, which
/// may pass for alive, closes with the pool, though nothing more can be written to it.
fn survives_what_wants_answers(one: impl Fn(&mut H2<'_>) -> io::Result<()> + Send + Sync + 'static) {
    let pool = pool(0);
    let server = faulty_first(move |h2| {
        h2.next_request()?;
        loop {
            one(h2)?;
        }
    });
    let mut request = post("/", "x");
    request.limits.first_byte = millis(500);
    let failure = h2_session(&pool, &server.http).request(bounded(request)).unwrap_err();
    let wanted = (Status::Timeout, Detail::FirstByteLimit, Phase::FirstByte, Delivery::MaybeSent);
    assert_eq!((verdict(&failure), pool.stats().in_flight), (wanted, 0), "{failure:?}");
    pool.close_all(0).unwrap();
    server.wait_ended(1);
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
    survives_what_wants_answers(|h2| h2.frame(frames::PING, 0, 0, b"floodin!"));
}

#[test]
fn a_flood_of_settings_is_survived() {
    survives_what_wants_answers(|h2| h2.frame(frames::SETTINGS, 0, 0, &[]));
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

#[test]
fn a_connection_that_cannot_be_used_for_http2_counts_as_one_that_failed() {
    let (pool, proxy) = (pool(0), RawServer::start(Conn::wait_closed));
    let mut options = support::http2();
    let through = ProxyOptions::Through { url: ProxyUrl(proxy.http.clone()), except: String::new() };
    options.connection.network.proxy = through;
    let session = pool.get_session("http://host.test", Some(options)).unwrap();
    let error = session.request(bounded(get("/"))).unwrap_err().error;
    assert!(error.message.starts_with("http_version: "), "{error}");
    assert_eq!(pool.stats().connections.failed, 1);
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
        let requests = posts_at_once(&h2_session(&pool, &server.http), 10);
        server.counts.requests.wait(10);
        assert_eq!(server.counts.accepted.get(), 5);
        gate.open();
        all_answered(requests);
    }
}

#[test]
fn three_hundred_requests_at_a_hundred_streams_need_few_connections() {
    let (pool, (server, gate)) = (pool(0), holding_server(100));
    let requests = posts_at_once(&h2_session(&pool, &server.http), 300);
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
    all_answered(posts_at_once(&session, 50));
    assert_eq!((server.counts.accepted.get(), server.counts.requests.get()), (1, 51));
}

#[test]
fn a_cold_herd_of_one_url_makes_one_tls_handshake() {
    for threads in [0, 2] {
        let (pool, listener) = (pool(threads), Listener::open());
        let session = Arc::new(pool.get_session(&listener.https, Some(trusting())).unwrap());
        all_answered(posts_at_once(&session, 50));
        assert_eq!((listener.count("tls_handshakes"), listener.count("http2_requests")), (1, 50));
    }
}

#[test]
fn a_cold_herd_of_fifty_base_urls_makes_one_tls_handshake() {
    let (pool, listener) = (pool(0), Listener::open());
    let base = |n| pool.get_session(&format!("{}/base{n}", listener.https), Some(trusting())).unwrap();
    let sessions: Vec<_> = (0..50).map(base).collect();
    let statuses = joined(at_once(50, move |n| sessions[n].request(bounded(get("/x"))).unwrap().status.as_u16()));
    assert_eq!(statuses, [404; 50]);
    assert_eq!((listener.count("tls_handshakes"), listener.count("http2_requests")), (1, 50));
}

#[test]
fn a_cold_herd_against_http1_dials_at_once_not_one_by_one() {
    let (pool, listener) = (pool(0), Listener::open());
    let session = over(&pool, &listener.https, HttpVersion::Http1);
    let name = support::unique("h1-herd");
    let url = format!("/hold/{name}");
    let requests = at_once(20, move |_| session.request(bounded(get(&url))).unwrap().status.as_u16());
    support::wait_held(&name, 20);
    support::release(&name);
    all_answered(requests);
    assert_eq!(listener.count("connections_opened"), 20);
}

#[test]
fn a_host_that_is_no_authority_is_refused_by_name() {
    let (pool, server) = (pool(0), polite_server(100));
    let session = h2_session(&pool, &server.http);
    let mut request = get("/");
    request.headers.insert("host", "two words".parse().unwrap());
    let error = session.request(bounded(request)).unwrap_err().error;
    assert_eq!((error.status, error.delivery), (Status::InvalidArgument, Delivery::NotSent), "{error:?}");
    assert!(error.message.starts_with("headers: "), "{error}");
    assert_eq!(session.request(bounded(get("/"))).unwrap().body, "ok");
    assert_eq!((server.counts.requests.get(), server.counts.accepted.get(), pool.stats().in_flight), (1, 1, 0));
}
