//! How a provider writes its answers: a whole body at once, a stream event by event.

use super::ReplyBuilder;
use crate::body::events::Event;
use crate::error::Result;

/// How a provider writes its answers.
pub trait Dialect: Send + Sync {
    /// Reads one stream.
    fn decoder(&self) -> Box<dyn Decode>;

    /// Reads a whole body.
    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()>;
}

/// Reads the events of one stream.
pub trait Decode: Send {
    fn event(&mut self, event: Event<'_>, builder: &mut ReplyBuilder) -> Result<()>;

    /// The stream has ended in good order. Tells what was held back; whether the answer is complete is what `builder` says then.
    fn end(&mut self, _telling: &mut ReplyBuilder) -> Result<()> {
        Ok(())
    }
}
