//! What reqwest's and the system's errors mean in our terms.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use super::attempt::Attempt;
use super::tls;
use crate::error::{Delivery, Detail, Error, Phase, Status};
use crate::sys;

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

fn exchanging(chain: &Chain<'_>) -> Error {
    let os_error = chain.io().and_then(io::Error::raw_os_error).unwrap_or(0);
    let hyper = chain.find::<hyper::Error>();
    let broke = hyper.is_none_or(|error| error.is_incomplete_message() || error.is_canceled() || error.is_closed());
    let failure = if chain.io().is_some_and(is_broken) || (broke && chain.io().is_none()) {
        let message =
            format!("connection: broke before a response ({}); the server may have seen the request", chain.root());
        Error::new(Status::Reset, message)
    } else {
        Error::new(Status::Protocol, format!("connection: the server broke the protocol ({})", chain.root()))
    };
    failure.os_error(os_error)
}

fn is_broken(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut | UnexpectedEof)
}

/// Decoders report broken data as these; broken connections have kinds of their own.
fn is_bad_data(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other | ErrorKind::UnexpectedEof
    )
}

/// An error and what caused it, io errors opened too: their `source` skips the error they carry.
struct Chain<'a>(&'a (dyn StdError + 'static));

impl<'a> Chain<'a> {
    fn links(&self) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
        std::iter::successors(Some(self.0), |error| cause(*error))
    }

    fn find<T: StdError + 'static>(&self) -> Option<&'a T> {
        self.links().find_map(|error| error.downcast_ref())
    }

    fn io(&self) -> Option<&'a io::Error> {
        self.links().filter_map(|error| error.downcast_ref::<io::Error>()).last()
    }

    /// The last cause, which says most and names no URL.
    fn root(&self) -> String {
        self.links().last().map_or_else(String::new, ToString::to_string)
    }
}

fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    carried.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
}
