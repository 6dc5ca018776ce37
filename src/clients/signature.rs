//! What goes into `Authorization`: nothing, a key, or a token that is had for one.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::USER_AGENT;
use http::{HeaderValue, StatusCode};

use super::client::{DEFAULT_USER_AGENT, Inner};
use super::service::{ProviderRequest, Service};
use super::token::{Flight, Granted, Tokens};
use crate::config::{LimitOverrides, PersistenceOverrides};
use crate::error::{Delivery, Detail, Error, Phase, Result, Status};
use crate::request::Request;
use crate::request::retry_after::Advice;
use crate::response::Response;
use crate::session::{FRESH_SESSIONS, SessionHandle};

/// How one call signs.
pub enum Signature {
    None,
    Fixed(HeaderValue),
    /// `session`: where tokens are had, made ready before anybody drives.
    Token {
        tokens: Arc<Tokens>,
        client: Arc<Inner>,
        session: Arc<SessionHandle>,
    },
}

impl Signature {
    /// The header, and the number of the token in it.
    pub async fn sign(&self) -> Result<Option<(HeaderValue, u64)>> {
        match self {
            Signature::None => Ok(None),
            Signature::Fixed(header) => Ok(Some((header.clone(), 0))),
            Signature::Token { tokens, client, session } => {
                // In a task of its own: who asked first may give up while the others wait.
                let fetch = |flight: Flight| {
                    let (client, session) = (client.clone(), session.clone());
                    let runtime = session.runtime.clone();
                    runtime.spawn(async move { flight.lands(fetched(&client, session).await) });
                };
                tokens.get(fetch).await.map(Some)
            }
        }
    }

    /// Whether a refused one can be had anew.
    pub fn renews(&self) -> bool {
        matches!(self, Signature::Token { .. })
    }

    /// The provider refused the token of this number.
    pub fn refused(&self, number: u64) {
        if let Signature::Token { tokens, .. } = self {
            tokens.refused(number);
        }
    }
}

async fn fetched(client: &Inner, mut session: Arc<SessionHandle>) -> Result<Granted> {
    let ProviderRequest { method, url, mut headers, body } = client.service.token_request(&client.config)?;
    headers.entry(USER_AGENT).or_insert(DEFAULT_USER_AGENT);
    let limits = client.config.limits(LimitOverrides::default(), false);
    let request = Request {
        persistence: PersistenceOverrides { retries: Some(client.config.retries), redirects: Some(0) },
        // A second token does no harm.
        may_repeat: true,
        ..Request::new(method, url, headers, body, limits)
    };
    let mut sent = session.send(request.clone()).await;
    for _ in 1..FRESH_SESSIONS {
        match &sent {
            // Closed while its call waited, which may go on: so it needs another.
            Err(failure) if failure.error.is_stale() => session = client.token_session()?,
            _ => break,
        }
        sent = session.send(request.clone()).await;
    }
    let response = sent.map_err(|failure| in_token(&failure.error))?;
    if response.status != StatusCode::OK {
        return Err(refused(client.service, &response));
    }
    client.service.read_token(&response.body).map_err(|error| in_token(&error))
}

/// A failure of the token's request: the call itself was not sent.
fn in_token(error: &Error) -> Error {
    let message = format!("auth_url: {}", error.message);
    // Which limit is in the message: by its detail it would count as the provider's own slowness.
    let detail = if error.is_stale() { error.detail } else { Detail::None };
    Error { message, delivery: Delivery::NotSent, detail, ..error.clone() }
}

/// The provider's words are left out, as they may quote what was sent; its code is not.
fn refused(service: &dyn Service, response: &Response) -> Error {
    let number = response.status.as_u16();
    let said = super::refusal::problem(&response.body);
    let code =
        if said.code.len() <= 8 && said.code.bytes().all(|byte| byte.is_ascii_digit()) { &*said.code } else { "" };
    let is_page = matches!(number, 403 | 404) && response.body.trim_ascii_start().first() == Some(&b'<');
    let (status, mend) = service.token_refusal(number, code).unwrap_or(match number {
        429 => (Status::RateLimited, "wait as long as retry_after_ms says"),
        402 => (Status::Quota, "waiting does not mend that"),
        _ if is_page => (Status::Provider, "it answered with a page, so check the address"),
        400 | 401 | 403 => (Status::Auth, "check credential and scope"),
        _ => (Status::Provider, "try again later"),
    });
    let code = if code.is_empty() { String::new() } else { format!(", code {code}") };
    let message = format!("auth_url: the token request was refused with HTTP {number}{code}; {mend}");
    let detail = if is_page && status == Status::Provider { Detail::NotFound } else { Detail::None };
    let error = Error::new(status, message).detail(detail).phase(Phase::Queue);
    let retry_after = Advice::of(&response.headers, SystemTime::now()).wait;
    Error { http_status: number, retryable: status == Status::RateLimited, retry_after, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::kind::Kind;
    use crate::response::Report;
    use http::{HeaderMap, Version};
    use std::time::Duration;

    #[test]
    fn a_refused_token_request_names_the_mend_and_not_the_providers_words() {
        let page = "<html>planted</html>";
        for (http_status, body, status, detail, word) in [
            (400, r#"{"code":5,"message":"planted"}"#, Status::NotConfigured, Detail::None, "code 5; set scope"),
            (400, r#"{"code":7,"message":"planted"}"#, Status::NotConfigured, Detail::None, "another scope"),
            (401, r#"{"code":6,"message":"planted"}"#, Status::Auth, Detail::None, "code 6; the key is not known"),
            (400, r#"{"message":"planted"}"#, Status::Auth, Detail::None, "check credential and scope"),
            (403, page, Status::Provider, Detail::NotFound, "check the address"),
            (404, page, Status::Provider, Detail::NotFound, "check the address"),
            (429, r#"{"message":"planted"}"#, Status::RateLimited, Detail::None, "retry_after_ms"),
            (503, page, Status::Provider, Detail::None, "try again later"),
        ] {
            let response = Response {
                status: StatusCode::from_u16(http_status).unwrap(),
                version: Version::HTTP_11,
                headers: HeaderMap::from_iter([(http::header::RETRY_AFTER, HeaderValue::from_static("2"))]),
                body: body.into(),
                report: Report::default(),
                reply: None,
            };
            let error = refused(Kind::GigaChat.service(), &response);
            assert_eq!((error.status, error.detail), (status, detail), "{error}");
            assert!(error.message.contains(word) && !error.message.contains("planted"), "{error}");
            assert_eq!((error.retryable, error.delivery), (http_status == 429, Delivery::NotSent));
            assert_eq!(error.retry_after, Some(Duration::from_secs(2)));
        }
    }
}
