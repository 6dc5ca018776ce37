//! Completion queues in C: submitted requests end here, in batches, beside any event loop.

#![allow(non_camel_case_types)]

use std::ptr::null_mut;
use std::time::Duration;

use super::args;
use super::guard::{guard, guard_status};
use super::handle::{self, Kind, Tabled};
use super::pool::aip_pool;
use super::response::aip_response;
use super::status::aip_error;
use crate::cancel::Cancel;
use crate::error::{Detail, Error, Result, Status};
use crate::queue::{Completion, Queue, Waited};
use crate::sys::Uncancellable;

/// Where submitted requests tell what became of them.
pub struct aip_queue {
    _private: [u8; 0],
}

impl Kind for aip_queue {
    const KIND: u64 = 5;
    const NAME: &'static str = "queue";
}

impl Tabled for aip_queue {
    type Object = Queue;

    fn freed(queue: &Self::Object) {
        queue.free();
    }
}

/// In `aip_completion.kind`: a stream's head came; `response` is yours, its body follows.
pub const AIP_COMPLETION_HEAD: u32 = 1;
/// In `aip_completion.kind`: reading the stream is worth while again, after AIP_WOULD_BLOCK.
pub const AIP_COMPLETION_READABLE: u32 = 2;
/// In `aip_completion.kind`: writing the upload is worth while again, after AIP_WOULD_BLOCK.
pub const AIP_COMPLETION_WRITABLE: u32 = 3;
/// In `aip_completion.kind`: the one end of a request: `status` says how, `error` more. For a stream: its body has come whole or
/// failed; what is unread can still be read, and reading it never says AIP_WOULD_BLOCK again.
pub const AIP_COMPLETION_DONE: u32 = 4;

/// One thing that happened to a submitted request.
#[repr(C)]
pub struct aip_completion {
    /// What you submitted it with.
    pub tag: u64,
    /// AIP_COMPLETION_*.
    pub kind: u32,
    /// With AIP_COMPLETION_DONE the request's status; else AIP_OK.
    pub status: i32,
    /// Yours until aip_response_free(): with AIP_COMPLETION_HEAD, and with AIP_COMPLETION_DONE where there is an answer that is no
    /// stream: a whole response, or a provider's refusal; of a call of several requests that may follow a head. Else NULL.
    pub response: *mut aip_response,
    /// Zero.
    pub reserved: [u64; 5],
    /// Written where `status` is not AIP_OK.
    pub error: aip_error,
}

const _: () = assert!(size_of::<aip_completion>() == 320);

/// Makes a completion queue for requests of this pool's sessions. The caller's until aip_queue_free(). Any thread. AIP_LIMIT,
/// AIP_SYSTEM. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_queue_new(pool: *mut aip_pool, queue: *mut *mut aip_queue, error: *mut aip_error) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out_null("queue", queue)? };
        let made = handle::get(pool)?.queue();
        let handle = handle::insert::<aip_queue>(made.clone())?;
        made.keep_a_flag(handle::note_of(handle)).inspect_err(|_| drop(handle::free(handle)))?;
        *out = handle;
        Ok(())
    })
}

/// Takes up to `cap` completions, oldest request first; `*count` says how many. Where there are none it blocks for `timeout_ms`
/// at most, and this thread drives the I/O meanwhile; 0 does not wait, and drives nothing. Many threads may wait at once.
/// AIP_OK with `*count` 0 after aip_queue_wake(). AIP_WOULD_BLOCK where 0 ms were enough; AIP_TIMEOUT (AIP_DETAIL_WAIT_LIMIT) where
/// `timeout_ms` were not; AIP_END when the queue is closed, or its pool freed, and every accepted request's end was taken;
/// AIP_CANCELLED when the queue is freed meanwhile; AIP_LIMIT when there is no room for a response's handle: nothing is lost, free
/// some. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_queue_next(
    queue: *mut aip_queue,
    completions: *mut aip_completion,
    cap: usize,
    timeout_ms: u32,
    count: *mut usize,
    error: *mut aip_error,
) -> i32 {
    guard_status(error, || {
        let queue = handle::get(queue)?;
        // SAFETY: the header's contract.
        let (mut batch, out) = unsafe { (Batch::new(completions, cap)?, args::out("count", count)?) };
        let ended = batch.fill(&queue, Duration::from_millis(timeout_ms.into()))?;
        out.set(batch.filled);
        Ok(ended)
    })
}

/// A descriptor for poll, epoll, kqueue or an event loop: readable exactly as long as aip_queue_next() would not say
/// AIP_WOULD_BLOCK: AIP_END counts too.
/// Yours to close; each call makes another. Never read from it. Any thread. AIP_SYSTEM; AIP_UNSUPPORTED on Windows. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_queue_fd(queue: *mut aip_queue, fd: *mut i32, error: *mut aip_error) -> i32 {
    guard(error, || {
        // SAFETY: the header's contract.
        let out = unsafe { args::out("fd", fd)? };
        out.set(descriptor(&*handle::get(queue)?)?);
        Ok(())
    })
}

/// From now on eight bytes are written to `fd`, a pipe, socket or eventfd of yours, each time the queue stops being empty: for hosts
/// that cannot watch a descriptor of ours. Take until AIP_WOULD_BLOCK after each. It is duplicated, so yours may be closed at any
/// time; a full one is left alone. -1 ends it. Any thread. AIP_INVALID_ARGUMENT; AIP_SYSTEM; AIP_UNSUPPORTED on Windows. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_queue_set_notify_fd(queue: *mut aip_queue, fd: i32, error: *mut aip_error) -> i32 {
    guard(error, || notify(&*handle::get(queue)?, fd))
}

/// Brings one thread back from aip_queue_next(), now waiting or the next that waits, with AIP_OK and no completion.
/// Any thread, and async-signal-safe. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_queue_wake(queue: *mut aip_queue) -> i32 {
    // No guard: it builds messages. Nothing here allocates, locks or panics.
    let _uncancellable = Uncancellable::enter();
    if wake(queue) { Status::Ok as i32 } else { Status::InvalidHandle as i32 }
}

/// Takes no more requests; those accepted go on to their ends, and then aip_queue_next() says AIP_END. Closing twice is AIP_OK.
/// Never blocks. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_queue_close(queue: *mut aip_queue, error: *mut aip_error) -> i32 {
    guard(error, || {
        handle::get(queue)?.close();
        Ok(())
    })
}

/// Gives a queue up: requests under way end, completions nobody took are freed with their responses, and who waits gets
/// AIP_CANCELLED. NULL is AIP_OK. Never blocks. Any thread. Since 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aip_queue_free(queue: *mut aip_queue) -> i32 {
    guard(null_mut(), || handle::free(queue))
}

/// A caller's array on its way to being filled.
/// Fires the queue's flag; false where the handle is not live. Neither locks nor allocates.
fn wake(queue: *const aip_queue) -> bool {
    let mut flag = handle::note(queue);
    while let Some(now) = flag {
        if Cancel::from_id(now).fire() {
            return true;
        }
        // Another took its place; or its pool is gone, and nobody waits.
        flag = match handle::note(queue) {
            next if next == flag => return true,
            next => next,
        };
    }
    false
}

struct Batch {
    places: *mut aip_completion,
    cap: usize,
    filled: usize,
}

impl Batch {
    /// # Safety
    /// `places` has room for `cap` completions for as long as this lives.
    unsafe fn new(places: *mut aip_completion, cap: usize) -> Result<Batch> {
        if places.is_null() || cap == 0 {
            return Err(Error::invalid("completions", "is NULL or cap is 0; give room for one at least"));
        }
        Ok(Batch { places, cap, filled: 0 })
    }

    fn fill(&mut self, queue: &Queue, limit: Duration) -> Result<Status> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            let most = self.cap;
            let mut refused = None;
            queue.take(most, |tag, completion| self.put(tag, completion, &mut refused));
            match refused {
                _ if self.filled > 0 => return Ok(Status::Ok),
                Some(error) => return Err(error),
                None => {}
            }
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            match queue.wait(left)? {
                Waited::News => {}
                Waited::Woken => return Ok(Status::Ok),
                Waited::Over => return Ok(Status::End),
                Waited::RanOut if limit.is_zero() => return Ok(Status::WouldBlock),
                Waited::RanOut => return Err(ran_out(limit)),
            }
        }
    }

    /// Writes one completion; without room for a response's handle it stays where it was.
    fn put(
        &mut self,
        tag: u64,
        completion: Completion,
        refused: &mut Option<Error>,
    ) -> std::result::Result<(), Completion> {
        let mut no_room = |full, back| {
            *refused = Some(full);
            Err(back)
        };
        let mut response = null_mut();
        let (kind, outcome) = match completion {
            Completion::Head(answer) => match handle::insert::<aip_response>(answer.clone()) {
                Ok(handle) => {
                    response = handle;
                    (AIP_COMPLETION_HEAD, Ok(()))
                }
                Err(full) => return no_room(full, Completion::Head(answer)),
            },
            Completion::Readable => (AIP_COMPLETION_READABLE, Ok(())),
            Completion::Writable => (AIP_COMPLETION_WRITABLE, Ok(())),
            Completion::Done(outcome, None) => (AIP_COMPLETION_DONE, outcome),
            Completion::Done(outcome, Some(answer)) => match handle::insert::<aip_response>(answer.clone()) {
                Ok(handle) => {
                    response = handle;
                    (AIP_COMPLETION_DONE, outcome)
                }
                Err(full) => return no_room(full, Completion::Done(outcome, Some(answer))),
            },
        };
        let status = outcome.as_ref().map_or_else(|error| error.status as i32, |()| 0);
        // SAFETY: `filled` is below `cap`, and `new` was promised room.
        unsafe {
            let place = self.places.add(self.filled);
            (&raw mut (*place).tag).write(tag);
            (&raw mut (*place).kind).write(kind);
            (&raw mut (*place).status).write(status);
            (&raw mut (*place).response).write(response);
            (&raw mut (*place).reserved).write([0; 5]);
            if let Err(error) = &outcome {
                (&raw mut (*place).error).write(aip_error::from(error));
            }
        }
        self.filled += 1;
        Ok(())
    }
}

fn ran_out(limit: Duration) -> Error {
    let message = format!("timeout_ms: nothing happened for {} ms; what was submitted goes on", limit.as_millis());
    Error::new(Status::Timeout, message).detail(Detail::WaitLimit)
}

#[cfg(unix)]
fn descriptor(queue: &Queue) -> Result<i32> {
    use std::os::fd::IntoRawFd;
    Ok(queue.descriptor()?.into_raw_fd())
}

#[cfg(unix)]
fn notify(queue: &Queue, fd: i32) -> Result<()> {
    use std::os::fd::BorrowedFd;
    if fd < -1 {
        return Err(Error::invalid("fd", format_args!("is {fd}; pass an open descriptor, or -1 for none")));
    }
    // SAFETY: not -1; a number that is no open descriptor fails when it is duplicated, at once.
    queue.notify((fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) }))
}

#[cfg(not(unix))]
fn descriptor(_: &Queue) -> Result<i32> {
    Err(Error::new(Status::Unsupported, "fd: there are none on this system; wait in aip_queue_next()"))
}

#[cfg(not(unix))]
fn notify(_: &Queue, _: i32) -> Result<()> {
    Err(Error::new(Status::Unsupported, "fd: there are none on this system; wait in aip_queue_next()"))
}
