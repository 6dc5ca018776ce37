//! The certificate authority made at start, and the TLS configuration of every listener.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use time::{Duration, OffsetDateTime};

use crate::Error;

pub const CA_PEM: &str = "ca.pem";
pub const CA_DER: &str = "ca.der";

/// Makes a CA and a leaf for loopback, writes them to `dir`, and configures TLS with the leaf.
pub fn issue(dir: &Path) -> Result<Arc<ServerConfig>, Error> {
    let ca_key = KeyPair::generate()?;
    let ca_params = ca_params()?;
    let ca = ca_params.self_signed(&ca_key)?;
    fs::write(dir.join(CA_PEM), ca.pem())?;
    fs::write(dir.join(CA_DER), ca.der())?;

    let leaf_key = KeyPair::generate()?;
    let leaf = leaf_params("aipool-sandbox server")?.signed_by(&leaf_key, &Issuer::from_params(&ca_params, &ca_key))?;
    write_pair(dir, "server", &leaf, &leaf_key)?;

    let other_key = KeyPair::generate()?;
    let other = leaf_params("aipool-sandbox untrusted server")?.self_signed(&other_key)?;
    write_pair(dir, "other", &other, &other_key)?;

    server_config(&leaf, &leaf_key)
}

fn ca_params() -> Result<CertificateParams, Error> {
    let mut params = dated_params(Vec::new(), "aipool-sandbox test CA")?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(common_name: &str) -> Result<CertificateParams, Error> {
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from).to_vec();
    let mut params = dated_params(names, common_name)?;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn dated_params(names: Vec<String>, common_name: &str) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Some platform verifiers refuse a leaf that is valid for longer than 825 days.
    params.not_before = OffsetDateTime::now_utc() - Duration::days(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(365);
    Ok(params)
}

fn write_pair(dir: &Path, name: &str, certificate: &Certificate, key: &KeyPair) -> io::Result<()> {
    fs::write(dir.join(format!("{name}.pem")), certificate.pem())?;
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join(format!("{name}.key")))?;
    file.write_all(key.serialize_pem().as_bytes())
}

fn server_config(leaf: &Certificate, key: &KeyPair) -> Result<Arc<ServerConfig>, Error> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Stateless tickets: resumption must not depend on how many sessions a cache holds.
    config.ticketer = ring::Ticketer::new()?;
    Ok(Arc::new(config))
}
