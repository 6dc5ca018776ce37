//! Clients of AI providers: GigaChat, YandexGPT, 1C:Naparnik, and all that speak as OpenAI does. They use the pool as any caller
//! would; a provider's own words are in its folder.

pub mod ask;
pub mod client;
pub mod config;
mod ear;
pub mod gigachat;
pub mod given;
pub mod json;
pub mod kind;
mod line;
mod lists;
pub mod naparnik;
pub mod openai;
mod refusal;
pub mod secret;
pub mod service;
mod signature;
mod step_runner;
pub mod token;
mod turn;
mod uuid;
pub mod yandex;

pub use self::client::{Client, Home, How};
