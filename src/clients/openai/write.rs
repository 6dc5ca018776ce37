//! Requests as OpenAI writes them.

use serde_json::{Map, Value, json};

use crate::clients::ask::{Chat, Choice, Embed, Format, Message, Role, Tool};
use crate::clients::json::merge;
use crate::error::{Error, Result};

/// The body of a chat completion.
pub fn chat_body(chat: &Chat, model: &str) -> Result<Value> {
    let model = chat.model.as_deref().unwrap_or(model);
    if model.is_empty() && !chat.extra.contains_key("model") {
        return Err(Error::invalid("model", "is not set; name one in the call or in the client's options"));
    }
    let messages: Vec<Value> = chat.messages.iter().map(message).collect();
    let mut body = json!({"model": model, "messages": messages});
    let fields = [
        ("temperature", chat.temperature.map(Value::from)),
        ("top_p", chat.top_p.map(Value::from)),
        ("max_tokens", chat.max_tokens.map(Value::from)),
        ("seed", chat.seed.map(Value::from)),
        ("stop", (!chat.stop.is_empty()).then(|| json!(chat.stop))),
        ("tools", (!chat.tools.is_empty()).then(|| tools(&chat.tools))),
        ("tool_choice", choice(&chat.choice)),
        ("response_format", format(&chat.format)),
        ("stream", chat.stream.then_some(Value::Bool(true))),
        ("stream_options", chat.stream.then(|| json!({"include_usage": true}))),
    ];
    for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        body[name] = value;
    }
    merge(&mut body, &chat.extra);
    Ok(body)
}

fn message(message: &Message) -> Value {
    if let Some(raw) = &message.raw {
        return raw.clone();
    }
    let mut out = json!({"role": message.role.word(), "content": message.content});
    if !message.calls.is_empty() {
        if message.content.is_empty() {
            out["content"] = Value::Null;
        }
        let call = |call: &crate::body::reply::Call| json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}});
        out["tool_calls"] = message.calls.iter().map(call).collect();
    }
    if message.role == Role::Tool {
        out["tool_call_id"] = Value::from(message.call_id.as_str());
    } else if !message.name.is_empty() {
        out["name"] = Value::from(message.name.as_str());
    }
    out
}

/// Tools as OpenAI lists them.
pub fn tools(tools: &[Tool]) -> Value {
    let one = |tool: &Tool| {
        let mut function = Map::new();
        function.insert("name".into(), tool.name.as_str().into());
        if !tool.description.is_empty() {
            function.insert("description".into(), tool.description.as_str().into());
        }
        if !tool.parameters.is_null() {
            function.insert("parameters".into(), tool.parameters.clone());
        }
        function.extend(tool.more.clone());
        json!({"type": "function", "function": function})
    };
    tools.iter().map(one).collect()
}

fn choice(choice: &Choice) -> Option<Value> {
    match choice {
        Choice::Unsaid => None,
        Choice::Auto => Some("auto".into()),
        Choice::None => Some("none".into()),
        Choice::Required => Some("required".into()),
        Choice::Named(name) => Some(json!({"type": "function", "function": {"name": name}})),
    }
}

fn format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::Json => Some(json!({"type": "json_object"})),
        Format::Schema(schema) => {
            Some(json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}}))
        }
    }
}

/// The body of a request for embeddings.
pub fn embed_body(embed: &Embed, model: &str) -> Result<Value> {
    let model = embed.model.as_deref().unwrap_or(model);
    if model.is_empty() {
        return Err(Error::invalid("embedding_model", "is not set; name one in the call or in the client's options"));
    }
    let mut body = json!({"model": model, "input": embed.inputs, "encoding_format": "float"});
    if let Some(dimensions) = embed.dimensions {
        body["dimensions"] = dimensions.into();
    }
    merge(&mut body, &embed.extra);
    Ok(body)
}
