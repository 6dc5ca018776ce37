//! The OpenAI-compatible endpoints.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::body::Content;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::sse::ChatStream;
use crate::stats::Stats;

const MODELS: [&str; 2] = ["sandbox-large", "sandbox-small"];
const ROLES: [&str; 6] = ["assistant", "developer", "function", "system", "tool", "user"];

pub fn models(call: &Call) -> Reply {
    if !matches!(call.head.method, Method::GET | Method::HEAD) {
        return reply::method_not_allowed("GET, HEAD");
    }
    let models = MODELS.map(|id| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "sandbox"}));
    reply::json(StatusCode::OK, &json!({"object": "list", "data": models}))
}

/// A completion that says the last user message back, whole or as a stream of events.
pub fn completions(call: &Call, stats: &Stats) -> Reply {
    if call.head.method != Method::POST {
        return reply::method_not_allowed("POST");
    }
    match ChatRequest::parse(call) {
        Ok(request) => {
            stats.chats.add(1);
            request.complete(call)
        }
        Err(refusal) => refusal,
    }
}

struct ChatRequest {
    model: String,
    last_message: String,
    prompt_tokens: usize,
    stream: bool,
    include_usage: bool,
}

impl ChatRequest {
    fn parse(call: &Call) -> Result<Self, Reply> {
        if !is_json(&call.head.headers) {
            let message = "The content-type must be application/json";
            return Err(reply::bad_request(message, None));
        }
        let body: Value = serde_json::from_slice(&call.body)
            .map_err(|error| reply::bad_request(&format!("The body is not valid JSON: {error}"), None))?;
        if !body.is_object() {
            return Err(reply::bad_request("The body is not a JSON object", None));
        }
        let model = match body["model"].as_str() {
            Some(model) if !model.is_empty() => model.to_owned(),
            _ => return Err(invalid("model", "a model's name")),
        };
        let messages = match body["messages"].as_array() {
            Some(messages) if !messages.is_empty() => messages,
            _ => return Err(invalid("messages", "a nonempty array")),
        };
        let mut prompt_tokens = 0;
        let mut last_message = String::new();
        for (index, message) in messages.iter().enumerate() {
            let text = message_text(index, message)?;
            prompt_tokens += count_tokens(&text);
            if message["role"] == "user" {
                last_message = text;
            }
        }
        let options = &body["stream_options"];
        Ok(Self {
            model,
            last_message,
            prompt_tokens,
            stream: flag(&body["stream"], "stream")?,
            include_usage: flag(&options["include_usage"], "stream_options.include_usage")?,
        })
    }

    fn complete(self, call: &Call) -> Reply {
        let id = completion_id();
        let created = unix_time();
        let content = format!("You said: {}", self.last_message);
        let completion_tokens = count_tokens(&content);
        let usage = json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": self.prompt_tokens + completion_tokens,
        });
        if self.stream {
            let usage = self.include_usage.then_some(usage);
            let stream = ChatStream::new(&id, created, &self.model, content, usage).paced(call.faults.pace);
            return event_stream(stream);
        }
        let message = json!({"role": "assistant", "content": content, "refusal": null});
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": "stop"});
        let completion = json!({
            "id": id,
            "object": "chat.completion",
            "created": created,
            "model": self.model,
            "choices": [choice],
            "usage": usage,
        });
        reply::json(StatusCode::OK, &completion)
    }
}

fn event_stream(stream: ChatStream) -> Reply {
    let mut reply = reply::reply(StatusCode::OK, "text/event-stream", Content::Chat(Box::new(stream)));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

/// The text of one message, whose content is a string or an array of typed parts.
fn message_text(index: usize, message: &Value) -> Result<String, Reply> {
    let member = |name: &str| format!("messages[{index}].{name}");
    let role = message["role"].as_str().unwrap_or_default();
    if !ROLES.contains(&role) {
        return Err(invalid(&member("role"), &format!("one of {ROLES:?}")));
    }
    match &message["content"] {
        Value::String(text) => Ok(text.clone()),
        Value::Array(parts) if !parts.is_empty() => parts
            .iter()
            .map(part_text)
            .collect::<Option<String>>()
            .ok_or_else(|| invalid(&member("content"), "parts that have a type")),
        // What an assistant that called a tool has said.
        Value::Null if role == "assistant" => Ok(String::new()),
        _ => Err(invalid(&member("content"), "a string or an array of parts")),
    }
}

/// The text of one part; a part that is no text says nothing.
fn part_text(part: &Value) -> Option<&str> {
    match part["type"].as_str()? {
        "text" => part["text"].as_str(),
        _ => Some(""),
    }
}

/// A boolean that may be absent.
fn flag(value: &Value, name: &str) -> Result<bool, Reply> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(invalid(name, "a boolean")),
    }
}

fn invalid(param: &str, expected: &str) -> Reply {
    let message = format!("Invalid or missing '{param}': expected {expected}");
    reply::bad_request(&message, Some(param))
}

/// A word is a token here.
fn count_tokens(text: &str) -> usize {
    text.split_whitespace().count()
}

fn completion_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("chatcmpl-sandbox-{:08}", NEXT.fetch_add(1, Relaxed))
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
