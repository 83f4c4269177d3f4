//! The stream on threads: what it does when all is well, when time runs out, and when the server
//! misbehaves.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use embedded_io::{Error as _, Read, Write};
use transport_tls::rustls::version::TLS12;
use transport_tls::rustls::{self, AlertDescription, ClientConfig};
use transport_tls::{Connector, Error, Options, TlsError};

use crate::certificates::tcp;
use crate::server::{OpenSsl, Setup, TLS_1_2, TLS_1_3, answers, options, plain};
use crate::streams::Fussy;
use crate::{PATIENCE, pattern};

fn connector() -> Connector {
    Connector::new(&options()).unwrap()
}

/// Sends what `stream` has to send, whatever its moods.
fn flush<S: Write>(stream: &mut S) {
    while let Err(error) = stream.flush() {
        assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut, "{error}");
    }
}

#[test]
fn plain_servers() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x20\x03\x00\x84\x00",
        b"\x20\x02\x00\x01",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
    ] {
        let (address, server) = answers(answer);
        let error = connector().connect("localhost", tcp(address)).unwrap_err();
        assert!(matches!(error, Error::Tls(TlsError::NotTls)), "{error}");
        assert_eq!(
            error.to_string(),
            "the server does not speak TLS (is this a plain port?)"
        );
        assert_eq!(error.kind(), embedded_io::ErrorKind::InvalidData);
        server.join().unwrap();
    }
}

#[test]
fn server_that_ends_at_once() {
    // What mosquitto's plain port does.
    let (address, server) = answers(b"");
    let error = connector().connect("localhost", tcp(address)).unwrap_err();
    assert!(
        matches!(error, Error::Tls(TlsError::ClosedInHandshake)),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "the server ended the connection during the TLS handshake (is this a plain port?)"
    );
    server.join().unwrap();
}

#[test]
fn no_version_in_common() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let old = Connector::from_config(Arc::new(config));
    let (address, _) = Setup {
        versions: &TLS_1_3,
        ..Setup::default()
    }
    .echo();
    let error = old.connect("localhost", tcp(address)).unwrap_err();
    assert!(
        matches!(error, Error::Tls(TlsError::Incompatible(_))),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "the server speaks no TLS version that the client does"
    );

    // A server of long ago, that says: ServerHello, TLS 1.0, AES-128-CBC-SHA.
    let (address, _) = answers(
        b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01\
          0123456789abcdef0123456789abcdef\x00\x00\x2f\x00",
    );
    let error = connector().connect("localhost", tcp(address)).unwrap_err();
    assert!(
        matches!(error, Error::Tls(TlsError::Incompatible(_))),
        "{error}"
    );
}

#[test]
fn alerts_are_told() {
    let (address, _) = answers(b"\x15\x03\x03\x00\x02\x02\x70");
    let error = connector().connect("localhost", tcp(address)).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Tls(TlsError::Alert(AlertDescription::UnrecognisedName))
        ),
        "{error}"
    );
    assert_eq!(
        error.to_string(),
        "the server ended the TLS connection: alert unrecognised name"
    );

    let (address, _) = answers(b"\x15\x03\x03\x00\x02\x02\x28");
    let error = connector().connect("localhost", tcp(address)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "server and client have no TLS version or cipher suite in common"
    );
}

#[test]
fn application_protocols() {
    let with = |alpn: &[&[u8]]| Options {
        alpn: alpn.iter().map(|name| name.to_vec()).collect(),
        ..options()
    };
    let setup = Setup {
        alpn: vec![b"mqtt".to_vec(), b"http/1.1".to_vec()],
        ..Setup::default()
    };
    for (offered, chosen) in [
        (&[&b"mqtt"[..]][..], Some(&b"mqtt"[..])),
        (&[b"x", b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let (address, _) = setup.echo();
        let stream = Connector::new(&with(offered))
            .unwrap()
            .connect("localhost", tcp(address))
            .unwrap();
        assert_eq!(stream.connection().alpn_protocol(), chosen);
    }

    let (address, _) = setup.echo();
    let error = Connector::new(&with(&[b"x"]))
        .unwrap()
        .connect("localhost", tcp(address))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server has none of the application protocols asked for (ALPN)"
    );
}

#[test]
fn server_name_is_told_if_wanted() {
    for (sni, host, told) in [
        (true, "localhost", Some("localhost")),
        (true, "localhost.", Some("localhost")),
        (true, "127.0.0.1", None),
        (false, "localhost", None),
    ] {
        let (address, server) = Setup::default().serve(|mut stream| {
            stream.conn.complete_io(&mut stream.sock).unwrap();
            stream.conn.server_name().map(str::to_owned)
        });
        let options = Options { sni, ..options() };
        let _stream = Connector::new(&options)
            .unwrap()
            .connect(host, tcp(address))
            .unwrap();
        assert_eq!(server.join().unwrap().as_deref(), told);
    }
}

#[test]
fn silent_server_runs_into_the_deadline() {
    let (tell, wait) = mpsc::channel();
    let (address, server) = plain(move |tcp| {
        wait.recv().unwrap();
        drop(tcp);
    });
    let mut tcp = tcp(address);
    tcp.set_deadline(Some(Instant::now() + Duration::from_millis(50)));
    let start = Instant::now();
    let error = connector().connect("localhost", tcp).unwrap_err();
    assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut);
    assert!(matches!(error, Error::Stream(_)));
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert!(start.elapsed() < PATIENCE);
    tell.send(()).unwrap();
    server.join().unwrap();
}

#[test]
fn end_of_the_stream() {
    for versions in [&TLS_1_2, &TLS_1_3] {
        let setup = || Setup {
            versions,
            ..Setup::default()
        };
        // An orderly end.
        let (address, server) = setup().serve(|mut stream| {
            stream.write_all(b"bye").unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).map(|_| rest)
        });
        let mut stream = connector().connect("localhost", tcp(address)).unwrap();
        let mut buf = [0; 8];
        assert_eq!(stream.read(&mut buf).unwrap(), 3);
        for _ in 0..2 {
            assert_eq!(stream.read(&mut buf).unwrap(), 0);
        }
        // This end may go on, and ends by itself.
        stream.write_all(b"more").unwrap();
        stream.close().unwrap();
        stream.close().unwrap();
        let error = stream.write(b"x").unwrap_err();
        assert!(matches!(error, Error::Tls(TlsError::Closed)), "{error}");
        assert_eq!(server.join().unwrap().unwrap(), b"more");

        // The connection is cut.
        let (address, server) = setup().serve(|mut stream| {
            stream.write_all(b"bye").unwrap();
            stream.flush().unwrap();
            stream.sock.shutdown(Shutdown::Write).unwrap();
            // An end that is not announced is no end to the server either.
            stream.read(&mut [0; 8]).unwrap_err().kind()
        });
        let mut stream = connector().connect("localhost", tcp(address)).unwrap();
        assert_eq!(stream.read(&mut buf).unwrap(), 3);
        for _ in 0..2 {
            let error = stream.read(&mut buf).unwrap_err();
            assert!(matches!(error, Error::Tls(TlsError::Truncated)), "{error}");
            assert_eq!(
                error.to_string(),
                "the connection ended without TLS's end of stream (close_notify)"
            );
        }
        drop(stream);
        assert_eq!(server.join().unwrap(), ErrorKind::UnexpectedEof);
    }
}

#[test]
fn closed_for_writing_reads_on() {
    let (address, server) = Setup::default().serve(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    let mut stream = connector().connect("localhost", tcp(address)).unwrap();
    stream.write_all(b"ping").unwrap();
    stream.close().unwrap();
    let mut buf = [0; 8];
    assert_eq!(stream.read(&mut buf).unwrap(), 4);
    assert_eq!(stream.read(&mut buf).unwrap(), 0);
    server.join().unwrap();
}

#[test]
fn garbage_after_the_handshake() {
    let (address, _server) = Setup::default().serve(|mut stream| {
        stream.conn.complete_io(&mut stream.sock).unwrap();
        stream.sock.write_all(&[0x17; 100]).unwrap();
        stream
    });
    let mut stream = connector().connect("localhost", tcp(address)).unwrap();
    for _ in 0..2 {
        let error = stream.read(&mut [0; 8]).unwrap_err();
        assert!(matches!(error, Error::Tls(TlsError::Other(_))), "{error}");
    }
    let error = stream.write(b"x").unwrap_err();
    assert!(matches!(error, Error::Tls(TlsError::Other(_))), "{error}");
}

#[test]
fn empty_buffers_do_not_wait() {
    let (address, _server) = Setup::default().echo();
    let mut stream = connector().connect("localhost", tcp(address)).unwrap();
    assert_eq!(stream.read(&mut []).unwrap(), 0);
    assert_eq!(stream.write(&[]).unwrap(), 0);
}

/// Every call below moves one byte or times out, and nothing is lost.
#[test]
fn time_outs_lose_nothing() {
    for versions in [&TLS_1_2, &TLS_1_3] {
        let (address, server) = Setup {
            versions,
            ..Setup::default()
        }
        .echo();
        let below = Fussy::new(tcp(address));
        let mut stream = connector().connect("localhost", below).unwrap();
        // Only now, since a time-out ends a handshake.
        stream.get_ref().is_fussy.set(true);
        let data = pattern(100_000);
        let (mut sent, mut received) = (0, Vec::new());
        let mut buf = [0; 1000];
        while received.len() < data.len() {
            if sent < data.len() {
                match stream.write(&data[sent..data.len().min(sent + 777)]) {
                    Ok(n) => sent += n,
                    Err(error) => assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut),
                }
            }
            if let Err(error) = stream.flush() {
                assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut);
                continue;
            }
            match stream.read(&mut buf) {
                Ok(0) => panic!("ended"),
                Ok(n) => received.extend_from_slice(&buf[..n]),
                Err(error) => assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut),
            }
        }
        assert!(received == data);
        while let Err(error) = stream.close() {
            assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut);
        }
        loop {
            match stream.read(&mut buf) {
                Ok(n) => break assert_eq!(n, 0),
                Err(error) => assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut),
            }
        }
        assert!(stream.get_ref().timeouts > 1000);
        server.join().unwrap().unwrap();
    }
}

/// A stalled write takes what there is room for, keeps it, and lets reads go on.
#[test]
fn both_directions_full() {
    let data = pattern(8 << 20);
    let expected = data.clone();
    let (address, server) = Setup::default().serve(move |mut stream| {
        // It does not read before all is written.
        stream.write_all(&expected).unwrap();
        stream.flush().unwrap();
        let mut received = vec![0; expected.len()];
        stream.read_exact(&mut received).unwrap();
        received == expected
    });
    let mut stream = connector().connect("localhost", tcp(address)).unwrap();
    let (mut sent, mut received) = (0, Vec::new());
    let mut buf = vec![0; 65_536];
    let mut stalled = 0;
    let begin = Instant::now();
    while sent < data.len() || received.len() < data.len() {
        assert!(begin.elapsed() < 2 * PATIENCE);
        let soon = Instant::now() + Duration::from_millis(5);
        stream.get_mut().set_deadline(Some(soon));
        if sent < data.len() {
            match stream.write(&data[sent..]) {
                Ok(n) => sent += n,
                Err(error) => {
                    assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut);
                    stalled += 1;
                }
            }
        }
        if received.len() < data.len() {
            match stream.read(&mut buf) {
                Ok(n) => received.extend_from_slice(&buf[..n]),
                Err(error) => assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut),
            }
        }
    }
    assert!(received == data);
    assert!(stalled > 0);
    stream.get_mut().set_deadline(None);
    flush(&mut stream);
    assert!(server.join().unwrap());
}

/// The server may change its key, and ask for a new one, at any time.
#[test]
fn new_keys() {
    let (address, server) = Setup {
        versions: &TLS_1_3,
        ..Setup::default()
    }
    .serve(move |mut stream| {
        stream.conn.complete_io(&mut stream.sock).unwrap();
        let mut buf = [0; 4];
        for _ in 0..10 {
            stream.conn.refresh_traffic_keys().unwrap();
            stream.write_all(b"ping").unwrap();
            stream.flush().unwrap();
            stream.read_exact(&mut buf).unwrap();
        }
        buf
    });
    let mut stream = connector().connect("localhost", tcp(address)).unwrap();
    for _ in 0..10 {
        let mut buf = [0; 8];
        assert_eq!(stream.read(&mut buf).unwrap(), 4);
        stream.write_all(b"pong").unwrap();
        stream.flush().unwrap();
    }
    assert_eq!(&server.join().unwrap(), b"pong");
}

/// A renegotiation has to be refused: the read says so, does not write by itself, and says so once.
#[test]
fn answers_are_left_to_a_flush() {
    let Some(mut server) = OpenSsl::start(&[]) else {
        return;
    };
    let mut stream = connector()
        .connect("localhost", tcp(server.address))
        .unwrap();
    server.renegotiate();
    let mut buf = [0; 8];
    let error = stream.read(&mut buf).unwrap_err();
    assert!(matches!(error, Error::Flush), "{error}");
    assert_eq!(error.kind(), embedded_io::ErrorKind::Interrupted);

    // Who cannot flush now reads on.
    stream
        .get_mut()
        .set_deadline(Some(Instant::now() + Duration::from_millis(20)));
    let error = stream.read(&mut buf).unwrap_err();
    assert_eq!(error.kind(), embedded_io::ErrorKind::TimedOut);
    stream
        .get_mut()
        .set_deadline(Some(Instant::now() + PATIENCE));
    stream.flush().unwrap();
    // Which is the end for openssl.
    assert!(!matches!(stream.read(&mut buf), Err(Error::Flush)));
}

/// What most servers of TLS 1.2 say without a client certificate is "handshake failure". It is
/// understood, since nothing else can fail so late.
#[test]
fn handshake_failure_for_want_of_a_certificate() {
    let Some(server) = OpenSsl::start(&["-Verify", "1", "-CAfile", "ca.crt"]) else {
        return;
    };
    let error = connector()
        .connect("localhost", tcp(server.address))
        .unwrap_err();
    assert!(
        matches!(error, Error::Tls(TlsError::ClientCertificateRequired)),
        "{error}"
    );
}

/// Each connection may be used on another thread than it was made on.
#[test]
fn streams_are_send() {
    fn check<T: Send + 'static>(value: T) -> T {
        value
    }
    let (address, _server) = Setup::default().echo();
    let connector = check(connector());
    let stream = connector
        .clone()
        .connect("localhost", tcp(address))
        .unwrap();
    let stream = check(stream);
    thread::spawn(move || drop((stream, connector)))
        .join()
        .unwrap();
    check(io::Error::from(Error::Tls(TlsError::Truncated)));
}
