//! Tokens of IAM: for an OAuth token, or from the machine the process runs on.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use serde_json::Value;
use zeroize::Zeroizing;

use super::{credential, rfc3339};
use crate::clients::config::ClientConfig;
use crate::clients::json::{number, parse, text};
use crate::clients::secret::Secret;
use crate::clients::service::ProviderRequest;
use crate::clients::token::Granted;
use crate::error::{Error, Result, Status};

/// They live for up to twelve hours, but are to be had anew each hour.
const LONGEST: Duration = Duration::from_secs(3600);

/// The request for one.
pub fn request(config: &ClientConfig) -> Result<ProviderRequest> {
    match credential::oauth(config) {
        // The session's key is the whole address.
        None => ProviderRequest::get("").with("metadata-flavor", "Google"),
        Some(oauth) => {
            let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
            Ok(ProviderRequest { method: Method::POST, url: String::new(), headers, body: exchange(oauth)? })
        }
    }
}

/// In memory that is wiped with its last copy. Written by hand, as a JSON value would leave copies.
fn exchange(oauth: &str) -> Result<Bytes> {
    if oauth.bytes().any(|byte| !(0x21..=0x7e).contains(&byte) || matches!(byte, b'"' | b'\\')) {
        return Err(Error::invalid("oauth_token", "has a character that no such token has; copy it again"));
    }
    let parts = ["{\"yandexPassportOauthToken\":\"", oauth, "\"}"];
    let mut body = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len()).sum()));
    for part in parts {
        body.extend_from_slice(part.as_bytes());
    }
    Ok(Bytes::from_owner(body))
}

/// The token in either answer.
pub fn read(body: &[u8]) -> Result<Granted> {
    let body = parse(body)?;
    let token = ["iamToken", "access_token"].into_iter().map(|name| text(&body, name)).find(|token| !token.is_empty());
    let none = || Error::new(Status::Provider, "token: the answer has neither iamToken nor access_token");
    let token = Secret::new("token", token.ok_or_else(none)?)?;
    let now = SystemTime::now();
    let latest = now + LONGEST;
    Ok(Granted { token, ends: Some(ends(&body, now).map_or(latest, |ends| ends.min(latest))) })
}

fn ends(body: &Value, now: SystemTime) -> Option<SystemTime> {
    let seconds = u64::try_from(number(body, "expires_in")).ok();
    seconds
        .and_then(|seconds| now.checked_add(Duration::from_secs(seconds)))
        .or_else(|| rfc3339::parse(text(body, "expiresAt")))
}

#[cfg(test)]
mod tests {
    use super::super::tests::support::bare;
    use super::*;
    use crate::clients::kind::Kind;
    use serde_json::json;

    fn life(body: &Value) -> Duration {
        let ends = read(body.to_string().as_bytes()).unwrap().ends.unwrap();
        ends.duration_since(SystemTime::now()).unwrap_or_default()
    }

    #[test]
    fn an_oauth_token_is_exchanged() {
        let mut config = bare(Kind::Yandex);
        config.oauth_token = Secret::of_any(" y0_abc\n");
        let asked = request(&config).unwrap();
        assert_eq!((asked.method, asked.url.as_str()), (Method::POST, ""));
        assert_eq!(asked.headers["content-type"], "application/json");
        assert_eq!(&asked.body[..], br#"{"yandexPassportOauthToken":"y0_abc"}"#);
        config.oauth_token = Secret::of_any("y0_\"planted");
        let error = request(&config).err().unwrap();
        assert!(error.message.starts_with("oauth_token: ") && !error.message.contains("planted"));
    }

    #[test]
    fn a_machine_is_asked_for_its_own() {
        let asked = request(&bare(Kind::Yandex)).unwrap();
        assert_eq!((asked.method, asked.url.as_str()), (Method::GET, ""));
        assert_eq!(asked.headers["metadata-flavor"], "Google");
    }

    #[test]
    fn either_answer_is_read() {
        let granted = read(br#"{"iamToken":"t1.a","expiresAt":"2020-01-02T03:04:05.123456789Z"}"#).unwrap();
        assert_eq!(granted.token.expose(), "t1.a");
        assert_eq!(
            granted.ends,
            SystemTime::UNIX_EPOCH
                .checked_add(Duration::from_millis(1_577_934_245_123))
                .map(|ends| ends + Duration::from_nanos(456_789))
        );
        assert_eq!(
            read(br#"{"access_token":"t1.b","expires_in":1800,"token_type":"Bearer"}"#).unwrap().token.expose(),
            "t1.b"
        );
        let life = life(&json!({"access_token": "t1.b", "expires_in": "1800"}));
        assert!((1790..=1800).contains(&life.as_secs()), "{life:?}");
    }

    #[test]
    fn none_is_kept_for_more_than_an_hour() {
        let rows = [
            json!({"iamToken": "t1.a", "expiresAt": "2199-01-02T03:04:05Z"}),
            json!({"iamToken": "t1.a", "expiresAt": "soon"}),
            json!({"iamToken": "t1.a"}),
            json!({"access_token": "t1.a", "expires_in": 43199}),
            json!({"access_token": "t1.a", "expires_in": i64::MAX}),
        ];
        for body in rows {
            assert!((3590..=3600).contains(&life(&body).as_secs()), "{body}");
        }
    }

    #[test]
    fn an_answer_without_one_is_an_error() {
        for body in ["{}", r#"{"iamToken":""}"#, r#"{"iamToken":null}"#, "<html>", "", r#"{"iamToken":"t1"#] {
            assert!(read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
