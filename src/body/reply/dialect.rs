//! How a provider writes its answers: a whole body at once, a stream event by event.

use super::Telling;
use crate::body::events::Event;
use crate::error::Result;

/// How a provider writes its answers.
pub trait Dialect: Send + Sync {
    /// Reads one stream.
    fn decoder(&self) -> Box<dyn Decode>;

    /// Reads a whole body.
    fn whole(&self, body: &[u8], telling: &mut Telling) -> Result<()>;
}

/// Reads the events of one stream.
pub trait Decode: Send {
    fn event(&mut self, event: Event<'_>, telling: &mut Telling) -> Result<()>;

    /// The stream has ended in good order. Tells what was held back; whether the answer is complete is what `telling` says then.
    fn end(&mut self, _telling: &mut Telling) -> Result<()> {
        Ok(())
    }
}
