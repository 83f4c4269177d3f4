//! Every driver over every transport, at every version and QoS.

use mqtt_client::{QoS, Version};
use testkit::machine::PATIENCE;
use testkit::{Certificates, Listener, Listeners, RabbitMq};

use super::drivers::{DRIVERS, Job};

/// The schemes, and where there is a server for them.
const TRANSPORTS: &[(&str, Listener)] = &[
    ("mqtt", Listener::Tcp),
    #[cfg(feature = "tls")]
    ("mqtts", Listener::Tls),
    #[cfg(feature = "tls")]
    ("mqtts", Listener::MutualTls),
    #[cfg(feature = "ws")]
    ("ws", Listener::Ws),
    #[cfg(all(feature = "tls", feature = "ws"))]
    ("wss", Listener::Wss),
];

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Some messages with each driver, each as often as its QoS says, in order.
fn exchange(uri: &str, certificates: &Certificates, version: Version, qos: QoS) {
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
    for (name, run) in DRIVERS {
        let t = std::time::Instant::now();
        let received = run(&job);
        eprintln!("{name} {uri} {version:?} {qos:?} {:?}", t.elapsed());
        assert!(
            received.iter().copied().eq(0..job.count),
            "{name}, {uri}, {version:?}, {qos:?}: {received:?}"
        );
    }
}

#[test]
fn mosquitto() {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    for &(scheme, listener) in TRANSPORTS {
        let uri = format!("{scheme}://localhost:{}", listeners.port(listener));
        for version in [Version::V311, Version::V5] {
            for qos in LEVELS {
                exchange(&uri, &listeners.certificates, version, qos);
            }
        }
    }
}

/// A user name and a password, as the URI has them.
#[test]
fn mosquitto_with_a_password() {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    let port = listeners.port(Listener::Password);
    let uri = format!("mqtt://alice:secret@localhost:{port}");
    exchange(&uri, &listeners.certificates, Version::V5, QoS::AtLeastOnce);
}

/// Its Maximum QoS is 1, and it has no 5.0.
#[test]
#[ignore = "slow to start: scripts/rabbitmq"]
fn rabbitmq() {
    let Some(rabbit) = RabbitMq::start() else {
        return;
    };
    let certificates = Certificates::new();
    for (scheme, address) in [
        ("mqtt", rabbit.address()),
        #[cfg(feature = "ws")]
        ("ws", rabbit.ws_address()),
    ] {
        for qos in &LEVELS[..2] {
            exchange(
                &format!("{scheme}://{address}"),
                &certificates,
                Version::V311,
                *qos,
            );
        }
    }
}
