//! Chat of the second version: messages of parts, named events.

use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Outcome, unprocessable, versioned};
use crate::answer;
use crate::ids;
use crate::permits::Permit;
use crate::reply::{self, Reply};
use crate::router::Call;

const ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];
const PARTS: [&str; 6] = ["text", "files", "function_call", "function_result", "tool_execution", "inline_data"];

pub fn complete(call: &Call, body: &Value, permit: &Arc<Permit>) -> Outcome {
    let model = versioned(body)?;
    let prompt = Prompt::read(body)?;
    let function = function(body, &prompt)?;
    let quirks = &call.faults.quirks;
    let said = match &prompt.result {
        Some(result) => format!("Функция вернула: {result}"),
        None => answer::in_russian(quirks, &prompt.user),
    };
    let (mut text, cut) = answer::limited(said, body["model_options"]["max_tokens"].as_u64());
    let mut finish = if cut { "length" } else { "stop" };
    let mut call_part = None;
    if let Some(function) = function {
        let arguments = answer::arguments(&function["parameters"], &prompt.user);
        call_part = Some(json!({"function_call": {"name": function["name"], "arguments": arguments}}));
        finish = "function_call";
        text.clear();
    }
    if quirks.on("content-filter") {
        finish = "blacklist";
    }
    let output = answer::tokens(&text);
    let usage = json!({
        "input_tokens": prompt.tokens,
        "input_tokens_details": {"prompt_tokens": prompt.tokens, "cached_tokens": 0},
        "output_tokens": output,
        "total_tokens": prompt.tokens + output,
    });
    let finish = quirks.word("finish").unwrap_or(finish);
    let said = Said {
        model,
        created: ids::unix_time(),
        text,
        call_part,
        end: json!({"finish_reason": finish, "usage": usage}),
    };
    let mut reply = if body["stream"] == true { said.stream(call) } else { said.whole() };
    reply.extensions_mut().insert(Arc::clone(permit));
    Ok(reply)
}

struct Prompt {
    user: String,
    result: Option<String>,
    tokens: usize,
}

impl Prompt {
    fn read(body: &Value) -> Result<Self, Reply> {
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or_else(|| unprocessable("messages must be a nonempty array"))?;
        let mut prompt = Self { user: String::new(), result: None, tokens: 0 };
        for (at, message) in messages.iter().enumerate() {
            let role = message["role"].as_str().unwrap_or_default();
            if !ROLES.contains(&role) {
                return Err(unprocessable(&format!("messages[{at}].role is unknown")));
            }
            if role == "system" && at > 0 {
                return Err(unprocessable("system message must be the first message"));
            }
            let parts = message["content"].as_array().filter(|parts| parts.iter().all(is_part));
            let parts =
                parts.ok_or_else(|| unprocessable(&format!("messages[{at}].content must be an array of parts")))?;
            let text: String = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            let result = parts.iter().find_map(|part| part.get("function_result"));
            if result.is_some() && !message["tools_state_id"].is_string() {
                return Err(unprocessable(&format!("messages[{at}].tools_state_id is required")));
            }
            prompt.result = result.map(|result| result["result"].to_string());
            prompt.tokens += answer::tokens(&text);
            if role == "user" {
                prompt.user = text;
            }
        }
        Ok(prompt)
    }
}

fn is_part(part: &Value) -> bool {
    part.as_object().is_some_and(|part| !part.is_empty() && part.keys().all(|key| PARTS.contains(&key.as_str())))
}

fn function<'a>(body: &'a Value, prompt: &Prompt) -> Result<Option<&'a Value>, Reply> {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    let functions: Vec<&Value> =
        tools.iter().filter_map(|tool| tool["functions"]["specifications"].as_array()).flatten().collect();
    if functions.iter().any(|function| !function["name"].is_string() || !function["parameters"].is_object()) {
        return Err(unprocessable("each function needs a name and parameters"));
    }
    let config = &body["tool_config"];
    if config["mode"] == "none" || prompt.result.is_some() {
        return Ok(None);
    }
    let forced = &config["function_name"];
    Ok(functions.into_iter().find(|function| forced.is_null() || function["name"] == *forced))
}

/// An answer before it is put into a body.
struct Said {
    model: String,
    created: i64,
    text: String,
    call_part: Option<Value>,
    /// The reason and the usage, which come last.
    end: Value,
}

impl Said {
    fn head(&self) -> Value {
        json!({"model": self.model, "created_at": self.created})
    }

    fn with_end(&self, mut body: Value) -> Value {
        for name in ["finish_reason", "usage"] {
            body[name] = self.end[name].clone();
        }
        body
    }

    /// A message of one part; the id of the tools' state is spelt differently than in a request.
    fn message(part: &Value, calls: bool) -> Value {
        let mut message = json!({"role": "assistant", "content": [part]});
        if calls {
            message["tool_state_id"] = ids::uuid().into();
        }
        message
    }

    fn whole(&self) -> Reply {
        let calls = self.call_part.is_some();
        let part = self.call_part.clone().unwrap_or_else(|| json!({"text": self.text}));
        let mut body = self.head();
        body["messages"] = json!([Self::message(&part, calls)]);
        reply::json(StatusCode::OK, &self.with_end(body))
    }

    fn stream(&self, call: &Call) -> Reply {
        let calls = self.call_part.is_some();
        let words = answer::words(&self.text).into_iter().map(|word| json!({"text": word}));
        let mut events: Vec<Bytes> = words
            .chain(self.call_part.clone())
            .map(|part| {
                let mut body = self.head();
                body["messages"] = json!([Self::message(&part, calls)]);
                named("response.message.delta", &body)
            })
            .collect();
        events.push(named("response.message.done", &self.with_end(self.head())));
        let error = named("error", &json!({"status": 500, "message": "Internal Server Error"}));
        reply::events(call, "text/event-stream", Box::new(events.into_iter()), error)
    }
}

fn named(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
