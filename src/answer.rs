//! A response in its caller's hands: its body, its events and an AI's answer read from it, whole or while they come.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::body::events::{Event, Format};
use crate::body::pipe::{Pipe, Pulled};
use crate::body::reader::{Plan, Reader};
use crate::body::reply::{Decode, Delta, Reply, ReplyBuilder, cut_short, in_body};
use crate::error::{Detail, Error, Result, Status};
use crate::response::Response;
use crate::runtime::Runtime;

/// A response in its caller's hands: whole, or a stream whose body is still to be read.
pub struct Answer {
    pub response: Response,
    plan: Plan,
    /// Made by the first who reads.
    reader: Mutex<Option<Reader>>,
    /// Made by the first who reads what a client asked for. Boxed, for most answers have none.
    reply_reader: Mutex<Option<Box<ReplyReader>>>,
    stream: Option<BodyStream>,
    made: Instant,
    /// What it is a part of, where its request failed.
    failure: Option<Error>,
}

/// Reads a provider's answer part by part: what came of it so far.
struct ReplyReader {
    builder: ReplyBuilder,
    decoder: Box<dyn Decode>,
    last: Option<Delta>,
    failed: Option<Error>,
    times: PartTimes,
}

/// When the parts of an answer were read.
#[derive(Clone, Copy, Debug, Default)]
pub struct PartTimes {
    /// From the call to the first.
    pub first: Option<Duration>,
    /// The longest between two.
    pub longest: Duration,
    pub count: u64,
    last: Option<Instant>,
}

/// A body under way, and who drives it.
struct BodyStream {
    pipe: Arc<Pipe>,
    runtime: Runtime,
}

impl Drop for BodyStream {
    /// Whoever had the answer has gone, perhaps without a handle to free.
    fn drop(&mut self) {
        self.pipe.abandon();
    }
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
        Answer {
            response,
            plan,
            reader: Mutex::new(None),
            reply_reader: Mutex::new(None),
            stream: None,
            made: Instant::now(),
            failure: None,
        }
    }

    /// What came of a request that failed.
    pub fn of_failure(response: Response, plan: Plan, error: &Error) -> Answer {
        Answer { failure: Some(error.clone()), ..Answer::whole(response, plan) }
    }

    pub fn streaming(response: Response, plan: Plan, pipe: Arc<Pipe>, runtime: Runtime) -> Answer {
        Answer { stream: Some(BodyStream { pipe, runtime }), ..Answer::whole(response, plan) }
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
        self.stream.as_ref().map_or(self.response.body.len() as u64, |stream| stream.pipe.progress().0)
    }

    /// What came behind the body; empty before its end.
    pub fn trailers(&self) -> HeaderMap {
        self.stream.as_ref().map(|stream| stream.pipe.trailers()).unwrap_or_default()
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

    /// Reads the next part of a provider's answer and shows it to `see`, where it stays until the next part is read; waits for
    /// `limit` at most where it has not come yet.
    pub fn next_delta<T>(&self, limit: Duration, see: impl FnOnce(&Delta) -> T) -> Result<Read<T>> {
        let mut reply_reader = self.reply_reader()?;
        let reply_reader = reply_reader.as_mut().ok_or_else(no_client)?;
        let deadline = Instant::now() + limit;
        loop {
            if let Some(delta) = reply_reader.builder.take() {
                self.note(&mut reply_reader.times, &delta);
                return Ok(Read::Got(see(reply_reader.last.insert(delta))));
            }
            if let Some(error) = &reply_reader.failed {
                return Err(error.clone());
            }
            if reply_reader.builder.is_done() {
                return Ok(Read::End);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ReplyReader { builder, decoder, .. } = &mut **reply_reader;
            let decode = |event: Event<'_>| {
                let told = decoder.event(event, builder);
                // What does not parse for want of its end says no more than that.
                if event.incomplete { told.map_err(|_| cut_short()) } else { told }
            };
            let told = match self.next_event(left, decode) {
                Ok(Read::Got(told)) => told,
                Ok(Read::Nothing) if limit.is_zero() => return Ok(Read::Nothing),
                Ok(Read::Nothing) => return Err(waited_in_vain(limit)),
                Ok(Read::End) => {
                    decoder.end(builder).and_then(|()| builder.is_done().then_some(()).ok_or_else(cut_short))
                }
                // The caller's patience is no failure of the answer; some of it went on what told nothing.
                Err(error) if error.detail == Detail::WaitLimit => return Err(waited_in_vain(limit)),
                Err(error) if is_the_callers(&error) => return Err(error),
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                // A later request of the same call may have failed with a status of its own.
                let own = if error.http_status == 0 { self.response.status.as_u16() } else { error.http_status };
                reply_reader.failed = Some(Error { http_status: own, ..error });
            }
            if reply_reader.builder.is_done() {
                self.has_all();
            }
        }
    }

    /// Shows the part read last.
    pub fn last_delta<T>(&self, see: impl FnOnce(&Delta) -> T) -> Result<T> {
        let none = || Error::invalid("response", "no part was read from it yet");
        self.reply_reader()?.as_ref().and_then(|reply_reader| reply_reader.last.as_ref()).map(see).ok_or_else(none)
    }

    /// Shows what has been read of a provider's answer, and when.
    pub fn reply<T>(&self, see: impl FnOnce(&Reply, &PartTimes) -> T) -> Result<T> {
        if let Some(reply) = &self.response.reply {
            return Ok(see(reply, &PartTimes::default()));
        }
        let reply_reader = self.reply_reader()?;
        reply_reader
            .as_ref()
            .map(|reply_reader| see(&reply_reader.builder.reply, &reply_reader.times))
            .ok_or_else(no_client)
    }

    fn reply_reader(&self) -> Result<MutexGuard<'_, Option<Box<ReplyReader>>>> {
        let mut reply_reader = one_at_a_time(&self.reply_reader)?;
        if let (None, Some(dialect)) = (&*reply_reader, &self.plan.dialect) {
            let complete = self.failure.is_none();
            let whole = self.response.reply.as_ref().map(|reply| ReplyBuilder::of(Reply::clone(reply), complete));
            let (builder, decoder, failed) = (whole.unwrap_or_default(), dialect.decoder(), self.failure.clone());
            *reply_reader =
                Some(Box::new(ReplyReader { builder, decoder, last: None, failed, times: PartTimes::default() }));
        }
        Ok(reply_reader)
    }

    fn note(&self, times: &mut PartTimes, delta: &Delta) {
        if matches!(delta, Delta::Usage | Delta::Done) {
            return;
        }
        let now = Instant::now();
        times.count += 1;
        let histograms = self.plan.token_times.as_deref().filter(|_| self.stream.is_some());
        if let Some(last) = times.last.replace(now) {
            times.longest = times.longest.max(now - last);
            histograms.inspect(|all| all.between.count(now - last));
        } else {
            let first = self.response.report.first_byte + (now - self.made);
            times.first = Some(first);
            histograms.inspect(|all| all.first.count(first));
        }
    }

    /// What follows an answer's end is not waited for.
    fn has_all(&self) {
        if let Some(stream) = &self.stream {
            stream.pipe.satisfied();
        }
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
        let Some(BodyStream { pipe, runtime }) = &self.stream else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now());
        let filled = runtime.wait_at_most(poll_fn(|cx| pipe.poll_filled(cx)), left)?;
        filled.ok_or_else(|| waited_in_vain(limit))
    }

    fn reader(&self) -> Result<MutexGuard<'_, Option<Reader>>> {
        one_at_a_time(&self.reader)
    }

    fn new_reader(&self) -> Reader {
        let format = self.plan.format.or_else(|| Format::of(self.response.headers.get(CONTENT_TYPE)));
        let plan = Plan { format, ..self.plan.clone() };
        match &self.stream {
            None => Reader::of_whole(self.response.body.clone(), plan),
            Some(stream) => Reader::of_stream(stream.pipe.clone(), plan),
        }
    }

    /// Its caller gave it up: nobody will read the rest, and who reads now is told.
    pub fn give_up(&self) {
        if let Some(stream) = &self.stream {
            stream.pipe.abandon();
        }
    }
}

fn one_at_a_time<T>(place: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    match place.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => {
            Err(Error::new(Status::Busy, "response: another thread reads it; a response has one reader at a time"))
        }
    }
}

/// The caller's mistake: no failure of the answer.
fn is_the_callers(error: &Error) -> bool {
    matches!(error.status, Status::Busy | Status::InvalidArgument)
}

fn waited_in_vain(limit: Duration) -> Error {
    let message = format!("timeout_ms: {} ms without anything to read; the stream goes on", limit.as_millis());
    in_body(Status::Timeout, message).detail(Detail::WaitLimit)
}

fn no_client() -> Error {
    Error::invalid("response", "is no answer to a client's call; read its body, or ask with aip_client_call()")
}
