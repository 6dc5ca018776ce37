//! Files read again, and identities shared.

use std::fs;
use std::sync::Arc;

use aipool::config::{HttpVersion, KeyBytes, TlsOptions, Trust};
use aipool::error::{Detail, Status};
use aipool::transport::TlsIdentity;
use aipool::transport::tls::ReloadRound;

use crate::certificates::authority;
use crate::server::{exchange, identity, server};
use crate::{trusting, with_certificate};

#[test]
fn a_reload_takes_the_files_as_they_are_now() {
    let (old, new) = (authority("old"), authority("new"));
    let (old_server, new_server) = (old.leaf(&["localhost"]), new.leaf(&["localhost"]));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    fs::write(&file, old.pem()).unwrap();
    let ca_file = file.to_str().unwrap().to_owned();
    let identity = identity(&TlsOptions { ca_file, trust: Trust::GivenOnly, ..TlsOptions::default() });
    // Made before the reload: whoever holds one goes on with the new files.
    let secure = identity.secure(HttpVersion::Auto);
    let (old_server, new_server) = (server(&old_server).config(), server(&new_server).config());
    exchange(&*secure, "localhost", old_server.clone()).seen();

    fs::write(&file, new.pem()).unwrap();
    let untrusted = exchange(&*secure, "localhost", new_server.clone()).refused();
    assert_eq!((untrusted.detail, identity.generation()), (Detail::UntrustedIssuer, 0));
    identity.reload().unwrap();
    assert_eq!(identity.generation(), 1);
    exchange(&*secure, "localhost", new_server.clone()).seen();
    let untrusted = exchange(&*secure, "localhost", old_server).refused();
    assert_eq!(untrusted.detail, Detail::UntrustedIssuer, "no ticket of before the reload counts");

    for broken in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        fs::write(&file, broken).unwrap();
        let error = identity.reload().unwrap_err();
        assert_eq!((error.status, identity.generation()), (Status::InvalidArgument, 1));
        assert!(error.message.starts_with("ca_file: "), "{error}");
    }
    fs::remove_file(&file).unwrap();
    let error = identity.reload().unwrap_err();
    assert!(error.status == Status::System && error.os_error != 0 && error.message.starts_with("ca_file: "), "{error}");
    exchange(&*secure, "localhost", new_server).seen();
}

#[test]
fn a_round_of_reloads_serves_given_only_and_added_roots() {
    let ca = authority("given");
    let leaf = ca.leaf(&["localhost"]);
    let round = ReloadRound::default();
    for options in [trusting(&ca), TlsOptions { ca_bytes: ca.der().to_vec().into(), ..TlsOptions::default() }] {
        let identity = identity(&options);
        identity.put_in_force(identity.read_again(&round).unwrap());
        exchange(&*identity.secure(HttpVersion::Auto), "localhost", server(&leaf).config()).seen();
        assert_eq!(identity.generation(), 1);
    }
}

#[test]
fn a_reload_before_the_first_use_counts() {
    let identity = TlsIdentity::of(&trusting(&authority("unused"))).unwrap();
    identity.reload().unwrap();
    assert_eq!(identity.generation(), 1);
    identity.prepare().unwrap();
}

#[test]
fn the_same_options_are_the_same_identity_while_one_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let (file, client) = (dir.path().join("ca.pem"), authority("clients").leaf(&["client"]));
    fs::write(&file, authority("given").pem()).unwrap();
    let ca_file = file.to_str().unwrap().to_owned();
    let options = || {
        let options = with_certificate(TlsOptions { ca_file: ca_file.clone(), ..TlsOptions::default() }, &client);
        assert!(options.client.key_bytes != KeyBytes::default());
        options
    };
    let first = TlsIdentity::of(&options()).unwrap();
    // Gone, so that a second reading would fail.
    fs::remove_file(&file).unwrap();
    assert!(Arc::ptr_eq(&first, &TlsIdentity::of(&options()).unwrap()));
    drop(first);
    assert!(TlsIdentity::of(&options()).is_err(), "nobody holds the identity, so its file is read again");
}

#[test]
fn different_options_are_different_identities() {
    let ca = authority("given");
    let base = trusting(&ca);
    let first = TlsIdentity::of(&base).unwrap();
    let other_key = with_certificate(base.clone(), &ca.leaf(&["client"]));
    for other in [TlsOptions { trust: Trust::GivenOnly, ..base }, other_key] {
        assert!(!Arc::ptr_eq(&first, &TlsIdentity::of(&other).unwrap()));
    }
}

#[test]
fn many_threads_get_one_identity() {
    let options = trusting(&authority("given"));
    let all: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| TlsIdentity::of(&options).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|one| Arc::ptr_eq(one, &all[0])));
}
