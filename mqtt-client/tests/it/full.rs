//! Both directions full at once.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mqtt_client::mqtt_core::wire::{Ack, Packet, PacketId, Publish};
use mqtt_client::{QoS, Version};
use testkit::{Certificates, Direction, End, Faults, Proxy};

use super::blocking::{connack, encode};
use super::delivery::factor;
use super::drivers::{self, Driver, Job};

/// The length of a message.
const LEN: usize = 64 * 1024;

/// What has not moved for so long stands still.
const STILL: Duration = Duration::from_secs(20);

/// Longer than anything takes that does not stand still.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// A server that sends every message of QoS 1 back. While it writes, it reads nothing, so that
/// nothing moves anymore if the client does the same.
fn stubborn(serve: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(listener.accept().unwrap().0));
    address
}

fn serve(mut stream: impl Read + Write) -> io::Result<()> {
    let mut received = Vec::new();
    let mut buf = vec![0; 256 * 1024];
    let mut id = 0_u16;
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            return Ok(());
        }
        received.extend(&buf[..n]);
        let mut done = 0;
        while let Some((packet, len)) = Packet::decode(&received[done..], Version::V5).unwrap() {
            match packet {
                Packet::Connect(_) => stream.write_all(&connack())?,
                Packet::Subscribe(subscribe) => {
                    let [high, low] = subscribe.packet_id.get().to_be_bytes();
                    stream.write_all(&[0x90, 4, high, low, 0, 1])?;
                }
                Packet::Publish(publish) => {
                    let ack = Ack::new(publish.packet_id.unwrap());
                    stream.write_all(&encode(Packet::PubAck(ack)))?;
                    id = id.checked_add(1).unwrap_or(1);
                    stream.write_all(&encode(Publish {
                        packet_id: PacketId::new(id),
                        ..publish
                    }))?;
                }
                _ => {}
            }
            stream.flush()?;
            done += len;
        }
        received.drain(..done);
    }
}

/// So many messages each way, on a line that passes so many bytes in a second.
fn exchange(
    run: Driver,
    scheme: &str,
    server: SocketAddr,
    certificates: &Certificates,
    (count, rate): (usize, u32),
) {
    let throttle = Direction {
        rate: Some(rate),
        ..Direction::default()
    };
    let faults = Faults {
        up: throttle,
        down: throttle,
    };
    let end = Direction {
        end: Some((0, End::Reset)),
        ..Direction::default()
    };
    let ended = Faults { up: end, down: end };
    let proxy = Proxy::with(server, move |_| faults);
    let job = Job {
        endpoint: format!("{scheme}://{}", proxy.address()).parse().unwrap(),
        certificates,
        version: Version::V5,
        qos: QoS::AtLeastOnce,
        count: count * factor(),
        len: |_| LEN,
        // More than all the buffers on the way have room for.
        window: 1000,
        patience: AN_HOUR,
    };
    let received = thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let job = &job;
        scope.spawn(move || sender.send(run(job)));
        // How long it takes is the machine's to say, as long as it goes on.
        let mut before = None;
        loop {
            match receiver.recv_timeout(STILL) {
                Ok(received) => break received,
                Err(_) => {
                    let now = (proxy.bytes_up(), proxy.bytes_down());
                    if before == Some(now) {
                        // Whoever waits for the connection finds its end.
                        proxy.set(ended);
                        panic!("stands still after {} bytes up and {} down", now.0, now.1);
                    }
                    before = Some(now);
                }
            }
        }
    });
    assert!(received.into_iter().eq(0..job.count));
    let bytes = (job.count * LEN) as u64;
    assert!(proxy.bytes_up() > bytes, "{proxy:?}");
    assert!(proxy.bytes_down() > bytes, "{proxy:?}");
}

/// Over TCP, 625 MiB each way.
fn over_tcp(run: Driver) {
    let amount = (10_000, 64 * 1024 * 1024);
    exchange(run, "mqtt", stubborn(serve), &Certificates::new(), amount);
}

#[test]
fn the_blocking_driver_never_stands_still() {
    over_tcp(drivers::blocking);
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver_never_stands_still() {
    over_tcp(drivers::embedded);
}

#[cfg(feature = "tokio")]
#[test]
fn the_tokio_client_never_stands_still() {
    over_tcp(drivers::tokio);
}

/// The layers over TCP keep bytes of their own, in both directions.
mod layers {
    use std::sync::Arc;

    use transport_tls::rustls::crypto::ring;
    use transport_tls::rustls::pki_types::PrivateKeyDer;
    use transport_tls::rustls::{ServerConfig, ServerConnection, StreamOwned};
    use tungstenite::{Message, WebSocket};

    use super::super::faults::accept;
    use super::*;

    struct Ws<S> {
        socket: WebSocket<S>,
        /// What was received and not read yet.
        rest: io::Cursor<Vec<u8>>,
    }

    impl<S: Read + Write> Ws<S> {
        fn new(stream: S) -> Self {
            Self {
                socket: accept(stream, Some("mqtt")).unwrap(),
                rest: io::Cursor::default(),
            }
        }
    }

    impl<S: Read + Write> Read for Ws<S> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            loop {
                let n = self.rest.read(buf)?;
                if n > 0 {
                    return Ok(n);
                }
                match self.socket.read().map_err(io::Error::other)? {
                    Message::Binary(bytes) => self.rest = io::Cursor::new(bytes.into()),
                    Message::Close(_) => return Ok(0),
                    _ => {}
                }
            }
        }
    }

    impl<S: Read + Write> Write for Ws<S> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let message = Message::binary(buf.to_vec());
            self.socket.write(message).map_err(io::Error::other)?;
            Ok(buf.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            self.socket.flush().map_err(io::Error::other)
        }
    }

    fn tls(
        certificates: &Certificates,
        stream: TcpStream,
    ) -> StreamOwned<ServerConnection, TcpStream> {
        let chain = vec![certificates.server.certificate_der.clone().into()];
        let key = PrivateKeyDer::Pkcs8(certificates.server.key_der.clone().into());
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)
    }

    fn over(run: Driver, scheme: &'static str) {
        let certificates = Arc::new(Certificates::new());
        let server = {
            let certificates = Arc::clone(&certificates);
            stubborn(move |stream| match scheme {
                "mqtts" => serve(tls(&certificates, stream)),
                "ws" => serve(Ws::new(stream)),
                _ => serve(Ws::new(tls(&certificates, stream))),
            })
        };
        // Still more than the system's buffers take, and a debug build has to encrypt it.
        exchange(run, scheme, server, &certificates, (400, 16 * 1024 * 1024));
    }

    #[test]
    fn the_blocking_driver_never_stands_still() {
        for scheme in ["mqtts", "ws", "wss"] {
            over(drivers::blocking, scheme);
        }
    }

    #[cfg(feature = "embedded")]
    #[test]
    fn the_embedded_driver_never_stands_still() {
        for scheme in ["mqtts", "ws", "wss"] {
            over(drivers::embedded, scheme);
        }
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn the_tokio_client_never_stands_still() {
        for scheme in ["mqtts", "ws", "wss"] {
            over(drivers::tokio, scheme);
        }
    }
}
