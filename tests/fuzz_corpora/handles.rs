//! Calls on handles of every kind, live, freed, forged and of another kind, three bytes each: shared by tests/fuzz_corpora.rs and
//! the fuzz target. A handle that is not a live one of its kind is always refused, and a live one never.

use std::collections::HashMap;
use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

use aipool::error::Status;
use aipool::ffi::args::{AIP_NUL_TERMINATED, AIP_UNLIMITED};
use aipool::ffi::call::{aip_call, aip_call_init};
use aipool::ffi::cancel::*;
use aipool::ffi::client::*;
use aipool::ffi::client_options::{aip_client_options, aip_client_options_init};
use aipool::ffi::pool::*;
use aipool::ffi::pool_stats::{aip_pool_get_stats, aip_pool_metrics};
use aipool::ffi::queue::*;
use aipool::ffi::reply::*;
use aipool::ffi::request::{AIP_REQUEST_STREAM, aip_request, aip_request_init};
use aipool::ffi::response::*;
use aipool::ffi::session::*;
use aipool::ffi::upload::*;

use super::server;

const MOST_MOVES: usize = 100;
/// More of one kind are freed before another is made.
const MOST_LIVE: usize = 8;
const OK: i32 = Status::Ok as i32;
const INVALID: i32 = Status::InvalidHandle as i32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pool,
    Session,
    Response,
    Cancel,
    Upload,
    Queue,
    Client,
}
use Kind::*;

/// Makes all moves, then frees what lives and looks at every handle again.
pub fn play(moves: &[u8]) {
    let mut game = Game { live: Vec::new(), gone: Vec::new(), tokens: HashMap::new() };
    for one in moves.chunks_exact(3).take(MOST_MOVES) {
        game.make(one[0], one[1], one[2]);
    }
    for (kind, token) in game.live.clone() {
        game.free(kind, token);
    }
    for token in std::mem::take(&mut game.gone) {
        for kind in [Pool, Session, Response, Cancel, Upload, Queue, Client] {
            game.free(kind, token);
        }
    }
}

struct Game {
    /// In the order in which they were made.
    live: Vec<(Kind, usize)>,
    gone: Vec<usize>,
    tokens: HashMap<usize, Kind>,
}

fn as_handle<H>(token: usize) -> *mut H {
    std::ptr::without_provenance_mut(token)
}

impl Game {
    /// A handle for a call that wants this kind.
    fn pick(&self, kind: Kind, how: u8) -> usize {
        let of = |kind: Kind| self.live.iter().filter(move |(its, _)| *its == kind).map(|(_, token)| *token);
        let nth = |count: usize| usize::from(how / 8) % count.max(1);
        let mine: Vec<usize> = of(kind).collect();
        match how % 8 {
            0 => 0,
            // Near a real one: another kind, depth, generation or slot.
            1 => mine.first().map_or(usize::MAX, |token| token ^ 1 << (how / 8 % 32 * 2)),
            2 => self.gone.get(nth(self.gone.len())).copied().unwrap_or(1),
            3 => self.live.get(nth(self.live.len())).map_or(2, |(_, token)| *token),
            _ => mine.get(nth(mine.len())).copied().unwrap_or(0),
        }
    }

    fn is_live(&self, kind: Kind, token: usize) -> bool {
        self.tokens.get(&token) == Some(&kind)
    }

    /// A call's status, by the handles it was given.
    fn said(&self, status: i32, given: &[(Kind, usize)]) -> bool {
        let live = given.iter().all(|(kind, token)| self.is_live(*kind, *token));
        assert_eq!(status == INVALID, !live, "{status} for {given:x?}");
        assert_ne!(status, Status::Panic as i32);
        status == OK
    }

    /// A getter's answer, which is `otherwise` where there is nothing to ask.
    fn told(&self, value: u64, otherwise: u64, given: (Kind, usize)) {
        assert!(self.is_live(given.0, given.1) || value == otherwise, "{value} of {given:x?}");
    }

    fn keep<H>(&mut self, kind: Kind, handle: *mut H) {
        let token = handle.addr();
        if token == 0 {
            return;
        }
        assert!(token < 1 << 53 && !self.gone.contains(&token), "a number of old");
        assert_eq!(self.tokens.insert(token, kind), None, "two of one number");
        self.live.push((kind, token));
        let mine = self.live.iter().filter(|(its, _)| *its == kind);
        if mine.clone().count() > MOST_LIVE {
            let (kind, token) = *mine.clone().next().expect("more than one");
            self.free(kind, token);
        }
    }

    fn free(&mut self, kind: Kind, token: usize) {
        // SAFETY: handles may be any bits.
        let status = unsafe {
            match kind {
                Pool => aip_pool_free(as_handle(token)),
                Session => aip_session_free(as_handle(token)),
                Response => aip_response_free(as_handle(token)),
                Cancel => aip_cancel_free(as_handle(token)),
                Upload => aip_upload_free(as_handle(token)),
                Queue => aip_queue_free(as_handle(token)),
                Client => aip_client_free(as_handle(token)),
            }
        };
        if token == 0 {
            return assert_eq!(status, OK);
        }
        if self.said(status, &[(kind, token)]) {
            self.tokens.remove(&token);
            self.live.retain(|(_, live)| *live != token);
            self.gone.push(token);
        }
    }

    fn make(&mut self, what: u8, how: u8, other: u8) {
        match what % 16 {
            0 => self.new_alone(how, other),
            1 => self.new_session(how, other),
            2 => self.new_of_pool(how, other),
            3 | 4 => self.request(how, other),
            5 => self.submit(how, other),
            6 => self.next(how),
            7 => self.call(how, other),
            8 => self.read(how, other),
            9 => self.look_at_response(how, other),
            10 => self.look_at_session(how, other),
            11 => self.look_at_pool(how, other),
            12 => self.push(how, other),
            13 => self.touch_queue(how, other),
            14 => self.fire(how),
            _ => self.free_any(how, other),
        }
    }

    fn free_any(&mut self, how: u8, other: u8) {
        let kind = [Pool, Session, Response, Cancel, Upload, Queue, Client][usize::from(other) % 7];
        self.free(kind, self.pick(kind, how));
    }

    /// What needs no handle.
    fn new_alone(&mut self, how: u8, other: u8) {
        let (mut pool, mut cancel, mut upload) = (null_mut::<aip_pool>(), null_mut::<aip_cancel>(), null_mut());
        // SAFETY: the places are ours.
        let status = unsafe {
            match how % 4 {
                0 => aip_pool_new(null(), &raw mut pool, null_mut()),
                1 => aip_pool_global(null(), &raw mut pool, null_mut()),
                2 => aip_cancel_new(&raw mut cancel, null_mut()),
                _ => {
                    let length = if other % 2 == 0 { AIP_UNLIMITED } else { i64::from(other) };
                    aip_upload_new(length, &raw mut upload, null_mut())
                }
            }
        };
        assert_eq!(status, OK);
        self.keep(Pool, pool);
        self.keep(Cancel, cancel);
        self.keep(Upload, upload);
    }

    fn new_session(&mut self, how: u8, other: u8) {
        let (pool, mut session) = (self.pick(Pool, how), null_mut());
        let keys = [server::url(), server::url(), "http://127.0.0.1:1", "no url"];
        let key = keys[usize::from(other) % 4];
        let (text, len, place) = (key.as_ptr().cast::<c_char>(), key.len(), &raw mut session);
        // SAFETY: the text lives, the place is ours, handles may be any bits.
        let status = unsafe {
            if other & 4 == 0 {
                aip_pool_get_session(as_handle(pool), text, len, null(), place, null_mut())
            } else {
                aip_pool_acquire(as_handle(pool), text, len, null(), place, null_mut())
            }
        };
        assert_eq!(self.said(status, &[(Pool, pool)]), !session.is_null());
        self.keep(Session, session);
    }

    /// Queues and clients.
    fn new_of_pool(&mut self, how: u8, other: u8) {
        let (pool, mut queue, mut client) = (self.pick(Pool, how), null_mut::<aip_queue>(), null_mut::<aip_client>());
        if other % 2 == 0 {
            // SAFETY: the place is ours, handles may be any bits.
            let status = unsafe { aip_queue_new(as_handle(pool), &raw mut queue, null_mut()) };
            self.said(status, &[(Pool, pool)]);
        } else {
            let mut options = MaybeUninit::<aip_client_options>::uninit();
            // SAFETY: as large as it is said to be; texts live, the place is ours, handles may be any bits.
            let status = unsafe {
                aip_client_options_init(options.as_mut_ptr(), size_of::<aip_client_options>());
                let mut options = options.assume_init();
                options.kind = u32::from(other) % 2 + 1;
                (options.base_url, options.base_url_len) = (server::url().as_ptr().cast(), server::url().len());
                (options.model, options.model_len) = (c"m".as_ptr(), AIP_NUL_TERMINATED);
                options.max_retries = -1;
                options.breaker_failures = -1;
                aip_client_new(as_handle(pool), &raw const options, &raw mut client, null_mut())
            };
            // NULL is the global pool.
            if pool != 0 {
                self.said(status, &[(Pool, pool)]);
            }
        }
        self.keep(Queue, queue);
        self.keep(Client, client);
    }

    /// A request of what the server has; the handles in it, beside its own.
    fn with_request<T>(&self, other: u8, send: impl FnOnce(*const aip_request) -> T) -> (T, Vec<(Kind, usize)>) {
        let url = ["/small", "/large", "http://127.0.0.1:1/", "/small"][usize::from(other) % 4];
        let mut request = MaybeUninit::<aip_request>::uninit();
        // SAFETY: as large as it is said to be; then every field is set.
        let mut request = unsafe {
            aip_request_init(request.as_mut_ptr(), size_of::<aip_request>());
            request.assume_init()
        };
        (request.url, request.url_len) = (url.as_ptr().cast(), url.len());
        request.flags = if other & 4 == 0 { 0 } else { AIP_REQUEST_STREAM };
        let mut within = Vec::new();
        if other & 8 != 0 {
            within.push((Cancel, self.pick(Cancel, other / 16)));
            request.cancel = as_handle(within[0].1);
        }
        within.retain(|(_, token)| *token != 0);
        (send(&raw const request), within)
    }

    fn request(&mut self, how: u8, other: u8) {
        let (own, mut response) = (self.pick(if how & 0x80 == 0 { Session } else { Pool }, how & 0x7F), null_mut());
        let kind = if how & 0x80 == 0 { Session } else { Pool };
        let (url, place) = (server::url(), &raw mut response);
        // SAFETY: all of it lives, the place is ours, handles may be any bits.
        let (status, within) = self.with_request(other, |request| unsafe {
            if kind == Session {
                aip_session_request(as_handle(own), request, place, null_mut())
            } else {
                aip_pool_request(as_handle(own), url.as_ptr().cast(), url.len(), request, place, null_mut())
            }
        });
        self.said(status, &[within, vec![(kind, own)]].concat());
        self.keep(Response, response);
    }

    fn submit(&mut self, how: u8, other: u8) {
        let (session, queue) = (self.pick(Session, how), self.pick(Queue, how / 2));
        // SAFETY: all of the request lives, handles may be any bits.
        let (status, within) = self.with_request(other, |request| unsafe {
            aip_session_submit(as_handle(session), request, as_handle(queue), 7, null_mut())
        });
        self.said(status, &[within, vec![(Session, session), (Queue, queue)]].concat());
    }

    fn next(&mut self, how: u8) {
        let queue = self.pick(Queue, how);
        let mut batch = [const { MaybeUninit::<aip_completion>::uninit() }; 4];
        let (mut count, place) = (0, batch.as_mut_ptr().cast());
        let timeout_ms = u32::from(how >> 6);
        // SAFETY: room for as many as asked for; handles may be any bits.
        let status = unsafe { aip_queue_next(as_handle(queue), place, 4, timeout_ms, &raw mut count, null_mut()) };
        if self.said(status, &[(Queue, queue)]) {
            // SAFETY: so many were written.
            batch[..count].iter().for_each(|one| self.keep(Response, unsafe { (*one.as_ptr()).response }));
        }
    }

    fn call(&mut self, how: u8, other: u8) {
        let client = self.pick(Client, how);
        let (mut session, mut response) = (null_mut::<aip_session>(), null_mut::<aip_response>());
        let mut call = MaybeUninit::<aip_call>::uninit();
        let queue = self.pick(Queue, other / 8);
        let mut given = vec![(Client, client)];
        // SAFETY: as large as it is said to be; texts live, the places are ours, handles may be any bits.
        let status = unsafe {
            aip_call_init(call.as_mut_ptr(), size_of::<aip_call>());
            let mut call = call.assume_init();
            (call.prompt, call.prompt_len) = (c"Hi".as_ptr(), 2);
            call.flags = u32::from(other & 0x80 != 0);
            let (client, place) = (as_handle(client), &raw mut response);
            match other % 5 {
                0 => aip_client_call(client, &raw const call, place, null_mut()),
                1 => aip_client_generate(client, c"Hi".as_ptr(), 2, null(), place, null_mut()),
                2 => {
                    given.push((Queue, queue));
                    aip_client_submit(client, &raw const call, as_handle(queue), 9, null_mut())
                }
                3 => aip_client_get_session(client, i32::from(other / 8 % 2), &raw mut session, null_mut()),
                _ => aip_client_is_configured(client, null_mut()),
            }
        };
        self.said(status, &given);
        self.keep(Session, session);
        self.keep(Response, response);
    }

    fn read(&mut self, how: u8, other: u8) {
        let (token, mut bytes, mut count) = (self.pick(Response, how), [0_u8; 4096], 0);
        let (handle, place, cap) = (as_handle(token), bytes.as_mut_ptr(), bytes.len());
        let mut event = MaybeUninit::<aip_stream_event>::uninit();
        let mut delta = MaybeUninit::<aip_delta>::uninit();
        let timeout_ms = u32::from(other >> 7);
        // SAFETY: room for as much as it says; handles may be any bits.
        let status = unsafe {
            match other % 6 {
                0 => aip_response_read(handle, place, cap, timeout_ms, &raw mut count, null_mut()),
                1 => aip_response_next_event(handle, timeout_ms, event.as_mut_ptr(), null_mut()),
                2 => aip_response_next_delta(handle, timeout_ms, delta.as_mut_ptr(), null_mut()),
                3 => aip_response_event_copy(handle, 0, place.cast(), cap, &raw mut count, null_mut()),
                4 => aip_response_delta_copy(handle, 0, place.cast(), cap, &raw mut count, null_mut()),
                _ => aip_response_trailers_copy(handle, place.cast(), cap, &raw mut count, null_mut()),
            }
        };
        self.said(status, &[(Response, token)]);
    }

    fn look_at_response(&mut self, how: u8, other: u8) {
        let (token, mut room, mut needed) = (self.pick(Response, how), [0_u64; 512], 0);
        let (handle, place, cap) = (as_handle(token), room.as_mut_ptr(), size_of_val(&room));
        let (mut text, mut len, mut name, mut name_len, mut data) = (null(), 0, null(), 0, null());
        // SAFETY: room for as much as it says, the places are ours; handles may be any bits.
        let status = unsafe {
            self.told(aip_response_status(handle).into(), 0, (Response, token));
            self.told(aip_response_header_count(handle) as u64, 0, (Response, token));
            match other % 9 {
                0 => aip_response_header(handle, c"date".as_ptr(), 4, &raw mut text, &raw mut len),
                1 => aip_response_header_at(handle, 0, &raw mut name, &raw mut name_len, &raw mut text, &raw mut len),
                2 => aip_response_headers_copy(handle, place.cast(), cap, &raw mut needed, null_mut()),
                3 => aip_response_body(handle, &raw mut data, &raw mut len, null_mut()),
                4 => aip_response_body_copy(handle, place.cast(), cap, &raw mut needed, null_mut()),
                5 => aip_response_get_info(handle, place.cast(), size_of::<aip_response_info>()),
                6 => aip_response_reply(handle, place.cast(), size_of::<aip_reply>(), null_mut()),
                7 => aip_response_reply_copy(handle, 0, place.cast(), cap, &raw mut needed, null_mut()),
                _ => aip_response_embedding(handle, 0, place.cast(), 16, &raw mut needed, null_mut()),
            }
        };
        self.said(status, &[(Response, token)]);
    }

    fn look_at_session(&mut self, how: u8, other: u8) {
        let (token, mut room, mut standing) = (self.pick(Session, how), [0_u64; 512], 0);
        let (handle, place) = (as_handle(token), room.as_mut_ptr());
        // SAFETY: room for as much as it says, the places are ours; handles may be any bits.
        let status = unsafe {
            self.told(aip_session_id(handle), 0, (Session, token));
            self.told(aip_session_is_closed(handle).unsigned_abs().into(), 1, (Session, token));
            match other % 3 {
                0 => aip_session_get_stats(handle, place.cast(), 64, null_mut()),
                1 => aip_session_warm(handle, 1, 1000, &raw mut standing, null_mut()),
                _ => aip_session_close(handle, null_mut()),
            }
        };
        self.said(status, &[(Session, token)]);
    }

    fn look_at_pool(&mut self, how: u8, other: u8) {
        let (token, mut room, mut needed) = (self.pick(Pool, how), vec![0_u64; 4096], 0);
        let (handle, place, cap, url) = (as_handle(token), room.as_mut_ptr(), 8 * room.len(), server::url());
        // SAFETY: room for as much as it says, the places are ours; handles may be any bits.
        let status = unsafe {
            match other % 4 {
                // It reads the system's roots: rarely.
                _ if other == 0xFF => aip_pool_reload_tls(handle, null_mut()),
                0 => aip_pool_get_stats(handle, place.cast(), 64, null_mut()),
                1 => aip_pool_metrics(handle, place.cast(), cap, &raw mut needed, null_mut()),
                2 => aip_pool_close_session(handle, url.as_ptr().cast(), url.len(), null_mut()),
                _ => aip_pool_close_all(handle, u32::from(other >> 7), null_mut()),
            }
        };
        self.said(status, &[(Pool, token)]);
    }

    fn push(&mut self, how: u8, other: u8) {
        let (upload, mut taken, mut counts) = (self.pick(Upload, how), 0, [0; 2]);
        let handle = as_handle(upload);
        let [first, second] = &mut counts;
        // SAFETY: the bytes live, the places are ours; handles may be any bits.
        let status = unsafe {
            match other % 3 {
                0 => aip_upload_write(handle, c"bytes".as_ptr().cast(), 5, 0, &raw mut taken, null_mut()),
                1 => aip_upload_finish(handle, null_mut()),
                _ => aip_upload_progress(handle, first, second),
            }
        };
        self.said(status, &[(Upload, upload)]);
    }

    fn touch_queue(&mut self, how: u8, other: u8) {
        let (token, mut fd) = (self.pick(Queue, how), -1);
        let handle = as_handle(token);
        // SAFETY: the place is ours, the descriptor is ours to close; handles may be any bits.
        let status = unsafe {
            match other % 4 {
                0 => aip_queue_wake(handle),
                1 => aip_queue_close(handle, null_mut()),
                2 => aip_queue_set_notify_fd(handle, -1, null_mut()),
                _ => aip_queue_fd(handle, &raw mut fd, null_mut()),
            }
        };
        self.said(status, &[(Queue, token)]);
        if fd >= 0 {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }

    fn fire(&mut self, how: u8) {
        let token = self.pick(Cancel, how);
        // SAFETY: handles may be any bits.
        self.said(unsafe { aip_cancel_fire(as_handle(token)) }, &[(Cancel, token)]);
    }
}
