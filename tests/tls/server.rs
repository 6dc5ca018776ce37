//! A TLS server at the other end of a pipe in memory, and one exchange with it.

use std::io;
use std::sync::Arc;

use aipool::config::{HttpVersion, TlsOptions};
use aipool::error::{Error, Result};
use aipool::transport::TlsIdentity;
use aipool::transport::link::{Secure, TlsFacts};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::TlsAcceptor;

use crate::certificates::Pair;

static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

const GREETING: &[u8] = b"hello";

/// What a server is, to be changed before it serves.
pub struct Server<'a> {
    pub pair: &'a Pair,
    /// Sent after its own certificate.
    pub others: &'a [&'a Pair],
    pub clients: Option<(Arc<RootCertStore>, Need)>,
    pub alpn: &'a [&'a str],
    pub versions: &'a [&'static SupportedProtocolVersion],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Certificate,
    Nothing,
}

pub fn server(pair: &Pair) -> Server<'_> {
    Server { pair, others: &[], clients: None, alpn: &["h2", "http/1.1"], versions: &BOTH }
}

impl Server<'_> {
    pub fn config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let clients = match &self.clients {
            None => WebPkiClientVerifier::no_client_auth(),
            Some((roots, need)) => client_verifier(roots, *need),
        };
        let chain = std::iter::once(self.pair).chain(self.others.iter().copied()).map(Pair::der).collect();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, self.pair.key_der())
            .unwrap();
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

fn client_verifier(roots: &Arc<RootCertStore>, need: Need) -> Arc<dyn ClientCertVerifier> {
    let builder = WebPkiClientVerifier::builder_with_provider(roots.clone(), Arc::new(ring::default_provider()));
    let builder = if need == Need::Nothing { builder.allow_unauthenticated() } else { builder };
    builder.build().unwrap()
}

/// What the two sides saw of each other.
#[derive(Debug)]
pub struct Seen {
    pub facts: TlsFacts,
    pub sni: Option<String>,
    pub alpn: Option<String>,
    pub client_certificates: usize,
}

/// A handshake and the server's greeting.
#[derive(Debug)]
pub enum Outcome {
    Greeted(Seen),
    /// The handshake failed.
    Refused(Error),
    /// It did not, but nothing could be read after it.
    Unread(io::Error),
}

impl Outcome {
    pub fn seen(self) -> Seen {
        match self {
            Outcome::Greeted(seen) => seen,
            other => panic!("no greeting: {other:?}"),
        }
    }

    pub fn refused(self) -> Error {
        match self {
            Outcome::Refused(error) => error,
            other => panic!("not refused: {other:?}"),
        }
    }
}

pub fn identity(options: &TlsOptions) -> Arc<TlsIdentity> {
    let identity = TlsIdentity::of(options).unwrap();
    identity.prepare().unwrap();
    identity
}

/// The client's side with these options, HTTP version left open.
pub fn connect(options: &TlsOptions, host: &str, server: &Server<'_>) -> Outcome {
    exchange(&*identity(options).secure(HttpVersion::Auto), host, server.config())
}

pub fn exchange(client: &dyn Secure, host: &str, server: Arc<ServerConfig>) -> Outcome {
    runtime().block_on(async {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = tokio::spawn(serve(server, far));
        let (mut stream, facts) = match client.secure(host, Box::new(near)).await {
            Ok(secured) => secured,
            Err(error) => return Outcome::Refused(error),
        };
        let mut greeting = [0; GREETING.len()];
        if let Err(error) = stream.read_exact(&mut greeting).await {
            return Outcome::Unread(error);
        }
        assert_eq!(greeting, GREETING);
        drop(stream);
        let (sni, alpn, client_certificates) = server.await.unwrap().unwrap();
        Outcome::Greeted(Seen { facts, sni, alpn, client_certificates })
    })
}

async fn serve(config: Arc<ServerConfig>, stream: DuplexStream) -> io::Result<(Option<String>, Option<String>, usize)> {
    let mut stream = TlsAcceptor::from(config).accept(stream).await?;
    stream.write_all(GREETING).await?;
    stream.flush().await?;
    let connection = stream.get_ref().1;
    let alpn = connection.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap());
    let certificates = connection.peer_certificates().map_or(0, <[_]>::len);
    Ok((connection.server_name().map(ToOwned::to_owned), alpn, certificates))
}

/// A peer that sends these bytes, whatever it gets, and goes.
pub fn exchange_with_bytes(client: &dyn Secure, bytes: &'static [u8]) -> Result<()> {
    runtime().block_on(async {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        client.secure("localhost", Box::new(near)).await.map(|_| ())
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}
