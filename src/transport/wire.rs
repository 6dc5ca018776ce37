//! The socket underneath a connection, as others may look at it: counters, and whether bytes wait unread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What has gone over a socket so far. Shared by the socket, which counts, and whoever has to explain a failure.
#[derive(Debug, Default)]
pub struct Wire {
    read: AtomicU64,
    written: AtomicU64,
    blocked: AtomicBool,
    writing: AtomicBool,
    ended: AtomicBool,
}

impl Wire {
    /// Bytes the peer sent.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes the system took from us: more than this cannot have reached the peer.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Whether the last write found no room: the peer does not read.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
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

    pub fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn count_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.blocked.store(false, Ordering::Relaxed);
    }

    pub fn count_blocked(&self) {
        self.blocked.store(true, Ordering::Relaxed);
    }
}
