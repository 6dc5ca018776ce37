//! TLS: whom a session trusts, who it is, and how the two shake hands.

pub mod failure;
pub mod identity;

mod configs;
mod given;
mod key_log;
mod roots;
mod secure;
mod verify;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};

pub use self::identity::TlsIdentity;
pub use self::roots::ReloadRound;
use crate::config::{ConnectionConfig, TlsVersion};
use crate::error::Result;
use crate::sys;

/// The cryptography, once a process.
struct Provider(Arc<CryptoProvider>);

impl Default for Provider {
    fn default() -> Self {
        Provider(Arc::new(rustls::crypto::ring::default_provider()))
    }
}

fn provider() -> &'static Arc<CryptoProvider> {
    &sys::process_state::<Provider>().0
}

/// For reqwest: a configuration for connections of this identity. Reads files, so never called on the driver.
pub fn client_config(connection: &ConnectionConfig) -> Result<ClientConfig> {
    let identity = TlsIdentity::of(&connection.tls)?;
    identity.prepare()?;
    Ok(ClientConfig::clone(&*identity.target(connection.http_version)?))
}

/// For a reqwest client that never speaks TLS: trusts nobody, reads nothing.
pub fn no_roots() -> Result<ClientConfig> {
    let builder = configs::builder(TlsVersion::default())?;
    Ok(builder.with_root_certificates(Arc::new(RootCertStore::empty())).with_no_client_auth())
}
