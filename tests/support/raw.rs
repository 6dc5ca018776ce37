//! Servers that say exactly what a test scripts, byte for byte.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::PATIENCE;
use super::counter::Counter;

/// A server whose every connection is a run of its script on a thread of its own. A test in which one broke fails.
pub struct RawServer {
    pub http: String,
    pub counts: Counts,
    ended: Arc<AtomicBool>,
}

/// What the scripts saw.
#[derive(Clone, Default)]
pub struct Counts {
    pub accepted: Counter,
    /// Connections whose script ended, in whatever way.
    pub ended: Counter,
    /// Of these, whose script panicked or waited in vain for its client.
    pub broken: Counter,
    /// Requests read whole, by the helpers that say so.
    pub requests: Counter,
}

/// One accepted connection in the hands of its script.
pub struct Conn {
    pub stream: TcpStream,
    /// 1 for the server's first connection.
    pub serial: usize,
    pub counts: Counts,
}

impl RawServer {
    /// Starts a server that runs `script` on each connection. A script ends by an error when its client is gone.
    pub fn start(script: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static) -> RawServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let http = format!("http://{}", listener.local_addr().unwrap());
        let (counts, ended) = (Counts::default(), Arc::new(AtomicBool::new(false)));
        let server = RawServer { http, counts: counts.clone(), ended: ended.clone() };
        std::thread::spawn(move || serve(&listener, &Arc::new(script), &counts, &ended));
        server
    }

    /// Answers every request with 200 and `ok`, on connections that it keeps.
    pub fn answering() -> RawServer {
        RawServer::start(Conn::answer_all)
    }

    /// Waits until `count` scripts have ended, each as it should.
    pub fn wait_ended(&self, count: usize) {
        self.counts.ended.wait(count);
        self.assert_none_broke();
    }

    fn assert_none_broke(&self) {
        assert_eq!(self.counts.broken.get(), 0, "scripts panicked, or waited for their client in vain");
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which ends.
        let _ = TcpStream::connect(self.http.strip_prefix("http://").unwrap());
        if !std::thread::panicking() {
            self.assert_none_broke();
        }
    }
}

type Script = dyn Fn(&mut Conn) -> io::Result<()> + Send + Sync;

fn serve(
    listener: &TcpListener,
    script: &Arc<impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static>,
    counts: &Counts,
    ended: &AtomicBool,
) {
    for stream in listener.incoming().map_while(Result::ok) {
        if ended.load(Ordering::SeqCst) {
            return;
        }
        stream.set_nodelay(true).unwrap();
        // A client that never comes back fails its script, it does not hang the thread.
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let serial = counts.accepted.add(1);
        let (script, counts): (Arc<Script>, _) = (script.clone(), counts.clone());
        std::thread::spawn(move || {
            let mut conn = Conn { stream, serial, counts };
            let outcome = catch_unwind(AssertUnwindSafe(|| script(&mut conn)));
            let counts = conn.counts.clone();
            drop(conn);
            if outcome.map_or(true, |ended| ended.is_err_and(|error| is_timeout(&error))) {
                counts.broken.add(1);
            }
            counts.ended.add(1);
        });
    }
}

/// Whether a read or write met the socket's limit; each system has its own word for it.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl Conn {
    /// Reads to the end of a request's head. An error when the client closed instead.
    pub fn read_head(&mut self) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&head).to_lowercase())
    }

    /// Reads a request with its body, if that has a length, and counts it.
    pub fn read_request(&mut self) -> io::Result<()> {
        let head = self.read_head()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        self.counts.requests.add(1);
        Ok(())
    }

    /// A whole answer, 200, that keeps the connection.
    pub fn answer(&mut self, body: &str) -> io::Result<()> {
        self.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    }

    /// Answers `ok` to whatever comes, until the client is gone.
    pub fn answer_all(&mut self) -> io::Result<()> {
        loop {
            self.read_request()?;
            self.answer("ok")?;
        }
    }

    pub fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Closes with RST.
    pub fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        Err(io::ErrorKind::ConnectionReset.into())
    }

    /// Closes the server's way with FIN.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// Reads, whatever comes, until the client closed.
    pub fn wait_closed(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }

    /// Closes with FIN, then reads until the client closed: with bytes unread the kernel would reset the connection, which
    /// takes back what was said.
    pub fn finish_and_wait(&mut self) -> io::Result<()> {
        self.finish()?;
        self.wait_closed()
    }
}
