//! What a caller holds after the exchange: status, headers, body, and how they came.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode, Version};

use crate::body::events::{Event, Format};
use crate::body::pipe::{Pipe, Pulled};
use crate::body::reader::{Plan, Reader};
use crate::connections::Connection;
use crate::error::{Delivery, Detail, Error, Phase, Result, Status};
use crate::runtime::Runtime;
use crate::transport::link::{DialTimes, TlsFacts};

/// A whole response; its parts never change.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub report: Report,
}

/// How a response came.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub remote: Option<SocketAddr>,
    /// Names the connection in its pool; 0 where reqwest carried it.
    pub connection: u64,
    /// Whether the connection was open before the request.
    pub reused: bool,
    /// How often the request went out, the last time included.
    pub attempts: u32,
    pub redirects: u32,
    /// Nobody checked the server's certificate.
    pub insecure: bool,
    pub tls: Option<TlsFacts>,
    /// Waiting for a connection, dials not counted.
    pub queue: Duration,
    /// The dial that was waited for.
    pub dial: DialTimes,
    /// From the call to the head.
    pub first_byte: Duration,
    /// From the call to the end of the body.
    pub total: Duration,
}

impl Report {
    /// A wait for a connection is over: the dial's part of it, where there was one, and the rest.
    pub fn waited(&mut self, waited: Duration, dial: &DialTimes, reused: bool) {
        let dialed = if reused { Duration::ZERO } else { dial.dns + dial.connect + dial.tls };
        self.queue += waited.saturating_sub(dialed);
        if !reused {
            self.dial = *dial;
        }
    }

    pub fn over(&mut self, connection: &Connection, reused: bool) {
        self.connection = connection.id;
        self.reused = reused;
        self.tls = connection.facts.tls;
        self.insecure = connection.facts.insecure;
    }
}

impl Response {
    /// 10, 11 or 20.
    pub fn version_number(&self) -> u32 {
        match self.version {
            Version::HTTP_2 => 20,
            Version::HTTP_11 => 11,
            _ => 10,
        }
    }
}

/// A response in its caller's hands: whole, or a stream whose body is still to be read.
pub struct Answer {
    pub response: Response,
    plan: Plan,
    /// Made by the first who reads.
    reader: Mutex<Option<Reader>>,
    stream: Option<Coming>,
}

/// A body under way, and who drives it.
struct Coming {
    pipe: Arc<Pipe>,
    runtime: Runtime,
}

/// What a reading call came to.
#[derive(Debug)]
pub enum Read<T> {
    Got(T),
    /// Nothing now, and the caller would not wait.
    Nothing,
    End,
}

impl Answer {
    pub fn whole(response: Response, plan: Plan) -> Answer {
        Answer { response, plan, reader: Mutex::new(None), stream: None }
    }

    pub fn streaming(response: Response, plan: Plan, pipe: Arc<Pipe>, runtime: Runtime) -> Answer {
        Answer { response, plan, reader: Mutex::new(None), stream: Some(Coming { pipe, runtime }) }
    }

    /// The whole body; a stream has none.
    pub fn body(&self) -> Result<&Bytes> {
        match self.stream {
            None => Ok(&self.response.body),
            Some(_) => Err(Error::invalid("response", "is a stream; read it with aip_response_read() or next_event()")),
        }
    }

    /// Bytes of the body that have come so far.
    pub fn received(&self) -> u64 {
        self.stream.as_ref().map_or(self.response.body.len() as u64, |coming| coming.pipe.progress().0)
    }

    /// What came behind the body; empty before its end.
    pub fn trailers(&self) -> HeaderMap {
        self.stream.as_ref().map(|coming| coming.pipe.trailers()).unwrap_or_default()
    }

    /// Copies the next bytes to `buf`; waits for `limit` at most where there are none yet.
    pub fn read(&self, buf: &mut [u8], limit: Duration) -> Result<Read<usize>> {
        if buf.is_empty() {
            return Err(Error::invalid("cap", "is 0; give room for one byte at least"));
        }
        self.reading(limit, |reader| reader.read(buf))
    }

    /// Reads the next event and shows it to `see`; waits for `limit` at most where it has not come yet.
    pub fn next_event<T>(&self, limit: Duration, mut see: impl FnMut(Event<'_>) -> T) -> Result<Read<T>> {
        self.reading(limit, |reader| {
            let read = reader.next_event()?;
            Ok(match (read, reader.event()) {
                (Pulled::Got(()), Some(event)) => Pulled::Got(see(event)),
                (Pulled::Nothing, _) => Pulled::Nothing,
                _ => Pulled::End,
            })
        })
    }

    /// Shows the event read last.
    pub fn last_event<T>(&self, see: impl FnOnce(Event<'_>) -> T) -> Result<T> {
        let none = || Error::invalid("response", "no event was read from it yet");
        self.reader()?.as_ref().and_then(Reader::event).map(see).ok_or_else(none)
    }

    fn reading<T>(&self, limit: Duration, mut step: impl FnMut(&mut Reader) -> Result<Pulled<T>>) -> Result<Read<T>> {
        let mut reader = self.reader()?;
        let reader = reader.get_or_insert_with(|| self.new_reader());
        let deadline = Instant::now() + limit;
        loop {
            match step(reader)? {
                Pulled::Got(got) => return Ok(Read::Got(got)),
                Pulled::End => return Ok(Read::End),
                Pulled::Nothing if limit.is_zero() => return Ok(Read::Nothing),
                Pulled::Nothing => self.wait_until(deadline, limit)?,
            }
        }
    }

    /// Waits until the stream is worth reading.
    fn wait_until(&self, deadline: Instant, limit: Duration) -> Result<()> {
        let Some(Coming { pipe, runtime }) = &self.stream else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now());
        let filled = runtime.wait_at_most(poll_fn(|cx| pipe.poll_filled(cx)), left)?;
        filled.ok_or_else(|| {
            let message = format!("timeout_ms: {} ms without anything to read; the stream goes on", limit.as_millis());
            Error::new(Status::Timeout, message)
                .detail(Detail::WaitLimit)
                .phase(Phase::Body)
                .delivery(Delivery::ResponseStarted)
        })
    }

    fn reader(&self) -> Result<MutexGuard<'_, Option<Reader>>> {
        match self.reader.try_lock() {
            Ok(reader) => Ok(reader),
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(Error::new(Status::Busy, "response: another thread reads it; a response has one reader at a time"))
            }
        }
    }

    fn new_reader(&self) -> Reader {
        let format = self.plan.format.or_else(|| Format::of(self.response.headers.get(CONTENT_TYPE)));
        let plan = Plan { format, ..self.plan.clone() };
        match &self.stream {
            None => Reader::of_whole(self.response.body.clone(), plan),
            Some(coming) => Reader::of_stream(coming.pipe.clone(), plan),
        }
    }

    /// Its caller gave it up: nobody will read the rest, and who reads now is told.
    pub fn give_up(&self) {
        if let Some(coming) = &self.stream {
            coming.pipe.abandon();
        }
    }
}
