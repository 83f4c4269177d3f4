//! A conversation in which each side speaks only in answer to the other, so that its bytes are the
//! same however it is chopped up.

use std::rc::Rc;
use std::time::Duration;

use mqtt_client::embedded::Client;
use mqtt_client::mqtt_core::wire::{Ack, ConnAck, Packet, PacketId, Publish, ReasonCode, SubAck};
use mqtt_client::{Config, Event, Filter, Message, QoS, Storage, Version};

use super::world::{Script, World, encode};

pub(super) const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

/// Larger than any buffer of the client.
pub(super) const LARGE: usize = 100;

fn large() -> Vec<u8> {
    (0..LARGE).map(|n| n.to_le_bytes()[0]).collect()
}

fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// Has CONNECT and requests answered, and acknowledges messages.
pub(super) fn polite(version: Version) -> Script {
    Box::new(move |packet| match packet {
        Packet::Connect(_) => encode(version, ConnAck::new(false, ReasonCode::Success)),
        Packet::Subscribe(subscribe) => {
            let codes = [ReasonCode::GrantedQoS2];
            let suback = SubAck {
                packet_id: subscribe.packet_id,
                properties: Default::default(),
                codes: (&codes).into(),
            };
            encode(version, suback)
        }
        Packet::Publish(publish) => match (publish.qos, publish.packet_id) {
            (QoS::AtLeastOnce, Some(id)) => encode(version, Packet::PubAck(Ack::new(id))),
            (QoS::ExactlyOnce, Some(id)) => encode(version, Packet::PubRec(Ack::new(id))),
            _ => Vec::new(),
        },
        Packet::PubRel(ack) => encode(version, Packet::PubComp(Ack::new(ack.packet_id))),
        Packet::PubRec(ack) => encode(version, Packet::PubRel(Ack::new(ack.packet_id))),
        Packet::PingReq => encode(version, Packet::PingResp),
        _ => Vec::new(),
    })
}

/// A server that is polite and sends a message of each kind, one after the other.
fn talkative(version: Version) -> Script {
    let mut polite = polite(version);
    Box::new(move |packet| {
        let message = |topic, qos, packet_id| Publish {
            qos,
            packet_id,
            ..Publish::new(topic, b"down")
        };
        let next = match packet {
            Packet::Publish(publish) if publish.qos == QoS::AtMostOnce => {
                message("one", QoS::AtLeastOnce, Some(id(7)))
            }
            Packet::PubAck(_) => message("two", QoS::ExactlyOnce, Some(id(8))),
            Packet::PubComp(_) => {
                return encode(version, Publish::new("large", &large()));
            }
            packet => return polite(packet),
        };
        encode(version, next)
    })
}

pub(super) fn world(version: Version) -> Rc<World> {
    World::new(version, talkative(version))
}

/// Holds the conversation to its end, and returns what the application was told. Calls whose
/// futures are dropped are made again.
pub(super) fn hold(world: &Rc<World>, version: Version) -> Vec<String> {
    let mut storage = Storage::<64, 128, 4>::new();
    let config = Config {
        version,
        ..Config::new("c")
    };
    let mut client = Client::new(config, storage.split(), world.timer());
    let (reader, writer) = world.halves();
    let mut connection = client.connect(reader, writer).unwrap();
    let mut told = Vec::new();
    let mut received = Vec::new();
    let mut is_through = false;
    // More than is asked for.
    let lent_bytes = [large(), b"not this".to_vec()].concat();
    let mut turns = 0;
    while !is_through {
        turns += 1;
        assert!(turns < 100_000, "no end");
        if let Some(event) = world.run(connection.poll()) {
            if let Some((event, core)) = event.unwrap() {
                match event {
                    // Pieces are cut differently each time.
                    Event::Payload { data, last, .. } => {
                        received.extend_from_slice(data);
                        if last {
                            assert_eq!(received, large());
                            told.push("the whole payload".to_owned());
                            let message = Message::new("lent", b"").qos(QoS::AtLeastOnce);
                            core.publish_lent(&message, LARGE).unwrap();
                        }
                        continue;
                    }
                    Event::Connected(_) => {
                        core.subscribe(&[Filter::new("#", QoS::ExactlyOnce)])
                            .unwrap();
                    }
                    Event::Subscribed(_) => {
                        let message = Message::new("up", b"one").qos(QoS::AtLeastOnce);
                        core.publish(&message).unwrap();
                    }
                    Event::Published(ack) if ack.packet_id == id(2) => {
                        let message = Message::new("up", b"two").qos(QoS::ExactlyOnce);
                        core.publish(&message).unwrap();
                    }
                    Event::Published(ack) if ack.packet_id == id(3) => {
                        core.publish(&Message::new("up", b"none")).unwrap();
                    }
                    Event::Published(_) => is_through = true,
                    _ => {}
                }
                told.push(format!("{event:?}"));
            }
        }
        if let Some(lent) = connection.core().payload() {
            if let Some(n) = world.run(connection.send_payload(&lent_bytes[lent.offset..])) {
                assert!(n.unwrap() <= lent.left);
            }
        }
    }
    connection
        .core()
        .publish(&Message::new("up", b"last"))
        .unwrap();
    // The server has something to say about it, which nobody listens to.
    while world.run(connection.flush()).map(Result::unwrap) != Some(true) {
        assert!(world.polls.get() < 1_000_000, "no end");
    }
    loop {
        if let Some(result) = world.run(connection.disconnect(Duration::from_secs(1))) {
            result.unwrap();
            return told;
        }
    }
}

#[test]
fn every_kind_of_message_both_ways() {
    for version in VERSIONS {
        let world = world(version);
        let told = hold(&world, version);
        let expected = [
            "CONNECT",
            "SUBSCRIBE",
            "PUBLISH",
            "PUBLISH",
            "PUBREL",
            "PUBLISH",
            "PUBACK",
            "PUBREC",
            "PUBCOMP",
            "PUBLISH",
            "PUBLISH",
            "DISCONNECT",
        ];
        assert_eq!(world.names(), expected, "{version:?}");
        let told: Vec<_> = told
            .iter()
            .map(|event| event.split(['(', ' ']).next().unwrap())
            .collect();
        let expected = [
            "Connected",
            "Subscribed",
            "Published",
            "Published",
            "Publish",
            "Publish",
            "PublishStart",
            "the",
            "Published",
        ];
        assert_eq!(told, expected, "{version:?}");
        let sent = world.sent.borrow();
        let lent = large();
        assert!(sent.windows(LARGE).any(|window| window == lent));
    }
}
