//! The stream on tokio.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ::tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use ::tokio::net::TcpStream;
use ::tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use transport_tls::tokio::TlsStream;
use transport_tls::{CertificateProblem, Connector, Error, Options, Roots, TlsError};

use crate::server::{
    OpenSsl, Setup, TLS_1_2, TLS_1_3, answers, certificates, identity, options, plain, source,
};
use crate::{PATIENCE, pattern};

async fn connect(
    options: &Options,
    address: SocketAddr,
) -> Result<TlsStream<TcpStream>, Error<io::Error>> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = Connector::new(options).unwrap();
    soon(connector.connect_tokio("localhost", tcp)).await
}

/// Fails a test that would hang otherwise.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("hangs")
}

/// Polls `future` once and drops it.
fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[track_caller]
fn tls_error<T: core::fmt::Debug>(result: Result<T, Error<io::Error>>) -> TlsError {
    match result.unwrap_err() {
        Error::Tls(error) => error,
        error => panic!("{error}"),
    }
}

/// The TLS error within one of the standard library.
#[track_caller]
fn inner<T: core::fmt::Debug>(result: io::Result<T>) -> TlsError {
    let error = result.unwrap_err();
    let inner = error.get_ref().and_then(|error| error.downcast_ref());
    let inner: &TlsError = inner.unwrap_or_else(|| panic!("{error:?}"));
    assert_eq!(error.kind(), inner.kind());
    assert_eq!(error.to_string(), inner.to_string());
    inner.clone()
}

#[tokio::test]
async fn echoes() {
    for versions in [&TLS_1_2, &TLS_1_3] {
        let (address, server) = Setup {
            versions,
            ..Setup::default()
        }
        .echo();
        let mut stream = connect(&options(), address).await.unwrap();
        assert_eq!(
            stream.connection().protocol_version(),
            Some(versions[0].version)
        );
        assert_eq!(stream.get_ref().peer_addr().unwrap(), address);
        stream.write_all(b"ping").await.unwrap();
        stream.flush().await.unwrap();
        let mut buf = [0; 4];
        soon(stream.read_exact(&mut buf)).await.unwrap();
        assert_eq!(&buf, b"ping");
        stream.shutdown().await.unwrap();
        assert_eq!(soon(stream.read(&mut buf)).await.unwrap(), 0);
        server.join().unwrap().unwrap();
    }
}

#[tokio::test]
async fn distrust_is_told() {
    let other = Options {
        roots: Roots::Only(vec![source(&certificates().other_ca)]),
        ..Options::default()
    };
    let (address, _) = Setup::default().echo();
    let error = tls_error(connect(&other, address).await);
    assert_eq!(
        error.to_string(),
        "the server's certificate (subject CN=localhost, issuer CN=test-ca) is not signed by a \
         known authority"
    );

    let (address, _) = Setup {
        identity: &certificates().expired,
        ..Setup::default()
    }
    .echo();
    match tls_error(connect(&options(), address).await) {
        TlsError::Certificate(error) => {
            assert!(matches!(error.problem, CertificateProblem::Expired { .. }));
        }
        error => panic!("{error}"),
    }
}

#[tokio::test]
async fn client_certificates() {
    let certificates = certificates();
    for versions in [&TLS_1_2, &TLS_1_3] {
        let outcome = async |client, trusted| {
            let (address, _) = Setup {
                clients: Some(trusted),
                versions,
                ..Setup::default()
            }
            .echo();
            let options = Options {
                identity: client,
                ..options()
            };
            let mut stream = match connect(&options, address).await {
                Ok(stream) => stream,
                Err(error) => return Err(error.into()),
            };
            stream.write_all(b"ping").await?;
            stream.flush().await?;
            soon(stream.read_exact(&mut [0; 4])).await
        };
        outcome(Some(identity(&certificates.client)), &certificates.ca)
            .await
            .unwrap();
        let error = inner(outcome(None, &certificates.ca).await);
        assert!(
            matches!(error, TlsError::ClientCertificateRequired),
            "{error}"
        );
        let error =
            inner(outcome(Some(identity(&certificates.client)), &certificates.other_ca).await);
        assert!(
            matches!(error, TlsError::ClientCertificateRefused(_)),
            "{error}"
        );
    }
}

#[tokio::test]
async fn servers_that_do_not_speak_tls() {
    let (address, _) = answers(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = tls_error(connect(&options(), address).await);
    assert!(matches!(error, TlsError::NotTls), "{error}");

    let (address, _) = answers(b"");
    let error = tls_error(connect(&options(), address).await);
    assert!(matches!(error, TlsError::ClosedInHandshake), "{error}");

    let tcp = TcpStream::connect(plain(|_| ()).0).await.unwrap();
    let connector = Connector::new(&options()).unwrap();
    let error = tls_error(connector.connect_tokio("no name", tcp).await);
    assert!(matches!(error, TlsError::InvalidName(_)), "{error}");
}

#[tokio::test]
async fn silent_server_costs_as_much_time_as_one_gives_it() {
    let (tell, wait) = mpsc::channel::<()>();
    let (address, _server) = plain(move |_tcp| wait.recv());
    let tcp = TcpStream::connect(address).await.unwrap();
    let connector = Connector::new(&options()).unwrap();
    let connecting = connector.connect_tokio("localhost", tcp);
    assert!(
        timeout(Duration::from_millis(20), connecting)
            .await
            .is_err()
    );
    drop(tell);
}

#[tokio::test]
async fn cut_connection_is_no_end() {
    let (address, _server) = Setup::default().serve(|mut stream| {
        stream.write_all(b"bye").unwrap();
        stream.flush().unwrap();
        stream.sock.shutdown(Shutdown::Write).unwrap();
        stream
    });
    let mut stream = connect(&options(), address).await.unwrap();
    let mut buf = [0; 8];
    assert_eq!(soon(stream.read(&mut buf)).await.unwrap(), 3);
    for _ in 0..2 {
        let error = inner(soon(stream.read(&mut buf)).await);
        assert!(matches!(error, TlsError::Truncated), "{error}");
    }
}

/// Who only reads answers as well.
#[tokio::test]
async fn reads_send_their_answers() {
    let Some(mut server) = OpenSsl::start(&[]) else {
        return;
    };
    let mut stream = connect(&options(), server.address).await.unwrap();
    server.renegotiate();
    // To openssl the refusal is the end; so it has arrived.
    let mut buf = [0; 8];
    let result = soon(stream.read(&mut buf)).await;
    assert!(!matches!(result, Ok(n) if n > 0), "{result:?}");
}

#[tokio::test]
async fn handshake_failure_for_want_of_a_certificate() {
    let Some(server) = OpenSsl::start(&["-Verify", "1", "-CAfile", "ca.crt"]) else {
        return;
    };
    let error = tls_error(connect(&options(), server.address).await);
    assert!(
        matches!(error, TlsError::ClientCertificateRequired),
        "{error}"
    );
}

/// A client and a server that are the ends of a pipe of a few bytes.
async fn pair(
    size: usize,
) -> (
    TlsStream<DuplexStream>,
    tokio_rustls::server::TlsStream<DuplexStream>,
) {
    let (near, far) = duplex(size);
    let mut config = Setup::default().config();
    // Which would wait in the pipe until the client reads.
    config.send_tls13_tickets = 0;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let connector = Connector::new(&options()).unwrap();
    let (client, server) = soon(async {
        ::tokio::join!(
            connector.connect_tokio("localhost", near),
            acceptor.accept(far)
        )
    })
    .await;
    (client.unwrap(), server.unwrap())
}

/// Each future is dropped after one poll, over and over, and nothing is lost.
#[tokio::test]
async fn dropped_futures_lose_nothing() {
    // Less than six bytes, and a handshake would stall: both ends first write.
    for size in [6, 7, 100, 5000] {
        let (mut client, server) = pair(size).await;
        let data = pattern(20_000);
        let echo = ::tokio::spawn(async move {
            let (mut reader, mut writer) = ::tokio::io::split(server);
            let mut buf = vec![0; 333];
            loop {
                let n = reader.read(&mut buf).await.unwrap();
                if n == 0 {
                    writer.shutdown().await.unwrap();
                    return;
                }
                writer.write_all(&buf[..n]).await.unwrap();
                writer.flush().await.unwrap();
            }
        });
        let (mut sent, mut received, mut dropped) = (0, Vec::new(), 0);
        let mut buf = [0; 100];
        soon(async {
            while received.len() < data.len() {
                if sent < data.len() {
                    match poll_once(client.write(&data[sent..data.len().min(sent + 500)])) {
                        Poll::Ready(n) => sent += n.unwrap(),
                        Poll::Pending => dropped += 1,
                    }
                }
                match poll_once(client.flush()) {
                    Poll::Ready(result) => result.unwrap(),
                    Poll::Pending => dropped += 1,
                }
                match poll_once(client.read(&mut buf)) {
                    Poll::Ready(Ok(0)) => panic!("ended"),
                    Poll::Ready(n) => received.extend_from_slice(&buf[..n.unwrap()]),
                    Poll::Pending => dropped += 1,
                }
                ::tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(received == data);
        assert!(dropped > 0);
        soon(client.shutdown()).await.unwrap();
        assert_eq!(soon(client.read(&mut buf)).await.unwrap(), 0);
        soon(echo).await.unwrap();
    }
}

#[tokio::test]
async fn both_directions_full() {
    let (client, server) = pair(1000).await;
    let data = pattern(4 << 20);
    let (mut far_reader, mut far_writer) = ::tokio::io::split(server);
    let (mut reader, mut writer) = ::tokio::io::split(client);
    let (mut there, mut here) = (vec![0; data.len()], vec![0; data.len()]);
    soon(async {
        let results = ::tokio::join!(
            async {
                writer.write_all(&data).await?;
                writer.flush().await
            },
            async {
                far_writer.write_all(&data).await?;
                far_writer.flush().await
            },
            reader.read_exact(&mut here),
            far_reader.read_exact(&mut there),
        );
        results.0.unwrap();
        results.1.unwrap();
        results.2.unwrap();
        results.3.unwrap();
    })
    .await;
    assert!(here == data && there == data);
}

#[tokio::test]
async fn broken_connection_is_explained() {
    let (address, _server) = Setup {
        clients: Some(&certificates().ca),
        versions: &TLS_1_3,
        ..Setup::default()
    }
    .serve(|mut stream| {
        let _ = stream.read(&mut [0; 8]);
        let _ = stream.conn.write_tls(&mut stream.sock);
        let _ = stream.sock.shutdown(Shutdown::Both);
        stream
    });
    let mut stream = connect(&options(), address).await.unwrap();
    let error = soon(async {
        loop {
            if let Err(error) = stream.write_all(b"ping").await {
                break error;
            }
            if let Err(error) = stream.flush().await {
                break error;
            }
            ::tokio::task::yield_now().await;
        }
    })
    .await;
    let error = inner::<()>(Err(error));
    assert!(
        matches!(error, TlsError::ClientCertificateRequired),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

/// The futures can be spawned on a runtime with several threads.
#[test]
fn futures_are_send() {
    fn check<T: Send>(_: T) {}

    check(async {
        let mut stream = connect(&options(), ([127, 0, 0, 1], 1).into())
            .await
            .unwrap();
        stream.write_all(b"ping").await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
    });
}
