//! What a dial makes: a stream to the server or to the proxy before it, and what is known of it.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use super::dial::{DialLimits, DialObserver, Target};
use super::socket_state::SocketState;
use super::tls::ReloadRound;
use crate::error::Result;

/// Bytes to a server and back: TCP or a unix socket, TLS over it or not, or memory in tests.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A stream that stands, before HTTP is spoken on it.
pub struct Link {
    pub stream: Box<dyn Stream>,
    /// The socket underneath: what has gone over it so far.
    pub socket: Arc<SocketState>,
    pub remote: Option<SocketAddr>,
    /// What the two sides agreed on; `None` without TLS.
    pub tls: Option<TlsFacts>,
    pub via: Via,
    pub times: DialTimes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// ALPN chose HTTP/2.
    pub http2: bool,
    /// By a ticket of an earlier connection.
    pub resumed: bool,
}

/// Who stands between us and the server.
#[derive(Clone)]
pub enum Via {
    Nobody,
    /// A proxy that passes bytes on, once the tunnel stands.
    Tunnel,
    /// A proxy that HTTP is spoken with: it is sent whole URLs, and this credential, which is for it alone.
    Forward(Option<http::HeaderValue>),
}

/// How long each part of a dial took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialTimes {
    pub dns: Duration,
    /// TCP, and the proxy's part.
    pub connect: Duration,
    pub tls: Duration,
}

/// TLS over a stream: what one identity offers and trusts.
pub trait Secure: Send + Sync {
    /// Shakes hands with `host`, whose certificate is verified.
    fn secure<'a>(&'a self, host: &'a str, stream: Box<dyn Stream>) -> Securing<'a>;
}

pub type Securing<'a> = Pin<Box<dyn Future<Output = Result<(Box<dyn Stream>, TlsFacts)>> + Send + 'a>>;

/// Makes links to servers: the network, or memory in tests.
pub trait Connect: Send + Sync {
    /// One link. Cancelled by dropping it.
    fn connect<'a>(&'a self, target: &'a Target, limits: DialLimits, observer: &'a dyn DialObserver) -> Connecting<'a>;

    /// Whether `address`, where a connection of some age ends, is still one of the target's. Never blocks.
    fn still_leads_to<'a>(&'a self, _target: &'a Target, _address: IpAddr) -> Leading<'a> {
        Box::pin(std::future::ready(true))
    }

    /// Reads what a dial needs from files. Called before this thread begins to drive.
    fn prepare(&self, _target: &Target) -> Result<()> {
        Ok(())
    }

    /// Grows with each reload.
    fn generation(&self) -> u64 {
        0
    }

    /// Reads its files again; what comes back puts them in force.
    fn reload(&self, _round: &ReloadRound) -> Result<Box<dyn FnOnce() + '_>> {
        Ok(Box::new(|| ()))
    }
}

pub type Leading<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Link>> + Send + 'a>>;
