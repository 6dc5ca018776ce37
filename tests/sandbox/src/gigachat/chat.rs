//! Chat of the first version.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Outcome, unprocessable, versioned};
use crate::answer;
use crate::ids;
use crate::permits::Permit;
use crate::quirks::Quirks;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::stream::{DONE, event};

const ROLES: [&str; 6] = ["system", "user", "assistant", "function", "search_result", "function_in_progress"];

/// What a prompt costs less because it was seen before.
const PRECACHED: usize = 2;

struct Completion {
    model: String,
    message: Value,
    text: String,
    finish: String,
    usage: Value,
    created: i64,
}

pub fn complete(call: &Call, body: &Value, permit: &Arc<Permit>) -> Outcome {
    let model = versioned(body)?;
    let stream = match &body["stream"] {
        Value::Null => false,
        Value::Bool(stream) => *stream,
        _ => return Err(unprocessable("stream must be a boolean")),
    };
    let prompt = Prompt::read(body)?;
    let completion = Completion::of(&prompt, model, body, &call.faults.quirks)?;
    let mut reply = if stream { completion.stream(call) } else { completion.whole() };
    reply.extensions_mut().insert(Arc::clone(permit));
    Ok(reply)
}

/// What the messages come to.
struct Prompt<'a> {
    last: &'a Value,
    user: &'a str,
    tokens: usize,
}

impl<'a> Prompt<'a> {
    fn read(body: &'a Value) -> Result<Self, Reply> {
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| unprocessable("messages must be a nonempty array"))?;
        let mut prompt = Self { last: &Value::Null, user: "", tokens: 0 };
        for (at, message) in messages.iter().enumerate() {
            let role = message["role"].as_str().unwrap_or_default();
            if !ROLES.contains(&role) {
                return Err(unprocessable(&format!("messages[{at}].role is unknown")));
            }
            if role == "system" && at > 0 {
                return Err(unprocessable("system message must be the first message"));
            }
            let content = message["content"].as_str();
            let calls = role == "assistant" && message["function_call"].is_object();
            if content.is_none() && !(calls && message["content"].is_null()) {
                return Err(unprocessable(&format!("messages[{at}].content must be a string")));
            }
            let content = content.unwrap_or_default();
            check_function(at, role, message, content)?;
            prompt.tokens += answer::tokens(content);
            prompt.last = message;
            if role == "user" {
                prompt.user = content;
            }
        }
        Ok(prompt)
    }
}

/// Arguments are an object, and what a function returns is JSON as a text.
fn check_function(at: usize, role: &str, message: &Value, content: &str) -> Result<(), Reply> {
    if role == "function" && serde_json::from_str::<Value>(content).is_err() {
        return Err(unprocessable(&format!("messages[{at}].content of a function must be valid JSON")));
    }
    let call = &message["function_call"];
    if call.is_object() && !(call["name"].is_string() && call["arguments"].is_object()) {
        return Err(unprocessable(&format!("messages[{at}].function_call.arguments must be an object")));
    }
    Ok(())
}

/// The function to call, if there are functions and the choice allows it.
fn function<'a>(body: &'a Value, prompt: &Prompt) -> Result<Option<&'a Value>, Reply> {
    let Some(functions) = body["functions"].as_array() else { return Ok(None) };
    let whole = |function: &&Value| function["name"].is_string() && function["parameters"].is_object();
    if !functions.iter().all(|function| whole(&function)) {
        return Err(unprocessable("each function needs a name and parameters"));
    }
    let choice = &body["function_call"];
    if choice == "none" || prompt.last["role"] == "function" {
        return Ok(None);
    }
    match &choice["name"] {
        Value::Null => Ok(functions.first()),
        name => match functions.iter().find(|function| function["name"] == *name) {
            None => Err(unprocessable("function_call names no function")),
            found => Ok(found),
        },
    }
}

impl Completion {
    fn of(prompt: &Prompt, model: String, body: &Value, quirks: &Quirks) -> Result<Self, Reply> {
        let mut message = json!({"content": "", "role": "assistant"});
        let (mut text, mut finish) = (String::new(), "stop");
        if let Some(function) = function(body, prompt)? {
            let arguments = answer::arguments(&function["parameters"], prompt.user);
            message["function_call"] = json!({"name": function["name"], "arguments": arguments});
            message["functions_state_id"] = ids::uuid().into();
            finish = "function_call";
        } else {
            let said = if prompt.last["role"] == "function" {
                format!("Функция вернула: {}", prompt.last["content"].as_str().unwrap_or_default())
            } else {
                answer::in_russian(quirks, prompt.user)
            };
            let (said, cut) = answer::limited(said, body["max_tokens"].as_u64());
            message["content"] = said.clone().into();
            finish = if cut { "length" } else { finish };
            text = said;
        }
        if quirks.on("content-filter") {
            finish = "blacklist";
        }
        if quirks.on("reasoning") {
            message["reasoning_content"] = "Надо подумать.".into();
        }
        let completion = answer::tokens(&text);
        let usage = json!({
            "prompt_tokens": prompt.tokens, "completion_tokens": completion, "total_tokens": prompt.tokens + completion,
            "precached_prompt_tokens": PRECACHED,
        });
        let finish = quirks.word("finish").unwrap_or(finish).to_owned();
        Ok(Self { model, message, text, finish, usage, created: ids::unix_time() })
    }

    fn whole(&self) -> Reply {
        let choice = json!({"message": self.message, "index": 0, "finish_reason": self.finish});
        let body = json!({
            "choices": [choice], "created": self.created, "model": self.model, "object": "chat.completion",
            "usage": self.usage,
        });
        reply::json(StatusCode::OK, &body)
    }

    fn stream(self, call: &Call) -> Reply {
        let chunk = |choice: Value| json!({"choices": [choice], "created": self.created, "model": self.model, "object": "chat.completion"});
        let mut first = self.message.clone();
        let mut words = answer::words(&self.text);
        if !words.is_empty() {
            first["content"] = words.remove(0).into();
        }
        let mut events = vec![event(&chunk(json!({"delta": first, "index": 0})).to_string())];
        for word in words {
            events.push(event(&chunk(json!({"delta": {"content": word}, "index": 0})).to_string()));
        }
        let mut last = chunk(json!({"delta": {"content": ""}, "index": 0, "finish_reason": self.finish}));
        last["usage"] = self.usage.clone();
        events.push(event(&last.to_string()));
        events.push(DONE.into());
        let error = json!({"status": 500, "message": "Internal Server Error"});
        reply::events(call, "text/event-stream", Box::new(events.into_iter()), event(&error.to_string()))
    }
}
