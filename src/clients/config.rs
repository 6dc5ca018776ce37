//! What a client is made with: the kind of its provider, where that is, who asks, and how patiently.

use std::time::Duration;

use super::gigachat;
use super::kind::Kind;
use super::secret::Secret;
use super::unchecked_config::{Text, UncheckedConfig};
use crate::config::{ClientCertificate, LimitOverrides, SessionConfig, TransportKind};
use crate::error::{Error, Result, Status};

/// Retries where nobody said.
pub const RETRIES: u32 = 2;
/// Failures in a row after which a client stops to ask, where nobody said.
pub const BREAKS_AFTER: u32 = 5;

/// More at once is a slip of the pen.
pub const MOST_CONCURRENT: usize = 100_000;

/// A job is asked about so often, where nobody said.
pub const POLL_INTERVAL: Duration = Duration::from_secs(10);

/// A client's options, checked.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    pub kind: Kind,
    pub base_url: String,
    /// Where tokens are had; empty where there are none, or where the kind knows it.
    pub auth_url: String,
    /// Where jobs are asked about; empty where the kind knows it.
    pub operations_url: String,
    /// How long to wait before a job is asked about again.
    pub poll_interval: Duration,
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
    /// GigaChat's chat: 1 or 2; 0 is that of the base URL.
    pub api_version: u32,
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
    /// Checks what was given, and takes the kind's own for the rest.
    pub fn new(
        kind: Kind,
        given: &UncheckedConfig,
        tuning: ClientTuning,
        mut session: SessionConfig,
    ) -> Result<ClientConfig> {
        let defaults = kind.defaults();
        let or = |text: &Text, default: &str| if text.is_empty() { default } else { text.trim() }.to_owned();
        let tls = &mut session.connection.tls;
        for (place, text) in [
            (&mut tls.ca_file, &given.ca_file),
            (&mut tls.client.chain_file, &given.client_cert_file),
            (&mut tls.client.key_file, &given.client_key_file),
        ] {
            if place.is_empty() {
                text.as_str().clone_into(place);
            }
        }
        let mut config = ClientConfig {
            kind,
            base_url: or(&given.base_url, defaults.base_url),
            auth_url: or(&given.auth_url, defaults.auth_url),
            api_key: match kind {
                Kind::GigaChat => gigachat::authorization_key(given)?,
                _ => Secret::new("api_key", &given.api_key)?,
            },
            access_token: Secret::new("access_token", &given.access_token)?,
            user: given.user.to_string(),
            password: Secret::of_any(&given.password),
            oauth_token: Secret::new("oauth_token", &given.oauth_token)?,
            scope: or(&given.scope, ""),
            folder: or(&given.folder, ""),
            organization: or(&given.organization, ""),
            model: or(&given.model, defaults.model),
            embedding_model: or(&given.embedding_model, defaults.embedding_model),
            affinity: given.affinity.to_string(),
            operations_url: or(&given.operations_url, ""),
            poll_interval: tuning.poll_interval,
            api_version: tuning.api_version,
            max_concurrency: 0,
            retries: tuning.retries.unwrap_or(RETRIES),
            breaks_after: tuning.breaks_after,
            paced: tuning.paced,
            pooled: tuning.pooled,
            session,
        };
        if config.session.connection.transport == TransportKind::Reqwest {
            let mend = "transport: clients need the pool's own connections; choose AIP_TRANSPORT_ENGINE";
            return Err(Error::new(Status::Unsupported, mend));
        }
        http_url("base_url", &config.base_url)?;
        for (field, url) in [("auth_url", &config.auth_url), ("operations_url", &config.operations_url)] {
            if !url.is_empty() {
                http_url(field, url)?;
            }
        }
        config.max_concurrency = tuning.max_concurrency.unwrap_or_else(|| kind.service().concurrency(&config));
        Ok(config)
    }

    /// What is missing before anything can be asked: the option and the environment variable.
    pub fn missing(&self) -> Result<()> {
        match self.kind.service().missing(self) {
            None => Ok(()),
            Some(what) => Err(Error::new(Status::NotConfigured, what)),
        }
    }

    /// What tells who asks.
    pub fn identity(&self) -> [&[u8]; 7] {
        let ClientConfig { api_key, access_token, user, password, oauth_token, .. } = self;
        let ClientCertificate { chain_file, chain_bytes, .. } = &self.session.connection.tls.client;
        [
            api_key.expose().as_bytes(),
            access_token.expose().as_bytes(),
            user.as_bytes(),
            password.expose().as_bytes(),
            oauth_token.expose().as_bytes(),
            chain_file.as_bytes(),
            chain_bytes,
        ]
    }

    /// The host that counts the requests.
    pub fn origin(&self) -> String {
        url::Url::parse(&self.base_url).map_or_else(|_| self.base_url.clone(), |url| url.origin().ascii_serialization())
    }

    /// The limits of one call: its own, the client's, the kind's.
    pub fn limits(&self, own: LimitOverrides, stream: bool) -> LimitOverrides {
        own.or(self.session.defaults.limits).or(self.kind.default_limits().limits(stream))
    }
}

/// How a client goes about its calls, by its owner's options.
#[derive(Clone, Copy, Debug)]
pub struct ClientTuning {
    pub max_concurrency: Option<usize>,
    pub retries: Option<u32>,
    pub breaks_after: u32,
    pub paced: bool,
    pub pooled: bool,
    pub poll_interval: Duration,
    pub api_version: u32,
}

impl Default for ClientTuning {
    fn default() -> Self {
        ClientTuning {
            max_concurrency: None,
            retries: None,
            breaks_after: BREAKS_AFTER,
            paced: true,
            pooled: true,
            poll_interval: POLL_INTERVAL,
            api_version: 0,
        }
    }
}

/// What a provider's clients use where nothing else is named; empty where there is nothing usual.
#[derive(Clone, Copy, Debug)]
pub struct KindDefaults {
    pub base_url: &'static str,
    pub auth_url: &'static str,
    pub model: &'static str,
    pub embedding_model: &'static str,
}

fn http_url(field: &str, text: &str) -> Result<()> {
    match url::Url::parse(text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err(Error::invalid(field, "holds a user name or password; leave it out, and set user and password"))
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(()),
        _ => Err(Error::invalid(field, "is no http or https URL; write it whole, as https://host/path")),
    }
}

/// How long a provider may take.
#[derive(Clone, Copy, Debug)]
pub struct DefaultLimits {
    pub connect: Duration,
    /// To the first event of a stream, or to the head of a whole answer.
    pub first: Duration,
    /// Between two bytes, and between two events with something in them.
    pub between: Duration,
}

impl DefaultLimits {
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
