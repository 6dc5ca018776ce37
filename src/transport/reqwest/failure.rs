//! What reqwest's errors mean in our terms.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use super::attempt::Attempt;
use crate::error::{Delivery, Detail, Error, Phase, Status};
use crate::sys;
use crate::transport::failure::{Chain, exchanging, is_bad_data};
use crate::transport::tls;

/// Our resolver's failure, found again in the chain.
#[derive(Debug)]
pub struct NotResolved(pub String);

impl fmt::Display for NotResolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for NotResolved {}

/// No thread for a look-up, found again in the chain.
#[derive(Debug)]
pub struct NoWorker(pub io::Error);

impl fmt::Display for NoWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for NoWorker {}

/// The connect limit's failure, found again in the chain.
#[derive(Debug)]
pub struct ConnectLimitRanOut(pub Duration);

impl fmt::Display for ConnectLimitRanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms ran out", self.0.as_millis())
    }
}

impl StdError for ConnectLimitRanOut {}

/// A failure before the response's head.
pub fn before_head(error: &reqwest::Error, attempt: &Attempt) -> Error {
    let chain = Chain(error);
    if error.is_connect() {
        return connecting(&chain, attempt.phase());
    }
    if error.is_builder() {
        return Error::invalid("request", "cannot be sent as HTTP; check url and headers");
    }
    let failure = exchanging(&chain);
    let sent = Error { delivery: Delivery::MaybeSent, ..failure };
    sent.phase(Phase::FirstByte)
}

/// A failure in the body: what came is kept by the caller.
pub fn in_body(error: &reqwest::Error) -> Error {
    let chain = Chain(error);
    let failure = if chain.find::<hyper::Error>().is_none() && chain.io().is_none_or(is_bad_data) {
        let message = "body: cannot be decoded as its content-encoding says; the server sent broken data";
        Error::new(Status::Body, message)
    } else {
        Error::new(Status::Truncated, format!("body: ended early ({}); the response holds what came", chain.root()))
    };
    failure.phase(Phase::Body).delivery(Delivery::ResponseStarted)
}

fn connecting(chain: &Chain<'_>, phase: Phase) -> Error {
    if let Some(ConnectLimitRanOut(limit)) = chain.find() {
        let millis = limit.as_millis();
        let message =
            format!("connect_timeout_ms: {millis} ms ran out before a connection stood; raise it or check the host");
        return Error::new(Status::Timeout, message).detail(Detail::ConnectLimit).phase(phase).retryable();
    }
    if let Some(NotResolved(why)) = chain.find() {
        return Error::new(Status::Dns, format!("url: the host name does not resolve ({why}); check the name"))
            .phase(Phase::Dns)
            .retryable();
    }
    if let Some(NoWorker(error)) = chain.find() {
        return Error::new(Status::System, format!("system: no thread for a name look-up ({error})"))
            .os_error(error.raw_os_error().unwrap_or(0))
            .phase(Phase::Dns);
    }
    let os_error = chain.io().and_then(io::Error::raw_os_error).unwrap_or(0);
    let failure = if let Some(error) = chain.find::<rustls::Error>() {
        return tls::failure::refused(error);
    } else if chain.io().is_some_and(sys::is_shortage) {
        Error::new(Status::System, "system: out of descriptors or memory; raise the limit (ulimit -n) or close some")
    } else {
        Error::new(Status::Connect, format!("url: cannot connect ({}); check host, port and network", chain.root()))
            .retryable()
    };
    failure.os_error(os_error).phase(Phase::Connect)
}
