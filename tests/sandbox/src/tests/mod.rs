//! The sandbox in process, over plain sockets and hyper's client.

mod client;
mod control;
mod gigachat;
mod naparnik;
mod ollama;
mod openai;
mod yandex;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::listener::Listener;
use crate::sandbox::Sandbox;
use crate::tls;
use crate::workdir::Workdir;

struct Fixture {
    sandbox: Arc<Sandbox>,
    first: Arc<Listener>,
    workdir: Workdir,
}

impl Fixture {
    fn start() -> Self {
        let workdir = Workdir::open(None).unwrap();
        let sandbox = Arc::new(Sandbox::new(tls::issue(workdir.path()).unwrap()));
        let first = sandbox.listen(0, 0).unwrap();
        Self { sandbox, first, workdir }
    }

    async fn client(&self) -> client::Client {
        client::Client::connect(&self.first.http_url()).await
    }

    async fn connect(&self) -> TcpStream {
        connect(&self.first.http_url()).await
    }

    /// One HTTP/1.1 request on a connection of its own, and all that comes back.
    async fn exchange(&self, head: &str, body: &str) -> (String, Option<ErrorKind>) {
        let mut socket = self.connect().await;
        send(&mut socket, head, body).await;
        read_to_end(&mut socket).await
    }

    async fn chat(&self, headers: &str, body: &Value) -> (String, Option<ErrorKind>) {
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\ncontent-type: application/json\r\n{headers}");
        self.exchange(&head, &body.to_string()).await
    }

    fn connector(&self) -> TlsConnector {
        let ca = std::fs::read(self.workdir.path().join(tls::CA_DER)).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from(ca)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    async fn http2(&self) -> http2::SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.connect().await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }
}

async fn connect(url: &str) -> TcpStream {
    let (_, port) = url.rsplit_once(':').unwrap();
    TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap()
}

async fn send(socket: &mut TcpStream, head: &str, body: &str) {
    let head = head.trim_end();
    let length = body.len();
    let request = format!("{head}\r\nhost: sandbox\r\ncontent-length: {length}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).await.unwrap();
}

async fn read_to_end(socket: &mut TcpStream) -> (String, Option<ErrorKind>) {
    let mut response = Vec::new();
    let error = socket.read_to_end(&mut response).await.err();
    (String::from_utf8_lossy(&response).into_owned(), error.map(|error| error.kind()))
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://sandbox{path}")).body(Full::default()).unwrap()
}

async fn text<B>(response: Response<B>) -> String
where
    B: hyper::body::Body,
    B::Error: std::fmt::Debug,
{
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

fn body_of(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

fn hello(stream: bool) -> Value {
    json!({
        "model": "sandbox-small",
        "messages": [{"role": "system", "content": "Echo."}, {"role": "user", "content": "one two"}],
        "stream": stream,
        "stream_options": {"include_usage": true},
    })
}

/// The bodies of the events in a chunked response, `[DONE]` among them.
fn events(response: &str) -> Vec<&str> {
    response.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
}

const CLOSE: &str = "connection: close";

#[tokio::test]
async fn chat_echoes_the_last_user_message() {
    let fixture = Fixture::start();
    let (response, error) = fixture.chat(CLOSE, &hello(false)).await;
    assert_eq!(error, None);
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    let completion: Value = serde_json::from_str(body_of(&response)).unwrap();
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["model"], "sandbox-small");
    let choice = &completion["choices"][0];
    assert_eq!(choice["message"]["role"], "assistant");
    assert_eq!(choice["message"]["content"], "You said: one two");
    assert_eq!(choice["finish_reason"], "stop");
    assert_eq!(completion["usage"]["total_tokens"], 3 + 4);
}

#[tokio::test]
async fn chat_refuses_what_the_api_refuses() {
    let fixture = Fixture::start();
    for (body, param) in [
        (json!({"messages": [{"role": "user", "content": "x"}]}), "model"),
        (json!({"model": "m", "messages": []}), "messages"),
        (json!({"model": "m", "messages": [{"role": "boss", "content": "x"}]}), "messages[0].role"),
        (json!({"model": "m", "messages": [{"role": "user"}]}), "messages[0].content"),
    ] {
        let (response, _) = fixture.chat(CLOSE, &body).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        let error: Value = serde_json::from_str(body_of(&response)).unwrap();
        assert_eq!(error["error"]["param"], param);
        assert_eq!(error["error"]["type"], "invalid_request_error");
    }
    let (response, _) = fixture.exchange("DELETE /v1/models HTTP/1.1\r\nconnection: close", "").await;
    assert!(response.starts_with("HTTP/1.1 405 "), "{response}");
    assert!(response.contains("\r\nallow: GET, HEAD\r\n"), "{response}");
}

#[tokio::test]
async fn streams_come_word_by_word() {
    let fixture = Fixture::start();
    let (response, error) = fixture.chat(CLOSE, &hello(true)).await;
    assert_eq!(error, None);
    assert!(response.contains("\r\ncontent-type: text/event-stream\r\n"));
    assert!(response.ends_with("\r\n0\r\n\r\n"), "{response}");
    let events = events(&response);
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
    let words: Vec<&str> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(words, ["", "You ", "said: ", "one ", "two"]);
    assert_eq!(chunks[5]["choices"][0]["finish_reason"], "stop");
    assert_eq!(chunks[6]["usage"]["completion_tokens"], 4);
    assert_eq!(events[7..], ["[DONE]"]);
    assert_eq!(fixture.first.stats.streams_completed.get(), 1);
}

#[tokio::test]
async fn stream_faults_end_streams_early() {
    let fixture = Fixture::start();
    let (response, error) = fixture.chat("connection: close\r\nx-sandbox: no-done", &hello(true)).await;
    assert_eq!(error, None);
    assert!(response.ends_with("\r\n0\r\n\r\n") && !response.contains("[DONE]"));

    let (response, error) = fixture.chat("x-sandbox: cut-after=3, drip=1", &hello(true)).await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert_eq!(events(&response).len(), 3);
    assert_eq!(fixture.first.stats.streams_completed.get(), 0);
    assert_eq!(fixture.first.stats.in_flight.get(), 0);
}

#[tokio::test]
async fn echo_tells_the_request_back() {
    let fixture = Fixture::start();
    let head = "PUT /echo?a=1 HTTP/1.1\r\nX-Dup: 1\r\nConnection: close\r\nx-dup: 2";
    let (response, _) = fixture.exchange(head, "the body").await;
    assert_eq!(
        body_of(&response),
        "PUT /echo?a=1 HTTP/1.1\nx-dup: 1\nx-dup: 2\nconnection: close\n\
         host: sandbox\ncontent-length: 8\n\nthe body"
    );
    assert!(response.contains("\r\nx-dup: one\r\nx-dup: two\r\n"));
}

#[tokio::test]
async fn holds_last_until_released() {
    let fixture = Fixture::start();
    let hold = fixture.sandbox.holds.named("gate");
    let request = "GET /hold/gate HTTP/1.1\r\nconnection: close";
    let mut first = fixture.connect().await;
    let mut second = fixture.connect().await;
    send(&mut first, request, "").await;
    send(&mut second, request, "").await;
    assert_eq!(hold.wait_held(|held| held >= 2).await, 2);

    drop(second);
    assert_eq!(hold.wait_held(|held| held < 2).await, 1);
    let (response, _) = fixture.exchange("POST /control/release/gate HTTP/1.1\r\nconnection: close", "").await;
    assert_eq!(body_of(&response), "released=1\n");
    let (response, _) = read_to_end(&mut first).await;
    assert_eq!(body_of(&response), "released gate\n");

    let mut third = fixture.connect().await;
    send(&mut third, request, "").await;
    assert_eq!(hold.wait_held(|held| held >= 1).await, 1);
    drop(third);
    assert_eq!(hold.wait_held(|held| held == 0).await, 0);
}

#[tokio::test]
async fn bodies_are_cut_after_exactly_so_many_bytes() {
    let fixture = Fixture::start();
    for (fault, sent, error) in [
        ("truncate=5", 5, None),
        ("truncate=200000", 200_000, None),
        ("truncate=0", 0, None),
        ("reset-body=5", 5, Some(ErrorKind::ConnectionReset)),
        ("reset-body=100", 100, Some(ErrorKind::ConnectionReset)),
    ] {
        let head = format!("GET /bytes/10 HTTP/1.1\r\nx-sandbox: {fault}");
        let (response, ended) = fixture.exchange(&head, "").await;
        assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
        assert_eq!((body_of(&response).len(), ended), (sent, error), "{fault}");
        let length = 10.max(sent + 1);
        assert!(response.contains(&format!("content-length: {length}\r\n")));
    }
}

#[tokio::test]
async fn silent_faults_answer_nothing() {
    let fixture = Fixture::start();
    for (fault, error) in [
        ("reset", Some(ErrorKind::ConnectionReset)),
        ("close", None),
        ("close-upload=2", Some(ErrorKind::ConnectionReset)),
    ] {
        let head = format!("POST /echo?sandbox={fault} HTTP/1.1");
        assert_eq!(fixture.exchange(&head, "body").await, (String::new(), error), "{fault}");
    }
    let (response, _) = fixture.exchange("GET /echo HTTP/1.1\r\nx-sandbox: explode\r\nconnection: close", "").await;
    assert!(response.starts_with("HTTP/1.1 400 ") && response.contains("explode"));
}

#[tokio::test]
async fn stalls_last_until_the_client_goes_away() {
    let fixture = Fixture::start();
    for fault in ["stall=3", "stall-head"] {
        let mut socket = fixture.connect().await;
        let head = format!("GET /bytes/10 HTTP/1.1\r\nx-sandbox: {fault}");
        send(&mut socket, &head, "").await;
        if fault == "stall=3" {
            let mut response = Vec::new();
            while !response.ends_with(b"aaa") {
                assert!(socket.read_buf(&mut response).await.unwrap() > 0);
            }
        }
        let quiet = tokio::time::timeout(Duration::from_millis(50), socket.read_u8()).await;
        assert!(quiet.is_err(), "{fault}: {quiet:?}");
        drop(socket);
        fixture.first.stats.connections_open_at_most(0).await;
        assert_eq!(fixture.first.stats.in_flight.get(), 0);
    }
}

#[tokio::test]
async fn an_upload_meets_a_reset() {
    let fixture = Fixture::start();
    let mut socket = fixture.connect().await;
    let head = "POST /echo HTTP/1.1\r\nhost: sandbox\r\ncontent-length: 10000000\r\n\
                x-sandbox: close-upload=1000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let chunk = [b'x'; 10_000];
    let outcome: io::Result<()> = async {
        for _ in 0..1000 {
            socket.write_all(&chunk).await?;
        }
        Ok(())
    }
    .await;
    let error = outcome.unwrap_err().kind();
    assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe));
    assert!(fixture.first.stats.bytes_in.get() >= 1000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_needs_no_upgrade_and_keeps_its_connection() {
    let fixture = Fixture::start();
    let mut sender = fixture.http2().await;
    let response = sender.send_request(get("/echo?x")).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert!(text(response).await.starts_with("GET /echo?x HTTP/2.0\n"));

    for sent in [40, 65_540, 300_000] {
        let path = format!("/bytes/1000000?sandbox=truncate={sent}");
        let response = sender.send_request(get(&path)).await.unwrap();
        assert_eq!(response.headers()["content-length"], "1000000");
        let mut body = response.into_body();
        let mut read = 0;
        let error = loop {
            match body.frame().await.unwrap() {
                Ok(frame) => read += frame.data_ref().map_or(0, Bytes::len),
                Err(error) => break error,
            }
        };
        assert_eq!(read, sent, "{error}");
    }
    let response = sender.send_request(get("/bytes/7")).await.unwrap();
    assert_eq!(text(response).await, "aaaaaaa");
    let stats = &fixture.first.stats;
    assert_eq!(stats.connections_opened.get(), 1);
    assert_eq!(stats.http2_requests.get(), 5);
    assert_eq!(stats.responses.get(), 2);
}

#[tokio::test]
async fn http2_connections_end_on_demand() {
    let fixture = Fixture::start();
    for fault in ["goaway", "close-after"] {
        let mut sender = fixture.http2().await;
        let path = format!("/bytes/3?sandbox={fault}");
        let response = sender.send_request(get(&path)).await.unwrap();
        assert_eq!(text(response).await, "aaa");
        fixture.first.stats.connections_open_at_most(0).await;
        assert!(sender.send_request(get("/echo")).await.is_err());
    }
    let mut sender = fixture.http2().await;
    assert!(sender.send_request(get("/echo?sandbox=reset")).await.is_err());
    fixture.first.stats.connections_open_at_most(0).await;
}

#[tokio::test]
async fn http1_connections_end_on_demand() {
    let fixture = Fixture::start();
    for (fault, announced) in [("goaway", false), ("close-after", true)] {
        let head = format!("GET /bytes/3 HTTP/1.1\r\nx-sandbox: {fault}");
        let (response, error) = fixture.exchange(&head, "").await;
        assert_eq!((body_of(&response), error), ("aaa", None));
        assert_eq!(response.contains("connection: close"), announced, "{fault}");
    }
}

#[tokio::test]
async fn tls_is_trusted_and_resumed() {
    let fixture = Fixture::start();
    let connector = fixture.connector();
    let name = ServerName::try_from("localhost").unwrap();
    for _ in 0..2 {
        let socket = connect(&fixture.first.https_url()).await;
        let stream = connector.connect(name.clone(), socket).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let (mut sender, connection) =
            http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(get("/status/418")).await.unwrap();
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(text(response).await, "418 I'm a teapot\n");
    }
    let stats = &fixture.first.stats;
    assert_eq!((stats.tls_handshakes.get(), stats.tls_resumed.get()), (2, 1));
}

#[tokio::test]
async fn listeners_count_for_themselves() {
    let fixture = Fixture::start();
    let io = TokioIo::new(fixture.connect().await);
    let (mut control, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("/control/listeners").body(Full::<Bytes>::default()).unwrap();
    let opened = text(control.send_request(request).await.unwrap()).await;
    let mut lines = opened.lines();
    assert_eq!(lines.next(), Some("id=1"));
    let url = lines.next().unwrap().strip_prefix("http=").unwrap();

    let mut socket = connect(url).await;
    send(&mut socket, "POST /echo HTTP/1.1\r\nconnection: close", "12345").await;
    read_to_end(&mut socket).await;
    drop(socket);
    let wait = get("/control/wait-connections-open?id=1&max=0");
    let open = text(control.send_request(wait).await.unwrap()).await;
    assert_eq!(open, "connections_open=0\n");
    let stats = get("/control/stats?id=1");
    let stats = text(control.send_request(stats).await.unwrap()).await;
    assert_eq!(
        stats,
        "connections_opened=1\nconnections_open=0\ntls_handshakes=0\ntls_resumed=0\n\
         requests=1\nresponses=1\nin_flight=0\nhttp1_requests=1\nhttp2_requests=0\n\
         chats=0\nstreams_completed=0\nbytes_in=5\n"
    );
    assert_eq!(fixture.first.stats.requests.get(), 0);
    let unknown = get("/control/stats?id=9");
    let unknown = control.send_request(unknown).await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}
