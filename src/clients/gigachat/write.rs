//! Requests as the first version writes them.

use serde_json::{Value, json};

use super::talk;
use crate::clients::ask::{Chat, Choice, Count, Embed, Format, Message, Role};
use crate::clients::json::merge;
use crate::error::{Error, Result};

/// The body of a chat.
pub fn chat_body(chat: &Chat, model: &str) -> Result<Value> {
    talk::check(chat)?;
    let mut body = json!({});
    if let Some(model) = talk::model(chat, model)? {
        body["model"] = model.into();
    }
    let states = talk::states(chat);
    let messages = chat.messages.iter().zip(states).enumerate();
    body["messages"] = messages.map(|(at, (one, state))| message(one, state, at)).collect::<Result<_>>()?;
    let fields = [
        ("temperature", chat.temperature.map(Value::from)),
        ("top_p", chat.top_p.map(Value::from)),
        ("max_tokens", chat.max_tokens.map(Value::from)),
        ("functions", (!chat.tools.is_empty()).then(|| chat.tools.iter().map(talk::function).collect())),
        ("function_call", choice(chat)?),
        ("response_format", format(&chat.format)),
        ("stream", chat.stream.then_some(Value::Bool(true))),
    ];
    for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        body[name] = value;
    }
    merge(&mut body, &chat.extra);
    Ok(body)
}

fn message(message: &Message, state: &str, at: usize) -> Result<Value> {
    if let Some(raw) = &message.raw {
        return Ok(raw.clone());
    }
    if message.role == Role::Tool {
        let name = talk::function_name(message, at)?;
        // JSON as a text.
        return Ok(json!({"role": "function", "name": name, "content": talk::result(&message.content).to_string()}));
    }
    let mut out = json!({"role": message.role.word(), "content": message.content});
    match &*message.calls {
        [] => {}
        [call] => out["function_call"] = json!({"name": call.name, "arguments": talk::arguments(call, at)?}),
        _ => return Err(Error::invalid(talk::place(at), "has several calls; a message of GigaChat has one")),
    }
    if !state.is_empty() {
        out["functions_state_id"] = state.into();
    }
    Ok(out)
}

/// Functions that nobody chooses among are never called here, and whoever lists them means them.
fn choice(chat: &Chat) -> Result<Option<Value>> {
    Ok(match &chat.choice {
        Choice::Unsaid => (!chat.tools.is_empty()).then(|| "auto".into()),
        Choice::Auto => Some("auto".into()),
        Choice::None => Some("none".into()),
        Choice::Required => Some(json!({"name": talk::the_only(&chat.tools)?})),
        Choice::Named(name) => Some(json!({"name": name})),
    })
}

/// JSON is had by a schema alone.
pub fn format(format: &Format) -> Option<Value> {
    match format {
        Format::Text => None,
        Format::Json => Some(json!({"type": "json_schema", "schema": {"type": "object"}, "strict": false})),
        Format::Schema(schema) => Some(json!({"type": "json_schema", "schema": schema, "strict": true})),
    }
}

/// The body of a request for embeddings.
pub fn embed_body(embed: &Embed, model: &str) -> Result<Value> {
    let model = embed.model.as_deref().unwrap_or(model);
    if model.is_empty() {
        return Err(Error::invalid("embedding_model", "is not set; name one in the call or in the client's options"));
    }
    if embed.dimensions.is_some() {
        return Err(Error::invalid("dimensions", "is not known to GigaChat; leave it out"));
    }
    let mut body = json!({"model": model, "input": embed.inputs});
    merge(&mut body, &embed.extra);
    Ok(body)
}

/// The body of a request to count tokens.
pub fn count_body(count: &Count, model: &str) -> Result<Value> {
    let model = count.model.as_deref().unwrap_or(model);
    if model.is_empty() {
        return Err(Error::invalid("model", "is not set; name one in the call or in the client's options"));
    }
    Ok(json!({"model": model, "input": count.inputs}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::reply::Call;
    use crate::clients::ask::Tool;

    fn user(content: &str) -> Message {
        Message { content: content.into(), ..Message::default() }
    }

    fn object(value: Value) -> serde_json::Map<String, Value> {
        let Value::Object(map) = value else { unreachable!() };
        map
    }

    fn weather() -> Tool {
        Tool {
            name: "weather".into(),
            description: "d".into(),
            parameters: json!({"type": "object", "properties": {"city": {"type": "string"}}}),
            more: object(json!({"few_shot_examples": [{"request": "r", "params": {"city": "Москва"}}]})),
        }
    }

    #[test]
    fn a_plain_chat_says_no_more_than_it_has_to() {
        let chat = Chat { messages: vec![user("Привет")], ..Chat::default() };
        let body = chat_body(&chat, "GigaChat-2").unwrap();
        assert_eq!(body.to_string(), r#"{"model":"GigaChat-2","messages":[{"role":"user","content":"Привет"}]}"#);
    }

    #[test]
    fn every_option_has_its_name() {
        let chat = Chat {
            messages: vec![Message { role: Role::System, content: "s".into(), ..Message::default() }, user("u")],
            model: Some("GigaChat-2-Max".into()),
            tools: vec![weather(), Tool { name: "now".into(), ..Tool::default() }],
            format: Format::Schema(json!({"type": "object"})),
            temperature: Some(0.5),
            top_p: Some(0.25),
            max_tokens: Some(512),
            stream: true,
            extra: object(
                json!({"profanity_check": true, "update_interval": 0, "top_p": 0.75, "reasoning_effort": "low"}),
            ),
            ..Chat::default()
        };
        let body = json!({
            "model": "GigaChat-2-Max",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
            "temperature": 0.5, "top_p": 0.75, "max_tokens": 512,
            "functions": [
                {"name": "weather", "description": "d",
                 "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                 "few_shot_examples": [{"request": "r", "params": {"city": "Москва"}}]},
                {"name": "now", "parameters": {"type": "object", "properties": {}}},
            ],
            "function_call": "auto",
            "response_format": {"type": "json_schema", "schema": {"type": "object"}, "strict": true},
            "stream": true, "profanity_check": true, "update_interval": 0, "reasoning_effort": "low",
        });
        assert_eq!(chat_body(&chat, "GigaChat-2").unwrap(), body);
    }

    #[test]
    fn a_functions_result_goes_back_with_the_answer_that_wanted_it() {
        let call = Call { name: "weather".into(), arguments: r#"{"city":"Москва"}"#.into(), ..Call::default() };
        let answer = Message { role: Role::Assistant, calls: vec![call], state: "uuid".into(), ..Message::default() };
        let result = Message {
            role: Role::Tool,
            name: "weather".into(),
            content: r#"{"ok":true}"#.into(),
            ..Message::default()
        };
        let plain = Message { content: "тепло".into(), ..result.clone() };
        let chat = Chat { messages: vec![user("u"), answer, result, plain], ..Chat::default() };
        assert_eq!(
            chat_body(&chat, "m").unwrap()["messages"],
            json!([
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "", "functions_state_id": "uuid",
                 "function_call": {"name": "weather", "arguments": {"city": "Москва"}}},
                {"role": "function", "name": "weather", "content": "{\"ok\":true}"},
                {"role": "function", "name": "weather", "content": "{\"result\":\"тепло\"}"},
            ])
        );
    }

    #[test]
    fn messages_in_the_providers_words_stay_as_they_are() {
        let raw = json!({"role": "user", "content": "c", "attachments": ["id"]});
        let chat = Chat { messages: vec![Message { raw: Some(raw.clone()), ..Message::default() }], ..Chat::default() };
        assert_eq!(chat_body(&chat, "m").unwrap()["messages"], json!([raw]));
    }

    #[test]
    fn choices_are_spelt_as_the_provider_spells_them() {
        let of = |choice: Choice, tools: usize| {
            let chat = Chat { messages: vec![user("u")], tools: vec![weather(); tools], choice, ..Chat::default() };
            chat_body(&chat, "m").map(|body| body.get("function_call").cloned()).map_err(|error| error.message)
        };
        assert_eq!(of(Choice::Unsaid, 0), Ok(None));
        assert_eq!(of(Choice::Unsaid, 1), Ok(Some("auto".into())));
        assert_eq!(of(Choice::Auto, 1), Ok(Some("auto".into())));
        assert_eq!(of(Choice::None, 1), Ok(Some("none".into())));
        assert_eq!(of(Choice::Required, 1), Ok(Some(json!({"name": "weather"}))));
        assert_eq!(of(Choice::Named("x".into()), 2), Ok(Some(json!({"name": "x"}))));
        assert!(of(Choice::Required, 2).unwrap_err().starts_with("tool_choice: "));
    }

    #[test]
    fn what_cannot_be_said_is_refused_by_its_place() {
        let call = Call { name: "f".into(), ..Call::default() };
        let answer = Message { role: Role::Assistant, calls: vec![call.clone(), call], ..Message::default() };
        let nameless = Message { role: Role::Tool, ..Message::default() };
        for bad in [answer, nameless] {
            let chat = Chat { messages: vec![user("u"), bad], ..Chat::default() };
            assert!(chat_body(&chat, "m").unwrap_err().message.starts_with("messages[1]: "));
        }
    }

    #[test]
    fn embeddings_and_counts_name_model_and_inputs() {
        let inputs = vec!["a".to_owned(), "b".to_owned()];
        let embed = Embed { inputs: inputs.clone(), ..Embed::default() };
        assert_eq!(embed_body(&embed, "Embeddings").unwrap(), json!({"model": "Embeddings", "input": ["a", "b"]}));
        let count = Count { model: Some("GigaChat".into()), inputs };
        assert_eq!(count_body(&count, "m").unwrap(), json!({"model": "GigaChat", "input": ["a", "b"]}));
        let sized = Embed { dimensions: Some(3), ..embed };
        assert!(embed_body(&sized, "m").unwrap_err().message.starts_with("dimensions: "));
    }
}
