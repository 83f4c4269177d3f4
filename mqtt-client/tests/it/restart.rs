//! Sessions outlive the process of the server.

use mqtt_client::net::Options;
use mqtt_client::{QoS, Version};
use testkit::Mosquitto;

use super::delivery::{Blocking, LEVELS, Memory, Outcome, Server, VERSIONS, factor, finish, storm};

/// Runs a test with a mosquitto that keeps its sessions in a file, for each version and QoS.
fn everywhere(max_inflight: u32, test: impl Fn(Mosquitto, Version, QoS)) {
    for version in VERSIONS {
        for qos in LEVELS {
            let broker = Mosquitto::start(|dir| {
                format!(
                    "allow_anonymous true\nmax_queued_messages 0\n\
                     max_inflight_messages {max_inflight}\npersistence true\n\
                     persistence_location {}/\n\
                     autosave_on_changes true\nautosave_interval 1\n",
                    dir.path().display()
                )
            });
            let Some(broker) = broker else { return };
            test(broker, version, qos);
        }
    }
}

fn server(broker: &Mosquitto) -> Server {
    Server {
        endpoint: format!("mqtt://{}", broker.address()).parse().unwrap(),
        options: Options::default(),
    }
}

/// Restarts the server again and again in the middle of the traffic.
fn restart(mut broker: Mosquitto, version: Version, qos: QoS, stop: fn(&mut Mosquitto)) -> Outcome {
    let mut memory = Memory::new();
    let (mut sender, mut receiver) = memory.parties::<Blocking<'_>>(version, qos, &server(&broker));
    storm(&mut sender, &mut receiver, |progress| {
        for round in 0..10 * factor() {
            progress.wait_for_messages(20 + round % 7);
            stop(&mut broker);
            broker.start_again();
        }
        progress.wait_for_messages(20);
    });
    finish(&mut sender, &mut receiver)
}

/// On SIGTERM, mosquitto saves everything.
#[test]
fn a_server_that_ends_in_order_loses_nothing() {
    everywhere(20, |broker, version, qos| {
        restart(broker, version, qos, Mosquitto::terminate).check_complete();
    });
}

/// Mosquitto answers before it saves, and it saves when a message is put into a queue, not when the
/// state of one changes. After SIGKILL it may have forgotten messages that it has acknowledged,
/// send a message again, or use the identifier of a message for another one. None of this is the
/// client's fault, and the bytes show which it was.
///
/// Seen in crashes by the hundred: at QoS 1 next to nothing is lost. At QoS 2 it is one message in
/// ten, most of them under an identifier that the client had to take for the earlier message's.
///
/// There is no limit of messages in flight: mosquitto counts those that it has forgotten to
/// complete, and beyond the limit it drops messages of 3.1.1.
#[test]
fn a_server_that_crashes_loses_only_what_it_had() {
    everywhere(0, |broker, version, qos| {
        restart(broker, version, qos, Mosquitto::kill).check_after_crashes();
    });
}

#[test]
fn what_a_server_without_memory_had_is_reported_as_lost() {
    everywhere(20, |mut broker, version, qos| {
        let mut memory = Memory::new();
        let (mut sender, mut receiver) =
            memory.parties::<Blocking<'_>>(version, qos, &server(&broker));
        let times = 3 * factor();
        for _ in 0..times {
            storm(&mut sender, &mut receiver, |progress| {
                progress.wait_for_messages(20);
                broker.kill();
            });
            sender.publish_offline();
            broker.forget();
            broker.start_again();
            // What is published before somebody subscribes is for nobody.
            receiver.subscribe();
        }
        // For these there is no excuse.
        storm(&mut sender, &mut receiver, |progress| {
            progress.wait_for_messages(100);
        });
        finish(&mut sender, &mut receiver).check_after_losses(times);
    });
}
