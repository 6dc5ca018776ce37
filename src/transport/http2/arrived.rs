//! Bytes of one stream that came and were not taken.

use bytes::Bytes;

/// One frame as it is, or several in one buffer.
pub enum Arrived {
    Frame(Bytes),
    Joined(Vec<u8>),
}

impl Arrived {
    pub const NOTHING: Arrived = Arrived::Joined(Vec::new());

    /// A frame shares its memory with others that came with it, so what is to stay is copied.
    pub fn push(&mut self, data: Bytes, keep: bool, window: usize) {
        let (frame, mut joined) = match std::mem::replace(self, Arrived::NOTHING) {
            Arrived::Joined(joined) if joined.is_empty() && !keep => return *self = Arrived::Frame(data),
            Arrived::Joined(joined) => (Bytes::new(), joined),
            Arrived::Frame(frame) => (frame, Vec::new()),
        };
        let needed = joined.len() + frame.len() + data.len();
        if needed > joined.capacity() {
            // Doubled, as vectors are, but not beyond what can come.
            let room = (joined.capacity() * 2).min(window).max(needed);
            joined.reserve_exact(room - joined.len());
        }
        joined.extend_from_slice(&frame);
        joined.extend_from_slice(&data);
        *self = Arrived::Joined(joined);
    }

    /// What is here stays for long.
    pub fn keep(&mut self, window: usize) {
        if let Arrived::Frame(_) = self {
            self.push(Bytes::new(), true, window);
        }
    }

    pub fn take(&mut self) -> Option<Bytes> {
        let bytes = match std::mem::replace(self, Arrived::NOTHING) {
            Arrived::Frame(frame) => frame,
            Arrived::Joined(joined) => joined.into(),
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Arrived::Frame(frame) => frame.is_empty(),
            Arrived::Joined(joined) => joined.is_empty(),
        }
    }
}
