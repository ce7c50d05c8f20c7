//! Every way to say who we are, tried on a server that wants just that; and a wrong one.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_bus::link::{Auth, Link, Secret};
use resus_bus::nats::NatsError;
use resus_bus::nats::probe::{JetStream, ServerFacts, probe};
use resus_tests::{NatsOptions, NatsServer, Version};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An NKey of a user that exists for this test only: the seed and its public key.
const SEED: &str = "SUAJZOVMHPO5FG3SIXKH6JRD22RP7ZBYPJUIIYZBYW5SIN5XLGQXANI6WM";
const PUBLIC: &str = "UDA5P7B2CAEAKLXOQU2JFA352JV3OAYI4VEABKAB37JYZ5FEMOGT2J4V";
/// Another one.
const OTHER_SEED: &str = "SUACK22CWJPWKMHLCJQQKIF3WA3VLFEN7LNBZJPWTGODG75PL3UCH46DZI";

fn server(config: &str) -> NatsServer {
    NatsServer::start(Version::Newest, NatsOptions { config: config.to_owned(), ..NatsOptions::default() })
}

fn link(server: &NatsServer, auth: Auth) -> Link {
    Link { auth, ..Link::parse(&server.url()).unwrap() }
}

fn user(user: &str, password: &str) -> Auth {
    Auth::UserPassword { user: user.to_owned(), password: Secret::new(password) }
}

/// The right one is let in; the wrong ones are refused by that very name, and nothing tells
/// what they were.
async fn lets_in(server: &NatsServer, right: Auth, wrong: &[Auth]) -> ServerFacts {
    for auth in wrong {
        let error = probe(&link(server, auth.clone())).await.unwrap_err();
        assert!(matches!(error, NatsError::Refused { .. }), "{auth:?}: {error:?}");
        assert!(!format!("{error}{error:?}").contains("s3cret"), "{error:?}");
    }
    probe(&link(server, right)).await.unwrap()
}

#[tokio::test]
async fn a_server_without_locks_says_so_and_what_it_has() {
    let facts = probe(&link(&server(""), Auth::None)).await.unwrap();
    assert!(!facts.auth_required && !facts.tls_required && facts.is_new_enough());
    assert_eq!((facts.jetstream, facts.max_payload), (JetStream::Off, 1 << 20));
    for (version, level, enough) in
        [(Version::Newest, 5, true), (Version::V2_11, 1, true), (Version::V2_9, 0, false)]
    {
        let server = NatsServer::start(version, NatsOptions { jetstream: true, ..NatsOptions::default() });
        let facts = probe(&link(&server, Auth::None)).await.unwrap();
        assert_eq!(facts.version, version.number());
        assert_eq!(facts.jetstream, JetStream::Ready { api_level: level });
        assert_eq!(facts.is_new_enough(), enough);
    }
}

#[tokio::test]
async fn an_account_without_streams_is_told_from_a_server_without() {
    let server = NatsServer::start(
        Version::Newest,
        NatsOptions {
            jetstream: true,
            config: "accounts { A { users: [ { user: a, password: s3cret } ] } }\n".to_owned(),
        },
    );
    let facts = probe(&link(&server, user("a", "s3cret"))).await.unwrap();
    assert!(matches!(facts.jetstream, JetStream::Refused { .. }), "{facts:?}");
}

#[tokio::test]
async fn a_user_needs_the_password() {
    let server = server("authorization { users: [ { user: ann, password: \"s3cret\" } ] }\n");
    let wrong =
        [user("ann", "s3cret2"), user("bob", "s3cret"), Auth::None, Auth::Token(Secret::new("s3cret"))];
    assert!(lets_in(&server, user("ann", "s3cret"), &wrong).await.auth_required);
}

#[tokio::test]
async fn a_token_is_enough_where_one_is_wanted() {
    let server = server("authorization { token: \"s3cret\" }\n");
    let wrong = [Auth::Token(Secret::new("s3cret2")), Auth::None];
    let _in = lets_in(&server, Auth::Token(Secret::new("s3cret")), &wrong).await;
}

#[tokio::test]
async fn an_nkey_signs_what_the_server_asks() {
    let server = server(&format!("authorization {{ users: [ {{ nkey: {PUBLIC} }} ] }}\n"));
    let wrong = [Auth::NKey(Secret::new(OTHER_SEED)), Auth::None];
    let _in = lets_in(&server, Auth::NKey(Secret::new(format!("{SEED}\n"))), &wrong).await;
    let error = probe(&link(&server, Auth::NKey(Secret::new("s3cret")))).await.unwrap_err();
    assert!(!format!("{error}{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn credentials_are_believed_if_the_operator_s_account_signed_them() {
    let server = server(include_str!("../testdata/operator.conf"));
    let credentials = |text: &str| Auth::Credentials(Secret::new(text));
    let wrong = [credentials(include_str!("../testdata/stranger.creds")), Auth::None];
    let _in = lets_in(&server, credentials(include_str!("../testdata/user.creds")), &wrong).await;
    let error = probe(&link(&server, credentials("s3cret"))).await.unwrap_err();
    assert!(matches!(error, NatsError::Unusable { .. }), "{error:?}");
    assert!(!format!("{error}{error:?}").contains("s3cret"));
}

#[tokio::test]
async fn revoked_credentials_are_refused_and_new_ones_work() {
    let config = |password: &str| {
        format!("authorization {{ users: [ {{ user: ann, password: \"{password}\" }} ] }}\n")
    };
    let mut server = server(&config("s3cret"));
    let _in = lets_in(&server, user("ann", "s3cret"), &[]).await;
    server.reload(&config("new"));
    let _in = lets_in(&server, user("ann", "new"), &[user("ann", "s3cret")]).await;
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, line: &str) {
    let words = line.split_whitespace();
    let output = Command::new("openssl").args(words).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("openssl is needed for this test: {error}"));
    assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority `NAME.pem` of its own.
fn authority(folder: &Path, name: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem"
        ),
    );
}

/// A certificate `NAME.pem` with `NAME.key` from the authority `by`.
fn certificate(folder: &Path, name: &str, by: &str, extensions: &str) -> (PathBuf, PathBuf) {
    std::fs::write(folder.join(format!("{name}.ext")), extensions).unwrap();
    openssl(
        folder,
        &format!(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
        ),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -days 2 -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -extfile {name}.ext -out {name}.pem"
        ),
    );
    (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")))
}

#[tokio::test]
async fn certificates_are_checked_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    authority(folder.path(), "ca");
    authority(folder.path(), "other");
    certificate(folder.path(), "server", "ca", "subjectAltName=IP:127.0.0.1\n");
    let ours = certificate(folder.path(), "client", "ca", "extendedKeyUsage=clientAuth\n");
    let theirs = certificate(folder.path(), "stranger", "other", "extendedKeyUsage=clientAuth\n");
    let folder_name = folder.path().display();
    let server = server(&format!(
        "tls {{ cert_file: \"{folder_name}/server.pem\", key_file: \"{folder_name}/server.key\", \
         ca_file: \"{folder_name}/ca.pem\", verify: true }}\n"
    ));
    let with = |ca: &str, client: Option<(PathBuf, PathBuf)>| {
        let mut link = link(&server, Auth::None);
        link.tls.required = true;
        link.tls.ca = Some(at(ca));
        link.tls.client = client;
        link
    };
    let facts = probe(&with("ca.pem", Some(ours.clone()))).await.unwrap();
    assert!(facts.tls_required);
    for (what, link) in [
        ("a server of an authority that we do not trust", with("other.pem", Some(ours))),
        ("a certificate that the server does not trust", with("ca.pem", Some(theirs))),
        ("no certificate", with("ca.pem", None)),
    ] {
        let error = probe(&link).await.expect_err(what);
        assert!(!matches!(error, NatsError::Failed(_)), "{what}: {error:?}");
    }
}
