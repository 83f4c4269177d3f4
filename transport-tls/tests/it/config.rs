//! Certificates and keys of the client, good and bad.

use std::fs;
use std::path::PathBuf;

use testkit::machine::TempDir;
use transport_tls::{ConfigError, Connector, Identity, Options, Origin, Roots, Source};

use crate::server::{certificates, options};

#[track_caller]
fn fails(options: &Options) -> (ConfigError, String) {
    let error = Connector::new(options).unwrap_err();
    let sentence = error.to_string();
    (error, sentence)
}

fn with_roots(source: Source) -> Options {
    Options {
        roots: Roots::Only(vec![source]),
        ..Options::default()
    }
}

fn with_identity(certificate: Source, key: Source) -> Options {
    Options {
        identity: Some(Identity { certificate, key }),
        ..options()
    }
}

fn pem(text: &str) -> Source {
    Source::Pem(text.as_bytes().to_vec())
}

#[test]
fn files() {
    let dir = TempDir::new();
    certificates().write(&dir);
    let file = |name: &str| dir.path().join(name);
    let source = |name: &str| Source::File(file(name));

    Connector::new(&Options {
        roots: Roots::Only(vec![source("ca.crt"), source("other_ca.crt")]),
        identity: Some(Identity {
            certificate: source("client.crt"),
            key: source("client.key"),
        }),
        ..Options::default()
    })
    .unwrap();

    let (error, sentence) = fails(&with_roots(source("missing.crt")));
    assert!(matches!(&error, ConfigError::File { path, .. } if *path == file("missing.crt")));
    assert!(sentence.starts_with(&format!("cannot read {}: ", file("missing.crt").display())));

    let (error, sentence) = fails(&with_roots(source("ca.key")));
    assert!(matches!(
        &error,
        ConfigError::NoCertificate(Origin::File(path)) if *path == file("ca.key")
    ));
    assert_eq!(
        sentence,
        format!(
            "there is no PEM certificate in {}",
            file("ca.key").display()
        )
    );

    let (error, _) = fails(&with_identity(source("client.crt"), source("client.crt")));
    assert!(
        matches!(&error, ConfigError::NoKey(Origin::File(path)) if *path == file("client.crt"))
    );

    let (error, sentence) = fails(&with_identity(source("client.crt"), source("server.key")));
    assert!(matches!(&error, ConfigError::KeyMismatch { .. }));
    assert_eq!(
        sentence,
        format!(
            "the private key in {} does not belong to the certificate in {}",
            file("server.key").display(),
            file("client.crt").display()
        )
    );

    let cut = fs::read_to_string(file("ca.crt")).unwrap();
    let path = PathBuf::from(dir.write("cut.crt", &cut.as_bytes()[..cut.len() / 2]));
    let (error, sentence) = fails(&with_roots(Source::File(path.clone())));
    assert!(
        matches!(&error, ConfigError::Malformed(Origin::File(of), _) if *of == path),
        "{sentence}"
    );
}

#[test]
fn der() {
    let certificates = certificates();
    let options = Options {
        roots: Roots::Only(vec![Source::Der(certificates.ca.certificate_der.clone())]),
        identity: Some(Identity {
            certificate: Source::Der(certificates.client.certificate_der.clone()),
            key: Source::Der(certificates.client.key_der.clone()),
        }),
        ..Options::default()
    };
    Connector::new(&options).unwrap();
    let text = format!("{options:?}");
    assert!(text.contains("Der("), "{text}");

    let (error, sentence) = fails(&with_roots(Source::Der(b"no certificate".to_vec())));
    assert!(matches!(
        error,
        ConfigError::Malformed(Origin::Memory(_), _)
    ));
    assert!(
        sentence.starts_with("what was given as the authority's certificate is damaged: "),
        "{sentence}"
    );

    let (error, _) = fails(&with_identity(
        Source::Der(certificates.client.certificate_der.clone()),
        Source::Der(b"no key".to_vec()),
    ));
    assert!(matches!(
        error,
        ConfigError::Malformed(Origin::Memory(_), _)
    ));
    let (error, _) = fails(&with_identity(
        Source::Der(b"no certificate".to_vec()),
        Source::Der(certificates.client.key_der.clone()),
    ));
    assert!(matches!(
        error,
        ConfigError::Malformed(Origin::Memory(_), _)
    ));
}

/// The three kinds of unencrypted keys, made by openssl for the same certificate.
#[test]
fn keys_of_all_kinds() {
    for (certificate, keys) in [
        (EC_CERTIFICATE, &[EC_PKCS8, EC_SEC1][..]),
        (RSA_CERTIFICATE, &[RSA_PKCS8, RSA_PKCS1]),
    ] {
        for key in keys {
            Connector::new(&with_identity(pem(certificate), pem(key))).unwrap();
        }
    }
    // One file for both.
    let both = format!("{EC_CERTIFICATE}{EC_SEC1}");
    Connector::new(&with_identity(pem(&both), pem(&both))).unwrap();
}

#[test]
fn encrypted_keys_are_told() {
    for key in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
         DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n",
    ] {
        let (error, sentence) = fails(&with_identity(pem(EC_CERTIFICATE), pem(key)));
        assert!(matches!(error, ConfigError::EncryptedKey(_)), "{sentence}");
        assert_eq!(
            sentence,
            "the private key in what was given as the client's private key is encrypted; \
             decrypt it first (openssl pkey)"
        );
    }
}

#[test]
fn no_authority_at_all() {
    let connector = Connector::new(&Options {
        roots: Roots::Only(Vec::new()),
        ..Options::default()
    });
    // Nobody will be trusted; but nothing is wrong with that.
    connector.unwrap();
}

const EC_CERTIFICATE: &str = include_str!("keys/ec.crt");
const EC_PKCS8: &str = include_str!("keys/ec-pkcs8.key");
const EC_SEC1: &str = include_str!("keys/ec-sec1.key");
const RSA_CERTIFICATE: &str = include_str!("keys/rsa.crt");
const RSA_PKCS8: &str = include_str!("keys/rsa-pkcs8.key");
const RSA_PKCS1: &str = include_str!("keys/rsa-pkcs1.key");
