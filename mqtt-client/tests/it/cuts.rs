//! Sessions outlive connections that are cut at any byte, in the handshakes of all layers, too.

use std::thread;

use mqtt_client::{QoS, Version};
use testkit::{Listener, Listeners};

#[cfg(feature = "embedded")]
use super::delivery::Embedded;
use super::delivery::{Blocking, LEVELS, Memory, Outcome, Server, VERSIONS, through_cuts};
use super::drivers::options;

/// Puts a driver through it.
type Through = fn(&mut Memory, &Server, Version, QoS) -> Outcome;

const BLOCKING: Through =
    |memory, server, version, qos| through_cuts::<Blocking<'_>>(memory, server, version, qos);

#[cfg(feature = "embedded")]
const EMBEDDED: Through =
    |memory, server, version, qos| through_cuts::<Embedded<'_>>(memory, server, version, qos);

/// Each version and QoS at the same time, because mosquitto 2.0 rests for 100 ms before it looks at
/// a new WebSocket.
fn mosquitto(scheme: &str, listener: Listener, through: Through) {
    thread::scope(|scope| {
        for version in VERSIONS {
            for qos in LEVELS {
                scope.spawn(move || {
                    // Its sessions end with it.
                    let Some(listeners) = Listeners::start() else {
                        return;
                    };
                    let uri = format!("{scheme}://localhost:{}", listeners.port(listener));
                    let server = Server {
                        endpoint: uri.parse().unwrap(),
                        options: options(&listeners.certificates),
                    };
                    let outcome = through(&mut Memory::new(), &server, version, qos);
                    outcome.check_complete();
                });
            }
        }
    });
}

#[test]
fn the_blocking_driver_over_tcp() {
    mosquitto("mqtt", Listener::Tcp, BLOCKING);
}

#[test]
fn the_blocking_driver_over_tls() {
    mosquitto("mqtts", Listener::Tls, BLOCKING);
}

#[test]
fn the_blocking_driver_over_websocket() {
    mosquitto("ws", Listener::Ws, BLOCKING);
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver_over_tcp() {
    mosquitto("mqtt", Listener::Tcp, EMBEDDED);
}

#[test]
fn the_blocking_driver_and_the_embedded_broker() {
    for version in VERSIONS {
        for qos in LEVELS {
            // It answers a repeated PUBREL with a PUBCOMP of 5.0, whatever the version.
            if version == Version::V311 && qos == QoS::ExactlyOnce {
                continue;
            }
            let broker = testkit::Embedded::start();
            let server = Server {
                endpoint: format!("mqtt://{}", broker.mqtt).parse().unwrap(),
                options: options(&broker.certificates),
            };
            let outcome = BLOCKING(&mut Memory::new(), &server, version, qos);
            outcome.check_complete();
        }
    }
}
