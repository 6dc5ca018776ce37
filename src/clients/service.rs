//! What differs between providers: how a call is written, how an answer is read, what a refusal means.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use super::ask::{Ask, Raw};
use super::config::ClientConfig;
use super::secret::Secret;
use super::token::Granted;
use crate::body::events::{Event, Format};
use crate::body::reply::{Decode, Dialect, Problem, Reply, ReplyBuilder};
use crate::error::{Detail, Error, Result, Status};
use crate::request::provider::{Again, Refusal};

/// One provider's words.
pub trait Service: Send + Sync {
    /// What a client lacks before it can ask anything: the option, and the environment variable that may hold it.
    fn missing(&self, config: &ClientConfig) -> Option<&'static str>;

    /// How requests are signed.
    fn credential(&self, config: &ClientConfig) -> Result<Credential>;

    /// Where tokens are had.
    fn auth_url<'a>(&self, config: &'a ClientConfig) -> &'a str {
        &config.auth_url
    }

    /// The request for a token, made anew for each; asked only where `credential` is `Token`.
    fn token_request(&self, config: &ClientConfig) -> Result<ProviderRequest> {
        Err(Error::new(Status::Unsupported, format!("token: {} has none", config.kind.name())))
    }

    /// The token in the answer.
    fn read_token(&self, _body: &[u8]) -> Result<Granted> {
        Err(Error::new(Status::Unsupported, "token: this provider has none"))
    }

    /// What is wrong where the token's request was refused, and the mend, by the status and the provider's number for it.
    fn token_refusal(&self, _http_status: u16, _code: &str) -> Option<(Status, &'static str)> {
        None
    }

    /// What the provider is known to allow at once, where nobody said.
    fn concurrency(&self, _config: &ClientConfig) -> usize {
        64
    }

    /// Whether a chat can be a job that is asked about until it is done.
    fn has_jobs(&self) -> bool {
        false
    }

    /// The request that asks for it.
    fn write(&self, ask: &Ask, config: &ClientConfig) -> Result<WrittenCall>;

    /// For a call that takes several requests.
    fn steps(&self, _ask: &Ask, _config: &ClientConfig) -> Result<Option<Box<dyn Steps>>> {
        Ok(None)
    }

    /// What a refusal says, in more than its status.
    fn refusal(&self, refusal: &Refusal<'_>) -> RefusalInfo {
        super::refusal::classify(refusal)
    }
}

/// How requests are signed: by what is in `Authorization`.
pub enum Credential {
    None,
    Fixed(HeaderValue),
    /// A token that is had first. `brought`: one that its owner has, until it is refused.
    Token {
        scheme: &'static str,
        brought: Option<Secret>,
    },
}

/// A call that takes several requests, one after the other.
pub trait Steps: Send {
    /// How the caller reads the answer: all responses of `Tell` as one stream, or what `Answer` gave.
    fn reading(&self) -> (Arc<dyn Dialect>, Option<Format>) {
        (Arc::new(Unread), None)
    }

    /// What the provider lets one call at a time work on: calls of this process that name the same take turns.
    fn lock_key(&self) -> Option<String> {
        None
    }

    /// What to do next.
    fn next(&mut self) -> Result<Step>;

    /// The answer to the last request; of a stream what was read in it. A failure here is the call's.
    fn answered(&mut self, reply: &Reply, body: &[u8]) -> Result<()>;

    /// The last request was refused: true to go on with `next` all the same.
    fn refused(&mut self, _error: &Error, _reply: &Reply) -> bool {
        false
    }
}

/// One step of such a call.
pub enum Step {
    /// A request whose answer is for the steps alone.
    Ask(WrittenCall),
    /// A request whose answer is the caller's, told while it comes where a stream was asked for. Several follow each other as one.
    Tell(WrittenCall),
    Wait(Duration),
    /// The call's answer, put together from those before; nothing follows it. Not for a stream.
    Answer(Box<Reply>),
    /// The last answer was the call's.
    Done,
}

/// A request in a provider's words.
#[derive(Clone)]
pub struct ProviderRequest {
    pub method: Method,
    /// Relative to the client's base URL, or absolute.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl ProviderRequest {
    /// A JSON text, posted.
    pub fn post(url: impl Into<String>, body: &serde_json::Value) -> ProviderRequest {
        // Without a charset: one provider refuses it, and JSON is UTF-8 in any case.
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect();
        ProviderRequest { method: Method::POST, url: url.into(), headers, body: Bytes::from(body.to_string()) }
    }

    pub fn get(url: impl Into<String>) -> ProviderRequest {
        ProviderRequest { method: Method::GET, url: url.into(), headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// A request of the caller's own.
    pub fn raw(raw: &Raw) -> Result<ProviderRequest> {
        let mut headers = HeaderMap::new();
        if !raw.content_type.is_empty() {
            let value = raw.content_type.parse();
            headers.insert(
                CONTENT_TYPE,
                value.map_err(|_| {
                    Error::invalid("content_type", "has a character that no header holds; write type/subtype")
                })?,
            );
        }
        Ok(ProviderRequest { method: raw.method.clone(), url: raw.url.clone(), headers, body: raw.body.clone() })
    }

    /// With one more header; a value that no header holds is an error that names it.
    pub fn with(mut self, name: &'static str, value: &str) -> Result<ProviderRequest> {
        if !value.is_empty() {
            let value = HeaderValue::from_str(value);
            self.headers.insert(name, value.map_err(|_| Error::invalid(name, "has a character that no header holds"))?);
        }
        Ok(self)
    }
}

/// A call in a provider's words, and how its answer is read.
#[derive(Clone)]
pub struct WrittenCall {
    pub request: ProviderRequest,
    pub dialect: Arc<dyn Dialect>,
    /// How a stream's events are framed; `None` where there are none.
    pub framing: Option<Format>,
    /// What the server did in spite of a failure of its own is billed: it is not asked again then.
    pub once: bool,
}

impl WrittenCall {
    /// Its answer comes whole.
    pub fn whole(request: ProviderRequest, dialect: impl Dialect + 'static) -> WrittenCall {
        WrittenCall { request, dialect: Arc::new(dialect), framing: None, once: false }
    }

    /// Its answer is a stream of server-sent events.
    pub fn sse(mut request: ProviderRequest, dialect: impl Dialect + 'static) -> WrittenCall {
        request.headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        WrittenCall { request, dialect: Arc::new(dialect), framing: Some(Format::Sse), once: false }
    }

    /// Its answer is a line of JSON a part.
    pub fn ndjson(request: ProviderRequest, dialect: impl Dialect + 'static) -> WrittenCall {
        WrittenCall { request, dialect: Arc::new(dialect), framing: Some(Format::Ndjson), once: false }
    }

    /// It begins something that is not to be begun twice.
    #[must_use]
    pub fn once(self) -> WrittenCall {
        WrittenCall { once: true, ..self }
    }
}

/// An answer that is nobody's to read: the body is all there is of it.
pub struct Unread;

impl Dialect for Unread {
    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Unread)
    }

    fn whole(&self, _body: &[u8], builder: &mut ReplyBuilder) -> Result<()> {
        builder.done();
        Ok(())
    }
}

impl Decode for Unread {
    fn event(&mut self, _event: Event<'_>, _telling: &mut ReplyBuilder) -> Result<()> {
        Ok(())
    }
}

/// What a provider said of a refusal.
#[derive(Clone, Debug)]
pub struct RefusalInfo {
    pub status: Status,
    pub detail: Detail,
    pub problem: Problem,
    pub again: Again,
    /// It is the credential that was refused, and a fresh token may do.
    pub token: bool,
    /// All requests of the account have to wait for so long.
    pub cool: Option<Duration>,
    /// As many requests at once the provider allows.
    pub at_most: Option<usize>,
}
