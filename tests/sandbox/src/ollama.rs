//! Ollama's own endpoints: lines of JSON, each with the next piece of the text.

use bytes::Bytes;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::answer;
use crate::ids;
use crate::openai;
use crate::reply::{self, Reply};
use crate::router::Call;

const MODELS: [&str; 2] = ["sandbox-large:latest", "sandbox-small:latest"];
const ROLES: [&str; 4] = ["system", "user", "assistant", "tool"];

/// A reply, or the one that says why there is none.
type Outcome = Result<Reply, Reply>;

pub fn answer(call: &Call) -> Reply {
    let outcome = match call.path() {
        "/api/tags" => Ok(tags()),
        "/api/version" => Ok(reply::json(StatusCode::OK, &json!({"version": "0.0.0-sandbox"}))),
        "/api/chat" => chat(call),
        "/api/generate" => generate(call),
        _ => Err(error(StatusCode::NOT_FOUND, "404 page not found")),
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

fn tags() -> Reply {
    let told = |name: &str| {
        let details =
            json!({"format": "gguf", "family": "sandbox", "parameter_size": "1B", "quantization_level": "Q4_0"});
        json!({"name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 1, "digest": "0", "details": details})
    };
    reply::json(StatusCode::OK, &json!({"models": MODELS.map(told)}))
}

fn chat(call: &Call) -> Outcome {
    let body = body(call)?;
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let whole = |message: &Value| {
        message["role"].as_str().is_some_and(|role| ROLES.contains(&role)) && message["content"].is_string()
    };
    if !messages.iter().all(whole) {
        return Err(error(StatusCode::BAD_REQUEST, "invalid message"));
    }
    let text = |message: &Value| message["content"].as_str().unwrap_or_default().to_owned();
    let user = messages.iter().rev().find(|message| message["role"] == "user").map(text).unwrap_or_default();
    let result = messages.last().filter(|message| message["role"] == "tool").map(text);
    let calls = if result.is_none() { calls(call, &body["tools"], &user) } else { Vec::new() };
    let said = match (&result, calls.is_empty()) {
        (_, false) => String::new(),
        (Some(result), _) => format!("The tool said: {result}"),
        (None, _) => answer::in_english(&call.faults.quirks, &user),
    };
    let prompt = messages.iter().map(|message| answer::tokens(&text(message))).sum();
    let piece = |text: &str, last: bool| {
        let mut message = json!({"role": "assistant", "content": text});
        if last && !calls.is_empty() {
            message["tool_calls"] = calls.clone().into();
        }
        ("message", message)
    };
    Ok(told(call, &body, &said, prompt, piece))
}

fn generate(call: &Call) -> Outcome {
    let body = body(call)?;
    let Some(prompt) = body["prompt"].as_str() else {
        return Err(error(StatusCode::BAD_REQUEST, "prompt is required"));
    };
    let said = answer::in_english(&call.faults.quirks, prompt);
    Ok(told(call, &body, &said, answer::tokens(prompt), |text, _| ("response", text.into())))
}

/// The calls of the tools on offer; arguments are an object here, and there are no ids.
fn calls(call: &Call, tools: &Value, user: &str) -> Vec<Value> {
    let tools = tools.as_array().map_or(&[][..], Vec::as_slice);
    let made = |tool: &Value| {
        let function = &tool["function"];
        json!({"function": {"name": function["name"], "arguments": answer::arguments(&function["parameters"], user)}})
    };
    let count = call.faults.quirks.number("tool-calls").unwrap_or(1);
    tools.iter().cycle().take(if tools.is_empty() { 0 } else { count }).map(made).collect()
}

/// The answer, whole or line by line: a stream unless the request says otherwise.
fn told(
    call: &Call,
    body: &Value,
    said: &str,
    prompt: usize,
    piece: impl Fn(&str, bool) -> (&'static str, Value),
) -> Reply {
    let limit = body["options"]["num_predict"].as_u64();
    let (said, cut) = answer::limited(said.to_owned(), limit);
    let line = |text: &str, last: bool| {
        let (name, value) = piece(text, last);
        json!({"model": body["model"], "created_at": ids::rfc3339(ids::unix_ms()), name: value, "done": false})
    };
    let end = |mut line: Value| {
        let reason = if cut { "length" } else { "stop" };
        line["done"] = true.into();
        line["done_reason"] = call.faults.quirks.word("finish").unwrap_or(reason).into();
        for (name, value) in [("total_duration", 3), ("load_duration", 1), ("eval_duration", 1)] {
            line[name] = value.into();
        }
        line["prompt_eval_count"] = prompt.into();
        line["eval_count"] = answer::tokens(&said).into();
        line
    };
    if body["stream"] == false {
        return reply::json(StatusCode::OK, &end(line(&said, true)));
    }
    let written = |line: &Value| Bytes::from(format!("{line}\n"));
    let words = answer::words(&said);
    let mut lines: Vec<Bytes> = words.iter().map(|word| written(&line(word, false))).collect();
    if words.is_empty() {
        lines.push(written(&line("", true)));
    }
    lines.push(written(&end(line("", false))));
    let error = written(&json!({"error": "llama runner process has terminated"}));
    reply::events(call, "application/x-ndjson", Box::new(lines.into_iter()), error)
}

/// The body of a POST, with a model that is there.
fn body(call: &Call) -> Result<Value, Reply> {
    if !call.is(&Method::POST) {
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, "method not allowed"));
    }
    if !openai::is_json(&call.head.headers) {
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content-type must be application/json"));
    }
    let body: Value =
        serde_json::from_slice(&call.body).map_err(|what| error(StatusCode::BAD_REQUEST, &what.to_string()))?;
    let Some(model) = body["model"].as_str().filter(|model| !model.is_empty()) else {
        return Err(error(StatusCode::BAD_REQUEST, "model is required"));
    };
    if MODELS.iter().any(|known| *known == model || known.strip_suffix(":latest") == Some(model)) {
        return Ok(body);
    }
    Err(error(StatusCode::NOT_FOUND, &format!("model '{model}' not found")))
}

fn error(status: StatusCode, message: &str) -> Reply {
    reply::json(status, &json!({"error": message}))
}
