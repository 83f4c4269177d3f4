use super::frame::Body;
use super::parse::{all, be_u8, fail};
use super::property::{Place, properties, put_properties};
use super::writer::Writer;
use super::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// CONNACK: the server's answer to CONNECT.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnAck<'a> {
    /// True if the server has kept this client's session. MQTT 3.1 does not say: always false.
    pub session_present: bool,
    /// [`ReasonCode::Success`], or why the server refuses.
    pub code: ReasonCode,
    /// 5.0 only: the server's limits among other things.
    pub properties: Properties<'a>,
}

impl<'a> ConnAck<'a> {
    /// An answer without properties.
    #[must_use]
    pub const fn new(session_present: bool, code: ReasonCode) -> Self {
        Self {
            session_present,
            code,
            properties: Properties::EMPTY,
        }
    }

    pub(crate) fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        all(be_u8(body).and_then(|(i, flags)| {
            // A server that does not speak 5.0 answers a 5.0 CONNECT with a 3.1.1 CONNACK.
            let v3 = !version.is_v5() || i.len() == 1;
            let session_present = match flags {
                _ if version == Version::V31 => false,
                0 => false,
                1 => true,
                _ => return fail(DecodeError::ConnAckFlags),
            };
            let (i, code) = if v3 {
                let (i, code) = be_u8(i)?;
                match ReasonCode::from_connack_v3(code) {
                    Some(code) if !version.is_v5() || code.is_error() => (i, code),
                    Some(_) => return fail(DecodeError::Truncated),
                    None => return fail(DecodeError::ReasonCode),
                }
            } else {
                ReasonCode::parse_for(i, PacketType::ConnAck, version)?
            };
            if session_present && code.is_error() {
                return fail(DecodeError::ConnAckFlags);
            }
            let (i, properties) = if v3 {
                (i, Properties::EMPTY)
            } else {
                properties(i, Place::ConnAck, version)?
            };
            Ok((
                i,
                Self {
                    session_present,
                    code,
                    properties,
                },
            ))
        }))
    }
}

impl Body for ConnAck<'_> {
    fn first_byte(&self) -> u8 {
        PacketType::ConnAck.first_byte()
    }

    fn put(&self, out: &mut Writer<'_>) {
        out.require(
            self.code.fits(PacketType::ConnAck, out.version),
            EncodeError::ReasonCode,
        );
        out.require(
            !self.session_present || !self.code.is_error() && out.version != Version::V31,
            EncodeError::SessionPresent,
        );
        out.u8(self.session_present.into());
        if out.version.is_v5() {
            out.u8(self.code as u8);
        } else {
            out.u8(self.code.connack_v3().unwrap_or_default());
        }
        put_properties(&self.properties, Place::ConnAck, out);
    }
}
