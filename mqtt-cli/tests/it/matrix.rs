//! The blocking client against every broker there is, in every version and at every QoS.

use std::thread;
use std::time::{Duration, Instant};

use mqtt_client::{Config, Filter, HeapStorage, Message, QoS, Version};
use mqtt_core::wire::{ReasonCode, Will};
use mqtt_core::{Error, UsageError};

use crate::support::broker::AnyBroker;
use crate::support::client::{Happened, LEVELS, Test, config, storage};
use crate::support::unique;

/// Runs a test with every broker in every version.
fn everywhere(test: impl Fn(&AnyBroker, Version)) {
    for broker in AnyBroker::all() {
        for &version in broker.versions() {
            eprintln!("{} in {version}", broker.name()); // Shown if the test fails.
            test(&broker, version);
        }
    }
}

fn everywhere_at_once(test: impl Fn(&AnyBroker, Version) + Copy + Send) {
    let brokers = AnyBroker::all();
    thread::scope(|scope| {
        for broker in &brokers {
            for &version in broker.versions() {
                scope.spawn(move || test(broker, version));
            }
        }
    });
}

/// A client that hears itself: both directions of every flow on one connection.
#[test]
fn every_message_arrives_once_and_in_order() {
    const COUNT: u32 = 500;
    everywhere(|broker, version| {
        for qos in LEVELS {
            let (id, topic) = (unique("echo"), unique("topic"));
            let mut storage = storage();
            let mut test = Test::new(config(version, &id), &mut storage);
            test.subscribed(broker.address(), &[Filter::new(&topic, qos)]);
            for number in 0..COUNT {
                let payload = number.to_string();
                let message = Message::new(&topic, payload.as_bytes()).qos(qos);
                while let Err(error) = test.client.core().publish(&message) {
                    assert!(matches!(error, Error::Full(_)), "{error}");
                    test.until(|event| (*event == Happened::Writable).then_some(()));
                }
            }
            let last = (COUNT - 1).to_string();
            let mut is_last = |event: &Happened| match event {
                Happened::Message(_, payload) => *payload == last.as_bytes(),
                _ => false,
            };
            if !test.log.iter().any(&mut is_last) {
                test.until(|event| is_last(event).then_some(()));
            }
            test.until_through();
            let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
            let received = test.payloads();
            assert!(
                expected
                    .iter()
                    .map(String::as_bytes)
                    .eq(received.iter().copied()),
                "{version} {qos:?}: {received:?}"
            );
            let published = |event: &&Happened| matches!(event, Happened::Published(_, code) if !code.is_error());
            let expected = if qos == QoS::AtMostOnce {
                0
            } else {
                COUNT as usize
            };
            assert_eq!(test.log.iter().filter(published).count(), expected);
            test.disconnect();
        }
    });
}

/// The subscription's QoS is an upper limit.
#[test]
fn the_lower_qos_counts() {
    everywhere(|broker, version| {
        let (id, topic) = (unique("lower"), unique("topic"));
        let mut storage = storage();
        let mut test = Test::new(config(version, &id), &mut storage);
        test.subscribed(broker.address(), &[Filter::new(&topic, QoS::AtLeastOnce)]);
        for qos in LEVELS {
            let message = Message::new(&topic, b"x").qos(qos);
            test.client.core().publish(&message).unwrap();
        }
        while test.payloads().len() < 3 {
            assert!(test.poll(Duration::from_secs(1)));
        }
        test.until_through();
        test.disconnect();
    });
}

#[test]
fn keep_alive_keeps_alive() {
    // At the same time, because all that it takes is time.
    everywhere_at_once(|broker, version| {
        let (id, topic) = (unique("silent"), unique("topic"));
        let mut storage = storage();
        let config = Config {
            keep_alive: 1,
            ..config(version, &id)
        };
        let mut test = Test::new(config, &mut storage);
        test.subscribed(broker.address(), &[Filter::new(&topic, QoS::AtMostOnce)]);
        // A server closes after one and a half times the keep-alive.
        let end = Instant::now() + Duration::from_secs(4);
        while Instant::now() < end {
            assert!(
                test.poll(end.saturating_duration_since(Instant::now())),
                "{:?}",
                test.log
            );
        }
        test.client
            .core()
            .publish(&Message::new(&topic, b"here"))
            .unwrap();
        test.until(|event| matches!(event, Happened::Message(..)).then_some(()));
        test.disconnect();
    });
}

#[test]
fn the_later_client_takes_over() {
    everywhere(|broker, version| {
        let id = unique("twin");
        let (mut one, mut two) = (storage(), storage());
        let mut first = Test::new(config(version, &id), &mut one);
        let mut second = Test::new(config(version, &id), &mut two);
        first.connect(broker.address());
        second.connect(broker.address());
        while first.poll(Duration::from_secs(30)) {}
        let is_told = first
            .log
            .contains(&Happened::Disconnected(ReasonCode::SessionTakenOver));
        // Mosquitto began to say so after 2.0.11.
        let may_be_silent = broker.name() == "mosquitto" || version != Version::V5;
        assert!(is_told || may_be_silent, "{:?}", first.log);
        assert!(!is_told || version == Version::V5);
        assert!(!first.client.core().is_connected());
        second.disconnect();
    });
}

#[test]
fn the_will_is_published_if_the_connection_is_cut() {
    everywhere(|broker, version| {
        let (id, heir_id, topic) = (unique("late"), unique("heir"), unique("will"));
        let (mut one, mut two) = (storage(), storage());
        let mut heir = Test::new(config(version, &heir_id), &mut one);
        heir.subscribed(broker.address(), &[Filter::new(&topic, QoS::ExactlyOnce)]);
        let will = Will {
            qos: QoS::ExactlyOnce,
            ..Will::new(&topic, b"all to you")
        };
        let config = Config {
            will: Some(will),
            ..config(version, &id)
        };
        let mut late = Test::new(config, &mut two);
        // Not with an end in order.
        late.connect(broker.address());
        late.disconnect();
        late.connect(broker.address());
        late.cut();
        heir.until(|event| matches!(event, Happened::Message(..)).then_some(()));
        assert_eq!(heir.payloads(), [b"all to you"]);
        heir.disconnect();
    });
}

#[test]
fn what_is_larger_than_the_receive_buffer_is_streamed() {
    const LEN: usize = 300_000;
    everywhere(|broker, version| {
        for qos in LEVELS {
            let (id, topic) = (unique("large"), unique("topic"));
            // 100,000 bytes received at most at a time.
            let mut storage = HeapStorage::new(100_000, 2 * LEN, 4);
            let mut client =
                mqtt_client::blocking::Client::new(config(version, &id), storage.split());
            let address = broker.address();
            let stream = transport_tcp::TcpStream::connect_to(&[address], &Default::default());
            client.connect(stream.unwrap()).unwrap();

            let payload: Vec<u8> = (0..LEN).map(|n| n.to_le_bytes()[0]).collect();
            let (mut received, mut pieces) = (Vec::new(), 0);
            let deadline = Instant::now() + crate::support::PATIENCE;
            loop {
                assert!(Instant::now() < deadline, "{version} {qos:?}");
                use mqtt_client::Event;
                match client.poll(Some(Duration::from_secs(1))).unwrap() {
                    Some((Event::Connected(_), core)) => {
                        core.subscribe(&[Filter::new(&topic, qos)]).unwrap();
                    }
                    Some((Event::Subscribed(_), core)) => {
                        core.publish(&Message::new(&topic, &payload).qos(qos))
                            .unwrap();
                    }
                    Some((Event::PublishStart { total, .. }, _)) => assert_eq!(total, LEN),
                    Some((Event::Payload { offset, data, last }, _)) => {
                        assert_eq!(offset, received.len());
                        received.extend_from_slice(data);
                        pieces += 1;
                        if last {
                            break;
                        }
                    }
                    Some((Event::Published(_), _)) | None => {}
                    event => panic!("{event:?}"),
                }
            }
            assert!(pieces > 1);
            assert!(received == payload, "{version} {qos:?}");
            client.poll(Some(Duration::ZERO)).unwrap();
            client.disconnect(Duration::from_secs(10)).unwrap();
        }
    });
}

#[test]
fn nothing_goes_without_a_connection() {
    let mut storage = storage();
    let mut test = Test::new(config(Version::V5, "x"), &mut storage);
    let core = test.client.core();
    let not_connected = Err(Error::Usage(UsageError::NotConnected));
    assert_eq!(core.publish(&Message::new("a", b"b")), not_connected);
    assert_eq!(core.disconnect(), not_connected.map(drop));
}
