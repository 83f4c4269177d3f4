use super::frame::Body;
use super::property::{Place, PropertyId, properties, put_properties};
use super::reader::Reader;
use super::scan::WIDE;
use super::topic::check_name;
use super::writer::Writer;
use super::{DecodeError, EncodeError, PacketId, PacketType, Properties, QoS, TopicName, Version};

/// PUBLISH: a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Publish<'a> {
    /// True if an earlier attempt may have delivered this packet `[MQTT-3.3.1-1]`.
    pub dup: bool,
    /// The level at which this packet is sent.
    pub qos: QoS,
    /// To a server: keep this message for later subscribers. From a server: this message was
    /// kept, or the subscription asked for the flag as published.
    pub retain: bool,
    /// The topic; empty if a 5.0 topic alias stands for it.
    pub topic: &'a str,
    /// Present exactly at QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// The application's bytes.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// A QoS 0 message.
    #[must_use]
    pub const fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            properties: Properties::EMPTY,
            payload,
        }
    }

    /// Reads what follows the fixed header, which has the `flags`; see
    /// [`FixedHeader`](super::FixedHeader).
    ///
    /// # Errors
    /// If the bytes are not the body of a PUBLISH of this version.
    pub fn decode(flags: u8, body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        Self::read(flags, body, version, |publish| publish)
    }

    /// What `into` makes of a [decoded](Self::decode) one. Where there is room for it this is code
    /// of its own for each caller, so that the fields are written where they are wanted.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    pub(crate) fn decode_into<T>(
        flags: u8,
        body: &'a [u8],
        version: Version,
        into: impl FnOnce(Self) -> T,
    ) -> Result<T, DecodeError> {
        if WIDE {
            Self::read(flags, body, version, into)
        } else {
            Self::decode(flags, body, version).map(into)
        }
    }

    /// Has a way out after each field, unlike the other decoders, since this one is hot.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn read<T>(
        flags: u8,
        body: &'a [u8],
        version: Version,
        into: impl FnOnce(Self) -> T,
    ) -> Result<T, DecodeError> {
        let qos = QoS::from_u8(flags >> 1 & 0b11).ok_or(DecodeError::QoS)?;
        let dup = flags & 0b1000 != 0;
        if dup && qos == QoS::AtMostOnce && version != Version::V31 {
            return Err(DecodeError::QoS);
        }
        let (len, rest) = body.split_first_chunk().ok_or(DecodeError::Truncated)?;
        let len = u16::from_be_bytes(*len).into();
        let (topic, mut rest) = rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        let topic = core::str::from_utf8(topic).map_err(|_| DecodeError::Utf8)?;
        let may_be_empty = version.is_v5();
        if !topic.is_empty() || !may_be_empty {
            check_name(topic).map_err(DecodeError::of_topic_name)?;
        }
        let mut packet_id = None;
        if qos != QoS::AtMostOnce {
            let (id, after) = rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
            let id = PacketId::new(u16::from_be_bytes(*id)).ok_or(DecodeError::PacketIdZero)?;
            packet_id = Some(id);
            rest = after;
        }
        let (properties, payload) = match rest {
            payload if WIDE && !version.is_v5() => (Properties::EMPTY, payload),
            [0, payload @ ..] if WIDE => (Properties::EMPTY, payload),
            _ => {
                let mut r = Reader::new(rest, version);
                let properties = properties(&mut r, Place::Publish);
                r.result()?;
                (properties, r.rest())
            }
        };
        if topic.is_empty() && may_be_empty && !properties.has(PropertyId::TopicAlias) {
            return Err(DecodeError::NoTopic);
        }
        Ok(into(Self {
            dup,
            qos,
            retain: flags & 1 != 0,
            topic,
            packet_id,
            properties,
            payload,
        }))
    }

    /// A valid topic name, or an alias in its place.
    fn has_topic(&self, version: Version) -> bool {
        if self.topic.is_empty() {
            version.is_v5() && self.topic_alias().is_some()
        } else {
            TopicName::new(self.topic).is_ok()
        }
    }

    pub(crate) fn topic_alias(&self) -> Option<u16> {
        self.properties.get(PropertyId::TopicAlias)
    }
}

impl Body for Publish<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::Publish.first_byte()
            | u8::from(self.dup) << 3
            | (self.qos as u8) << 1
            | u8::from(self.retain)
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        out.require(
            self.packet_id.is_some() == (self.qos != QoS::AtMostOnce),
            EncodeError::PacketId,
        );
        out.require(!self.dup || self.qos != QoS::AtMostOnce, EncodeError::Dup);
        let version = out.version;
        out.check(|| {
            if self.has_topic(version) {
                Ok(())
            } else {
                Err(EncodeError::TopicName)
            }
        });
        out.binary(self.topic.as_bytes());
        if let Some(id) = self.packet_id {
            out.u16(id.get());
        }
        put_properties(&self.properties, Place::Publish, out);
        out.bytes(self.payload);
    }
}

/// The length of everything before the payload in a PUBLISH whose body begins with `i` and is
/// `remaining` bytes long; `None` when `i` does not reach far enough to tell.
pub(crate) fn head_len(
    flags: u8,
    i: &[u8],
    remaining: usize,
    version: Version,
) -> Result<Option<usize>, DecodeError> {
    let mut r = Reader::new(i, version);
    let topic_and_id = usize::from(r.u16()) + if flags & 0b110 == 0 { 0 } else { 2 };
    let mut len = 2 + topic_and_id;
    if version.is_v5() {
        len += 1;
        if len <= remaining {
            r.take(topic_and_id);
            let properties = r.var_int() as usize;
            if r.result().is_ok() {
                len = i.len() - r.len() + properties;
            }
        }
    }
    match r.result() {
        Err(DecodeError::Truncated) if len <= remaining => Ok(None),
        Ok(()) if len <= remaining => Ok(Some(len)),
        Err(error) => Err(error),
        Ok(()) => Err(DecodeError::Truncated),
    }
}
