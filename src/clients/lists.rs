//! Answers that are lists: embeddings and models, as OpenAI writes them and most others do.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::json::{failure_within, list, number, parse, problem, text, usage};
use super::service::Unread;
use crate::body::reply::{Decode, Dialect, ReplyBuilder, in_body};
use crate::error::{Result, Status};

/// `data[].embedding`, numbers or base64 of little-endian floats.
pub struct Embeddings;

impl Dialect for Embeddings {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = whole(body, "data", builder)?;
        let data = list(&body, "data");
        builder.reply.embeddings = vec![Vec::new(); data.len()];
        for (place, one) in data.iter().enumerate() {
            let index = usize::try_from(number(one, "index")).ok().filter(|index| *index < data.len()).unwrap_or(place);
            builder.reply.embeddings[index] = numbers(one.get("embedding").unwrap_or(&Value::Null))?;
        }
        text(&body, "model").clone_into(&mut builder.reply.model);
        builder.usage(usage(body.get("usage").unwrap_or(&Value::Null)));
        builder.done();
        Ok(())
    }
}

/// `data[].id`, a line each.
pub struct Models;

impl Dialect for Models {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        let body = whole(body, "data", builder)?;
        let names: Vec<&str> = list(&body, "data").iter().map(|one| text(one, "id")).collect();
        builder.text(&names.join("\n"))?;
        builder.done();
        Ok(())
    }
}

/// The JSON of a body that has a list of this name.
fn whole(body: &[u8], name: &str, builder: &mut ReplyBuilder) -> Result<Value> {
    let body = parse(body)?;
    match problem(&body) {
        Some(problem) if list(&body, name).is_empty() => Err(failure_within(problem, builder)),
        _ => Ok(body),
    }
}

/// Numbers in a list, or base64 of them.
pub fn numbers(value: &Value) -> Result<Vec<f32>> {
    let bad = || in_body(Status::Provider, "response: an embedding is neither numbers nor base64 of floats");
    match value {
        Value::Array(numbers) => {
            numbers.iter().map(|number| number.as_f64().map(|number| number as f32).ok_or_else(bad)).collect()
        }
        Value::String(text) => {
            let bytes = BASE64_STANDARD.decode(text).map_err(|_| bad())?;
            let fours = bytes.chunks_exact(4);
            if !fours.remainder().is_empty() {
                return Err(bad());
            }
            Ok(fours.map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect())
        }
        _ => Err(bad()),
    }
}
