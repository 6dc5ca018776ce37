//! A talk as YandexGPT writes it: a message is a text, or calls of tools, or what they gave.

use serde_json::{Value, json};

use crate::body::reply::Call;
use crate::clients::ask::{Message, Role};
use crate::clients::json::parse;
use crate::error::{Error, Result};

/// The messages of a request.
pub fn written(messages: &[Message]) -> Result<Vec<Value>> {
    if messages.is_empty() {
        return Err(Error::invalid("messages", "is empty; give at least one"));
    }
    let mut out = Vec::with_capacity(messages.len());
    // The calls that are to be answered, and the answers in a row so far.
    let mut calls: &[Call] = &[];
    let mut answers: Vec<Value> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        if message.role == Role::Tool && message.raw.is_none() {
            answers.push(answer(message, calls, answers.len(), at)?);
            continue;
        }
        out.extend(answered(&mut answers));
        match &message.raw {
            Some(raw) => out.push(raw.clone()),
            None => said(message, at, &mut out)?,
        }
        calls = &message.calls;
    }
    out.extend(answered(&mut answers));
    Ok(out)
}

/// All the answers of tools in a row are one message.
fn answered(answers: &mut Vec<Value>) -> Option<Value> {
    let answers = std::mem::take(answers);
    (!answers.is_empty()).then(|| json!({"role": "user", "toolResultList": {"toolResults": answers}}))
}

fn said(message: &Message, at: usize, out: &mut Vec<Value>) -> Result<()> {
    let role = message.role.word();
    // One message cannot hold both.
    if message.calls.is_empty() || !message.content.is_empty() {
        out.push(json!({"role": role, "text": message.content}));
    }
    if !message.calls.is_empty() {
        let calls = message.calls.iter().enumerate().map(|(place, wanted)| call(wanted, at, place));
        let calls = calls.collect::<Result<Vec<Value>>>()?;
        out.push(json!({"role": role, "toolCallList": {"toolCalls": calls}}));
    }
    Ok(())
}

fn call(call: &Call, at: usize, place: usize) -> Result<Value> {
    let arguments = if call.arguments.trim().is_empty() {
        json!({})
    } else {
        parse(call.arguments.as_bytes()).unwrap_or(Value::Null)
    };
    if !arguments.is_object() {
        return Err(Error::invalid(format!("messages[{at}].calls[{place}].arguments"), "has to be a JSON object here"));
    }
    Ok(json!({"functionCall": {"name": call.name, "arguments": arguments}}))
}

/// There are no ids: an answer goes by its tool's name, which its id or its place among the answers may tell.
fn answer(message: &Message, calls: &[Call], place: usize, at: usize) -> Result<Value> {
    let by_id = || calls.iter().find(|call| !call.id.is_empty() && call.id == message.call_id);
    let by_place = || calls.get(place).filter(|_| message.call_id.is_empty());
    let name = match &*message.name {
        "" => by_id().or_else(by_place).map_or("", |call| call.name.as_str()),
        name => name,
    };
    if name.is_empty() {
        return Err(Error::invalid(format!("messages[{at}].name"), "is empty; name the tool that gave this"));
    }
    Ok(json!({"functionResult": {"name": name, "content": message.content}}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: Role, content: &str) -> Message {
        Message { role, content: content.into(), ..Message::default() }
    }

    fn wanted(calls: &[(&str, &str, &str)]) -> Message {
        let call = |&(id, name, arguments): &(&str, &str, &str)| Call {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
        };
        Message { role: Role::Assistant, calls: calls.iter().map(call).collect(), ..Message::default() }
    }

    #[test]
    fn texts_keep_their_roles() {
        let talk = [message(Role::System, "Be kind"), message(Role::User, "Hi"), message(Role::Assistant, "Hello")];
        let json = json!([
            {"role": "system", "text": "Be kind"}, {"role": "user", "text": "Hi"}, {"role": "assistant", "text": "Hello"},
        ]);
        assert_eq!(Value::from(written(&talk).unwrap()), json);
    }

    #[test]
    fn calls_and_their_answers_are_lists() {
        let named = Message { name: "f".into(), ..message(Role::Tool, "1") };
        let talk = [
            wanted(&[("", "f", r#"{"a":1}"#), ("", "g", "")]),
            named,
            message(Role::Tool, "2"),
            message(Role::User, "?"),
        ];
        let json = json!([
            {"role": "assistant", "toolCallList": {"toolCalls": [
                {"functionCall": {"name": "f", "arguments": {"a": 1}}}, {"functionCall": {"name": "g", "arguments": {}}},
            ]}},
            {"role": "user", "toolResultList": {"toolResults": [
                {"functionResult": {"name": "f", "content": "1"}}, {"functionResult": {"name": "g", "content": "2"}},
            ]}},
            {"role": "user", "text": "?"},
        ]);
        assert_eq!(Value::from(written(&talk).unwrap()), json);
    }

    #[test]
    fn an_answer_is_named_by_its_id() {
        let given = |id: &str| Message { call_id: id.into(), ..message(Role::Tool, "x") };
        let talk = [wanted(&[("1", "f", "{}"), ("2", "g", "{}")]), given("2"), given("1")];
        let json = written(&talk).unwrap();
        assert_eq!(json[1]["toolResultList"]["toolResults"][0]["functionResult"]["name"], "g");
        assert_eq!(json[1]["toolResultList"]["toolResults"][1]["functionResult"]["name"], "f");
    }

    #[test]
    fn a_text_beside_calls_is_a_message_before_them() {
        let both = Message { content: "Wait".into(), ..wanted(&[("", "f", "{}")]) };
        let json = written(&[both]).unwrap();
        assert_eq!(json[0], json!({"role": "assistant", "text": "Wait"}));
        assert_eq!(json[1]["toolCallList"]["toolCalls"][0]["functionCall"]["name"], "f");
    }

    #[test]
    fn a_message_in_the_providers_own_words_stays() {
        let raw = json!({"role": "user", "text": "Hi", "x": 1});
        let own = Message { raw: Some(raw.clone()), ..message(Role::Tool, "") };
        assert_eq!(written(&[own]).unwrap(), [raw]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let of = |talk: &[Message]| written(talk).unwrap_err().message;
        assert!(of(&[]).starts_with("messages: is empty"));
        assert!(of(&[wanted(&[("", "f", "[1]")])]).starts_with("messages[0].calls[0].arguments: "));
        assert!(of(&[wanted(&[("", "f", "{")])]).starts_with("messages[0].calls[0].arguments: "));
        assert!(of(&[message(Role::User, "Hi"), message(Role::Tool, "1")]).starts_with("messages[1].name: "));
        let stray = Message { call_id: "9".into(), ..message(Role::Tool, "1") };
        assert!(of(&[wanted(&[("1", "f", "{}")]), stray]).starts_with("messages[1].name: "));
    }
}
