//! Answers as the second version writes them: parts of messages, under events with names.

use serde_json::Value;

use crate::body::events::Event;
use crate::body::reply::{Decode, Dialect, ReplyBuilder, in_body};
use crate::clients::gigachat::{calls, refusal};
use crate::clients::json::{failure_within, list, member, parse, problem, text, usage};
use crate::error::{Detail, Result, Status};

const DELTA: &str = "response.message.delta";
const DONE: &str = "response.message.done";

/// Chat completions of messages.
#[derive(Clone, Default)]
pub struct Messages {
    /// Who spoke last: not every part says it.
    role: String,
}

impl Dialect for Messages {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Messages::default())
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = parse(body)?;
        if list(&body, "messages").is_empty() && text(&body, "finish_reason").is_empty() {
            let nothing =
                || in_body(Status::Provider, "response: has no messages; read the body").detail(Detail::NotJson);
            return Err(problem(&body).map_or_else(nothing, |problem| failure_within(problem, builder)));
        }
        Messages::default().add(&body, builder)?;
        builder.done();
        Ok(())
    }
}

impl Decode for Messages {
    fn event(&mut self, event: Event<'_>, builder: &mut ReplyBuilder) -> Result<()> {
        if builder.is_done() {
            return Ok(());
        }
        let ours = event.name == DELTA || event.name == DONE;
        let part = match parse(event.data.as_bytes()) {
            // The body ended within it, or it is nothing that we know.
            Err(_) if event.incomplete || (!ours && event.name != "error") => return Ok(()),
            part => part?,
        };
        if event.name == "error" {
            return Err(failure_within(problem(&part).unwrap_or_default(), builder));
        }
        if let Some(problem) = refusal::in_event(&part).filter(|_| list(&part, "messages").is_empty()) {
            return Err(failure_within(problem, builder));
        }
        if ours {
            self.add(&part, builder)?;
        }
        if event.name == DONE {
            builder.done();
        }
        Ok(())
    }
}

impl Messages {
    fn add(&mut self, body: &Value, builder: &mut ReplyBuilder) -> Result<()> {
        keep(&mut builder.reply.model, body, &["model"]);
        for message in list(body, "messages") {
            self.message(message, builder)?;
        }
        about(body, builder);
        if let Some(told) = member(body, "usage") {
            builder.usage(usage(told));
        }
        Ok(())
    }

    fn message(&mut self, message: &Value, builder: &mut ReplyBuilder) -> Result<()> {
        keep(&mut self.role, message, &["role"]);
        match message.get("content") {
            Some(Value::String(text)) => self.text(text, builder)?,
            Some(Value::Array(parts)) => {
                for part in parts {
                    self.text(text(part, "text"), builder)?;
                    if let Some(call) = member(part, "function_call") {
                        calls::tell(call, builder)?;
                    }
                }
            }
            _ => {}
        }
        if let Some(call) = member(message, "function_call") {
            calls::tell(call, builder)?;
        }
        about(message, builder);
        Ok(())
    }

    /// Only what the model says is the answer.
    fn text(&self, text: &str, builder: &mut ReplyBuilder) -> Result<()> {
        match self.role.as_str() {
            "" | "assistant" => builder.text(text),
            "reasoning" => builder.reasoning(text),
            _ => Ok(()),
        }
    }
}

/// What is said of an answer, in its message or around it. A request spells the state of tools otherwise than an answer.
fn about(place: &Value, builder: &mut ReplyBuilder) {
    keep(&mut builder.reply.id, place, &["message_id"]);
    keep(&mut builder.reply.state, place, &["tool_state_id", "tools_state_id", "functions_state_id"]);
    builder.finish(text(place, "finish_reason"));
}

/// Keeps the first of these that is told.
fn keep(kept: &mut String, place: &Value, names: &[&str]) {
    if let Some(told) = names.iter().map(|name| text(place, name)).find(|told| !told.is_empty()) {
        told.clone_into(kept);
    }
}

#[cfg(test)]
mod tests;
