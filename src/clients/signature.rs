//! What goes into `Authorization`: nothing, a key, or a token that is had for one.

use std::sync::Arc;
use std::time::SystemTime;

use http::header::USER_AGENT;
use http::{HeaderValue, StatusCode};

use super::client::{Inner, WHO};
use super::service::{Service, Wire};
use super::token::{Flight, Granted, Tokens};
use crate::config::PersistenceOverrides;
use crate::error::{Delivery, Error, Phase, Result, Status};
use crate::request::Request;
use crate::request::retry_after::Advice;
use crate::response::Response;
use crate::session::SessionHandle;

/// How one call signs.
pub enum Signature {
    None,
    Fixed(HeaderValue),
    /// `session`: where tokens are had, made ready before anybody drives.
    Token { tokens: Arc<Tokens>, client: Arc<Inner>, session: Arc<SessionHandle> },
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
                    runtime.spawn(async move { flight.lands(fetched(&client, &session).await) });
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

async fn fetched(client: &Inner, session: &SessionHandle) -> Result<Granted> {
    let wire = client.service.token_request(&client.config)?;
    let Wire { method, url, mut headers, body } = wire;
    headers.entry(USER_AGENT).or_insert(WHO);
    let limits = client.config.limits(Default::default(), false);
    let request = Request {
        persistence: PersistenceOverrides { retries: Some(client.config.retries), redirects: None },
        // A second token does no harm.
        may_repeat: true,
        ..Request::new(method, url, headers, body, limits)
    };
    let response = session.send(request).await.map_err(|failure| in_token(&failure.error))?;
    if response.status != StatusCode::OK {
        return Err(refused(client.service, &response));
    }
    client.service.read_token(&response.body).map_err(|error| in_token(&error))
}

/// A failure of the token's request: the call itself was not sent.
fn in_token(error: &Error) -> Error {
    let message = format!("auth_url: {}", error.message);
    Error { message, delivery: Delivery::NotSent, ..error.clone() }
}

/// The provider's words are left out, as they may quote what was sent; its code is not.
fn refused(service: &dyn Service, response: &Response) -> Error {
    let number = response.status.as_u16();
    let said = super::refusal::problem(&response.body);
    let code = if said.code.len() <= 8 && said.code.bytes().all(|byte| byte.is_ascii_digit()) { &*said.code } else { "" };
    let is_page = response.body.trim_ascii_start().first() == Some(&b'<');
    let (status, mend) = service.token_refusal(number, code).unwrap_or(match number {
        429 => (Status::RateLimited, "wait as long as retry_after_ms says"),
        402 => (Status::Quota, "waiting does not mend that"),
        400..=404 if is_page => (Status::Provider, "it answered with a page, so check the address"),
        400 | 401 | 403 => (Status::Auth, "check credential and scope"),
        _ => (Status::Provider, "try again later"),
    });
    let code = if code.is_empty() { String::new() } else { format!(", code {code}") };
    let message = format!("auth_url: the token request was refused with HTTP {number}{code}; {mend}");
    let error = Error::new(status, message).phase(Phase::Queue);
    let retry_after = Advice::of(&response.headers, SystemTime::now()).wait;
    Error { http_status: number, retryable: status == Status::RateLimited, retry_after, ..error }
}
