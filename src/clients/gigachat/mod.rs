//! GigaChat: <https://developers.sber.ru/docs/ru/gigachat/api/reference/rest>. Its first version and the second, each in its own words.

mod address;
mod calls;
mod key;
mod lists;
mod read;
mod refusal;
mod scope;
mod talk;
mod token;
mod v2;
mod write;

pub use self::key::authorization_key;
use self::lists::{Counts, Vectors};
use self::read::Completions;
use self::scope::Scope;
use super::ask::{Ask, Chat, Raw};
use super::config::ClientConfig;
use super::lists::Models;
use super::service::{Credential, ProviderRequest, RefusalInfo, Service, Unread, WrittenCall};
use super::token::Granted;
use crate::error::{Error, Result, Status};
use crate::request::provider::Refusal;

/// The service.
pub struct GigaChat;

impl Service for GigaChat {
    fn missing(&self, config: &ClientConfig) -> Option<&'static str> {
        let someone = !config.access_token.is_empty() || token::is_asked_for(config) || has_certificate(config);
        (!someone).then_some(
            "api_key: is not set, nor GIGACHAT_CREDENTIALS; client_id and client_secret, access_token, user and password, or a \
             client's certificate do too",
        )
    }

    fn credential(&self, config: &ClientConfig) -> Result<Credential> {
        Scope::of(&config.scope)?;
        version(config)?;
        let given = (!config.access_token.is_empty()).then(|| config.access_token.clone());
        if token::is_asked_for(config) {
            return Ok(Credential::Token { scheme: "Bearer ", brought: given });
        }
        // With neither, a certificate says who asks.
        given.map_or(Ok(Credential::None), |token| token.header("Bearer ").map(Credential::Fixed))
    }

    fn auth_url<'a>(&self, config: &'a ClientConfig) -> &'a str {
        // A user's token is had beside the API.
        if !config.api_key.is_empty() || config.user.is_empty() { &config.auth_url } else { &config.base_url }
    }

    fn token_request(&self, config: &ClientConfig) -> Result<ProviderRequest> {
        token::request(config)
    }

    fn read_token(&self, body: &[u8]) -> Result<Granted> {
        token::read(body)
    }

    fn token_refusal(&self, http_status: u16, code: &str) -> Option<(Status, &'static str)> {
        token::refusal(http_status, code)
    }

    fn concurrency(&self, config: &ClientConfig) -> usize {
        let unsaid = config.scope.is_empty() && config.api_key.is_empty() && config.access_token.is_empty();
        // Certificates and passwords are for companies.
        let companys = unsaid && (token::is_asked_for(config) || has_certificate(config));
        if companys { Scope::Corp.concurrency() } else { Scope::of(&config.scope).unwrap_or_default().concurrency() }
    }

    fn write(&self, ask: &Ask, config: &ClientConfig) -> Result<WrittenCall> {
        Scope::of(&config.scope)?;
        let under_v1 = |path| address::under_v1(&config.base_url, path);
        let mut written = match ask {
            Ask::Chat(chat) => written_chat(chat, config)?,
            Ask::Embed(embed) => {
                let body = write::embed_body(embed, &config.embedding_model)?;
                WrittenCall::whole(ProviderRequest::post(under_v1("embeddings"), &body), Vectors)
            }
            Ask::Models => WrittenCall::whole(ProviderRequest::get(under_v1("models")), Models),
            Ask::Count(count) => {
                let body = write::count_body(count, &config.model)?;
                WrittenCall::whole(ProviderRequest::post(under_v1("tokens/count"), &body), Counts)
            }
            Ask::Raw(raw) => {
                let url = address::of_raw(&config.base_url, &raw.url)?;
                WrittenCall::whole(ProviderRequest::raw(&Raw { url, ..raw.clone() })?, Unread)
            }
        };
        written.request = written.request.with("x-session-id", &config.affinity)?;
        Ok(written)
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> RefusalInfo {
        refusal::classify(refusal)
    }
}

fn written_chat(chat: &Chat, config: &ClientConfig) -> Result<WrittenCall> {
    let second = version(config)? == 2;
    let request = if second {
        ProviderRequest::post(address::chat_v2(&config.base_url), &v2::chat_body(chat, &config.model)?)
    } else {
        ProviderRequest::post("chat/completions", &write::chat_body(chat, &config.model)?)
    };
    Ok(match (chat.stream, second) {
        (true, true) => WrittenCall::sse(request.with("cache-control", "no-store")?, v2::Messages::default()),
        (true, false) => WrittenCall::sse(request.with("cache-control", "no-store")?, Completions),
        (false, true) => WrittenCall::whole(request, v2::Messages::default()),
        (false, false) => WrittenCall::whole(request, Completions),
    })
}

/// The version of the chat that is spoken: the one named, or that of the base URL.
fn version(config: &ClientConfig) -> Result<u32> {
    match config.api_version {
        0 => Ok(if address::is_v2(&config.base_url) { 2 } else { 1 }),
        version @ 1..=2 => Ok(version),
        other => Err(Error::invalid("api_version", format_args!("is {other}; use 1 or 2, or 0 for that of base_url"))),
    }
}

fn has_certificate(config: &ClientConfig) -> bool {
    let client = &config.session.connection.tls.client;
    !client.chain_file.is_empty() || !client.chain_bytes.is_empty()
}

#[cfg(test)]
mod tests;
