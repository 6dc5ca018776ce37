//! A completion's body, read and checked.

use serde_json::Value;

use super::invalid;
use crate::answer;
use crate::reply::Reply;
use crate::router::Call;

pub const MODELS: [&str; 3] = ["yandexgpt", "yandexgpt-lite", "yandexgpt-32k"];
const ROLES: [&str; 3] = ["system", "user", "assistant"];
const PARTS: [&str; 3] = ["text", "toolCallList", "toolResultList"];
const MOST_TOKENS: usize = 8192;

pub struct Prompt<'a> {
    pub stream: bool,
    pub max_tokens: Option<u64>,
    pub user: &'a str,
    /// What the tools returned, if theirs is the last word.
    pub result: Option<String>,
    pub tokens: usize,
    pub functions: Vec<&'a Value>,
}

impl<'a> Prompt<'a> {
    pub fn read(call: &Call, body: &'a Value) -> Result<Self, Reply> {
        let options = &body["completionOptions"];
        let mut prompt = Self {
            stream: options["stream"] == true,
            max_tokens: max_tokens(call, &options["maxTokens"])?,
            user: "",
            result: None,
            tokens: 0,
            functions: functions(call, body)?,
        };
        if !options["temperature"].is_null()
            && !options["temperature"].as_f64().is_some_and(|t| (0.0..=1.0).contains(&t))
        {
            return Err(invalid(call, "temperature must be in [0, 1]"));
        }
        if body["jsonObject"] == true && body["jsonSchema"].is_object() {
            return Err(invalid(call, "only one of json_object and json_schema may be set"));
        }
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        for message in messages.ok_or_else(|| invalid(call, "messages is empty"))? {
            prompt.add(call, message)?;
        }
        if prompt.tokens > MOST_TOKENS {
            let tokens = prompt.tokens;
            return Err(invalid(
                call,
                &format!("Number of input tokens must be no more than {MOST_TOKENS}, got {tokens}"),
            ));
        }
        Ok(prompt)
    }

    fn add(&mut self, call: &Call, message: &'a Value) -> Result<(), Reply> {
        let role = message["role"].as_str().unwrap_or_default();
        if !ROLES.contains(&role) {
            return Err(invalid(call, "invalid message role"));
        }
        if PARTS.iter().filter(|part| message.get(**part).is_some()).count() != 1 {
            return Err(invalid(call, "a message has exactly one of text, tool_call_list and tool_result_list"));
        }
        let text = message["text"].as_str().unwrap_or_default();
        if message.get("text").is_some_and(|text| !text.is_string()) {
            return Err(invalid(call, "text must be a string"));
        }
        let calls = message["toolCallList"]["toolCalls"].as_array();
        if calls.is_some_and(|calls| calls.iter().any(|one| !one["functionCall"]["arguments"].is_object())) {
            return Err(invalid(call, "arguments must be an object"));
        }
        let results = message["toolResultList"]["toolResults"].as_array();
        self.result = results.map(|results| {
            results.iter().filter_map(|one| one["functionResult"]["content"].as_str()).collect::<Vec<_>>().join(" ")
        });
        self.tokens += answer::tokens(text);
        if role == "user" && !text.is_empty() {
            self.user = text;
        }
        Ok(())
    }
}

/// A number, or a string of digits, as int64 are written in JSON.
fn max_tokens(call: &Call, value: &Value) -> Result<Option<u64>, Reply> {
    let number = match value {
        Value::Null => return Ok(None),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    number.filter(|number| *number > 0).map(Some).ok_or_else(|| invalid(call, "max_tokens must be greater than zero"))
}

/// The functions on offer, as far as the choice allows them.
fn functions<'a>(call: &Call, body: &'a Value) -> Result<Vec<&'a Value>, Reply> {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let mut functions: Vec<&Value> = tools.iter().map(|tool| &tool["function"]).collect();
    if functions.iter().any(|function| !function["name"].is_string() || !function["parameters"].is_object()) {
        return Err(invalid(call, "a tool is a function with a name and parameters"));
    }
    let choice = &body["toolChoice"];
    match (choice["mode"].as_str(), choice["functionName"].as_str()) {
        (Some(_), Some(_)) => return Err(invalid(call, "only one of mode and function_name may be set")),
        (Some("NONE"), None) => functions.clear(),
        (None, Some(name)) => functions.retain(|function| function["name"] == name),
        _ => {}
    }
    Ok(functions)
}
