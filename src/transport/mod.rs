//! One connection: where it leads, TLS, HTTP on it, and what its failures mean. reqwest, the second transport, beside it.

pub mod decode;
pub mod dial;
pub mod dns;
pub mod failure;
pub mod http;
pub mod http2;
pub mod late;
pub mod link;
pub mod network;
pub mod proxy;
pub mod reqwest;
pub mod socket;
mod tcp;
pub mod tls;
mod tunnel;
pub mod wire;

use std::net::SocketAddr;

use ::http::{HeaderMap, Method, StatusCode, Version};
use bytes::Bytes;

pub use self::tls::TlsIdentity;

/// What goes out.
#[derive(Clone)]
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
