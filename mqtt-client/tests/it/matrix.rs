//! Every driver over every transport, at every version and QoS.

use std::time::Duration;

use mqtt_client::{QoS, Version};
use testkit::machine::PATIENCE;
use testkit::{Certificates, Direction, Embedded, Faults, Listener, Listeners, Proxy, RabbitMq};

use super::drivers::{self, Driver, Job};

/// The schemes, and where there is a server for them.
const TRANSPORTS: [(&str, Listener); 5] = [
    ("mqtt", Listener::Tcp),
    ("mqtts", Listener::Tls),
    ("mqtts", Listener::MutualTls),
    ("ws", Listener::Ws),
    ("wss", Listener::Wss),
];

const DRIVERS: &[Driver] = &[
    drivers::blocking,
    #[cfg(feature = "embedded")]
    drivers::embedded,
    #[cfg(feature = "tokio")]
    drivers::tokio,
];

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Some messages, each as often as its QoS says, in order.
fn exchange(run: Driver, uri: &str, certificates: &Certificates, version: Version, qos: QoS) {
    let job = Job {
        endpoint: uri.parse().unwrap(),
        certificates,
        version,
        qos,
        count: 50,
        // Some are larger than the receive buffer.
        len: |number| 300 * (number % 10),
        // Before 5.0, mosquitto drops those beyond without a word.
        window: 20,
        patience: PATIENCE,
    };
    let received = run(&job);
    assert!(
        received.iter().copied().eq(0..job.count),
        "{uri}, {version:?}, {qos:?}: {received:?}"
    );
}

/// A driver over every transport.
fn mosquitto(run: Driver) {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    let certificates = &listeners.certificates;
    for (scheme, listener) in TRANSPORTS {
        let uri = format!("{scheme}://localhost:{}", listeners.port(listener));
        for version in [Version::V311, Version::V5] {
            for qos in LEVELS {
                exchange(run, &uri, certificates, version, qos);
            }
        }
    }
    // A user name and a password, as the URI has them.
    let port = listeners.port(Listener::Password);
    let uri = format!("mqtt://alice:secret@localhost:{port}");
    exchange(run, &uri, certificates, Version::V5, QoS::AtLeastOnce);
    let port = listeners.port(Listener::MaxQos1);
    let uri = format!("mqtt://localhost:{port}");
    exchange(run, &uri, certificates, Version::V5, QoS::AtLeastOnce);
}

/// A driver over every transport of the broker that tests bring along.
fn embedded(run: Driver) {
    let broker = Embedded::start();
    for (scheme, address) in [
        ("mqtt", broker.mqtt),
        ("mqtts", broker.mqtts),
        ("ws", broker.ws),
        ("wss", broker.wss),
    ] {
        let uri = format!("{scheme}://localhost:{}", address.port());
        for version in [Version::V311, Version::V5] {
            for qos in LEVELS {
                exchange(run, &uri, &broker.certificates, version, qos);
            }
        }
    }
}

/// A driver over every transport, on lines that are slow or pass a few bytes at a time.
fn bad_lines(run: Driver) {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    let slow = Direction {
        delay: Duration::from_millis(20),
        ..Direction::default()
    };
    let narrow = Direction {
        chunk: Some(1),
        ..Direction::default()
    };
    let both = Direction {
        chunk: Some(1000),
        rate: Some(200_000),
        ..slow
    };
    for (scheme, listener) in TRANSPORTS {
        for (up, down) in [(slow, slow), (narrow, narrow), (both, narrow), (slow, both)] {
            let faults = Faults { up, down };
            let proxy = Proxy::with(listeners.address(listener), move |_| faults);
            let uri = format!("{scheme}://localhost:{}", proxy.address().port());
            let certificates = &listeners.certificates;
            exchange(run, &uri, certificates, Version::V5, QoS::ExactlyOnce);
        }
    }
}

#[test]
fn the_blocking_driver_and_mosquitto() {
    mosquitto(drivers::blocking);
}

#[test]
fn the_blocking_driver_and_the_embedded_broker() {
    embedded(drivers::blocking);
}

#[test]
fn the_blocking_driver_on_bad_lines() {
    bad_lines(drivers::blocking);
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver_and_mosquitto() {
    mosquitto(drivers::embedded);
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver_and_the_embedded_broker() {
    embedded(drivers::embedded);
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver_on_bad_lines() {
    bad_lines(drivers::embedded);
}

#[cfg(feature = "tokio")]
#[test]
fn the_tokio_client_and_mosquitto() {
    mosquitto(drivers::tokio);
}

#[cfg(feature = "tokio")]
#[test]
fn the_tokio_client_and_the_embedded_broker() {
    embedded(drivers::tokio);
}

#[cfg(feature = "tokio")]
#[test]
fn the_tokio_client_on_bad_lines() {
    bad_lines(drivers::tokio);
}

/// Its Maximum QoS is 1, and it has no 5.0.
#[test]
#[ignore = "slow to start: scripts/rabbitmq"]
fn rabbitmq() {
    let Some(rabbit) = RabbitMq::start() else {
        return;
    };
    let certificates = Certificates::new();
    for (scheme, address) in [("mqtt", rabbit.address()), ("ws", rabbit.ws_address())] {
        let uri = format!("{scheme}://{address}");
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
            for &run in DRIVERS {
                exchange(run, &uri, &certificates, Version::V311, qos);
            }
        }
    }
}
