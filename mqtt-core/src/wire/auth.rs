use super::ack::{code_and_properties, put_code_and_properties};
use super::frame::Body;
use super::property::{Place, PropertyId};
use super::reader::Reader;
use super::writer::Writer;
use super::{DecodeError, EncodeError, PacketType, Properties, ReasonCode, Version};

/// AUTH: a step of an extended authentication; 5.0 only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Auth<'a> {
    /// Success, continue, or re-authenticate.
    pub code: ReasonCode,
    /// The authentication method, its data, and others.
    pub properties: Properties<'a>,
}

impl<'a> Auth<'a> {
    /// Reads what follows the fixed header; see [`FixedHeader`](super::FixedHeader).
    ///
    /// # Errors
    /// If the bytes are not the body of such a packet of this version.
    pub fn decode(body: &'a [u8], version: Version) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, version);
        let (code, properties) = code_and_properties(&mut r, PacketType::Auth, Place::Auth);
        let auth = Self { code, properties };
        // Only together with the code the properties may be left out.
        r.require(body.len() != 1, DecodeError::Truncated);
        r.require(auth.has_method(), DecodeError::AuthenticationMethod);
        r.end()?;
        Ok(auth)
    }

    /// The short form of a success needs no method, everything else does (3.15.2.2.2).
    fn has_method(&self) -> bool {
        self.code == ReasonCode::Success && self.properties.is_empty()
            || self.properties.has(PropertyId::AuthenticationMethod)
    }
}

impl Body for Auth<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::Auth.first_byte()
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        out.require(out.version.is_v5(), EncodeError::Version);
        out.require(self.has_method(), EncodeError::AuthenticationMethod);
        let packet = PacketType::Auth;
        put_code_and_properties(packet, self.code, &self.properties, Place::Auth, out);
    }
}
