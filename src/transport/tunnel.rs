//! Through a proxy: HTTP CONNECT and SOCKS5, over a stream to the proxy that stands already.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use tower_service::Service;

use super::failure::Chain;
use super::link::Stream;
use super::proxy::Proxy;
use crate::error::{Detail, Error, Phase, Result, Status};

/// The library's connectors open their own connection; this hands them the one there is.
struct Given(Option<TokioIo<Box<dyn Stream>>>);

impl Service<Uri> for Given {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _proxy: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// The library does not export its errors' names.
type TunnelError = <Tunnel<Given> as Service<Uri>>::Error;
type SocksError = <SocksV5<Given> as Service<Uri>>::Error;

/// Has an HTTP proxy connect `stream` to `destination`. The credential goes to the proxy only.
pub async fn connect(stream: Box<dyn Stream>, proxy: &Proxy, destination: Uri) -> Result<Box<dyn Stream>> {
    let mut tunnel = Tunnel::new(proxy.uri().clone(), Given(Some(TokioIo::new(stream))));
    if let Some(credential) = proxy.authorization() {
        tunnel = tunnel.with_auth(credential.clone());
    }
    tunnel.call(destination).await.map(TokioIo::into_inner).map_err(|error| match error {
        TunnelError::ProxyAuthRequired => refused("refused the tunnel (407); check user and password in its URL"),
        TunnelError::TunnelUnsuccessful => {
            refused("refused the tunnel; check that it may connect to the URL's host and port").retryable()
        }
        TunnelError::TunnelUnexpectedEof => refused("closed before the tunnel stood; check the proxy").retryable(),
        TunnelError::Io(error) => broken(&error),
        error => refused(&format!("no HTTP tunnel ({error}); check that its URL names an HTTP proxy")),
    })
}

/// Has a SOCKS5 proxy connect `stream` to `destination`.
pub async fn socks5(stream: Box<dyn Stream>, proxy: &Proxy, destination: Uri) -> Result<Box<dyn Stream>> {
    let mut socks = SocksV5::new(proxy.uri().clone(), Given(Some(TokioIo::new(stream))));
    if let Some((user, password)) = proxy.credentials() {
        socks = socks.with_auth(user.to_owned(), password.to_owned());
    }
    socks.call(destination).await.map(TokioIo::into_inner).map_err(|error| match error {
        SocksError::V5(why) => {
            let why = why.to_string();
            // All that tells a wrong password, which no retry mends, from a host out of reach.
            if why.contains("credentials") || why.contains("authentication") {
                return refused(&format!("refused the tunnel ({why}); check user and password in its URL"));
            }
            refused(&format!("refused the tunnel ({why}); check the URL's host and port")).retryable()
        }
        SocksError::Io(error) => broken(&error),
        error => refused(&format!("no SOCKS5 tunnel ({error}); check that its URL names a SOCKS5 proxy")),
    })
}

fn refused(what: &str) -> Error {
    Error::new(Status::Connect, format!("proxy: {what}")).detail(Detail::Proxy).phase(Phase::Connect)
}

fn broken(error: &io::Error) -> Error {
    refused(&format!("broke before the tunnel stood ({error}); check the proxy"))
        .os_error(Chain(error).io())
        .retryable()
}
