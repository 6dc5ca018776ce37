//! YandexGPT: its own API, <https://yandex.cloud/en/docs/foundation-models/text-generation/api-ref/>, and what it has of OpenAI's.

mod compat;
mod credential;
mod each;
mod embedding;
mod job;
mod messages;
mod model;
mod read;
mod refusal;
mod rfc3339;
mod token;
mod tokens;
mod write;

use self::each::Each;
use self::job::Job;
use self::read::Answers;
use super::ask::Ask;
use super::config::ClientConfig;
use super::lists::Models;
use super::service::{Credential, ProviderRequest, RefusalInfo, Service, Steps, Unread, WrittenCall};
use super::token::Granted;
use super::uuid;
use crate::error::{Error, Result, Status};
use crate::request::provider::Refusal;

/// Its own API.
pub const BASE: &str = "https://llm.api.cloud.yandex.net/foundationModels/v1";
/// As OpenAI speaks.
pub const BASE_OPENAI: &str = "https://llm.api.cloud.yandex.net/v1";
/// Where jobs are asked about.
pub const OPERATIONS: &str = "https://operation.api.cloud.yandex.net/operations";
/// Where an OAuth token is exchanged for one of IAM.
pub const IAM: &str = "https://iam.api.cloud.yandex.net/iam/v1/tokens";
/// Where a machine in Yandex's cloud has the token of its service account: an `auth_url` for who has no other credential.
pub const METADATA: &str = "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token";

/// The same at another host.
pub fn metadata_at(host: &str) -> String {
    METADATA.replacen("169.254.169.254", host.trim(), 1)
}

/// Ten generations at once are allowed; two are left to others.
const AT_ONCE: usize = 8;

/// The service, by the API it speaks.
pub enum Yandex {
    Own,
    OpenAi,
}

impl Service for Yandex {
    fn missing(&self, config: &ClientConfig) -> Option<&'static str> {
        credential::missing(config)
    }

    fn credential(&self, config: &ClientConfig) -> Result<Credential> {
        credential::of(config)
    }

    fn auth_url<'a>(&self, config: &'a ClientConfig) -> &'a str {
        credential::auth_url(config)
    }

    fn token_request(&self, config: &ClientConfig) -> Result<ProviderRequest> {
        token::request(config)
    }

    fn read_token(&self, body: &[u8]) -> Result<Granted> {
        token::read(body)
    }

    fn concurrency(&self, _config: &ClientConfig) -> usize {
        AT_ONCE
    }

    fn has_jobs(&self) -> bool {
        matches!(self, Yandex::Own)
    }

    fn write(&self, ask: &Ask, config: &ClientConfig) -> Result<WrittenCall> {
        match self {
            Yandex::Own => write_own(ask, config),
            Yandex::OpenAi => compat::write(ask, config),
        }
    }

    fn steps(&self, ask: &Ask, config: &ClientConfig) -> Result<Option<Box<dyn Steps>>> {
        let embedding = match self {
            Yandex::Own => embedding::written,
            Yandex::OpenAi => compat::embedding,
        };
        Ok(match (self, ask) {
            (_, Ask::Embed(embed)) if embed.inputs.len() > 1 => {
                let each = embed.inputs.iter().map(|input| embedding(embed, input, config));
                Some(Box::new(Each::new(each.collect::<Result<_>>()?)))
            }
            (Yandex::Own, Ask::Chat(chat)) if chat.job => Some(Box::new(Job::new(chat, config)?)),
            (Yandex::Own, Ask::Count(count)) if count.inputs.len() > 1 => {
                let each = count.inputs.iter().map(|input| tokens::written(count, input, config));
                Some(Box::new(Each::new(each.collect::<Result<_>>()?)))
            }
            _ => None,
        })
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> RefusalInfo {
        refusal::classify(refusal)
    }
}

fn write_own(ask: &Ask, config: &ClientConfig) -> Result<WrittenCall> {
    Ok(match ask {
        Ask::Chat(chat) if chat.job => return Err(several("job")),
        Ask::Chat(chat) => {
            let request = sign(ProviderRequest::post("completion", &write::body(chat, config)?), config)?;
            if chat.stream { WrittenCall::ndjson(request, Answers) } else { WrittenCall::whole(request, Answers) }
        }
        Ask::Embed(embed) => embedding::written(embed, one_of(&embed.inputs)?, config)?,
        Ask::Count(count) => tokens::written(count, one_of(&count.inputs)?, config)?,
        Ask::Models => WrittenCall::whole(models(config)?, Models),
        Ask::Raw(raw) => WrittenCall::whole(sign(ProviderRequest::raw(raw)?, config)?, Unread),
    })
}

/// The one input of a call that takes one request.
fn one_of(inputs: &[String]) -> Result<&str> {
    match inputs {
        [input] => Ok(input),
        [] => Err(Error::invalid("inputs", "is empty; give a text")),
        _ => Err(several("inputs")),
    }
}

fn several(what: &str) -> Error {
    Error::new(Status::Unsupported, format!("{what}: takes several requests here"))
}

/// With what tells who asks, and a name for the request that their support can find it by.
fn sign(request: ProviderRequest, config: &ClientConfig) -> Result<ProviderRequest> {
    request.with("x-folder-id", config.folder.trim())?.with("x-client-request-id", &uuid::v4()?)
}

/// Only the other API lists models: beside this one, under `/v1`.
fn models(config: &ClientConfig) -> Result<ProviderRequest> {
    let base = config.base_url.trim_end_matches('/');
    let beside = if let Some(before) = base.strip_suffix("/foundationModels/v1") {
        format!("{before}/v1")
    } else {
        let base = url::Url::parse(base);
        let base = base.map_err(|_| Error::invalid("base_url", "is no URL; write it with scheme and host"))?;
        format!("{}/v1", base.origin().ascii_serialization())
    };
    sign(ProviderRequest::get(format!("{beside}/models")), config)?.with("openai-project", config.folder.trim())
}

#[cfg(test)]
mod tests;
