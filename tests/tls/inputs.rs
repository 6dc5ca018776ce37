//! What the user gives: kinds of keys, and mistakes that are named.

use aipool::config::{ClientCertificate, ConnectionConfig, KeyBytes, TlsOptions, TlsVersion, Trust};
use aipool::error::{Error, Status};
use aipool::transport::TlsIdentity;
use aipool::transport::reqwest::Transport;

use crate::certificates::authority;
use crate::{trusting, with_certificate};

const RSA: &str = include_str!("keys/rsa.pem");
const EC: &str = include_str!("keys/ec.pem");
const RSA_PKCS1: &str = include_str!("keys/rsa_pkcs1.key");
const RSA_PKCS8: &str = include_str!("keys/rsa_pkcs8.key");
const EC_SEC1: &str = include_str!("keys/ec_sec1.key");
const ENCRYPTED_PKCS8: &str = include_str!("keys/encrypted_pkcs8.key");
const ENCRYPTED_PKCS1: &str = include_str!("keys/encrypted_pkcs1.key");
const EMPTY_SECTION: &str = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";

fn client(chain: &str, key: &str) -> TlsOptions {
    let client = ClientCertificate {
        chain_bytes: chain.as_bytes().into(),
        key_bytes: KeyBytes::new(key.into()),
        ..ClientCertificate::default()
    };
    TlsOptions { client, ..TlsOptions::default() }
}

fn refused(options: &TlsOptions) -> Error {
    TlsIdentity::of(options).expect_err("bad options")
}

#[test]
fn keys_in_all_three_forms_are_read() {
    for (chain, key) in [(RSA, RSA_PKCS1), (RSA, RSA_PKCS8), (EC, EC_SEC1)] {
        TlsIdentity::of(&client(chain, key)).unwrap();
    }
}

#[test]
fn a_bad_client_certificate_names_its_field() {
    for (chain, key, message) in [
        (RSA, EC_SEC1, "client_key_bytes: is not the key of the first certificate in client_cert_bytes"),
        (RSA, ENCRYPTED_PKCS8, "client_key_bytes: is encrypted"),
        (RSA, ENCRYPTED_PKCS1, "client_key_bytes: is encrypted"),
        (RSA, RSA, "client_key_bytes: holds no private key"),
        (RSA, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", "client_key_bytes: is no RSA"),
        (RSA, "", "client_key_file: is missing"),
        ("", RSA_PKCS1, "client_cert_file: is missing"),
        (RSA_PKCS1, RSA_PKCS1, "client_cert_bytes: holds no X.509 certificate"),
        (EMPTY_SECTION, RSA_PKCS1, "client_cert_bytes: holds no X.509 certificate"),
        ("-----BEGIN CERTIFICATE-----\nabc", RSA_PKCS1, "client_cert_bytes: is broken PEM"),
    ] {
        let error = refused(&client(chain, key));
        assert_eq!(error.status, Status::InvalidArgument);
        assert!(error.message.starts_with(message), "{error} for {message}");
    }
}

#[test]
fn a_bad_file_names_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let directory = dir.path().to_str().unwrap().to_owned();
    let missing = dir.path().join("missing/file").to_str().unwrap().to_owned();
    for file in [directory, missing] {
        let named = |client: ClientCertificate| TlsOptions { client, ..TlsOptions::default() };
        let good = client(RSA, RSA_PKCS1).client;
        let no_chain = ClientCertificate { chain_file: file.clone(), chain_bytes: [].into(), ..good.clone() };
        let no_key = ClientCertificate { key_file: file.clone(), key_bytes: KeyBytes::default(), ..good };
        for (options, field) in [
            (TlsOptions { ca_file: file.clone(), ..TlsOptions::default() }, "ca_file: "),
            (TlsOptions { key_log_file: file.clone(), ..TlsOptions::default() }, "key_log_file: "),
            (named(no_chain), "client_cert_file: "),
            (named(no_key), "client_key_file: "),
        ] {
            let error = refused(&options);
            assert!(error.message.starts_with(field) && error.message.contains(&file), "{error}");
            let unusable = if error.os_error == 0 { Status::InvalidArgument } else { Status::System };
            assert_eq!(error.status, unusable, "{error}");
        }
    }
}

#[test]
fn options_that_contradict_each_other_name_their_field() {
    let twice = |client| TlsOptions { client, ..TlsOptions::default() };
    let both = client(RSA, RSA_PKCS1).client;
    for (options, message) in [
        (TlsOptions { trust: Trust::GivenOnly, ..TlsOptions::default() }, "ca_file: none is given, yet only"),
        (TlsOptions { server_name: "no name".to_owned(), ..TlsOptions::default() }, "server_name: no name is no host"),
        (TlsOptions { ca_bytes: b"neither".to_vec().into(), ..TlsOptions::default() }, "ca_bytes: holds no X.509"),
        (twice(ClientCertificate { chain_file: "x".into(), ..both.clone() }), "client_cert_bytes: is given beside"),
        (twice(ClientCertificate { key_file: "x".into(), ..both }), "client_key_bytes: is given beside"),
    ] {
        let error = refused(&options);
        assert_eq!(error.status, Status::InvalidArgument);
        assert!(error.message.starts_with(message), "{error}");
    }
}

#[test]
fn no_key_is_ever_shown() {
    let secret = RSA_PKCS1.lines().nth(1).unwrap();
    let fits = client(RSA, RSA_PKCS1);
    let identity = TlsIdentity::of(&fits).unwrap();
    let broken = format!("-----BEGIN PRIVATE KEY-----\n{secret}!\n-----END PRIVATE KEY-----\n");
    let unended = format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----BEGIN {secret}");
    let mut shown = format!("{fits:?} {identity:?} {:?}", fits.client.key_bytes);
    for bad in [client(EC, RSA_PKCS1), client(RSA, &broken), client(RSA, &unended)] {
        let error = refused(&bad);
        shown.extend([error.to_string(), format!("{error:?}")]);
    }
    assert!(!shown.contains(&secret[..16]), "{shown}");
    let numbers = format!("{:?}", &secret.as_bytes()[..8]);
    assert!(!shown.contains(numbers.trim_matches(['[', ']'])), "{shown}");
}

#[test]
fn what_reqwest_does_not_offer_is_named() {
    let offered = |tls| Transport::new(ConnectionConfig { tls, ..ConnectionConfig::default() });
    let ca = authority("given");
    let with = with_certificate(TlsOptions::default(), &ca.leaf(&["client"]));
    for (options, name) in [
        (trusting(&ca), None),
        (TlsOptions { trust: Trust::Anybody, ..TlsOptions::default() }, Some("trust")),
        (with, Some("client_cert_bytes")),
        (TlsOptions { server_name: "x".to_owned(), ..TlsOptions::default() }, Some("server_name")),
        (TlsOptions { pins: [[7; 32]].into(), ..TlsOptions::default() }, Some("pins")),
        (TlsOptions { min_version: TlsVersion::Tls13, ..TlsOptions::default() }, Some("min_tls")),
        (TlsOptions { key_log_file: "x".to_owned(), ..TlsOptions::default() }, Some("key_log_file")),
    ] {
        let refused = offered(options).err();
        assert_eq!(refused.as_ref().map(|error| error.message.split_once(": ").unwrap().0), name);
        assert!(refused.is_none_or(|error| error.status == Status::Unsupported));
    }
}
