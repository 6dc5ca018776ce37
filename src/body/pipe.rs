//! A bounded buffer with backpressure: a response's body on its way to its reader, an upload on its way to the wire.
//!
//! A source fills it, a drain empties it. One of the two is a caller, who may ask without waiting and be told when it is worth
//! asking again.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::Budget;
use crate::error::{Error, Result, Status};
use crate::lock::lock;

/// The caller at one end. Called from whatever thread moves the other: it must not block.
pub trait ReadinessListener: Send + Sync {
    /// The last ask found nothing to do; now there is something.
    fn on_ready(&self);
}

/// Bytes in order, bounded, then an end.
pub struct Pipe {
    most: usize,
    budget: Arc<Budget>,
    state: Mutex<PipeState>,
}

#[derive(Default)]
struct PipeState {
    bytes: BytesMut,
    /// Bytes that ever went in.
    passed: u64,
    end: Option<Result<()>>,
    trailers: HeaderMap,
    /// The drain left: what goes in goes nowhere.
    abandoned: bool,
    /// It left because it has all it wants.
    satisfied: bool,
    /// A source that waits for room, and one that only minds the drain's leaving.
    source: Option<Waker>,
    minding: Option<Waker>,
    drain: Option<Waker>,
    listener: Option<Arc<dyn ReadinessListener>>,
    armed: bool,
}

/// What came of an ask at the drain.
#[derive(Debug)]
pub enum Pulled<T> {
    Got(T),
    /// Nothing now.
    Nothing,
    /// Nothing ever again.
    End,
}

impl Pipe {
    pub fn new(most: usize, budget: Arc<Budget>) -> Arc<Pipe> {
        Arc::new(Pipe { most, budget, state: Mutex::default() })
    }

    /// From now on `listener` hcalls when an ask in vain is worth repeating.
    pub fn tell(&self, listener: Arc<dyn ReadinessListener>) {
        lock(&self.state).listener = Some(listener);
    }

    /// Bytes that ever went in, and of these how many are still here.
    pub fn progress(&self) -> (u64, usize) {
        let state = lock(&self.state);
        (state.passed, state.bytes.len())
    }

    /// Whether nothing has been taken out of it.
    pub fn is_untouched(&self) -> bool {
        let (passed, held) = self.progress();
        passed == held as u64
    }

    /// Whether all that went in is out, and more may come.
    pub fn is_empty_for_now(&self) -> bool {
        let state = lock(&self.state);
        state.bytes.is_empty() && state.end.is_none()
    }

    pub fn trailers(&self) -> HeaderMap {
        lock(&self.state).trailers.clone()
    }

    /// How it ended, where it has.
    pub fn end_so_far(&self) -> Option<Result<()>> {
        lock(&self.state).end.clone()
    }

    // ---- At the source ----

    /// Ready when there is room, or when nobody wants what would go in: false then.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut state = lock(&self.state);
        if state.abandoned {
            return Poll::Ready(false);
        }
        let held = state.bytes.len();
        if held < self.most && (held == 0 || self.budget.has_room(cx.waker())) {
            return Poll::Ready(true);
        }
        keep(&mut state.source, cx);
        Poll::Pending
    }

    /// Ready when the drain has left.
    pub fn poll_abandoned(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if state.abandoned {
            return Poll::Ready(());
        }
        keep(&mut state.minding, cx);
        Poll::Pending
    }

    /// Takes all of `bytes`: for a source that asked for room first.
    pub fn push(&self, bytes: &[u8]) {
        let mut state = lock(&self.state);
        if state.abandoned || bytes.is_empty() {
            return;
        }
        self.budget.take(bytes.len());
        state.bytes.extend_from_slice(bytes);
        state.passed += bytes.len() as u64;
        wake_drain(state);
    }

    /// For a caller: takes what fits, and how much that was. Nothing where it is full, then it is told of room. `length` is that of
    /// the whole, where it has one.
    pub fn offer(&self, bytes: &[u8], length: Option<u64>) -> Result<usize> {
        let mut state = lock(&self.state);
        if let Some(length) = length.filter(|length| state.passed + bytes.len() as u64 > *length) {
            return Err(Error::invalid("data", format_args!("goes beyond the upload's length of {length} bytes")));
        }
        if let Some(end) = &state.end {
            return Err(end.as_ref().err().cloned().unwrap_or_else(already_finished));
        }
        if state.abandoned {
            return Err(Error::new(Status::Closed, "upload: its request has ended; nobody takes more of it"));
        }
        let taken = bytes.len().min(self.most - state.bytes.len().min(self.most));
        if taken == 0 {
            state.armed = !bytes.is_empty();
            return Ok(0);
        }
        self.budget.take(taken);
        state.bytes.extend_from_slice(&bytes[..taken]);
        state.passed += taken as u64;
        wake_drain(state);
        Ok(taken)
    }

    /// Nothing more will come. The first end stays; false when this is not it.
    pub fn finish(&self, end: Result<()>) -> bool {
        self.finish_with(end, HeaderMap::new())
    }

    pub fn finish_with(&self, end: Result<()>, trailers: HeaderMap) -> bool {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return false;
        }
        (state.end, state.trailers) = (Some(end), trailers);
        wake_drain(state);
        true
    }

    // ---- At the drain ----

    /// Gives `take` what is here: how many bytes it took, and what it made of them. It takes nothing where that is not enough
    /// for anything: then it has seen all there is.
    pub fn pull<T>(&self, take: impl FnOnce(&[u8]) -> (usize, T)) -> Result<Pulled<T>> {
        let mut state = lock(&self.state);
        if state.satisfied {
            return Ok(Pulled::End);
        }
        if state.abandoned {
            return Err(Error::new(Status::Cancelled, "response: was freed while it was read"));
        }
        if state.bytes.is_empty() {
            return match &state.end {
                None => {
                    state.armed = true;
                    Ok(Pulled::Nothing)
                }
                Some(Ok(())) => Ok(Pulled::End),
                Some(Err(error)) => Err(error.clone()),
            };
        }
        let (taken, made) = take(&state.bytes);
        state.bytes.advance(taken);
        self.budget.give_back(taken);
        self.wake_source(state);
        Ok(Pulled::Got(made))
    }

    /// For the wire: the next bytes of an upload, `most` at the most.
    pub fn poll_pull(&self, most: usize, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let mut state = lock(&self.state);
        if state.bytes.is_empty() {
            return match &state.end {
                None => {
                    keep(&mut state.drain, cx);
                    Poll::Pending
                }
                Some(end) => Poll::Ready(end.clone().map(|()| None)),
            };
        }
        let length = most.min(state.bytes.len());
        let piece = state.bytes.split_to(length).freeze();
        self.budget.give_back(length);
        self.wake_source(state);
        Poll::Ready(Ok(Some(piece)))
    }

    /// Ready when an ask is worth while: bytes, an end, or no more use in waiting.
    pub fn poll_filled(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.state);
        if !state.bytes.is_empty() || state.end.is_some() || state.abandoned {
            return Poll::Ready(());
        }
        keep(&mut state.drain, cx);
        Poll::Pending
    }

    /// The drain has all it wants, and leaves: what may follow is nothing to anybody, and the end is a good one.
    pub fn satisfied(&self) {
        let mut state = lock(&self.state);
        state.satisfied |= !state.abandoned;
        self.leave(state);
    }

    /// Whether the drain left because it had all it wanted.
    pub fn is_satisfied(&self) -> bool {
        lock(&self.state).satisfied
    }

    /// The drain leaves: what is here and what would come is of no use.
    pub fn abandon(&self) {
        self.leave(lock(&self.state));
    }

    fn leave(&self, mut state: MutexGuard<'_, PipeState>) {
        if std::mem::replace(&mut state.abandoned, true) {
            return;
        }
        self.budget.give_back(state.bytes.len());
        state.bytes = BytesMut::new();
        let (source, minding, drain) = (state.source.take(), state.minding.take(), state.drain.take());
        wake(state, source);
        minding.into_iter().chain(drain).for_each(Waker::wake);
    }

    /// There is room again: enough of it, so that neither end works in crumbs.
    fn wake_source(&self, mut state: MutexGuard<'_, PipeState>) {
        if state.bytes.len() <= self.most / 2 {
            let source = state.source.take();
            wake(state, source);
        }
    }
}

fn wake_drain(mut state: MutexGuard<'_, PipeState>) {
    let drain = state.drain.take();
    wake(state, drain);
}

/// Wakes the other end, and tells the caller where that one asked in vain. Both without the lock.
fn wake(mut state: MutexGuard<'_, PipeState>, other: Option<Waker>) {
    let listener = if std::mem::take(&mut state.armed) { state.listener.clone() } else { None };
    drop(state);
    if let Some(other) = other {
        other.wake();
    }
    if let Some(listener) = listener {
        listener.on_ready();
    }
}

fn keep(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

fn already_finished() -> Error {
    Error::invalid("upload", "was finished already; nothing can follow its end")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Calls(AtomicUsize);

    impl ReadinessListener for Calls {
        fn on_ready(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn pipe(most: usize) -> (Arc<Pipe>, Arc<Calls>) {
        let (pipe, calls) = (Pipe::new(most, Arc::default()), Arc::<Calls>::default());
        pipe.tell(calls.clone());
        (pipe, calls)
    }

    fn all(bytes: &[u8]) -> (usize, Vec<u8>) {
        (bytes.len(), bytes.to_vec())
    }

    #[test]
    fn a_reader_is_told_once_for_each_ask_in_vain() {
        let (pipe, calls) = pipe(100);
        pipe.push(b"before anybody asked");
        assert!(matches!(pipe.pull(all), Ok(Pulled::Got(_))));
        assert!(matches!(pipe.pull(all), Ok(Pulled::Nothing)));
        pipe.push(b"a");
        pipe.push(b"b");
        assert_eq!(calls.0.load(Ordering::SeqCst), 1);
        assert!(matches!(pipe.pull(all), Ok(Pulled::Got(bytes)) if bytes == b"ab"));
        assert!(matches!(pipe.pull(all), Ok(Pulled::Nothing)));
        pipe.finish(Ok(()));
        assert_eq!(calls.0.load(Ordering::SeqCst), 2);
        assert!(matches!(pipe.pull(all), Ok(Pulled::End)));
    }

    #[test]
    fn a_writer_takes_turns_with_the_wire() {
        let (pipe, calls) = pipe(10);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(pipe.offer(b"0123456789abc", None).unwrap(), 10);
        assert_eq!((pipe.offer(b"abc", None).unwrap(), calls.0.load(Ordering::SeqCst)), (0, 0));
        assert!(matches!(pipe.poll_pull(4, &mut cx), Poll::Ready(Ok(Some(piece))) if piece == "0123"[..]));
        assert_eq!(calls.0.load(Ordering::SeqCst), 0, "six of ten are still there");
        assert!(matches!(pipe.poll_pull(4, &mut cx), Poll::Ready(Ok(Some(_)))));
        assert_eq!((calls.0.load(Ordering::SeqCst), pipe.offer(b"abc", None).unwrap()), (1, 3));
        assert!(pipe.finish(Ok(())) && !pipe.finish(Ok(())));
        assert_eq!(pipe.offer(b"late", None).unwrap_err().status, Status::InvalidArgument);
    }

    #[test]
    fn what_the_drain_leaves_is_given_back_to_the_budget() {
        let budget = Arc::new(Budget::default());
        let pipe = Pipe::new(100, budget.clone());
        pipe.push(&[0; 60]);
        pipe.abandon();
        pipe.push(&[0; 60]);
        assert_eq!(budget.used(), 0);
        assert!(matches!(pipe.poll_room(&mut Context::from_waker(Waker::noop())), Poll::Ready(false)));
        assert_eq!(pipe.pull(all).unwrap_err().status, Status::Cancelled);
    }
}
