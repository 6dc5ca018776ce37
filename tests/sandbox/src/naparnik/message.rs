//! A message of the user or the results of tools, and what is said to it.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::conversation::{Conversation, Said, ToolCall};
use super::stream::Answer;
use super::tools::{self, ToolResult};
use super::unprocessable;
use crate::answer;
use crate::ids;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;

/// Takes a message in, and makes the answer to it.
pub fn receive(site: &Site, call: &Call, uuid: &str, body: &Value) -> Result<Answer, Reply> {
    let answer = site.naparnik.with(uuid, |conversation| match body["role"].as_str() {
        Some("user") => user(call, conversation, body),
        Some("tool") => tool(call, conversation, body),
        _ => Err(unprocessable("role must be user or tool", body)),
    });
    answer.unwrap_or_else(|| Err(super::detail(StatusCode::NOT_FOUND, "Conversation not found")))
}

fn user(call: &Call, conversation: &mut Conversation, body: &Value) -> Result<Answer, Reply> {
    let content = &body["content"];
    if !content.is_object() {
        return Err(unprocessable("content of a user's message must be an object", body));
    }
    let instruction = content["content"]["instruction"].as_str();
    let instruction = instruction.ok_or_else(|| unprocessable("content.content.instruction must be a string", body))?;
    let offered = tools::offered(&content["tools"])
        .ok_or_else(|| unprocessable("tools must be a list of objects with name, description and parameters", body))?;
    let parent = match &body["parent_uuid"] {
        // Whoever does not say what came before has lost it.
        Value::Null => Said::default(),
        Value::String(uuid) => {
            conversation.parent(uuid).ok_or_else(|| unprocessable("parent message not found", body))?
        }
        _ => return Err(unprocessable("parent_uuid must be a string", body)),
    };
    let turn = parent.turn + 1;
    let rounds = if conversation.has_tools { tools::rounds(instruction) } else { 0 };
    let calls = if rounds > 0 {
        tools::server_calls(call, instruction)
    } else {
        tools::client_calls(call, &offered, instruction)
    };
    let quirks = &call.faults.quirks;
    let text = answer::sized(quirks)
        .unwrap_or_else(|| format!("{}Ход {turn}. Вы сказали: {instruction}", answer::thought(quirks)));
    let prompt = answer::tokens(instruction);
    Ok(remember(conversation, Said { turn, calls, rounds }, text, prompt, vec![echo(&Value::Null)]))
}

/// What the user's message comes back as.
fn echo(content: &Value) -> Value {
    json!({"uuid": ids::uuid(), "role": "user", "parent_uuid": null, "content": content, "finished": true})
}

fn tool(call: &Call, conversation: &mut Conversation, body: &Value) -> Result<Answer, Reply> {
    let results = tools::results(body)?;
    let parent = body["parent_uuid"].as_str().unwrap_or_default();
    let said = conversation.parent(parent).filter(|said| !said.calls.is_empty()).ok_or_else(|| {
        let message = "No tool calls found in the previous assistant message";
        reply::json(StatusCode::UNPROCESSABLE_ENTITY, &json!({"error": message}))
    })?;
    tools::check(&said.calls, &results, body)?;
    conversation.close_calls(parent);
    let echoes = results.iter().map(tool_echo).collect();
    let rounds = said.rounds.saturating_sub(1);
    let found = results.iter().map(ToolResult::told).collect::<Vec<_>>().join(", ");
    let calls: Vec<ToolCall> = if rounds > 0 { tools::server_calls(call, &found) } else { Vec::new() };
    let text = format!("Ход {}. Инструмент вернул: {found}", said.turn);
    let prompt = answer::tokens(&found);
    Ok(remember(conversation, Said { turn: said.turn, calls, rounds }, text, prompt, echoes))
}

fn tool_echo(result: &ToolResult) -> Value {
    let content = json!({"content": result.told()}).to_string();
    json!({
        "uuid": ids::uuid(), "role": "tool", "type": "tool", "content": {"type": "tool", "content": content},
        "finished": true,
    })
}

fn remember(conversation: &mut Conversation, said: Said, text: String, prompt: usize, echoes: Vec<Value>) -> Answer {
    let uuid = ids::uuid();
    let calls = said.calls.clone();
    conversation.add(&uuid, said);
    Answer { uuid, text: if calls.is_empty() { text } else { String::new() }, calls, prompt, echoes }
}
