//! What both versions ask of a talk, and what they have not.

use serde_json::{Map, Value, json};

use crate::body::reply::Call;
use crate::clients::ask::{Chat, Message, Role, Tool};
use crate::error::{Error, Result};

/// Refuses what the provider would: no messages, a system's that is not the first, options that it has not.
pub fn check(chat: &Chat) -> Result<()> {
    if chat.messages.is_empty() {
        return Err(Error::invalid("messages", "is empty; give one at least"));
    }
    let is_system = |message: &Message| match &message.raw {
        Some(raw) => raw.get("role").and_then(Value::as_str) == Some("system"),
        None => message.role == Role::System,
    };
    if let Some(at) = chat.messages.iter().skip(1).position(is_system) {
        let mend = "is a system message that is not the first; there is one, in front";
        return Err(Error::invalid(place(at + 1), mend));
    }
    if chat.seed.is_some() {
        return Err(Error::invalid("seed", "is not known to GigaChat; leave it out"));
    }
    if !chat.stop.is_empty() {
        return Err(Error::invalid("stop", "is not known to GigaChat; leave it out"));
    }
    Ok(())
}

/// How errors name a message.
pub fn place(at: usize) -> String {
    format!("messages[{at}]")
}

/// The model to name; none where an assistant or a thread has one.
pub fn model<'a>(chat: &'a Chat, usual: &'a str) -> Result<Option<&'a str>> {
    let storage = chat.extra.get("storage");
    let has = |name: &str| {
        let places = [chat.extra.get(name), storage.and_then(|storage| storage.get(name))];
        places.into_iter().flatten().any(|value| !value.is_null())
    };
    let named = chat.model.as_deref().filter(|model| !model.is_empty());
    if has("assistant_id") {
        return match named {
            Some(_) => Err(Error::invalid("model", "is the assistant's own; leave it out, or leave assistant_id out")),
            None => Ok(None),
        };
    }
    let model = named.unwrap_or(usual);
    if model.is_empty() && !chat.extra.contains_key("model") && !has("thread_id") {
        return Err(Error::invalid("model", "is not set; name one in the call or in the client's options"));
    }
    Ok(Some(model).filter(|model| !model.is_empty()))
}

/// The state that goes with each message: an assistant's own, and that of the answer that wanted the tool.
pub fn states(chat: &Chat) -> Vec<&str> {
    let last = chat.messages.iter().rposition(|message| message.role == Role::Assistant);
    let mut latest = "";
    let mut states = Vec::with_capacity(chat.messages.len());
    for (at, message) in chat.messages.iter().enumerate() {
        let own = message.state.as_str();
        states.push(match message.role {
            Role::Assistant => {
                latest = if own.is_empty() && Some(at) == last { &chat.state } else { own };
                latest
            }
            Role::Tool if own.is_empty() => latest,
            Role::Tool => own,
            Role::System | Role::User => "",
        });
    }
    states
}

/// A function, as both versions describe it.
pub fn function(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if !tool.description.is_empty() {
        function.insert("description".into(), tool.description.as_str().into());
    }
    let none = || json!({"type": "object", "properties": {}});
    let parameters = if tool.parameters.is_null() { none() } else { tool.parameters.clone() };
    function.insert("parameters".into(), parameters);
    function.extend(tool.more.clone());
    function.into()
}

/// The one function that has to be called.
pub fn the_only(tools: &[Tool]) -> Result<&str> {
    match tools {
        [tool] => Ok(&tool.name),
        _ => {
            Err(Error::invalid("tool_choice", "is required, but GigaChat can be made to call one tool alone; name it"))
        }
    }
}

/// The arguments of a call: an object in both versions.
pub fn arguments(call: &Call, at: usize) -> Result<Value> {
    let text = call.arguments.trim();
    let parsed = if text.is_empty() { Ok(json!({})) } else { serde_json::from_str(text) };
    parsed.ok().filter(Value::is_object).ok_or_else(|| {
        Error::invalid(place(at), "has a call whose arguments are no JSON object; GigaChat takes nothing else")
    })
}

/// What a function gave: an object; anything else is put into one.
pub fn result(content: &str) -> Value {
    match serde_json::from_str(content) {
        Ok(object @ Value::Object(_)) => object,
        Ok(other) => json!({"result": other}),
        Err(_) => json!({"result": content}),
    }
}

/// The name of the function that gave a result: there are no other ids.
pub fn function_name(message: &Message, at: usize) -> Result<&str> {
    if message.name.is_empty() {
        return Err(Error::invalid(place(at), "is a tool's result without the tool's name; set name"));
    }
    Ok(&message.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(role: Role, state: &str) -> Message {
        Message { role, state: state.into(), ..Message::default() }
    }

    fn chat(messages: Vec<Message>) -> Chat {
        Chat { messages, ..Chat::default() }
    }

    #[test]
    fn a_system_message_is_one_and_the_first() {
        let (system, user) = (said(Role::System, ""), said(Role::User, ""));
        check(&chat(vec![system.clone(), user.clone()])).unwrap();
        let raw = Message { raw: Some(json!({"role": "system", "content": "c"})), ..Message::default() };
        for (bad, field) in [
            (vec![], "messages: "),
            (vec![system.clone(), system.clone()], "messages[1]: "),
            (vec![user.clone(), user.clone(), system], "messages[2]: "),
            (vec![user, raw], "messages[1]: "),
        ] {
            assert!(check(&chat(bad)).unwrap_err().message.starts_with(field), "{field}");
        }
    }

    #[test]
    fn options_that_there_are_not_are_named() {
        let base = chat(vec![said(Role::User, "")]);
        let seed = Chat { seed: Some(1), ..base.clone() };
        let stop = Chat { stop: vec!["x".into()], ..base };
        assert!(check(&seed).unwrap_err().message.starts_with("seed: "));
        assert!(check(&stop).unwrap_err().message.starts_with("stop: "));
    }

    #[test]
    fn an_assistant_brings_its_model_along() {
        let of = |model: Option<&str>, usual: &str, extra: Value| {
            let Value::Object(extra) = extra else { unreachable!() };
            let chat = Chat { model: model.map(Into::into), extra, ..Chat::default() };
            self::model(&chat, usual).map(|model| model.map(str::to_owned)).map_err(|error| error.message)
        };
        assert_eq!(of(None, "usual", json!({})), Ok(Some("usual".into())));
        assert_eq!(of(Some("named"), "usual", json!({})), Ok(Some("named".into())));
        assert_eq!(of(Some(""), "usual", json!({})), Ok(Some("usual".into())));
        assert_eq!(of(None, "usual", json!({"storage": {"assistant_id": "a"}})), Ok(None));
        assert_eq!(of(None, "usual", json!({"assistant_id": "a"})), Ok(None));
        assert_eq!(of(None, "", json!({"storage": {"thread_id": "t"}})), Ok(None));
        assert_eq!(of(None, "", json!({"model": "m"})), Ok(None));
        assert!(of(Some("m"), "", json!({"assistant_id": "a"})).unwrap_err().starts_with("model: "));
        assert!(of(None, "", json!({"storage": true})).unwrap_err().starts_with("model: "));
    }

    #[test]
    fn states_go_with_the_answers_and_the_results_that_they_are_of() {
        let messages = vec![
            said(Role::User, "never"),
            said(Role::Assistant, "one"),
            said(Role::Tool, ""),
            said(Role::Tool, "own"),
            said(Role::Assistant, ""),
            said(Role::Tool, ""),
        ];
        let talk = Chat { state: "last".into(), ..chat(messages) };
        assert_eq!(states(&talk), ["", "one", "one", "own", "last", "last"]);
    }

    #[test]
    fn results_and_arguments_are_objects() {
        assert_eq!(result(r#"{"ok":true}"#), json!({"ok": true}));
        assert_eq!(result("plain"), json!({"result": "plain"}));
        assert_eq!(result("[1]"), json!({"result": [1]}));
        let of = |arguments: &str| arguments_of(arguments).map_err(|error| error.message);
        assert_eq!(of(""), Ok(json!({})));
        assert_eq!(of(r#" {"a":1}"#), Ok(json!({"a": 1})));
        for bad in ["[1]", "{", "x"] {
            assert!(of(bad).unwrap_err().starts_with("messages[3]: "));
        }
    }

    fn arguments_of(text: &str) -> Result<Value> {
        arguments(&Call { arguments: text.into(), ..Call::default() }, 3)
    }
}
