//! HTTP/1.1 against servers that break it: what the failure says, that nothing is left of it, what is sent again.

mod support;

use std::io::{self, Read as _};
use std::time::Duration;

use aipool::answer::{Answer, Read};
use aipool::config::PoolConfig;
use aipool::error::{Delivery, Detail, Error, Phase, Status};
use aipool::pool::{ConnectionPool, PoolHandle};
use aipool::request::{Failure, Request};
use support::counter::{Counter, Gate};
use support::expect::{bounded, fails_cleanly, millis, pool, verdict};
use support::port::Port;
use support::raw::{Conn, RawServer};
use support::{Listener, PATIENCE, faulty, get, post, session, until};

/// A server whose first connection runs `fault`; all others answer.
fn faulty_first(fault: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> RawServer {
    RawServer::start(move |conn| match conn.serial {
        1 => fault(conn),
        _ => conn.answer_all(),
    })
}

/// What a request says that gets `answer` and then nothing, while its connection stays open.
fn answered_with(answer: impl Into<Vec<u8>>) -> Failure {
    let answer = answer.into();
    failed_by(get("/"), move |conn| {
        conn.read_request()?;
        conn.write(&answer)?;
        conn.wait_closed()
    })
}

/// What `request` says after `fault`.
fn failed_by(request: Request, fault: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> Failure {
    let (pool, server) = (pool(0), faulty_first(fault));
    let session = session(&pool, &server.http);
    let failure = fails_cleanly(&session, &pool, &server, request);
    assert_eq!(server.counts.accepted.get(), 2, "one connection failed, one answered the next request");
    failure
}

fn is_broken_protocol(failure: &Failure) {
    assert_eq!((failure.error.status, failure.error.phase), (Status::Protocol, Phase::FirstByte), "{failure:?}");
    assert_ne!(failure.error.delivery, Delivery::NotSent, "{failure:?}");
    assert!(!failure.error.retryable && failure.response.is_none(), "{failure:?}");
}

#[test]
fn a_garbage_status_line_is_protocol() {
    for garbage in ["lorem ipsum dolor sit amet\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n"] {
        is_broken_protocol(&answered_with(garbage));
    }
}

#[test]
fn a_head_over_64_kib_is_protocol() {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-huge: {}\r\n\r\n", "a".repeat(80 << 10));
    is_broken_protocol(&answered_with(head));
}

#[test]
fn a_head_below_64_kib_is_taken() {
    let pool = pool(0);
    let server = RawServer::start(|conn| {
        conn.read_request()?;
        conn.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-large: {}\r\n\r\n", "a".repeat(40 << 10)))?;
        conn.wait_closed()
    });
    let response = session(&pool, &server.http).request(bounded(get("/"))).unwrap();
    assert_eq!(response.headers["x-large"].len(), 40 << 10);
}

/// A head of so many headers, its length among them.
fn head_of(headers: usize) -> String {
    let more = "x-more: of the same\r\n".repeat(headers - 1);
    format!("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{more}\r\n")
}

#[test]
fn a_head_of_100_headers_is_taken() {
    let pool = pool(0);
    let server = RawServer::start(|conn| {
        conn.read_request()?;
        conn.write(head_of(100))?;
        conn.wait_closed()
    });
    let response = session(&pool, &server.http).request(bounded(get("/"))).unwrap();
    assert_eq!(response.headers.len(), 100);
}

#[test]
fn a_head_of_more_headers_is_protocol() {
    let failure = answered_with(head_of(101));
    is_broken_protocol(&failure);
    assert!(failure.error.message.contains("head is too large"), "{failure:?}");
}

#[test]
fn endless_headers_are_protocol() {
    is_broken_protocol(&failed_by(get("/"), |conn| {
        conn.read_request()?;
        conn.write("HTTP/1.1 200 OK\r\n")?;
        loop {
            conn.write("x-more: of the same\r\n".repeat(100))?;
        }
    }));
}

#[test]
fn a_bad_length_is_protocol() {
    is_broken_protocol(&answered_with("HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"));
    is_broken_protocol(&answered_with("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"));
}

#[test]
fn two_lengths_that_differ_are_protocol() {
    is_broken_protocol(&answered_with("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"));
}

#[test]
fn a_bad_chunk_ends_the_body_with_what_came() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for bad in ["zz\r\n", "fffffffffffffffff\r\n", "5\r\nhelloXX"] {
        let failure = answered_with(format!("{head}{bad}"));
        let Failure { error, response } = &failure;
        assert!(matches!(error.status, Status::Truncated | Status::Protocol), "{bad:?}: {failure:?}");
        assert_eq!((error.phase, error.delivery), (Phase::Body, Delivery::ResponseStarted), "{bad:?}: {failure:?}");
        assert!(response.as_ref().unwrap().body.starts_with(b"hello"), "{failure:?}");
    }
}

#[test]
fn a_refusal_cut_short_is_truncated_also_where_it_was_looked_at() {
    for stream in [false, true] {
        let (pool, server) = (
            pool(0),
            faulty_first(|conn| {
                conn.read_request()?;
                conn.write("HTTP/1.1 400 Bad Request\r\ncontent-length: 3000\r\n\r\n")?;
                conn.write([b'x'; 100])?;
                conn.finish_and_wait()
            }),
        );
        let mut request = Request { stream, ..bounded(get("/")) };
        request.persistence.retries = Some(1);
        let (came, end) = match session(&pool, &server.http).answer(request) {
            Err((error, answer)) => (answer.map_or(0, |answer| answer.body().unwrap().len()), Err(error)),
            Ok(answer) if stream => read_all(&answer),
            Ok(answer) => (answer.body().unwrap().len(), Ok(())),
        };
        let error = end.expect_err("it is not whole");
        let wanted = (100, Status::Truncated, Phase::Body, Delivery::ResponseStarted);
        assert_eq!((came, error.status, error.phase, error.delivery), wanted, "stream: {stream} {error:?}");
    }
}

/// How many bytes of a stream came, and how they ended.
fn read_all(answer: &Answer) -> (usize, aipool::error::Result<()>) {
    let (mut came, mut part) = (0, vec![0; 4096]);
    loop {
        match answer.read(&mut part, PATIENCE) {
            Ok(Read::Got(count)) => came += count,
            Ok(_) => return (came, Ok(())),
            Err(error) => return (came, Err(error)),
        }
    }
}

#[test]
fn interim_answers_are_passed_over() {
    let pool = pool(0);
    let server = RawServer::start(|conn| {
        loop {
            conn.read_request()?;
            conn.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(20))?;
            conn.write("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")?;
            conn.answer("the answer")?;
        }
    });
    let session = session(&pool, &server.http);
    for _ in 0..3 {
        let response = session.request(bounded(post("/", "x"))).unwrap();
        assert_eq!((response.status.as_u16(), &response.body[..]), (200, &b"the answer"[..]));
    }
    assert_eq!(server.counts.accepted.get(), 1);
}

#[test]
fn endless_interim_answers_end_by_a_limit() {
    let mut request = get("/");
    request.limits.first_byte = millis(300);
    let failure = failed_by(request, |conn| {
        conn.read_request()?;
        loop {
            conn.write("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
    });
    let (status, detail) = (failure.error.status, failure.error.detail);
    assert!(status == Status::Protocol || detail == Detail::FirstByteLimit, "{failure:?}");
    assert_eq!((failure.error.phase, failure.error.delivery), (Phase::FirstByte, Delivery::MaybeSent), "{failure:?}");
}

#[test]
fn what_a_server_says_on_an_idle_connection_answers_nothing() {
    for unasked in ["HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "junk"] {
        for ends in [true, false] {
            let said = Counter::default();
            let (pool, saying) = (pool(0), said.clone());
            let server = faulty_first(move |conn| {
                conn.read_request()?;
                conn.answer("first")?;
                conn.write(unasked)?;
                if ends {
                    conn.finish()?;
                }
                saying.add(1);
                conn.wait_closed()
            });
            let session = session(&pool, &server.http);
            assert_eq!(session.request(bounded(get("/"))).unwrap().body, "first");
            said.wait(1);
            let second = session.request(bounded(post("/", "x"))).unwrap();
            assert_eq!((second.status.as_u16(), &second.body[..], second.report.reused), (200, &b"ok"[..], false));
            server.wait_ended(1);
            assert_eq!(server.counts.requests.get(), 2);
        }
    }
}

#[test]
fn an_answer_while_the_body_goes_out_is_the_answer() {
    const LENGTH: usize = 8 << 20;
    for (keeps, word) in [(true, ""), (false, "connection: close\r\n")] {
        let (pool, checked) = (pool(0), Counter::default());
        let checking = checked.clone();
        let server = faulty_first(move |conn| {
            conn.read_head()?;
            conn.write(format!("HTTP/1.1 413 Too Much\r\n{word}content-length: 3\r\n\r\nno!"))?;
            if keeps {
                // The client may send the rest, or close; what it may not do is send another head amid the body.
                let mut rest = Vec::new();
                let read = (&conn.stream).take(LENGTH as u64).read_to_end(&mut rest);
                assert!(rest.iter().all(|byte| *byte == b'x'));
                checking.add(1);
                read?;
                return conn.answer_all();
            }
            conn.wait_closed()
        });
        let session = session(&pool, &server.http);
        let response = session.request(bounded(post("/", vec![b'x'; LENGTH]))).unwrap();
        assert_eq!((response.status.as_u16(), &response.body[..]), (413, &b"no!"[..]));
        if !keeps {
            server.wait_ended(1);
        }
        assert_eq!(session.request(bounded(get("/"))).unwrap().body, "ok");
        if keeps {
            checked.wait(1);
        }
        assert_eq!(pool.stats().in_flight, 0);
    }
}

/// Ends the connection: with RST or with FIN.
fn end(conn: &mut Conn, reset: bool) -> io::Result<()> {
    if reset { conn.reset() } else { Ok(()) }
}

#[test]
fn a_server_that_closes_every_connection_ends_the_request_soon() {
    for reset in [false, true] {
        let pool = pool(0);
        let server = RawServer::start(move |conn| end(conn, reset));
        let error = session(&pool, &server.http).request(bounded(post("/", "x"))).unwrap_err().error;
        // The end may come before the connection is known to stand.
        assert!(matches!(error.status, Status::Reset | Status::Connect), "{error:?}");
        assert!(server.counts.accepted.get() <= 4, "{} connections", server.counts.accepted.get());
        assert_eq!(pool.stats().in_flight, 0);
    }
}

#[test]
fn an_end_before_or_in_the_head_is_reset_maybe_sent() {
    for reset in [false, true] {
        for came in ["", "H", "HTTP/1.1 200 O", "HTTP/1.1 200 OK\r\ncontent-len"] {
            let failure = failed_by(post("/", "x"), move |conn| {
                conn.read_request()?;
                conn.write(came)?;
                end(conn, reset)
            });
            let (status, _, phase, delivery) = verdict(&failure);
            assert_eq!((status, phase), (Status::Reset, Phase::FirstByte), "{came:?} {failure:?}");
            assert_ne!(delivery, Delivery::NotSent, "{came:?} {failure:?}");
        }
    }
}

#[test]
fn an_end_in_the_body_is_truncated_with_what_came() {
    let with_length = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let to_the_end = "HTTP/1.1 200 OK\r\n\r\nhello";
    for (answer, reset) in
        [(with_length, false), (with_length, true), (chunked, false), (chunked, true), (to_the_end, true)]
    {
        let failure = failed_by(get("/"), move |conn| {
            conn.read_request()?;
            conn.write(answer)?;
            end(conn, reset)
        });
        let (status, _, phase, delivery) = verdict(&failure);
        // A reset drops what the kernel has not handed over: head and all.
        if reset && status == Status::Reset {
            assert_eq!(phase, Phase::FirstByte, "{failure:?}");
            continue;
        }
        assert_eq!((status, phase), (Status::Truncated, Phase::Body), "{failure:?}");
        assert_eq!((delivery, failure.error.http_status), (Delivery::ResponseStarted, 200), "{failure:?}");
        let came = failure.response.unwrap().body;
        assert!(if reset { b"hello".starts_with(&came[..]) } else { came == "hello" }, "{came:?}");
    }
}

#[test]
fn a_body_that_lasts_to_the_end_of_its_connection_is_whole() {
    let pool = pool(0);
    let server = RawServer::start(|conn| {
        conn.read_request()?;
        conn.write("HTTP/1.1 200 OK\r\n\r\nhello")
    });
    let session = session(&pool, &server.http);
    for _ in 0..3 {
        assert_eq!(session.request(bounded(get("/"))).unwrap().body, "hello");
    }
    assert_eq!(server.counts.accepted.get(), 3);
}

#[test]
fn a_server_that_takes_no_more_of_the_body_meets_the_send_limit() {
    let mut request = post("/", vec![b'x'; 32 << 20]);
    request.limits.send = millis(300);
    let stalled = Gate::default();
    let waiting = stalled.clone();
    let (pool, server) = (
        pool(0),
        faulty_first(move |conn| {
            conn.read_head()?;
            waiting.pass();
            conn.wait_closed()
        }),
    );
    let session = session(&pool, &server.http);
    let failure = session.request(bounded(request)).unwrap_err();
    stalled.open();
    let wanted = (Status::Timeout, Detail::SendLimit, Phase::Send, Delivery::MaybeSent);
    assert_eq!(verdict(&failure), wanted, "{failure:?}");
    server.wait_ended(1);
    assert_eq!(session.request(bounded(get("/"))).unwrap().body, "ok");
}

#[test]
fn a_server_that_says_nothing_meets_the_first_byte_limit() {
    for came in ["", "HTTP/1.1 200 OK\r\nx-half: "] {
        let mut request = post("/", "x");
        request.limits.first_byte = millis(200);
        let failure = failed_by(request, move |conn| {
            conn.read_request()?;
            conn.write(came)?;
            conn.wait_closed()
        });
        let wanted = (Status::Timeout, Detail::FirstByteLimit, Phase::FirstByte, Delivery::MaybeSent);
        assert_eq!(verdict(&failure), wanted, "{came:?} {failure:?}");
    }
}

#[test]
fn a_body_that_stops_meets_the_limit_between_bytes() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let mut request = get("/");
        request.limits.between_bytes = millis(200);
        let failure = failed_by(request, move |conn| {
            conn.read_request()?;
            conn.write(answer)?;
            conn.wait_closed()
        });
        let wanted = (Status::Timeout, Detail::BetweenBytesLimit, Phase::Body, Delivery::ResponseStarted);
        assert_eq!(verdict(&failure), wanted, "{answer:?} {failure:?}");
        assert_eq!(failure.error.http_status, 200);
    }
}

#[test]
fn the_total_limit_holds_at_each_stage() {
    let stages = [
        ("", Phase::FirstByte, Delivery::MaybeSent),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", Phase::Body, Delivery::ResponseStarted),
    ];
    for (came, phase, delivery) in stages {
        let mut request = post("/", "x");
        request.limits.total = millis(200);
        let failure = failed_by(request, move |conn| {
            conn.read_request()?;
            conn.write(came)?;
            conn.wait_closed()
        });
        assert_eq!(verdict(&failure), (Status::Timeout, Detail::TotalLimit, phase, delivery), "{failure:?}");
    }
}

#[test]
fn a_post_never_meets_a_connection_that_closed_while_idle() {
    for threads in [0, 2] {
        let pool = pool(threads);
        // Every connection answers once, without a word of its end.
        let server = RawServer::start(|conn| {
            conn.read_request()?;
            conn.answer("ok")
        });
        let session = session(&pool, &server.http);
        for n in 1..=20 {
            let response = session.request(bounded(post("/", "x"))).unwrap();
            assert_eq!((response.status.as_u16(), server.counts.requests.get()), (200, n));
            server.counts.ended.wait(n);
        }
    }
}

/// A server whose first connection answers one request, then reads another, says `last` and ends.
fn dies_on_the_second(last: &'static str, reset: bool) -> RawServer {
    faulty_first(move |conn| {
        conn.read_request()?;
        conn.answer("first")?;
        conn.read_request()?;
        conn.write(last)?;
        end(conn, reset)
    })
}

#[test]
fn a_get_lost_on_a_reused_connection_is_sent_once_more() {
    for reset in [false, true] {
        let (pool, server) = (pool(0), dies_on_the_second("", reset));
        let session = session(&pool, &server.http);
        session.request(bounded(get("/"))).unwrap();
        let response = session.request(bounded(get("/"))).unwrap();
        assert_eq!((&response.body[..], response.report.reused), (&b"ok"[..], false));
        assert_eq!((server.counts.requests.get(), server.counts.accepted.get()), (3, 2));
    }
}

#[test]
fn a_get_that_got_a_byte_back_is_not_sent_again() {
    let (pool, server) = (pool(0), dies_on_the_second("HTTP/1.1 2", false));
    let session = session(&pool, &server.http);
    session.request(bounded(get("/"))).unwrap();
    let error = session.request(bounded(get("/"))).unwrap_err().error;
    assert_eq!((error.status, server.counts.requests.get()), (Status::Reset, 2), "{error:?}");
}

#[test]
fn a_get_lost_twice_is_not_sent_a_third_time() {
    let pool = pool(0);
    let server = RawServer::start(|conn| {
        if conn.serial == 1 {
            conn.read_request()?;
            conn.answer("first")?;
        }
        conn.read_request()
    });
    let session = session(&pool, &server.http);
    session.request(bounded(get("/"))).unwrap();
    let error = session.request(bounded(get("/"))).unwrap_err().error;
    assert_eq!((error.status, error.delivery), (Status::Reset, Delivery::MaybeSent), "{error:?}");
    assert_eq!(server.counts.requests.get(), 3);
}

#[test]
fn a_post_lost_on_a_reused_connection_is_not_sent_again() {
    for reset in [false, true] {
        let (pool, server) = (pool(0), dies_on_the_second("", reset));
        let session = session(&pool, &server.http);
        session.request(bounded(post("/", "x"))).unwrap();
        let error = session.request(bounded(post("/", "x"))).unwrap_err().error;
        assert_eq!((error.status, error.delivery), (Status::Reset, Delivery::MaybeSent), "{error:?}");
        assert!(!error.retryable);
        assert_eq!((server.counts.requests.get(), server.counts.accepted.get()), (2, 1));
        assert_eq!(session.request(bounded(get("/"))).unwrap().body, "ok");
    }
}

#[test]
fn a_replay_that_cannot_connect_is_no_less_maybe_sent() {
    let pool = pool(0);
    // Answers one request, takes a second and is gone, its port with it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut connection, _) = listener.accept().unwrap();
        let mut bytes = [0; 4096];
        let _ = connection.read(&mut bytes).unwrap();
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        assert!(connection.read(&mut bytes).unwrap() > 0);
        drop(listener);
    });
    let session = session(&pool, &url);
    assert_eq!(session.request(bounded(get("/"))).unwrap().status, 200);
    let error = session.request(bounded(get("/"))).unwrap_err().error;
    assert_eq!(
        (error.status, error.delivery, error.retryable),
        (Status::Connect, Delivery::MaybeSent, false),
        "{error:?}"
    );
    server.join().unwrap();
}

/// What a POST says that is sent elsewhere after it was done, and comes to nothing from there on.
fn redirected_in_vain(redirect: impl Into<Vec<u8>>, limit: Option<u64>) -> Error {
    let (pool, redirect) = (pool(0), redirect.into());
    let server = RawServer::start(move |conn| {
        conn.read_request()?;
        conn.write(&redirect)?;
        conn.wait_closed()
    });
    let mut request = post("/", "x");
    (request.persistence.redirects, request.limits.total) = (Some(1), limit.and_then(millis));
    let error = session(&pool, &server.http).request(bounded(request)).unwrap_err().error;
    assert_eq!(server.counts.requests.get(), 1);
    error
}

#[test]
fn what_was_done_before_a_redirect_is_not_unsent() {
    let nobody = Port::reserve();
    let head = format!("HTTP/1.1 303 See Other\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: ", nobody.number);
    let refused = redirected_in_vain(format!("{head}0\r\n\r\n"), None);
    assert_eq!(
        (refused.status, refused.delivery, refused.retryable),
        (Status::Connect, Delivery::MaybeSent, false),
        "{refused:?}"
    );
    // The redirect's own body never comes.
    let given_up = redirected_in_vain(format!("{head}9\r\n\r\n"), Some(200));
    assert_eq!(
        (given_up.detail, given_up.delivery, given_up.retryable),
        (Detail::TotalLimit, Delivery::MaybeSent, false),
        "{given_up:?}"
    );
}

#[test]
fn time_in_the_queue_is_not_the_connect_limits() {
    let mut config = PoolConfig::default();
    config.connections.per_origin = 1;
    let pool = PoolHandle::owner(ConnectionPool::new(config).unwrap());
    let (listener, limit) = (Listener::open(), Duration::from_millis(300));
    let session = session(&pool, &listener.http);
    // Its connection closes with it, so that the one behind needs a dial of its own.
    let slow = faulty("/echo", "delay=1200, close-after");
    let first = std::thread::spawn({
        let session = session.clone();
        move || session.request(bounded(slow))
    });
    until("the first is under way", || listener.count("requests") == 1);
    let mut request = get("/echo");
    request.limits.connect = Some(Some(limit));
    let second = session.request(bounded(request)).unwrap();
    assert!(second.status == 200 && second.report.queue > limit, "{second:?}");
    assert_eq!(first.join().unwrap().unwrap().status, 200);
    assert_eq!(listener.count("connections_opened"), 2);
}

#[test]
fn a_retry_that_waits_holds_no_connection() {
    let mut config = PoolConfig::default();
    config.connections.per_origin = 1;
    let (pool, refused) = (PoolHandle::owner(ConnectionPool::new(config).unwrap()), Counter::default());
    let refusing = refused.clone();
    let server = RawServer::start(move |conn| {
        loop {
            let head = conn.read_head()?;
            if head.starts_with("get /busy") && refusing.get() == 0 {
                refusing.add(1);
                conn.write("HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 5\r\n\r\nlater")?;
            } else {
                conn.answer("ok")?;
            }
        }
    });
    let session = session(&pool, &server.http);
    let mut busy = get("/busy");
    busy.persistence.retries = Some(1);
    let waiting = std::thread::spawn({
        let session = session.clone();
        move || session.request(bounded(busy))
    });
    refused.wait(1);
    // It takes the only connection, which the other holds no more.
    let other = session.request(bounded(get("/"))).unwrap();
    assert_eq!((&other.body[..], other.report.reused), (&b"ok"[..], true));
    assert!(!waiting.is_finished());
    let late = waiting.join().unwrap().unwrap();
    assert_eq!((&late.body[..], late.report.attempts, server.counts.accepted.get()), (&b"ok"[..], 2, 1));
}
