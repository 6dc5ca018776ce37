//! One accepted connection, and the ways to end it that HTTP does not offer.

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use crate::listener::Listener;
use crate::lock::lock;
use crate::provider::Provider;
use crate::router;
use crate::sandbox::Sandbox;
use crate::site::Site;
use crate::stats::{OpenConnection, Stats};

/// How long a closed connection waits for the peer to close its side.
const LINGER: Duration = Duration::from_secs(2);

/// Less than any response head takes, more than stray frames of control do.
const SMALLEST_HEAD: u64 = 10;

#[derive(Clone, Copy)]
pub enum Scheme {
    Http,
    Https,
}

/// How a connection ends when a fault ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With RST.
    Reset,
    /// With FIN, though the response is not complete.
    Close,
}

/// The handle by which a request reaches the connection it came on.
pub struct Connection {
    pub stats: Arc<Stats>,
    pub site: Arc<Site>,
    /// The providers it has brought requests for.
    seen: Mutex<Vec<Provider>>,
    requests: AtomicU64,
    drop_next: AtomicBool,
    written: AtomicU64,
    flushed: watch::Sender<u64>,
    end: OnceLock<End>,
    ended: Notify,
    draining: Notify,
    socket: Mutex<Option<TcpStream>>,
}

impl Connection {
    fn new(stats: Arc<Stats>, site: Arc<Site>) -> Self {
        Self {
            stats,
            site,
            seen: Mutex::default(),
            requests: AtomicU64::new(0),
            drop_next: AtomicBool::new(false),
            written: AtomicU64::new(0),
            flushed: watch::Sender::new(0),
            end: OnceLock::new(),
            ended: Notify::new(),
            draining: Notify::new(),
            socket: Mutex::new(None),
        }
    }

    /// Ends the connection at once; bytes not yet written are lost.
    pub fn end(&self, end: End) {
        // The first of two faults wins.
        let _ = self.end.set(end);
        self.ended.notify_one();
    }

    /// Notes a request; false if the connection is to be found closed by it.
    pub fn begin_request(&self) -> bool {
        self.requests.fetch_add(1, Relaxed);
        !self.drop_next.load(Relaxed)
    }

    /// Whether it is the first request for that provider on this connection.
    pub fn is_news(&self, provider: Provider) -> bool {
        let mut seen = lock(&self.seen);
        let news = !seen.contains(&provider);
        if news {
            seen.push(provider);
        }
        news
    }

    pub fn drop_next(&self) {
        self.drop_next.store(true, Relaxed);
    }

    /// Ends the connection once it has been idle for so long after what it has just written.
    pub fn drop_idle(self: Arc<Self>, idle: Duration) {
        let flushed = self.watch_flush();
        let requests = self.requests.load(Relaxed);
        tokio::spawn(async move {
            flushed.passed(0).await;
            tokio::time::sleep(idle).await;
            if self.requests.load(Relaxed) == requests {
                self.end(End::Close);
            }
        });
    }

    /// Ends the connection after the exchanges in flight: GOAWAY over HTTP/2.
    pub fn drain(&self) {
        self.draining.notify_one();
    }

    /// Starts to watch what is flushed from here on.
    pub fn watch_flush(&self) -> FlushWatch {
        FlushWatch { flushed: self.flushed.subscribe(), start: self.written.load(Relaxed) }
    }

    fn lock_socket(&self) -> std::sync::MutexGuard<'_, Option<TcpStream>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct FlushWatch {
    flushed: watch::Receiver<u64>,
    start: u64,
}

impl FlushWatch {
    /// Resolves once a response head and `bytes` of its body have gone to the socket.
    pub async fn passed(mut self, bytes: u64) {
        let target = self.start + SMALLEST_HEAD + bytes;
        let _ = self.flushed.wait_for(|flushed| *flushed >= target).await;
    }
}

/// Serves one connection to its end.
pub async fn serve(
    sandbox: Arc<Sandbox>,
    listener: Arc<Listener>,
    open: OpenConnection,
    socket: TcpStream,
    scheme: Scheme,
) {
    // Without it, small writes wait for the peer's delayed acknowledgements.
    let _ = socket.set_nodelay(true);
    let connection = Arc::new(Connection::new(Arc::clone(&listener.stats), Arc::clone(&listener.site)));
    let socket = Socket { stream: Some(socket), connection: Arc::clone(&connection) };
    match scheme {
        Scheme::Http => drive(sandbox, &connection, socket).await,
        Scheme::Https => {
            // A failed handshake leaves nothing to serve.
            if let Ok(stream) = sandbox.tls.accept(socket).await {
                connection.stats.tls_handshakes.add(1);
                if stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed) {
                    connection.stats.tls_resumed.add(1);
                }
                drive(sandbox, &connection, stream).await;
            }
        }
    }
    finish(&connection, open).await;
}

async fn drive<S>(sandbox: Arc<Sandbox>, connection: &Arc<Connection>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(|request| router::answer(Arc::clone(&sandbox), Arc::clone(connection), request));
    let mut serving = pin!(sandbox.http.serve_connection(TokioIo::new(stream), service));
    let mut draining = false;
    loop {
        tokio::select! {
            biased;
            () = connection.ended.notified() => return,
            () = connection.draining.notified(), if !draining => {
                draining = true;
                serving.as_mut().graceful_shutdown();
            }
            // The peer may end the connection as it likes, so an error is no news.
            _ = serving.as_mut() => return,
        }
    }
}

/// Ends the socket as the fault asks; without a fault it is closed already.
async fn finish(connection: &Connection, open: OpenConnection) {
    let socket = connection.lock_socket().take();
    let (Some(mut socket), Some(end)) = (socket, connection.end.get()) else {
        return;
    };
    match end {
        End::Reset => {
            let _ = socket.set_zero_linger();
        }
        End::Close => {
            let _ = socket.shutdown().await;
            drop(open);
            // Closing with input unread would make the kernel send RST.
            let _ = tokio::time::timeout(LINGER, discard(&mut socket)).await;
        }
    }
}

async fn discard(socket: &mut TcpStream) -> io::Result<()> {
    let mut chunk = [0; 4096];
    while socket.read(&mut chunk).await? > 0 {}
    Ok(())
}

/// The TCP stream: counts what is flushed, and survives the HTTP layer if a fault ends it.
struct Socket {
    stream: Option<TcpStream>,
    connection: Arc<Connection>,
}

impl Socket {
    fn stream(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        self.get_mut().stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn count_written(&self, written: usize) {
        self.connection.written.fetch_add(written as u64, Relaxed);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.connection.end.get().is_some() {
            *self.connection.lock_socket() = self.stream.take();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(self.as_mut().stream()?.poll_write(cx, buf))?;
        self.count_written(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.as_mut().stream()?.poll_write_vectored(cx, bufs))?;
        self.count_written(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().stream()?.poll_flush(cx))?;
        let connection = &self.connection;
        if connection.flushed.receiver_count() > 0 {
            connection.flushed.send_replace(connection.written.load(Relaxed));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}
