use super::*;
use crate::wire::Packet;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

const VERSION: Version = Version::V311;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        qos: u8,
        len: usize,
    },
    /// Sends a part of what may be sent.
    Transmit(usize),
    /// Acknowledges one of the messages that were sent, not always the oldest.
    Acknowledge(usize),
    /// Loses the connection, and gets another with the session kept or not, and this quota.
    Reconnect {
        kept: bool,
        quota: u16,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3u8, 0..60usize).prop_map(|(qos, len)| Step::Publish { qos, len }),
        4 => (1..200usize).prop_map(Step::Transmit),
        3 => prop_oneof![3 => Just(0usize), 1 => 0..8usize].prop_map(Step::Acknowledge),
        1 => (any::<bool>(), 1..60u16).prop_map(|(kept, quota)| Step::Reconnect { kept, quota }),
    ]
}

/// A message, as the model knows it.
#[derive(Clone, Debug, PartialEq)]
struct Sent {
    id: Option<u16>,
    qos: QoS,
    number: u32,
    dup: bool,
}

fn payload(number: u32, len: usize) -> Vec<u8> {
    number
        .to_le_bytes()
        .into_iter()
        .cycle()
        .take(len + 4)
        .collect()
}

/// What the server got of the bytes so far: whole packets leave `wire`.
fn receive(wire: &mut Vec<u8>) -> Vec<Sent> {
    let mut sent = Vec::new();
    while let Some((packet, n)) = Packet::decode(wire, VERSION).unwrap() {
        let Packet::Publish(publish) = packet else {
            panic!("{packet:?}")
        };
        let number = u32::from_le_bytes(publish.payload[..4].try_into().unwrap());
        assert_eq!(publish.payload, payload(number, publish.payload.len() - 4));
        let id = publish.packet_id.map(PacketId::get);
        sent.push(Sent {
            id,
            qos: publish.qos,
            number,
            dup: publish.dup,
        });
        wire.drain(..n);
    }
    sent
}

proptest! {
    /// The server gets every message whole, unchanged, in order, at the right time.
    #[test]
    fn messages_survive_everything(
        capacity in prop_oneof![60..400usize, 400..3000usize],
        slots in prop_oneof![1..9usize, 9..60usize],
        quota in 1..60u16,
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut arena = vec![0; capacity];
        let mut table = vec![Slot::EMPTY; slots];
        let mut outbox = Outbox::new(&mut arena, &mut table, VERSION, false);
        let mut quota = quota;
        let mut number = 0;
        // What the server is to get next, what it has got and not acknowledged.
        let mut expected: VecDeque<Sent> = VecDeque::new();
        let mut unacknowledged: Vec<Sent> = Vec::new();
        let mut wire = Vec::new();
        for step in steps {
            match step {
                Step::Publish { qos, len } => {
                    let qos = QoS::from_u8(qos).unwrap();
                    if qos != QoS::AtMostOnce
                        && outbox.admitted() + outbox.waiting() >= quota
                    {
                        continue;
                    }
                    number += 1;
                    let payload = payload(number, len);
                    let publish = Publish { qos, ..Publish::new("t", &payload) };
                    match outbox.publish(publish, usize::MAX, 0, true) {
                        Ok(id) => {
                            outbox.admit(quota, 0);
                            let id = id.map(PacketId::get);
                            expected.push_back(Sent { id, qos, number, dup: false });
                        }
                        Err(Error::Full(_)) => {}
                        Err(error) => prop_assert_eq!(error, UsageError::BufferTooSmall.into()),
                    }
                }
                Step::Transmit(n) => {
                    let n = n.min(outbox.transmit().len());
                    if outbox.is_partial() {
                        prop_assert!(outbox.transmit().starts_with(outbox.rest_of_packet()));
                    }
                    wire.extend_from_slice(&outbox.transmit()[..n]);
                    if n > 0 {
                        let _ = outbox.transmitted(n);
                    }
                    prop_assert_eq!(outbox.is_partial(), {
                        let mut rest = &wire[..];
                        while let Some((_, n)) = Packet::decode(rest, VERSION).unwrap() {
                            rest = &rest[n..];
                        }
                        !rest.is_empty()
                    });
                    for got in receive(&mut wire) {
                        let next = expected.pop_front().unwrap();
                        prop_assert_eq!(&got, &next);
                        if got.qos != QoS::AtMostOnce {
                            unacknowledged.push(got);
                        }
                    }
                }
                Step::Acknowledge(which) => {
                    if unacknowledged.is_empty() {
                        continue;
                    }
                    let sent = unacknowledged.remove(which % unacknowledged.len());
                    let id = PacketId::new(sent.id.unwrap()).unwrap();
                    if sent.qos == QoS::AtLeastOnce {
                        prop_assert!(matches!(outbox.acknowledged(PacketType::PubAck, id, false), Settled::Done));
                    } else {
                        prop_assert!(matches!(outbox.acknowledged(PacketType::PubRec, id, false), Settled::Released));
                        prop_assert_eq!(outbox.releasing(), Some(id));
                        outbox.released();
                        prop_assert!(matches!(outbox.acknowledged(PacketType::PubComp, id, false), Settled::Done));
                    }
                    outbox.admit(quota, 0);
                }
                Step::Reconnect { kept, quota: next } => {
                    let begun = !wire.is_empty();
                    wire.clear();
                    outbox.connection_lost(false);
                    outbox.resume(kept, |_, _| true);
                    outbox.admit(next, 0);
                    quota = next;
                    if let (true, Some(first)) = (begun, expected.front_mut()) {
                        first.dup = true;
                    }
                    expected.retain(|sent| sent.qos != QoS::AtMostOnce);
                    for mut sent in unacknowledged.drain(..).rev() {
                        sent.dup = true;
                        expected.push_front(sent);
                    }
                    if !kept {
                        let mut lost = Vec::new();
                        while let Some(id) = outbox.take_lost() {
                            lost.push(id.get());
                        }
                        let gone = expected.iter().filter(|sent| sent.dup);
                        prop_assert!(lost.into_iter().eq(gone.filter_map(|sent| sent.id)));
                        expected.retain(|sent| !sent.dup);
                    }
                }
            }
            let kept = unacknowledged.len()
                + expected.iter().filter(|sent| sent.qos != QoS::AtMostOnce).count();
            let counted = outbox.admitted() + outbox.waiting();
            prop_assert_eq!(usize::from(counted), kept);
        }
    }
}

#[test]
fn a_message_may_take_all_the_room_there_is() {
    let message = Publish::new("t", b"0123456789");
    let len = wire::encoded_len(&message, VERSION).unwrap();
    for (capacity, expected) in [(len, Ok(None)), (len - 1, Err(UsageError::BufferTooSmall))] {
        let mut arena = vec![0; capacity];
        let mut outbox = Outbox::new(&mut arena, &mut [], VERSION, false);
        let published = outbox.publish(message, usize::MAX, 0, true);
        assert_eq!(published, expected.map_err(Error::from));
    }
}

#[test]
fn where_messages_are_is_shown_and_not_what_they_say() {
    let mut arena = [0; 40];
    let mut outbox = Outbox::new(&mut arena, &mut [], VERSION, false);
    let message = Publish::new("t", &[171; 10]);
    outbox.publish(message, usize::MAX, 0, true).unwrap();
    let shown = std::format!("{outbox:?}");
    assert!(shown.contains("end: 15"), "{shown}");
    assert!(!shown.contains("171"), "{shown}");
}

/// What is not in use is room, wherever in the ring it lies.
#[test]
fn room_is_what_messages_do_not_use() {
    let message = Publish::new("t", b"0123456789");
    let len = wire::encoded_len(&message, VERSION).unwrap();
    let mut arena = vec![0; 4 * len + 7];
    let mut outbox = Outbox::new(&mut arena, &mut [], VERSION, false);
    let mut used = 0;
    for round in 0..50 {
        while outbox.publish(message, usize::MAX, 0, true).is_ok() {
            used += len;
            assert_eq!(outbox.room(), 4 * len + 7 - used);
        }
        assert!(used >= 3 * len);
        for _ in 0..=round % 3 {
            let _ = outbox.transmitted(len);
            used -= len;
            assert_eq!(outbox.room(), 4 * len + 7 - used);
        }
    }
}

/// What QoS 0 messages leave behind a message that is kept becomes room again, whenever they leave.
#[test]
fn room_behind_a_message_that_is_kept() {
    let publish = |qos, payload| Publish {
        qos,
        ..Publish::new("t", payload)
    };
    let kept = publish(QoS::AtLeastOnce, b"kept");
    let once = publish(QoS::AtMostOnce, b"passes");
    let len = wire::encoded_len(&once, VERSION).unwrap();
    let mut arena = vec![0; 3 * len];
    let mut table = [Slot::EMPTY; 2];
    let mut outbox = Outbox::new(&mut arena, &mut table, VERSION, false);
    for message in [kept, once, once] {
        outbox.publish(message, usize::MAX, 0, true).unwrap();
    }
    let _ = outbox.transmitted(len);
    let _ = outbox.transmitted(len);
    let long = vec![0; 6 + len];
    let long = publish(QoS::AtMostOnce, &long);
    assert_eq!(wire::encoded_len(&long, VERSION), Ok(2 * len));
    let published = outbox.publish(long, usize::MAX, 0, true);
    assert_eq!(published, Err(Resource::Messages.into()));
    let _ = outbox.transmitted(len);
    outbox.publish(long, usize::MAX, 0, true).unwrap();
}

/// So does what a lent payload's message leaves.
#[test]
fn room_behind_a_message_that_is_kept_and_a_lent_payload() {
    let kept = Publish {
        qos: QoS::AtLeastOnce,
        ..Publish::new("t", b"kept")
    };
    let lent = Publish::new("a topic", b"");
    let mut arena = vec![0; 40];
    let mut table = [Slot::EMPTY; 3];
    let mut outbox = Outbox::new(&mut arena, &mut table, VERSION, false);
    outbox.publish(kept, usize::MAX, 0, true).unwrap();
    let before = outbox.room();
    let _ = outbox.transmitted(usize::MAX);
    outbox
        .publish_enveloped(&lent, 5, None, usize::MAX, 0)
        .unwrap();
    outbox.admit(u16::MAX, 0);
    while outbox.has_unsent() {
        let _ = outbox.transmitted(usize::MAX);
    }
    assert!(outbox.room() < before);
    let long = vec![0; before - 5];
    let long = Publish::new("t", &long);
    assert_eq!(wire::encoded_len(&long, VERSION), Ok(before));
    outbox.publish(long, usize::MAX, 0, true).unwrap();
}

/// Whatever is kept, no message has more than a few others moved. It may have to wait for that.
#[test]
fn holes_are_closed_once_there_are_some() {
    for kept in [2, 15, 16, 17, 100, 1000] {
        let message = Publish {
            qos: QoS::AtLeastOnce,
            ..Publish::new("t", b"sixteen and more")
        };
        let id = PacketId::new(1);
        let packet = Publish {
            packet_id: id,
            ..message
        };
        let len = wire::encoded_len(&packet, VERSION).unwrap();
        let mut arena = vec![0; kept * len];
        let mut table = vec![Slot::EMPTY; kept + 200];
        let mut outbox = Outbox::new(&mut arena, &mut table, VERSION, false);
        let publish = |outbox: &mut Outbox<'_>| {
            let id = outbox.publish(message, usize::MAX, 0, true)?;
            let n = outbox.transmit().len();
            let _ = outbox.transmitted(n);
            Ok::<_, Error>(id.unwrap())
        };
        let mut ids: VecDeque<_> = (0..kept).map(|_| publish(&mut outbox).unwrap()).collect();
        // Nobody acknowledges the oldest.
        ids.pop_front();
        for _ in 0..20 {
            assert_eq!(publish(&mut outbox), Err(Resource::Messages.into()));
            let mut holes = 0;
            loop {
                let id = ids.pop_front().unwrap();
                let settled = outbox.acknowledged(PacketType::PubAck, id, false);
                assert!(matches!(settled, Settled::Done));
                holes += 1;
                match publish(&mut outbox) {
                    Ok(id) => break ids.push_back(id),
                    Err(error) => assert_eq!(error, Resource::Messages.into()),
                }
            }
            let expected = (1..).find(|holes| *holes > (kept - holes) / usize::from(SHARE));
            assert_eq!(Some(holes), expected, "{kept}");
            for _ in 1..holes {
                ids.push_back(publish(&mut outbox).unwrap());
            }
        }
    }
}
