//! Bodies that are read while they come, and pushed while they go out.

use std::io::{Read as _, Write as _};

use aipool::answer::{Answer, Read};
use aipool::body::events::{Event, Format};
use aipool::body::reader::Plan;
use aipool::body::upload::{Upload, Written};
use aipool::request::Request;
use aipool::transport::OutgoingBody;
use support::PATIENCE;
use support::counter::{Counter, Gate};
use support::expect::millis;
use support::raw::RawServer;

use super::*;

/// What reqwest lacks when a stream is asked for.
pub const STREAMS: &str = "flags (AIP_REQUEST_STREAM): ";

pub fn streamed(request: Request) -> Request {
    let plan = Plan { most: 1 << 20, ..request.plan };
    Request { stream: true, plan, ..request }
}

/// A chat of these words, answered by an event each; with a fault for the sandbox, or none.
pub fn chat(words: &str, fault: &str) -> Request {
    let body = format!(r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":"{words}"}}]}}"#);
    let mut request = streamed(post("/v1/chat/completions", body));
    request.headers.insert("content-type", "application/json".parse().unwrap());
    if !fault.is_empty() {
        request.headers.insert("x-sandbox", fault.parse().unwrap());
    }
    request
}

fn open(session: &SessionHandle, request: Request) -> aipool::error::Result<Arc<Answer>> {
    session.answer(request).map_err(|(error, _)| error)
}

/// All bytes, and how they ended.
fn read_all(answer: &Answer) -> (Vec<u8>, aipool::error::Result<()>) {
    let (mut all, mut part) = (Vec::new(), vec![0; 10_000]);
    loop {
        match answer.read(&mut part, PATIENCE) {
            Ok(Read::Got(count)) => all.extend_from_slice(&part[..count]),
            Ok(_) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

/// What `see` makes of each event, and how they ended.
fn all_events<T>(answer: &Answer, see: impl Fn(Event<'_>) -> T) -> (Vec<T>, aipool::error::Result<()>) {
    let mut all = Vec::new();
    loop {
        match answer.next_event(PATIENCE, &see) {
            Ok(Read::Got(event)) => all.push(event),
            Ok(_) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

fn data(event: Event<'_>) -> String {
    event.data.to_owned()
}

pub fn stream_head_comes_before_its_body_ends(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let stream = open(&session(&pool, &listener.http), streamed(faulty("/bytes/10", "stall=3")));
    if over.lacks(&stream, STREAMS) {
        return;
    }
    let (stream, mut part) = (stream.unwrap(), [0; 16]);
    assert_eq!(stream.response.status, 200);
    assert!(matches!(stream.read(&mut part, PATIENCE), Ok(Read::Got(3))));
    assert!(matches!(stream.read(&mut part, Duration::ZERO), Ok(Read::Nothing)));
    assert_eq!((listener.count("requests"), listener.count("responses")), (1, 0));
    stream.give_up();
}

pub fn stream_bytes_are_those_the_server_sent(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let body: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let stream = open(&session(&pool, &listener.http), streamed(post("/echo", body.clone())));
    if over.lacks(&stream, STREAMS) {
        return;
    }
    let (all, ended) = read_all(&stream.unwrap());
    ended.unwrap();
    assert!(all.ends_with(&body), "{} bytes", all.len());
}

pub fn sse_events_come_parsed_in_order(over: Over) {
    let pool = pool(over);
    // The echo's head says nothing to a parser of events: its fields are unknown ones, and a blank line ends it.
    let sent = "event: ping\nid: 7\nretry: 1500\ndata: a\ndata: b\n\n: a comment\ndata: last\n\n";
    let mut request = streamed(post("/echo", sent));
    request.plan.format = Some(Format::Sse);
    let stream = open(&session(&pool, &sandbox().http), request);
    if over.lacks(&stream, STREAMS) {
        return;
    }
    let told = |event: Event<'_>| format!("{}|{}|{}|{:?}", event.name, event.data, event.id, event.retry);
    let (events, ended) = all_events(&stream.unwrap(), told);
    ended.unwrap();
    assert_eq!(events, ["ping|a\nb|7|Some(1500)", "|last|7|None"]);
}

pub fn ndjson_lines_come_in_order(over: Over) {
    let pool = pool(over);
    let mut request = streamed(post("/echo", "{\"n\":1}\n{\"n\":2}\n\n{\"n\":3}"));
    request.plan.format = Some(Format::Ndjson);
    let stream = open(&session(&pool, &sandbox().http), request);
    if over.lacks(&stream, STREAMS) {
        return;
    }
    let (lines, ended) = all_events(&stream.unwrap(), data);
    ended.unwrap();
    // Before them stands the echo's head, a line each too.
    assert_eq!(lines[lines.len() - 3..], ["{\"n\":1}", "{\"n\":2}", "{\"n\":3}"]);
}

pub fn missing_end_marker_is_truncated_after_what_came(over: Over) {
    let pool = pool(over);
    let session = session(&pool, &sandbox().http);
    let marked = |fault| {
        let mut request = chat("one two three", fault);
        request.plan.end_marker = "[DONE]".into();
        open(&session, request)
    };
    let whole = marked("");
    if over.lacks(&whole, STREAMS) {
        return;
    }
    let (all, ended) = all_events(&whole.unwrap(), data);
    ended.unwrap();
    assert_eq!(all.last().unwrap(), "[DONE]");
    let (some, ended) = all_events(&marked("no-done").unwrap(), data);
    assert_eq!((some.len(), all.len()), (all.len() - 1, 8));
    let error = ended.unwrap_err();
    assert_eq!((error.status, error.delivery), (Status::Truncated, Delivery::ResponseStarted), "{error}");
    assert!(error.message.starts_with("end_marker: "), "{error}");
}

pub fn freed_stream_leaves_nothing_in_use(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let lease = pool.acquire(&listener.http, None).unwrap();
    let stalled = || streamed(faulty("/bytes/1000000", "stall=100"));
    let stream = open(&lease, stalled());
    if over.lacks(&stream, STREAMS) {
        return;
    }
    assert_eq!((pool.stats().leased, pool.stats().in_flight, pool.stats().connections.now.in_use), (1, 1, 1));
    stream.unwrap().give_up();
    // Over HTTP/1.1 the rest never comes, so the connection closes; over HTTP/2 it goes on.
    listener.wait_connections_open(0);
    let shared = pool.get_session(&listener.https, Some(trusting())).unwrap();
    open(&shared, stalled()).unwrap().give_up();
    assert!(shared.request(get("/echo")).unwrap().report.reused);
    drop(lease);
    until("nothing is in use", || {
        let stats = pool.stats();
        (stats.leased, stats.in_flight, stats.connections.now.in_use) == (0, 0, 0)
    });
}

pub fn first_event_limit_is_timeout(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let mut request = chat("one", "stall=10");
    request.limits.first_event = millis(500);
    let stream = open(&session(&pool, &listener.http), request);
    if over.lacks(&stream, "first_event_timeout_ms: ") {
        return;
    }
    let (events, ended) = all_events(&stream.unwrap(), data);
    let error = ended.unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::FirstEventLimit), "{error:?}");
    assert_eq!((error.delivery, events.len()), (Delivery::ResponseStarted, 0));
    assert!(error.message.starts_with("first_event_timeout_ms: "), "{error}");
}

pub fn between_events_limit_is_timeout(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let mut request = chat("one two", "drip=20000");
    request.limits.between_events = millis(100);
    let stream = open(&session(&pool, &listener.http), request);
    if over.lacks(&stream, "between_events_timeout_ms: ") {
        return;
    }
    let (events, ended) = all_events(&stream.unwrap(), data);
    let error = ended.unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::BetweenEventsLimit), "{error:?}");
    assert_eq!((error.delivery, events.len()), (Delivery::ResponseStarted, 1));
    assert!(error.message.starts_with("between_events_timeout_ms: "), "{error}");
}

pub fn between_bytes_limit_ends_a_stream_after_what_came(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let mut request = streamed(faulty("/bytes/100", "stall=10"));
    request.limits.between_bytes = millis(100);
    let stream = open(&session(&pool, &listener.http), request);
    if over.lacks(&stream, "between_bytes_timeout_ms: ") {
        return;
    }
    let (bytes, ended) = read_all(&stream.unwrap());
    let error = ended.unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::BetweenBytesLimit), "{error:?}");
    assert_eq!((error.delivery, bytes.as_slice()), (Delivery::ResponseStarted, &b"aaaaaaaaaa"[..]));
    assert!(error.message.starts_with("between_bytes_timeout_ms: "), "{error}");
}

/// A POST to the echo whose body is this upload.
fn pushed(upload: &Arc<Upload>) -> Request {
    Request { body: OutgoingBody::Upload(upload.clone()), ..post("/echo", "") }
}

/// The answer to it.
fn echo(session: &SessionHandle, upload: &Arc<Upload>) -> aipool::error::Result<bytes::Bytes> {
    session.request(pushed(upload)).map(|response| response.body).map_err(|failure| failure.error)
}

fn write_all(upload: &Upload, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match upload.write_within(bytes, PATIENCE).unwrap() {
            Written::Taken(taken) => bytes = &bytes[taken..],
            Written::Nothing => unreachable!("it waits"),
        }
    }
}

pub fn upload_in_pieces_arrives_whole(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let (session, piece) = (session(&pool, &listener.http), vec![b'u'; 70_000]);
    for length in [None, Some(700_000)] {
        let upload = Arc::new(Upload::new(length));
        write_all(&upload, &piece);
        let (sending, sent) = (session.clone(), upload.clone());
        let answer = std::thread::spawn(move || echo(&sending, &sent));
        if over.reqwest() {
            over.lacks(&answer.join().unwrap(), "upload: ");
            continue;
        }
        (1..10).for_each(|_| write_all(&upload, &piece));
        upload.finish().unwrap();
        assert!(answer.join().unwrap().unwrap().ends_with(&piece.repeat(10)));
    }
    assert_eq!(listener.count("bytes_in"), if over.reqwest() { 0 } else { 1_400_000 });
}

pub fn upload_of_another_length_is_refused_by_name(over: Over) {
    let pool = pool(over);
    let upload = Arc::new(Upload::new(Some(5)));
    let error = upload.write(b"beyond").unwrap_err();
    assert_eq!(error.status, Status::InvalidArgument);
    assert!(error.message.starts_with("data: goes beyond the upload's length of 5 bytes"), "{error}");
    write_all(&upload, b"four");
    let error = upload.finish().unwrap_err();
    assert_eq!(error.status, Status::InvalidArgument);
    assert!(error.message.starts_with("upload: is 1 bytes short"), "{error}");
    write_all(&upload, b"!");
    upload.finish().unwrap();
    let answer = echo(&session(&pool, &sandbox().http), &upload);
    if !over.lacks(&answer, "upload: ") {
        assert!(answer.unwrap().ends_with(b"\n\nfour!"));
    }
}

pub fn freed_upload_cancels_its_request(over: Over) {
    let (pool, listener) = (pool(over), Listener::open());
    let (session, upload) = (session(&pool, &listener.http), Arc::new(Upload::new(None)));
    write_all(&upload, b"half");
    let sent = upload.clone();
    let answer = std::thread::spawn(move || echo(&session, &sent));
    if over.reqwest() {
        over.lacks(&answer.join().unwrap(), "upload: ");
        return;
    }
    until("the server has its head", || listener.count("requests") == 1);
    upload.give_up();
    let error = answer.join().unwrap().unwrap_err();
    assert_eq!((error.status, error.delivery), (Status::Cancelled, Delivery::MaybeSent), "{error:?}");
    assert!(error.message.starts_with("upload: was freed"), "{error}");
    listener.wait_connections_open(0);
}

#[test]
fn an_upload_that_was_given_up_is_not_tried_again() {
    let (pool, listener) = (pool(ENGINE), Listener::open());
    let (session, upload) = (session(&pool, &listener.http), Arc::new(Upload::new(None)));
    upload.give_up();
    let mut request = pushed(&upload);
    request.persistence.retries = Some(3);
    let error = session.request(request).unwrap_err().error;
    assert_eq!((error.status, error.retryable), (Status::Cancelled, false), "{error:?}");
    assert!(listener.count("connections_opened") <= 1, "{}", listener.count("connections_opened"));
}

#[test]
fn an_upload_goes_on_while_its_response_is_not_read() {
    const LENGTH: usize = 16 << 20;
    const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
    let uploaded = Counter::default();
    let counted = uploaded.clone();
    // Answers before it has read the request, with more than a client keeps unread.
    let server = RawServer::start(move |conn| {
        conn.read_head()?;
        let mut writes = conn.stream.try_clone()?;
        let answer = std::thread::spawn(move || {
            write!(writes, "HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n")?;
            writes.write_all(&vec![b'a'; LENGTH])
        });
        let (mut chunks, mut part) = (Vec::new(), vec![0; 1 << 16]);
        while !chunks.ends_with(LAST_CHUNK) {
            let count = conn.stream.read(&mut part)?;
            assert!(count > 0, "the upload was cut");
            chunks.extend_from_slice(&part[..count]);
        }
        counted.add(chunks.split(|byte| *byte != b'u').map(<[u8]>::len).sum());
        answer.join().unwrap()
    });
    let pool = pool(ENGINE);
    let (session, upload) = (session(&pool, &server.http), Arc::new(Upload::new(None)));
    let answer = open(&session, streamed(pushed(&upload))).unwrap();
    // More than both sockets hold; the response, of the same length, has long stopped at the stream's buffer.
    write_all(&upload, &vec![b'u'; LENGTH]);
    upload.finish().unwrap();
    let (body, end) = read_all(&answer);
    server.wait_ended(1);
    assert_eq!((body.len(), end.is_ok(), uploaded.get()), (LENGTH, true, LENGTH));
}

#[test]
fn a_session_closed_at_a_streams_end_leaves_no_connection() {
    let (pool, listener) = (pool(Over { threads: 2, ..ENGINE }), Listener::open());
    for round in 0..300 {
        let first = session(&pool, &listener.http);
        let answer = open(&first, streamed(get("/bytes/1000"))).unwrap();
        assert_eq!(read_all(&answer).0.len(), 1000);
        first.close();
        let report = session(&pool, &listener.http).request(get("/bytes/1")).unwrap().report;
        assert!(!report.reused, "round {round}: over a connection of the closed session");
    }
}

/// zstd: 64 KiB of zeros as they are, so that it is no bomb, and then this many blocks of 128 KiB more, of four bytes each.
fn packed_zeros(blocks: u32) -> Vec<u8> {
    const RAW: u32 = 0;
    const RUN_OF_ONE_BYTE: u32 = 1 << 1;
    let header = |is_last: bool, kind: u32, bytes: u32| (u32::from(is_last) | kind | bytes << 3).to_le_bytes();
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    frame.extend_from_slice(&header(false, RAW, 64 << 10)[..3]);
    frame.resize(frame.len() + (64 << 10), 0);
    for block in 1..=blocks {
        frame.extend_from_slice(&header(block == blocks, RUN_OF_ONE_BYTE, 128 << 10)[..3]);
        frame.push(0);
    }
    frame
}

#[test]
fn a_stream_that_only_decodes_on_takes_nothing_from_the_next_request() {
    let (asked, gate) = (Counter::default(), Gate::default());
    let (asks, held) = (asked.clone(), gate.clone());
    let server = RawServer::start(move |conn| {
        conn.read_head()?;
        let packed = packed_zeros(32);
        conn.write(format!("HTTP/1.1 200 OK\r\ncontent-encoding: zstd\r\ncontent-length: {}\r\n\r\n", packed.len()))?;
        conn.write(packed)?;
        conn.read_head()?;
        asks.add(1);
        held.pass();
        conn.answer("b")
    });
    let pool = pool(ENGINE);
    let session = session(&pool, &server.http);
    let zeros = open(&session, streamed(get("/zeros"))).unwrap();
    until("the stream's buffer is full", || zeros.received() >= 1 << 20);
    let (tells, told) = std::sync::mpsc::channel();
    let other = session.clone();
    let next = std::thread::spawn(move || tells.send(other.request(get("/b")).unwrap().report.reused).unwrap());
    asked.wait(1);
    let (mut read, mut part) = (0, vec![0; 100_000]);
    while read < 700_000 {
        let Read::Got(count) = zeros.read(&mut part, PATIENCE).unwrap() else { unreachable!("there is more") };
        read += count as u64;
    }
    until("it is full again", || zeros.received() >= read + (1 << 20));
    gate.open();
    assert!(told.recv_timeout(PATIENCE).expect("the next request waits for ever"), "over the stream's connection");
    next.join().unwrap();
}

#[test]
fn a_wait_for_another_attempt_holds_no_connection() {
    // More than is read for the connection's sake.
    const REST: usize = 200_000;
    let server = RawServer::start(|conn| {
        conn.read_head()?;
        // It may be closed before all is out.
        conn.write(format!("HTTP/1.1 503 Busy\r\nretry-after: 20\r\ncontent-length: {REST}\r\n\r\n"))?;
        conn.write(vec![b'x'; REST])?;
        conn.wait_closed()
    });
    let pool = pool(ENGINE);
    let (session, cancel) = (session(&pool, &server.http), Cancel::new().unwrap());
    let mut request = get("/");
    (request.persistence.retries, request.cancel) = (Some(1), Some(cancel));
    let waits = std::thread::spawn(move || session.request(request).unwrap_err().error.status);
    // While it waits.
    server.wait_ended(1);
    cancel.fire();
    assert_eq!(waits.join().unwrap(), Status::Cancelled);
    cancel.free();
}
