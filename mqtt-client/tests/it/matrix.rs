//! Every driver over every transport, at every version and QoS.

use std::time::Duration;

use mqtt_client::net::Options;
use mqtt_client::{QoS, Version};
use testkit::machine::PATIENCE;
use testkit::{Listener, Listeners};

use super::drivers::{DRIVERS, Job};

/// The schemes, and where there is a server for them.
const TRANSPORTS: [(&str, Listener); 1] = [("mqtt", Listener::Tcp)];

#[test]
fn every_driver_over_every_transport() {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    for (scheme, listener) in TRANSPORTS {
        for version in [Version::V311, Version::V5] {
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
                let uri = format!("{scheme}://localhost:{}", listeners.port(listener));
                let job = Job {
                    endpoint: uri.parse().unwrap(),
                    options: Options {
                        timeout: Duration::from_secs(5),
                        ..Options::default()
                    },
                    version,
                    qos,
                    count: 50,
                    len: |number| 300 * (number % 10),
                    // Before 5.0, mosquitto drops those beyond without a word.
                    window: 20,
                    patience: PATIENCE,
                };
                for (name, run) in DRIVERS {
                    let received = run(&job);
                    let expected: Vec<_> = (0..job.count).collect();
                    assert_eq!(
                        received, expected,
                        "{name}, {listener:?}, {version:?}, {qos:?}"
                    );
                }
            }
        }
    }
}
