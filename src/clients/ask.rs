//! What a client is asked for, before it is written in any provider's words.

use http::Method;
use serde_json::{Map, Value};

use crate::body::reply::Call;

/// One call.
#[derive(Clone, Debug)]
pub enum Ask {
    Chat(Box<Chat>),
    Embed(Embed),
    Models,
    Count(Count),
    /// Anything else the provider offers, signed, paced and judged as the others.
    Raw(Raw),
}

impl Ask {
    /// Whether the answer is told while it comes.
    pub fn is_stream(&self) -> bool {
        matches!(self, Ask::Chat(chat) if chat.stream)
    }
}

/// A talk so far, and how it is to go on.
#[derive(Clone, Debug, Default)]
pub struct Chat {
    pub messages: Vec<Message>,
    pub model: Option<String>,
    pub tools: Vec<Tool>,
    pub choice: Choice,
    pub format: Format,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub max_tokens: Option<u64>,
    pub seed: Option<i64>,
    pub stop: Vec<String>,
    pub stream: bool,
    /// As a job that is asked about until it is done, where the provider has such.
    pub job: bool,
    /// `Reply::state` of the answer before, where the provider keeps the talk.
    pub state: String,
    /// More members of the request's body, in the provider's own words; they go over ours.
    pub extra: Map<String, Value>,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    System,
    #[default]
    User,
    Assistant,
    /// What a tool gave.
    Tool,
}

impl Role {
    /// As OpenAI and most others spell it.
    pub fn word(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        }
    }
}

/// One message.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub role: Role,
    pub content: String,
    /// A tool's result: which tool.
    pub name: String,
    /// A tool's result: of which call; empty where the provider has no ids.
    pub call_id: String,
    /// An assistant's: the tools it wanted called.
    pub calls: Vec<Call>,
    /// An assistant's: `Reply::state` of that answer, where the provider gave one.
    pub state: String,
    /// The whole message in the provider's own words, in place of all that.
    pub raw: Option<Value>,
}

/// A tool that the model may want called.
#[derive(Clone, Debug, Default)]
pub struct Tool {
    pub name: String,
    pub description: String,
    /// A JSON Schema.
    pub parameters: Value,
    /// What else was said of it: `strict`, `few_shot_examples`, `return_parameters` ...
    pub more: Map<String, Value>,
}

/// Whether tools are to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// The provider's default.
    #[default]
    Unsaid,
    Auto,
    None,
    Required,
    /// This one.
    Named(String),
}

/// What the text of an answer has to be.
#[derive(Clone, Debug, Default)]
pub enum Format {
    #[default]
    Text,
    /// Any JSON.
    Json,
    /// JSON by this schema.
    Schema(Value),
}

/// Texts to be turned into numbers.
#[derive(Clone, Debug, Default)]
pub struct Embed {
    pub model: Option<String>,
    pub inputs: Vec<String>,
    pub dimensions: Option<u64>,
    pub extra: Map<String, Value>,
}

/// Texts whose tokens are to be counted.
#[derive(Clone, Debug, Default)]
pub struct Count {
    pub model: Option<String>,
    pub inputs: Vec<String>,
}

/// A request in the provider's own words.
#[derive(Clone, Debug)]
pub struct Raw {
    pub method: Method,
    /// Relative to the client's base URL, or absolute on its origin.
    pub url: String,
    pub body: bytes::Bytes,
    pub content_type: String,
}
