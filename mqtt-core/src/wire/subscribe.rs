use super::frame::Body;
use super::list::{List, Sealed};
use super::parse::{Parsed, all, be_u8, fail, string};
use super::property::{Place, properties, put_properties};
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

    const fn options(&self) -> u8 {
        self.qos as u8
            | if self.no_local { 1 << 2 } else { 0 }
            | if self.retain_as_published { 1 << 3 } else { 0 }
            | (self.retain_handling as u8) << 4
    }
}

impl<'a> Sealed<'a> for Filter<'a> {
    fn parse(i: &'a [u8]) -> Parsed<'a, Self> {
        let (i, topic) = <&str>::parse(i)?;
        let (i, options) = be_u8(i)?;
        if options & 0b1100_0000 != 0 {
            return fail(DecodeError::ReservedOptions);
        }
        let retain_handling = match options >> 4 {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return fail(DecodeError::SubscriptionOptions),
        };
        let Some(qos) = QoS::from_u8(options & 0b11) else {
            return fail(DecodeError::SubscriptionOptions);
        };
        let filter = Self {
            topic,
            qos,
            no_local: options & 1 << 2 != 0,
            retain_as_published: options & 1 << 3 != 0,
            retain_handling,
        };
        Ok((i, filter))
    }

    fn put(&self, out: &mut Writer<'_>) {
        self.topic.put(out);
        out.check(|| match TopicFilter::new(self.topic) {
            Ok(topic) if self.no_local && topic.share_name().is_some() => {
                Err(EncodeError::NoLocalShared)
            }
            _ => Ok(()),
        });
        out.u8(self.options());
    }
}

/// A topic filter without options, as UNSUBSCRIBE has them.
impl<'a> Sealed<'a> for &'a str {
    fn parse(i: &'a [u8]) -> Parsed<'a, Self> {
        match string(i)? {
            (i, filter) if TopicFilter::new(filter).is_ok() => Ok((i, filter)),
            _ => fail(DecodeError::TopicFilter),
        }
    }

    fn put(&self, out: &mut Writer<'_>) {
        out.check(|| {
            TopicFilter::new(self)
                .map(drop)
                .or(Err(EncodeError::TopicFilter))
        });
        out.binary(self.as_bytes());
    }
}

/// Reads elements to the end of the packet, at least one, each of which must pass `check`.
fn list<'a, T: Sealed<'a>>(
    i: &'a [u8],
    check: impl Fn(&T) -> Result<(), DecodeError>,
) -> Parsed<'a, List<'a, T>> {
    if i.is_empty() {
        return fail(DecodeError::EmptyList);
    }
    let mut rest = i;
    while !rest.is_empty() {
        let (next, element) = T::parse(rest)?;
        check(&element).map_err(nom::Err::Error)?;
        rest = next;
    }
    Ok((rest, List::from_checked(i)))
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
        all(PacketId::parse(body).and_then(|(i, packet_id)| {
            let (i, properties) = properties(i, Place::Subscribe, version)?;
            let (i, filters) = list(i, |filter: &Filter<'_>| {
                let shared = filter.topic.starts_with("$share/");
                if !version.is_v5() && filter.options() & !0b11 != 0 {
                    return Err(DecodeError::ReservedOptions);
                }
                if filter.no_local && shared {
                    return Err(DecodeError::SubscriptionOptions);
                }
                Ok(())
            })?;
            Ok((
                i,
                Self {
                    packet_id,
                    properties,
                    filters,
                },
            ))
        }))
    }
}

impl Body for Subscribe<'_> {
    fn first_byte(&self) -> u8 {
        PacketType::Subscribe.first_byte()
    }

    fn put(&self, out: &mut Writer<'_>) {
        out.require(!self.filters.is_empty(), EncodeError::EmptyList);
        let version = out.version;
        out.check(|| {
            let new = |filter: Filter<'_>| filter.options() & !0b11 != 0;
            if !version.is_v5() && self.filters.iter().any(new) {
                return Err(EncodeError::Version);
            }
            Ok(())
        });
        out.u16(self.packet_id.get());
        put_properties(&self.properties, Place::Subscribe, out);
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
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        all(PacketId::parse(body).and_then(|(i, packet_id)| {
            let (i, properties) = properties(i, Place::Ack, version)?;
            let (i, codes) = list(i, code_check(PacketType::SubAck, version))?;
            Ok((
                i,
                Self {
                    packet_id,
                    properties,
                    codes,
                },
            ))
        }))
    }
}

fn code_check(
    packet: PacketType,
    version: Version,
) -> impl Fn(&ReasonCode) -> Result<(), DecodeError> {
    move |code| {
        if code.fits(packet, version) {
            Ok(())
        } else {
            Err(DecodeError::ReasonCode)
        }
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
    fn first_byte(&self) -> u8 {
        PacketType::SubAck.first_byte()
    }

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
        all(PacketId::parse(body).and_then(|(i, packet_id)| {
            let (i, properties) = properties(i, Place::Unsubscribe, version)?;
            let (i, filters) = list(i, |_| Ok(()))?;
            Ok((
                i,
                Self {
                    packet_id,
                    properties,
                    filters,
                },
            ))
        }))
    }
}

impl Body for Unsubscribe<'_> {
    fn first_byte(&self) -> u8 {
        PacketType::Unsubscribe.first_byte()
    }

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
    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        all(PacketId::parse(body).and_then(|(i, packet_id)| {
            let (i, properties) = properties(i, Place::Ack, version)?;
            let (i, codes) = if version.is_v5() {
                list(i, code_check(PacketType::UnsubAck, version))?
            } else {
                (i, List::EMPTY)
            };
            Ok((
                i,
                Self {
                    packet_id,
                    properties,
                    codes,
                },
            ))
        }))
    }
}

impl Body for UnsubAck<'_> {
    fn first_byte(&self) -> u8 {
        PacketType::UnsubAck.first_byte()
    }

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
