//! What an AI answered: the parts as they come, and all of it so far.

mod builder;
mod dialect;

pub use self::builder::ReplyBuilder;
pub use self::dialect::{Decode, Dialect};
use crate::error::{Delivery, Error, Phase, Status};

/// Most calls of tools in one answer.
pub const MOST_CALLS: usize = 1024;

/// One part of an answer, in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// More text.
    Text(String),
    /// The text so far is withdrawn, and this stands in its place.
    Replace(String),
    /// More of what the model thinks aloud.
    Reasoning(String),
    /// More of a call of a tool: its place, and id and name where they came.
    Tool { index: usize, id: String, name: String, arguments: String },
    /// The numbers of `Reply::usage` are new.
    Usage,
    /// The answer is complete.
    Done,
}

/// All of an answer that has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reply {
    pub text: String,
    pub reasoning: String,
    pub calls: Vec<Call>,
    pub finish: Finish,
    /// As the provider spelt it.
    pub finish_word: String,
    pub usage: Usage,
    /// With its version, where the provider says one.
    pub model: String,
    /// The provider's name of the answer.
    pub id: String,
    /// What the next message of the same talk has to bring along: a conversation, a state of functions.
    pub state: String,
    /// One list of numbers an input.
    pub embeddings: Vec<Vec<f32>>,
    /// Tokens of each input.
    pub counts: Vec<u64>,
    /// The provider's own words for a failure.
    pub problem: Problem,
}

/// A tool that the model wants called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Empty where the provider has no ids.
    pub id: String,
    pub name: String,
    /// A JSON text, as the model wrote it.
    pub arguments: String,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    /// It has not, or nobody said.
    #[default]
    None = 0,
    Stop = 1,
    /// `max_tokens`, or the model's own bound.
    Length = 2,
    /// It wants tools called.
    Tool = 3,
    /// The provider's filter.
    Filter = 4,
    Error = 5,
    /// A word this library does not know.
    Other = 6,
}

impl Finish {
    /// The word of any provider.
    pub fn of(word: &str) -> Finish {
        let word = word.strip_prefix("ALTERNATIVE_STATUS_").unwrap_or(word);
        match word.to_ascii_lowercase().as_str() {
            "" | "unspecified" | "partial" => Finish::None,
            "stop" | "final" | "end_turn" => Finish::Stop,
            "length" | "truncated_final" | "max_tokens" => Finish::Length,
            "tool_calls" | "function_call" | "tool_use" => Finish::Tool,
            "content_filter" | "blacklist" => Finish::Filter,
            "error" => Finish::Error,
            _ => Finish::Other,
        }
    }
}

/// Tokens; -1 where nobody said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub prompt: i64,
    pub completion: i64,
    pub total: i64,
    /// Of the prompt, those the provider had at hand.
    pub cached: i64,
    /// Of the completion, those thought and not said.
    pub reasoning: i64,
    /// How many there may be in all, where the provider says so.
    pub context: i64,
}

impl Default for Usage {
    fn default() -> Self {
        Usage { prompt: -1, completion: -1, total: -1, cached: -1, reasoning: -1, context: -1 }
    }
}

/// What a provider says of a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    pub code: String,
    pub text: String,
}

/// An answer that ended before it was complete.
pub fn cut_short() -> Error {
    in_body(
        Status::Truncated,
        "response: the answer ended without its finish reason or end marker; what came is all there is",
    )
}

/// A failure in an answer that has begun.
pub fn in_body(status: Status, message: impl Into<String>) -> Error {
    Error::new(status, message).phase(Phase::Body).delivery(Delivery::ResponseStarted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_providers_word_for_an_end_is_known_and_others_pass() {
        for (word, finish) in [
            ("stop", Finish::Stop),
            ("ALTERNATIVE_STATUS_FINAL", Finish::Stop),
            ("ALTERNATIVE_STATUS_TRUNCATED_FINAL", Finish::Length),
            ("STOP", Finish::Stop),
            ("function_call", Finish::Tool),
            ("blacklist", Finish::Filter),
            ("error", Finish::Error),
            ("sleepy", Finish::Other),
            ("", Finish::None),
        ] {
            assert_eq!(Finish::of(word), finish, "{word}");
        }
    }
}
