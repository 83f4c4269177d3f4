//! Whom the client trusts, on threads; what it says of those whom it does not.

use std::io::{ErrorKind, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

use embedded_io::{Read, Write};
use testkit::Identity;
use transport_tcp::TcpStream;
use transport_tls::blocking::TlsStream;
use transport_tls::rustls::{AlertDescription, SupportedProtocolVersion};
use transport_tls::{
    CertificateProblem, Connector, Error, Options, Pin, Roots, TlsError, Verification,
};

use crate::PATIENCE;
use crate::server::{Setup, TLS_1_2, TLS_1_3, certificates, identity, options, source};
use crate::streams::Fussy;

type Result = core::result::Result<TlsStream<TcpStream>, Error<std::io::Error>>;

pub(crate) fn tcp(address: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect_to(&[address], &transport_tcp::Options::default()).unwrap();
    tcp.set_deadline(Some(Instant::now() + PATIENCE));
    tcp
}

fn connect(options: &Options, host: &str, setup: &Setup) -> Result {
    let (address, _) = setup.echo();
    Connector::new(options).unwrap().connect(host, tcp(address))
}

#[track_caller]
fn echoes(stream: &mut TlsStream<TcpStream>) {
    stream.write_all(b"ping").unwrap();
    stream.flush().unwrap();
    let mut buf = [0; 4];
    stream.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"ping");
}

#[track_caller]
fn tls_error<T: core::fmt::Debug>(
    result: core::result::Result<T, Error<std::io::Error>>,
) -> TlsError {
    match result.unwrap_err() {
        Error::Tls(error) => error,
        error => panic!("{error}"),
    }
}

/// The problem, and the sentence.
#[track_caller]
fn problem(
    options: &Options,
    host: &str,
    identity: &'static Identity,
) -> (CertificateProblem, String) {
    let setup = Setup {
        identity,
        ..Setup::default()
    };
    let error = tls_error(connect(options, host, &setup));
    let sentence = error.to_string();
    match error {
        TlsError::Certificate(error) => (error.problem, sentence),
        error => panic!("{error}"),
    }
}

#[test]
fn names_and_addresses_of_the_certificate() {
    for versions in [&TLS_1_2, &TLS_1_3] {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "127.0.0.1",
            "::1",
            "[::1]",
        ] {
            let setup = Setup {
                versions,
                ..Setup::default()
            };
            let mut stream = connect(&options(), host, &setup).unwrap();
            assert_eq!(
                stream.connection().protocol_version(),
                Some(versions[0].version)
            );
            echoes(&mut stream);
        }
    }
}

#[test]
fn unknown_authority() {
    let other = Options {
        roots: Roots::Only(vec![source(&certificates().other_ca)]),
        ..Options::default()
    };
    let (problem, sentence) = problem(&other, "localhost", &certificates().server);
    assert!(matches!(problem, CertificateProblem::UnknownIssuer));
    assert_eq!(
        sentence,
        "the server's certificate (subject CN=localhost, issuer CN=test-ca) is not signed by a \
         known authority"
    );
}

#[test]
fn expired() {
    let (problem, sentence) = problem(&options(), "localhost", &certificates().expired);
    assert!(matches!(
        problem,
        CertificateProblem::Expired { not_after: Some(_) }
    ));
    assert_eq!(
        sentence,
        "the server's certificate (subject CN=localhost, issuer CN=test-ca) has expired on \
         2020-01-01"
    );
}

#[test]
fn not_yet_valid() {
    let (problem, sentence) = problem(&options(), "localhost", &certificates().not_yet_valid);
    assert!(matches!(
        problem,
        CertificateProblem::NotYetValid {
            not_before: Some(_)
        }
    ));
    assert_eq!(
        sentence,
        "the server's certificate (subject CN=localhost, issuer CN=test-ca) is not valid yet, it \
         begins on 2999-01-01"
    );
}

#[test]
fn wrong_host() {
    let (problem, sentence) = problem(&options(), "localhost", &certificates().wrong_host);
    assert!(matches!(problem, CertificateProblem::WrongHost { .. }));
    assert_eq!(
        sentence,
        "the server's certificate (subject CN=wronghost.invalid, issuer CN=test-ca) is not valid \
         for host 'localhost', only for wronghost.invalid"
    );

    for (host, shown) in [("192.0.2.1", "192.0.2.1"), ("[2001:db8::1]", "2001:db8::1")] {
        let error = tls_error(connect(&options(), host, &Setup::default()));
        assert!(
            error.to_string().ends_with(&format!(
                "is not valid for host '{shown}', only for localhost, 127.0.0.1, ::1, \
                 broker.test, 10.89.0.1"
            )),
            "{error}"
        );
    }
}

/// A certificate for clients is none for servers.
#[test]
fn wrong_purpose() {
    let (problem, sentence) = problem(&options(), "client-a", &certificates().client);
    assert!(
        matches!(problem, CertificateProblem::Other(_)),
        "{sentence}"
    );
    assert!(sentence.contains("is not acceptable"), "{sentence}");
}

#[test]
fn invalid_name() {
    let error = tls_error(connect(&options(), "no name", &Setup::default()));
    assert!(matches!(error, TlsError::InvalidName(_)));
    assert_eq!(
        error.to_string(),
        r#""no name" is neither a host name nor an IP address"#
    );
}

fn mutual(
    version: &'static [&'static SupportedProtocolVersion],
    client: Option<&Identity>,
    trusted: &'static Identity,
) -> core::result::Result<(), Error<std::io::Error>> {
    let setup = Setup {
        clients: Some(trusted),
        versions: version,
        ..Setup::default()
    };
    let options = Options {
        identity: client.map(identity),
        ..options()
    };
    let mut stream = connect(&options, "localhost", &setup)?;
    // With TLS 1.3 the handshake is over before the server has seen the client's certificate.
    stream.write_all(b"ping")?;
    stream.flush()?;
    let mut buf = [0; 4];
    match stream.read(&mut buf)? {
        0 => panic!("ended"),
        _ => Ok(()),
    }
}

#[test]
fn client_certificates() {
    let certificates = certificates();
    for version in [&TLS_1_2, &TLS_1_3] {
        mutual(version, Some(&certificates.client), &certificates.ca).unwrap();

        let error = tls_error(mutual(version, None, &certificates.ca));
        assert!(
            matches!(error, TlsError::ClientCertificateRequired),
            "{error}"
        );
        assert_eq!(error.to_string(), "the server demands a client certificate");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);

        let error = tls_error(mutual(
            version,
            Some(&certificates.client),
            &certificates.other_ca,
        ));
        assert!(
            matches!(
                error,
                TlsError::ClientCertificateRefused(AlertDescription::UnknownCA)
            ),
            "{error}"
        );
        assert_eq!(
            error.to_string(),
            "the server refuses the client certificate: it does not know the authority that \
             signed it"
        );
    }
}

/// A server that closes the connection after its alert may be found closed by a write first.
#[test]
fn reason_counts_more_than_a_broken_connection() {
    let (address, _server) = Setup {
        clients: Some(&certificates().ca),
        versions: &TLS_1_3,
        ..Setup::default()
    }
    .echo();
    let mut stream = Connector::new(&options())
        .unwrap()
        .connect("localhost", Fussy::new(tcp(address)))
        .unwrap();
    stream.get_mut().is_broken = true;
    stream.write_all(b"ping").unwrap();
    for _ in 0..2 {
        let error = tls_error(stream.flush().and_then(|()| stream.write(b"x")));
        assert!(
            matches!(error, TlsError::ClientCertificateRequired),
            "{error}"
        );
        stream.get_mut().is_broken = false;
    }

    // Without a reason, the error is the stream's.
    let (address, server) = Setup::default().serve(|mut stream| {
        stream.write_all(b"ping").unwrap();
        stream.flush().unwrap();
    });
    let mut stream = Connector::new(&options())
        .unwrap()
        .connect("localhost", Fussy::new(tcp(address)))
        .unwrap();
    server.join().unwrap();
    stream.get_mut().is_broken = true;
    stream.write_all(b"ping").unwrap();
    match stream.flush().unwrap_err() {
        Error::Stream(error) => assert_eq!(error.kind(), ErrorKind::BrokenPipe),
        error => panic!("{error}"),
    }
    // What has arrived is still there.
    let mut buf = [0; 4];
    stream.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"ping");
}

#[test]
fn pins() {
    let certificates = certificates();
    let right = Pin::of_certificate(&certificates.server.certificate_der).unwrap();
    let wrong = Pin::of_certificate(&certificates.ca.certificate_der).unwrap();
    let with = |pins: &[Pin]| Options {
        pins: pins.to_vec(),
        ..options()
    };
    echoes(&mut connect(&with(&[right]), "localhost", &Setup::default()).unwrap());
    echoes(&mut connect(&with(&[wrong, right]), "localhost", &Setup::default()).unwrap());

    // An authority above the server is not what is pinned.
    let (found, sentence) = problem(&with(&[wrong]), "localhost", &certificates.server);
    assert!(matches!(found, CertificateProblem::NotPinned { found } if found == right));
    assert_eq!(
        sentence,
        format!(
            "the server's certificate (subject CN=localhost, issuer CN=test-ca) has a public key \
             that is not pinned: {right}"
        )
    );

    // A pin makes no other check superfluous.
    let expired = Pin::of_certificate(&certificates.expired.certificate_der).unwrap();
    let (found, _) = problem(&with(&[expired]), "localhost", &certificates.expired);
    assert!(matches!(found, CertificateProblem::Expired { .. }));
}

#[test]
fn skipping_the_host_name() {
    let options = Options {
        verification: Verification::DangerouslySkipHostName,
        ..options()
    };
    let setup = Setup {
        identity: &certificates().wrong_host,
        ..Setup::default()
    };
    echoes(&mut connect(&options, "localhost", &setup).unwrap());
    let (found, _) = problem(&options, "localhost", &certificates().expired);
    assert!(matches!(found, CertificateProblem::Expired { .. }));
}

#[test]
fn skipping_verification() {
    let certificates = certificates();
    let skip = Options {
        verification: Verification::DangerouslySkipAll,
        roots: Roots::Only(Vec::new()),
        ..Options::default()
    };
    for identity in [
        &certificates.server,
        &certificates.wrong_host,
        &certificates.expired,
        &certificates.not_yet_valid,
        &certificates.other_ca,
    ] {
        let setup = Setup {
            identity,
            ..Setup::default()
        };
        echoes(&mut connect(&skip, "localhost", &setup).unwrap());

        // Pins go on.
        let pin = Pin::of_certificate(&identity.certificate_der).unwrap();
        let pinned = Options {
            pins: vec![pin],
            ..skip.clone()
        };
        echoes(&mut connect(&pinned, "localhost", &setup).unwrap());
        let (found, _) = problem(&pinned, "localhost", &certificates.ca);
        assert!(matches!(found, CertificateProblem::NotPinned { .. }));
    }
}

#[test]
fn several_authorities() {
    let certificates = certificates();
    let options = Options {
        roots: Roots::Only(vec![
            source(&certificates.other_ca),
            source(&certificates.ca),
        ]),
        ..Options::default()
    };
    echoes(&mut connect(&options, "localhost", &Setup::default()).unwrap());
}

/// Which is ring's, unless told otherwise.
#[cfg(feature = "aws-lc-rs")]
#[test]
fn other_cryptography() {
    use std::sync::Arc;
    use transport_tls::rustls::crypto::aws_lc_rs;

    let options = Options {
        provider: Some(Arc::new(aws_lc_rs::default_provider())),
        identity: Some(identity(&certificates().client)),
        ..options()
    };
    let setup = Setup {
        clients: Some(&certificates().ca),
        ..Setup::default()
    };
    echoes(&mut connect(&options, "localhost", &setup).unwrap());
}
