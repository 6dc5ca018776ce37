//! What a client is made with: the kind of its provider, where that is, who asks, and how patiently.

use std::time::Duration;

use super::kind::Kind;
use super::secret::Secret;
use crate::config::{LimitOverrides, SessionConfig};
use crate::error::{Error, Result, Status};

/// Retries where nobody said.
pub const RETRIES: u32 = 2;
/// Failures in a row after which a client stops to ask, where nobody said.
pub const BREAKS_AFTER: u32 = 5;

/// A client's options, checked.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    pub kind: Kind,
    pub base_url: String,
    /// Where tokens are had; empty where there are none.
    pub auth_url: String,
    /// An API key, an authorization key, a token of the user's cabinet.
    pub api_key: Secret,
    /// A token that is used as it is.
    pub access_token: Secret,
    pub user: String,
    pub password: Secret,
    /// Exchanged for a token: Yandex's OAuth token.
    pub oauth_token: Secret,
    pub scope: String,
    /// Yandex's folder, OpenAI's project.
    pub folder: String,
    pub organization: String,
    pub model: String,
    pub embedding_model: String,
    /// GigaChat's `X-Session-ID`.
    pub affinity: String,
    /// Requests at once to this host by this credential.
    pub max_concurrency: usize,
    pub retries: u32,
    pub breaks_after: u32,
    /// Rates that the provider tells are kept to.
    pub paced: bool,
    /// The pool's session of the base URL, or one of the client's own.
    pub pooled: bool,
    /// How connections are made, and limits and headers that go over the kind's.
    pub session: SessionConfig,
}

impl ClientConfig {
    /// What is missing before anything can be asked: the option and the environment variable.
    pub fn missing(&self) -> Result<()> {
        match self.kind.service().missing(self) {
            None => Ok(()),
            Some(what) => Err(Error::new(Status::NotConfigured, what)),
        }
    }

    /// What tells who asks.
    pub fn credential_texts(&self) -> [&str; 4] {
        let ClientConfig { api_key, access_token, password, oauth_token, .. } = self;
        [api_key.expose(), access_token.expose(), password.expose(), oauth_token.expose()]
    }

    /// The limits of one call: its own, the client's, the kind's.
    pub fn limits(&self, own: LimitOverrides, stream: bool) -> LimitOverrides {
        own.or(self.session.defaults.limits).or(self.kind.patience().limits(stream))
    }
}

/// How long a provider may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub connect: Duration,
    /// To the first event of a stream, or to the head of a whole answer.
    pub first: Duration,
    /// Between two bytes, and between two events with something in them.
    pub between: Duration,
}

impl Patience {
    /// No total limit: what is cut off is billed all the same.
    fn limits(self, stream: bool) -> LimitOverrides {
        let some = |limit| Some(Some(limit));
        LimitOverrides {
            total: Some(None),
            connect: some(self.connect),
            // For a slot at the provider too.
            queue: some(self.first.max(Duration::from_secs(120))),
            first_byte: some(self.first),
            between_bytes: some(self.between),
            first_event: if stream { some(self.first) } else { None },
            between_events: if stream { some(self.between) } else { None },
            ..LimitOverrides::default()
        }
    }
}
