//! Whose service a request goes to, as a client knows it: it lets each attempt out, signs it, and says what an answer means.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, StatusCode};

use super::account::AccountPermit;
use crate::body::reply::Reply;
use crate::config::TimeLimit;
use crate::error::{Error, Result};

/// What to wait for before an attempt may go.
pub type Admission<'a> = Pin<Box<dyn Future<Output = Result<AccountPermit>> + Send + 'a>>;

/// A provider, asked about one request.
pub trait Provider: Send + Sync {
    /// Asked before each attempt: waits until it may go, and signs it. Its caller waits for `patience` at most.
    fn admit<'a>(&'a self, headers: &'a mut HeaderMap, patience: TimeLimit) -> Admission<'a>;

    /// What keeps it from going, for who ran out of patience.
    fn occupied(&self) -> String;

    /// The attempt got no answer.
    fn failed(&self, permit: AccountPermit, error: &Error);

    /// An attempt ran out of time; its permit was one that `probes` or not.
    fn ran_out(&self, error: &Error, probes: bool);

    /// A head came; `permit` is held until the body has ended.
    fn answered(&self, permit: &mut AccountPermit, status: StatusCode, headers: &HeaderMap);

    /// Whether a head of success begins the stream that was asked for.
    fn begins_stream(&self, headers: &HeaderMap) -> bool;

    /// What an answer means that is no success.
    fn judge(&self, permit: &AccountPermit, refusal: &Refusal<'_>) -> Judgement;

    /// Reads a whole answer; a failure in it comes with what could be read.
    fn read(&self, body: &[u8]) -> (Reply, Result<()>);
}

/// An answer that is no success, with its body as far as it was read.
#[derive(Clone, Copy)]
pub struct Refusal<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// It was renewed and sent again already.
    pub renewed: bool,
}

/// What a refusal means.
pub struct Judgement {
    pub again: Again,
    /// The failure, where it is not tried again or was too often.
    pub error: Error,
    pub reply: Reply,
}

/// Whether the same request may do better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    Never,
    /// At once, with a new token.
    Renewed,
    /// As for any server, after the time named if there is one.
    Perhaps(Option<Duration>),
    /// The client knows that it may, whatever the status.
    Surely(Option<Duration>),
}
