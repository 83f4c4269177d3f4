//! The stream without a heap, here on tokio.

use core::cell::Cell;
use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ::tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use ::tokio::time::timeout;
use embedded_io_async::{Read, Write};
use rand_core::OsRng;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use testkit::Identity;
use tokio_rustls::TlsAcceptor;
use transport_tcp::tokio::TcpStream;
use transport_tls::Pin;
use transport_tls::embedded::{self, Config, Error, Link};
use transport_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::{Setup, TLS_1_2, TLS_1_3, answers, certificates, plain};
use crate::streams::{Fussy, Half};
use crate::{PATIENCE, pattern};

/// What an ordinary server needs.
const READ: usize = 16_640;
const WRITE: usize = 4096;

/// Fails a test that would hang otherwise.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("hangs")
}

/// Polls `future` at most `n` times, with time for others in between, and drops it.
async fn poll_times<T>(future: impl Future<Output = T>, n: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..n {
        match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(value) => return Some(value),
            Poll::Pending => ::tokio::task::yield_now().await,
        }
    }
    None
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

/// Connects, sends four bytes, and has them back.
async fn echo(config: &Config<'_>, address: SocketAddr) -> Result<(), Error> {
    let mut tcp = TcpStream::connect_to(&[address], &transport_tcp::Options::default())
        .await
        .unwrap();
    let (reader, writer) = tcp.split();
    let (mut read_buffer, mut write_buffer) = ([0; READ], [0; WRITE]);
    let mut link = Link::new(reader, writer, &mut read_buffer, &mut write_buffer);
    soon(async {
        let mut stream = link.connect(config, OsRng).await?;
        let (mut reader, mut writer) = stream.split();
        writer.write_all(b"ping").await?;
        writer.flush().await?;
        let mut buf = [0; 4];
        let mut n = 0;
        while n < buf.len() {
            match reader.read(&mut buf[n..]).await? {
                0 => panic!("ended"),
                more => n += more,
            }
        }
        assert_eq!(&buf, b"ping");
        stream.close().await
    })
    .await
}

async fn outcome(config: &Config<'_>, identity: &'static Identity) -> Result<(), Error> {
    let (address, _) = Setup {
        identity,
        ..Setup::default()
    }
    .echo();
    echo(config, address).await
}

macro_rules! assert_error {
    ($result:expr, $pattern:pat $(if $guard:expr)?) => {
        match $result {
            Err($pattern) $(if $guard)? => {}
            other => panic!("{other:?}"),
        }
    };
}

#[tokio::test]
async fn names_and_addresses_of_the_certificate() {
    let certificates = certificates();
    let authorities: &[&[u8]] = &[
        &certificates.other_ca.certificate_der,
        &certificates.ca.certificate_der,
    ];
    for host in [
        "localhost",
        "LocalHost",
        "localhost.",
        "127.0.0.1",
        "::1",
        "[::1]",
    ] {
        for time in [None, Some(now())] {
            let config = Config {
                time,
                ..Config::new(host, authorities)
            };
            outcome(&config, &certificates.server).await.unwrap();
        }
    }
    for host in ["", "a b", "[localhost]", "[::1"] {
        let config = Config::new(host, authorities);
        assert_error!(
            outcome(&config, &certificates.server).await,
            Error::InvalidName
        );
    }
}

#[tokio::test]
async fn distrust_is_told() {
    let certificates = certificates();
    let authorities: &[&[u8]] = &[&certificates.ca.certificate_der];
    let other: &[&[u8]] = &[&certificates.other_ca.certificate_der];
    let config = Config::new("localhost", authorities);
    let on_time = Config {
        time: Some(now()),
        ..config
    };

    let distrusting = Config::new("localhost", other);
    assert_error!(
        outcome(&distrusting, &certificates.server).await,
        Error::UnknownIssuer
    );
    let nobody = Config::new("localhost", &[]);
    assert_error!(
        outcome(&nobody, &certificates.server).await,
        Error::UnknownIssuer
    );
    assert_error!(
        outcome(&config, &certificates.wrong_host).await,
        Error::WrongHost
    );
    let elsewhere = Config::new("192.0.2.1", authorities);
    assert_error!(
        outcome(&elsewhere, &certificates.server).await,
        Error::WrongHost
    );
    assert_error!(
        outcome(&on_time, &certificates.expired).await,
        Error::Expired {
            not_after: 1_577_836_800
        }
    );
    assert_error!(
        outcome(&on_time, &certificates.not_yet_valid).await,
        Error::NotYetValid { .. }
    );
    // Without a clock there is no telling.
    outcome(&config, &certificates.expired).await.unwrap();
    outcome(&config, &certificates.not_yet_valid).await.unwrap();

    // A certificate for clients is none for servers.
    let client = Config::new("client-a", authorities);
    assert_error!(
        outcome(&client, &certificates.client).await,
        Error::Certificate(_)
    );

    let damaged: &[&[u8]] = &[b"no certificate"];
    let damaged = Config::new("localhost", damaged);
    assert_error!(
        outcome(&damaged, &certificates.server).await,
        Error::InvalidAuthority
    );
}

/// Whoever has a certificate of the authority's, for a device perhaps, is no authority by that.
#[tokio::test]
async fn certificate_that_is_no_authority() {
    let params = |names: &[&str], is_ca| {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.is_ca = is_ca;
        params
    };
    for (is_ca, is_trusted) in [
        (IsCa::Ca(BasicConstraints::Unconstrained), true),
        (IsCa::ExplicitNoCa, false),
        (IsCa::NoCa, false),
    ] {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca = params(&[], IsCa::Ca(BasicConstraints::Unconstrained));
        ca.distinguished_name
            .push(rcgen::DnType::CommonName, "the authority");
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let ca = Issuer::new(ca, ca_key);

        let device_key = KeyPair::generate().unwrap();
        let mut device = params(&[], is_ca);
        device
            .distinguished_name
            .push(rcgen::DnType::CommonName, "a device");
        let device_certificate = device.signed_by(&device_key, &ca).unwrap();
        let device = Issuer::new(device, device_key);

        let key = KeyPair::generate().unwrap();
        let forged = params(&["localhost"], IsCa::ExplicitNoCa)
            .signed_by(&key, &device)
            .unwrap();
        let mut config = Setup::default().config();
        let chain = vec![
            CertificateDer::from(forged.der().to_vec()),
            CertificateDer::from(device_certificate.der().to_vec()),
        ];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        config.cert_resolver = Arc::new(transport_tls::rustls::sign::SingleCertAndKey::from(
            transport_tls::rustls::sign::CertifiedKey::from_der(
                chain,
                key,
                config.crypto_provider(),
            )
            .unwrap(),
        ));
        let (near, far) = duplex(20_000);
        ::tokio::spawn(async move {
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(far).await?;
            stream.shutdown().await
        });
        let (reader, writer) = ::tokio::io::split(near);
        let (mut read_buffer, mut write_buffer) = ([0; READ], [0; WRITE]);
        let mut link = Link::new(
            Half(reader),
            Half(writer),
            &mut read_buffer,
            &mut write_buffer,
        );
        let authorities: &[&[u8]] = &[ca_certificate.der()];
        let config = Config::new("localhost", authorities);
        match soon(link.connect(&config, OsRng)).await {
            Ok(_) => assert!(is_trusted),
            Err(error) => assert!(!is_trusted, "{error}"),
        }
    }
}

#[tokio::test]
async fn pins() {
    let certificates = certificates();
    let authorities: &[&[u8]] = &[&certificates.ca.certificate_der];
    let right = Pin::of_certificate(&certificates.server.certificate_der).unwrap();
    let wrong = Pin::of_certificate(&certificates.ca.certificate_der).unwrap();
    let config = Config {
        pins: &[wrong, right],
        ..Config::new("localhost", authorities)
    };
    outcome(&config, &certificates.server).await.unwrap();
    let config = Config {
        pins: &[wrong],
        ..Config::new("localhost", authorities)
    };
    assert_error!(
        outcome(&config, &certificates.server).await,
        Error::NotPinned { found } if found == right
    );

    let skip = Config {
        dangerously_skip_verification: true,
        ..Config::new("localhost", &[])
    };
    for identity in [
        &certificates.server,
        &certificates.wrong_host,
        &certificates.other_ca,
    ] {
        outcome(&skip, identity).await.unwrap();
        let pin = [Pin::of_certificate(&identity.certificate_der).unwrap()];
        let pinned = Config { pins: &pin, ..skip };
        outcome(&pinned, identity).await.unwrap();
        assert_error!(
            outcome(&pinned, &certificates.ca).await,
            Error::NotPinned { .. }
        );
    }
}

#[tokio::test]
async fn client_certificates() {
    let certificates = certificates();
    let authorities: &[&[u8]] = &[&certificates.ca.certificate_der];
    let config = Config::new("localhost", authorities);
    let with = |key| Config {
        identity: Some(embedded::Identity {
            certificate: &certificates.client.certificate_der,
            key,
        }),
        ..config
    };
    let outcome = async |config: &Config<'_>, trusted| {
        let (address, _) = Setup {
            clients: Some(trusted),
            ..Setup::default()
        }
        .echo();
        echo(config, address).await
    };
    let pkcs8 = with(&certificates.client.key_der);
    outcome(&pkcs8, &certificates.ca).await.unwrap();
    let key: p256::SecretKey =
        p256::pkcs8::DecodePrivateKey::from_pkcs8_der(&certificates.client.key_der).unwrap();
    let sec1 = key.to_sec1_der().unwrap();
    outcome(&with(&sec1), &certificates.ca).await.unwrap();

    assert_error!(
        outcome(&config, &certificates.ca).await,
        Error::ClientCertificateRequired
    );
    assert_error!(
        outcome(&pkcs8, &certificates.other_ca).await,
        Error::EndedByAlert
    );
    assert_error!(
        outcome(&with(b"no key"), &certificates.ca).await,
        Error::InvalidKey
    );
}

#[tokio::test]
async fn servers_that_do_not_speak_tls() {
    let config = Config::new("localhost", &[]);
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"\x20\x03\x00\x84\x00",
        b"\x16\x20\x00\x00\x00",
    ] {
        assert_error!(echo(&config, answers(answer).0).await, Error::NotTls);
    }
    for answer in [&b""[..], b"\x20\x02\x00\x01"] {
        assert_error!(
            echo(&config, answers(answer).0).await,
            Error::ClosedInHandshake
        );
    }
    let (address, _) = Setup {
        versions: &TLS_1_2,
        ..Setup::default()
    }
    .echo();
    assert_error!(echo(&config, address).await, Error::Incompatible);
    // Records that nobody sends.
    for answer in [
        &b"\x17\x03\x03\x00\x10____________"[..],
        b"\x16\x03\x03\x00\x00",
    ] {
        assert_error!(echo(&config, answers(answer).0).await, Error::Protocol(_));
    }
    assert_error!(
        echo(&config, answers(b"\x16\x03\x03\xFF\xFF").0).await,
        Error::BufferTooSmall
    );
}

#[tokio::test]
async fn application_protocols() {
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config {
        alpn: &[b"x", b"mqtt"],
        ..Config::new("localhost", authorities)
    };
    let (address, server) = Setup {
        versions: &TLS_1_3,
        alpn: vec![b"mqtt".to_vec()],
        ..Setup::default()
    }
    .serve(|mut stream| {
        let mut buf = [0; 4];
        stream.read_exact(&mut buf).unwrap();
        stream.write_all(&buf).unwrap();
        stream.flush().unwrap();
        let end = stream.read(&mut buf).unwrap();
        let alpn = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        (end, alpn, stream.conn.server_name().map(str::to_owned))
    });
    echo(&config, address).await.unwrap();
    let (end, alpn, name) = server.join().unwrap();
    assert_eq!(end, 0);
    assert_eq!(alpn.as_deref(), Some(&b"mqtt"[..]));
    assert_eq!(name.as_deref(), Some("localhost"));
}

#[tokio::test]
async fn end_of_the_stream() {
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config::new("localhost", authorities);
    for is_orderly in [true, false] {
        let (address, _server) = Setup::default().serve(move |mut stream| {
            stream.write_all(b"bye").unwrap();
            if is_orderly {
                stream.conn.send_close_notify();
            }
            stream.flush().unwrap();
            stream.sock.shutdown(Shutdown::Write).unwrap();
            stream
        });
        let mut tcp = TcpStream::connect_to(&[address], &transport_tcp::Options::default())
            .await
            .unwrap();
        let (reader, writer) = tcp.split();
        let (mut read_buffer, mut write_buffer) = ([0; READ], [0; WRITE]);
        let mut link = Link::new(reader, writer, &mut read_buffer, &mut write_buffer);
        let mut stream = soon(link.connect(&config, OsRng)).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut buf = [0; 8];
        assert_eq!(reader.read(&mut []).await.unwrap(), 0);
        assert_eq!(soon(reader.read(&mut buf)).await.unwrap(), 3);
        for _ in 0..2 {
            let result = soon(reader.read(&mut buf)).await;
            if is_orderly {
                assert_eq!(result.unwrap(), 0);
            } else {
                assert_error!(result, Error::Truncated);
            }
        }
        if is_orderly {
            assert_error!(writer.write(b"x").await, Error::Closed);
        }
        stream.close().await.unwrap();
    }
}

#[tokio::test]
async fn forged_records_after_the_handshake() {
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config::new("localhost", authorities);
    // In plain text, which anybody between could write: Finished, at which embedded-tls panics, and
    // an end of the stream. Not decryptable, and too short to hold anything.
    for forged in [
        &[&b"\x16\x03\x03\x00\x24\x14\x00\x00\x20"[..], &[0; 32]].concat()[..],
        b"\x15\x03\x03\x00\x02\x01\x00",
        b"\x14\x03\x03\x00\x01\x01",
        &[&b"\x17\x03\x03\x00\x20"[..], &[0; 32]].concat(),
        &[&b"\x17\x03\x03\x00\x10"[..], &[0; 16]].concat(),
        b"\x00\x00\x00\x00\x00",
    ] {
        let forged = forged.to_vec();
        let (address, _server) = Setup::default().serve(move |mut stream| {
            let mut buf = [0; 4];
            stream.read_exact(&mut buf).unwrap();
            stream.sock.write_all(&forged).unwrap();
            stream
        });
        assert_error!(echo(&config, address).await, Error::Protocol(_));
    }
}

#[tokio::test]
async fn small_buffers() {
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config::new("localhost", authorities);
    for (read, write, is_enough) in [
        (READ, 0, false),
        (READ, 200, false),
        (READ, 512, false),
        (READ, 1024, true),
        (100, WRITE, false),
        (READ, 100_000, true),
    ] {
        let (address, _) = Setup::default().echo();
        let mut tcp = TcpStream::connect_to(&[address], &transport_tcp::Options::default())
            .await
            .unwrap();
        let (reader, writer) = tcp.split();
        let (mut read_buffer, mut write_buffer) = (vec![0; read], vec![0; write]);
        let mut link = Link::new(reader, writer, &mut read_buffer, &mut write_buffer);
        match soon(link.connect(&config, OsRng)).await {
            Ok(mut stream) => {
                assert!(is_enough);
                let data = pattern(50_000);
                let mut back = vec![0; data.len()];
                let (mut reader, mut writer) = stream.split();
                let (sent, received) = soon(async {
                    ::tokio::join!(
                        async {
                            writer.write_all(&data).await?;
                            writer.flush().await
                        },
                        reader.read_exact(&mut back)
                    )
                })
                .await;
                sent.unwrap();
                received.unwrap();
                assert!(back == data);
            }
            Err(error) => {
                assert!(matches!(error, Error::BufferTooSmall), "{error}");
                assert!(!is_enough);
            }
        }
    }
}

#[tokio::test]
async fn silent_server_costs_as_much_time_as_one_gives_it() {
    let (tell, wait) = std::sync::mpsc::channel::<()>();
    let (address, _server) = plain(move |_tcp| wait.recv());
    let config = Config::new("localhost", &[]);
    let connecting = echo(&config, address);
    assert!(
        timeout(core::time::Duration::from_millis(20), connecting)
            .await
            .is_err()
    );
    drop(tell);
}

type Server = tokio_rustls::server::TlsStream<DuplexStream>;

/// A server at the other end of a pipe of a few bytes.
async fn accept(far: DuplexStream) -> Server {
    let mut config = Setup::default().config();
    // Which would wait in the pipe until the client reads.
    config.send_tls13_tickets = 0;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    acceptor.accept(far).await.unwrap()
}

/// Each future is dropped after some polls, over and over, and nothing is lost.
#[tokio::test]
async fn dropped_futures_lose_nothing() {
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config::new("localhost", authorities);
    let data = pattern(30_000);
    for size in [6, 7, 100, 5000] {
        for polls in 1..=4 {
            let (near, far) = duplex(size);
            let (reader, writer) = ::tokio::io::split(near);
            let (mut read_buffer, mut write_buffer) = ([0; READ], [0; 1200]);
            let mut link = Link::new(
                Half(reader),
                Half(writer),
                &mut read_buffer,
                &mut write_buffer,
            );
            let (stream, server) =
                soon(async { ::tokio::join!(link.connect(&config, OsRng), accept(far)) }).await;
            let mut stream = stream.unwrap();
            let echo = ::tokio::spawn(async move {
                let (mut reader, mut writer) = ::tokio::io::split(server);
                let mut buf = vec![0; 3333];
                loop {
                    let n = reader.read(&mut buf).await.unwrap();
                    if n == 0 {
                        return;
                    }
                    AsyncWriteExt::write_all(&mut writer, &buf[..n])
                        .await
                        .unwrap();
                    AsyncWriteExt::flush(&mut writer).await.unwrap();
                }
            });
            let (mut sent, mut received, mut dropped) = (0, Vec::new(), 0);
            let mut buf = [0; 1000];
            let (mut reader, mut writer) = stream.split();
            soon(async {
                while received.len() < data.len() {
                    if sent < data.len() {
                        let chunk = &data[sent..data.len().min(sent + 300)];
                        match poll_times(writer.write(chunk), polls).await {
                            Some(n) => sent += n.unwrap(),
                            None => dropped += 1,
                        }
                    }
                    match poll_times(writer.flush(), polls).await {
                        Some(result) => result.unwrap(),
                        None => dropped += 1,
                    }
                    match poll_times(reader.read(&mut buf), polls).await {
                        Some(Ok(0)) => panic!("ended"),
                        Some(n) => received.extend_from_slice(&buf[..n.unwrap()]),
                        None => dropped += 1,
                    }
                }
            })
            .await;
            assert!(received == data);
            assert!(dropped > 0 || size == 5000, "{size} {polls}");
            soon(stream.close()).await.unwrap();
            soon(echo).await.unwrap();
        }
    }
}

/// Each half below moves one byte at a time or times out, and nothing is lost.
#[tokio::test]
async fn time_outs_lose_nothing() {
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config::new("localhost", authorities);
    let (address, server) = Setup::default().echo();
    let mut tcp = TcpStream::connect_to(&[address], &transport_tcp::Options::default())
        .await
        .unwrap();
    // A time-out ends a handshake.
    let is_fussy = Rc::new(Cell::new(false));
    let (reader, writer) = tcp.split();
    let (mut read_buffer, mut write_buffer) = ([0; READ], [0; WRITE]);
    let mut link = Link::new(
        Fussy::with(reader, is_fussy.clone()),
        Fussy::with(writer, is_fussy.clone()),
        &mut read_buffer,
        &mut write_buffer,
    );
    let mut stream = soon(link.connect(&config, OsRng)).await.unwrap();
    is_fussy.set(true);
    let (mut reader, mut writer) = stream.split();
    let data = pattern(50_000);
    let (mut sent, mut received, mut timeouts) = (0, Vec::new(), 0);
    let mut buf = [0; 1000];
    let mut times_out = |error: Error| {
        assert!(
            matches!(error, Error::Stream(embedded_io::ErrorKind::TimedOut)),
            "{error}"
        );
        timeouts += 1;
    };
    soon(async {
        while received.len() < data.len() {
            if sent < data.len() {
                match writer.write(&data[sent..data.len().min(sent + 777)]).await {
                    Ok(n) => sent += n,
                    Err(error) => times_out(error),
                }
            }
            if let Err(error) = writer.flush().await {
                times_out(error);
                continue;
            }
            match reader.read(&mut buf).await {
                Ok(0) => panic!("ended"),
                Ok(n) => received.extend_from_slice(&buf[..n]),
                Err(error) => times_out(error),
            }
        }
    })
    .await;
    assert!(received == data);
    assert!(timeouts > 1000);
    is_fussy.set(false);
    stream.close().await.unwrap();
    server.join().unwrap().unwrap();
}

/// A reader waits while the writer works, and each goes on when the other cannot.
#[tokio::test]
async fn both_directions_full() {
    let authorities: &[&[u8]] = &[&certificates().ca.certificate_der];
    let config = Config::new("localhost", authorities);
    let (near, far) = duplex(1000);
    let (reader, writer) = ::tokio::io::split(near);
    let (mut read_buffer, mut write_buffer) = ([0; READ], [0; WRITE]);
    let mut link = Link::new(
        Half(reader),
        Half(writer),
        &mut read_buffer,
        &mut write_buffer,
    );
    let (stream, server) =
        soon(async { ::tokio::join!(link.connect(&config, OsRng), accept(far)) }).await;
    let mut stream = stream.unwrap();
    let (mut far_reader, mut far_writer) = ::tokio::io::split(server);
    let (mut reader, mut writer) = stream.split();
    let data = pattern(1 << 20);
    let (mut there, mut here) = (vec![0; data.len()], vec![0; data.len()]);
    soon(async {
        let results = ::tokio::join!(
            async {
                writer.write_all(&data).await?;
                writer.flush().await
            },
            async {
                AsyncWriteExt::write_all(&mut far_writer, &data).await?;
                AsyncWriteExt::flush(&mut far_writer).await
            },
            reader.read_exact(&mut here),
            AsyncReadExt::read_exact(&mut far_reader, &mut there),
        );
        results.0.unwrap();
        results.1.unwrap();
        results.2.unwrap();
        results.3.unwrap();
    })
    .await;
    assert!(here == data && there == data);
}
