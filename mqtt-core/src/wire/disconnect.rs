use super::ack::{code_and_properties, put_code_and_properties};
use super::frame::Body;
use super::property::Place;
use super::reader::Reader;
use super::writer::Writer;
use super::{DecodeError, PacketType, Properties, ReasonCode, Version};

/// DISCONNECT: the last packet of its sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Disconnect<'a> {
    /// Why; before 5.0 always [`ReasonCode::Success`], a normal disconnection.
    pub code: ReasonCode,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

impl<'a> Disconnect<'a> {
    /// A DISCONNECT for this reason.
    #[must_use]
    pub const fn new(code: ReasonCode) -> Self {
        Self {
            code,
            properties: Properties::EMPTY,
        }
    }

    /// Reads what follows the fixed header; see [`FixedHeader`](super::FixedHeader).
    ///
    /// # Errors
    /// If the bytes are not the body of such a packet of this version.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, version);
        let (code, properties) =
            code_and_properties(&mut r, PacketType::Disconnect, Place::Disconnect);
        r.end()?;
        Ok(Self { code, properties })
    }
}

impl Default for Disconnect<'_> {
    /// A normal disconnection.
    fn default() -> Self {
        Self::new(ReasonCode::Success)
    }
}

impl Body for Disconnect<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::Disconnect.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        let packet = PacketType::Disconnect;
        put_code_and_properties(packet, self.code, &self.properties, Place::Disconnect, out);
    }
}
