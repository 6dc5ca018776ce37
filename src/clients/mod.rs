//! Clients of AI providers, users of the pool as any caller: what all have in common here, a provider's own words in its folder.

pub mod ask;
mod call_provider;
mod client;
pub mod config;
mod gigachat;
pub mod json;
mod keyed_lock;
pub mod kind;
mod lists;
mod naparnik;
mod openai;
mod refusal;
mod secret;
pub mod service;
mod signature;
mod step_runner;
mod stream_tap;
mod token;
pub mod unchecked_config;
mod uuid;
mod yandex;

pub use self::client::{CallOptions, Client, PoolSource};
