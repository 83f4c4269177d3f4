//! How `mqtt sub` prints a message.

mod dump;
mod json;
mod screen;

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use mqtt_core::wire::{Property, Publish};

pub(crate) use screen::Screen;

/// A format of --format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(Vec<u8>),
    Topic,
    Payload,
    Hex,
    UpperHex,
    Length,
    QoS,
    Retain,
    PacketId,
    UnixTime,
    IsoTime,
    Json,
    JsonWithPayload,
    Dump,
    ContentType,
    ResponseTopic,
    CorrelationData,
    Expiry,
    PayloadFormat,
    SubscriptionId,
    UserProperties,
}

impl Format {
    /// A line of JSON.
    pub(crate) fn json() -> Self {
        Self(vec![Piece::Json])
    }

    /// The payload in hexadecimal, perhaps after the topic.
    pub(crate) fn hex(with_topic: bool) -> Self {
        Self::payload(with_topic, b" ", Piece::Hex)
    }

    /// The payload as a table of bytes, perhaps below the topic.
    pub(crate) fn dump(with_topic: bool) -> Self {
        Self::payload(with_topic, b"\n", Piece::Dump)
    }

    fn payload(with_topic: bool, separator: &[u8], payload: Piece) -> Self {
        Self(if with_topic {
            vec![Piece::Topic, Piece::Text(separator.to_vec()), payload]
        } else {
            vec![payload]
        })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let byte = match c {
                '%' => {
                    let code = chars.next();
                    if code == Some('%') {
                        plain.push(b'%');
                        continue;
                    }
                    let piece = code.and_then(piece).ok_or_else(|| {
                        let code = code.map_or(String::new(), String::from);
                        format!("%{code} means nothing; a percent sign is %%")
                    })?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(piece);
                    continue;
                }
                '\\' => match chars.next() {
                    Some('n') => b'\n',
                    Some('r') => b'\r',
                    Some('t') => b'\t',
                    Some('e') => 0x1B,
                    Some('a') => 0x07,
                    Some('0') => 0,
                    Some('\\') => b'\\',
                    code => {
                        let code = code.map_or(String::new(), String::from);
                        return Err(format!("\\{code} means nothing; a backslash is \\\\"));
                    }
                },
                c => {
                    plain.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            plain.push(byte);
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// Writes a message, whose payload is not necessarily that of `publish`.
    pub(crate) fn write(
        &self,
        out: &mut impl Write,
        screen: &Screen,
        publish: &Publish<'_>,
        payload: &[u8],
    ) -> io::Result<()> {
        let now = SystemTime::now();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Topic => screen.line(out, publish.topic.as_bytes())?,
                Piece::Payload => screen.text(out, payload)?,
                Piece::Hex => payload
                    .iter()
                    .try_for_each(|byte| write!(out, "{byte:02x}"))?,
                Piece::UpperHex => payload
                    .iter()
                    .try_for_each(|byte| write!(out, "{byte:02X}"))?,
                Piece::Length => write!(out, "{}", payload.len())?,
                Piece::QoS => write!(out, "{}", publish.qos as u8)?,
                Piece::Retain => write!(out, "{}", u8::from(publish.retain))?,
                Piece::PacketId => write!(out, "{}", publish.packet_id.map_or(0, |id| id.get()))?,
                Piece::UnixTime => {
                    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                    write!(out, "{}.{:09}", now.as_secs(), now.subsec_nanos())?;
                }
                Piece::IsoTime => write!(out, "{}", humantime::format_rfc3339_seconds(now))?,
                Piece::Json => screen.json(out, &json::line(publish, payload, now, false)?)?,
                Piece::JsonWithPayload => {
                    screen.json(out, &json::line(publish, payload, now, true)?)?;
                }
                Piece::Dump => dump::write(out, payload)?,
                piece => write_properties(out, screen, piece, publish)?,
            }
        }
        Ok(())
    }
}

fn piece(code: char) -> Option<Piece> {
    Some(match code {
        't' => Piece::Topic,
        'p' => Piece::Payload,
        'x' => Piece::Hex,
        'X' => Piece::UpperHex,
        'l' => Piece::Length,
        'q' => Piece::QoS,
        'r' => Piece::Retain,
        'm' => Piece::PacketId,
        'U' => Piece::UnixTime,
        'I' => Piece::IsoTime,
        'j' => Piece::Json,
        'J' => Piece::JsonWithPayload,
        'C' => Piece::ContentType,
        'R' => Piece::ResponseTopic,
        'D' => Piece::CorrelationData,
        'E' => Piece::Expiry,
        'F' => Piece::PayloadFormat,
        'S' => Piece::SubscriptionId,
        'P' => Piece::UserProperties,
        _ => return None,
    })
}

/// Writes the properties that `piece` stands for, with spaces between.
fn write_properties(
    out: &mut impl Write,
    screen: &Screen,
    piece: &Piece,
    publish: &Publish<'_>,
) -> io::Result<()> {
    let mut separator = "";
    for property in &publish.properties {
        let text = match (piece, property) {
            (Piece::ContentType, Property::ContentType(text))
            | (Piece::ResponseTopic, Property::ResponseTopic(text)) => text.as_bytes().to_vec(),
            (Piece::CorrelationData, Property::CorrelationData(data)) => data.to_vec(),
            (Piece::Expiry, Property::MessageExpiryInterval(number))
            | (Piece::SubscriptionId, Property::SubscriptionIdentifier(number)) => {
                number.to_string().into_bytes()
            }
            (Piece::PayloadFormat, Property::PayloadFormatIndicator(flag)) => {
                u8::from(flag).to_string().into_bytes()
            }
            (Piece::UserProperties, Property::UserProperty(name, value)) => {
                format!("{name}:{value}").into_bytes()
            }
            _ => continue,
        };
        out.write_all(separator.as_bytes())?;
        screen.line(out, &text)?;
        separator = " ";
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &str) -> String {
        let properties = [
            Property::ContentType("text/plain"),
            Property::UserProperty("a", "b"),
            Property::UserProperty("c", "d"),
        ];
        let publish = Publish {
            retain: true,
            properties: (&properties).into(),
            ..Publish::new("x/y", b"")
        };
        let mut out = Vec::new();
        let format = Format::parse(format).unwrap();
        let screen = Screen::default();
        format.write(&mut out, &screen, &publish, b"\x0AB").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formats() {
        assert_eq!(written(""), "");
        assert_eq!(written("%t=%x %X (%l)"), "x/y=0a42 0A42 (2)");
        assert_eq!(written("%%%q%r%m\\t\\\\ü"), "%010\t\\ü");
        assert_eq!(written("[%C] [%P] [%R]"), "[text/plain] [a:b c:d] []");
        assert_eq!(written("%p"), "\nB");
    }

    #[test]
    fn refused_formats() {
        for bad in ["%", "%z", "50%", "\\", "\\q", "%5t"] {
            assert!(Format::parse(bad).is_err(), "{bad}");
        }
    }
}
