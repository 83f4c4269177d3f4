use super::frame::{Body, encodable, encode, encode_bytes};
use super::property::{Place, properties, put_properties};
use super::reader::Reader;
use super::scan::WIDE;
use super::writer::Writer;
use super::{DecodeError, EncodeError, PacketId, PacketType, Properties, ReasonCode, Version};

/// PUBACK, PUBREC, PUBREL or PUBCOMP: a step in the delivery of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ack<'a> {
    /// The identifier of the PUBLISH.
    pub packet_id: PacketId,
    /// Before 5.0 always [`ReasonCode::Success`].
    pub code: ReasonCode,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

impl<'a> Ack<'a> {
    /// An acknowledgement of success.
    #[must_use]
    pub const fn new(packet_id: PacketId) -> Self {
        Self {
            packet_id,
            code: ReasonCode::Success,
            properties: Properties::EMPTY,
        }
    }

    #[inline]
    pub(crate) fn decode(
        packet: PacketType,
        body: &'a [u8],
        version: Version,
    ) -> Result<Self, DecodeError> {
        // Nearly all of them.
        if let (true, [high, low]) = (WIDE, body) {
            if let Some(id) = PacketId::new(u16::from_be_bytes([*high, *low])) {
                return Ok(Self::new(id));
            }
        }
        let mut r = Reader::new(body, version);
        let packet_id = r.packet_id();
        let (code, properties) = code_and_properties(&mut r, packet, Place::Ack);
        r.end()?;
        Ok(Self {
            packet_id,
            code,
            properties,
        })
    }
}

impl AckKind<'_> {
    /// Writes it to the front of `buffer` and returns its length.
    #[inline]
    pub(super) fn encode(&self, version: Version, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let Self(packet, ack) = self;
        // Nearly all of them.
        if WIDE && ack.code == ReasonCode::Success && ack.properties.is_empty() {
            let [high, low] = ack.packet_id.get().to_be_bytes();
            return encode_bytes([packet.first_byte(), 2, high, low], buffer);
        }
        self.encode_with_reason(version, buffer)
    }

    fn encode_with_reason(
        &self,
        version: Version,
        buffer: &mut [u8],
    ) -> Result<usize, EncodeError> {
        encode(encodable(self), version, buffer)
    }
}

/// Which of the four packets an [`Ack`] is.
#[derive(Clone, Copy)]
pub(crate) struct AckKind<'a>(pub(crate) PacketType, pub(crate) &'a Ack<'a>);

impl Body for AckKind<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        self.0.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        let Self(packet, ack) = self;
        out.u16(ack.packet_id.get());
        put_code_and_properties(*packet, ack.code, &ack.properties, Place::Ack, out);
    }
}

/// Reads a reason code and properties, either of which may be left out from the end.
pub(super) fn code_and_properties<'a>(
    r: &mut Reader<'a>,
    packet: PacketType,
    place: Place,
) -> (ReasonCode, Properties<'a>) {
    if !r.version.is_v5() || r.is_empty() {
        return (ReasonCode::Success, Properties::EMPTY);
    }
    let code = ReasonCode::read_for(r, packet);
    // Together with the properties their length may be left out (3.4.2.2.1).
    if r.is_empty() {
        return (code, Properties::EMPTY);
    }
    (code, properties(r, place))
}

/// Writes a reason code and properties, left out as far as 5.0 allows, and always before 5.0.
pub(super) fn put_code_and_properties(
    packet: PacketType,
    code: ReasonCode,
    properties: &Properties<'_>,
    place: Place,
    out: &mut Writer<'_>,
) {
    out.require(code.fits(packet, out.version), EncodeError::ReasonCode);
    if !out.version.is_v5() {
        return out.require(properties.is_empty(), EncodeError::Version);
    }
    if properties.is_empty() {
        if code != ReasonCode::Success {
            out.u8(code as u8);
        }
    } else {
        out.u8(code as u8);
        put_properties(properties, place, out);
    }
}
