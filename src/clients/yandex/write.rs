//! The body of a completion.

use serde_json::{Map, Value, json};

use super::{messages, model};
use crate::clients::ask::{Chat, Choice, Format, Tool};
use crate::clients::config::ClientConfig;
use crate::error::{Error, Result};

/// Its member that others are put into, and not over.
const OPTIONS: &str = "completionOptions";

/// The body.
pub fn body(chat: &Chat, config: &ClientConfig) -> Result<Value> {
    has_no(chat)?;
    let uri = match chat.extra.get("modelUri").and_then(Value::as_str) {
        Some(uri) => uri.to_owned(),
        None => model::generates(chat.model.as_deref().unwrap_or(&config.model), config)?,
    };
    let mut options = json!({"stream": chat.stream});
    if let Some(temperature) = chat.temperature {
        options["temperature"] = temperature.into();
    }
    if let Some(most) = chat.max_tokens {
        options["maxTokens"] = most.to_string().into();
    }
    let mut body = json!({"modelUri": uri, OPTIONS: options, "messages": messages::written(&chat.messages)?});
    if !chat.tools.is_empty() {
        body["tools"] = chat.tools.iter().map(tool).collect();
    }
    if let Some(choice) = choice(&chat.choice) {
        body["toolChoice"] = choice;
    }
    match &chat.format {
        Format::Text => {}
        Format::Json => body["jsonObject"] = true.into(),
        Format::Schema(schema) => body["jsonSchema"] = json!({"schema": schema}),
    }
    for (name, value) in &chat.extra {
        match (value, &mut body[name]) {
            (Value::Object(more), Value::Object(ours)) if name == OPTIONS => ours.extend(more.clone()),
            (value, place) => *place = value.clone(),
        }
    }
    Ok(body)
}

/// What would be left out without a word is refused.
fn has_no(chat: &Chat) -> Result<()> {
    let absent = "is not among this API's options; leave it out, or use the kind yandex_openai";
    let said = [("top_p", chat.top_p.is_some()), ("seed", chat.seed.is_some()), ("stop", !chat.stop.is_empty())];
    if let Some((field, _)) = said.iter().find(|(_, said)| *said) {
        return Err(Error::invalid(field, absent));
    }
    match chat.temperature {
        Some(temperature) if !(0.0..=1.0).contains(&temperature) => {
            Err(Error::invalid("temperature", "has to be from 0 to 1 here"))
        }
        _ => Ok(()),
    }
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), tool.name.as_str().into());
    if !tool.description.is_empty() {
        function.insert("description".into(), tool.description.as_str().into());
    }
    if !tool.parameters.is_null() {
        function.insert("parameters".into(), tool.parameters.clone());
    }
    function.extend(tool.more.clone());
    json!({"function": function})
}

fn choice(choice: &Choice) -> Option<Value> {
    let mode = |mode| Some(json!({"mode": mode}));
    match choice {
        Choice::Unsaid => None,
        Choice::Auto => mode("AUTO"),
        Choice::None => mode("NONE"),
        Choice::Required => mode("REQUIRED"),
        Choice::Named(name) => Some(json!({"functionName": name})),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::{chat, config};
    use super::*;
    use crate::clients::kind::Kind;
    use crate::error::Status;

    fn written(change: impl Fn(&mut Chat)) -> Result<Value> {
        let mut chat = chat("Hi");
        change(&mut chat);
        body(&chat, &config(Kind::Yandex))
    }

    fn plain(more: &Value) -> Value {
        let mut body = json!({
            "modelUri": "gpt://b1g/yandexgpt/latest", "completionOptions": {"stream": false},
            "messages": [{"role": "user", "text": "Hi"}],
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn a_short_question_says_only_what_it_must() {
        assert_eq!(written(|_| {}).unwrap(), plain(&json!({})));
    }

    #[test]
    fn all_of_it() {
        let all = |chat: &mut Chat| {
            chat.model = Some("yandexgpt-lite/rc".into());
            chat.stream = true;
            chat.temperature = Some(0.3);
            chat.max_tokens = Some(2000);
            let more = Map::from_iter([("strict".to_owned(), true.into())]);
            chat.tools = vec![
                Tool { name: "f".into(), description: "d".into(), parameters: json!({"type": "object"}), more },
                Tool { name: "g".into(), ..Tool::default() },
            ];
            chat.choice = Choice::Required;
            chat.format = Format::Schema(json!({"type": "object"}));
            chat.extra.insert("parallelToolCalls".into(), true.into());
            chat.extra.insert("completionOptions".into(), json!({"reasoningOptions": {"mode": "DISABLED"}}));
        };
        let more = json!({
            "modelUri": "gpt://b1g/yandexgpt-lite/rc",
            "completionOptions":
                {"stream": true, "temperature": 0.3, "maxTokens": "2000", "reasoningOptions": {"mode": "DISABLED"}},
            "tools": [
                {"function": {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": true}},
                {"function": {"name": "g"}},
            ],
            "toolChoice": {"mode": "REQUIRED"}, "jsonSchema": {"schema": {"type": "object"}}, "parallelToolCalls": true,
        });
        assert_eq!(written(all).unwrap(), plain(&more));
    }

    #[test]
    fn choices_and_formats_are_in_its_words() {
        let rows = [
            (Choice::Auto, json!({"mode": "AUTO"})),
            (Choice::None, json!({"mode": "NONE"})),
            (Choice::Named("f".into()), json!({"functionName": "f"})),
        ];
        for (choice, json) in rows {
            assert_eq!(written(|chat| chat.choice = choice.clone()).unwrap(), plain(&json!({"toolChoice": json})));
        }
        assert_eq!(written(|chat| chat.format = Format::Json).unwrap(), plain(&json!({"jsonObject": true})));
    }

    #[test]
    fn the_providers_own_words_go_over_ours() {
        let own = |chat: &mut Chat| {
            chat.extra.insert("modelUri".into(), "ds://x".into());
            chat.extra.insert("completionOptions".into(), json!({"maxTokens": 5}));
            chat.max_tokens = Some(9);
        };
        let more = json!({"modelUri": "ds://x", "completionOptions": {"stream": false, "maxTokens": 5}});
        assert_eq!(written(own).unwrap(), plain(&more));
    }

    #[test]
    fn what_it_would_not_take_is_refused_by_name() {
        type Change = fn(&mut Chat);
        let rows: [(&str, Change); 7] = [
            ("temperature", |chat| chat.temperature = Some(1.1)),
            ("temperature", |chat| chat.temperature = Some(-0.1)),
            ("temperature", |chat| chat.temperature = Some(f64::NAN)),
            ("top_p", |chat| chat.top_p = Some(0.5)),
            ("seed", |chat| chat.seed = Some(1)),
            ("stop", |chat| chat.stop = vec!["x".into()]),
            ("messages", |chat| chat.messages.clear()),
        ];
        for (field, change) in rows {
            let error = written(change).unwrap_err();
            assert_eq!(error.status, Status::InvalidArgument, "{field}");
            assert!(error.message.starts_with(&format!("{field}: ")), "{}", error.message);
        }
        for temperature in [0.0, 1.0] {
            assert!(written(|chat| chat.temperature = Some(temperature)).is_ok());
        }
    }
}
