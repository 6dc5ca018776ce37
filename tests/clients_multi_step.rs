//! Calls of several requests, through the client of 1C:Naparnik against a server that says what a test scripts.

mod support;

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aipool::answer::{Answer, Read as Came};
use aipool::body::reader::Plan;
use aipool::body::reply::{Delta, Finish};
use aipool::cancel::Cancel;
use aipool::clients::ask::{Ask, Chat, Message};
use aipool::clients::config::{ClientConfig, ClientTuning};
use aipool::clients::kind::Kind;
use aipool::clients::unchecked_config::{Text, UncheckedConfig};
use aipool::clients::{CallOptions, Client, PoolSource};
use aipool::config::{LimitOverrides, MaxSize, PoolConfig, SessionConfig};
use aipool::error::{Detail, Error, Phase, Status};
use aipool::pool::{ConnectionPool, PoolHandle};
use aipool::queue::{Completion, Queue, Waited};
use aipool::session::{CallContext, MultiStepCall, MultiStepOptions, Outcome};
use support::counter::{Counter, Gate};
use support::expect::millis;
use support::raw::{Conn, RawServer};
use support::{PATIENCE, joined, until};

/// A pool, a client of it, and the server that the client asks.
struct Rig {
    client: Arc<Client>,
    pool: PoolHandle,
    shared: Arc<ConnectionPool>,
    server: RawServer,
    /// Bodies of the requests, in the order in which they came.
    asked: Arc<Mutex<Vec<String>>>,
    requests: Counter,
}

/// Begins one: `answer` answers the request of a number, the first of which is 1.
fn rig(threads: usize, answer: impl Fn(usize, &mut Conn) -> io::Result<()> + Send + Sync + 'static) -> Rig {
    let config = PoolConfig { threads, max_size: MaxSize::Unlimited, ..PoolConfig::default() };
    let shared = ConnectionPool::new(config).unwrap();
    let (asked, requests) = (Arc::<Mutex<Vec<String>>>::default(), Counter::default());
    let (log, counted) = (asked.clone(), requests.clone());
    let server = RawServer::start(move |conn| {
        loop {
            let head = conn.read_head()?;
            assert!(
                head.contains("\r\nauthorization: tok-1\r\n")
                    && head.contains("\r\ncontent-type: application/json\r\n")
            );
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.unwrap().parse().unwrap()];
            conn.stream.read_exact(&mut body)?;
            log.lock().unwrap().push(String::from_utf8(body).unwrap());
            answer(counted.add(1), conn)?;
        }
    });
    let client = Client::new(config_for(&server.http), PoolSource::Given(shared.clone())).unwrap();
    Rig { client: Arc::new(client), pool: PoolHandle::owner(shared.clone()), shared, server, asked, requests }
}

fn config_for(url: &str) -> ClientConfig {
    let text = |text: &str| Text::new(text.to_owned());
    let given = UncheckedConfig { base_url: text(url), api_key: text("tok-1"), ..UncheckedConfig::default() };
    let ways = ClientTuning { retries: Some(0), ..ClientTuning::default() };
    ClientConfig::new(Kind::Naparnik, &given, ways, SessionConfig::default()).unwrap()
}

impl Rig {
    fn call(&self, ask: &Ask, how: &CallOptions) -> Result<Arc<Answer>, Error> {
        self.client.call(ask, how).map_err(|(error, _)| error)
    }

    fn submit(&self, ask: &Ask, how: &CallOptions) -> Arc<Queue> {
        let queue = self.shared.queue();
        self.client.submit(ask, how, &queue, 7).unwrap();
        queue
    }

    /// Nothing is left of the call: no request under way, no unread byte.
    fn is_over(&self) {
        until("no call under way", || self.pool.stats().in_flight == 0);
    }

    fn asked(&self, number: usize) -> String {
        self.asked.lock().unwrap()[number - 1].clone()
    }
}

fn ask(stream: bool, state: &str) -> Ask {
    let messages = vec![Message { content: "вопрос".into(), ..Message::default() }];
    Ask::Chat(Box::new(Chat { messages, stream, state: state.into(), ..Chat::default() }))
}

/// Within what a test that works never meets.
fn how() -> CallOptions {
    CallOptions {
        limits: LimitOverrides { total: millis(8000), ..LimitOverrides::default() },
        ..CallOptions::default()
    }
}

fn respond(conn: &mut Conn, status: &str, body: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    conn.write(head + body)
}

fn created(conn: &mut Conn) -> io::Result<()> {
    respond(conn, "200 OK", r#"{"uuid":"c-1","root_message_uuid":"r-1"}"#)
}

fn begin_events(conn: &mut Conn) -> io::Result<()> {
    conn.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
}

fn chunk(conn: &mut Conn, text: &str) -> io::Result<()> {
    conn.write(format!("{:x}\r\n{text}\r\n", text.len()))
}

fn end_events(conn: &mut Conn) -> io::Result<()> {
    conn.write("0\r\n\r\n")
}

/// A whole stream.
fn tells(conn: &mut Conn, events: &str) -> io::Result<()> {
    begin_events(conn)?;
    chunk(conn, events)?;
    end_events(conn)
}

/// The last event lacks its end, as some servers forget it.
const WANTS_A_TOOL: &str = concat!(
    ": heartbeat 1\n\n",
    "data: {\"uuid\":\"a-1\",\"role\":\"assistant\",\"content_delta\":{\"content\":\"Ищу\"}}\n\n",
    "data: {\"uuid\":\"a-1\",\"role\":\"assistant\",\"finished\":true,\"content\":{\"content\":\"Ищу\",\"tool_calls\":[{\"id\":\"call-1\",",
    "\"function\":{\"name\":\"mcp__web__Fetch\",\"arguments\":\"{}\"}}]},\"details\":{\"finish_reason\":\"tool_calls\"}}",
);
const BEGINS: &str = "data: {\"uuid\":\"a-2\",\"role\":\"assistant\",\"content_delta\":\"От\"}\n\n";
const ENDS: &str = "data: {\"uuid\":\"a-2\",\"role\":\"assistant\",\"finished\":true,\"content\":{\"content\":\"Ответ\"},\"details\":{\"finish_reason\":\"stop\",\"usage\":{\"total_tokens\":9}}}\n\n";

/// A server whose second message is answered by `last`.
fn two_rounds(threads: usize, last: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> Rig {
    rig(threads, move |number, conn| match number {
        1 => created(conn),
        2 => tells(conn, WANTS_A_TOOL),
        _ => last(conn),
    })
}

fn answers(conn: &mut Conn) -> io::Result<()> {
    tells(conn, &format!("{BEGINS}{ENDS}"))
}

/// What is told to the end, and how that is.
fn told(answer: &Answer) -> (Vec<Delta>, Result<(), Error>) {
    let mut told = Vec::new();
    loop {
        match answer.next_delta(PATIENCE, Delta::clone) {
            Ok(Came::Got(delta)) => told.push(delta),
            Ok(Came::End) => return (told, Ok(())),
            Ok(Came::Nothing) => panic!("it waited for nothing"),
            Err(error) => return (told, Err(error)),
        }
    }
}

fn text(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

/// How a call ended that a queue told of: the streams, the one end, and what came with it.
type Ended = (Vec<Arc<Answer>>, Result<(), Error>, Option<Arc<Answer>>);

/// All that a queue tells until it is over: the streams, and the one end.
fn all_of(queue: &Queue) -> Ended {
    queue.close();
    let (mut heads, mut ends) = (Vec::new(), Vec::new());
    loop {
        queue.take(1, |tag, completion| {
            assert_eq!(tag, 7);
            match completion {
                Completion::Head(answer) => heads.push(answer),
                Completion::Done(outcome, answer) => ends.push((outcome, answer)),
                _ => {}
            }
            Ok(())
        });
        match queue.wait(PATIENCE).unwrap() {
            Waited::News => {}
            Waited::Over => break,
            _ => panic!("no end"),
        }
    }
    assert_eq!(ends.len(), 1, "one end");
    let (outcome, answer) = ends.pop().unwrap();
    (heads, outcome, answer)
}

#[test]
fn several_rounds_are_told_as_one_stream() {
    for threads in [0, 2] {
        let rig = two_rounds(threads, answers);
        let answer = rig.call(&ask(true, ""), &how()).unwrap();
        let (told, end) = told(&answer);
        end.unwrap();
        // When usage is told does not matter.
        let told: Vec<_> = told.into_iter().filter(|delta| *delta != Delta::Usage).collect();
        assert_eq!(told, [text("Ищу"), Delta::Replace("От".into()), text("вет"), Delta::Done]);
        answer
            .reply(|reply, _| {
                assert_eq!(
                    (reply.text.as_str(), reply.state.as_str(), reply.finish),
                    ("Ответ", "c-1/a-2", Finish::Stop)
                );
                assert!(reply.calls.is_empty() && reply.usage.total == 9);
            })
            .unwrap();
        rig.is_over();
        assert!(rig.asked(2).contains(r#""parent_uuid":"r-1","role":"user""#));
        assert_eq!(
            rig.asked(3),
            r#"{"parent_uuid":"a-1","role":"tool","content":[{"tool_call_id":"call-1","status":"accepted","content":null}]}"#
        );
        assert_eq!((rig.requests.get(), rig.server.counts.accepted.get()), (3, 1));
    }
}

#[test]
fn a_whole_call_gives_the_last_answer() {
    let interruptible = CallOptions { interruptible: true, ..how() };
    for how in [how(), interruptible] {
        let rig = two_rounds(0, answers);
        let answer = rig.call(&ask(false, ""), &how).unwrap();
        answer.reply(|reply, _| assert_eq!((reply.text.as_str(), reply.state.as_str()), ("Ответ", "c-1/a-2"))).unwrap();
        assert_eq!(answer.body().unwrap().as_ref(), format!("{BEGINS}{ENDS}").as_bytes());
        let (told, end) = told(&answer);
        end.unwrap();
        assert_eq!((&told[0], told.last()), (&text("Ответ"), Some(&Delta::Done)));
        rig.is_over();
    }
}

#[test]
fn a_queue_tells_one_head_and_one_end() {
    let rig = two_rounds(0, answers);
    let (heads, end, answer) = all_of(&rig.submit(&ask(true, ""), &how()));
    end.unwrap();
    assert!(heads.len() == 1 && answer.is_none());
    assert_eq!(told(&heads[0]).0.last(), Some(&Delta::Done));
    let rig = two_rounds(0, answers);
    let (heads, end, answer) = all_of(&rig.submit(&ask(false, ""), &how()));
    end.unwrap();
    assert!(heads.is_empty());
    answer.unwrap().reply(|reply, _| assert_eq!(reply.text, "Ответ")).unwrap();
    rig.is_over();
}

#[test]
fn a_cancel_ends_a_call_in_its_second_round() {
    for (stream, door) in [(false, "call"), (true, "call"), (false, "queue"), (true, "queue")] {
        let rig = two_rounds(0, Conn::wait_closed);
        let cancel = Cancel::new().unwrap();
        let how = CallOptions { cancel: Some(cancel), ..how() };
        let requests = rig.requests.clone();
        let fires = std::thread::spawn(move || {
            requests.wait(3);
            assert!(cancel.fire());
        });
        let error = if door == "queue" {
            all_of(&rig.submit(&ask(stream, ""), &how)).1.unwrap_err()
        } else {
            let begun = rig.call(&ask(stream, ""), &how);
            begun.and_then(|answer| told(&answer).1).unwrap_err()
        };
        assert_eq!(error.status, Status::Cancelled, "{stream} {door}: {error:?}");
        fires.join().unwrap();
        assert!(cancel.free());
        rig.is_over();
        rig.server.wait_ended(1);
    }
}

#[test]
fn freeing_the_response_early_ends_the_call() {
    let rig = two_rounds(2, Conn::wait_closed);
    let answer = rig.call(&ask(true, ""), &how()).unwrap();
    assert!(matches!(answer.next_delta(PATIENCE, Delta::clone), Ok(Came::Got(delta)) if delta == text("Ищу")));
    rig.requests.wait(3);
    answer.give_up();
    rig.is_over();
    rig.server.wait_ended(1);
}

#[test]
fn freeing_the_queue_ends_the_call() {
    let rig = two_rounds(2, Conn::wait_closed);
    let queue = rig.submit(&ask(true, ""), &how());
    rig.requests.wait(3);
    queue.free();
    rig.is_over();
    rig.server.wait_ended(1);
}

#[test]
fn a_second_round_cut_short_is_truncated() {
    type Script = fn(&mut Conn) -> io::Result<()>;
    let in_good_order: Script = |conn| tells(conn, BEGINS);
    let at_once: Script = |conn| tells(conn, ": heartbeat 1\n\n");
    let broken: Script = |conn| {
        begin_events(conn)?;
        chunk(conn, BEGINS)?;
        conn.finish_and_wait()
    };
    for (script, before) in [(in_good_order, 2), (at_once, 1), (broken, 2)] {
        let rig = two_rounds(0, script);
        let (told, end) = told(&rig.call(&ask(true, ""), &how()).unwrap());
        let error = end.unwrap_err();
        assert_eq!(
            (error.status, error.phase, told.len()),
            (Status::Truncated, Phase::Body, before),
            "{error:?} {told:?}"
        );
        rig.is_over();
        let rig = two_rounds(0, script);
        assert_eq!(rig.call(&ask(false, ""), &how()).err().unwrap().status, Status::Truncated);
        let rig = two_rounds(0, script);
        let (heads, end, _) = all_of(&rig.submit(&ask(true, ""), &how()));
        assert_eq!((heads.len(), end.unwrap_err().status), (1, Status::Truncated));
    }
}

#[test]
fn a_refusal_of_the_second_round_is_the_calls_failure() {
    let refuses = |conn: &mut Conn| respond(conn, "500 Internal Server Error", r#"{"detail":"сломалось"}"#);
    let rig = two_rounds(0, refuses);
    let (told, end) = told(&rig.call(&ask(true, ""), &how()).unwrap());
    let error = end.unwrap_err();
    assert_eq!((told.as_slice(), error.status, error.http_status), (&[text("Ищу")][..], Status::Provider, 500));
    let rig = two_rounds(0, refuses);
    let (error, answer) = rig.client.call(&ask(false, ""), &how()).err().unwrap();
    assert_eq!((error.status, error.detail), (Status::Provider, Detail::ServerError));
    answer.unwrap().reply(|reply, _| assert_eq!(reply.problem.text, "сломалось")).unwrap();
    let rig = two_rounds(0, refuses);
    let (heads, end, answer) = all_of(&rig.submit(&ask(true, ""), &how()));
    assert_eq!((heads.len(), end.unwrap_err().http_status, answer.is_some()), (1, 500, true));
}

#[test]
fn a_refused_credential_is_told_before_anything_else() {
    for stream in [false, true] {
        let rig = rig(0, |_, conn| respond(conn, "401 Unauthorized", r#"{"detail":"нет"}"#));
        let (error, answer) = rig.client.call(&ask(stream, ""), &how()).err().unwrap();
        assert_eq!((error.status, rig.requests.get()), (Status::Auth, 1));
        answer.unwrap().reply(|reply, _| assert_eq!(reply.problem.text, "нет")).unwrap();
        rig.is_over();
    }
}

#[test]
fn calls_that_are_closed_already_go_on_with_a_message() {
    let rig = rig(0, |number, conn| match number {
        1 => created(conn),
        2 => tells(conn, WANTS_A_TOOL),
        3 => respond(
            conn,
            "422 Unprocessable Entity",
            r#"{"detail":"No tool calls found in the previous assistant message"}"#,
        ),
        _ => answers(conn),
    });
    let answer = rig.call(&ask(true, ""), &how()).unwrap();
    told(&answer).1.unwrap();
    answer.reply(|reply, _| assert_eq!(reply.text, "Ответ")).unwrap();
    assert!(rig.asked(4).contains(r#""parent_uuid":"a-1","role":"user""#), "{}", rig.asked(4));
}

#[test]
fn a_locked_conversation_and_a_rate_are_waited_for() {
    let rig = rig(0, |number, conn| match number {
        1 => created(conn),
        2 => respond(conn, "423 Locked", ""),
        3 => respond(conn, "429 Too Many Requests", r#"{"error":"Rate limit exceeded. Try again in 1 seconds."}"#),
        _ => answers(conn),
    });
    let began = Instant::now();
    let answer = rig.call(&ask(true, ""), &CallOptions { retries: Some(2), ..how() }).unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1));
    told(&answer).1.unwrap();
    assert_eq!(rig.requests.get(), 4);
}

#[test]
fn a_loop_of_tools_ends_with_its_last_answer() {
    let scripted = |number: usize, conn: &mut Conn| if number == 1 { created(conn) } else { tells(conn, WANTS_A_TOOL) };
    let rig = rig(0, scripted);
    let (error, answer) = rig.client.call(&ask(false, ""), &how()).err().unwrap();
    assert_eq!((error.status, error.detail, error.http_status), (Status::Provider, Detail::ToolLoop, 200));
    answer.unwrap().reply(|reply, _| assert_eq!(reply.text, "Ищу")).unwrap();
    let (told, end) = {
        let rig = self::rig(0, scripted);
        told(&rig.call(&ask(true, ""), &how()).unwrap())
    };
    assert_eq!((told.as_slice(), end.unwrap_err().detail), (&[text("Ищу")][..], Detail::ToolLoop));
}

#[test]
fn the_total_limit_is_for_all_rounds() {
    for stream in [false, true] {
        let rig = two_rounds(0, Conn::wait_closed);
        let mut how = how();
        how.limits.total = millis(400);
        let began = Instant::now();
        let error = rig.call(&ask(stream, ""), &how).and_then(|answer| told(&answer).1).unwrap_err();
        assert_eq!((error.status, error.detail), (Status::Timeout, Detail::TotalLimit), "{error:?}");
        assert!(error.elapsed >= Duration::from_millis(400) && began.elapsed() < Duration::from_secs(4), "{error:?}");
        rig.is_over();
    }
}

#[test]
fn heartbeats_alone_are_silence_also_to_a_whole_call() {
    for stream in [false, true] {
        let rig = two_rounds(0, |conn| {
            begin_events(conn)?;
            loop {
                chunk(conn, ": heartbeat 1\n\n")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let mut how = how();
        how.limits.first_event = millis(300);
        let error = rig.call(&ask(stream, ""), &how).and_then(|answer| told(&answer).1).unwrap_err();
        assert_eq!((error.status, error.detail), (Status::Timeout, Detail::FirstEventLimit), "{error:?}");
        rig.is_over();
    }
}

#[test]
fn one_conversation_has_one_call_at_a_time() {
    let gate = Gate::default();
    let passes = gate.clone();
    let rig = Arc::new(rig(2, move |number, conn| {
        begin_events(conn)?;
        chunk(conn, BEGINS)?;
        if number == 1 {
            passes.pass();
        }
        chunk(conn, ENDS)?;
        end_events(conn)
    }));
    let call = |rig: &Arc<Rig>, how: CallOptions| {
        let rig = rig.clone();
        std::thread::spawn(move || rig.call(&ask(false, "c-7/a-7"), &how).map(|_| ()))
    };
    let first = call(&rig, how());
    rig.requests.wait(1);
    // One waits for its turn, one gives that up, one has no patience.
    let second = call(&rig, how());
    let cancel = Cancel::new().unwrap();
    let third = call(&rig, CallOptions { cancel: Some(cancel), ..how() });
    let mut hasty = how();
    hasty.limits.queue = millis(100);
    let error = call(&rig, hasty).join().unwrap().unwrap_err();
    assert_eq!((error.status, error.detail), (Status::Timeout, Detail::QueueLimit), "{error:?}");
    until("all wait", || rig.pool.stats().in_flight == 3);
    assert!(cancel.fire());
    let error = third.join().unwrap().unwrap_err();
    assert_eq!(error.status, Status::Cancelled, "{error:?}");
    assert_eq!(rig.requests.get(), 1, "the others wait");
    gate.open();
    for outcome in joined(vec![first, second]) {
        outcome.unwrap();
    }
    assert_eq!(rig.requests.get(), 2);
    assert!(cancel.free());
}

#[test]
fn a_session_closed_between_rounds_is_replaced() {
    let (sent, gate) = (Gate::default(), Gate::default());
    let (sends, passes) = (sent.clone(), gate.clone());
    let rig = rig(2, move |number, conn| match number {
        1 => created(conn),
        2 => {
            begin_events(conn)?;
            chunk(conn, WANTS_A_TOOL)?;
            sends.open();
            passes.pass();
            end_events(conn)
        }
        _ => answers(conn),
    });
    let answer = rig.call(&ask(true, ""), &how()).unwrap();
    sent.pass();
    rig.client.session(true).unwrap().close();
    gate.open();
    told(&answer).1.unwrap();
    answer.reply(|reply, _| assert_eq!(reply.text, "Ответ")).unwrap();
}

#[test]
fn closing_the_pool_cuts_a_call_off() {
    let rig = two_rounds(2, Conn::wait_closed);
    let queue = rig.submit(&ask(true, ""), &how());
    rig.requests.wait(3);
    let closed = rig.pool.close_all(50);
    let (heads, end, _) = all_of(&queue);
    assert_eq!((heads.len(), end.unwrap_err().status), (1, Status::Closed), "{closed:?}");
    rig.is_over();
}

/// A call without requests: it waits for an hour, or breaks.
struct Idle {
    breaks: bool,
}

impl MultiStepCall for Idle {
    async fn run(self, context: CallContext) -> Outcome {
        assert!(!self.breaks, "as the test wants it");
        context.between(tokio::time::sleep(Duration::from_secs(3600))).await?;
        Ok(None)
    }
}

fn options(stream: bool, cancel: Option<Cancel>, total: Option<Duration>) -> MultiStepOptions {
    MultiStepOptions { stream, plan: Plan::default(), cancel, interruptible: false, total }
}

#[test]
fn a_wait_between_requests_ends_as_a_request_does() {
    for stream in [false, true] {
        let rig = two_rounds(2, answers);
        let session = rig.client.session(true).unwrap();
        let total = options(stream, None, Some(Duration::from_millis(50)));
        let error = session.answer_steps(&total, Idle { breaks: false }).err().unwrap().0;
        assert_eq!((error.status, error.detail), (Status::Timeout, Detail::TotalLimit));
        let cancel = Cancel::new().unwrap();
        let watched = session.another();
        let fires = std::thread::spawn(move || {
            until("the call is under way", || watched.stats().in_flight == 1);
            cancel.fire()
        });
        let error = session.answer_steps(&options(stream, Some(cancel), None), Idle { breaks: false }).err().unwrap().0;
        assert!(fires.join().unwrap() && error.status == Status::Cancelled);
        let queue = rig.shared.queue();
        session.submit_steps(&options(stream, Some(cancel), None), Idle { breaks: false }, &queue, 7).unwrap();
        assert_eq!(all_of(&queue).1.unwrap_err().status, Status::Cancelled);
        assert!(cancel.free());
        rig.is_over();
    }
}

#[test]
fn a_call_that_breaks_or_goes_with_its_pool_ends_once() {
    for stream in [false, true] {
        let rig = two_rounds(2, answers);
        let session = rig.client.session(true).unwrap();
        let (broken, left) = (rig.shared.queue(), rig.shared.queue());
        session.submit_steps(&options(stream, None, None), Idle { breaks: true }, &broken, 7).unwrap();
        assert_eq!(all_of(&broken).1.unwrap_err().status, Status::Panic);
        session.submit_steps(&options(stream, None, None), Idle { breaks: false }, &left, 7).unwrap();
        let _ = rig.pool.close_all(20);
        assert_eq!(all_of(&left).1.unwrap_err().status, Status::Closed);
        let refused =
            session.submit_steps(&options(stream, None, None), Idle { breaks: false }, &rig.shared.queue(), 7);
        assert_eq!(refused.unwrap_err().status, Status::Closed);
        rig.is_over();
    }
}

#[test]
fn who_reads_slowly_slows_the_server() {
    const PIECES: usize = 4 << 10;
    let piece = format!("data: {{\"uuid\":\"a-2\",\"content_delta\":\"{}\"}}\n\n", "x".repeat(1000));
    let rig = two_rounds(2, move |conn| {
        begin_events(conn)?;
        for _ in 0..PIECES {
            chunk(conn, &piece)?;
        }
        chunk(conn, "data: {\"uuid\":\"a-2\",\"finished\":true}\n\n")?;
        end_events(conn)
    });
    let answer = rig.call(&ask(true, ""), &how()).unwrap();
    until("the pipe is full", || answer.received() >= 1 << 20);
    for _ in 0..10_000 {
        assert!(answer.received() < (1 << 20) + (128 << 10), "{}", answer.received());
        std::thread::yield_now();
    }
    told(&answer).1.unwrap();
    answer.reply(|reply, _| assert_eq!(reply.text.len(), PIECES * 1000)).unwrap();
    rig.is_over();
}
