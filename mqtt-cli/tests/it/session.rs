//! Sessions that outlive their connections, against every broker there is.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_client::{Config, Filter, HeapStorage, Message, QoS, Version};
use mqtt_core::wire::PacketId;

use crate::support::broker::AnyBroker;
use crate::support::client::{Happened, Test, config};
use crate::support::unique;

/// Before 5.0, brokers send as many messages as they like; these send 64.
fn storage() -> HeapStorage {
    HeapStorage::new(64 * 1024, 256 * 1024, 100)
}

fn resuming(version: Version, id: &str) -> Config<'_> {
    Config {
        clean_start: false,
        session_expiry: 600,
        ..config(version, id)
    }
}

fn everywhere(test: impl Fn(&AnyBroker, Version)) {
    for broker in AnyBroker::all() {
        for &version in broker.versions() {
            eprintln!("{} in {version}", broker.name()); // Shown if the test fails.
            test(&broker, version);
        }
    }
}

/// How often each payload arrived.
fn counts(test: &Test<'_>) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for payload in test.payloads() {
        let number = str::from_utf8(payload).unwrap().parse().unwrap();
        *counts.entry(number).or_default() += 1;
    }
    counts
}

/// Publishes over connections that are cut at every stage; each message arrives as often as its
/// QoS promises, and is reported as published once.
#[test]
fn publishing_survives_cuts() {
    everywhere(|broker, version| {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            // It answers a repeated PUBREL with a PUBCOMP of 5.0, whatever the version.
            if broker.name() == "mqtt5" && version == Version::V311 && qos == QoS::ExactlyOnce {
                continue;
            }
            let (id, observer_id, topic) = (unique("cut"), unique("watch"), unique("topic"));
            let (mut one, mut two) = (storage(), storage());
            let mut observer = Test::new(config(version, &observer_id), &mut one);
            observer.subscribed(broker.address(), &[Filter::new(&topic, qos)]);
            let mut publisher = Test::new(resuming(version, &id), &mut two);
            let mut ids: Vec<PacketId> = Vec::new();
            let mut number = 0_u32;
            for polls in [0, 1, 2, 3, 5, 8, 12, 20] {
                let present = publisher.connect(broker.address());
                // 3.1 does not say.
                assert_eq!(present, number > 0 && version != Version::V31);
                // Twelve messages, half of them online.
                for is_online in [true, false] {
                    for _ in 0..6 {
                        let payload = number.to_string();
                        let message = Message::new(&topic, payload.as_bytes()).qos(qos);
                        let id = publisher.client.core().publish(&message).unwrap();
                        ids.extend(id);
                        number += 1;
                    }
                    if is_online {
                        for _ in 0..polls {
                            assert!(publisher.poll(Duration::from_millis(1)));
                        }
                        publisher.cut();
                    }
                }
                publisher.connect(broker.address());
                publisher.until_through();
                publisher.cut();
            }
            let mut reported: Vec<_> = publisher
                .log
                .iter()
                .filter_map(|event| match event {
                    Happened::Published(id, code) if !code.is_error() => Some(*id),
                    Happened::Lost(id) => panic!("lost {id}"),
                    _ => None,
                })
                .collect();
            reported.sort();
            ids.sort();
            assert_eq!(reported, ids, "{version} {qos:?}");

            let total = number as usize;
            while counts(&observer).len() < total {
                assert!(observer.poll(Duration::from_secs(30)), "{version} {qos:?}");
            }
            if qos == QoS::ExactlyOnce {
                // Anything that came twice would have come before the last one.
                assert_eq!(observer.payloads().len(), total, "{version}");
                let in_order = counts(&observer)
                    .into_keys()
                    .map(|number| number.to_string());
                assert!(
                    observer
                        .payloads()
                        .into_iter()
                        .eq(in_order.map(String::into_bytes))
                );
            }
            observer.disconnect();
        }
    });
}

/// What others publish while a subscriber is away arrives when it is back.
#[test]
fn subscriptions_survive_cuts() {
    everywhere(|broker, version| {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (id, other_id, topic) = (unique("away"), unique("other"), unique("topic"));
            let (mut one, mut two) = (storage(), storage());
            let mut subscriber = Test::new(resuming(version, &id), &mut one);
            subscriber.subscribed(broker.address(), &[Filter::new(&topic, qos)]);
            let mut other = Test::new(config(version, &other_id), &mut two);
            other.connect(broker.address());
            let mut number = 0_u32;
            let mut publish = |other: &mut Test<'_>| {
                for _ in 0..10 {
                    let payload = number.to_string();
                    let message = Message::new(&topic, payload.as_bytes()).qos(qos);
                    other.client.core().publish(&message).unwrap();
                    number += 1;
                }
                other.until_through();
            };
            for polls in [0, 1, 3, 7, 15] {
                publish(&mut other);
                for _ in 0..polls {
                    assert!(
                        subscriber.poll(Duration::from_millis(10)),
                        "{:?}",
                        subscriber.error
                    );
                }
                subscriber.cut();
                publish(&mut other);
                let present = subscriber.connect(broker.address());
                assert_eq!(present, version != Version::V31);
            }
            let total = number as usize;
            while counts(&subscriber).len() < total {
                assert!(
                    subscriber.poll(Duration::from_secs(30)),
                    "{version} {qos:?}"
                );
            }
            if qos == QoS::ExactlyOnce {
                assert_eq!(subscriber.payloads().len(), total, "{version}");
            }
            subscriber.disconnect();
            other.disconnect();
        }
    });
}

/// Of messages whose session the server has not kept, each is either through or lost.
#[test]
fn a_lost_session_is_reported() {
    everywhere(|broker, version| {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (id, topic) = (unique("lost"), unique("topic"));
            let mut storage = storage();
            let mut test = Test::new(config(version, &id), &mut storage);
            test.connect(broker.address());
            let mut ids = Vec::new();
            for _ in 0..10 {
                let message = Message::new(&topic, b"x").qos(qos);
                ids.extend(test.client.core().publish(&message).unwrap());
            }
            assert!(test.client.flush(Duration::from_secs(30)).unwrap());
            test.cut();
            // This one was never sent, so that it is as good as new.
            let message = Message::new(&topic, b"x").qos(qos);
            let unsent = test.client.core().publish(&message).unwrap().unwrap();
            assert!(!test.connect(broker.address()));
            test.until_through();
            let mut reported: Vec<_> = test
                .log
                .iter()
                .filter_map(|event| match event {
                    Happened::Published(id, _) | Happened::Lost(id) => Some(*id),
                    _ => None,
                })
                .collect();
            reported.sort();
            ids.push(unsent);
            assert_eq!(reported, ids, "{version} {qos:?}: {:?}", test.log);
            assert!(!test.log.contains(&Happened::Lost(unsent)));
            test.disconnect();
        }
    });
}
