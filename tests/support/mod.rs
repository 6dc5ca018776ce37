//! What the Rust tests share: the sandbox, its control calls, and requests in one line.

// Each test file uses its own part of this.
#![allow(dead_code)]

pub mod chaos;
pub mod counter;
pub mod dante;
pub mod expect;
pub mod frames;
pub mod full;
pub mod haproxy;
pub mod nghttpx;
pub mod nginx;
pub mod port;
pub mod raw;
pub mod server;
pub mod tinyproxy;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aipool::body::reader::Plan;
use aipool::config::{ConnectionConfig, HttpVersion, LimitOverrides, PersistenceOverrides, SessionConfig, TlsOptions};
use aipool::pool::PoolHandle;
use aipool::request::{Failure, Request};
use aipool::response::Response;
use aipool::session::SessionHandle;
use aipool::transport::OutgoingBody;

/// How long any wait may take before it fails its test.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for what only other threads or processes can bring about; fails the test when that takes too long.
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

/// Runs `one` on `count` threads, which begin together.
pub fn at_once<T: Send + 'static>(
    count: usize,
    one: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<JoinHandle<T>> {
    let shared = Arc::new((Barrier::new(count), one));
    let begin = |n| {
        let shared = shared.clone();
        std::thread::spawn(move || {
            let (barrier, one) = &*shared;
            barrier.wait();
            one(n)
        })
    };
    (0..count).map(begin).collect()
}

/// What each of the threads came to.
pub fn joined<T>(threads: Vec<JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// The sandbox of this test process; it ends with it, as its stdin does.
pub struct Sandbox {
    pub http: String,
    pub ca_pem: PathBuf,
    pub ca_der: PathBuf,
    _child: Child,
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let mut child = Command::new(sandbox_binary())
            .arg("--exit-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the sandbox starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut value = |name: &str| lines.next().unwrap().strip_prefix(name).expect(name).to_owned();
        let (http, _https) = (value("http="), value("https="));
        Sandbox { http, ca_pem: value("ca_pem=").into(), ca_der: value("ca_der=").into(), _child: child }
    })
}

fn sandbox_binary() -> PathBuf {
    if let Some(given) = std::env::var_os("AIPOOL_SANDBOX") {
        return given.into();
    }
    // Not built from here: cargo inside of cargo test sees another environment and compiles everything again.
    let built = root().join("target/release/aipool-sandbox");
    assert!(built.exists(), "no sandbox; run: cargo build --release -p aipool-sandbox");
    built
}

/// A fresh pair of sandbox ports with counters of their own.
pub struct Listener {
    id: String,
    pub http: String,
    pub https: String,
}

impl Listener {
    pub fn open() -> Listener {
        let text = control("POST", "/control/listeners");
        let value = |name| field(&text, name).to_owned();
        Listener { id: value("id"), http: value("http"), https: value("https") }
    }

    pub fn count(&self, name: &str) -> u64 {
        field(&control("GET", &format!("/control/stats?id={}", self.id)), name).parse().unwrap()
    }

    /// A counter of the providers' part, 0 where nothing was counted.
    pub fn counter(&self, name: &str) -> u64 {
        field(&control("GET", &format!("/control/counters?id={}&name={name}", self.id)), name).parse().unwrap()
    }

    /// Sets how a provider behaves.
    pub fn set(&self, settings: &str) {
        control("POST", &format!("/control/set?id={}&{settings}", self.id));
    }

    /// The next `count` requests to a path have these faults.
    pub fn arm(&self, path: &str, faults: &str, count: u64) {
        control("POST", &format!("/control/arm?id={}&path={path}&faults={faults}&count={count}", self.id));
    }

    pub fn expire_tokens(&self) {
        control("POST", &format!("/control/expire-tokens?id={}", self.id));
    }

    /// The last request to a path, headers and body.
    pub fn last(&self, path: &str) -> serde_json::Value {
        serde_json::from_str(&control("GET", &format!("/control/last?id={}&path={path}", self.id))).unwrap()
    }

    pub fn wait_connections_open(&self, most: u64) {
        control("GET", &format!("/control/wait-connections-open?id={}&max={most}", self.id));
    }
}

pub fn wait_held(name: &str, count: usize) {
    control("GET", &format!("/control/wait-held/{name}?count={count}"));
}

pub fn wait_gone(name: &str) {
    control("GET", &format!("/control/wait-gone/{name}"));
}

pub fn release(name: &str) {
    control("POST", &format!("/control/release/{name}"));
}

/// A control call, by hand: the library under test has no part in it.
fn control(method: &str, path: &str) -> String {
    let host = sandbox().http.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {head}");
    body.to_owned()
}

fn field<'a>(text: &'a str, name: &str) -> &'a str {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix('=');
    text.lines().find_map(value).unwrap_or_else(|| panic!("{name} in {text}"))
}

pub fn get(url: &str) -> Request {
    Request {
        method: http::Method::GET,
        url: url.to_owned(),
        headers: http::HeaderMap::new(),
        body: OutgoingBody::none(),
        stream: false,
        plan: Plan::default(),
        limits: LimitOverrides::default(),
        persistence: PersistenceOverrides::default(),
        cancel: None,
        interruptible: false,
        may_repeat: false,
        provider: None,
    }
}

pub fn post(url: &str, body: impl Into<bytes::Bytes>) -> Request {
    Request { method: http::Method::POST, body: OutgoingBody::Whole(body.into()), ..get(url) }
}

/// A GET with a fault for the sandbox.
pub fn faulty(url: &str, fault: &str) -> Request {
    let mut request = get(url);
    request.headers.insert("x-sandbox", fault.parse().unwrap());
    request
}

/// Options of a session that trusts the sandbox's CA.
pub fn trusting() -> SessionConfig {
    let pem = std::fs::read(&sandbox().ca_pem).unwrap();
    SessionConfig {
        connection: ConnectionConfig {
            tls: TlsOptions { ca_bytes: pem.into(), ..TlsOptions::default() },
            ..ConnectionConfig::default()
        },
        ..SessionConfig::default()
    }
}

/// Options of a session that speaks HTTP/2 by prior knowledge, also without TLS.
pub fn http2() -> SessionConfig {
    let connection = ConnectionConfig { http_version: HttpVersion::Http2, ..ConnectionConfig::default() };
    SessionConfig { connection, ..SessionConfig::default() }
}

/// A request to `/hold/NAME` on a thread of its own, held when this returns.
pub struct Held {
    name: String,
    answer: JoinHandle<Result<Response, Failure>>,
}

impl Held {
    pub fn begin(session: Arc<SessionHandle>, name: &str) -> Held {
        let url = format!("/hold/{name}");
        let answer = std::thread::spawn(move || session.request(get(&url)));
        wait_held(name, 1);
        Held { name: name.to_owned(), answer }
    }

    /// What comes when the server lets it go.
    pub fn release(self) -> Result<Response, Failure> {
        release(&self.name);
        self.answer.join().unwrap()
    }

    /// What comes without the server's help.
    pub fn end(self) -> Result<Response, Failure> {
        self.answer.join().unwrap()
    }
}

pub fn session(pool: &PoolHandle, key: &str) -> Arc<SessionHandle> {
    Arc::new(pool.get_session(key, None).unwrap())
}

/// A name no other test uses.
pub fn unique(name: &str) -> String {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    format!("{name}-{}-{}", std::process::id(), NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}
