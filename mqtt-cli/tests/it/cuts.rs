//! Sessions outlive connections that are cut at any byte, with the embedded broker. With mosquitto,
//! the tests of the driver show it.

use mqtt_client::uri::Scheme;
use mqtt_client::{QoS, Version};

use crate::support::broker::Embedded;

#[expect(
    dead_code,
    reason = "the driver's tests have servers that restart, too"
)]
#[path = "../../../mqtt-client/tests/it/delivery/mod.rs"]
mod delivery;

#[test]
fn embedded_broker_and_connections_that_are_cut() {
    for version in delivery::VERSIONS {
        for qos in delivery::LEVELS {
            // It answers a repeated PUBREL with a PUBCOMP of 5.0, whatever the version.
            if version == Version::V311 && qos == QoS::ExactlyOnce {
                continue;
            }
            let broker = Embedded::start().unwrap();
            delivery::through_cuts(broker.address(Scheme::Mqtt), version, qos).check_complete();
        }
    }
}
