//! Moves on one queue, two bytes each, through the C functions: shared by tests/queue_moves.rs and the fuzz target. Whatever
//! they are, each accepted request ends once, and the descriptor says whether there is something.

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};

use aipool::error::Status;
use aipool::ffi::cancel::{aip_cancel, aip_cancel_fire, aip_cancel_free, aip_cancel_new};
use aipool::ffi::pool::{aip_pool, aip_pool_free, aip_pool_get_session, aip_pool_new};
use aipool::ffi::queue::*;
use aipool::ffi::request::{AIP_REQUEST_STREAM, aip_request, aip_request_init};
use aipool::ffi::response::{aip_response, aip_response_free, aip_response_read};
use aipool::ffi::session::{aip_session, aip_session_free, aip_session_submit};

use super::server;

const MOST_MOVES: usize = 200;
/// Longer than anything here takes.
const PATIENCE_MS: u32 = 20_000;
const OK: i32 = Status::Ok as i32;
/// Nobody listens there.
const REFUSED: &str = "http://127.0.0.1:1/";

/// Makes all moves, then lets everything end.
pub fn play(moves: &[u8]) {
    let mut game = Game::begin();
    for pair in moves.chunks_exact(2).take(MOST_MOVES) {
        game.make(pair[0], pair[1]);
    }
    game.finish(true);
    game.end();
}

struct Game {
    pool: *mut aip_pool,
    session: *mut aip_session,
    queue: *mut aip_queue,
    cancel: *mut aip_cancel,
    streams: Vec<*mut aip_response>,
    /// Requests that the queue has taken and not ended, and whether their head came.
    under_way: HashMap<u64, bool>,
    next_tag: u64,
    descriptor: Option<OwnedFd>,
    /// Wakes that may still bring a call back: many at once count as one.
    wakes: usize,
}

impl Game {
    fn begin() -> Game {
        let mut game = Game {
            pool: null_mut(),
            session: null_mut(),
            queue: null_mut(),
            cancel: null_mut(),
            streams: Vec::new(),
            under_way: HashMap::new(),
            next_tag: 0,
            descriptor: None,
            wakes: 0,
        };
        game.set_up_pool();
        game.set_up_queue();
        game
    }

    fn make(&mut self, what: u8, how: u8) {
        match what % 16 {
            0..4 => self.submit(how),
            4..8 => drop(self.next(usize::from(how % 4) + 1, u32::from(how >> 7))),
            8 => self.cancel(),
            9 => self.wake(),
            10 | 11 => self.read(how),
            12 => self.open_descriptor(),
            13 => self.free_stream(how),
            14 => self.end_queue(how),
            _ => self.misuse(how),
        }
    }

    fn submit(&mut self, how: u8) {
        let url = [REFUSED, "/small", "/large", "/held"][usize::from(how % 4)];
        let mut request = MaybeUninit::<aip_request>::uninit();
        // SAFETY: as large as it is said to be; then every field is set.
        let mut request = unsafe {
            aip_request_init(request.as_mut_ptr(), size_of::<aip_request>());
            request.assume_init()
        };
        (request.url, request.url_len) = (url.as_ptr().cast(), url.len());
        request.flags = if how & 0x10 == 0 { 0 } else { AIP_REQUEST_STREAM };
        // What is held ends by its cancel alone.
        if how % 4 == 3 || how & 0x20 != 0 {
            request.cancel = self.cancel;
        }
        self.next_tag += 1;
        // SAFETY: all of the request lives.
        let status =
            unsafe { aip_session_submit(self.session, &raw const request, self.queue, self.next_tag, null_mut()) };
        if status == OK {
            self.under_way.insert(self.next_tag, false);
        }
    }

    /// What aip_queue_next() said.
    fn next(&mut self, most: usize, timeout_ms: u32) -> i32 {
        let mut batch = [const { MaybeUninit::<aip_completion>::uninit() }; 4];
        let mut count = 99;
        // SAFETY: room for as many as asked for.
        let status = unsafe {
            aip_queue_next(self.queue, batch.as_mut_ptr().cast(), most, timeout_ms, &raw mut count, null_mut())
        };
        if status == OK {
            if count == 0 {
                self.wakes = self.wakes.checked_sub(1).expect("nothing is there, so there was a wake");
            }
            // SAFETY: so many were written; the error is not looked at.
            batch[..count].iter().for_each(|one| self.told(unsafe { &*one.as_ptr() }));
        }
        if status == Status::WouldBlock as i32 && self.under_way.is_empty() && self.wakes == 0 {
            assert!(!self.is_readable(), "drained, it clears itself");
        }
        status
    }

    fn told(&mut self, completion: &aip_completion) {
        let headed = self.under_way.get_mut(&completion.tag).expect("of a request that is under way");
        match completion.kind {
            AIP_COMPLETION_HEAD => {
                assert!(!std::mem::replace(headed, true) && !completion.response.is_null());
                self.streams.push(completion.response);
            }
            AIP_COMPLETION_DONE => {
                self.under_way.remove(&completion.tag);
                // SAFETY: ours; NULL is fine.
                unsafe { aip_response_free(completion.response) };
            }
            AIP_COMPLETION_READABLE => assert!(*headed, "a head comes first"),
            kind => panic!("{kind}"),
        }
    }

    fn cancel(&mut self) {
        // SAFETY: ours, or NULL.
        unsafe {
            aip_cancel_fire(self.cancel);
            aip_cancel_free(self.cancel);
            assert_eq!(aip_cancel_new(&raw mut self.cancel, null_mut()), OK);
        }
    }

    fn wake(&mut self) {
        // SAFETY: ours.
        assert_eq!(unsafe { aip_queue_wake(self.queue) }, OK);
        self.wakes += 1;
    }

    fn read(&mut self, how: u8) {
        let Some(stream) = self.streams.get(usize::from(how) % self.streams.len().max(1)) else { return };
        let (mut bytes, mut count) = ([0; 4096], 0);
        // SAFETY: room for as much as asked for.
        unsafe {
            aip_response_read(*stream, bytes.as_mut_ptr(), bytes.len(), u32::from(how >> 7), &raw mut count, null_mut())
        };
    }

    fn open_descriptor(&mut self) {
        let mut descriptor = -1;
        // SAFETY: ours; the descriptor is ours to close.
        self.descriptor = unsafe {
            assert_eq!(aip_queue_fd(self.queue, &raw mut descriptor, null_mut()), OK);
            Some(OwnedFd::from_raw_fd(descriptor))
        };
    }

    fn free_stream(&mut self, how: u8) {
        if !self.streams.is_empty() {
            let stream = self.streams.swap_remove(usize::from(how) % self.streams.len());
            // SAFETY: ours.
            unsafe { aip_response_free(stream) };
        }
    }

    fn end_queue(&mut self, how: u8) {
        match how % 4 {
            0 => self.abandon_queue(),
            1 => self.finish(true),
            2 => {
                self.free_pool();
                self.finish(false);
                self.set_up_pool();
            }
            // SAFETY: ours.
            _ => return unsafe { assert_eq!(aip_queue_close(self.queue, null_mut()), OK) },
        }
        self.set_up_queue();
    }

    /// Frees the queue with all that is under way.
    fn abandon_queue(&mut self) {
        // SAFETY: ours; afterwards it is no handle any more.
        unsafe {
            assert_eq!(aip_queue_free(self.queue), OK);
            assert_eq!(aip_queue_wake(self.queue), Status::InvalidHandle as i32);
        }
        self.under_way.clear();
    }

    /// Takes until all has ended, then frees the queue. Not closed, it must be its pool that was freed.
    fn finish(&mut self, close: bool) {
        if close {
            // SAFETY: ours.
            assert_eq!(unsafe { aip_queue_close(self.queue, null_mut()) }, OK);
        }
        self.cancel();
        self.free_streams();
        loop {
            match self.next(3, PATIENCE_MS) {
                OK => self.free_streams(),
                ended => break assert_eq!(ended, Status::End as i32),
            }
        }
        assert!(self.under_way.is_empty(), "without an end: {:?}", self.under_way);
        assert!(self.descriptor.is_none() || self.is_readable(), "the end counts too");
        self.abandon_queue();
    }

    fn misuse(&mut self, how: u8) {
        let wrong = self.queue.wrapping_byte_add(usize::from(how) + 1);
        // SAFETY: a handle may be any bits.
        unsafe {
            assert_ne!(aip_queue_next(wrong, null_mut(), 0, 0, null_mut(), null_mut()), OK);
            assert_ne!(aip_session_submit(self.session, null(), self.queue, 0, null_mut()), OK);
            assert_eq!(aip_queue_set_notify_fd(self.queue, -1, null_mut()), OK);
        }
    }

    fn is_readable(&self) -> bool {
        let Some(descriptor) = &self.descriptor else { return false };
        let mut poll = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd of ours.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    }

    fn set_up_pool(&mut self) {
        let url = server::url();
        // SAFETY: the text lives; what is made is ours.
        unsafe {
            assert_eq!(aip_pool_new(null(), &raw mut self.pool, null_mut()), OK);
            let key = url.as_ptr().cast();
            let made = aip_pool_get_session(self.pool, key, url.len(), null(), &raw mut self.session, null_mut());
            assert_eq!(made, OK);
        }
    }

    fn set_up_queue(&mut self) {
        (self.descriptor, self.wakes) = (None, 0);
        // SAFETY: what is made is ours.
        unsafe { assert_eq!(aip_queue_new(self.pool, &raw mut self.queue, null_mut()), OK) };
        self.cancel();
    }

    fn free_streams(&mut self) {
        for stream in self.streams.drain(..) {
            // SAFETY: ours.
            unsafe { aip_response_free(stream) };
        }
    }

    fn free_pool(&self) {
        // SAFETY: ours.
        unsafe {
            aip_session_free(self.session);
            assert_eq!(aip_pool_free(self.pool), OK);
        }
    }

    fn end(mut self) {
        self.free_streams();
        self.free_pool();
        // SAFETY: ours.
        unsafe { aip_cancel_free(self.cancel) };
    }
}
