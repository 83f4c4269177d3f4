use super::ack::put_code_and_properties;
use super::frame::Body;
use super::parse::all;
use super::property::{Place, properties};
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

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let normal = Self::default();
        if !version.is_v5() || body.is_empty() {
            return all(Ok((body, normal)));
        }
        all(
            ReasonCode::parse_for(body, PacketType::Disconnect, version).and_then(|(i, code)| {
                if i.is_empty() {
                    return Ok((i, Self::new(code)));
                }
                let (i, properties) = properties(i, Place::Disconnect, version)?;
                Ok((i, Self { code, properties }))
            }),
        )
    }
}

impl Default for Disconnect<'_> {
    /// A normal disconnection.
    fn default() -> Self {
        Self::new(ReasonCode::Success)
    }
}

impl Body for Disconnect<'_> {
    fn first_byte(&self) -> u8 {
        PacketType::Disconnect.first_byte()
    }

    fn put(&self, out: &mut Writer<'_>) {
        let packet = PacketType::Disconnect;
        put_code_and_properties(packet, self.code, &self.properties, Place::Disconnect, out);
    }
}
