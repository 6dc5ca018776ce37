//! Tokens: had for an authorization key at a host of their own, or for a user and a password under the base URL.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use super::key;
use super::scope::Scope;
use crate::body::reply::in_body;
use crate::clients::config::ClientConfig;
use crate::clients::json::{number, parse, text};
use crate::clients::secret::Secret;
use crate::clients::service::ProviderRequest;
use crate::clients::token::{Granted, ends_at};
use crate::clients::uuid;
use crate::error::{Detail, Result, Status};

/// Whether there is something that tokens are had for.
pub fn is_asked_for(config: &ClientConfig) -> bool {
    !config.api_key.is_empty() || (!config.user.is_empty() && !config.password.is_empty())
}

/// The request for a token.
pub fn request(config: &ClientConfig) -> Result<ProviderRequest> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if config.api_key.is_empty() {
        headers.insert(AUTHORIZATION, key::pair(&config.user, config.password.expose()).header("Basic ")?);
        let url = format!("{}/token", config.base_url.trim_end_matches('/'));
        return Ok(ProviderRequest { method: Method::POST, url, headers, body: Bytes::new() });
    }
    headers.insert(AUTHORIZATION, config.api_key.header("Basic ")?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let body = Bytes::from(format!("scope={}", Scope::of(&config.scope)?.name()));
    ProviderRequest { method: Method::POST, url: config.auth_url.clone(), headers, body }.with("rquid", &uuid::v4()?)
}

/// The token, under either pair of names.
pub fn read(body: &[u8]) -> Result<Granted> {
    let bad = |what: &str| {
        in_body(Status::Provider, format!("response: {what}; check the address of tokens")).detail(Detail::NotJson)
    };
    let body = parse(body).map_err(|_| bad("is no JSON with a token"))?;
    let named = |names: [&'static str; 2]| names.into_iter().find(|name| body.get(*name).is_some());
    let token = named(["access_token", "tok"]).map_or("", |name| text(&body, name));
    if token.trim().is_empty() {
        return Err(bad("has no token"));
    }
    let token = Secret::new("token", token).map_err(|_| bad("has a token that no header holds"))?;
    // Without an end it serves until it is refused.
    let end = named(["expires_at", "exp"]).map_or(-1, |name| number(&body, name));
    Ok(Granted { token, ends: if end > 0 { ends_at(end) } else { None } })
}

/// What is wrong where no token was given, and the mend.
pub fn refusal(http_status: u16, code: &str) -> Option<(Status, &'static str)> {
    const NAMES: &str = "set scope to GIGACHAT_API_PERS, GIGACHAT_API_B2B or GIGACHAT_API_CORP";
    const OTHER: &str = "the key is for another scope; set scope to another of GIGACHAT_API_PERS, GIGACHAT_API_B2B and \
                         GIGACHAT_API_CORP";
    match (http_status, code) {
        (400 | 401, "1" | "5") => Some((Status::NotConfigured, NAMES)),
        (400 | 401, "7") => Some((Status::NotConfigured, OTHER)),
        (400 | 401, "4") => Some((Status::Auth, "the key cannot be decoded; copy the authorization key again")),
        (400 | 401, "6") => {
            Some((Status::Auth, "the key is not known; copy the authorization key again, or make a new one"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    #[test]
    fn both_bodies_of_a_token_end_at_the_same_time() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_695_128_118);
        for body in [
            r#"{"access_token":"t","expires_at":1695128118000}"#,
            r#"{"access_token":"t","expires_at":"1695128118000"}"#,
            r#"{"tok":"t","exp":1695128118}"#,
        ] {
            let Granted { token, ends } = read(body.as_bytes()).unwrap();
            assert_eq!((token.expose(), ends), ("t", Some(end)), "{body}");
        }
        for body in [r#"{"access_token":"t"}"#, r#"{"access_token":"t","expires_at":0}"#, r#"{"tok":"t","exp":null}"#] {
            assert_eq!(read(body.as_bytes()).unwrap().ends, None, "{body}");
        }
    }

    #[test]
    fn a_body_without_a_token_is_an_error_that_does_not_show_it() {
        for body in
            ["{}", "", "[]", "<html>planted</html>", r#"{"access_token":""}"#, r#"{"tok":"plan ted"}"#, r#"{"tok":7}"#]
        {
            let error = read(body.as_bytes()).unwrap_err();
            assert_eq!((error.status, error.detail), (Status::Provider, Detail::NotJson), "{body}");
            assert!(!error.message.contains("plan"), "{error}");
        }
    }

    #[test]
    fn every_refused_token_request_names_its_mend() {
        for (http_status, code, status, word) in [
            (400, "5", Status::NotConfigured, "scope"),
            (400, "1", Status::NotConfigured, "scope"),
            (400, "7", Status::NotConfigured, "another scope"),
            (401, "7", Status::NotConfigured, "another scope"),
            (400, "4", Status::Auth, "decoded"),
            (401, "4", Status::Auth, "decoded"),
            (401, "6", Status::Auth, "key is not known"),
        ] {
            let (told, mend) = refusal(http_status, code).unwrap();
            assert!(told == status && mend.contains(word), "{code}: {mend}");
        }
        assert_eq!(refusal(400, ""), None);
        assert_eq!(refusal(429, "7"), None);
    }
}
