//! A client of one provider: it asks over sessions of a pool, as any user of the pool would.

use std::sync::{Arc, Mutex};

use http::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use url::Url;

use super::ask::Ask;
use super::call_provider::CallProvider;
use super::config::ClientConfig;
use super::service::{Credential, ProviderRequest, Service, WrittenCall};
use super::signature::Signature;
use super::step_runner::SteppedCall;
use super::token::Tokens;
use crate::answer::Answer;
use crate::body::events::Format;
use crate::body::reader::Plan;
use crate::body::reply::Dialect;
use crate::cancel::Cancel;
use crate::config::{ClientCertificate, EVENT_BYTES, LimitOverrides, PersistenceOverrides};
use crate::error::{Error, Result, Status};
use crate::lock::lock;
use crate::pool::ConnectionPool;
use crate::queue::Queue;
use crate::request::Request;
use crate::request::account::{Account, fingerprint};
use crate::session::{AnswerFailure, MultiStepOptions, SessionHandle, over_fresh_sessions};

/// Where none is named in the headers: some providers refuse whoever does not say who asks.
pub const DEFAULT_USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("aipool/", env!("CARGO_PKG_VERSION")));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A client.
pub struct Client(Arc<Inner>);

/// What its calls share.
pub struct Inner {
    pub config: ClientConfig,
    pub service: &'static dyn Service,
    pub account: Arc<Account>,
    pool: PoolSource,
    signs: Signs,
    /// Its own session, where it shares none.
    own: Mutex<Option<SessionHandle>>,
}

/// Over which pool.
pub enum PoolSource {
    /// Whichever is the global one when it asks.
    Global,
    Given(Arc<ConnectionPool>),
}

enum Signs {
    Nothing,
    Fixed(HeaderValue),
    Token(Arc<Tokens>),
}

/// A call in the provider's words.
enum Prepared {
    One(Box<Request>),
    Several(MultiStepOptions, Box<SteppedCall>),
}

/// How a call is to go.
#[derive(Clone, Default)]
pub struct CallOptions {
    pub limits: LimitOverrides,
    pub retries: Option<u32>,
    pub headers: HeaderMap,
    pub idempotency_key: String,
    pub cancel: Option<Cancel>,
    pub interruptible: bool,
}

impl Client {
    pub fn new(config: ClientConfig, pool: PoolSource) -> Result<Client> {
        let service = config.kind.service();
        let (origin, who) = (config.origin(), config.identity());
        let name = fingerprint(&[&[origin.as_bytes()][..], &who].concat());
        let account = Account::get(name, config.max_concurrency, config.breaks_after, config.paced);
        let signs = match service.credential(&config)? {
            Credential::None => Signs::Nothing,
            Credential::Fixed(header) => Signs::Fixed(header),
            Credential::Token { scheme, brought } => {
                let place = [service.auth_url(&config).as_bytes(), config.scope.as_bytes()];
                let name = fingerprint(&[&place[..], &who].concat());
                let tokens = Tokens::of(name, scheme);
                brought.map_or(Ok(()), |token| tokens.begin_with(token))?;
                Signs::Token(tokens)
            }
        };
        Ok(Client(Arc::new(Inner { config, service, account, pool, signs, own: Mutex::default() })))
    }

    /// What it lacks to ask anything.
    pub fn is_configured(&self) -> Result<()> {
        self.0.config.missing()
    }

    /// The session it asks over: its pool's, or one that nobody else has.
    pub fn session(&self, pooled: bool) -> Result<SessionHandle> {
        self.0.session(pooled)
    }

    /// What its calls share.
    pub fn inner(&self) -> &Arc<Inner> {
        &self.0
    }

    /// Asks, and waits for the whole answer, or for a stream's head.
    pub fn call(&self, ask: &Ask, options: &CallOptions) -> std::result::Result<Arc<Answer>, AnswerFailure> {
        let begin = || {
            let (session, prepared) = self.0.prepare(ask, options).map_err(|error| (error, None))?;
            match prepared {
                Prepared::One(request) => session.answer(*request),
                Prepared::Several(multi_step, call) => session.answer_steps(&multi_step, *call),
            }
        };
        over_fresh_sessions(begin, |(error, _)| error)
    }

    /// Asks; `queue` tells what becomes of it.
    pub fn submit(&self, ask: &Ask, options: &CallOptions, queue: &Arc<Queue>, tag: u64) -> Result<()> {
        let begin = || {
            let (session, prepared) = self.0.prepare(ask, options)?;
            match prepared {
                Prepared::One(request) => session.submit(*request, queue, tag),
                Prepared::Several(multi_step, call) => session.submit_steps(&multi_step, *call, queue, tag),
            }
        };
        over_fresh_sessions(begin, |error| error)
    }
}

impl Inner {
    /// The pool it asks over now.
    pub fn pool(&self) -> Result<Arc<ConnectionPool>> {
        match &self.pool {
            PoolSource::Global => ConnectionPool::global(None),
            PoolSource::Given(pool) => Ok(pool.clone()),
        }
    }

    fn session(&self, pooled: bool) -> Result<SessionHandle> {
        let config = Some(self.config.session.clone());
        if pooled { self.pool()?.get_session(&self.config.base_url, config) } else { self.unpooled() }
    }

    fn unpooled(&self) -> Result<SessionHandle> {
        self.pool()?.own_session(&self.config.base_url, Some(self.config.session.clone()))
    }

    /// A handle, and the call in the provider's words.
    fn prepare(self: &Arc<Self>, ask: &Ask, options: &CallOptions) -> Result<(SessionHandle, Prepared)> {
        self.config.missing()?;
        self.check(ask)?;
        let session = self.fresh_session()?;
        if let Some(steps) = self.service.steps(ask, &self.config)? {
            let (dialect, framing) = steps.reading();
            let limits = self.config.limits(options.limits, ask.is_stream());
            let multi_step = MultiStepOptions {
                stream: ask.is_stream(),
                plan: self.plan(dialect, framing)?,
                cancel: options.cancel,
                interruptible: options.interruptible,
                total: limits.total.flatten(),
            };
            let lock_timeout = limits.queue.flatten();
            let call = SteppedCall {
                client: self.clone(),
                session: session.another(),
                steps,
                options: options.clone(),
                lock_timeout,
            };
            return Ok((session, Prepared::Several(multi_step, Box::new(call))));
        }
        let written = self.service.write(ask, &self.config)?;
        let request = self.request(written, ask.is_stream(), options)?;
        Ok((session, Prepared::One(Box::new(request))))
    }

    /// What no provider's words have to be asked for.
    fn check(&self, ask: &Ask) -> Result<()> {
        match ask {
            Ask::Raw(raw) => self.at_home(&raw.url),
            Ask::Chat(chat) if chat.job && !self.service.has_jobs() => {
                let message = format!("flags: {} has no jobs; leave AIP_CALL_JOB out", self.config.kind.name());
                Err(Error::new(Status::Unsupported, message))
            }
            _ => Ok(()),
        }
    }

    /// Signed requests go to the provider alone.
    fn at_home(&self, url: &str) -> Result<()> {
        let origin = |url: &str| Url::parse(url).ok().filter(Url::has_host).map(|url| url.origin());
        match origin(url) {
            Some(there) if Some(&there) != origin(&self.config.base_url).as_ref() => {
                Err(Error::invalid("url", "is on another origin than base_url; a signed request goes nowhere else"))
            }
            _ => Ok(()),
        }
    }

    /// The session to ask over: another than before where that one was closed.
    pub fn fresh_session(&self) -> Result<SessionHandle> {
        match &self.signs {
            _ if !self.config.pooled => self.its_own(),
            // Two sessions, of which neither is to put the other out.
            Signs::Token(_) => self.pool()?.acquire(&self.config.base_url, Some(self.config.session.clone())),
            _ => self.session(true),
        }
    }

    /// How the caller reads the answer.
    fn plan(&self, dialect: Arc<dyn Dialect>, framing: Option<Format>) -> Result<Plan> {
        let token_times = Some(self.pool()?.token_times());
        let most = EVENT_BYTES as usize;
        Ok(Plan { format: framing, most, dialect: Some(dialect), token_times, ..Plan::default() })
    }

    /// Made with the first call, and anew where it was closed or the pool is another.
    fn its_own(&self) -> Result<SessionHandle> {
        let pool = self.pool()?.id();
        let open = |own: &Option<SessionHandle>| {
            own.as_ref().filter(|session| !session.is_closed() && session.pool == pool).map(SessionHandle::another)
        };
        if let Some(session) = open(&lock(&self.own)) {
            return Ok(session);
        }
        // Files may be read for it, so not under the lock. Somebody may be quicker meanwhile: theirs is the one.
        let fresh = self.unpooled()?;
        let mut own = lock(&self.own);
        let session = open(&own);
        Ok(session.unwrap_or_else(|| own.insert(fresh).another()))
    }

    /// The request of a written call.
    pub fn request(self: &Arc<Self>, written: WrittenCall, stream: bool, options: &CallOptions) -> Result<Request> {
        let WrittenCall { request: ProviderRequest { method, url, mut headers, body }, dialect, framing, once } =
            written;
        for name in options.headers.keys() {
            headers.remove(name);
        }
        for (name, value) in &options.headers {
            headers.append(name.clone(), value.clone());
        }
        if !self.config.session.defaults.headers.contains_key(USER_AGENT) {
            headers.entry(USER_AGENT).or_insert(DEFAULT_USER_AGENT);
        }
        if !options.idempotency_key.is_empty() {
            let value = HeaderValue::from_str(&options.idempotency_key);
            let bad = |_| Error::invalid("idempotency_key", "has a character that no header holds");
            headers.insert(IDEMPOTENCY_KEY, value.map_err(bad)?);
        }
        let provider = CallProvider {
            client: self.clone(),
            signature: self.signature()?,
            dialect: dialect.clone(),
            framing,
            once,
            unsigned: false.into(),
        };
        Ok(Request {
            stream,
            plan: self.plan(dialect, framing)?,
            persistence: PersistenceOverrides {
                retries: Some(options.retries.unwrap_or(self.config.retries)),
                // It is signed anew at each attempt: nowhere but where it was meant to go.
                redirects: Some(0),
            },
            cancel: options.cancel,
            interruptible: options.interruptible,
            provider: Some(Arc::new(provider)),
            ..Request::new(method, url, headers, body, self.config.limits(options.limits, stream))
        })
    }

    fn signature(self: &Arc<Self>) -> Result<Signature> {
        Ok(match &self.signs {
            Signs::Nothing => Signature::None,
            Signs::Fixed(header) => Signature::Fixed(header.clone()),
            Signs::Token(tokens) => {
                Signature::Token { tokens: tokens.clone(), client: self.clone(), session: self.token_session()? }
            }
        })
    }

    /// The session over which tokens are had: without the client's certificate, and without its headers.
    pub fn token_session(&self) -> Result<Arc<SessionHandle>> {
        let mut config = self.config.session.clone();
        config.connection.tls.client = ClientCertificate::default();
        config.defaults.headers.clear();
        config.partition.push_str("/token");
        self.pool()?.acquire(self.service.auth_url(&self.config), Some(config)).map(Arc::new)
    }
}
