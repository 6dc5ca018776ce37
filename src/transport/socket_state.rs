//! The state of the socket underneath a connection, for others to look at: bytes counted, and whether some wait unread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(unix)]
use std::{os::fd::RawFd, sync::Mutex};

#[cfg(unix)]
use crate::{lock::lock, sys};

/// What has gone over a socket so far. Shared by the socket, which counts, and whoever has to explain a failure.
#[derive(Debug, Default)]
pub struct SocketState {
    read: AtomicU64,
    written: AtomicU64,
    /// What may be read in all until a response's head has come.
    read_bound: AtomicU64,
    writing: AtomicBool,
    ended: AtomicBool,
    #[cfg(unix)]
    descriptor: Mutex<Descriptor>,
}

/// Where the bytes come from. Behind a lock, so that no look is taken at a descriptor that was closed and given away again.
#[cfg(unix)]
#[derive(Debug, Default)]
enum Descriptor {
    /// Memory, in tests.
    #[default]
    Unseen,
    Open(RawFd),
    Closed,
}

impl SocketState {
    /// Bytes the peer sent.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes the system took from us: more than this cannot have reached the peer.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Lets nothing more go out. What has been written in all, or `None` where a write is under way just now.
    pub fn end_writing(&self) -> Option<u64> {
        // Writers say that they write before they look whether they may: one of the two sees the other.
        self.ended.store(true, Ordering::SeqCst);
        (!self.writing.load(Ordering::SeqCst)).then(|| self.written.load(Ordering::SeqCst))
    }

    /// Around each write: false when nothing may go out any more.
    pub fn begin_write(&self) -> bool {
        self.writing.store(true, Ordering::SeqCst);
        let may = !self.ended.load(Ordering::SeqCst);
        if !may {
            self.end_write();
        }
        may
    }

    pub fn end_write(&self) {
        self.writing.store(false, Ordering::SeqCst);
    }

    /// From here to a response's head a server may send so much, interim answers included.
    pub fn expect_head(&self, most: u64) {
        self.read_bound.store(self.read() + most, Ordering::Relaxed);
    }

    pub fn head_came(&self) {
        self.read_bound.store(0, Ordering::Relaxed);
    }

    /// More than may be was read without a head.
    pub fn is_over_bound(&self) -> bool {
        let bound = self.read_bound.load(Ordering::Relaxed);
        bound != 0 && self.read() > bound
    }

    pub fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn count_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether bytes, the end or an error wait at the socket, or it is closed: an idle HTTP/1 connection is dead then.
    /// Looks past what TLS has read already, and takes nothing.
    #[cfg(unix)]
    pub fn is_readable(&self) -> bool {
        match *lock(&self.descriptor) {
            Descriptor::Unseen => false,
            Descriptor::Open(socket) => sys::is_readable(socket),
            Descriptor::Closed => true,
        }
    }

    /// Nobody can look here: a dead connection is found when it is used.
    #[cfg(not(unix))]
    #[expect(clippy::unused_self)]
    pub fn is_readable(&self) -> bool {
        false
    }

    /// The socket is open, and says `close` before it no longer is.
    #[cfg(unix)]
    pub(super) fn open(&self, socket: RawFd) {
        *lock(&self.descriptor) = Descriptor::Open(socket);
    }

    #[cfg(unix)]
    pub(super) fn close(&self) {
        *lock(&self.descriptor) = Descriptor::Closed;
    }
}
