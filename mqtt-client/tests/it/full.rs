//! Both directions full at once.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use mqtt_client::mqtt_core::wire::{Ack, Packet, PacketId, Publish};
use mqtt_client::{QoS, Version};
use testkit::{Certificates, Direction, Faults, Proxy};

use super::blocking::{connack, encode};
use super::delivery::factor;
use super::drivers::{self, Driver, Job};

/// The length of a message.
const LEN: usize = 64 * 1024;

/// How many bytes pass in a second, each way.
const RATE: u32 = 64 * 1024 * 1024;

/// A server that sends every message of QoS 1 back. While it writes, it reads nothing, so that
/// nothing moves anymore if the client does the same.
fn stubborn() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(&listener.accept().unwrap().0));
    address
}

fn serve(mut stream: &TcpStream) -> io::Result<()> {
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
            done += len;
        }
        received.drain(..done);
    }
}

/// As many messages each way as the job says, as fast as a slow line allows.
fn exchange(run: Driver) {
    let throttle = Direction {
        rate: Some(RATE),
        ..Direction::default()
    };
    let faults = Faults {
        up: throttle,
        down: throttle,
    };
    let proxy = Proxy::with(stubborn(), move |_| faults);
    let job = Job {
        endpoint: format!("mqtt://{}", proxy.address()).parse().unwrap(),
        certificates: &Certificates::new(),
        version: Version::V5,
        qos: QoS::AtLeastOnce,
        count: 10_000 * factor(),
        len: |_| LEN,
        // More than all the buffers on the way have room for.
        window: 1000,
        patience: Duration::from_secs(120) * u32::try_from(factor()).unwrap(),
    };
    let received = run(&job);
    assert!(received.into_iter().eq(0..job.count));
    let bytes = (job.count * LEN) as u64;
    assert!(proxy.bytes_up() > bytes, "{proxy:?}");
    assert!(proxy.bytes_down() > bytes, "{proxy:?}");
}

#[test]
fn the_blocking_driver_never_stands_still() {
    exchange(drivers::blocking);
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver_never_stands_still() {
    exchange(drivers::embedded);
}

#[cfg(feature = "tokio")]
#[test]
fn the_tokio_client_never_stands_still() {
    exchange(drivers::tokio);
}
