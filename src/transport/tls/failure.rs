//! What a failed handshake means in our terms.

use std::io;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};

use super::verify::WrongPin;
use crate::error::{Detail, Error, Phase, Status};

/// A handshake that did not come to its end: refused by one side, or broken.
pub fn handshake(error: &io::Error) -> Error {
    if let Some(error) = tls_error(error) {
        return refused(error);
    }
    Error::new(Status::Connect, format!("tls: the connection broke during the handshake ({error})"))
        .os_error(error)
        .phase(Phase::Tls)
        .retryable()
}

/// What one of the two sides found wrong with the other.
pub fn refused(error: &rustls::Error) -> Error {
    let (detail, message) = match error {
        rustls::Error::InvalidCertificate(reason) => certificate(reason),
        error if is_client_certificate_refusal(error) => (Detail::ClientCertificate, client_certificate(error)),
        error => (Detail::None, agreement(error)),
    };
    Error::new(Status::Tls, message).detail(detail).phase(Phase::Tls)
}

/// The server speaks TLS, but not the one HTTP version that was asked for.
pub fn no_http2() -> Error {
    let message = "http_version: the server does not speak HTTP/2 over TLS; leave the version open or ask for HTTP/1.1";
    Error::new(Status::Tls, message).phase(Phase::Tls)
}

/// Whether the server refused our certificate, or our having none. In TLS 1.3 it says so after the handshake, so that
/// the first read of the response may be what fails with this.
pub fn is_client_certificate_refusal(error: &rustls::Error) -> bool {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown,
        UnknownCA, UnsupportedCertificate,
    };
    matches!(
        error,
        rustls::Error::AlertReceived(
            AccessDenied
                | BadCertificate
                | CertificateExpired
                | CertificateRequired
                | CertificateRevoked
                | CertificateUnknown
                | UnknownCA
                | UnsupportedCertificate
        )
    )
}

/// The TLS error that a stream's failure carries.
pub fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn certificate(reason: &CertificateError) -> (Detail, String) {
    let (detail, mend) = match reason {
        CertificateError::UnknownIssuer => {
            (Detail::UntrustedIssuer, "the certificate's issuer is not trusted; give its CA in ca_file or ca_bytes")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (Detail::WrongHost, "the certificate is for another host name; check the URL")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (Detail::Expired, "the certificate has expired; check the server and this machine's clock")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (Detail::Expired, "the certificate is not valid yet; check the server and this machine's clock")
        }
        CertificateError::Other(other) if other.0.is::<WrongPin>() => {
            let message = "pins: no key of the server's chain is pinned; if the server has a new key, pin that one";
            return (Detail::WrongPin, message.to_owned());
        }
        reason => return (Detail::None, format!("tls: the certificate is not acceptable ({reason})")),
    };
    (detail, format!("tls: {mend}"))
}

fn client_certificate(error: &rustls::Error) -> String {
    let mend = if matches!(error, rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) {
        "wants a certificate of the client; give one in client_cert_file and client_key_file"
    } else {
        "refused the client's certificate; check client_cert_file, or give one if there is none"
    };
    format!("tls: the server {mend} ({error})")
}

/// The two sides could not agree on how to speak.
fn agreement(error: &rustls::Error) -> String {
    match error {
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => format!("min_tls: the server speaks no TLS version that is allowed here ({error})"),
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)
        | rustls::Error::NoApplicationProtocol => {
            "http_version: the server speaks no HTTP version that was asked for; leave the version open".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("tls: the server does not know this host name ({error}); check the URL, or give server_name")
        }
        // In TLS 1.2 some servers say no more when they miss a certificate of the client.
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure) => {
            let mend = "it may want a certificate of the client (client_cert_file) or speak outdated ciphers only";
            format!("tls: the server refused the handshake ({error}); {mend}")
        }
        rustls::Error::InvalidMessage(_) => {
            format!("tls: the server does not speak TLS ({error}); check the URL's scheme and port")
        }
        error => format!("tls: no secure connection ({error})"),
    }
}
