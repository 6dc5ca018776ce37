//! A request's body that its caller pushes while it goes out.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Budget;
use super::pipe::{Pipe, ReadinessListener};
use crate::error::{Detail, Error, Phase, Result, Status};
use crate::runtime::{Runtime, sleep_at_most};

/// How much of it may wait for the wire.
const MOST_WAITING: usize = 256 << 10;

/// What a write came to.
pub enum Written {
    /// So many bytes.
    Taken(usize),
    /// There is no room, and the caller would not wait.
    Nothing,
}

/// One upload, for one request.
pub struct Upload {
    pub pipe: Arc<Pipe>,
    /// In bytes, where it is known before: then it is sent as content-length, and held to.
    pub length: Option<u64>,
    /// Of the request that carries it.
    runtime: OnceLock<Runtime>,
}

impl Upload {
    pub fn new(length: Option<u64>) -> Upload {
        Upload { pipe: Pipe::new(MOST_WAITING, Arc::<Budget>::default()), length, runtime: OnceLock::new() }
    }

    /// It becomes the body of a request: of one only.
    pub fn give_to_a_request(&self, runtime: Runtime) -> Result<()> {
        let taken = |_| Error::invalid("upload", "belongs to another request already; make one for each");
        self.runtime.set(runtime).map_err(taken)
    }

    pub fn tell(&self, listener: Arc<dyn ReadinessListener>) {
        self.pipe.tell(listener);
    }

    /// Takes what fits: how much that was.
    pub fn write(&self, bytes: &[u8]) -> Result<usize> {
        self.pipe.offer(bytes, self.length)
    }

    /// As `write`; where nothing fits, waits for `limit` at most.
    pub fn write_within(&self, bytes: &[u8], limit: Duration) -> Result<Written> {
        let deadline = Instant::now() + limit;
        loop {
            let taken = self.write(bytes)?;
            if taken > 0 || bytes.is_empty() {
                return Ok(Written::Taken(taken));
            }
            if limit.is_zero() {
                return Ok(Written::Nothing);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let writable = poll_fn(|cx| self.poll_writable(cx));
            let ready = match self.runtime.get() {
                Some(runtime) => runtime.wait_at_most(writable, left)?,
                None => sleep_at_most(writable, left),
            };
            if ready.is_none() {
                let message = format!("timeout_ms: no room for {} ms; the upload goes on", limit.as_millis());
                return Err(Error::new(Status::Timeout, message).detail(Detail::WaitLimit).phase(Phase::Send));
            }
        }
    }

    /// Ready when `write` would take something, or has something to say.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.pipe.end_so_far().is_some() {
            return Poll::Ready(());
        }
        self.pipe.poll_room(cx).map(|_| ())
    }

    /// All has been written. Less than was said is refused, and the upload goes on.
    pub fn finish(&self) -> Result<()> {
        let (passed, _) = self.pipe.progress();
        let missing = self.length.map_or(0, |length| length - passed);
        if missing > 0 {
            return Err(Error::invalid(
                "upload",
                format_args!("is {missing} bytes short of its length; write them first"),
            ));
        }
        if self.pipe.finish(Ok(())) { Ok(()) } else { Err(Error::invalid("upload", "was finished already")) }
    }

    /// Its caller gave it up: a request that waits for more of it fails.
    pub fn give_up(&self) {
        let message = "upload: was freed before it was finished, so the request's body is not whole";
        self.pipe.finish(Err(Error::new(Status::Cancelled, message)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn two_writers_do_not_go_beyond_the_length_together() {
        for _ in 0..2000 {
            let (upload, together) = (Upload::new(Some(4)), Barrier::new(2));
            let write = || {
                together.wait();
                upload.write(b"abc").is_ok()
            };
            let both = std::thread::scope(|scope| {
                let one = scope.spawn(write);
                (write(), one.join().unwrap())
            });
            assert!(both.0 != both.1, "{both:?}");
            assert_eq!(upload.pipe.progress().0, 3);
        }
    }
}
