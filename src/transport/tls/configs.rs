//! The rustls configurations of one identity: one for each ALPN offer, and one for a proxy.

use std::sync::Arc;

use rustls::client::{Resumption, WantsClientCert};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConfigBuilder, KeyLog, NoKeyLog, RootCertStore, WantsVerifier};

use super::given::Given;
use super::key_log::KeyLogFile;
use super::provider;
use super::verify::Verifier;
use crate::config::{HttpVersion, TlsOptions, TlsVersion};
use crate::error::{Error, Result, Status};

/// Servers whose tickets are kept: more than a pool has by default, in little memory.
const SERVERS_WITH_TICKETS: usize = 256;
const PROXIES_WITH_TICKETS: usize = 16;

/// The configurations of one identity, of one generation.
pub struct Configs {
    auto: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    proxy: Arc<ClientConfig>,
}

impl Configs {
    /// Trusts `roots`, or anybody without.
    pub fn build(
        options: &TlsOptions,
        given: &Given,
        roots: Option<&Arc<RootCertStore>>,
        key_log: Option<&Arc<KeyLogFile>>,
    ) -> Result<Self> {
        let key_log: Arc<dyn KeyLog> = key_log.map_or_else(|| Arc::new(NoKeyLog) as _, |file| file.clone() as _);
        let trusting = |pins| -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
            let verifier = Arc::new(Verifier::new(roots.cloned(), pins)?);
            Ok(builder(options.min_version)?.dangerous().with_custom_certificate_verifier(verifier))
        };
        let target = trusting(options.pins.clone())?;
        let mut target = match &given.client {
            Some(pair) => target.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair.clone()))),
            None => target.with_no_client_auth(),
        };
        target.key_log = key_log.clone();
        // Shared by the clones below, which rustls allows as they share verifier and client certificate too.
        target.resumption = Resumption::in_memory_sessions(SERVERS_WITH_TICKETS);
        let mut proxy = trusting(Arc::default())?.with_no_client_auth();
        proxy.key_log = key_log;
        proxy.resumption = Resumption::in_memory_sessions(PROXIES_WITH_TICKETS);
        Ok(Configs {
            auto: offering(&target, &[b"h2", b"http/1.1"]),
            http1: offering(&target, &[b"http/1.1"]),
            http2: offering(&target, &[b"h2"]),
            proxy: Arc::new(proxy),
        })
    }

    pub fn target(&self, version: HttpVersion) -> &Arc<ClientConfig> {
        match version {
            HttpVersion::Auto => &self.auto,
            HttpVersion::Http1 => &self.http1,
            HttpVersion::Http2 => &self.http2,
        }
    }

    pub fn proxy(&self) -> &Arc<ClientConfig> {
        &self.proxy
    }
}

fn offering(config: &ClientConfig, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// The start of every configuration: ring, and the TLS versions allowed.
pub fn builder(least: TlsVersion) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    let versions = match least {
        TlsVersion::Tls12 => &[&TLS13, &TLS12][..],
        TlsVersion::Tls13 => &[&TLS13][..],
    };
    ClientConfig::builder_with_provider(provider().clone())
        .with_protocol_versions(versions)
        .map_err(|error| Error::new(Status::Tls, format!("tls: no protocol versions: {error}")))
}
