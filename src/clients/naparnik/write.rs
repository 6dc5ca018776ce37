//! Requests: a conversation, a user's message in it, what tools gave.

use serde_json::{Map, Value, json};

use super::tools::State;
use crate::clients::ask::{Chat, Choice, Format, Message, Role};
use crate::clients::json::{as_text, merge};
use crate::error::{Error, Result, Status};

/// Members of the request for a conversation; of `Chat::extra` all others are a message's.
const OF_CONVERSATION: [&str; 6] =
    ["tool_name", "skill_name", "is_chat", "ui_language", "script_language", "programming_language"];

/// What the call says first.
#[derive(Clone, Debug, PartialEq)]
pub enum First {
    /// The words of a user's message.
    Says(String),
    /// The whole request, in the caller's words.
    Raw(Value),
    /// What the caller's tools gave: the parts of the request, and the same as words.
    Gave(Vec<Value>, String),
}

/// The body that makes a conversation.
pub fn conversation(chat: &Chat, model: &str) -> Value {
    let model = chat.model.as_deref().unwrap_or(model);
    let skill = if model.is_empty() { "custom" } else { model };
    let mut body = json!({
        "tool_name": "custom", "skill_name": skill, "is_chat": true,
        "ui_language": "russian", "script_language": "ru", "programming_language": "1c",
    });
    merge(&mut body, &extra(chat, true));
    body
}

/// What `Chat::extra` says of a conversation, or of a message.
pub fn extra(chat: &Chat, of_conversation: bool) -> Map<String, Value> {
    let of = |name: &str| OF_CONVERSATION.contains(&name) == of_conversation;
    chat.extra.iter().filter(|(name, _)| of(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The body of a user's message.
pub fn user(parent: &str, instruction: &str, tools: &Value) -> Value {
    json!({
        "parent_uuid": uuid(parent), "role": "user",
        "content": {"content": {"instruction": instruction}, "tools": tools},
    })
}

/// The body of what tools gave.
pub fn results(parent: &str, parts: &[Value]) -> Value {
    json!({"parent_uuid": uuid(parent), "role": "tool", "content": parts})
}

fn uuid(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// Refuses what the service has no words for.
pub fn check(chat: &Chat) -> Result<()> {
    let unsupported = |message: &str| Err(Error::new(Status::Unsupported, message));
    if !matches!(chat.format, Format::Text) {
        return unsupported("response_format: 1C:Naparnik has none but text; ask for JSON in the message");
    }
    if matches!(chat.choice, Choice::Required | Choice::Named(_)) {
        return unsupported("tool_choice: 1C:Naparnik chooses by itself; leave it out, or say none");
    }
    for (place, message) in chat.messages.iter().enumerate() {
        if message.role == Role::System && place > 0 {
            return Err(Error::invalid(
                format_args!("messages[{place}]"),
                "is a system message; there may be one, as the first",
            ));
        }
    }
    match chat.messages.last().map(|message| message.role) {
        None => Err(Error::invalid("messages", "is empty; give a user's message")),
        Some(Role::System | Role::Assistant) => {
            Err(Error::invalid("messages", "ends with neither a user's message nor a tool's result; add one"))
        }
        Some(Role::User | Role::Tool) => Ok(()),
    }
}

/// What is said first: in a conversation that goes on what is new, else all of it as one message.
pub fn first(chat: &Chat, state: Option<&State>) -> Result<First> {
    if let Some(raw) = chat.messages.last().and_then(|last| last.raw.clone()) {
        return Ok(First::Raw(raw));
    }
    let Some(state) = state else { return Ok(First::Says(folded(&chat.messages))) };
    let new = chat.messages.iter().rposition(|message| message.role == Role::Assistant).map_or(0, |at| at + 1);
    let new: Vec<_> = chat.messages.iter().enumerate().skip(new).filter(|(_, one)| one.role != Role::System).collect();
    let of_tools = new.iter().filter(|(_, message)| message.role == Role::Tool).count();
    if of_tools == 0 {
        return Ok(First::Says(new.iter().map(|(_, one)| one.content.as_str()).collect::<Vec<_>>().join("\n\n")));
    }
    if of_tools < new.len() {
        return Err(Error::invalid(
            "messages",
            "has tools' results and a user's message; send the results by themselves",
        ));
    }
    let mut parts: Vec<Value> =
        state.pending.iter().map(|(id, accepted)| super::tools::answer(id, *accepted)).collect();
    for (place, message) in &new {
        if message.call_id.is_empty() {
            let field = format_args!("messages[{place}].tool_call_id").to_string();
            return Err(Error::invalid(field, "is empty; give the id of the call that this is the result of"));
        }
        parts.push(json!({"tool_call_id": message.call_id, "status": "ok", "content": message.content}));
    }
    let told: Vec<_> = new.iter().map(|(_, message)| line(message)).collect();
    Ok(First::Gave(parts, format!("Результаты инструментов:\n\n{}", told.join("\n"))))
}

/// A talk as one message: there is no role of the system, and no way to say what was said before.
fn folded(messages: &[Message]) -> String {
    let (system, talk) = match messages.split_first() {
        Some((first, rest)) if first.role == Role::System => (first.content.trim(), rest),
        _ => ("", messages),
    };
    let (last, before) = match talk.split_last() {
        Some((last, before)) if last.role == Role::User => (last.content.as_str(), before),
        _ => ("Продолжи по результатам инструментов.", talk),
    };
    let mut parts = Vec::new();
    if !system.is_empty() {
        parts.push(system.to_owned());
    }
    if !before.is_empty() {
        parts.push("Предыдущие сообщения разговора:".to_owned());
        parts.push(before.iter().map(line).collect::<Vec<_>>().join("\n"));
        parts.push("Новое сообщение:".to_owned());
    }
    parts.push(last.to_owned());
    parts.join("\n\n")
}

/// A message with who said it.
fn line(message: &Message) -> String {
    let said = message.raw.as_ref().map_or_else(|| message.content.clone(), as_text);
    let who = match message.role {
        Role::System => "Указание".to_owned(),
        Role::User => "Пользователь".to_owned(),
        Role::Assistant => "Ассистент".to_owned(),
        Role::Tool => format!("Инструмент {}", if message.name.is_empty() { &message.call_id } else { &message.name }),
    };
    let called = message.calls.iter().map(|call| format!(" [вызов {}({})]", call.name, call.arguments));
    format!("{who}: {said}{}", called.collect::<String>())
}
