//! Answers as the second version writes them: parts of messages, under events with names.

use serde_json::Value;

use crate::body::events::Event;
use crate::body::reply::{Decode, Dialect, Telling, in_body};
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

    fn whole(&self, body: &[u8], telling: &mut Telling) -> Result<()> {
        let body = parse(body)?;
        if list(&body, "messages").is_empty() && text(&body, "finish_reason").is_empty() {
            let nothing =
                || in_body(Status::Provider, "response: has no messages; read the body").detail(Detail::NotJson);
            return Err(problem(&body).map_or_else(nothing, |problem| failure_within(problem, telling)));
        }
        Messages::default().add(&body, telling)?;
        telling.done();
        Ok(())
    }
}

impl Decode for Messages {
    fn event(&mut self, event: Event<'_>, telling: &mut Telling) -> Result<()> {
        if telling.is_done() {
            return Ok(());
        }
        let ours = event.name == DELTA || event.name == DONE;
        let part = match parse(event.data.as_bytes()) {
            // The body ended within it, or it is nothing that we know.
            Err(_) if event.incomplete || (!ours && event.name != "error") => return Ok(()),
            part => part?,
        };
        if event.name == "error" {
            return Err(failure_within(problem(&part).unwrap_or_default(), telling));
        }
        if let Some(problem) = refusal::in_event(&part).filter(|_| list(&part, "messages").is_empty()) {
            return Err(failure_within(problem, telling));
        }
        if ours {
            self.add(&part, telling)?;
        }
        if event.name == DONE {
            telling.done();
        }
        Ok(())
    }
}

impl Messages {
    fn add(&mut self, body: &Value, telling: &mut Telling) -> Result<()> {
        keep(&mut telling.reply.model, body, &["model"]);
        for message in list(body, "messages") {
            self.message(message, telling)?;
        }
        about(body, telling);
        if let Some(told) = member(body, "usage") {
            telling.usage(usage(told));
        }
        Ok(())
    }

    fn message(&mut self, message: &Value, telling: &mut Telling) -> Result<()> {
        keep(&mut self.role, message, &["role"]);
        match message.get("content") {
            Some(Value::String(text)) => self.text(text, telling)?,
            Some(Value::Array(parts)) => {
                for part in parts {
                    self.text(text(part, "text"), telling)?;
                    if let Some(call) = member(part, "function_call") {
                        calls::tell(call, telling)?;
                    }
                }
            }
            _ => {}
        }
        if let Some(call) = member(message, "function_call") {
            calls::tell(call, telling)?;
        }
        about(message, telling);
        Ok(())
    }

    /// Only what the model says is the answer.
    fn text(&self, text: &str, telling: &mut Telling) -> Result<()> {
        match self.role.as_str() {
            "" | "assistant" => telling.text(text),
            "reasoning" => telling.reasoning(text),
            _ => Ok(()),
        }
    }
}

/// What is said of an answer, in its message or around it. A request spells the state of tools otherwise than an answer.
fn about(place: &Value, telling: &mut Telling) {
    keep(&mut telling.reply.id, place, &["message_id"]);
    keep(&mut telling.reply.state, place, &["tool_state_id", "tools_state_id", "functions_state_id"]);
    telling.finish(text(place, "finish_reason"));
}

/// Keeps the first of these that is told.
fn keep(kept: &mut String, place: &Value, names: &[&str]) {
    if let Some(told) = names.iter().map(|name| text(place, name)).find(|told| !told.is_empty()) {
        told.clone_into(kept);
    }
}

#[cfg(test)]
mod tests;
