//! The words over sockets: what a client of YandexGPT sends, and in which order.

use std::io::{Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{bare, chat};
use crate::answer::Read;
use crate::body::reply::{Delta, Reply};
use crate::clients::ask::{Ask, Chat, Raw};
use crate::clients::config::ClientConfig;
use crate::clients::kind::Kind;
use crate::clients::secret::Secret;
use crate::clients::service::Step;
use crate::clients::{CallOptions, Client, PoolSource};
use crate::config::PoolConfig;
use crate::error::{Detail, Status};
use crate::lock::lock;
use crate::pool::ConnectionPool;

type Seen = Arc<Mutex<Vec<String>>>;

/// A server that answers each request, of which it is told the first line and the credential, with a status and a body.
fn server(answer: impl Fn(&str, &str) -> (u16, String) + Send + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let seen = Seen::default();
    let notes = seen.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            serve(socket.unwrap(), &answer, &notes);
        }
    });
    (origin, seen)
}

fn serve(mut socket: TcpStream, answer: &impl Fn(&str, &str) -> (u16, String), seen: &Seen) {
    let mut got = Vec::new();
    let (head, length) = loop {
        let mut piece = [0; 4096];
        let count = socket.read(&mut piece).unwrap_or(0);
        if count == 0 {
            return;
        }
        got.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&got).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").parse().unwrap_or(0);
            if body.len() >= length {
                break (head.to_owned(), length);
            }
        }
    };
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1");
    let credential = header(&head, "authorization");
    lock(seen).push(format!("{line} [{credential}] {}", String::from_utf8_lossy(&got[got.len() - length..])));
    let (status, body) = answer(line, &credential);
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let _ = socket.write_all(format!("{head}{body}").as_bytes());
}

fn header(head: &str, name: &str) -> String {
    let of = |line: &str| {
        line.split_once(':')
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    head.lines().find_map(of).unwrap_or_default()
}

fn client(config: ClientConfig) -> Client {
    Client::new(config, PoolSource::Given(ConnectionPool::new(PoolConfig::default()).unwrap())).unwrap()
}

fn at(origin: &str) -> ClientConfig {
    ClientConfig { base_url: format!("{origin}/foundationModels/v1"), ..bare(Kind::Yandex) }
}

const ANSWER: &str =
    r#"{"result":{"alternatives":[{"message":{"role":"assistant","text":"Да"},"status":"ALTERNATIVE_STATUS_FINAL"}]}}"#;

fn ask() -> Ask {
    Ask::Chat(Box::new(chat("Hi")))
}

fn text(client: &Client, ask: &Ask) -> String {
    let answer = client.call(ask, &CallOptions::default()).map_err(|(error, _)| error).unwrap();
    answer.reply(|reply, _| reply.text.clone()).unwrap()
}

#[test]
fn an_oauth_token_is_exchanged_once_and_its_token_renewed_when_refused() {
    let tokens = Mutex::new(0);
    let (iam, exchanges) = server(move |_, _| {
        let mut number = lock(&tokens);
        *number += 1;
        (200, format!(r#"{{"iamToken":"t1.n{number}","expiresAt":"2199-01-01T00:00:00Z"}}"#))
    });
    let (api, asked) = server(|_, credential| match credential {
        "Bearer t1.n1" => (401, r#"{"error":{"grpcCode":16,"httpCode":401,"message":"The token is invalid"}}"#.into()),
        _ => (200, ANSWER.into()),
    });
    let config =
        ClientConfig { oauth_token: Secret::of_any("y0_abc"), auth_url: format!("{iam}/iam/v1/tokens"), ..at(&api) };
    let client = client(config);
    assert_eq!((text(&client, &ask()), text(&client, &ask())), ("Да".into(), "Да".into()));
    let exchange = r#"POST /iam/v1/tokens [] {"yandexPassportOauthToken":"y0_abc"}"#;
    assert_eq!(*lock(&exchanges), [exchange, exchange]);
    let credentials: Vec<String> = lock(&asked).iter().map(|line| line[..47].to_owned()).collect();
    let with = |token: u8| format!("POST /foundationModels/v1/completion [Bearer t1.n{token}]")[..47].to_owned();
    assert_eq!(credentials, [with(1), with(2), with(2)]);
}

#[test]
fn a_machines_own_token_is_used() {
    let (metadata, asked) =
        server(|_, _| (200, r#"{"access_token":"t1.m","expires_in":43199,"token_type":"Bearer"}"#.into()));
    let (api, _) = server(|_, credential| (if credential == "Bearer t1.m" { 200 } else { 401 }, ANSWER.into()));
    let auth_url = format!("{metadata}/computeMetadata/v1/instance/service-accounts/default/token");
    let client = client(ClientConfig { auth_url, ..at(&api) });
    assert_eq!(text(&client, &ask()), "Да");
    assert_eq!(*lock(&asked), ["GET /computeMetadata/v1/instance/service-accounts/default/token [] "]);
}

#[test]
fn a_key_is_not_renewed() {
    let (api, asked) = server(|_, _| (401, r#"{"code":16,"message":"Unknown api key 'planted'"}"#.into()));
    let client = client(ClientConfig { api_key: Secret::of_any(" planted\n"), ..at(&api) });
    let (error, _) = client.call(&ask(), &CallOptions::default()).err().unwrap();
    assert_eq!((error.status, error.http_status), (Status::Auth, 401));
    assert!(!error.message.contains("planted"));
    assert_eq!(lock(&asked).len(), 1);
    assert!(lock(&asked)[0].starts_with("POST /foundationModels/v1/completion [Api-Key planted] "));
}

#[test]
fn a_gauge_is_tried_again_as_soon_as_a_slot_may_be_free() {
    let times = Mutex::new(0);
    let (api, asked) = server(move |_, _| {
        let mut times = lock(&times);
        *times += 1;
        let gauge = r#"{"error":{"grpcCode":8,"httpCode":429,"message":"ai.textGenerationCompletionSessionsCount.count gauge quota limit exceed: allowed 10 requests"}}"#;
        if *times == 1 { (429, gauge.into()) } else { (200, ANSWER.into()) }
    });
    let client = client(ClientConfig { api_key: Secret::of_any("gauged"), ..at(&api) });
    assert_eq!(text(&client, &ask()), "Да");
    assert_eq!(lock(&asked).len(), 2);
}

#[test]
fn what_is_begun_once_is_not_sent_again_for_a_failure_of_the_server() {
    let (api, asked) = server(|_, _| (504, r#"{"code":4,"message":"DEADLINE_EXCEEDED"}"#.into()));
    let config = ClientConfig { api_key: Secret::of_any("once"), breaks_after: 50, ..at(&api) };
    let client = client(config);
    let session = client.session(true).unwrap();
    let inner = client.inner();
    let written = |once| {
        let raw = Raw { method: http::Method::POST, url: "x".into(), body: "{}".into(), content_type: String::new() };
        let written = inner.service.write(&Ask::Raw(raw), &inner.config).unwrap();
        inner.request(if once { written.once() } else { written }, false, &CallOptions::default()).unwrap()
    };
    let (error, _) = session.answer(written(true)).err().unwrap();
    assert_eq!((error.status, error.detail), (Status::Provider, Detail::ServerError));
    assert_eq!(lock(&asked).len(), 1);
    assert!(session.answer(written(false)).is_err());
    assert_eq!(lock(&asked).len(), 4);
}

#[test]
fn models_are_asked_for_at_the_origin() {
    let (api, asked) = server(|_, _| (200, r#"{"data":[{"id":"gpt://b1g/yandexgpt/latest"}]}"#.into()));
    let client = client(ClientConfig { api_key: Secret::of_any("AQ"), ..at(&api) });
    assert_eq!(text(&client, &Ask::Models), "gpt://b1g/yandexgpt/latest");
    assert_eq!(*lock(&asked), ["GET /v1/models [Api-Key AQ] "]);
}

#[test]
fn a_stream_is_told_whatever_its_type_is_called() {
    let partial = ANSWER.replace("FINAL", "PARTIAL");
    let lines = format!("{partial}\n{}\n", ANSWER.replace("Да", "Да!"));
    let (api, _) = server(move |_, _| (200, lines.clone()));
    let client = client(ClientConfig { api_key: Secret::of_any("AQ"), ..at(&api) });
    let ask = Ask::Chat(Box::new(Chat { stream: true, ..chat("Hi") }));
    let answer = client.call(&ask, &CallOptions::default()).map_err(|(error, _)| error).unwrap();
    let mut deltas = Vec::new();
    while let Read::Got(delta) = answer.next_delta(Duration::from_secs(10), Delta::clone).unwrap() {
        deltas.push(delta);
    }
    assert_eq!(deltas, [Delta::Text("Да".into()), Delta::Text("!".into()), Delta::Done]);
}

#[test]
fn a_job_is_asked_about_at_another_origin_until_it_is_done() {
    let polls = Mutex::new(0);
    let (operations, asked) = server(move |_, _| {
        let mut polls = lock(&polls);
        *polls += 1;
        match *polls {
            1 => (200, r#"{"id":"d7q","done":false}"#.into()),
            2 => (503, r#"{"code":14,"message":"UNAVAILABLE"}"#.into()),
            _ => {
                let result: serde_json::Value = serde_json::from_str(ANSWER).unwrap();
                (200, serde_json::json!({"id": "d7q", "done": true, "response": result["result"]}).to_string())
            }
        }
    });
    let (api, begun) = server(|_, _| (200, r#"{"id":"d7q","done":false}"#.into()));
    let config = ClientConfig {
        api_key: Secret::of_any("AQ"),
        operations_url: format!("{operations}/operations"),
        poll_interval: Duration::from_millis(5),
        retries: 0,
        ..at(&api)
    };
    let client = client(config);
    let reply = driven(&client, &Ask::Chat(Box::new(Chat { job: true, ..chat("Hi") })));
    assert_eq!((reply.text.as_str(), reply.id.as_str()), ("Да", "d7q"));
    assert_eq!(lock(&begun).len(), 1);
    assert!(lock(&begun)[0].starts_with("POST /foundationModels/v1/completionAsync [Api-Key AQ] "));
    assert_eq!(*lock(&asked), vec!["GET /operations/d7q [Api-Key AQ] "; 3]);
}

/// Drives the steps of a call, one request after the other.
fn driven(client: &Client, ask: &Ask) -> Reply {
    let inner = client.inner();
    let mut steps = inner.service.steps(ask, &inner.config).unwrap().unwrap();
    loop {
        match steps.next().unwrap() {
            Step::Ask(written) => {
                let request = inner.request(written, false, &CallOptions::default()).unwrap();
                match client.session(true).unwrap().answer(request) {
                    Ok(answer) => {
                        let reply = answer.reply(|reply, _| reply.clone()).unwrap();
                        steps.answered(&reply, answer.body().unwrap()).unwrap();
                    }
                    Err((error, _)) => assert!(steps.refused(&error, &Reply::default()), "{error:?}"),
                }
            }
            Step::Wait(wait) => std::thread::sleep(wait),
            Step::Answer(reply) => return *reply,
            _ => unreachable!("there is nothing else to do"),
        }
    }
}
