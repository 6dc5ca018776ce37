//! What the user gave in files and bytes, read and checked: roots, and the client's own chain and key.

use std::fmt::Display;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SigningKey};
use zeroize::Zeroizing;

use crate::config::{ClientCertificate, TlsOptions, Trust};
use crate::error::{Error, Result, Status};

/// Files and bytes of one identity, as last read.
pub struct Given {
    pub roots: Arc<RootCertStore>,
    pub client: Option<Arc<CertifiedKey>>,
}

impl Given {
    /// Reads what the options name.
    pub fn read(options: &TlsOptions) -> Result<Given> {
        let roots = roots(&options.ca_file, &options.ca_bytes)?;
        if options.trust == Trust::GivenOnly && roots.is_empty() {
            let mend = "none is given, yet only given ones are to be trusted; give ca_file or ca_bytes";
            return Err(Error::invalid("ca_file", mend));
        }
        Ok(Given { roots: Arc::new(roots), client: client(&options.client)? })
    }
}

fn roots(file: &str, bytes: &[u8]) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    if !file.is_empty() {
        add_roots(&mut store, "ca_file", &read("ca_file", file)?)?;
    }
    if !bytes.is_empty() {
        add_roots(&mut store, "ca_bytes", bytes)?;
    }
    Ok(store)
}

fn add_roots(store: &mut RootCertStore, field: &str, content: &[u8]) -> Result<()> {
    let mut certificates = pem_certificates(field, content)?;
    if certificates.is_empty() {
        certificates.push(CertificateDer::from(content));
    }
    for certificate in certificates {
        store
            .add(certificate)
            .map_err(|_| Error::invalid(field, "holds no X.509 certificate; give PEM or DER of a CA certificate"))?;
    }
    Ok(())
}

fn pem_certificates<'a>(field: &str, content: &'a [u8]) -> Result<Vec<CertificateDer<'a>>> {
    CertificateDer::pem_slice_iter(content)
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::invalid(field, format_args!("is broken PEM: {error}")))
}

fn client(given: &ClientCertificate) -> Result<Option<Arc<CertifiedKey>>> {
    let chain = either(("client_cert_file", &given.chain_file), ("client_cert_bytes", &given.chain_bytes))?;
    let key = either(("client_key_file", &given.key_file), ("client_key_bytes", given.key_bytes.as_slice()))?;
    match (chain, key) {
        (None, None) => Ok(None),
        (Some(chain), Some(key)) => pair(&chain, &key).map(Some),
        (Some(_), None) => {
            Err(Error::invalid("client_key_file", "is missing; give the key of the client's certificate"))
        }
        (None, Some(_)) => {
            Err(Error::invalid("client_cert_file", "is missing; give the certificate that the client's key is for"))
        }
    }
}

fn pair(chain: &Content<'_>, key: &Content<'_>) -> Result<Arc<CertifiedKey>> {
    let pair = CertifiedKey::new(certificate_chain(chain)?, signing_key(key)?);
    match pair.keys_match() {
        // Some kinds of keys cannot be compared: the server will say.
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(Arc::new(pair)),
        Err(_) => Err(Error::invalid(
            key.field,
            format_args!("is not the key of the first certificate in {}; give the two that fit", chain.field),
        )),
    }
}

fn certificate_chain(content: &Content<'_>) -> Result<Vec<CertificateDer<'static>>> {
    let chain = pem_certificates(content.field, content.bytes())?;
    if chain.is_empty() || chain.iter().any(|certificate| ParsedCertificate::try_from(certificate).is_err()) {
        let mend = "holds no X.509 certificate; give PEM, the client's own certificate first";
        return Err(Error::invalid(content.field, mend));
    }
    Ok(chain.into_iter().map(CertificateDer::into_owned).collect())
}

/// What is wrong with a key is said in our words: the parser's could quote it.
fn signing_key(content: &Content<'_>) -> Result<Arc<dyn SigningKey>> {
    let wrong = |mend: &str| Error::invalid(content.field, mend);
    if is_encrypted(content.bytes()) {
        return Err(wrong("is encrypted; decrypt it first (openssl pkey -in FILE -out PLAIN)"));
    }
    let key = PrivateKeyDer::from_pem_slice(content.bytes())
        .map_err(|_| wrong("holds no private key; give PEM in PKCS#8, PKCS#1 or SEC1"))?;
    let key = Zeroizing::new(key);
    any_supported_type(&key).map_err(|_| wrong("is no RSA, ECDSA (P-256, P-384) or Ed25519 key; give one of these"))
}

fn is_encrypted(pem: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"BEGIN ENCRYPTED PRIVATE KEY", b"Proc-Type: 4,ENCRYPTED"];
    marks.iter().any(|mark| pem.windows(mark.len()).any(|window| window == *mark))
}

/// The content of one option, and the option's name.
struct Content<'a> {
    field: &'a str,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    Given(&'a [u8]),
    Read(Zeroizing<Vec<u8>>),
}

impl Content<'_> {
    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Given(bytes) => bytes,
            Bytes::Read(bytes) => bytes,
        }
    }
}

/// What a file or bytes hold: at most one of the two is given.
fn either<'a>(file: (&'a str, &str), bytes: (&'a str, &'a [u8])) -> Result<Option<Content<'a>>> {
    match (file.1.is_empty(), bytes.1.is_empty()) {
        (true, true) => Ok(None),
        (false, true) => Ok(Some(Content { field: file.0, bytes: Bytes::Read(read(file.0, file.1)?) })),
        (true, false) => Ok(Some(Content { field: bytes.0, bytes: Bytes::Given(bytes.1) })),
        (false, false) => Err(Error::invalid(bytes.0, format_args!("is given beside {}; give one of them", file.0))),
    }
}

/// A regular file of a sane size: a pipe could block for ever, a device could fill the memory.
fn read(field: &str, file: &str) -> Result<Zeroizing<Vec<u8>>> {
    const MOST_BYTES: u64 = 16 << 20;
    let metadata = std::fs::metadata(file).map_err(|error| unusable(field, "read", file, &error))?;
    if !metadata.is_file() || metadata.len() > MOST_BYTES {
        return Err(Error::invalid(field, format_args!("{file} is no regular file of at most 16 MiB")));
    }
    std::fs::read(file).map(Zeroizing::new).map_err(|error| unusable(field, "read", file, &error))
}

/// A file that the system does not let us use.
pub fn unusable(field: &str, verb: &str, file: impl Display, error: &std::io::Error) -> Error {
    Error::new(Status::System, format!("{field}: cannot {verb} {file}: {error}")).os_error(error)
}
