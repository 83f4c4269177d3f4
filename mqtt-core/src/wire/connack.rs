use super::frame::Body;
use super::property::{Place, properties, put_properties};
use super::reader::Reader;
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

    /// Reads what follows the fixed header; see [`FixedHeader`](super::FixedHeader).
    ///
    /// # Errors
    /// If the bytes are not the body of such a packet of this version.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, version);
        let flags = r.u8();
        // 3.1 has no flags, and reserves the byte.
        let session_present = flags == 1 && version != Version::V31;
        r.require(
            flags <= 1 || version == Version::V31,
            DecodeError::ConnAckFlags,
        );
        // A server that does not speak 5.0 answers a 5.0 CONNECT with a 3.1.1 CONNACK.
        let is_v3 = !version.is_v5() || r.len() == 1;
        let code = if is_v3 {
            let code = ReasonCode::from_connack_v3(r.u8());
            r.require(code.is_some(), DecodeError::ReasonCode);
            code.unwrap_or(ReasonCode::Success)
        } else {
            ReasonCode::read_for(&mut r, PacketType::ConnAck)
        };
        let is_refusal = code.is_error();
        r.require(!session_present || !is_refusal, DecodeError::ConnAckFlags);
        let mut properties_ = Properties::EMPTY;
        if !is_v3 {
            properties_ = properties(&mut r, Place::ConnAck);
        } else {
            r.require(!version.is_v5() || is_refusal, DecodeError::Truncated);
        }
        r.end()?;
        Ok(Self {
            session_present,
            code,
            properties: properties_,
        })
    }
}

impl Body for ConnAck<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::ConnAck.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
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
