//! What the errors of hyper, h2 and the system mean in our terms.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use super::tls;
use crate::error::{Delivery, Error, Phase, Status};

/// What an exchange failed by.
#[derive(Debug)]
pub enum Cause {
    Http1(hyper::Error),
    Http2(h2::Error),
    /// The connection under HTTP/2.
    Io(io::Error),
}

impl From<h2::Error> for Cause {
    fn from(error: h2::Error) -> Cause {
        if !error.is_io() {
            return Cause::Http2(error);
        }
        Cause::Io(error.into_io().unwrap_or_else(|| ErrorKind::BrokenPipe.into()))
    }
}

impl Cause {
    fn chain(&self) -> Chain<'_> {
        match self {
            Cause::Http1(error) => Chain(error),
            Cause::Http2(error) => Chain(error),
            Cause::Io(error) => Chain(error),
        }
    }
}

/// A request got no response; what the server can have seen of it is for others to say.
pub fn without_response(cause: &Cause) -> Error {
    exchanging(&cause.chain())
}

/// A connection was found dead before the request went in.
pub fn dead() -> Error {
    Error::new(Status::Reset, "connection: the server closed it while it was idle")
}

/// HTTP could not be started on a new connection.
pub fn starting(cause: &Cause) -> Error {
    let chain = cause.chain();
    let message = format!("url: the connection broke at once ({}); check host and port", chain.root());
    Error::new(Status::Connect, message).os_error(chain.io()).phase(Phase::Connect).retryable()
}

/// The body of a response ended early.
pub fn in_body(cause: &Cause) -> Error {
    let root = cause.chain().root();
    Error::new(Status::Truncated, format!("body: ended early ({root}); the response holds what came"))
        .phase(Phase::Body)
        .delivery(Delivery::ResponseStarted)
}

/// By the protocol the server has not looked at the request: a stream beyond GOAWAY's last (RFC 9113, 6.8), or refused (8.7).
pub fn was_never_processed(cause: &Cause) -> bool {
    let Cause::Http2(h2) = cause else { return false };
    h2.is_remote() && (h2.is_go_away() || h2.reason() == Some(h2::Reason::REFUSED_STREAM))
}

/// Only the stream was reset; its connection goes on.
pub fn is_stream_reset(cause: &Cause) -> bool {
    matches!(cause, Cause::Http2(h2) if h2.is_reset())
}

/// The connection ended, and not because somebody broke the protocol.
pub fn is_broken(cause: &Cause) -> bool {
    match cause {
        Cause::Http1(error) => Chain(error).io().map_or_else(|| is_incomplete(error), is_broken_io),
        Cause::Http2(_) => false,
        Cause::Io(error) => is_broken_io(Chain(error).io().unwrap_or(error)),
    }
}

fn is_incomplete(error: &hyper::Error) -> bool {
    error.is_incomplete_message() || error.is_canceled() || error.is_closed()
}

/// A request that may have been sent got no response.
pub fn exchanging(chain: &Chain<'_>) -> Error {
    if let Some(refusal) = chain.find().filter(|error| tls::failure::is_client_certificate_refusal(error)) {
        return tls::failure::refused(refusal);
    }
    if let Some(h2) = chain.find::<h2::Error>().filter(|h2| h2.is_remote()) {
        let reason = h2.reason().map_or_else(String::new, |reason| reason.to_string());
        let message = format!("connection: the server gave the request up (HTTP/2: {reason})");
        return Error::new(Status::Reset, message);
    }
    let hyper = chain.find::<hyper::Error>();
    let broke = hyper.map_or_else(|| chain.find::<h2::Error>().is_none(), is_incomplete);
    let failure = if chain.io().is_some_and(is_broken_io) || (broke && chain.io().is_none()) {
        let message =
            format!("connection: broke before a response ({}); the server may have seen the request", chain.root());
        Error::new(Status::Reset, message)
    } else {
        Error::new(Status::Protocol, format!("connection: the server broke the protocol ({})", chain.root()))
    };
    failure.os_error(chain.io())
}

fn is_broken_io(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, TimedOut, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | TimedOut | UnexpectedEof)
}

/// Decoders report broken data as these; broken connections have kinds of their own.
pub fn is_bad_data(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::Other | ErrorKind::UnexpectedEof
    )
}

/// An error and what caused it, io errors opened too: their `source` skips the error they carry.
pub struct Chain<'a>(pub &'a (dyn StdError + 'static));

impl<'a> Chain<'a> {
    pub fn links(&self) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
        std::iter::successors(Some(self.0), |error| cause(*error))
    }

    pub fn find<T: StdError + 'static>(&self) -> Option<&'a T> {
        self.links().find_map(|error| error.downcast_ref())
    }

    pub fn io(&self) -> Option<&'a io::Error> {
        self.links().filter_map(|error| error.downcast_ref::<io::Error>()).last()
    }

    /// The last cause, which says most and names no URL.
    pub fn root(&self) -> String {
        self.links().last().map_or_else(String::new, ToString::to_string)
    }
}

fn cause<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    carried.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| error.source())
}
