//! Completions as YandexGPT writes them: a line of JSON a part, each with all of the text so far; a whole answer is one such line.

use serde_json::Value;

use super::refusal;
use crate::body::events::Event;
use crate::body::reply::{Decode, Dialect, Finish, ReplyBuilder, cut_short, in_body};
use crate::clients::json::{as_text, list, member, parse, problem, text, usage};
use crate::error::{Detail, Result, Status};

/// Completions.
pub struct Answers;

impl Dialect for Answers {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Lines::default())
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        whole(&parse(body)?, builder)
    }
}

/// Reads a whole answer.
pub fn whole(answer: &Value, builder: &mut ReplyBuilder) -> Result<()> {
    let mut lines = Lines::default();
    lines.line(answer, builder)?;
    if !lines.answered {
        let message = "response: has no alternatives; check base_url and read the body";
        return Err(in_body(Status::Provider, message).detail(Detail::NotJson));
    }
    if lines.partial {
        return Err(cut_short());
    }
    lines.complete(builder)
}

/// Reads one stream.
#[derive(Default)]
struct Lines {
    /// The last that were told: each line has all of them, so they are handed on at the end.
    calls: Vec<Value>,
    answered: bool,
    partial: bool,
}

impl Decode for Lines {
    fn event(&mut self, event: Event<'_>, builder: &mut ReplyBuilder) -> Result<()> {
        if event.data.trim().is_empty() {
            return Ok(());
        }
        match parse(event.data.as_bytes()) {
            Ok(line) => self.line(&line, builder),
            Err(_) if event.incomplete => Err(cut_short()),
            Err(error) => Err(error),
        }
    }

    fn end(&mut self, builder: &mut ReplyBuilder) -> Result<()> {
        if builder.reply.finish == Finish::None { Ok(()) } else { self.complete(builder) }
    }
}

impl Lines {
    fn line(&mut self, line: &Value, builder: &mut ReplyBuilder) -> Result<()> {
        if member(line, "error").is_some() {
            return Err(refusal::broken(line, builder));
        }
        let result = member(line, "result").unwrap_or(line);
        let version = text(result, "modelVersion");
        if !version.is_empty() {
            version.clone_into(&mut builder.reply.model);
        }
        if let Some(told) = member(result, "usage") {
            builder.usage(usage(told));
        }
        match list(result, "alternatives").first() {
            Some(alternative) => self.alternative(alternative, builder),
            None if problem(line).is_some() => Err(refusal::broken(line, builder)),
            None => Ok(()),
        }
    }

    fn alternative(&mut self, alternative: &Value, builder: &mut ReplyBuilder) -> Result<()> {
        let status = text(alternative, "status");
        let finish = Finish::of(status);
        self.answered = true;
        self.partial = finish == Finish::None && status.to_ascii_uppercase().ends_with("PARTIAL");
        let message = member(alternative, "message").unwrap_or(&Value::Null);
        let said = text(message, "text");
        // A last line without a text withdraws nothing; the filter does.
        if !said.is_empty() || (finish == Finish::Filter && message.get("text").is_some_and(Value::is_string)) {
            builder.whole_text(said)?;
        }
        let calls = list(member(message, "toolCallList").unwrap_or(&Value::Null), "toolCalls");
        if !calls.is_empty() {
            self.calls = calls.to_vec();
        }
        if finish != Finish::None {
            builder.finish(status);
        }
        Ok(())
    }

    fn complete(&mut self, builder: &mut ReplyBuilder) -> Result<()> {
        for (index, call) in std::mem::take(&mut self.calls).iter().enumerate() {
            let function = member(call, "functionCall").unwrap_or(&Value::Null);
            let arguments = member(function, "arguments").map_or_else(|| "{}".to_owned(), as_text);
            builder.call(index, "", text(function, "name"), &arguments)?;
        }
        builder.done();
        Ok(())
    }
}
