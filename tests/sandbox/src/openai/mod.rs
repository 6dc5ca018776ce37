//! The OpenAI-compatible endpoints.

mod chat;
mod embeddings;
mod request;
mod steps;

pub use embeddings::Embedder;
pub use request::is_json;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;
use crate::stats::Stats;

const MODELS: [&str; 2] = ["sandbox-large", "sandbox-small"];

pub fn answer(site: &Site, stats: &Stats, call: &Call) -> Reply {
    if let Err(refusal) = authorize(site, call) {
        return refusal;
    }
    match call.path() {
        "/v1/chat/completions" => chat_completions(call, stats, site.settings.count("openai.context")),
        "/v1/embeddings" => embeddings(call, Embedder::OpenAi),
        path => models(call, path.strip_prefix("/v1/models"), &MODELS.map(str::to_owned)),
    }
}

/// Any key serves, or none, unless one was set.
fn authorize(site: &Site, call: &Call) -> Result<(), Reply> {
    let key = site.settings.text("openai.api-key");
    if key.is_empty() || call.header("authorization") == Some(&format!("Bearer {key}")) {
        return Ok(());
    }
    let message = "Incorrect API key provided";
    Err(reply::error(StatusCode::UNAUTHORIZED, message, None, Some("invalid_api_key")))
}

/// A completion that says the last user message back, whole or as a stream of events.
pub fn chat_completions(call: &Call, stats: &Stats, context: u64) -> Reply {
    if !call.is(&Method::POST) {
        return reply::method_not_allowed("POST");
    }
    match request::ChatRequest::parse(call, context) {
        Ok(request) => {
            stats.chats.add(1);
            chat::complete(request, call)
        }
        Err(refusal) => refusal,
    }
}

pub fn embeddings(call: &Call, embedder: Embedder) -> Reply {
    if !call.is(&Method::POST) {
        return reply::method_not_allowed("POST");
    }
    request::json_body(call).and_then(|body| embedder.embed(&body)).unwrap_or_else(|refusal| refusal)
}

/// The list of models, or the one that `rest` of the path names.
pub fn models(call: &Call, rest: Option<&str>, ids: &[String]) -> Reply {
    let model = |id: &str| json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "sandbox"});
    let Some(rest) = rest.filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return reply::not_found(call.path());
    };
    if !matches!(call.head.method, Method::GET | Method::HEAD) {
        return reply::method_not_allowed("GET, HEAD");
    }
    let Some(wanted) = rest.strip_prefix('/') else {
        let models: Vec<Value> = ids.iter().map(|id| model(id)).collect();
        return reply::json(StatusCode::OK, &json!({"object": "list", "data": models}));
    };
    if ids.iter().any(|id| id == wanted) {
        return reply::json(StatusCode::OK, &model(wanted));
    }
    let message = format!("The model '{wanted}' does not exist");
    reply::error(StatusCode::NOT_FOUND, &message, Some("model"), Some("model_not_found"))
}
