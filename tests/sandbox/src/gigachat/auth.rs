//! Tokens: how they are had, and whether they serve.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Outcome, error};
use crate::ids;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;
use crate::tokens::{Grant, Refusal};

pub const OAUTH: &str = "/gigachat/oauth";

const SCOPES: [&str; 3] = ["GIGACHAT_API_PERS", "GIGACHAT_API_B2B", "GIGACHAT_API_CORP"];

/// As long as the service's own tokens are, all but.
const FILLING: usize = 1024;

/// A token for an authorization key and a scope.
pub fn oauth(site: &Site, call: &Call) -> Outcome {
    site.ledger.add("gigachat.token_calls");
    if !call.is(&Method::POST) {
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, 405, "Method Not Allowed"));
    }
    if !call.header("rquid").is_some_and(ids::is_uuid4) {
        return Err(refusal(StatusCode::BAD_REQUEST, 3, "RqUID is missing or not a UUID4"));
    }
    let form = call.header("content-type").and_then(|value| value.split(';').next());
    if form.map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(refusal(StatusCode::BAD_REQUEST, 1, "scope data format invalid"));
    }
    let (client, secret) = basic(call)?;
    let scope = form_urlencoded::parse(&call.body).find(|(name, _)| name == "scope");
    let scope = scope.map(|(_, scope)| scope.into_owned()).filter(|scope| !scope.is_empty());
    let scope = scope.ok_or_else(|| refusal(StatusCode::BAD_REQUEST, 5, "scope is empty"))?;
    if !SCOPES.contains(&scope.as_str()) {
        return Err(refusal(StatusCode::BAD_REQUEST, 1, "scope data format invalid"));
    }
    check_secret(site, &secret)?;
    let allowed = site.settings.text("gigachat.scope");
    if !allowed.is_empty() && allowed != scope {
        return Err(refusal(StatusCode::BAD_REQUEST, 7, "scope from db not fully includes consumed scope"));
    }
    Ok(issue(site, &client, &scope, &site.settings.text("gigachat.token-form")))
}

/// A token for a user and a password, asked for with an empty body.
pub fn token(site: &Site, call: &Call) -> Outcome {
    site.ledger.add("gigachat.token_calls");
    if !call.is(&Method::POST) || !call.body.is_empty() {
        return Err(refusal(StatusCode::BAD_REQUEST, 1, "POST without a body expected"));
    }
    let (user, password) = basic(call)?;
    check_secret(site, &password)?;
    Ok(issue(site, &user, "GIGACHAT_API_CORP", "tok"))
}

fn issue(site: &Site, holder: &str, scope: &str, form: &str) -> Reply {
    let lifetime = site.settings.number("gigachat.token-lifetime");
    let prefix = format!("eyJ{}", ids::hex(FILLING));
    let (token, grant) = site.tokens.issue(&prefix, holder, scope, lifetime);
    site.ledger.add("gigachat.tokens");
    let body = if form == "tok" {
        json!({"tok": token, "exp": grant.expires_at_ms / 1000})
    } else {
        json!({"access_token": token, "expires_at": grant.expires_at_ms})
    };
    reply::json(StatusCode::OK, &body)
}

/// The two halves of a Basic header.
fn basic(call: &Call) -> Result<(String, String), Reply> {
    let decoded = call
        .header("authorization")
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|key| STANDARD.decode(key).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded
        .and_then(|pair| pair.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned())))
        .ok_or_else(|| refusal(StatusCode::BAD_REQUEST, 4, "Can't decode 'Authorization' header"))
}

fn check_secret(site: &Site, secret: &str) -> Result<(), Reply> {
    if secret == site.settings.text("gigachat.secret") {
        return Ok(());
    }
    Err(refusal(StatusCode::UNAUTHORIZED, 6, "credentials doesn't match db data"))
}

/// Whom the token of a call stands for.
pub fn check(site: &Site, call: &Call) -> Result<Grant, Reply> {
    let unauthorized = |message: &str| error(StatusCode::UNAUTHORIZED, message);
    let token = call.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| unauthorized("Unauthorized"))?;
    if token == site.settings.text("gigachat.static-token") {
        return Ok(Grant { holder: "static".to_owned(), ..Grant::default() });
    }
    site.tokens.check(token).map_err(|refusal| match refusal {
        Refusal::Unknown => unauthorized("Unauthorized"),
        Refusal::Expired => unauthorized("Token has expired"),
    })
}

fn refusal(status: StatusCode, code: u16, message: &str) -> Reply {
    let body: Value = json!({"code": code, "message": message});
    reply::json(status, &body)
}
