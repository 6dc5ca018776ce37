//! A tap on a stream that is somebody else's to read: what it told, and whether it was complete.

use super::service::WrittenCall;
use crate::body::events::Events;
use crate::body::reply::{Decode, Reply, ReplyBuilder, cut_short, in_body};
use crate::config::EVENT_BYTES;
use crate::error::{Error, Result, Status};

/// Decodes one stream beside its reader.
pub struct StreamTap {
    /// `None` where its answer comes in no events.
    events: Option<Events>,
    decoder: Box<dyn Decode>,
    builder: ReplyBuilder,
    failed: Option<Error>,
}

impl StreamTap {
    pub fn new(written: &WrittenCall) -> StreamTap {
        let events = written.framing.map(|framing| Events::new(framing, EVENT_BYTES as usize));
        StreamTap { events, decoder: written.dialect.decoder(), builder: ReplyBuilder::default(), failed: None }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        let (Some(events), mut rest) = (&mut self.events, bytes) else { return };
        while self.failed.is_none() {
            match events.feed(&mut rest) {
                Ok(true) => self.failed = self.decoder.event(events.event(), &mut self.builder).err(),
                Ok(false) => break,
                Err(_) => self.failed = Some(in_body(Status::TooLarge, "max_event_bytes: an event is too large")),
            }
            while self.builder.take().is_some() {}
        }
    }

    /// The stream has ended in good order: an error where it failed within, or was not complete.
    pub fn ends(&mut self) -> Result<()> {
        let Some(events) = &mut self.events else { return Ok(()) };
        if self.failed.is_none() && events.finish() {
            self.failed = self.decoder.event(events.event(), &mut self.builder).err();
        }
        self.failed.take().map_or(Ok(()), Err)?;
        self.decoder.end(&mut self.builder)?;
        if self.builder.is_done() { Ok(()) } else { Err(cut_short()) }
    }

    /// All that it told.
    pub fn reply(&mut self) -> Reply {
        std::mem::take(&mut self.builder.reply)
    }
}
