//! GigaChat: tokens by OAuth, chat of two versions, files and the rest.

mod auth;
mod chat;
mod chat2;
mod files;
mod texts;

pub use auth::OAUTH;
pub use files::Files;

use std::sync::Arc;

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::ids;
use crate::openai;
use crate::permits::Permit;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;
use crate::tokens::Grant;

const BASE: &str = "/gigachat/api/v1";
const CHAT2: &str = "/gigachat/api/v2/chat/completions";

/// How many requests run at a time: of a person, and of a company.
const OF_A_PERSON: u64 = 1;
const OF_A_COMPANY: u64 = 10;

/// The models, and the version that answers say.
const CHAT_MODELS: [&str; 7] = [
    "GigaChat",
    "GigaChat-2",
    "GigaChat-2-Pro",
    "GigaChat-2-Max",
    "GigaChat-3-Ultra",
    "GigaChat-2-preview",
    "GigaChat-2-Max-preview",
];
const EMBEDDERS: [&str; 3] = ["Embeddings", "Embeddings-2", "EmbeddingsGigaR"];
const VERSION: &str = "2.0.28.2";

/// A reply, or the one that says why there is none.
type Outcome = Result<Reply, Reply>;

pub fn answer(site: &Site, call: &Call) -> Reply {
    let reply = if call.header("user-agent").is_none_or(str::is_empty) {
        reply::json(StatusCode::FORBIDDEN, &json!({"message": "Unauthorized"}))
    } else if call.path() == OAUTH {
        auth::oauth(site, call).unwrap_or_else(|refusal| refusal)
    } else {
        api(site, call).unwrap_or_else(|refusal| refusal)
    };
    with_ids(reply, call)
}

fn api(site: &Site, call: &Call) -> Outcome {
    if call.path() == CHAT2 {
        let grant = auth::check(site, call)?;
        return post(call).and_then(|body| chat2::complete(call, &body, &running(site, &grant)?));
    }
    let Some(path) = call.path().strip_prefix(BASE) else {
        return Err(page_not_found());
    };
    if path == "/token" {
        return auth::token(site, call);
    }
    let grant = auth::check(site, call)?;
    match path {
        "/chat/completions" => post(call).and_then(|body| chat::complete(call, &body, &running(site, &grant)?)),
        "/embeddings" => texts::embeddings(&post(call)?),
        "/tokens/count" => texts::count(&post(call)?),
        "/functions/convert" => texts::convert(call),
        "/ai/check" => texts::check(&post(call)?),
        "/balance" => get(call).and_then(|()| texts::balance(&grant)),
        "/models" => get(call).map(|()| texts::models()),
        _ => match (path.strip_prefix("/models/"), path.strip_prefix("/files")) {
            (Some(id), _) => get(call).and_then(|()| texts::model(id)),
            (_, Some(rest)) => site.gigachat_files.answer(call, rest),
            _ => Err(error(StatusCode::NOT_FOUND, "Not Found")),
        },
    }
}

/// The place that a chat takes until the end of its answer.
fn running(site: &Site, grant: &Grant) -> Result<Arc<Permit>, Reply> {
    let limit = match site.settings.count("gigachat.concurrency") {
        0 if grant.scope == "GIGACHAT_API_PERS" => OF_A_PERSON,
        0 => OF_A_COMPANY,
        limit => limit,
    };
    let permit = site.permits.take(&format!("gigachat/{}", grant.holder), limit);
    permit.ok_or_else(|| error(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"))
}

/// The JSON body of a POST.
fn post(call: &Call) -> Result<Value, Reply> {
    if !call.is(&Method::POST) {
        return Err(error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    if !openai::is_json(&call.head.headers) {
        return Err(invalid("Content-Type must be application/json"));
    }
    serde_json::from_slice(&call.body)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| invalid("the body is not a JSON object"))
}

fn get(call: &Call) -> Result<(), Reply> {
    if call.is(&Method::GET) { Ok(()) } else { Err(error(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")) }
}

fn error(status: StatusCode, message: &str) -> Reply {
    reply::json(status, &json!({"status": status.as_u16(), "message": message}))
}

fn invalid(message: &str) -> Reply {
    error(StatusCode::BAD_REQUEST, &format!("Invalid params: {message}"))
}

fn unprocessable(message: &str) -> Reply {
    error(StatusCode::UNPROCESSABLE_ENTITY, &format!("Invalid params: {message}"))
}

fn no_such_model() -> Reply {
    error(StatusCode::NOT_FOUND, "No such model")
}

/// The front end knows no such path and answers with a page.
fn page_not_found() -> Reply {
    crate::errors::html(StatusCode::NOT_FOUND)
}

/// The name of a chat model, with the version that answers it.
fn versioned(body: &Value) -> Result<String, Reply> {
    match body["model"].as_str() {
        Some(model) if CHAT_MODELS.contains(&model) => Ok(format!("{model}:{VERSION}")),
        _ => Err(no_such_model()),
    }
}

/// The ids that every answer has: those of the request, or new ones.
fn with_ids(mut reply: Reply, call: &Call) -> Reply {
    for name in ["x-request-id", "x-session-id"] {
        let value = call.header(name).map_or_else(ids::uuid, str::to_owned);
        if let Ok(value) = HeaderValue::from_str(&value) {
            reply.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    if let Some(value) = call.head.headers.get("x-client-id") {
        reply.headers_mut().insert("x-client-id", value.clone());
    }
    reply
}
