//! Codecs: from an application's `&str` and `&[u8]` to a packet's bytes, and from bytes to a packet.
//!
//! Each codec is called as its own users call it. One that returns a new `Vec` pays for it, one
//! that wants its input as `BytesMut` or `Arc<[u8]>` pays for filling that, since whoever reads from
//! a socket does so, too.

use std::hint::black_box;

use crate::packet::{
    Ack, ConnAck, Connect, LONG_TOPIC, Packet, Properties, Publish, SHORT_TOPIC, Subscribe,
    Version, payload, size,
};
use crate::{Bench, Operation};

#[cfg(feature = "peers")]
mod flowsdk;
#[cfg(feature = "peers")]
mod minimq;
#[cfg(feature = "peers")]
mod mountain;
#[cfg(feature = "peers")]
mod mqtt5_protocol;
#[cfg(feature = "peers")]
mod mqttbytes;
#[cfg(feature = "peers")]
mod mqttrs;
mod ours;
#[cfg(feature = "peers")]
mod protocol_core;
#[cfg(feature = "peers")]
mod rusty;

/// Longer than any packet here.
const MAX_LEN: usize = (1 << 20) + 512;

/// A codec of one version. What it does not offer is `None`.
pub trait Codec: 'static {
    /// What it makes of bytes.
    type Packet<'a>;

    /// False if it has several properties in whatever order.
    const PROPERTIES_IN_ORDER: bool = true;

    /// False if what it decodes cannot be looked at.
    const SHOWS_WHAT_IT_DECODES: bool = true;

    /// True for what it is known to get wrong.
    fn leaves_out(_packet: &Packet<'_>, _is_encoding: bool) -> bool {
        false
    }

    /// Encodes PUBLISH.
    fn publish(&mut self, publish: &Publish<'_>) -> Option<&[u8]>;

    /// Encodes an acknowledgement of success.
    fn ack(&mut self, ack: Ack, id: u16) -> Option<&[u8]>;

    /// Encodes CONNECT.
    fn connect(&mut self, connect: &Connect<'_>) -> Option<&[u8]>;

    /// Encodes SUBSCRIBE.
    fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Option<&[u8]>;

    /// Encodes PINGREQ.
    fn ping(&mut self) -> Option<&[u8]>;

    /// Decodes the one packet in `wire`.
    fn decode<'a>(&'a mut self, wire: &'a [u8]) -> Option<Self::Packet<'a>>;

    /// What a decoded packet says.
    fn view<'a>(packet: &'a Self::Packet<'_>) -> Option<Packet<'a>>;
}

/// What is encoded and decoded, with the case's name.
fn packets() -> Vec<(Version, String, Packet<'static>)> {
    let mut all = Vec::new();
    for version in Version::ALL {
        let mut publish = |qos, topic, len, with_properties| {
            let name = format!(
                "PUBLISH QoS {qos}, {version}, {}, {} topic{}",
                size(len),
                if topic == SHORT_TOPIC {
                    "short"
                } else {
                    "long"
                },
                if with_properties { ", properties" } else { "" }
            );
            let publish = Publish {
                qos,
                id: 1,
                topic,
                properties: with_properties.then_some(Properties {
                    is_text: true,
                    expiry: 3600,
                    correlation: &[1, 2, 3, 4, 5, 6, 7, 8],
                    user: ("unit", "K"),
                }),
                payload: payload(len),
            };
            all.push((version, name, Packet::Publish(publish)));
        };
        for qos in [0, 2] {
            publish(qos, SHORT_TOPIC, 64, false);
        }
        for with_properties in [false, true] {
            if with_properties && !version.is_v5() {
                continue;
            }
            for topic in [SHORT_TOPIC, LONG_TOPIC] {
                for len in [0, 64, 4 << 10, 1 << 20] {
                    publish(1, topic, len, with_properties);
                }
            }
        }
        let mut other = |name, packet| all.push((version, format!("{name}, {version}"), packet));
        for ack in Ack::ALL {
            other(
                match ack {
                    Ack::PubAck => "PUBACK",
                    Ack::PubRec => "PUBREC",
                    Ack::PubRel => "PUBREL",
                    Ack::PubComp => "PUBCOMP",
                },
                Packet::Ack(ack, 1),
            );
        }
        other(
            "CONNECT",
            Packet::Connect(Connect {
                client_id: "plant-7-line-3",
                keep_alive: 60,
                username: "line-3",
                password: "correct horse",
                session_expiry: 3600,
                receive_maximum: 100,
            }),
        );
        other(
            "CONNACK",
            Packet::ConnAck(ConnAck {
                session_present: true,
                limits: version.is_v5().then_some((20, 1 << 20, 10)),
            }),
        );
        other(
            "SUBSCRIBE",
            Packet::Subscribe(Subscribe {
                id: 11,
                filters: [("plant/7/line/3/#", 1), ("plant/+/alarm", 2)],
            }),
        );
        other("SUBACK", Packet::SubAck(11, [1, 2]));
        other("PINGREQ", Packet::PingReq);
        other("PINGRESP", Packet::PingResp);
    }
    all
}

/// All operations of all codecs.
#[must_use]
pub fn benches() -> Vec<Bench> {
    let mut all = Vec::new();
    for is_encoding in [true, false] {
        for (version, name, packet) in packets() {
            let one_way = match packet {
                Packet::Connect(_) | Packet::Subscribe(_) | Packet::PingReq => Some(true),
                Packet::ConnAck(_) | Packet::SubAck(..) | Packet::PingResp => Some(false),
                Packet::Publish(_) | Packet::Ack(..) => None,
            };
            if one_way == Some(!is_encoding) {
                continue;
            }
            let row = Row {
                case: format!("{} {name}", if is_encoding { "encode" } else { "decode" }),
                version,
                packet,
                is_encoding,
            };
            row.add(&mut all, crate::OURS, move || ours::Ours::new(version));
            #[cfg(feature = "peers")]
            row.add_peers(&mut all);
        }
    }
    all
}

/// One case, for all codecs.
struct Row {
    case: String,
    version: Version,
    packet: Packet<'static>,
    is_encoding: bool,
}

impl Row {
    /// Adds it for one codec, if that can do it.
    fn add<C: Codec>(
        &self,
        all: &mut Vec<Bench>,
        client: &'static str,
        codec: impl Fn() -> C + 'static,
    ) {
        let (packet, version) = (self.packet, self.version);
        if C::leaves_out(&packet, self.is_encoding) {
            return;
        }
        let wire = packet.wire(version);
        // Ours does not touch a payload that it decodes.
        let touched = self.is_encoding || client != crate::OURS;
        let weight = 300 + if touched { wire.len() as u64 / 8 } else { 0 };
        let build: Box<dyn Fn() -> Operation> = if self.is_encoding {
            if encode(&mut codec(), &packet).is_none() {
                return;
            }
            Box::new(move || encoding(codec(), packet, version))
        } else {
            if codec().decode(&wire).is_none() {
                return;
            }
            Box::new(move || decoding(codec(), packet, version))
        };
        all.push(Bench {
            table: "codec",
            case: self.case.clone(),
            version,
            client,
            weight,
            per_run: 1.0,
            build,
        });
    }
}

#[cfg(feature = "peers")]
impl Row {
    fn add_peers(&self, all: &mut Vec<Bench>) {
        use crate::peer;

        let version = self.version;
        match version {
            Version::V311 => {
                self.add(all, peer!("mqttbytes"), mqttbytes::mqttbytes_v4::Peer::new);
                self.add(all, peer!("rumqttc"), mqttbytes::rumqttc_v4::Peer::new);
                self.add(all, peer!("mqttrs"), mqttrs::Mqttrs::new);
            }
            Version::V5 => {
                self.add(all, peer!("mqttbytes"), mqttbytes::mqttbytes_v5::Peer::new);
                self.add(all, peer!("rumqttc"), mqttbytes::rumqttc_v5::Peer::new);
                self.add(
                    all,
                    peer!("rumqttc-v5-next"),
                    mqttbytes::rumqttc_next_v5::Peer::new,
                );
                self.add(all, peer!("minimq"), minimq::Minimq::new);
                self.add(all, peer!("mountain-mqtt"), mountain::Mountain::new);
                self.add(all, peer!("rusty_rtos_mqtt-core"), rusty::Rusty::new);
            }
        }
        self.add(all, peer!("mqtt-protocol-core"), move || {
            protocol_core::ProtocolCore::new(version)
        });
        self.add(all, peer!("flowsdk"), move || {
            flowsdk::Flowsdk::new(version)
        });
        self.add(all, peer!("mqtt5-protocol"), move || {
            mqtt5_protocol::Mqtt5Protocol::new(version)
        });
    }
}

/// The first byte of a packet and what follows its fixed header, for codecs that leave this to others.
#[cfg(feature = "peers")]
fn split_header(wire: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, mut rest) = wire.split_first()?;
    for _ in 0..4 {
        let (&byte, body) = rest.split_first()?;
        rest = body;
        if byte < 0x80 {
            return Some((first, body));
        }
    }
    None
}

fn encode<'a, C: Codec>(codec: &'a mut C, packet: &Packet<'_>) -> Option<&'a [u8]> {
    match packet {
        Packet::Publish(publish) => codec.publish(publish),
        Packet::Ack(ack, id) => codec.ack(*ack, *id),
        Packet::Connect(connect) => codec.connect(connect),
        Packet::Subscribe(subscribe) => codec.subscribe(subscribe),
        Packet::PingReq => codec.ping(),
        Packet::ConnAck(_) | Packet::SubAck(..) | Packet::PingResp => None,
    }
}

/// True if `bytes` are this packet.
fn is<C: Codec>(packet: &Packet<'_>, version: Version, bytes: &[u8]) -> bool {
    let wire = packet.wire(version);
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    bytes == wire
        || !C::PROPERTIES_IN_ORDER && sorted(bytes) == sorted(&wire)
        // What may be left out need not be: a reason code of success, and no properties.
        || matches!(packet, Packet::Ack(ack, _) if version.is_v5()
            && (bytes == [&[ack.first_byte(), 3], &wire[2..], &[0]].concat()
                || bytes == [&[ack.first_byte(), 4], &wire[2..], &[0, 0]].concat()))
}

fn encoding<C: Codec>(mut codec: C, packet: Packet<'static>, version: Version) -> Operation {
    // Twice: what is kept from one packet to the next must not show.
    for _ in 0..2 {
        let bytes = encode(&mut codec, &packet).expect("it did before");
        assert!(
            is::<C>(&packet, version, bytes),
            "{packet:?} was encoded as {bytes:?}"
        );
    }
    /// The length, which an address goes with that the compiler has to have bytes at.
    fn look(bytes: Option<&[u8]>) -> usize {
        black_box(bytes).map_or(0, <[u8]>::len)
    }
    match packet {
        Packet::Publish(publish) => {
            Operation::new(move || look(codec.publish(black_box(&publish))))
        }
        Packet::Ack(ack, id) => {
            Operation::new(move || look(codec.ack(black_box(ack), black_box(id))))
        }
        Packet::Connect(connect) => {
            Operation::new(move || look(codec.connect(black_box(&connect))))
        }
        Packet::Subscribe(subscribe) => {
            Operation::new(move || look(codec.subscribe(black_box(&subscribe))))
        }
        Packet::PingReq => Operation::new(move || look(black_box(&mut codec).ping())),
        Packet::ConnAck(_) | Packet::SubAck(..) | Packet::PingResp => unreachable!(),
    }
}

fn decoding<C: Codec>(mut codec: C, packet: Packet<'static>, version: Version) -> Operation {
    let wire = packet.wire(version);
    for _ in 0..2 {
        let decoded = codec.decode(&wire).expect("it did before");
        let view = C::view(&decoded);
        assert!(
            view == Some(packet) || !C::SHOWS_WHAT_IT_DECODES,
            "{packet:?} was decoded as {view:?}"
        );
    }
    Operation::new(move || {
        black_box(codec.decode(black_box(&wire)));
    })
}
