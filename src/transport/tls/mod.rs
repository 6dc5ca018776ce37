//! TLS: whom a session trusts, who it is, and how the two shake hands.

pub mod failure;
pub mod identity;

mod configs;
mod given;
mod key_log;
mod roots;
mod secure;
mod verify;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};

pub use self::identity::TlsIdentity;
pub use self::roots::ReloadRound;
use crate::config::{ConnectionConfig, TlsOptions, TlsVersion, Trust};
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

/// What is behind a lock here is replaced whole, so a panic elsewhere leaves it sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The first option that is set but is offered with the pool's own connections alone.
pub fn unsupported_by_reqwest(options: &TlsOptions) -> Option<&'static str> {
    let TlsOptions { ca_file: _, ca_bytes: _, trust, client, server_name, pins, min_version, key_log_file } = options;
    let set = [
        ("trust", *trust != Trust::default()),
        ("client_cert_file", !client.chain_file.is_empty()),
        ("client_cert_bytes", !client.chain_bytes.is_empty()),
        ("client_key_file", !client.key_file.is_empty()),
        ("client_key_bytes", !client.key_bytes.is_empty()),
        ("server_name", !server_name.is_empty()),
        ("pins", !pins.is_empty()),
        ("min_tls", *min_version != TlsVersion::default()),
        ("key_log_file", !key_log_file.is_empty()),
    ];
    set.into_iter().find(|(_, set)| *set).map(|(name, _)| name)
}
