//! Sessions outlive connections that are cut at any byte.

use testkit::Mosquitto;

use super::delivery::{LEVELS, VERSIONS, through_cuts};

#[test]
fn mosquitto_and_connections_that_are_cut() {
    let lines = "persistence false\nallow_anonymous true\nmax_queued_messages 0\n";
    for version in VERSIONS {
        for qos in LEVELS {
            let Some(broker) = Mosquitto::start(|_| lines.to_owned()) else {
                return;
            };
            through_cuts(broker.address(), version, qos).check_complete();
        }
    }
}
