//! One connection: where it leads, TLS, HTTP on it, and what its failures mean. reqwest, the second transport, beside it.

pub mod dial;
pub mod failure;
pub mod http;
pub mod link;
pub mod reqwest;
mod tls;
pub mod wire;

use std::net::SocketAddr;

use ::http::{HeaderMap, Method, StatusCode, Version};
use bytes::Bytes;

pub use self::tls::certificates;

/// What goes out.
pub struct Outgoing {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Bytes,
    /// The caller allows that the server gets it twice.
    pub may_repeat: bool,
}

/// What comes first.
pub struct Head {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub remote: Option<SocketAddr>,
}
