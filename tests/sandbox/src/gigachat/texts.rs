//! Models, embeddings, counts of tokens, and the other small calls.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{CHAT_MODELS, EMBEDDERS, Outcome, error, invalid, no_such_model, unprocessable};
use crate::answer;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::tokens::Grant;

const DIMENSIONS: usize = 16;

fn told(id: &str, kind: &str) -> Value {
    json!({"id": id, "object": "model", "owned_by": "salutedevices", "type": kind})
}

fn all_models() -> Vec<Value> {
    let chats = CHAT_MODELS.iter().map(|id| told(id, "chat"));
    chats.chain(EMBEDDERS.iter().map(|id| told(id, "embedder"))).collect()
}

pub fn models() -> Reply {
    reply::json(StatusCode::OK, &json!({"object": "list", "data": all_models()}))
}

pub fn model(id: &str) -> Outcome {
    let model = all_models().into_iter().find(|model| model["id"] == id).ok_or_else(no_such_model)?;
    Ok(reply::json(StatusCode::OK, &model))
}

pub fn embeddings(body: &Value) -> Outcome {
    let model = body["model"].as_str().filter(|model| EMBEDDERS.contains(model)).ok_or_else(no_such_model)?;
    let texts = texts(&body["input"])?;
    let embedding = |(index, text): (usize, &String)| {
        let usage = json!({"prompt_tokens": answer::tokens(text)});
        json!({"object": "embedding", "index": index, "embedding": answer::vector(text, DIMENSIONS), "usage": usage})
    };
    let data: Vec<Value> = texts.iter().enumerate().map(embedding).collect();
    Ok(reply::json(StatusCode::OK, &json!({"object": "list", "model": model, "data": data})))
}

/// How many tokens each text has: an array, in no object.
pub fn count(body: &Value) -> Outcome {
    if !body["model"].as_str().is_some_and(|model| CHAT_MODELS.contains(&model)) {
        return Err(no_such_model());
    }
    let count =
        |text: &String| json!({"object": "tokens", "tokens": answer::tokens(text), "characters": text.chars().count()});
    let counts: Vec<Value> = texts(&body["input"])?.iter().map(count).collect();
    Ok(reply::json(StatusCode::OK, &counts.into()))
}

fn texts(input: &Value) -> Result<Vec<String>, Reply> {
    let wrong = || unprocessable("input must be a nonempty array of strings");
    match input {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(texts) if !texts.is_empty() => {
            texts.iter().map(|text| text.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// What is left of the tokens bought; who pays afterwards has none.
pub fn balance(grant: &Grant) -> Outcome {
    if grant.scope == "GIGACHAT_API_CORP" {
        return Err(error(StatusCode::FORBIDDEN, "Permission denied"));
    }
    Ok(reply::json(StatusCode::OK, &json!({"balance": [{"usage": "GigaChat", "value": 900_000}]})))
}

/// The functions of an OpenAPI text, which stands in the body as it is.
pub fn convert(call: &Call) -> Outcome {
    if !call.is(&Method::POST) || call.body.is_empty() {
        return Err(invalid("an OpenAPI text expected"));
    }
    let parameters = json!({"type": "object", "properties": {}});
    let function = json!({"name": "sandbox", "description": "From the text sent", "parameters": parameters});
    Ok(reply::json(StatusCode::OK, &json!({"functions": [function]})))
}

/// Who has written a text: the sandbox takes everybody for a machine.
pub fn check(body: &Value) -> Outcome {
    let text = body["input"].as_str().ok_or_else(|| unprocessable("input must be a string"))?;
    let characters = text.chars().count();
    let answer = json!({
        "category": "ai", "characters": characters, "tokens": answer::tokens(text), "ai_intervals": [[0, characters]],
    });
    Ok(reply::json(StatusCode::OK, &answer))
}
