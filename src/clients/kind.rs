//! The providers a client can speak to.

use std::time::Duration;

use super::config::{Patience, Usual};
use super::openai::{Ollama, OpenAi};
use super::service::Service;

/// A provider, or a kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// OpenAI and all that speak its chat completions: vLLM, llama.cpp, OpenRouter, DeepSeek, Ollama's `/v1`, Yandex's `/v1`, the
    /// form of Naparnik in the guide.
    OpenAi,
    /// Ollama's own API.
    Ollama,
}

impl Kind {
    pub fn service(self) -> &'static dyn Service {
        match self {
            Kind::OpenAi => &OpenAi,
            Kind::Ollama => &Ollama,
        }
    }

    pub fn usual(self) -> Usual {
        let usual = |base_url, auth_url, model, embedding_model| Usual { base_url, auth_url, model, embedding_model };
        match self {
            Kind::OpenAi => usual("https://api.openai.com/v1", "", "", "text-embedding-3-small"),
            Kind::Ollama => usual("http://localhost:11434", "", "", ""),
        }
    }

    /// Names accounts, and is said in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OpenAi => "openai",
            Kind::Ollama => "ollama",
        }
    }

    pub fn patience(self) -> Patience {
        let seconds = |connect, first, between| Patience {
            connect: Duration::from_secs(connect),
            first: Duration::from_secs(first),
            between: Duration::from_secs(between),
        };
        match self {
            Kind::OpenAi | Kind::Ollama => seconds(5, 600, 120),
        }
    }
}
