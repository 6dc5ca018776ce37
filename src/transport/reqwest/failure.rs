//! What reqwest's errors mean in our terms.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use super::attempt::Attempt;
use crate::error::{Delivery, Detail, Error, Phase, Status};
use crate::sys;
use crate::transport::failure::{Chain, exchanging, is_bad_data};
use crate::transport::{dial, dns, tcp, tls};

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
        return dial::ran_out(Detail::ConnectLimit, *limit).phase(phase);
    }
    if let Some(NotResolved(why)) = chain.find() {
        return dns::unknown(why);
    }
    if let Some(NoWorker(error)) = chain.find() {
        return dns::no_worker(error);
    }
    if let Some(error) = chain.find::<rustls::Error>() {
        return tls::failure::refused(error);
    }
    if let Some(error) = chain.io().filter(|error| sys::is_shortage(error)) {
        return tcp::shortage(error).phase(Phase::Connect);
    }
    Error::new(Status::Connect, format!("url: cannot connect ({}); check host, port and network", chain.root()))
        .os_error(chain.io())
        .phase(Phase::Connect)
        .retryable()
}
