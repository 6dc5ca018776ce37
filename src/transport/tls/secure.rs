//! The handshake: one identity's side of TLS over a stream.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, HandshakeKind};
use tokio_rustls::TlsConnector;

use super::{TlsIdentity, failure};
use crate::config::HttpVersion;
use crate::error::{Error, Result};
use crate::transport::dns;
use crate::transport::link::{Secure, Securing, Stream, TlsFacts};

const HTTP_2: &[u8] = b"h2";

/// TLS to the server a request is for. Each handshake takes the identity's newest configuration.
pub struct ToTarget {
    pub identity: Arc<TlsIdentity>,
    pub version: HttpVersion,
}

/// TLS to a proxy: the identity's trust, and nothing of what is meant for the server.
pub struct ToProxy {
    pub identity: Arc<TlsIdentity>,
}

impl Secure for ToTarget {
    fn secure<'a>(&'a self, host: &'a str, stream: Box<dyn Stream>) -> Securing<'a> {
        Box::pin(async move {
            let config = self.identity.target(self.version)?;
            let name = match self.identity.server_name() {
                Some(name) => name.clone(),
                None => server_name("url", host)?,
            };
            let (stream, facts) = shake_hands(config, name, stream).await?;
            if self.version == HttpVersion::Http2 && !facts.http2 {
                return Err(failure::no_http2());
            }
            Ok((stream, facts))
        })
    }
}

impl Secure for ToProxy {
    fn secure<'a>(&'a self, host: &'a str, stream: Box<dyn Stream>) -> Securing<'a> {
        Box::pin(async move { shake_hands(self.identity.proxy()?, server_name("proxy", host)?, stream).await })
    }
}

async fn shake_hands(
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    stream: Box<dyn Stream>,
) -> Result<(Box<dyn Stream>, TlsFacts)> {
    let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|error| failure::handshake(&error))?;
    let facts = facts(stream.get_ref().1);
    Ok((Box::new(stream), facts))
}

fn facts(connection: &ClientConnection) -> TlsFacts {
    TlsFacts {
        http2: connection.alpn_protocol() == Some(HTTP_2),
        resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
    }
}

/// A host name or an address, in brackets or not, as TLS knows them.
pub fn server_name(field: &str, host: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(dns::bare(host).to_owned())
        .map_err(|_| Error::invalid(field, format_args!("{host} is no host name or address that TLS can verify")))
}
