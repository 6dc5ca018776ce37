//! JSON as providers write it: members that are null, absent, or numbers in quotes.

use std::fmt::Display;

use serde_json::{Map, Value, json};

use super::ask::Tool;
use crate::body::reply::{Call, Problem, ReplyBuilder, Usage, in_body};
use crate::error::{Detail, Error, Result, Status};

/// Parses what should be JSON; blank lines before it are a server's way to keep a connection open.
pub fn parse(text: &[u8]) -> Result<Value> {
    let text = text.trim_ascii_start();
    if text.first() == Some(&b'<') {
        return Err(not_json("is HTML, which a proxy or a wrong address gives; check base_url"));
    }
    serde_json::from_slice(text).map_err(|error| {
        let what = if error.is_eof() { "is JSON that ends too early" } else { "is no JSON" };
        not_json(&format!("{what} (line {}, column {}); read the body", error.line(), error.column()))
    })
}

fn not_json(what: &str) -> Error {
    in_body(Status::Provider, format!("response: {what}")).detail(Detail::NotJson)
}

/// A text; empty where there is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

/// A whole number, also one in quotes; -1 where there is none.
pub fn number(value: &Value, name: &str) -> i64 {
    match value.get(name) {
        Some(Value::Number(number)) => {
            number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)).unwrap_or(-1)
        }
        Some(Value::String(text)) => text.trim().parse().unwrap_or(-1),
        _ => -1,
    }
}

/// A list; empty where there is none.
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A member that is there and not null.
pub fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).filter(|value| !value.is_null())
}

/// A JSON text as it is, anything else as the JSON text of it: arguments come both ways.
pub fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// The JSON of a text that the model wrote; the text itself where it is none.
pub fn from_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// Calls of tools in OpenAI's form, or flat: what `Reply` gives comes back this way.
pub fn calls(field: impl Display, value: &Value) -> Result<Vec<Call>> {
    let bad = |at: usize, what: &str| Error::invalid(format_args!("{field}[{at}]"), what);
    let list = value.as_array().ok_or_else(|| Error::invalid(&field, "is no JSON array; write [call, ...]"))?;
    let one = |(at, call): (usize, &Value)| {
        let function = member(call, "function").unwrap_or(call);
        let name = text(function, "name");
        if name.is_empty() {
            return Err(bad(at, "has no name; give it as function.name"));
        }
        let arguments = member(function, "arguments").map(as_text).unwrap_or_default();
        Ok(Call { id: text(call, "id").to_owned(), name: name.to_owned(), arguments })
    };
    list.iter().enumerate().map(one).collect()
}

/// Calls as OpenAI lists them.
pub fn calls_text(calls: &[Call]) -> String {
    let one = |call: &Call| json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}});
    if calls.is_empty() { String::new() } else { calls.iter().map(one).collect::<Value>().to_string() }
}

/// Tools in OpenAI's form, or flat.
pub fn tools(value: &Value) -> Result<Vec<Tool>> {
    let list = value.as_array().ok_or_else(|| Error::invalid("tools", "is no JSON array; write [tool, ...]"))?;
    let one = |(at, tool): (usize, &Value)| {
        let Some(Value::Object(function)) = member(tool, "function").or(Some(tool)) else {
            return Err(Error::invalid(format_args!("tools[{at}]"), "is no JSON object; write {\"name\": ...}"));
        };
        let mut more = function.clone();
        let name = more.shift_remove("name").as_ref().and_then(Value::as_str).unwrap_or("").to_owned();
        if name.is_empty() {
            return Err(Error::invalid(format_args!("tools[{at}]"), "has no name; give it as function.name"));
        }
        more.shift_remove("type");
        let description = more.shift_remove("description").as_ref().and_then(Value::as_str).unwrap_or("").to_owned();
        Ok(Tool { name, description, parameters: more.shift_remove("parameters").unwrap_or(Value::Null), more })
    };
    list.iter().enumerate().map(one).collect()
}

/// Puts `more` over `body`.
pub fn merge(body: &mut Value, more: &Map<String, Value>) {
    if let Value::Object(body) = body {
        for (name, value) in more {
            body.insert(name.clone(), value.clone());
        }
    }
}

/// The usage, under whichever names.
pub fn usage(value: &Value) -> Usage {
    let first = |names: &[&str]| names.iter().map(|name| number(value, name)).find(|number| *number >= 0).unwrap_or(-1);
    let within = |outer: &[&str], name: &str| {
        let details = outer.iter().filter_map(|outer| value.get(*outer));
        details.map(|details| number(details, name)).find(|number| *number >= 0).unwrap_or(-1)
    };
    let either = |direct: i64, nested: i64| if direct >= 0 { direct } else { nested };
    let prompt_details = ["prompt_tokens_details", "input_tokens_details"];
    let completion_details = ["completion_tokens_details", "output_tokens_details", "completionTokensDetails"];
    let thought = within(&completion_details, "reasoning_tokens");
    Usage {
        prompt: first(&["prompt_tokens", "input_tokens", "inputTextTokens"]),
        completion: first(&["completion_tokens", "output_tokens", "completionTokens"]),
        total: first(&["total_tokens", "totalTokens"]),
        cached: either(first(&["precached_prompt_tokens", "cached_tokens"]), within(&prompt_details, "cached_tokens")),
        reasoning: either(thought, within(&completion_details, "reasoningTokens")),
        context: -1,
    }
}

/// The code and the words of a failure, in any of the forms seen.
pub fn problem(value: &Value) -> Option<Problem> {
    let scalar = |value: &Value, names: &[&str]| {
        let found = names.iter().find_map(|name| match value.get(*name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        });
        found.unwrap_or_default()
    };
    let codes = ["code", "error_type", "type", "grpcCode", "status"];
    // A word says more than a number that repeats the status.
    let word =
        |value: &Value| codes.iter().map(|name| text(value, name)).find(|word| !word.is_empty()).map(str::to_owned);
    let of = |value: &Value| Problem {
        code: word(value).unwrap_or_else(|| scalar(value, &codes)),
        text: scalar(value, &["message", "error", "detail", "error_description", "msg"]),
    };
    match value.get("error") {
        Some(inner @ Value::Object(_)) => Some(of(inner)),
        Some(Value::Array(several)) => several.first().map(&of),
        Some(Value::String(text)) => Some(Problem { code: scalar(value, &codes), text: text.clone() }),
        _ => {
            let problem = of(value);
            let detail = value.get("detail").filter(|detail| !detail.is_null() && !detail.is_string());
            match detail {
                Some(detail) => Some(Problem { text: detail.to_string(), ..problem }),
                None if problem.text.is_empty() => None,
                None => Some(problem),
            }
        }
    }
}

/// What is said of an answer itself: its model, its name, under which it is called, and its usage.
pub fn about(body: &Value, id: &str, builder: &mut ReplyBuilder) {
    for (kept, name) in [(&mut builder.reply.model, "model"), (&mut builder.reply.id, id)] {
        let told = text(body, name);
        if !told.is_empty() {
            told.clone_into(kept);
        }
    }
    if let Some(told) = member(body, "usage") {
        builder.usage(usage(told));
    }
}

/// The first of a whole answer's choices; without any it is a failure, or something else than an answer.
pub fn first_choice<'a>(body: &'a Value, builder: &mut ReplyBuilder) -> Result<&'a Value> {
    let Some(choice) = list(body, "choices").first() else {
        let nothing = || in_body(Status::Provider, "response: has no choices; read the body").detail(Detail::NotJson);
        return Err(problem(body).map_or_else(nothing, |problem| failure_within(problem, builder)));
    };
    Ok(choice)
}

/// A failure inside an answer that began well.
pub fn failure_within(problem: Problem, builder: &mut ReplyBuilder) -> Error {
    let told = super::refusal::within(&problem);
    builder.reply.problem = super::refusal::cut(problem);
    told
}
