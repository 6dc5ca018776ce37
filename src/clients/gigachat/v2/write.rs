//! Requests as the second version writes them.

use serde_json::{Map, Value, json};

use crate::body::reply::Call;
use crate::clients::ask::{Chat, Choice, Message, Role};
use crate::clients::gigachat::talk;
use crate::clients::gigachat::write::format;
use crate::clients::json::merge;
use crate::error::Result;

/// The body of a chat.
pub fn chat_body(chat: &Chat, model: &str) -> Result<Value> {
    talk::check(chat)?;
    let mut body = json!({});
    if let Some(model) = talk::model(chat, model)? {
        body["model"] = model.into();
    }
    body["messages"] = messages(chat)?;
    let options = options(chat);
    if !options.is_empty() {
        body["model_options"] = options.into();
    }
    if !chat.tools.is_empty() {
        let functions: Vec<Value> = chat.tools.iter().map(talk::function).collect();
        body["tools"] = json!([{"functions": {"specifications": functions}}]);
    }
    if let Some(config) = tool_config(chat)? {
        body["tool_config"] = config;
    }
    if chat.stream {
        body["stream"] = true.into();
    }
    merge(&mut body, &extra(chat));
    Ok(body)
}

fn options(chat: &Chat) -> Map<String, Value> {
    let fields = [
        ("temperature", chat.temperature.map(Value::from)),
        ("top_p", chat.top_p.map(Value::from)),
        ("max_tokens", chat.max_tokens.map(Value::from)),
        ("response_format", format(&chat.format)),
    ];
    let mut options: Map<String, Value> =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    // More of them is no reason to forget these.
    if let Some(Value::Object(more)) = chat.extra.get("model_options") {
        options.extend(more.clone());
    }
    options
}

/// What goes over the body: `model_options` is in it already, and the filter has another name than in the first version.
fn extra(chat: &Chat) -> Map<String, Value> {
    let mut extra = chat.extra.clone();
    if extra.get("model_options").is_some_and(Value::is_object) {
        extra.shift_remove("model_options");
    }
    if let Some(checked) = extra.get("profanity_check").and_then(Value::as_bool) {
        extra.shift_remove("profanity_check");
        extra.entry("disable_filter").or_insert(Value::Bool(!checked));
    }
    extra
}

fn tool_config(chat: &Chat) -> Result<Option<Value>> {
    let forced = |name: &str| json!({"mode": "forced", "function_name": name});
    Ok(match &chat.choice {
        Choice::Unsaid => None,
        Choice::Auto => Some(json!({"mode": "auto"})),
        Choice::None => Some(json!({"mode": "none"})),
        Choice::Required => Some(forced(talk::the_only(&chat.tools)?)),
        Choice::Named(name) => Some(forced(name)),
    })
}

/// Results that follow each other and are of one answer are one message.
fn messages(chat: &Chat) -> Result<Value> {
    let mut written: Vec<Value> = Vec::with_capacity(chat.messages.len());
    let mut results_of = None;
    for (at, (message, state)) in chat.messages.iter().zip(talk::states(chat)).enumerate() {
        let results = (message.raw.is_none() && message.role == Role::Tool).then_some(state);
        let before = written.last_mut().filter(|_| results.is_some() && results == results_of);
        match before.and_then(|before| before["content"].as_array_mut()) {
            Some(parts) => parts.push(result(message, at)?),
            None => written.push(one(message, state, at)?),
        }
        results_of = results;
    }
    Ok(written.into())
}

fn one(message: &Message, state: &str, at: usize) -> Result<Value> {
    if let Some(raw) = &message.raw {
        return Ok(raw.clone());
    }
    let mut parts = Vec::new();
    if message.role == Role::Tool {
        parts.push(result(message, at)?);
    } else if !message.content.is_empty() || message.calls.is_empty() {
        parts.push(json!({"text": message.content}));
    }
    for call in &message.calls {
        parts.push(wanted(call, at)?);
    }
    let mut out = json!({"role": message.role.word(), "content": parts});
    if !state.is_empty() {
        out["tools_state_id"] = state.into();
    }
    Ok(out)
}

fn wanted(call: &Call, at: usize) -> Result<Value> {
    let function = json!({"name": call.name, "arguments": talk::arguments(call, at)?});
    Ok(json!({"function_call": with_id(function, &call.id)}))
}

fn result(message: &Message, at: usize) -> Result<Value> {
    let result = json!({"name": talk::function_name(message, at)?, "result": talk::result(&message.content)});
    Ok(json!({"function_result": with_id(result, &message.call_id)}))
}

/// Models that call several functions at once number them.
fn with_id(mut part: Value, id: &str) -> Value {
    if !id.is_empty() {
        part["id"] = id.into();
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::ask::{Format, Tool};

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { unreachable!() };
        map
    }

    fn said(role: Role, content: &str) -> Message {
        Message { role, content: content.into(), ..Message::default() }
    }

    #[test]
    fn a_plain_chat_says_no_more_than_it_has_to() {
        let chat = Chat { messages: vec![said(Role::User, "Check order A-1024")], ..Chat::default() };
        assert_eq!(
            chat_body(&chat, "GigaChat-3-Ultra").unwrap().to_string(),
            r#"{"model":"GigaChat-3-Ultra","messages":[{"role":"user","content":[{"text":"Check order A-1024"}]}]}"#
        );
    }

    #[test]
    fn every_option_has_its_place() {
        let chat = Chat {
            messages: vec![said(Role::System, "s"), said(Role::User, "u")],
            tools: vec![Tool { name: "f".into(), description: "d".into(), ..Tool::default() }],
            choice: Choice::Named("f".into()),
            format: Format::Schema(json!({"type": "object"})),
            temperature: Some(0.5),
            max_tokens: Some(100),
            stream: true,
            extra: object(json!({
                "model_options": {"max_tokens": 7, "reasoning": {"effort": "low"}},
                "profanity_check": false, "user_info": {"timezone": "Europe/Moscow"},
            })),
            ..Chat::default()
        };
        let body = json!({
            "model": "m",
            "messages": [{"role": "system", "content": [{"text": "s"}]}, {"role": "user", "content": [{"text": "u"}]}],
            "model_options": {
                "temperature": 0.5, "max_tokens": 7, "reasoning": {"effort": "low"},
                "response_format": {"type": "json_schema", "schema": {"type": "object"}, "strict": true},
            },
            "tools": [{"functions": {"specifications": [
                {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}},
            ]}}],
            "tool_config": {"mode": "forced", "function_name": "f"},
            "stream": true, "user_info": {"timezone": "Europe/Moscow"}, "disable_filter": true,
        });
        assert_eq!(chat_body(&chat, "m").unwrap(), body);
    }

    #[test]
    fn choices_are_modes() {
        let of = |choice: Choice, names: &[&str]| {
            let tools = names.iter().map(|name| Tool { name: (*name).into(), ..Tool::default() }).collect();
            let chat = Chat { messages: vec![said(Role::User, "u")], tools, choice, ..Chat::default() };
            chat_body(&chat, "m").map(|body| body.get("tool_config").cloned()).map_err(|error| error.message)
        };
        assert_eq!(of(Choice::Unsaid, &["f"]), Ok(None));
        assert_eq!(of(Choice::Auto, &["f"]), Ok(Some(json!({"mode": "auto"}))));
        assert_eq!(of(Choice::None, &["f"]), Ok(Some(json!({"mode": "none"}))));
        assert_eq!(of(Choice::Required, &["f"]), Ok(Some(json!({"mode": "forced", "function_name": "f"}))));
        assert!(of(Choice::Required, &["f", "g"]).unwrap_err().starts_with("tool_choice: "));
    }

    #[test]
    fn results_of_one_answer_go_back_in_one_message_with_its_state() {
        let call = |id: &str, city: &str| Call {
            id: id.into(),
            name: "weather".into(),
            arguments: json!({"city": city}).to_string(),
        };
        let result = |id: &str, content: &str| Message {
            role: Role::Tool,
            name: "weather".into(),
            call_id: id.into(),
            content: content.into(),
            ..Message::default()
        };
        let answer = Message {
            calls: vec![call("1", "Москва"), call("2", "Казань")],
            state: "uuid".into(),
            ..said(Role::Assistant, "")
        };
        let messages = vec![
            said(Role::User, "u"),
            answer,
            result("1", r#"{"t":1}"#),
            result("2", "холодно"),
            Message {
                calls: vec![call("", "Тверь")], state: "other".into(), ..said(Role::Assistant, "и ещё")
            },
            result("", "{}"),
        ];
        let chat = Chat { messages, ..Chat::default() };
        let wanted = |city: &str| json!({"name": "weather", "arguments": {"city": city}});
        assert_eq!(
            chat_body(&chat, "m").unwrap()["messages"],
            json!([
                {"role": "user", "content": [{"text": "u"}]},
                {"role": "assistant", "tools_state_id": "uuid", "content": [
                    {"function_call": with_id(wanted("Москва"), "1")}, {"function_call": with_id(wanted("Казань"), "2")},
                ]},
                {"role": "tool", "tools_state_id": "uuid", "content": [
                    {"function_result": {"id": "1", "name": "weather", "result": {"t": 1}}},
                    {"function_result": {"id": "2", "name": "weather", "result": {"result": "холодно"}}},
                ]},
                {"role": "assistant", "tools_state_id": "other", "content": [
                    {"text": "и ещё"}, {"function_call": wanted("Тверь")},
                ]},
                {"role": "tool", "tools_state_id": "other", "content": [
                    {"function_result": {"name": "weather", "result": {}}},
                ]},
            ])
        );
    }

    #[test]
    fn messages_in_the_providers_words_stay_as_they_are() {
        let raw = json!({"role": "user", "content": [{"files": [{"id": "f"}]}]});
        let chat = Chat { messages: vec![Message { raw: Some(raw.clone()), ..Message::default() }], ..Chat::default() };
        assert_eq!(chat_body(&chat, "m").unwrap()["messages"], json!([raw]));
    }
}
