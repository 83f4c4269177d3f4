use std::error::Error as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};

use mqtt_client::net::{Error, Options, Step};
use mqtt_client::uri::Endpoint;
use testkit::Certificates;
use transport_tls::rustls::crypto::ring::default_provider;
use transport_tls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use transport_tls::rustls::server::WebPkiClientVerifier;
use transport_tls::rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};
use transport_tls::{Connector, Roots, Source, TlsError};

use super::{GREETING, SHORT, Server, WAYS, converse, fails, silence};

static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(Certificates::new);

fn ca() -> CertificateDer<'static> {
    CERTIFICATES.ca.certificate_der.clone().into()
}

/// Trusts the servers here.
pub(super) fn options() -> Options {
    let tls = transport_tls::Options {
        roots: Roots::Only(vec![Source::Der(ca().to_vec())]),
        ..Default::default()
    };
    Options {
        tls: Some(Connector::new(&tls).unwrap()),
        ..Options::default()
    }
}

/// What a server needs to know, and whether it wants to see a client's certificate.
fn config(is_mutual: bool) -> ServerConfig {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if is_mutual {
        let mut roots = RootCertStore::empty();
        roots.add(ca()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let server = &CERTIFICATES.server;
    let certificate = server.certificate_der.clone().into();
    let key = PrivatePkcs8KeyDer::from(server.key_der.clone()).into();
    builder.with_single_cert(vec![certificate], key).unwrap()
}

/// Serves over TLS, after the handshake or the failure of it.
pub(super) fn over_tls(
    is_mutual: bool,
    serve: impl Fn(&mut Stream<'_, ServerConnection, TcpStream>) + Send + 'static,
) -> impl Fn(&mut TcpStream) + Send + 'static {
    let config = Arc::new(config(is_mutual));
    move |stream| {
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(stream).is_err() {
                return silence(stream);
            }
        }
        serve(&mut Stream::new(&mut connection, stream));
    }
}

fn at(port: u16) -> Endpoint {
    format!("mqtts://localhost:{port}").parse().unwrap()
}

#[test]
fn bytes_go_both_ways() {
    let server = Server::start(
        3 * WAYS.len(),
        over_tls(false, |stream| {
            stream.write_all(GREETING).unwrap();
            converse(stream);
        }),
    );
    for uri in [
        format!("mqtts://localhost:{}", server.port),
        format!("mqtts://127.0.0.1:{}", server.port),
        format!("ssl://LOCALHOST:{}/topic", server.port),
    ] {
        for way in WAYS {
            way(&uri.parse().unwrap(), &options()).unwrap();
        }
    }
    server.join();
}

#[test]
fn strangers() {
    // The system does not know this authority, if it knows any.
    let server = Server::start(WAYS.len(), over_tls(false, |_| {}));
    let mut error = fails(&at(server.port), &Options::default());
    if let Error::TlsConfig(_) = error {
        for _ in WAYS {
            TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        }
    } else {
        assert!(
            matches!(error, Error::Tls(TlsError::Certificate(_))),
            "{error}"
        );
        let text = "is not signed by a known authority";
        assert!(error.to_string().contains(text), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.source().is_some());
    }
    server.join();

    // One who does not speak TLS at all, and one who says nothing more.
    let server = Server::start(WAYS.len(), |stream| {
        stream.write_all(b"\x20\x02\x00\x00 what is this?").unwrap();
        silence(stream);
    });
    error = fails(&at(server.port), &options());
    assert!(matches!(error, Error::Tls(TlsError::NotTls)), "{error}");
    server.join();

    let server = Server::start(WAYS.len(), |stream| {
        stream.read_exact(&mut [0; 50]).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        silence(stream);
    });
    error = fails(&at(server.port), &options());
    assert!(
        matches!(error, Error::Tls(TlsError::ClosedInHandshake)),
        "{error}"
    );
    server.join();
}

#[test]
fn silent_servers() {
    let server = Server::start(WAYS.len(), silence);
    let options = Options {
        timeout: SHORT,
        ..options()
    };
    let error = fails(&at(server.port), &options);
    assert!(matches!(error, Error::TimedOut(Step::Tls)), "{error}");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(
        error.to_string(),
        "the server did not answer in time, in the TLS handshake"
    );
    server.join();
}
