//! 1C:Naparnik at <https://code.1c.ai>, the assistant of who programs in 1C. Its maker documents no API and may change it any day:
//! a client of it is made by who brings a token of the cabinet there, and never by default. What is known of it is in public
//! clients of it. The OpenAI-like form at <https://naparnik.platform.1c.ru/api/v1> is `Kind::NaparnikCompat`.

mod message;
mod read;
mod talk;
mod think;
mod tools;
mod write;

use std::sync::Arc;

use http::StatusCode;

use self::read::Overheard;
use self::talk::Talk;
use super::ask::Ask;
use super::config::ClientConfig;
use super::refusal;
use super::secret::Secret;
use super::service::{Credential, ProviderRequest, RefusalInfo, Service, Step, Steps, Unread, WrittenCall};
use crate::error::{Detail, Error, Result, Status};
use crate::request::provider::{Again, Refusal};

/// Where it is.
pub const BASE_URL: &str = "https://code.1c.ai";

/// The service.
pub struct Naparnik;

impl Service for Naparnik {
    fn missing(&self, config: &ClientConfig) -> Option<&'static str> {
        config.api_key.is_empty().then_some(
            "api_key: is not set, nor ONEC_AI_TOKEN nor NAPARNIK_TOKEN; it is the token of the cabinet at code.1c.ai",
        )
    }

    fn credential(&self, config: &ClientConfig) -> Result<Credential> {
        if config.api_key.is_empty() {
            return Ok(Credential::None);
        }
        // The bare token, without a scheme before it.
        Secret::new("api_key", config.api_key.expose())?.header("").map(Credential::Fixed)
    }

    fn concurrency(&self, _config: &ClientConfig) -> usize {
        2
    }

    /// A chat is several requests: of such this is the first.
    fn write(&self, ask: &Ask, config: &ClientConfig) -> Result<WrittenCall> {
        let lacks = |what| Err(Error::new(Status::Unsupported, format!("operation: 1C:Naparnik {what}")));
        match ask {
            Ask::Chat(chat) => match Talk::begin(chat, &config.model)?.next()? {
                Step::Ask(written) | Step::Tell(written) => Ok(written),
                _ => lacks("begins no call without a request"),
            },
            Ask::Embed(_) => lacks("makes no embeddings"),
            Ask::Models => lacks("lists no models"),
            Ask::Count(_) => lacks("counts no tokens"),
            Ask::Raw(raw) => Ok(WrittenCall::whole(ProviderRequest::raw(raw)?, Unread)),
        }
    }

    fn steps(&self, ask: &Ask, config: &ClientConfig) -> Result<Option<Box<dyn Steps>>> {
        match ask {
            Ask::Chat(chat) => Ok(Some(Box::new(Talk::begin(chat, &config.model)?))),
            _ => Ok(None),
        }
    }

    fn refusal(&self, refusal: &Refusal<'_>) -> RefusalInfo {
        let told = refusal::classify(refusal);
        let is_html = refusal.body.trim_ascii_start().first() == Some(&b'<');
        match refusal.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !is_html => {
                RefusalInfo { status: Status::Auth, detail: Detail::None, again: Again::Never, token: false, ..told }
            }
            // Another message of the conversation is being answered.
            StatusCode::LOCKED => RefusalInfo {
                status: Status::RateLimited,
                detail: Detail::Concurrency,
                again: Again::Surely(None),
                ..told
            },
            StatusCode::TOO_MANY_REQUESTS => RefusalInfo { cool: refusal::seconds_named(&told.problem.text), ..told },
            _ => told,
        }
    }
}

/// What the parts of one call know together.
#[derive(Default)]
struct Common {
    /// Known from the first answer on, where the caller did not bring it.
    conversation: std::sync::OnceLock<String>,
    /// Names of the caller's tools.
    tools: Vec<String>,
}

impl Common {
    fn conversation(&self) -> &str {
        self.conversation.get().map_or("", String::as_str)
    }

    /// How the steps read an answer: with all its calls.
    fn overheard(self: &Arc<Self>) -> Overheard {
        Overheard { common: self.clone(), for_caller: false }
    }

    /// How the caller reads it: with the calls of its own tools.
    fn for_caller(self: &Arc<Self>) -> Overheard {
        Overheard { common: self.clone(), for_caller: true }
    }
}

#[cfg(test)]
mod tests;
