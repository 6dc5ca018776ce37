//! The life of one request: what is asked for here; `exchange` runs it, `supervise` ends it, `attempts` sends it.

pub mod account;
mod attempts;
mod body;
mod breaker;
mod clock;
mod engine_body;
mod exchange;
mod execution;
mod pace;
mod progress;
pub mod provider;
mod pump;
mod redirect;
pub mod retry;
pub mod retry_after;
mod send;
mod supervise;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};

pub use self::attempts::RedirectResolver;
pub use self::exchange::{Exchange, UploadEnds};
use self::provider::Provider;
pub use self::supervise::{cancelled_by_handle, cut_off, interrupted_by_signal, total_ran_out};
use crate::body::pipe::Pipe;
use crate::body::reader::Plan;
use crate::cancel::Cancel;
use crate::config::{LimitOverrides, PersistenceOverrides};
use crate::connections::Group;
use crate::error::Error;
use crate::response::Response;
use crate::transport::OutgoingBody;
use crate::transport::reqwest::{Attempt, Transport};

/// A request as its caller wrote it.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// Absolute, or relative to the session's base.
    pub url: String,
    pub headers: HeaderMap,
    pub body: OutgoingBody,
    /// The response is handed out at its head, its body while it comes.
    pub stream: bool,
    /// How events of the body are to be read.
    pub plan: Plan,
    pub limits: LimitOverrides,
    pub persistence: PersistenceOverrides,
    pub cancel: Option<Cancel>,
    /// A signal on the waiting thread ends the wait.
    pub interruptible: bool,
    /// The server may get it twice: a POST is sent again over a fresh connection when a reused one broke.
    pub may_repeat: bool,
    /// Whose service it goes to, where a client sends it.
    pub provider: Option<Arc<dyn Provider>>,
}

impl Request {
    /// A request without any wish beyond its limits.
    pub fn new(method: Method, url: String, headers: HeaderMap, body: Bytes, limits: LimitOverrides) -> Request {
        Request {
            method,
            url,
            headers,
            body: OutgoingBody::Whole(body),
            stream: false,
            plan: Plan::default(),
            limits,
            persistence: PersistenceOverrides::default(),
            cancel: None,
            interruptible: false,
            may_repeat: false,
            provider: None,
        }
    }
}

/// A failure, and the answer that some failures carry.
#[derive(Debug)]
pub struct Failure {
    pub error: Error,
    pub response: Option<Box<Response>>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure { error, response: None }
    }
}

/// Over which transport a request goes.
pub enum TransportPath {
    /// The pool's own.
    Engine(Arc<Group>, Arc<dyn RedirectResolver>),
    Reqwest(Arc<Transport>, Arc<Attempt>),
}

/// Where a stream's parts go.
pub struct Stream {
    pub pipe: Arc<Pipe>,
    pub plan: Plan,
    /// Told of the head; the body follows in the pipe.
    pub sink: Arc<dyn Sink>,
}

/// Who is told what becomes of a request that nobody waits for. Told from whatever thread drives: it must not block.
pub trait Sink: Send + Sync {
    /// A stream's head has come.
    fn headed(&self, response: Response);

    /// The one end: the whole response where it was no stream.
    fn ended(&self, outcome: Result<Option<Response>, Failure>);
}
