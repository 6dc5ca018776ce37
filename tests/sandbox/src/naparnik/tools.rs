//! Tools: the service's own, which it runs when they are accepted, and those of the caller.

use serde_json::{Value, json};

use super::conversation::ToolCall;
use super::unprocessable;
use crate::answer;
use crate::ids;
use crate::reply::Reply;
use crate::router::Call;

const SEARCH: &str = "mcp__knowledge-hub__Search_ITS";

/// Words that make the service look something up, once a word.
const SEARCH_WORDS: [&str; 2] = ["search", "найди"];

/// The tools that a message brings along; nothing if they are of the wrong shape.
pub fn offered(tools: &Value) -> Option<Vec<&Value>> {
    let whole =
        |tool: &&Value| tool["name"].is_string() && tool["description"].is_string() && tool["parameters"].is_object();
    match tools {
        Value::Null => Some(Vec::new()),
        Value::Array(tools) => Some(tools.iter().collect()).filter(|tools: &Vec<&Value>| tools.iter().all(whole)),
        _ => None,
    }
}

pub fn rounds(instruction: &str) -> usize {
    let lower = instruction.to_lowercase();
    SEARCH_WORDS.iter().map(|word| lower.matches(word).count()).sum()
}

pub fn server_calls(call: &Call, query: &str) -> Vec<ToolCall> {
    let arguments = json!({"query": query}).to_string();
    made(call, 1, |_| (SEARCH.to_owned(), arguments.clone()), false)
}

pub fn client_calls(call: &Call, tools: &[&Value], instruction: &str) -> Vec<ToolCall> {
    let named = |at: usize| {
        let tool = tools[at % tools.len()];
        let arguments = answer::arguments(&tool["parameters"], instruction).to_string();
        (tool["name"].as_str().unwrap_or_default().to_owned(), arguments)
    };
    made(call, tools.len().min(1), named, true)
}

/// As many calls as were asked for, or `least`; none if `least` is none.
fn made(call: &Call, least: usize, named: impl Fn(usize) -> (String, String), is_client: bool) -> Vec<ToolCall> {
    let count = call.faults.quirks.number("tool-calls").filter(|_| least > 0).unwrap_or(least);
    let made = |at| {
        let (name, arguments) = named(at);
        ToolCall { id: format!("call-{}", ids::hex(12)), name, arguments, is_client }
    };
    (0..count).map(made).collect()
}

pub struct ToolResult {
    id: String,
    status: String,
    content: Option<String>,
}

impl ToolResult {
    /// What came of the call, in words.
    pub fn told(&self) -> String {
        match (self.status.as_str(), &self.content) {
            ("accepted", _) => "Найдено 10 результатов".to_owned(),
            (_, Some(content)) => content.clone(),
            (status, None) => status.to_owned(),
        }
    }
}

/// The results of a message, if it is of the right shape.
pub fn results(body: &Value) -> Result<Vec<ToolResult>, Reply> {
    let wrong = |message: &str| unprocessable(message, body);
    let content = body["content"].as_array().filter(|content| !content.is_empty());
    let content = content.ok_or_else(|| wrong("content of a tool's message must be a list"))?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let result = |result: &Value| {
        let is_text = result["content"].is_null() || result["content"].is_string();
        let (id, status) = (text(&result["tool_call_id"])?, text(&result["status"])?);
        is_text.then(|| ToolResult { id, status, content: text(&result["content"]) })
    };
    let results: Option<Vec<ToolResult>> = content.iter().map(result).collect();
    results.ok_or_else(|| wrong("a result has tool_call_id, status and content"))
}

/// Whether the results are of all calls, each with a status that its tool may have.
pub fn check(calls: &[ToolCall], results: &[ToolResult], body: &Value) -> Result<(), Reply> {
    let wrong = |message: &str| Err(unprocessable(message, body));
    for result in results {
        let Some(call) = calls.iter().find(|call| call.id == result.id) else {
            return wrong(&format!("Unknown tool_call_id '{}'", result.id));
        };
        let status = result.status.as_str();
        match (call.is_client, status) {
            (true, "ok" | "rejected" | "error" | "timeout") | (false, "rejected") if result.content.is_some() => {}
            (false, "accepted") if result.content.is_none() => {}
            (false, "accepted") => return wrong("content must be null when the status is 'accepted'"),
            (true, "ok" | "rejected" | "error" | "timeout") | (false, "rejected") => {
                return wrong("content must be a string");
            }
            (true, _) => {
                return wrong(&format!(
                    "Client tools can only have 'ok', 'rejected', 'error', or 'timeout' status, got '{status}'"
                ));
            }
            (false, _) => {
                return wrong(&format!("Server tools can only have 'accepted' or 'rejected' status, got '{status}'"));
            }
        }
    }
    if calls.iter().any(|call| results.iter().all(|result| result.id != call.id)) {
        return wrong("All tool calls of the message must be answered");
    }
    Ok(())
}
