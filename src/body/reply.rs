//! What an AI answered: the parts as they come, and all of it so far.

use std::collections::VecDeque;

use super::events::Event;
use crate::error::{Delivery, Error, Phase, Result, Status};

/// Most bytes of one answer that is put together: what never ends is not kept.
const MOST_GATHERED: usize = 64 << 20;
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

/// An answer being told: what is said last waits to be taken, and all of it is put together.
#[derive(Default)]
pub struct Telling {
    pub reply: Reply,
    waiting: VecDeque<Delta>,
    complete: bool,
    gathered: usize,
    /// The provider's numbers of the calls, by their places.
    numbers: Vec<usize>,
}

impl Telling {
    pub fn text(&mut self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.room_for(text.len())?;
        self.reply.text.push_str(text);
        self.waiting.push_back(Delta::Text(text.to_owned()));
        Ok(())
    }

    /// All of the text at once, of a provider that repeats it: what is new is a part, what differs a replacement.
    pub fn whole_text(&mut self, text: &str) -> Result<()> {
        if text == self.reply.text {
            return Ok(());
        }
        if let Some(more) = text.strip_prefix(self.reply.text.as_str()) {
            return self.text(more);
        }
        self.room_for(text.len())?;
        text.clone_into(&mut self.reply.text);
        self.waiting.push_back(Delta::Replace(text.to_owned()));
        Ok(())
    }

    pub fn reasoning(&mut self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.room_for(text.len())?;
        self.reply.reasoning.push_str(text);
        self.waiting.push_back(Delta::Reasoning(text.to_owned()));
        Ok(())
    }

    /// More of the call that the provider numbers so; what is empty adds nothing. Numbers may have gaps, and some servers give several
    /// calls one number, so that another id is another call.
    pub fn call(&mut self, number: usize, id: &str, name: &str, arguments: &str) -> Result<()> {
        self.room_for(id.len() + name.len() + arguments.len())?;
        let known = self.numbers.iter().rposition(|known| *known == number);
        let same = |at: &usize| {
            id.is_empty() || matches!(self.reply.calls[*at].id.as_str(), kept if kept.is_empty() || kept == id)
        };
        let index = match known.filter(same) {
            Some(index) => index,
            None if self.numbers.len() >= MOST_CALLS => {
                return Err(in_body(Status::TooLarge, format!("tool_calls: the answer has over {MOST_CALLS}")));
            }
            None => {
                self.numbers.push(number);
                self.reply.calls.push(Call::default());
                self.numbers.len() - 1
            }
        };
        let call = &mut self.reply.calls[index];
        call.arguments.push_str(arguments);
        // Some servers repeat both in every part.
        for (kept, told) in [(&mut call.id, id), (&mut call.name, name)] {
            if !told.is_empty() {
                told.clone_into(kept);
            }
        }
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        self.waiting.push_back(Delta::Tool { index, id, name, arguments });
        Ok(())
    }

    pub fn usage(&mut self, usage: Usage) {
        if usage != Usage::default() && usage != self.reply.usage {
            self.reply.usage = usage;
            self.waiting.push_back(Delta::Usage);
        }
    }

    /// The provider's word for the end.
    pub fn finish(&mut self, word: &str) {
        if !word.is_empty() {
            word.clone_into(&mut self.reply.finish_word);
            self.reply.finish = Finish::of(word);
        }
    }

    /// Nothing follows: told once.
    pub fn done(&mut self) {
        if !std::mem::replace(&mut self.complete, true) {
            self.waiting.push_back(Delta::Done);
        }
    }

    pub fn is_done(&self) -> bool {
        self.complete
    }

    pub fn take(&mut self) -> Option<Delta> {
        self.waiting.pop_front()
    }

    /// A whole answer, as if it had come in one part each; `complete`: it is no part of one.
    pub fn of(reply: Reply, complete: bool) -> Telling {
        let mut telling = Telling::default();
        let Reply { text, reasoning, calls, usage, .. } = &reply;
        let parts = [(reasoning, Delta::Reasoning(reasoning.clone())), (text, Delta::Text(text.clone()))];
        telling.waiting.extend(parts.into_iter().filter(|(text, _)| !text.is_empty()).map(|(_, delta)| delta));
        let calls = calls.iter().cloned().enumerate();
        telling.waiting.extend(calls.map(|(index, Call { id, name, arguments })| Delta::Tool {
            index,
            id,
            name,
            arguments,
        }));
        if *usage != Usage::default() {
            telling.waiting.push_back(Delta::Usage);
        }
        telling.reply = reply;
        if complete {
            telling.done();
        }
        telling
    }

    fn room_for(&mut self, more: usize) -> Result<()> {
        self.gathered += more;
        if self.gathered > MOST_GATHERED {
            let message = format!("response: the answer is over {MOST_GATHERED} bytes; read its events instead");
            return Err(in_body(Status::TooLarge, message));
        }
        Ok(())
    }
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
    fn calls_are_told_apart_by_number_and_by_id() {
        let mut telling = Telling::default();
        for (number, id, name, arguments) in
            [(7, "a", "f", "{\"x\""), (7, "", "", ":1}"), (9, "b", "g", "{}"), (9, "c", "h", "{}"), (9, "c", "", " ")]
        {
            telling.call(number, id, name, arguments).unwrap();
        }
        let calls: Vec<_> = telling.reply.calls.iter().map(|call| (&*call.id, &*call.name, &*call.arguments)).collect();
        assert_eq!(calls, [("a", "f", "{\"x\":1}"), ("b", "g", "{}"), ("c", "h", "{} ")]);
        for number in 0..MOST_CALLS - 3 {
            telling.call(100 + number, "", "", "").unwrap();
        }
        assert_eq!(telling.call(9999, "", "", "").unwrap_err().status, Status::TooLarge);
    }

    #[test]
    fn a_part_of_an_answer_is_never_done() {
        let reply = Reply { text: "so far".into(), ..Reply::default() };
        let mut part = Telling::of(reply.clone(), false);
        assert_eq!((part.take(), part.take(), part.is_done()), (Some(Delta::Text("so far".into())), None, false));
        assert!(Telling::of(reply, true).is_done());
    }

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
