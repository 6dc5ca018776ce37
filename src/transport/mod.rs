//! One connection: where it leads, TLS, HTTP on it, and what its failures mean. reqwest, the second transport, beside it.

pub mod decode;
pub mod dial;
pub mod dns;
pub mod failure;
pub mod http;
mod http1;
mod http2;
pub mod link;
pub mod network;
pub mod payload;
mod proxy;
pub mod reqwest;
mod shared_driver;
mod socket;
pub mod socket_state;
mod tcp;
pub mod tls;
mod tunnel;

use std::net::SocketAddr;
use std::sync::Arc;

use ::http::{HeaderMap, Method, StatusCode, Version};
use bytes::Bytes;

pub use self::tls::TlsIdentity;
use crate::body::upload::Upload;
use crate::error::Error;

/// What goes out.
#[derive(Clone)]
pub struct Outgoing {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: OutgoingBody,
    /// The caller allows that the server gets it twice.
    pub may_repeat: bool,
}

/// A request's body.
#[derive(Clone)]
pub enum OutgoingBody {
    Whole(Bytes),
    /// Pushed by its caller while it goes out.
    Upload(Arc<Upload>),
}

impl OutgoingBody {
    pub fn none() -> OutgoingBody {
        OutgoingBody::Whole(Bytes::new())
    }

    /// Whether it can go out from its beginning: an upload keeps nothing of what has left.
    pub fn is_at_its_beginning(&self) -> bool {
        match self {
            OutgoingBody::Whole(_) => true,
            OutgoingBody::Upload(upload) => upload.pipe.is_untouched(),
        }
    }

    /// Why it will never be whole, where its caller gave it up.
    pub fn failure(&self) -> Option<Error> {
        match self {
            OutgoingBody::Whole(_) => None,
            OutgoingBody::Upload(upload) => upload.pipe.end_so_far()?.err(),
        }
    }
}

/// What comes first.
pub struct Head {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub remote: Option<SocketAddr>,
}

impl Head {
    /// All of it, the headers moved out.
    #[must_use]
    pub fn take(&mut self) -> Head {
        Head { headers: std::mem::take(&mut self.headers), ..*self }
    }
}
