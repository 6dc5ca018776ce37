//! Answers as the first version writes them: chunks without a name, then `[DONE]`.

use serde_json::Value;

use super::calls;
use crate::body::events::Event;
use crate::body::reply::{Decode, Dialect, Finish, ReplyBuilder};
use crate::clients::json::{about, failure_within, first_choice, list, member, number, parse, problem, text};
use crate::error::Result;

/// Chat completions.
pub struct Completions;

impl Dialect for Completions {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Completions)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = parse(body)?;
        let choice = first_choice(&body, builder)?;
        about(&body, "message_id", builder);
        add(member(choice, "message").unwrap_or(&Value::Null), builder)?;
        builder.finish(text(choice, "finish_reason"));
        builder.done();
        Ok(())
    }
}

impl Decode for Completions {
    fn event(&mut self, event: Event<'_>, builder: &mut ReplyBuilder) -> Result<()> {
        let data = event.data.trim();
        if data.is_empty() || builder.is_done() {
            return Ok(());
        }
        if data == "[DONE]" {
            builder.done();
            return Ok(());
        }
        let chunk = match parse(data.as_bytes()) {
            // The body ended within it: what came before says whether that matters.
            Err(_) if event.incomplete => return Ok(()),
            chunk => chunk?,
        };
        let choices = list(&chunk, "choices");
        if event.name == "error" {
            return Err(failure_within(problem(&chunk).unwrap_or_default(), builder));
        }
        if let Some(problem) = problem(&chunk).filter(|_| choices.is_empty()) {
            return Err(failure_within(problem, builder));
        }
        about(&chunk, "message_id", builder);
        // Of several answers the first is told.
        for choice in choices.iter().filter(|choice| number(choice, "index") <= 0) {
            add(member(choice, "delta").unwrap_or(&Value::Null), builder)?;
            builder.finish(text(choice, "finish_reason"));
        }
        Ok(())
    }

    fn end(&mut self, builder: &mut ReplyBuilder) -> Result<()> {
        // Some proxies lose the mark.
        if builder.reply.finish != Finish::None {
            builder.done();
        }
        Ok(())
    }
}

/// A message, or a part of one.
fn add(part: &Value, builder: &mut ReplyBuilder) -> Result<()> {
    builder.reasoning(text(part, "reasoning_content"))?;
    builder.text(text(part, "content"))?;
    if let Some(call) = member(part, "function_call") {
        calls::tell(call, builder)?;
    }
    let state = text(part, "functions_state_id");
    if !state.is_empty() {
        state.clone_into(&mut builder.reply.state);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
