//! 1C:Naparnik: conversations, and messages that are answered by events.

mod conversation;
mod message;
mod stream;
mod tools;

pub use conversation::Conversations;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::body::Content;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;

const CONVERSATIONS: &str = "/naparnik/chat_api/v1/conversations/";
const SKILLS: [&str; 2] = ["custom", "raw"];

/// A reply, or the one that says why there is none.
type Outcome = Result<Reply, Reply>;

pub fn answer(site: &Site, call: &Call) -> Reply {
    let outcome = match call.path().strip_prefix(CONVERSATIONS) {
        Some("") => create(site, call),
        Some(rest) => match rest.split_once('/') {
            Some((uuid, "messages")) => messages(site, call, uuid),
            _ => Err(detail(StatusCode::NOT_FOUND, "Not Found")),
        },
        // Without the slash at its end the address is another one.
        None => Err(detail(StatusCode::NOT_FOUND, "Not Found")),
    };
    outcome.unwrap_or_else(|refusal| refusal)
}

fn create(site: &Site, call: &Call) -> Outcome {
    let (token, body) = read(site, call)?;
    let skill = body["skill_name"].as_str().filter(|skill| SKILLS.contains(skill));
    let skill = skill.ok_or_else(|| unprocessable("skill_name must be custom or raw", &body))?;
    if body["is_chat"] != true {
        return Err(unprocessable("is_chat must be true", &body));
    }
    let (uuid, root) = site.naparnik.open(&token, skill == "custom");
    let answer = json!({"uuid": uuid, "root_message_uuid": root, "skill_name": skill, "is_chat": true, "title": null});
    Ok(reply::json(StatusCode::OK, &answer))
}

fn messages(site: &Site, call: &Call, uuid: &str) -> Outcome {
    let (token, body) = read(site, call)?;
    if !site.naparnik.is_of(uuid, &token) {
        return Err(detail(StatusCode::NOT_FOUND, "Conversation not found"));
    }
    // One message at a time, until the end of its answer.
    let permit = site.permits.take(&format!("naparnik/{uuid}"), 1);
    let permit = permit.ok_or_else(|| detail(StatusCode::LOCKED, "Conversation is locked"))?;
    let said = message::receive(site, call, uuid, &body)?;
    let mut reply = stream::told(call, &said);
    reply.extensions_mut().insert(permit);
    Ok(reply)
}

/// The token and the body of a POST whose headers are as the service wants them.
fn read(site: &Site, call: &Call) -> Result<(String, Value), Reply> {
    if !call.is(&Method::POST) {
        return Err(detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"));
    }
    let token = call.header("authorization").ok_or_else(|| detail(StatusCode::UNAUTHORIZED, "Not authenticated"))?;
    let known = site.settings.text("naparnik.token");
    // Several callers may be told apart by what stands behind the token.
    if token != known && !token.strip_prefix(&known).is_some_and(|rest| rest.starts_with('-')) {
        return Err(detail(StatusCode::UNAUTHORIZED, "Invalid token"));
    }
    if call.header("content-type") != Some("application/json") {
        return Err(unparsed());
    }
    let body: Option<Value> = serde_json::from_slice(&call.body).ok();
    Ok((token.to_owned(), body.filter(Value::is_object).ok_or_else(unparsed)?))
}

fn unparsed() -> Reply {
    reply::reply(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", Content::Whole("error parsing the body".into()))
}

fn detail(status: StatusCode, message: &str) -> Reply {
    reply::json(status, &json!({"detail": message}))
}

/// A body of the wrong shape, as a validator of the service reports it.
fn unprocessable(message: &str, input: &Value) -> Reply {
    let error = json!({"type": "value_error", "loc": [], "msg": format!("Value error, {message}"), "input": input});
    reply::json(StatusCode::UNPROCESSABLE_ENTITY, &json!({"error": [error]}))
}
