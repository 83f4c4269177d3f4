//! Packets as bytes, for those that do without a codec.

use crate::TOPIC;

/// The first byte of an acknowledgement, or a PUBLISH of QoS 0 without flags.
pub mod first {
    #![expect(missing_docs, reason = "the names of the packets")]
    pub const CONNECT: u8 = 0x10;
    pub const CONNACK: u8 = 0x20;
    pub const PUBLISH: u8 = 0x30;
    pub const PUBACK: u8 = 0x40;
    pub const PUBREC: u8 = 0x50;
    pub const PUBREL: u8 = 0x62;
    pub const PUBCOMP: u8 = 0x70;
    pub const SUBSCRIBE: u8 = 0x82;
    pub const SUBACK: u8 = 0x90;
    pub const PINGREQ: u8 = 0xc0;
    pub const PINGRESP: u8 = 0xd0;
    pub const DISCONNECT: u8 = 0xe0;
}

/// An acknowledgement; a success needs no more in 5.0 either.
#[must_use]
pub fn ack(first: u8, id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [first, 2, high, low]
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut len = body.len();
    loop {
        let more = len >= 0x80;
        bytes.push((len & 0x7f) as u8 | u8::from(more) << 7);
        len >>= 7;
        if !more {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

fn string(text: &str) -> impl Iterator<Item = u8> {
    (text.len() as u16)
        .to_be_bytes()
        .into_iter()
        .chain(text.bytes())
}

/// CONNECT with a clean start and without a keep-alive.
#[must_use]
pub fn connect(level: u8, client_id: &str) -> Vec<u8> {
    let mut body: Vec<_> = string("MQTT").collect();
    body.extend([level, 2, 0, 0]);
    if level == 5 {
        body.push(0);
    }
    body.extend(string(client_id));
    packet(first::CONNECT, &body)
}

/// SUBSCRIBE to the topic, with a QoS or, in 5.0, options.
#[must_use]
pub fn subscribe(level: u8, options: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    if level == 5 {
        body.push(0);
    }
    body.extend(string(TOPIC));
    body.push(options);
    packet(first::SUBSCRIBE, &body)
}

/// PUBLISH to the topic.
#[must_use]
pub fn publish(level: u8, qos: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body: Vec<_> = string(TOPIC).collect();
    if qos > 0 {
        body.extend(id.to_be_bytes());
    }
    if level == 5 {
        body.push(0);
    }
    body.extend(payload);
    packet(first::PUBLISH | qos << 1, &body)
}

/// Where the identifier of such a PUBLISH is, which is `len` bytes long.
#[must_use]
pub fn id_offset(level: u8, payload: usize, len: usize) -> usize {
    len - payload - usize::from(level == 5) - 2
}

/// The length of the first packet, with its fixed header's; `None` if that is not there in full.
#[must_use]
pub fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut len = 0;
    for i in 0..4 {
        let byte = *bytes.get(i + 1)?;
        len |= usize::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            return Some((i + 2, i + 2 + len));
        }
    }
    None
}
