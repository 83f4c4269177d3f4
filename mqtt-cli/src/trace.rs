//! The stream, with a look at the packets that pass.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Instant;

use embedded_io::{ErrorType, Read, Write};
use mqtt_client::{Stream, Version, net};
use mqtt_core::wire::{Ack, FixedHeader, Packet, Publish};

/// Larger packets are not shown in full.
const MAX_SHOWN: usize = 64 * 1024;

/// A stream that, if asked to, shows each packet on standard error.
#[derive(Debug)]
pub(crate) struct Link {
    stream: net::Stream,
    /// True until the server has said something.
    is_new: bool,
    trace: Option<[Direction; 2]>,
}

/// What a server speaks in place of MQTT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Foreign {
    Tls,
    Http,
}

impl Foreign {
    /// Looks at the first bytes of a server.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            // An alert, which is what TLS has to say to other protocols.
            [0x15, 3, ..] => Some(Self::Tls),
            [b'H', b'T', b'T', b'P', ..] => Some(Self::Http),
            _ => None,
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "the server speaks TLS",
            Self::Http => "the server speaks HTTP",
        })
    }
}

impl std::error::Error for Foreign {}

impl Link {
    /// The packets of this version are shown, if one is given.
    pub(crate) fn new(stream: net::Stream, trace: Option<Version>) -> Self {
        let directions = |version| {
            ["received", "sent"].map(|verb| Direction {
                verb,
                version,
                bytes: Vec::new(),
                skip: 0,
            })
        };
        Self {
            stream,
            is_new: true,
            trace: trace.map(directions),
        }
    }
}

impl ErrorType for Link {
    type Error = io::Error;
}

impl Read for Link {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = Read::read(&mut self.stream, buf)?;
        if std::mem::take(&mut self.is_new)
            && let Some(foreign) = Foreign::of(&buf[..n])
        {
            return Err(io::Error::new(io::ErrorKind::InvalidData, foreign));
        }
        if let Some([received, _]) = &mut self.trace {
            received.pass(&buf[..n], show);
        }
        Ok(n)
    }
}

impl Write for Link {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = Write::write(&mut self.stream, buf)?;
        let sent = &buf[..n];
        if let Some([_, direction]) = &mut self.trace {
            direction.pass(sent, show);
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(&mut self.stream)
    }
}

impl Stream for Link {
    fn set_deadline(&mut self, deadline: Option<Instant>) -> io::Result<()> {
        Stream::set_deadline(&mut self.stream, deadline)
    }

    fn close(&mut self) -> io::Result<()> {
        Stream::close(&mut self.stream)
    }
}

/// The packets that go one way.
#[derive(Debug)]
struct Direction {
    verb: &'static str,
    version: Version,
    /// The beginning of the packet that has not passed yet.
    bytes: Vec<u8>,
    /// How much is left of a packet that is not shown in full.
    skip: usize,
}

impl Direction {
    fn pass(&mut self, bytes: &[u8], mut show: impl FnMut(&str, &str)) {
        let skipped = self.skip.min(bytes.len());
        self.skip -= skipped;
        self.bytes.extend_from_slice(&bytes[skipped..]);
        let mut done = 0;
        loop {
            let rest = self.bytes.get(done..).unwrap_or_default();
            let Ok(Some(header)) = FixedHeader::decode(rest, self.version) else {
                break;
            };
            let len = header.packet_len();
            if len > MAX_SHOWN {
                show(self.verb, &format!("{} of {len} bytes", header.packet_type));
                let here = rest.len().min(len);
                (self.skip, done) = (len - here, done + here);
            } else {
                match Packet::decode(rest, self.version) {
                    Ok(Some((packet, _))) => show(self.verb, &description(&packet)),
                    Ok(None) => break,
                    Err(error) => show(self.verb, &format!("{}: {error}", header.packet_type)),
                }
                done += len;
            }
        }
        self.bytes.drain(..done);
    }
}

fn show(verb: &str, what: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr().lock(), "{verb} {what}");
}

fn description(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect(connect) => format!(
            "CONNECT {:?}, MQTT {}, {}, keep-alive {} s{}{}",
            connect.client_id,
            connect.version,
            if connect.clean_start {
                "new session"
            } else {
                "session to resume"
            },
            connect.keep_alive,
            connect
                .will
                .map_or(String::new(), |will| format!(", will on {:?}", will.topic)),
            listed(&connect.properties),
        ),
        Packet::ConnAck(connack) => format!(
            "CONNACK {}{}{}",
            connack.code,
            if connack.session_present {
                ", session resumed"
            } else {
                ""
            },
            listed(&connack.properties)
        ),
        Packet::Publish(publish) => publication(publish),
        Packet::PubAck(ack) => acknowledgement("PUBACK", ack),
        Packet::PubRec(ack) => acknowledgement("PUBREC", ack),
        Packet::PubRel(ack) => acknowledgement("PUBREL", ack),
        Packet::PubComp(ack) => acknowledgement("PUBCOMP", ack),
        Packet::Subscribe(subscribe) => {
            let filters: Vec<_> = subscribe.filters.iter().collect();
            let filters: Vec<_> = filters
                .iter()
                .map(|filter| format!(" {:?} QoS {}", filter.topic, filter.qos as u8))
                .collect();
            let id = subscribe.packet_id;
            format!(
                "SUBSCRIBE #{id}{}{}",
                filters.join(","),
                listed(&subscribe.properties)
            )
        }
        Packet::SubAck(suback) => {
            let codes: Vec<_> = suback.codes.iter().map(|code| format!(" {code}")).collect();
            let id = suback.packet_id;
            format!(
                "SUBACK #{id}{}{}",
                codes.join(","),
                listed(&suback.properties)
            )
        }
        Packet::Unsubscribe(unsubscribe) => {
            let id = unsubscribe.packet_id;
            let filters: Vec<_> = unsubscribe
                .filters
                .iter()
                .map(|f| format!(" {f:?}"))
                .collect();
            format!(
                "UNSUBSCRIBE #{id}{}{}",
                filters.join(","),
                listed(&unsubscribe.properties)
            )
        }
        Packet::UnsubAck(unsuback) => {
            let codes: Vec<_> = unsuback
                .codes
                .iter()
                .map(|code| format!(" {code}"))
                .collect();
            let id = unsuback.packet_id;
            format!(
                "UNSUBACK #{id}{}{}",
                codes.join(","),
                listed(&unsuback.properties)
            )
        }
        Packet::PingReq => "PINGREQ".to_owned(),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Disconnect(packet) => {
            format!("DISCONNECT {}{}", packet.code, listed(&packet.properties))
        }
        Packet::Auth(auth) => format!("AUTH {}{}", auth.code, listed(&auth.properties)),
    }
}

fn publication(publish: &Publish<'_>) -> String {
    let id = publish
        .packet_id
        .map_or(String::new(), |id| format!(" #{id}"));
    format!(
        "PUBLISH{id} {:?} QoS {}{}{}, {} bytes{}",
        publish.topic,
        publish.qos as u8,
        if publish.retain { ", retained" } else { "" },
        if publish.dup { ", again" } else { "" },
        publish.payload.len(),
        listed(&publish.properties)
    )
}

fn acknowledgement(name: &str, ack: &Ack<'_>) -> String {
    format!(
        "{name} #{} {}{}",
        ack.packet_id,
        ack.code,
        listed(&ack.properties)
    )
}

fn listed(properties: &mqtt_core::wire::Properties<'_>) -> String {
    properties
        .iter()
        .map(|property| format!(", {property:?}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn direction() -> Direction {
        Direction {
            verb: "sent",
            version: Version::V5,
            bytes: Vec::new(),
            skip: 0,
        }
    }

    fn encoded(payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; payload.len() + 100];
        let publish = Publish::new("a", payload);
        let n = Packet::from(publish)
            .encode(Version::V5, &mut bytes)
            .unwrap();
        bytes.truncate(n);
        bytes
    }

    #[test]
    fn packets_are_found_in_any_pieces() {
        let (large, small) = (encoded(&[0; MAX_SHOWN]), encoded(b"b"));
        let expected = [
            r#"sent PUBLISH "a" QoS 0, 1 bytes"#.to_owned(),
            format!("sent PUBLISH of {} bytes", large.len()),
            r#"sent PUBLISH "a" QoS 0, 1 bytes"#.to_owned(),
        ];
        let bytes = [&*small, &large, &small].concat();
        for cut in (0..20).chain(bytes.len() - 20..bytes.len()) {
            let mut direction = direction();
            let mut shown = Vec::new();
            let mut show = |verb: &str, what: &str| shown.push(format!("{verb} {what}"));
            direction.pass(&bytes[..cut], &mut show);
            direction.pass(&bytes[cut..], &mut show);
            assert_eq!(shown, expected);
            assert_eq!((direction.bytes.len(), direction.skip), (0, 0));
        }
    }

    #[test]
    fn descriptions() {
        let publish = Publish {
            retain: true,
            ..Publish::new("a", b"bc")
        };
        assert_eq!(
            description(&publish.into()),
            r#"PUBLISH "a" QoS 0, retained, 2 bytes"#
        );
        assert_eq!(description(&Packet::PingReq), "PINGREQ");
    }
}
