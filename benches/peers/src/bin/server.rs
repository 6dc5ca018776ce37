//! The bench's server: answers every request with the same 1 kB, over http and over https (HTTP/1.1 or HTTP/2 by ALPN).
//!
//! `server CA_FILE` writes the certificate of a fresh CA there, prints `plain=PORT tls=PORT far=PORT tokens=PORT`, and ends when
//! its standard input does. Each line of standard input is answered with what came over TLS since the line before, once those
//! connections are closed: `connections=N handshakes=N`. On the far port a handshake begins 50 ms after its connection is
//! accepted; nothing else there is late. The token port streams server-sent events over http until its client has gone:
//! `/full` as fast as they are read, any other path 50 a second. Two threads serve each port; connections go to them in turn.

use std::convert::Infallible;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

const WORKERS: usize = 2;
/// Between accept and handshake on the far port: about one round trip to a server elsewhere.
const FAR: Duration = Duration::from_millis(50);
/// For how long the connections of a client that has ended may stay open.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);
/// Between two events of a token stream.
const TOKEN: Duration = Duration::from_millis(20);
/// One event, as a chat service sends it; its peers know its length, 176 bytes.
const EVENT: &str = "data: {\"id\":\"chatcmpl-1234567890\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,\
    \"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" token\"},\"finish_reason\":null}]}\n\n";
/// Bytes of one write at full speed, about.
const BURST: usize = 256 * 1024;
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\
    date: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n";
/// A chat completion, so that clients of AI can read it.
const BODY: [u8; 1024] = body();
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1024\r\n\
    date: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n";

const fn body() -> [u8; 1024] {
    const BEGIN: &[u8] = br#"{"id":"c","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":""#;
    const END: &[u8] =
        br#""},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":200,"total_tokens":300}}"#;
    let mut body = [b'x'; 1024];
    let mut at = 0;
    while at < BEGIN.len() {
        body[at] = BEGIN[at];
        at += 1;
    }
    at = 0;
    while at < END.len() {
        body[1024 - END.len() + at] = END[at];
        at += 1;
    }
    body
}

fn main() -> Result<()> {
    let ca_file = std::env::args().nth(1).ok_or("usage: server CA_FILE")?;
    let acceptor = TlsAcceptor::from(Arc::new(tls_config(&ca_file)?));
    let tls = Tls { acceptor, away: Duration::ZERO, tally: Arc::default() };
    let far = Tls { away: FAR, ..tls.clone() };
    let tally = tls.tally.clone();
    let plain_port = listen(Kind::Plain)?;
    let tls_port = listen(Kind::Tls(tls))?;
    let far_port = listen(Kind::Tls(far))?;
    let tokens_port = listen(Kind::Tokens)?;
    println!("plain={plain_port} tls={tls_port} far={far_port} tokens={tokens_port}");
    for line in std::io::stdin().lines() {
        line?;
        let Counts { connections, handshakes, .. } = tally.take();
        println!("connections={connections} handshakes={handshakes}");
    }
    Ok(())
}

/// What a port does.
#[derive(Clone)]
enum Kind {
    Plain,
    Tls(Tls),
    Tokens,
}

/// How https is served.
#[derive(Clone)]
struct Tls {
    acceptor: TlsAcceptor,
    /// A handshake begins so long after its connection is accepted.
    away: Duration,
    tally: Arc<Tally>,
}

/// What came over TLS since it was last asked for.
#[derive(Default)]
struct Tally {
    counts: Mutex<Counts>,
    closed: Condvar,
}

#[derive(Default)]
struct Counts {
    connections: usize,
    handshakes: usize,
    open: usize,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("nobody panics over the counts")
    }

    fn begin(self: &Arc<Self>) -> Open {
        let mut counts = self.counts();
        counts.connections += 1;
        counts.open += 1;
        Open(self.clone())
    }

    /// Starts from nothing, once all is closed.
    fn take(&self) -> Counts {
        let waited = self.closed.wait_timeout_while(self.counts(), CLOSED_WITHIN, |counts| counts.open > 0);
        let (mut counts, _) = waited.expect("nobody panics over the counts");
        let open = counts.open;
        std::mem::replace(&mut counts, Counts { open, ..Counts::default() })
    }
}

/// One connection over TLS, until it is dropped.
struct Open(Arc<Tally>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counts().open -= 1;
        self.0.closed.notify_all();
    }
}

/// A fresh CA, told to the clients by file, and a certificate of it for this host.
fn tls_config(ca_file: &str) -> Result<ServerConfig> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "aipool bench CA");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    std::fs::write(ca_file, authority.pem())?;
    let key = KeyPair::generate()?;
    let certificate =
        CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()])?.signed_by(&key, &authority)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Accepts on a port of its own, from a thread of its own.
fn listen(kind: Kind) -> Result<u16> {
    let workers = (0..WORKERS).map(|_| worker(kind.clone())).collect::<Result<Vec<_>>>()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        let tally = if let Kind::Tls(tls) = kind { Some(tls.tally) } else { None };
        for worker in workers.iter().cycle() {
            let Ok((socket, _)) = listener.accept() else { continue };
            let open = tally.as_ref().map(Tally::begin);
            if worker.send((socket, open)).is_err() {
                return;
            }
        }
    });
    Ok(port)
}

/// A thread that serves the connections it is sent.
fn worker(kind: Kind) -> Result<UnboundedSender<(TcpStream, Option<Open>)>> {
    let (sender, mut sockets) = unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            while let Some((socket, open)) = sockets.recv().await {
                let kind = kind.clone();
                // A connection that breaks is its client's to report.
                tokio::spawn(async move {
                    serve(socket, kind).await.ok();
                    drop(open);
                });
            }
        });
    });
    Ok(sender)
}

async fn serve(socket: TcpStream, kind: Kind) -> Result<()> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    let socket = tokio::net::TcpStream::from_std(socket)?;
    let tls = match kind {
        Kind::Plain => return http1(socket).await,
        Kind::Tokens => return tokens(socket).await,
        Kind::Tls(tls) => tls,
    };
    if !tls.away.is_zero() {
        tokio::time::sleep(tls.away).await;
    }
    let stream = tls.acceptor.accept(socket).await?;
    tls.tally.counts().handshakes += 1;
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => http2(stream).await,
        _ => http1(stream).await,
    }
}

/// Answers one request with events, each a chunk of its own, until the client has gone.
async fn tokens(mut stream: tokio::net::TcpStream) -> Result<()> {
    let mut received = BytesMut::with_capacity(4096);
    while request_length(&received)?.is_none() {
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
    let full = received.windows(6).any(|path| path == b"/full ");
    drop(received);
    stream.write_all(STREAM_HEAD).await?;
    let chunk = format!("{:x}\r\n{EVENT}\r\n", EVENT.len());
    if full {
        let burst = chunk.repeat(BURST / chunk.len());
        loop {
            stream.write_all(burst.as_bytes()).await?;
        }
    }
    let mut ticks = tokio::time::interval(TOKEN);
    loop {
        ticks.tick().await;
        stream.write_all(chunk.as_bytes()).await?;
    }
}

/// By hand: the server shares its cores with the client that is measured.
async fn http1(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    let reply = [HEAD, &BODY].concat();
    let mut received = BytesMut::with_capacity(8192);
    loop {
        while let Some(length) = request_length(&received)?
            && received.len() >= length
        {
            received.advance(length);
            stream.write_all(&reply).await?;
            stream.flush().await?;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(());
        }
    }
}

/// Bytes of head and body of the request that `received` begins with, once its head is whole.
fn request_length(received: &[u8]) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(received)? else { return Ok(None) };
    let length = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let body: usize = length.map_or(Ok(0), |header| std::str::from_utf8(header.value)?.parse().map_err(Error::from))?;
    Ok(Some(head + body))
}

async fn http2(stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    let answer = service_fn(async |request: Request<Incoming>| {
        // A body that breaks off breaks its stream, which hyper reports to the client.
        let _ = request.into_body().collect().await;
        let reply = Response::builder().header("content-type", "application/json").header("content-length", BODY.len());
        Ok::<_, Infallible>(reply.body(Full::new(Bytes::from_static(&BODY))).expect("a valid reply"))
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    Ok(server.serve_connection(TokioIo::new(stream), answer).await?)
}
