//! Answers as OpenAI writes them, and as its many likenesses do: every member may be absent or null.

use serde_json::Value;

use crate::body::events::Event;
use crate::body::reply::{Decode, Dialect, Finish, ReplyBuilder};
use crate::clients::json::{about, as_text, failure_within, first_choice, list, member, number, parse, problem, text};
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
        about(&body, "id", builder);
        let part = member(choice, "message").or_else(|| member(choice, "delta")).unwrap_or(&Value::Null);
        add(part, builder)?;
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
        let chunk = parse(data.as_bytes())?;
        if let Some(problem) = member(&chunk, "error").and_then(|_| problem(&chunk)) {
            return Err(failure_within(problem, builder));
        }
        if event.name == "error" {
            let problem = problem(&chunk).unwrap_or_default();
            return Err(failure_within(problem, builder));
        }
        about(&chunk, "id", builder);
        for choice in list(&chunk, "choices").iter().filter(|choice| number(choice, "index") <= 0) {
            let finish = text(choice, "finish_reason");
            let delta = member(choice, "delta").unwrap_or(&Value::Null);
            if Finish::of(finish) == Finish::Filter && !text(delta, "content").is_empty() {
                // The whole text anew, without what was filtered.
                builder.whole_text(text(delta, "content"))?;
            } else {
                add(delta, builder)?;
            }
            builder.finish(finish);
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
    let thought = ["reasoning_content", "reasoning"].iter().map(|name| text(part, name)).find(|text| !text.is_empty());
    builder.reasoning(thought.unwrap_or(""))?;
    builder.text(&content(part))?;
    builder.text(text(part, "refusal"))?;
    for (place, call) in list(part, "tool_calls").iter().enumerate() {
        let index = usize::try_from(number(call, "index")).unwrap_or(place);
        let function = member(call, "function").unwrap_or(&Value::Null);
        let arguments = member(function, "arguments").map(as_text).unwrap_or_default();
        builder.call(index, text(call, "id"), text(function, "name"), &arguments)?;
    }
    if let Some(function) = member(part, "function_call") {
        let arguments = member(function, "arguments").map(as_text).unwrap_or_default();
        builder.call(0, "", text(function, "name"), &arguments)?;
    }
    Ok(())
}

/// A text, or a list of parts of which some are texts.
fn content(part: &Value) -> String {
    match part.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().map(|part| text(part, "text")).collect(),
        _ => String::new(),
    }
}
