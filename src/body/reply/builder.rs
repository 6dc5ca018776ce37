//! Puts an answer together out of its parts, and queues these for who reads them.

use std::collections::VecDeque;

use super::{Call, Delta, Finish, MOST_CALLS, Reply, Usage, in_body};
use crate::error::{Result, Status};

/// Most bytes of one answer that is put together: what never ends is not kept.
const MOST_GATHERED: usize = 64 << 20;

/// An answer being told: what is said last waits to be taken, and all of it is put together.
#[derive(Default)]
pub struct ReplyBuilder {
    pub reply: Reply,
    waiting: VecDeque<Delta>,
    complete: bool,
    gathered: usize,
    /// The provider's numbers of the calls, by their places.
    numbers: Vec<usize>,
}

impl ReplyBuilder {
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
    pub fn of(reply: Reply, complete: bool) -> ReplyBuilder {
        let mut builder = ReplyBuilder::default();
        let Reply { text, reasoning, calls, usage, .. } = &reply;
        let parts = [(reasoning, Delta::Reasoning(reasoning.clone())), (text, Delta::Text(text.clone()))];
        builder.waiting.extend(parts.into_iter().filter(|(text, _)| !text.is_empty()).map(|(_, delta)| delta));
        let calls = calls.iter().cloned().enumerate();
        builder.waiting.extend(calls.map(|(index, Call { id, name, arguments })| Delta::Tool {
            index,
            id,
            name,
            arguments,
        }));
        if *usage != Usage::default() {
            builder.waiting.push_back(Delta::Usage);
        }
        builder.reply = reply;
        if complete {
            builder.done();
        }
        builder
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_apart_by_number_and_by_id() {
        let mut builder = ReplyBuilder::default();
        for (number, id, name, arguments) in
            [(7, "a", "f", "{\"x\""), (7, "", "", ":1}"), (9, "b", "g", "{}"), (9, "c", "h", "{}"), (9, "c", "", " ")]
        {
            builder.call(number, id, name, arguments).unwrap();
        }
        let calls: Vec<_> = builder.reply.calls.iter().map(|call| (&*call.id, &*call.name, &*call.arguments)).collect();
        assert_eq!(calls, [("a", "f", "{\"x\":1}"), ("b", "g", "{}"), ("c", "h", "{} ")]);
        for number in 0..MOST_CALLS - 3 {
            builder.call(100 + number, "", "", "").unwrap();
        }
        assert_eq!(builder.call(9999, "", "", "").unwrap_err().status, Status::TooLarge);
    }

    #[test]
    fn a_part_of_an_answer_is_never_done() {
        let reply = Reply { text: "so far".into(), ..Reply::default() };
        let mut part = ReplyBuilder::of(reply.clone(), false);
        assert_eq!((part.take(), part.take(), part.is_done()), (Some(Delta::Text("so far".into())), None, false));
        assert!(ReplyBuilder::of(reply, true).is_done());
    }
}
