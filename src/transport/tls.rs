//! TLS configurations: the system's roots, loaded once a process, and a session's own beside them.

use std::sync::Arc;

use once_cell::sync::OnceCell;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::{ConnectionConfig, HttpVersion};
use crate::error::{Error, Result, Status};
use crate::sys;

/// The system's roots: loading them takes milliseconds and can fail, so success is kept and a failure tried again.
#[derive(Default)]
struct SystemRoots(OnceCell<Arc<RootCertStore>>);

/// A configuration for connections of this identity. Reads files on first use, so never called on the driver.
pub fn client_config(connection: &ConnectionConfig) -> Result<ClientConfig> {
    let mut config = trusting(roots(&certificates(&connection.tls.ca_file, &connection.tls.ca_bytes)?)?)?;
    config.alpn_protocols = match connection.http_version {
        HttpVersion::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
        HttpVersion::Http2 => vec![b"h2".to_vec()],
    };
    Ok(config)
}

/// For a client that never speaks TLS: trusts nobody, reads nothing.
pub fn no_roots() -> Result<ClientConfig> {
    trusting(Arc::new(RootCertStore::empty()))
}

fn trusting(roots: Arc<RootCertStore>) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(Status::Tls, format!("tls: no protocol versions: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn roots(extra: &[Vec<u8>]) -> Result<Arc<RootCertStore>> {
    let system = sys::process_state::<SystemRoots>().0.get_or_try_init(load_system_roots)?;
    if extra.is_empty() {
        return if system.is_empty() { Err(no_system_roots()) } else { Ok(system.clone()) };
    }
    // A host without system roots still trusts the ones it was given.
    let mut store = RootCertStore::clone(system);
    store.add_parsable_certificates(extra.iter().map(|der| CertificateDer::from_slice(der)));
    Ok(Arc::new(store))
}

/// Empty on a host that has none. A file that could not be opened for want of descriptors or memory is tried again.
fn load_system_roots() -> Result<Arc<RootCertStore>> {
    let loaded = rustls_native_certs::load_native_certs();
    if let Some(shortage) = loaded.errors.iter().find_map(shortage) {
        let os_error = shortage.raw_os_error().unwrap_or(0);
        let message = format!("system: cannot read the system's roots now ({shortage})");
        return Err(Error::new(Status::System, message).os_error(os_error));
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(loaded.certs);
    Ok(Arc::new(store))
}

fn shortage(error: &rustls_native_certs::Error) -> Option<&std::io::Error> {
    match &error.kind {
        rustls_native_certs::ErrorKind::Io { inner, .. } if sys::is_shortage(inner) => Some(inner),
        _ => None,
    }
}

fn no_system_roots() -> Error {
    let mend = "install ca-certificates, set SSL_CERT_FILE, or give ca_file";
    Error::new(Status::Tls, format!("tls: no system roots found; {mend}"))
}

/// The certificates of a file and of bytes, each PEM or DER, checked, in DER.
pub fn certificates(file: &str, bytes: &[u8]) -> Result<Arc<[Vec<u8>]>> {
    let mut all = Vec::new();
    if !file.is_empty() {
        all.extend(parse("ca_file", &read(file)?)?);
    }
    if !bytes.is_empty() {
        all.extend(parse("ca_bytes", bytes)?);
    }
    Ok(all.into())
}

/// A regular file of a sane size: a pipe could block for ever, a device could fill the memory.
fn read(file: &str) -> Result<Vec<u8>> {
    const MOST_BYTES: u64 = 16 << 20;
    let failed = |error: std::io::Error| {
        Error::new(Status::System, format!("ca_file: cannot read {file}: {error}"))
            .os_error(error.raw_os_error().unwrap_or(0))
    };
    let metadata = std::fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(Error::invalid("ca_file", format_args!("{file} is no regular file of at most 16 MiB")));
    }
    std::fs::read(file).map_err(failed)
}

fn parse(field: &str, content: &[u8]) -> Result<Vec<Vec<u8>>> {
    let pem = CertificateDer::pem_slice_iter(content).collect::<std::result::Result<Vec<_>, _>>();
    let certificates = match pem {
        Ok(certificates) if !certificates.is_empty() => certificates,
        Ok(_) => vec![CertificateDer::from(content)],
        Err(error) => return Err(Error::invalid(field, format_args!("is broken PEM: {error}"))),
    };
    for certificate in &certificates {
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|_| Error::invalid(field, "holds no X.509 certificate; give PEM or DER of a CA certificate"))?;
    }
    Ok(certificates.into_iter().map(|certificate| certificate.to_vec()).collect())
}
