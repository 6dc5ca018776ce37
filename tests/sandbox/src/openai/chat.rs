//! What a chat request is answered with.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::request::ChatRequest;
use super::steps::{Step, Steps};
use crate::answer;
use crate::ids;
use crate::quirks::Quirks;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::stream::event;

/// How many bytes of arguments go into one fragment of a call.
const FRAGMENT: usize = 8;

const THOUGHT: &str = "The user said something.";

struct Completion {
    id: String,
    created: i64,
    model: String,
    content: Option<String>,
    reasoning: Option<&'static str>,
    calls: Vec<Value>,
    finish: String,
    usage: Value,
}

pub fn complete(request: ChatRequest, call: &Call) -> Reply {
    let (stream, include_usage) = (request.stream, request.include_usage);
    let completion = Completion::of(request, &call.faults.quirks);
    if !stream {
        return reply::json(StatusCode::OK, &completion.whole());
    }
    let error =
        json!({"error": {"message": "The provider went away", "type": "server_error", "param": null, "code": 502}});
    let steps = completion.steps(include_usage, call.on("usage-in-finish"));
    let steps = Steps::new(&completion.id, completion.created, &completion.model, steps);
    reply::events(call, "text/event-stream", Box::new(steps), event(&error.to_string()))
}

impl Completion {
    fn of(request: ChatRequest, quirks: &Quirks) -> Self {
        let text = match &request.tool_result {
            Some(result) => format!("The tool said: {result}"),
            None => answer::in_english(quirks, &request.last_message),
        };
        let (text, cut) = answer::limited(text, request.max_tokens);
        let calls = calls(&request, quirks);
        let finish = match (calls.is_empty(), cut) {
            _ if quirks.on("content-filter") => "content_filter",
            (false, _) => "tool_calls",
            (true, true) => "length",
            (true, false) => "stop",
        };
        let completion_tokens = answer::tokens(&text);
        let reasoning = quirks.on("reasoning").then_some(THOUGHT);
        let mut usage = json!({
            "prompt_tokens": request.prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": request.prompt_tokens + completion_tokens,
        });
        if let Some(thought) = reasoning {
            usage["completion_tokens_details"] = json!({"reasoning_tokens": answer::tokens(thought)});
        }
        Self {
            id: completion_id(),
            created: ids::unix_time(),
            model: quirks.word("model").map_or(request.model, str::to_owned),
            content: calls.is_empty().then_some(text),
            reasoning,
            calls,
            finish: quirks.word("finish").unwrap_or(finish).to_owned(),
            usage,
        }
    }

    fn whole(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.content, "refusal": null});
        if let Some(reasoning) = self.reasoning {
            message["reasoning_content"] = reasoning.into();
        }
        if !self.calls.is_empty() {
            message["tool_calls"] = self.calls.clone().into();
        }
        let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish});
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": self.usage,
        })
    }

    fn steps(&self, include_usage: bool, in_finish: bool) -> VecDeque<Step> {
        let empty = if self.content.is_some() { json!("") } else { Value::Null };
        let mut steps = VecDeque::from([Step::Delta(json!({"role": "assistant", "content": empty}))]);
        for word in self.reasoning.map(answer::words).unwrap_or_default() {
            steps.push_back(Step::Delta(json!({"reasoning_content": word})));
        }
        if let Some(text) = self.content.as_ref().filter(|text| !text.is_empty()) {
            steps.push_back(Step::Words(text.clone(), 0));
        }
        for (index, call) in self.calls.iter().enumerate() {
            steps.extend(fragments(index, call).into_iter().map(Step::Delta));
        }
        steps.push_back(Step::Finish(self.finish.clone(), in_finish.then(|| self.usage.clone())));
        if include_usage {
            steps.push_back(Step::Usage(self.usage.clone()));
        }
        steps.push_back(Step::Done);
        steps
    }
}

/// The calls of the functions on offer: one, or as many as were asked for, one function after another.
fn calls(request: &ChatRequest, quirks: &Quirks) -> Vec<Value> {
    let count = quirks.number("tool-calls").unwrap_or(1);
    let call = |(name, schema): &(String, Value)| {
        let arguments = answer::arguments(schema, &request.last_message).to_string();
        let function = json!({"name": name, "arguments": arguments});
        if quirks.on("no-tool-id") {
            return json!({"type": "function", "function": function});
        }
        json!({"id": format!("call_{}", ids::hex(24)), "type": "function", "function": function})
    };
    request.functions.iter().cycle().take(if request.functions.is_empty() { 0 } else { count }).map(call).collect()
}

/// One call as deltas: its id and name, then its arguments piece by piece.
fn fragments(index: usize, call: &Value) -> Vec<Value> {
    let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
    let mut first = call.clone();
    first["function"]["arguments"] = "".into();
    first["index"] = index.into();
    let mut deltas = vec![json!({"tool_calls": [first]})];
    let letters: Vec<char> = arguments.chars().collect();
    for piece in letters.chunks(FRAGMENT) {
        let piece: String = piece.iter().collect();
        deltas.push(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}));
    }
    deltas
}

fn completion_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("chatcmpl-sandbox-{:08}", NEXT.fetch_add(1, Relaxed))
}
