//! One event of an answer, in the service's own form or in one of two others that were seen: what it adds to a message.

use serde_json::Value;

use crate::body::reply::{Call, Usage};
use crate::clients::json::{as_text, list, member, number, text, usage};

/// What an event says of an assistant's message.
#[derive(Default)]
pub struct Part {
    pub uuid: String,
    /// More of it.
    pub delta: Option<Content>,
    /// All of it.
    pub content: Option<Content>,
    pub finished: bool,
    /// The service's word for the end.
    pub finish: String,
    pub usage: Usage,
    pub model: String,
    /// In another's form, which ends with a mark.
    pub foreign: bool,
}

/// A message's content, or a part of it.
#[derive(Default)]
pub struct Content {
    pub text: String,
    pub reasoning: String,
    pub calls: Vec<Called>,
}

/// A call, or a part of one.
pub struct Called {
    pub index: Option<usize>,
    pub call: Call,
    /// As it came, for one that cannot be answered.
    pub raw: String,
}

impl Part {
    /// `None` where it is an echo of what was sent, or of what a tool gave.
    pub fn of(event: &Value) -> Option<Part> {
        let (role, kind) = (text(event, "role"), text(event, "type"));
        if matches!(role, "user" | "tool" | "system") || kind == "tool" {
            return None;
        }
        let part = match (list(event, "choices").first(), kind) {
            (Some(choice), _) => of_choice(choice),
            (_, "response.output_text.delta") => {
                Part { delta: member(event, "delta").map(Content::of), foreign: true, ..Part::default() }
            }
            (_, "response.completed") => completed(event),
            _ => native(event),
        };
        let told = member(event, "usage").map(usage).unwrap_or_default();
        let part = if told == Usage::default() { part } else { Part { usage: told, ..part } };
        Some(Part { model: text(event, "model").to_owned(), ..part })
    }

    /// Whether it says nothing of a message.
    pub fn is_silent(&self) -> bool {
        self.uuid.is_empty() && self.delta.is_none() && self.content.is_none() && !self.finished
    }
}

fn native(event: &Value) -> Part {
    let nothing = Value::Null;
    let details = member(event, "details").unwrap_or(&nothing);
    let counted = member(details, "usage").map(usage).unwrap_or_default();
    Part {
        uuid: text(event, "uuid").to_owned(),
        delta: member(event, "content_delta").map(Content::of),
        content: member(event, "content").map(Content::of),
        finished: event.get("finished") == Some(&Value::Bool(true)),
        finish: text(details, "finish_reason").to_owned(),
        usage: Usage { context: number(details, "max_context_length"), ..counted },
        ..Part::default()
    }
}

fn of_choice(choice: &Value) -> Part {
    let finish = text(choice, "finish_reason").to_owned();
    let delta = member(choice, "delta").map(Content::of);
    let content = member(choice, "message").map(Content::of);
    Part { delta, content, finished: !finish.is_empty(), finish, foreign: true, ..Part::default() }
}

fn completed(event: &Value) -> Part {
    let nothing = Value::Null;
    let response = member(event, "response").unwrap_or(&nothing);
    let parts = list(response, "output").iter().flat_map(|output| list(output, "content"));
    let content = Content { text: parts.map(|part| text(part, "text")).collect(), ..Content::default() };
    let usage = member(response, "usage").map(usage).unwrap_or_default();
    let finish = "stop".to_owned();
    Part { content: Some(content), finished: true, finish, usage, foreign: true, ..Part::default() }
}

impl Content {
    /// A text, or an object with one.
    fn of(value: &Value) -> Content {
        if let Value::String(text) = value {
            return Content { text: text.clone(), ..Content::default() };
        }
        let said = ["content", "text"].iter().map(|name| joined(value.get(*name))).find(|said| !said.is_empty());
        Content {
            text: said.unwrap_or_default(),
            reasoning: text(value, "reasoning_content").to_owned(),
            calls: list(value, "tool_calls").iter().map(Called::of).collect(),
        }
    }
}

/// A text, or texts in a list of parts.
fn joined(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().map(|part| text(part, "text")).collect(),
        _ => String::new(),
    }
}

impl Called {
    fn of(value: &Value) -> Called {
        let function = member(value, "function").unwrap_or(value);
        let call = Call {
            id: text(value, "id").to_owned(),
            name: text(function, "name").to_owned(),
            arguments: member(function, "arguments").map(as_text).unwrap_or_default(),
        };
        Called { index: usize::try_from(number(value, "index")).ok(), call, raw: value.to_string() }
    }

    /// Puts it with those that came before: more of one of them, the same again, or another.
    pub fn joins(self, calls: &mut Vec<Called>) {
        let known = match self.index {
            Some(_) => calls.iter_mut().find(|known| known.index == self.index),
            None => calls.iter_mut().find(|known| !self.call.id.is_empty() && known.call.id == self.call.id),
        };
        match known {
            None => calls.push(self),
            Some(known) if self.index.is_none() => *known = self,
            Some(known) => {
                known.call.arguments.push_str(&self.call.arguments);
                for (kept, told) in [(&mut known.call.id, self.call.id), (&mut known.call.name, self.call.name)] {
                    if !told.is_empty() {
                        *kept = told;
                    }
                }
            }
        }
    }
}
