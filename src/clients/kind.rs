//! The providers a client can speak to.

use std::time::Duration;

use super::config::{DefaultLimits, KindDefaults};
use super::gigachat::GigaChat;
use super::naparnik::{self, Naparnik};
use super::openai::{Ollama, OpenAi};
use super::service::Service;
use super::yandex::{self, Yandex};

/// A provider, or a kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// OpenAI and all that speak its chat completions: vLLM, llama.cpp, OpenRouter, DeepSeek, Ollama's `/v1`, the form of Naparnik
    /// in the guide.
    OpenAi,
    /// Ollama's own API.
    Ollama,
    /// GigaChat, of Sber.
    GigaChat,
    /// YandexGPT's own API.
    Yandex,
    /// YandexGPT as OpenAI speaks: its `/v1`.
    YandexOpenAi,
    /// 1C:Naparnik at code.1c.ai. Its maker documents no API, so it is there for who brings a token and not by default.
    Naparnik,
    /// The form that a guide gives for Naparnik: OpenAI's words at another host. Nobody knows of such a server.
    NaparnikCompat,
}

impl Kind {
    pub fn service(self) -> &'static dyn Service {
        match self {
            Kind::OpenAi | Kind::NaparnikCompat => &OpenAi,
            Kind::Ollama => &Ollama,
            Kind::GigaChat => &GigaChat,
            Kind::Yandex => &Yandex::Own,
            Kind::YandexOpenAi => &Yandex::OpenAi,
            Kind::Naparnik => &Naparnik,
        }
    }

    pub fn defaults(self) -> KindDefaults {
        let defaults =
            |base_url, auth_url, model, embedding_model| KindDefaults { base_url, auth_url, model, embedding_model };
        match self {
            Kind::OpenAi => defaults("https://api.openai.com/v1", "", "", "text-embedding-3-small"),
            Kind::Ollama => defaults("http://localhost:11434", "", "", ""),
            Kind::GigaChat => defaults(
                "https://api.giga.chat/v1",
                "https://ngw.devices.sberbank.ru:9443/api/v2/oauth",
                "GigaChat-2",
                "Embeddings",
            ),
            // The address of tokens follows from the credential.
            Kind::Yandex => defaults(yandex::BASE, "", "yandexgpt", "text-search-doc"),
            Kind::YandexOpenAi => defaults(yandex::BASE_OPENAI, "", "yandexgpt", "text-search-doc"),
            Kind::Naparnik => defaults(naparnik::BASE_URL, "", "", ""),
            Kind::NaparnikCompat => defaults("https://naparnik.platform.1c.ru/api/v1", "", "naparnik-pro", ""),
        }
    }

    /// Names the lines of calls that go one at a time, and is said in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::OpenAi => "openai",
            Kind::Ollama => "ollama",
            Kind::GigaChat => "gigachat",
            Kind::Yandex => "yandex",
            Kind::YandexOpenAi => "yandex_openai",
            Kind::Naparnik => "naparnik",
            Kind::NaparnikCompat => "naparnik_compat",
        }
    }

    pub fn default_limits(self) -> DefaultLimits {
        let seconds = |connect, first, between| DefaultLimits {
            connect: Duration::from_secs(connect),
            first: Duration::from_secs(first),
            between: Duration::from_secs(between),
        };
        match self {
            Kind::OpenAi | Kind::Ollama | Kind::NaparnikCompat => seconds(5, 600, 120),
            // Models that think are silent for long.
            Kind::GigaChat => seconds(10, 300, 60),
            Kind::Yandex | Kind::YandexOpenAi => seconds(10, 180, 60),
            // It searches and reads before it speaks; heartbeats come all the while, and count as nothing.
            Kind::Naparnik => seconds(10, 60, 300),
        }
    }
}
