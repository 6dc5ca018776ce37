//! Keys, IAM tokens, and whose folder a model is of.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Outcome, body, invalid, refusal};
use crate::ids;
use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;
use crate::tokens::Refusal;

const USER: &str = "user";
const SERVICE: &str = "service";

/// Who calls: a user has to say the folder, a service account has one.
pub struct Caller {
    pub holder: String,
    is_user: bool,
}

/// Who the header of a call stands for.
pub fn check(site: &Site, call: &Call) -> Result<Caller, Reply> {
    let refused = |message: &str| refusal(call.path(), StatusCode::UNAUTHORIZED, 16, message);
    let header = call.header("authorization").ok_or_else(|| refused("No authorization was given"))?;
    let key = site.settings.text("yandex.api-key");
    // Several callers may be told apart by what stands behind the key.
    let is_key = |given: &str| given == key || given.strip_prefix(&key).is_some_and(|rest| rest.starts_with('-'));
    if let Some(given) = header.strip_prefix("Api-Key ") {
        if is_key(given) {
            return Ok(Caller { holder: given.to_owned(), is_user: false });
        }
        return Err(refused(&format!("Unknown api key '{}'", given.chars().take(4).collect::<String>())));
    }
    let token = header.strip_prefix("Bearer ").ok_or_else(|| refused("The token is invalid"))?;
    if call.path().starts_with(super::OPENAI) && is_key(token) {
        return Ok(Caller { holder: token.to_owned(), is_user: false });
    }
    let grant = site.tokens.check(token).map_err(|why| match why {
        Refusal::Unknown => refused("The token is invalid"),
        Refusal::Expired => refused("The token has expired"),
    })?;
    Ok(Caller { is_user: grant.scope == USER, holder: grant.holder })
}

/// The name of the model whose URI stands in the body, if its folder is the caller's.
pub fn check_folder(site: &Site, call: &Call, caller: &Caller, scheme: &str, body: &Value) -> Result<String, Reply> {
    let uri = body["modelUri"].as_str().and_then(|uri| uri.strip_prefix(scheme)?.strip_prefix("://"));
    let (folder, model) = uri.and_then(|uri| uri.split_once('/')).ok_or_else(|| invalid(call, "invalid model_uri"))?;
    if model.is_empty() {
        return Err(invalid(call, "invalid model_uri"));
    }
    let header = call.header("x-folder-id").unwrap_or_default();
    let own = site.settings.text("yandex.folder");
    let named = if folder.is_empty() { header } else { folder };
    if named.is_empty() && caller.is_user {
        return Err(invalid(call, "Folder ID is not specified"));
    }
    if let Some(folder) = [named, header].into_iter().find(|folder| !folder.is_empty() && *folder != own) {
        if caller.is_user {
            return Err(refusal(call.path(), StatusCode::FORBIDDEN, 7, "Permission denied"));
        }
        let message = format!("Specified folder ID '{folder}' does not match with service account folder ID '{own}'");
        return Err(invalid(call, &message));
    }
    Ok(model.to_owned())
}

/// An IAM token for a user's OAuth token or for a service account's JWT.
pub fn iam(site: &Site, call: &Call) -> Outcome {
    site.ledger.add("yandex.token_calls");
    let body = body(call)?;
    let scope = match (body["yandexPassportOauthToken"].as_str(), body["jwt"].as_str()) {
        (Some(token), None) if is_oauth(token) => USER,
        (None, Some(jwt)) if is_ps256(jwt) => SERVICE,
        (None, None) | (Some(_), Some(_)) => return Err(invalid(call, "One identity is required")),
        _ => return Err(refusal(call.path(), StatusCode::UNAUTHORIZED, 16, "The token is invalid")),
    };
    let (token, expires_at_ms) = issue(site, scope);
    let answer = json!({"iamToken": token, "expiresAt": ids::rfc3339(expires_at_ms)});
    Ok(reply::json(StatusCode::OK, &answer))
}

/// The token of the machine's own service account.
pub fn metadata(site: &Site, call: &Call) -> Outcome {
    site.ledger.add("yandex.token_calls");
    if !call.is(&Method::GET) || call.header("metadata-flavor") != Some("Google") {
        return Err(reply::text(StatusCode::FORBIDDEN, "Missing Metadata-Flavor:Google header\n"));
    }
    let (token, expires_at_ms) = issue(site, SERVICE);
    let seconds = (expires_at_ms - ids::unix_ms()) / 1000;
    let answer = json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"});
    Ok(reply::json(StatusCode::OK, &answer))
}

fn issue(site: &Site, scope: &str) -> (String, i64) {
    site.ledger.add("yandex.tokens");
    let lifetime = site.settings.number("yandex.token-lifetime");
    let (token, grant) = site.tokens.issue("t1.", scope, scope, lifetime);
    (token, grant.expires_at_ms)
}

fn is_oauth(token: &str) -> bool {
    ["y0_", "y1_", "y2_", "y3_"].iter().any(|start| token.len() > start.len() && token.starts_with(start))
}

/// Whether a JWT has three parts and says PS256; the signature is taken as it is.
fn is_ps256(jwt: &str) -> bool {
    let parts: Vec<&str> = jwt.split('.').collect();
    let json = |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let [head, claims, signature] = parts[..] else { return false };
    let claims = json(claims).unwrap_or_default();
    let whole = ["iss", "aud", "iat", "exp"].iter().all(|name| !claims[name].is_null());
    json(head).is_some_and(|head| head["alg"] == "PS256") && whole && !signature.is_empty()
}
