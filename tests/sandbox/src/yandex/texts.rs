//! Tokens of a text, and its vector: unary, so without a frame.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::auth::{self, Caller};
use super::prompt::Prompt;
use super::{Outcome, VERSION, invalid};
use crate::answer;
use crate::reply;
use crate::router::Call;
use crate::site::Site;

const MOST_TOKENS: usize = 2000;
const DIMENSIONS: u64 = 256;

pub fn tokenize(site: &Site, call: &Call, caller: &Caller, body: &Value) -> Outcome {
    auth::check_folder(site, call, caller, "gpt", body)?;
    let text = body["text"].as_str().ok_or_else(|| invalid(call, "text is required"))?;
    Ok(tokens(&answer::words(text)))
}

pub fn tokenize_completion(site: &Site, call: &Call, caller: &Caller, body: &Value) -> Outcome {
    auth::check_folder(site, call, caller, "gpt", body)?;
    Prompt::read(call, body)?;
    let messages = body["messages"].as_array().into_iter().flatten();
    let words: Vec<String> = messages.filter_map(|message| message["text"].as_str()).flat_map(answer::words).collect();
    Ok(tokens(&words))
}

fn tokens(words: &[String]) -> reply::Reply {
    let token = |(at, text): (usize, &String)| json!({"id": (at + 1).to_string(), "text": text, "special": false});
    let tokens: Vec<Value> = words.iter().enumerate().map(token).collect();
    reply::json(StatusCode::OK, &json!({"tokens": tokens, "modelVersion": VERSION}))
}

pub fn embedding(site: &Site, call: &Call, caller: &Caller, body: &Value) -> Outcome {
    auth::check_folder(site, call, caller, "emb", body)?;
    let text = body["text"].as_str().ok_or_else(|| invalid(call, "text is required"))?;
    let dimensions = match &body["dim"] {
        Value::Null => Some(DIMENSIONS),
        Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    let dimensions = dimensions.filter(|dimensions| (1..=DIMENSIONS).contains(dimensions));
    let dimensions = dimensions.and_then(|dimensions| usize::try_from(dimensions).ok());
    let dimensions = dimensions.ok_or_else(|| invalid(call, "dim must be in [1, 256]"))?;
    let count = answer::tokens(text);
    if count > MOST_TOKENS {
        let message = format!("Number of input tokens must be no more than {MOST_TOKENS}, got {count}");
        return Err(invalid(call, &message));
    }
    let answer =
        json!({"embedding": answer::vector(text, dimensions), "numTokens": count.to_string(), "modelVersion": VERSION});
    Ok(reply::json(StatusCode::OK, &answer))
}
