//! TLS handshakes with a real server: whom we trust, who we are, and what failures say.

mod certificates;
mod inputs;
mod reload;
mod server;

use std::sync::Arc;

use aipool::config::{ClientCertificate, HttpVersion, KeyBytes, TlsOptions, TlsVersion, Trust};
use aipool::error::{Delivery, Detail, Error, Phase, Status};
use aipool::transport::tls::failure;
use rustls::version::{TLS12, TLS13};

use crate::certificates::{Pair, authority, self_signed};
use crate::server::{Need, Outcome, Server, connect, exchange, exchange_with_bytes, identity, server};

/// Trusts this authority beside the system's.
pub fn trusting(authority: &Pair) -> TlsOptions {
    TlsOptions { ca_bytes: authority.pem().into_bytes().into(), ..TlsOptions::default() }
}

fn only(authority: &Pair) -> TlsOptions {
    TlsOptions { trust: Trust::GivenOnly, ..trusting(authority) }
}

fn anybody() -> TlsOptions {
    TlsOptions { trust: Trust::Anybody, ..TlsOptions::default() }
}

fn pinned(options: TlsOptions, pins: &[[u8; 32]]) -> TlsOptions {
    TlsOptions { pins: pins.into(), ..options }
}

fn with_certificate(options: TlsOptions, pair: &Pair) -> TlsOptions {
    let client = ClientCertificate {
        chain_bytes: pair.pem().into_bytes().into(),
        key_bytes: KeyBytes::new(pair.key_pem().into_bytes()),
        ..ClientCertificate::default()
    };
    TlsOptions { client, ..options }
}

fn assert_tls(error: &Error, detail: Detail, message: &str) {
    assert_eq!((error.status, error.detail), (Status::Tls, detail), "{error}");
    assert_eq!((error.phase, error.delivery, error.retryable), (Phase::Tls, Delivery::NotSent, false));
    assert!(error.message.contains(message), "{error}");
}

#[test]
fn trusts_a_given_ca_as_file_and_bytes_in_pem_and_der() {
    let ca = authority("given");
    let leaf = ca.leaf(&["localhost", "127.0.0.1", "::1"]);
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        TlsOptions { ca_file: path.to_str().unwrap().to_owned(), ..TlsOptions::default() }
    };
    let der = TlsOptions { ca_bytes: ca.der().to_vec().into(), ..TlsOptions::default() };
    for options in [file("ca.pem", ca.pem().as_bytes()), file("ca.der", &ca.der()), trusting(&ca), der, only(&ca)] {
        for host in ["localhost", "127.0.0.1", "::1", "[::1]"] {
            let seen = connect(&options, host, &server(&leaf)).seen();
            assert!(seen.facts.http2 && !seen.facts.resumed);
            assert_eq!(seen.sni.as_deref(), (host == "localhost").then_some("localhost"));
        }
    }
}

#[test]
fn an_untrusted_issuer_is_refused() {
    let leaf = authority("unknown").leaf(&["localhost"]);
    let refused = connect(&trusting(&authority("other")), "localhost", &server(&leaf)).refused();
    assert_tls(&refused, Detail::UntrustedIssuer, "give its CA in ca_file or ca_bytes");
    let refused = connect(&only(&authority("other")), "localhost", &server(&self_signed("localhost"))).refused();
    assert_tls(&refused, Detail::UntrustedIssuer, "issuer is not trusted");
}

#[test]
fn a_wrong_host_and_a_wrong_time_are_refused() {
    let ca = authority("given");
    let refused = connect(&trusting(&ca), "example.com", &server(&ca.leaf(&["localhost"]))).refused();
    assert_tls(&refused, Detail::WrongHost, "another host name");
    let refused = connect(&trusting(&ca), "127.0.0.1", &server(&ca.leaf(&["localhost"]))).refused();
    assert_tls(&refused, Detail::WrongHost, "another host name");
    let old = ca.leaf_of_years("localhost", 1990, 2000);
    assert_tls(&connect(&trusting(&ca), "localhost", &server(&old)).refused(), Detail::Expired, "has expired");
    let early = ca.leaf_of_years("localhost", 3000, 3001);
    assert_tls(&connect(&trusting(&ca), "localhost", &server(&early)).refused(), Detail::Expired, "not valid yet");
}

#[test]
fn anybody_is_trusted_only_when_told_so() {
    let leaf = self_signed("elsewhere");
    assert!(matches!(connect(&trusting(&authority("other")), "localhost", &server(&leaf)), Outcome::Refused(_)));
    connect(&anybody(), "localhost", &server(&leaf)).seen();
    connect(&anybody(), "localhost", &Server { versions: &[&TLS12], ..server(&leaf) }).seen();
    let old = authority("unknown").leaf_of_years("localhost", 1990, 2000);
    connect(&anybody(), "localhost", &server(&old)).seen();
}

#[test]
fn a_pin_holds_the_server_to_a_key() {
    let ca = authority("given");
    let middle = ca.intermediate("middle");
    let leaf = middle.leaf(&["localhost"]);
    let serving = Server { others: &[&middle], ..server(&leaf) };
    for options in [trusting(&ca), anybody()] {
        for pins in [&[leaf.pin()][..], &[middle.pin()], &[[7; 32], leaf.pin()]] {
            connect(&pinned(options.clone(), pins), "localhost", &serving).seen();
        }
        let refused = connect(&pinned(options, &[[7; 32]]), "localhost", &serving).refused();
        assert_tls(&refused, Detail::WrongPin, "pins: no key of the server's chain");
    }
    let refused = connect(&pinned(trusting(&authority("other")), &[leaf.pin()]), "localhost", &serving).refused();
    assert_tls(&refused, Detail::UntrustedIssuer, "issuer");
}

#[test]
fn a_pinned_certificate_sent_along_by_another_proves_nothing() {
    let ca = authority("given");
    let (genuine, authority_of_genuine) = (ca.leaf(&["localhost"]), ca.intermediate("middle"));
    let thief = ca.leaf(&["localhost"]);
    let serving = Server { others: &[&genuine, &authority_of_genuine], ..server(&thief) };
    for options in [trusting(&ca), anybody()] {
        for pin in [genuine.pin(), authority_of_genuine.pin()] {
            let refused = connect(&pinned(options.clone(), &[pin]), "localhost", &serving).refused();
            assert_tls(&refused, Detail::WrongPin, "pins: ");
        }
    }
}

#[test]
fn another_name_can_be_asked_for_and_verified() {
    let ca = authority("given");
    let leaf = ca.leaf(&["inner.example"]);
    let options = TlsOptions { server_name: "inner.example".to_owned(), ..trusting(&ca) };
    let seen = connect(&options, "10.0.0.1", &server(&leaf)).seen();
    assert_eq!(seen.sni.as_deref(), Some("inner.example"));
    let refused = connect(&options, "localhost", &server(&ca.leaf(&["localhost"]))).refused();
    assert_tls(&refused, Detail::WrongHost, "another host name");
}

#[test]
fn a_client_certificate_is_shown_and_its_refusal_is_told() {
    let (ca, clients) = (authority("given"), authority("clients"));
    let leaf = ca.leaf(&["localhost"]);
    let (right, wrong) = (clients.leaf(&["client"]), authority("unknown").leaf(&["client"]));
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let serving = Server { clients: Some((clients.roots(), Need::Certificate)), versions, ..server(&leaf) };
        let seen = connect(&with_certificate(trusting(&ca), &right), "localhost", &serving).seen();
        assert_eq!(seen.client_certificates, 1);
        for (options, mend) in [
            (trusting(&ca), "wants a certificate of the client; give one in client_cert_file"),
            (with_certificate(trusting(&ca), &wrong), "refused the client's certificate; check client_cert_file"),
        ] {
            let refused = match connect(&options, "localhost", &serving) {
                // TLS 1.3: the handshake is over for the client before the server has seen its certificate.
                Outcome::Unread(error) => {
                    let error = failure::tls_error(&error).expect("a TLS error");
                    assert!(failure::is_client_certificate_refusal(error));
                    failure::refused(error)
                }
                other => other.refused(),
            };
            assert_tls(&refused, Detail::ClientCertificate, mend);
        }
    }
}

#[test]
fn a_client_certificate_can_come_from_files() {
    let (ca, clients) = (authority("given"), authority("clients"));
    let (leaf, pair) = (ca.leaf(&["localhost"]), clients.leaf(&["client"]));
    let dir = tempfile::tempdir().unwrap();
    // One file for both, as some tools write it.
    let path = dir.path().join("client.pem");
    std::fs::write(&path, format!("{}{}{}", pair.pem(), clients.pem(), pair.key_pem())).unwrap();
    let file = path.to_str().unwrap().to_owned();
    let client = ClientCertificate { chain_file: file.clone(), key_file: file, ..ClientCertificate::default() };
    let serving = Server { clients: Some((clients.roots(), Need::Certificate)), ..server(&leaf) };
    assert_eq!(connect(&TlsOptions { client, ..trusting(&ca) }, "localhost", &serving).seen().client_certificates, 2);
}

#[test]
fn a_least_version_is_kept() {
    let ca = authority("given");
    let leaf = ca.leaf(&["localhost"]);
    let least = TlsOptions { min_version: TlsVersion::Tls13, ..trusting(&ca) };
    let old = Server { versions: &[&TLS12], ..server(&leaf) };
    connect(&trusting(&ca), "localhost", &old).seen();
    connect(&least, "localhost", &server(&leaf)).seen();
    assert_tls(&connect(&least, "localhost", &old).refused(), Detail::None, "min_tls: the server speaks no TLS");
}

#[test]
fn alpn_offers_what_was_asked_for() {
    let ca = authority("given");
    let leaf = ca.leaf(&["localhost"]);
    let identity = identity(&trusting(&ca));
    let with =
        |version, alpn| exchange(&*identity.secure(version), "localhost", Server { alpn, ..server(&leaf) }.config());
    for (version, alpn, http2) in [
        (HttpVersion::Auto, &["h2", "http/1.1"][..], true),
        (HttpVersion::Auto, &["http/1.1"], false),
        (HttpVersion::Auto, &[], false),
        (HttpVersion::Http1, &["h2", "http/1.1"], false),
        (HttpVersion::Http2, &["h2", "http/1.1"], true),
    ] {
        assert_eq!(with(version, alpn).seen().facts.http2, http2, "{version:?} {alpn:?}");
    }
    let refused = with(HttpVersion::Http2, &[]).refused();
    assert_tls(&refused, Detail::None, "http_version: the server does not speak HTTP/2");
    let refused = with(HttpVersion::Http2, &["http/1.1"]).refused();
    assert_tls(&refused, Detail::None, "http_version: the server ");
}

#[test]
fn a_second_handshake_is_resumed_for_all_who_share_the_identity() {
    let ca = authority("given");
    let leaf = ca.leaf(&["localhost"]);
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let serving = Server { versions, ..server(&leaf) }.config();
        let identity = identity(&TlsOptions { pins: [leaf.pin()].into(), ..trusting(&ca) });
        let resumed = |version| {
            let outcome = exchange(&*identity.secure(version), "localhost", serving.clone());
            outcome.seen().facts.resumed
        };
        assert!(!resumed(HttpVersion::Auto));
        assert!(resumed(HttpVersion::Auto));
        assert!(resumed(HttpVersion::Http1), "one store of tickets for all ALPN offers");
    }
}

#[test]
fn tickets_are_not_shared_between_identities() {
    let ca = authority("given");
    let leaf = ca.leaf(&["localhost"]);
    let serving = server(&leaf).config();
    let (strict, open) = (identity(&trusting(&ca)), identity(&anybody()));
    let resumed = |identity: &Arc<aipool::transport::TlsIdentity>| {
        exchange(&*identity.secure(HttpVersion::Auto), "localhost", serving.clone()).seen().facts.resumed
    };
    assert!(!resumed(&open));
    assert!(!resumed(&strict), "a ticket of who trusts anybody would skip verification");
    assert!(resumed(&open) && resumed(&strict));
}

#[test]
fn a_proxy_gets_the_trust_alone() {
    let (ca, clients) = (authority("given"), authority("clients"));
    let leaf = ca.leaf(&["proxy.example"]);
    let options = TlsOptions { server_name: "inner.example".to_owned(), ..pinned(trusting(&ca), &[[7; 32]]) };
    let identity = identity(&with_certificate(options, &clients.leaf(&["client"])));
    let serving = Server { clients: Some((clients.roots(), Need::Nothing)), ..server(&leaf) };
    let seen = exchange(&*identity.secure_proxy(), "proxy.example", serving.config()).seen();
    assert_eq!((seen.sni.as_deref(), seen.alpn, seen.client_certificates), (Some("proxy.example"), None, 0));
    let untrusted = authority("unknown").leaf(&["proxy.example"]);
    let refused = exchange(&*identity.secure_proxy(), "proxy.example", server(&untrusted).config()).refused();
    assert_tls(&refused, Detail::UntrustedIssuer, "issuer");
}

#[test]
fn secrets_are_logged_where_the_user_said() {
    let ca = authority("given");
    let leaf = ca.leaf(&["localhost"]);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    std::fs::write(&file, "# earlier\n").unwrap();
    let options = TlsOptions { key_log_file: file.to_str().unwrap().to_owned(), ..trusting(&ca) };
    connect(&options, "localhost", &server(&leaf)).seen();
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("# earlier"));
    let labels: Vec<_> = lines.map(label).collect();
    assert!(labels.contains(&"CLIENT_TRAFFIC_SECRET_0") && labels.contains(&"SERVER_TRAFFIC_SECRET_0"), "{labels:?}");
}

fn label(line: &str) -> &str {
    let words: Vec<_> = line.split(' ').collect();
    let [label, random, secret] = words[..] else { panic!("no line of three words: {line}") };
    let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(random.len() == 64 && secret.len() >= 64 && is_hex(random) && is_hex(secret), "{line}");
    label
}

#[test]
fn a_connection_that_breaks_is_no_fault_of_tls() {
    let identity = identity(&anybody());
    let secure = identity.secure(HttpVersion::Auto);
    let broken = exchange_with_bytes(&*secure, b"").unwrap_err();
    assert_eq!((broken.status, broken.phase, broken.delivery), (Status::Connect, Phase::Tls, Delivery::NotSent));
    assert!(broken.retryable && broken.message.starts_with("tls: the connection broke"), "{broken}");
    let plain = exchange_with_bytes(&*secure, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap_err();
    assert_tls(&plain, Detail::None, "does not speak TLS");
}

#[test]
fn a_handshake_before_prepare_is_an_error() {
    let identity = aipool::transport::TlsIdentity::of(&only(&authority("fresh"))).unwrap();
    let error = exchange_with_bytes(&*identity.secure(HttpVersion::Auto), b"").unwrap_err();
    assert!(error.message.contains("not prepared"), "{error}");
}
