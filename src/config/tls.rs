//! How a session trusts and is trusted: part of a connection's identity.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use zeroize::Zeroizing;

/// Options of TLS. Files are named here and read when a session is first made with them, and again at a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// A file of roots, PEM or DER; empty for none.
    pub ca_file: String,
    /// Roots, PEM or DER; empty for none.
    pub ca_bytes: Arc<[u8]>,
    /// Whom a session trusts.
    pub trust: Trust,
    /// The client's own certificate, for servers that ask for one.
    pub client: ClientCertificate,
    /// The name asked for and verified in place of the URL's host; empty for the host.
    pub server_name: String,
    /// SHA-256 of public keys (SPKI); empty for any. The server must have one of them itself, or send a certificate with
    /// one that its own leads to.
    pub pins: Arc<[[u8; 32]]>,
    pub min_version: TlsVersion,
    /// Where session secrets go, for a packet capture; empty for nowhere. Never from the environment.
    pub key_log_file: String,
}

impl TlsOptions {
    /// The first option that differs, by its name in C.
    pub fn difference(&self, other: &TlsOptions) -> Option<&'static str> {
        let TlsOptions { ca_file, ca_bytes, trust, client, server_name, pins, min_version, key_log_file } = self;
        super::first([
            ("ca_file", *ca_file != other.ca_file),
            ("ca_bytes", *ca_bytes != other.ca_bytes),
            ("trust", *trust != other.trust),
            ("client_cert_file", client.chain_file != other.client.chain_file),
            ("client_cert_bytes", client.chain_bytes != other.client.chain_bytes),
            ("client_key_file", client.key_file != other.client.key_file),
            ("client_key_bytes", client.key_bytes != other.client.key_bytes),
            ("server_name", *server_name != other.server_name),
            ("pins", *pins != other.pins),
            ("min_tls", *min_version != other.min_version),
            ("key_log_file", *key_log_file != other.key_log_file),
        ])
    }
}

impl Hash for TlsOptions {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let TlsOptions { ca_file, ca_bytes, trust, client, server_name, pins, min_version, key_log_file } = self;
        // A bundle of all public roots has 200 KB, and every get of a session looks its options up: comparing is quicker.
        (ca_file, ca_bytes.len(), trust, client).hash(state);
        (server_name, pins, min_version, key_log_file).hash(state);
    }
}

/// Whom a session trusts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Trust {
    /// The system's roots and those given.
    #[default]
    SystemAndGiven,
    /// Those given, nobody else.
    GivenOnly,
    /// Anybody. Shown in stats, info and the event ring.
    Anybody,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsVersion {
    #[default]
    Tls12,
    Tls13,
}

/// A chain and its key, each a PEM file or PEM bytes; empty for none.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ClientCertificate {
    pub chain_file: String,
    pub chain_bytes: Arc<[u8]>,
    pub key_file: String,
    pub key_bytes: KeyBytes,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("chain_file", &self.chain_file).finish_non_exhaustive()
    }
}

/// A private key in PEM: shown nowhere, wiped with its last holder.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct KeyBytes(Arc<Zeroizing<Vec<u8>>>);

impl KeyBytes {
    pub fn new(pem: Vec<u8>) -> Self {
        KeyBytes(Arc::new(Zeroizing::new(pem)))
    }

    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Hash for KeyBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBytes(..)")
    }
}
