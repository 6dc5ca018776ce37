//! The bytes of one stream that came and were not read.

use bytes::Bytes;

/// One frame as it is, or several in one buffer.
pub enum FrameBuffer {
    Frame(Bytes),
    Joined(Vec<u8>),
}

impl FrameBuffer {
    pub const NOTHING: FrameBuffer = FrameBuffer::Joined(Vec::new());

    /// A frame shares its memory with others that came with it, so what is to stay is copied.
    pub fn push(&mut self, data: Bytes, keep: bool, window: usize) {
        let (frame, mut joined) = match std::mem::replace(self, FrameBuffer::NOTHING) {
            FrameBuffer::Joined(joined) if joined.is_empty() && !keep => return *self = FrameBuffer::Frame(data),
            FrameBuffer::Joined(joined) => (Bytes::new(), joined),
            FrameBuffer::Frame(frame) => (frame, Vec::new()),
        };
        let needed = joined.len() + frame.len() + data.len();
        if needed > joined.capacity() {
            // Doubled, as vectors are, but not beyond what can come.
            let room = (joined.capacity() * 2).min(window).max(needed);
            joined.reserve_exact(room - joined.len());
        }
        joined.extend_from_slice(&frame);
        joined.extend_from_slice(&data);
        *self = FrameBuffer::Joined(joined);
    }

    /// What is here stays for long.
    pub fn keep(&mut self, window: usize) {
        if let FrameBuffer::Frame(_) = self {
            self.push(Bytes::new(), true, window);
        }
    }

    pub fn take(&mut self) -> Option<Bytes> {
        let bytes = match std::mem::replace(self, FrameBuffer::NOTHING) {
            FrameBuffer::Frame(frame) => frame,
            FrameBuffer::Joined(joined) => joined.into(),
        };
        (!bytes.is_empty()).then_some(bytes)
    }

    pub fn is_empty(&self) -> bool {
        match self {
            FrameBuffer::Frame(frame) => frame.is_empty(),
            FrameBuffer::Joined(joined) => joined.is_empty(),
        }
    }
}
