//! How a session trusts and is trusted: part of a connection's identity.

use std::fmt;
use std::sync::Arc;

/// Options of TLS. Files are named here and read when a session is first made with them, and again at a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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
    /// SHA-256 of the public keys (SPKI) of which the server's chain must hold one; empty for any.
    pub pins: Arc<[[u8; 32]]>,
    pub min_version: TlsVersion,
    /// Where session secrets go, for a packet capture; empty for nowhere. Never from the environment.
    pub key_log_file: String,
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
    pub key_bytes: Arc<[u8]>,
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("chain_file", &self.chain_file).finish_non_exhaustive()
    }
}
