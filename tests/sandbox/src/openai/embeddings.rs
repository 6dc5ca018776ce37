//! Texts as vectors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use serde_json::{Value, json};

use super::request::invalid;
use crate::answer;
use crate::reply::{self, Reply};

const DIMENSIONS: u64 = 16;
const MOST_DIMENSIONS: u64 = 3072;

/// Who takes the request: some take less than others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Embedder {
    OpenAi,
    /// One text, and no base64.
    Yandex,
}

impl Embedder {
    pub fn embed(self, body: &Value) -> Result<Reply, Reply> {
        let model = body["model"].as_str().filter(|model| !model.is_empty());
        let model = model.ok_or_else(|| invalid("model", "a model's name"))?;
        let texts = self.texts(&body["input"])?;
        let base64 = match body["encoding_format"].as_str() {
            None | Some("float") => false,
            Some("base64") if self == Self::OpenAi => true,
            Some(_) => return Err(invalid("encoding_format", "float or base64")),
        };
        let dimensions = body["dimensions"].as_u64().unwrap_or(DIMENSIONS);
        if !(1..=MOST_DIMENSIONS).contains(&dimensions) {
            return Err(invalid("dimensions", "1 to 3072"));
        }
        let dimensions = usize::try_from(dimensions).unwrap_or_default();
        let data: Vec<Value> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| {
                json!({"object": "embedding", "index": index, "embedding": vector(text, dimensions, base64)})
            })
            .collect();
        let tokens: usize = texts.iter().map(|text| answer::tokens(text)).sum();
        let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
        Ok(reply::json(StatusCode::OK, &json!({"object": "list", "data": data, "model": model, "usage": usage})))
    }

    /// The texts of the input: one, or several, or tokens by number.
    fn texts(self, input: &Value) -> Result<Vec<String>, Reply> {
        let wrong = || invalid("input", "a text or an array of texts");
        match input {
            Value::String(text) if !text.is_empty() => Ok(vec![text.clone()]),
            Value::Array(parts) if self == Self::OpenAi && !parts.is_empty() => {
                if parts.iter().all(Value::is_u64) {
                    return Ok(vec![input.to_string()]);
                }
                let text = |part: &Value| match part {
                    Value::String(text) => Some(text.clone()),
                    Value::Array(_) => Some(part.to_string()),
                    _ => None,
                };
                parts.iter().map(text).collect::<Option<_>>().ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

/// The numbers, or their bytes, little end first, in base64.
fn vector(text: &str, dimensions: usize, base64: bool) -> Value {
    let vector = answer::vector(text, dimensions);
    if !base64 {
        return vector.into();
    }
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes).into()
}
