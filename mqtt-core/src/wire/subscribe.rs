use super::frame::Body;
use super::list::{List, Sealed};
use super::property::{Place, properties, put_properties};
use super::reader::Reader;
use super::topic::is_shared;
use super::writer::Writer;
use super::{
    DecodeError, EncodeError, PacketId, PacketType, Properties, QoS, ReasonCode, TopicFilter,
    Version,
};

/// Which retained messages a new subscription is sent; 5.0 only.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum RetainHandling {
    /// All that match.
    #[default]
    Send = 0,
    /// All that match, if the subscription did not exist before.
    SendIfNew = 1,
    /// None.
    DoNotSend = 2,
}

/// A topic filter with its subscription options.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Filter<'a> {
    /// The topic filter.
    pub topic: &'a str,
    /// The highest QoS at which messages are sent.
    pub qos: QoS,
    /// Leave out what this client publishes itself; 5.0 only, not for shared subscriptions.
    pub no_local: bool,
    /// Keep the RETAIN flag as it was published; 5.0 only.
    pub retain_as_published: bool,
    /// Which retained messages to send at once; 5.0 only.
    pub retain_handling: RetainHandling,
}

impl<'a> Filter<'a> {
    /// A filter with the options that 3.1.1 has.
    #[must_use]
    pub const fn new(topic: &'a str, qos: QoS) -> Self {
        Self {
            topic,
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::Send,
        }
    }

    fn read_for_subscribe(r: &mut Reader<'a>) -> Self {
        let filter = Self::read(r);
        r.require_topic_filter(filter.topic);
        let is_new = filter.options() & !0b11 != 0;
        r.require(r.version.is_v5() || !is_new, DecodeError::ReservedOptions);
        r.require(
            !filter.no_local || !is_shared(filter.topic),
            DecodeError::SubscriptionOptions,
        );
        filter
    }

    const fn options(&self) -> u8 {
        self.qos as u8
            | if self.no_local { 1 << 2 } else { 0 }
            | if self.retain_as_published { 1 << 3 } else { 0 }
            | (self.retain_handling as u8) << 4
    }
}

impl<'a> Sealed<'a> for Filter<'a> {
    fn read(r: &mut Reader<'a>) -> Self {
        let topic = r.text();
        let options = r.u8();
        r.require(options & 0b1100_0000 == 0, DecodeError::ReservedOptions);
        let retain_handling = match options >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => {
                r.fail(DecodeError::SubscriptionOptions);
                RetainHandling::Send
            }
        };
        let qos = QoS::from_u8(options & 0b11);
        r.require(qos.is_some(), DecodeError::SubscriptionOptions);
        Self {
            topic,
            qos: qos.unwrap_or_default(),
            no_local: options & 1 << 2 != 0,
            retain_as_published: options & 1 << 3 != 0,
            retain_handling,
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        let is_new = self.options() & !0b11 != 0;
        out.require(out.version.is_v5() || !is_new, EncodeError::Version);
        self.topic.put(out);
        out.require(
            !self.no_local || !is_shared(self.topic),
            EncodeError::NoLocalShared,
        );
        out.u8(self.options());
    }
}

/// A topic filter without options, as UNSUBSCRIBE has them.
impl<'a> Sealed<'a> for &'a str {
    fn read(r: &mut Reader<'a>) -> Self {
        r.text()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        out.check(|| match TopicFilter::new(self) {
            Ok(_) => Ok(()),
            Err(_) => Err(EncodeError::TopicFilter),
        });
        out.binary(self.as_bytes());
    }
}

/// SUBSCRIBE: a client asks for messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Subscribe<'a> {
    /// The identifier that SUBACK repeats.
    pub packet_id: PacketId,
    /// 5.0 only: a subscription identifier and user properties.
    pub properties: Properties<'a>,
    /// At least one filter.
    pub filters: List<'a, Filter<'a>>,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, version);
        let packet = Self {
            packet_id: r.packet_id(),
            properties: properties(&mut r, Place::Subscribe),
            filters: r.list(Filter::read_for_subscribe),
        };
        r.end()?;
        Ok(packet)
    }
}

impl Body for Subscribe<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::Subscribe.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        out.require(!self.filters.is_empty(), EncodeError::EmptyList);
        out.u16(self.packet_id.get());
        put_properties(&self.properties, Place::Subscribe, out);
        if let (Some(raw), false) = (self.filters.raw(), out.version.is_v5()) {
            // They may have been received in 5.0.
            let mut r = Reader::new(raw, out.version);
            while !r.is_empty() {
                r.binary();
                out.require(r.u8() & !0b11 == 0, EncodeError::Version);
            }
        }
        self.filters.put(out);
    }
}

/// SUBACK: the server's answer to SUBSCRIBE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubAck<'a> {
    /// The identifier of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// For each filter the granted QoS or why there is none, in the order of the filters.
    pub codes: List<'a, ReasonCode>,
}

impl<'a> SubAck<'a> {
    /// Reads what follows the fixed header; see [`FixedHeader`](super::FixedHeader).
    ///
    /// # Errors
    /// If the bytes are not the body of such a packet of this version.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, version);
        let packet = Self {
            packet_id: r.packet_id(),
            properties: properties(&mut r, Place::Ack),
            codes: r.list(|r| ReasonCode::read_for(r, PacketType::SubAck)),
        };
        r.end()?;
        Ok(packet)
    }
}

fn put_codes(codes: &List<'_, ReasonCode>, packet: PacketType, out: &mut Writer<'_>) {
    out.require(!codes.is_empty(), EncodeError::EmptyList);
    let version = out.version;
    out.check(|| {
        let fits = codes.iter().all(|code| code.fits(packet, version));
        if fits {
            Ok(())
        } else {
            Err(EncodeError::ReasonCode)
        }
    });
    codes.put(out);
}

impl Body for SubAck<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::SubAck.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        out.u16(self.packet_id.get());
        put_properties(&self.properties, Place::Ack, out);
        put_codes(&self.codes, PacketType::SubAck, out);
    }
}

/// UNSUBSCRIBE: a client no longer asks for messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Unsubscribe<'a> {
    /// The identifier that UNSUBACK repeats.
    pub packet_id: PacketId,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// At least one topic filter.
    pub filters: List<'a, &'a str>,
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, version);
        let packet = Self {
            packet_id: r.packet_id(),
            properties: properties(&mut r, Place::Unsubscribe),
            filters: r.list(|r| {
                let filter = r.text();
                r.require_topic_filter(filter);
                filter
            }),
        };
        r.end()?;
        Ok(packet)
    }
}

impl Body for Unsubscribe<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::Unsubscribe.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        out.require(!self.filters.is_empty(), EncodeError::EmptyList);
        out.u16(self.packet_id.get());
        put_properties(&self.properties, Place::Unsubscribe, out);
        self.filters.put(out);
    }
}

/// UNSUBACK: the server's answer to UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct UnsubAck<'a> {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// In 5.0 one for each filter, in the order of the filters; before, none.
    pub codes: List<'a, ReasonCode>,
}

impl<'a> UnsubAck<'a> {
    /// Reads what follows the fixed header; see [`FixedHeader`](super::FixedHeader).
    ///
    /// # Errors
    /// If the bytes are not the body of such a packet of this version.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, version);
        let packet = Self {
            packet_id: r.packet_id(),
            properties: properties(&mut r, Place::Ack),
            codes: if version.is_v5() {
                r.list(|r| ReasonCode::read_for(r, PacketType::UnsubAck))
            } else {
                List::EMPTY
            },
        };
        r.end()?;
        Ok(packet)
    }
}

impl Body for UnsubAck<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::UnsubAck.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        out.u16(self.packet_id.get());
        put_properties(&self.properties, Place::Ack, out);
        if out.version.is_v5() {
            put_codes(&self.codes, PacketType::UnsubAck, out);
        } else {
            out.require(self.codes.is_empty(), EncodeError::Version);
        }
    }
}
