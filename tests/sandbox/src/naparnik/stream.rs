//! An answer as events without names, between heartbeats.

use bytes::Bytes;
use serde_json::{Value, json};

use super::conversation::ToolCall;
use crate::answer;
use crate::ids;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::stream::{DONE, event};

const CONTEXT: u64 = 262_144;

pub struct Answer {
    pub uuid: String,
    pub text: String,
    pub calls: Vec<ToolCall>,
    pub prompt: usize,
    /// What comes back of the request, before the answer.
    pub echoes: Vec<Value>,
}

pub fn told(call: &Call, answer: &Answer) -> Reply {
    let mut events = vec![heartbeat()];
    events.extend(answer.echoes.iter().map(|echo| event(&echo.to_string())));
    if call.on("two-messages") {
        events.extend(answer.message(call, &ids::uuid(), "'Search_ITS' is unknown tool.", &[]));
    }
    events.extend(answer.message(call, &answer.uuid, &answer.text, &answer.calls));
    if call.on("done") {
        events.push(DONE.into());
    }
    let error = json!({"error": "Internal server error", "error_type": "internal_error"});
    reply::events(call, "text/event-stream", Box::new(events.into_iter()), event(&error.to_string()))
}

fn heartbeat() -> Bytes {
    Bytes::from(format!(": heartbeat {}\n\n", ids::unix_ms()))
}

impl Answer {
    /// The events of one message of the assistant.
    fn message(&self, call: &Call, uuid: &str, text: &str, calls: &[ToolCall]) -> Vec<Bytes> {
        let words = answer::words(text);
        let begin = json!({"uuid": uuid, "role": "assistant", "content": null, "finished": false});
        let mut events = vec![event(&begin.to_string())];
        for word in &words {
            let delta = json!({"uuid": uuid, "role": null, "content_delta": delta(call, word)});
            events.push(event(&delta.to_string()));
        }
        events.push(heartbeat());
        events.push(event(&self.finished(call, uuid, text, calls).to_string()));
        events
    }

    fn finished(&self, call: &Call, uuid: &str, text: &str, calls: &[ToolCall]) -> Value {
        let tool_calls: Vec<Value> = calls.iter().map(|one| written(call, one)).collect();
        let tool_calls = if tool_calls.is_empty() { Value::Null } else { tool_calls.into() };
        let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
        let finish = call.faults.quirks.word("finish").unwrap_or(finish);
        let usage = json!({"prompt_tokens": self.prompt, "total_tokens": self.prompt + answer::tokens(text)});
        let mut event = json!({
            "uuid": uuid, "role": "assistant", "parent_uuid": self.echoes.last().map(|echo| &echo["uuid"]),
            "content": {"content": text, "reasoning_content": null, "tool_calls": tool_calls},
            "details": {"finish_reason": finish, "usage": usage, "max_context_length": CONTEXT}, "finished": true,
        });
        if let (true, Some(last)) = (call.on("repeat-delta"), answer::words(text).last()) {
            event["content_delta"] = delta(call, last);
        }
        event
    }
}

fn delta(call: &Call, word: &str) -> Value {
    if call.on("delta-string") {
        return word.into();
    }
    json!({"content": word, "reasoning_content": null, "tool_calls": null})
}

/// A call as it stands in a message: its arguments are JSON as a text.
fn written(call: &Call, one: &ToolCall) -> Value {
    let function = json!({"name": one.name, "arguments": one.arguments});
    if call.on("no-tool-id") {
        return json!({"type": "function", "function": function});
    }
    json!({"id": one.id, "type": "function", "function": function})
}
