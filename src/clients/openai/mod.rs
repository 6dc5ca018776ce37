//! OpenAI's chat completions, and the many servers that speak them: <https://platform.openai.com/docs/api-reference/chat>.
//! Ollama's own API beside it: <https://github.com/ollama/ollama/blob/main/docs/api.md>.

mod ollama;
mod read;
mod write;

pub use self::ollama::Ollama;
pub use self::read::Completions;
pub use self::write::chat_body;
use super::ask::Ask;
use super::config::ClientConfig;
use super::kind::Kind;
use super::lists::{Embeddings, Models};
use super::service::{Credential, ProviderRequest, Service, Unread, WrittenCall};
use crate::error::{Error, Result, Status};

/// The service.
pub struct OpenAi;

impl Service for OpenAi {
    fn missing(&self, config: &ClientConfig) -> Option<&'static str> {
        let none = config.api_key.is_empty();
        if config.kind == Kind::NaparnikCompat {
            return none.then_some("api_key: is not set, nor NAPARNIK_API_KEY");
        }
        // A server of one's own wants no key.
        let official = config.base_url.starts_with("https://api.openai.com");
        (official && none).then_some("api_key: is not set, nor OPENAI_API_KEY")
    }

    fn credential(&self, config: &ClientConfig) -> Result<Credential> {
        if config.api_key.is_empty() {
            return Ok(Credential::None);
        }
        config.api_key.header("Bearer ").map(Credential::Fixed)
    }

    fn write(&self, ask: &Ask, config: &ClientConfig) -> Result<WrittenCall> {
        let sign = |request: ProviderRequest| {
            request.with("openai-organization", &config.organization)?.with("openai-project", &config.folder)
        };
        Ok(match ask {
            Ask::Chat(chat) => {
                let request = sign(ProviderRequest::post("chat/completions", &chat_body(chat, &config.model)?))?;
                if chat.stream {
                    WrittenCall::sse(request, Completions)
                } else {
                    WrittenCall::whole(request, Completions)
                }
            }
            Ask::Embed(embed) => {
                let body = write::embed_body(embed, &config.embedding_model)?;
                WrittenCall::whole(sign(ProviderRequest::post("embeddings", &body))?, Embeddings)
            }
            Ask::Models => WrittenCall::whole(sign(ProviderRequest::get("models"))?, Models),
            Ask::Count(_) => {
                return Err(Error::new(Status::Unsupported, "operation: this provider counts no tokens"));
            }
            Ask::Raw(raw) => WrittenCall::whole(sign(ProviderRequest::raw(raw)?)?, Unread),
        })
    }
}
