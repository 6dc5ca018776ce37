//! Certificates made for one test: authorities, and who they vouch for.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate and its key.
pub struct Pair {
    params: CertificateParams,
    pub certificate: Certificate,
    key: KeyPair,
}

/// A root.
pub fn authority(name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let params = authority_params(name);
    let certificate = params.self_signed(&key).unwrap();
    Pair { params, certificate, key }
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn leaf_params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.is_ca = IsCa::ExplicitNoCa;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Vouched for by itself.
pub fn self_signed(name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    let params = leaf_params(&[name]);
    let certificate = params.self_signed(&key).unwrap();
    Pair { params, certificate, key }
}

impl Pair {
    /// A server or client this authority vouches for.
    pub fn leaf(&self, names: &[&str]) -> Pair {
        self.sign(leaf_params(names))
    }

    pub fn leaf_of_years(&self, name: &str, first: i32, last: i32) -> Pair {
        let mut params = leaf_params(&[name]);
        params.not_before = date_time_ymd(first, 1, 1);
        params.not_after = date_time_ymd(last, 1, 1);
        self.sign(params)
    }

    /// An authority below this one.
    pub fn intermediate(&self, name: &str) -> Pair {
        self.sign(authority_params(name))
    }

    fn sign(&self, params: CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &Issuer::from_params(&self.params, &self.key)).unwrap();
        Pair { params, certificate, key }
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// SHA-256 of the public key.
    pub fn pin(&self) -> [u8; 32] {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.key.subject_public_key_info());
        digest.as_ref().try_into().unwrap()
    }

    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut store = RootCertStore::empty();
        store.add(self.der()).unwrap();
        Arc::new(store)
    }
}
