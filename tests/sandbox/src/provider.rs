//! Which service a path belongs to, and what a failure of that service looks like.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::reply::{self, Reply};
use crate::router::Call;
use crate::site::Site;
use crate::stats::Stats;
use crate::{gigachat, naparnik, ollama, openai, yandex};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    OpenAi,
    Ollama,
    GigaChat,
    Yandex,
    Naparnik,
}

impl Provider {
    pub fn of(path: &str) -> Option<Self> {
        let (first, _) = path.strip_prefix('/')?.split_once('/')?;
        match first {
            "v1" => Some(Self::OpenAi),
            "api" => Some(Self::Ollama),
            "gigachat" => Some(Self::GigaChat),
            "yandex" => Some(Self::Yandex),
            "naparnik" => Some(Self::Naparnik),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Ollama => "ollama",
            Self::GigaChat => "gigachat",
            Self::Yandex => "yandex",
            Self::Naparnik => "naparnik",
        }
    }

    pub fn answer(self, site: &Site, stats: &Stats, call: &Call) -> Reply {
        match self {
            Self::OpenAi => openai::answer(site, stats, call),
            Self::Ollama => ollama::answer(call),
            Self::GigaChat => gigachat::answer(site, call),
            Self::Yandex => yandex::answer(site, stats, call),
            Self::Naparnik => naparnik::answer(site, call),
        }
    }
}

/// The status as the service of that path would put it; without a body where HTTP forbids one.
pub fn failure(path: &str, status: StatusCode) -> Reply {
    let message = status.canonical_reason().unwrap_or("Unknown");
    if reply::forbids_body(status) {
        return reply::failure(status);
    }
    match Provider::of(path) {
        None | Some(Provider::OpenAi) => reply::failure(status),
        Some(Provider::Yandex) if path.starts_with("/yandex/v1/") => reply::failure(status),
        Some(Provider::Ollama) => reply::json(status, &json!({"error": message})),
        Some(Provider::GigaChat) => reply::json(status, &gigachat_error(path, status, message)),
        Some(Provider::Yandex) => yandex::failure(path, status, message),
        Some(Provider::Naparnik) => reply::json(status, &json!({"detail": message})),
    }
}

fn gigachat_error(path: &str, status: StatusCode, message: &str) -> Value {
    let status = status.as_u16();
    if path == gigachat::OAUTH {
        json!({"code": status, "message": message})
    } else {
        json!({"status": status, "message": message})
    }
}
