//! A chat request, read and checked.

use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use serde_json::Value;

use crate::answer;
use crate::reply::{self, Reply};
use crate::router::Call;

const ROLES: [&str; 6] = ["assistant", "developer", "function", "system", "tool", "user"];

pub struct ChatRequest {
    pub model: String,
    pub last_message: String,
    /// What the tools said, if theirs is the last word.
    pub tool_result: Option<String>,
    pub prompt_tokens: usize,
    pub max_tokens: Option<u64>,
    pub stream: bool,
    pub include_usage: bool,
    /// The functions to be called: their names and schemas.
    pub functions: Vec<(String, Value)>,
}

impl ChatRequest {
    /// Reads the request; a context of 0 tokens has no limit.
    pub fn parse(call: &Call, context: u64) -> Result<Self, Reply> {
        let body = json_body(call)?;
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
        let mut tool_result = None;
        for (index, message) in messages.iter().enumerate() {
            let text = message_text(index, message)?;
            prompt_tokens += answer::tokens(&text);
            tool_result = (message["role"] == "tool").then(|| text.clone());
            if message["role"] == "user" {
                last_message = text;
            }
        }
        if context > 0 && prompt_tokens as u64 > context {
            return Err(too_long(prompt_tokens, context));
        }
        let options = &body["stream_options"];
        let functions = functions(&body)?;
        Ok(Self {
            model,
            last_message,
            prompt_tokens,
            max_tokens: body["max_completion_tokens"].as_u64().or(body["max_tokens"].as_u64()),
            stream: flag(&body["stream"], "stream")?,
            include_usage: flag(&options["include_usage"], "stream_options.include_usage")?,
            functions: if tool_result.is_some() { Vec::new() } else { functions },
            tool_result,
        })
    }
}

fn too_long(tokens: usize, context: u64) -> Reply {
    let message = format!(
        "This model's maximum context length is {context} tokens. However, your messages resulted in {tokens} tokens."
    );
    reply::error(StatusCode::BAD_REQUEST, &message, Some("messages"), Some("context_length_exceeded"))
}

/// The functions that the tools offer and the choice allows.
fn functions(body: &Value) -> Result<Vec<(String, Value)>, Reply> {
    let Some(tools) = body["tools"].as_array() else {
        return if body["tools"].is_null() { Ok(Vec::new()) } else { Err(invalid("tools", "an array")) };
    };
    let mut functions = Vec::new();
    for (index, tool) in tools.iter().enumerate() {
        let function = &tool["function"];
        match (tool["type"].as_str(), function["name"].as_str()) {
            (Some("function"), Some(name)) if !name.is_empty() => {
                functions.push((name.to_owned(), function["parameters"].clone()));
            }
            _ => return Err(invalid(&format!("tools[{index}]"), "a function with a name")),
        }
    }
    let choice = &body["tool_choice"];
    if choice == "none" {
        functions.clear();
    } else if let Some(name) = choice["function"]["name"].as_str() {
        functions.retain(|(known, _)| known == name);
    }
    Ok(functions)
}

/// The body as a JSON object, if the content type says that it is JSON.
pub fn json_body(call: &Call) -> Result<Value, Reply> {
    if !is_json(&call.head.headers) {
        return Err(reply::bad_request("The content-type must be application/json", None));
    }
    let body: Value = serde_json::from_slice(&call.body)
        .map_err(|error| reply::bad_request(&format!("The body is not valid JSON: {error}"), None))?;
    if body.is_object() { Ok(body) } else { Err(reply::bad_request("The body is not a JSON object", None)) }
}

/// Whether the content type is that of JSON, with whatever parameters.
pub fn is_json(headers: &HeaderMap) -> bool {
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

pub fn invalid(param: &str, expected: &str) -> Reply {
    let message = format!("Invalid or missing '{param}': expected {expected}");
    reply::bad_request(&message, Some(param))
}
