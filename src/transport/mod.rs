//! Below a session: connections by reqwest, behind a few words of our own. Nothing above this folder names reqwest.

mod attempt;
pub mod decode;
mod failure;
pub mod link;
mod reqwest;
mod resolve;
mod tls;
pub mod wire;

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Version};
use url::Url;

pub use self::attempt::Attempt;
pub use self::reqwest::{Body, Transport};
pub use self::tls::certificates;

/// What goes out.
pub struct Outgoing {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// What comes first.
pub struct Head {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub remote: Option<SocketAddr>,
}
