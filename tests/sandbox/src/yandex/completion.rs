//! Completions: lines of JSON, each with the whole text so far.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::auth::{self, Caller};
use super::prompt::{MODELS, Prompt};
use super::refusals::framed;
use super::{Outcome, VERSION, invalid, refusal};
use crate::answer;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;

/// What the filter puts in the place of a text.
const FILTERED: &str = "Я не могу обсуждать эту тему.";

pub fn answer(site: &Site, call: &Call, caller: &Caller, body: &Value) -> Outcome {
    check_model(call, &auth::check_folder(site, call, caller, "gpt", body)?)?;
    let limit = site.settings.count("yandex.concurrency");
    let permit = site.permits.take(&format!("yandex/{}", caller.holder), limit).ok_or_else(|| {
        let name = "ai.textGenerationCompletionSessionsCount.count";
        let message = format!("{name} gauge quota limit exceed: allowed {limit} requests");
        refusal(call.path(), StatusCode::TOO_MANY_REQUESTS, 8, &message)
    })?;
    let prompt = Prompt::read(call, body)?;
    let stream = prompt.stream;
    let mut lines = lines(call, &prompt);
    if !stream {
        lines.drain(..lines.len() - 1);
    }
    let wrapped = |line: Value| Bytes::from(format!("{}\n", json!({"result": line})));
    let lines: Vec<Bytes> = lines.into_iter().map(wrapped).collect();
    let error = json!({"error": framed(13, 500, "Internal error", "Internal Server Error")});
    let error = Bytes::from(format!("{error}\n"));
    let mut reply = if stream {
        reply::events(call, "application/json", Box::new(lines.into_iter()), error)
    } else {
        reply::reply(StatusCode::OK, "application/json", crate::body::Content::Whole(lines.concat().into()))
    };
    reply.extensions_mut().insert(permit);
    Ok(reply)
}

/// The answer of an operation, which is not wrapped.
pub fn unwrapped(site: &Site, call: &Call, caller: &Caller, body: &Value) -> Result<Value, Reply> {
    check_model(call, &auth::check_folder(site, call, caller, "gpt", body)?)?;
    let prompt = Prompt::read(call, body)?;
    Ok(lines(call, &prompt).pop().unwrap_or_default())
}

fn check_model(call: &Call, model: &str) -> Result<(), Reply> {
    let (name, version) = model.split_once(['/', '@']).unwrap_or((model, "latest"));
    let known = MODELS.contains(&name);
    let tuned = model.contains('@');
    if known && (tuned || matches!(version, "latest" | "rc" | "deprecated")) {
        return Ok(());
    }
    Err(invalid(call, "invalid model_uri"))
}

/// All lines of a stream; the last of them is the whole answer.
fn lines(call: &Call, prompt: &Prompt) -> Vec<Value> {
    let quirks = &call.faults.quirks;
    let spoken = |text: &str| json!({"role": "assistant", "text": text});
    if prompt.result.is_none() && !prompt.functions.is_empty() {
        let calls = tool_calls(call, prompt);
        let message = json!({"role": "assistant", "toolCallList": {"toolCalls": calls}});
        return vec![line(call, prompt, &message, "TOOL_CALLS", 1)];
    }
    let said = match &prompt.result {
        Some(result) => format!("Инструмент вернул: {result}"),
        None => answer::in_russian(quirks, prompt.user),
    };
    let (said, cut) = answer::limited(said, prompt.max_tokens);
    let words = answer::words(&said);
    let partial = |count: usize| line(call, prompt, &spoken(&words[..count].concat()), "PARTIAL", count);
    if quirks.on("content-filter") {
        let mut lines: Vec<Value> = (1..=words.len().min(2)).map(partial).collect();
        lines.push(line(call, prompt, &spoken(FILTERED), "CONTENT_FILTER", answer::tokens(FILTERED)));
        return lines;
    }
    let mut lines: Vec<Value> = (1..=words.len()).map(partial).collect();
    let status = if cut { "TRUNCATED_FINAL" } else { "FINAL" };
    lines.push(line(call, prompt, &spoken(&said), status, words.len()));
    lines
}

fn tool_calls(call: &Call, prompt: &Prompt) -> Vec<Value> {
    let made = |function: &&Value| {
        let arguments = answer::arguments(&function["parameters"], prompt.user);
        json!({"functionCall": {"name": function["name"], "arguments": arguments}})
    };
    let count = call.faults.quirks.number("tool-calls").unwrap_or(1);
    prompt.functions.iter().cycle().take(count).map(made).collect()
}

/// One answer; 64-bit numbers are strings.
fn line(call: &Call, prompt: &Prompt, message: &Value, status: &str, tokens: usize) -> Value {
    let finish = call.faults.quirks.word("finish").filter(|_| status.ends_with("FINAL"));
    let status = finish.map_or_else(|| format!("ALTERNATIVE_STATUS_{status}"), str::to_owned);
    json!({
        "alternatives": [{"message": message, "status": status}],
        "usage": {
            "inputTextTokens": prompt.tokens.to_string(),
            "completionTokens": tokens.to_string(),
            "totalTokens": (prompt.tokens + tokens).to_string(),
            "completionTokensDetails": {"reasoningTokens": "0"},
        },
        "modelVersion": VERSION,
    })
}
