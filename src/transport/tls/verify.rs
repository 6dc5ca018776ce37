//! Who the server is: verified by webpki or taken at its word, and held to the pinned keys.

use std::fmt;
use std::sync::Arc;

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::provider;
use crate::error::{Error as OurError, Result as OurResult, Status};

type Pins = Arc<[[u8; 32]]>;

/// The server's verifier: roots, unless anybody is trusted, and pins.
#[derive(Debug)]
pub struct Verifier {
    /// `None` trusts anybody.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    pins: Pins,
    algorithms: WebPkiSupportedAlgorithms,
}

/// No key of the server's chain is pinned: found again in the handshake's error.
#[derive(Debug)]
pub struct WrongPin;

impl fmt::Display for WrongPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no key of the server's chain is pinned")
    }
}

impl std::error::Error for WrongPin {}

impl Verifier {
    pub fn new(roots: Option<Arc<RootCertStore>>, pins: Pins) -> OurResult<Self> {
        let webpki = |roots| WebPkiServerVerifier::builder_with_provider(roots, provider().clone()).build();
        let webpki = roots
            .map(webpki)
            .transpose()
            .map_err(|error| OurError::new(Status::Tls, format!("tls: no verifier: {error}")))?;
        Ok(Verifier { webpki, pins, algorithms: provider().signature_verification_algorithms })
    }

    /// Anybody can send a certificate along that is not theirs: beside the server's own, which its signature proves,
    /// one counts only if the server's chain leads to it.
    fn holds_pin(&self, own: &CertificateDer<'_>, others: &[CertificateDer<'_>], now: UnixTime) -> Result<(), Error> {
        let parsed = ParsedCertificate::try_from(own)?;
        if self.pinned(&parsed) {
            return Ok(());
        }
        let mut anchors = RootCertStore::empty();
        let pinned = |other: &&CertificateDer<'_>| ParsedCertificate::try_from(*other).is_ok_and(|it| self.pinned(&it));
        anchors.add_parsable_certificates(others.iter().filter(pinned).cloned());
        let leads = verify_server_cert_signed_by_trust_anchor(&parsed, &anchors, others, now, self.algorithms.all);
        leads.map_err(|_| CertificateError::Other(OtherError(Arc::new(WrongPin))).into())
    }

    fn pinned(&self, certificate: &ParsedCertificate<'_>) -> bool {
        let key = digest::digest(&digest::SHA256, &certificate.subject_public_key_info());
        self.pins.iter().any(|pin| pin == key.as_ref())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(webpki) = &self.webpki {
            webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        if !self.pins.is_empty() {
            self.holds_pin(end_entity, intermediates, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
