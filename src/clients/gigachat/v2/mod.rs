//! The second version of the chat: messages of parts, options in a place of their own, events with names and no mark at the end.

mod read;
mod write;

pub use self::read::Messages;
pub use self::write::chat_body;
