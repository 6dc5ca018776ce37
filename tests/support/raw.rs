//! Servers that say exactly what a test scripts, byte for byte.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::counter::Counter;
use super::server::PATIENCE;

/// A server whose every connection is a run of its script on a thread of its own.
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
    /// Requests read, by the helpers below.
    pub requests: Counter,
    /// Connections that the client closed, seen by `wait_closed`.
    pub closed: Counter,
}

/// One accepted connection in the hands of its script.
pub struct Conn {
    pub stream: TcpStream,
    /// 1 for the server's first connection.
    pub serial: usize,
    pub counts: Counts,
}

/// A request as it came.
pub struct Seen {
    pub head: String,
    pub body: Vec<u8>,
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

    /// Answers every request with 200 and its own number, on connections that it keeps.
    pub fn answering() -> RawServer {
        RawServer::start(|conn| {
            loop {
                conn.read_request()?;
                conn.answer("ok")?;
            }
        })
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which ends.
        let _ = TcpStream::connect(self.http.strip_prefix("http://").unwrap());
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
            let _ = script(&mut conn);
            let ended = conn.counts.ended.clone();
            drop(conn);
            ended.add(1);
        });
    }
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
    pub fn read_request(&mut self) -> io::Result<Seen> {
        let head = self.read_head()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.stream.read_exact(&mut body)?;
        self.counts.requests.add(1);
        Ok(Seen { head, body })
    }

    /// A whole answer, 200, that keeps the connection.
    pub fn answer(&mut self, body: &str) -> io::Result<()> {
        self.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
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

    /// Reads, whatever comes, until the client closed, and counts that.
    pub fn wait_closed(&mut self) -> io::Result<()> {
        let mut waste = [0; 16 << 10];
        loop {
            match self.stream.read(&mut waste) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break,
                Err(error) => return Err(error),
            }
        }
        self.counts.closed.add(1);
        Ok(())
    }
}
