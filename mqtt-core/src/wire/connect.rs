use core::fmt;

use super::frame::Body;
use super::property::{Place, properties, put_properties};
use super::reader::Reader;
use super::writer::Writer;
use super::{DecodeError, EncodeError, PacketType, Properties, QoS, Version};
use crate::hidden::Hidden;

/// CONNECT: the first packet of a client. `Debug` leaves out the password.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Connect<'a> {
    /// The version that both sides speak from here on.
    pub version: Version,
    /// True to begin a new session; "Clean Session" before 5.0.
    pub clean_start: bool,
    /// The longest silence of the client, in seconds; 0 is no limit.
    pub keep_alive: u16,
    /// 5.0 only.
    pub properties: Properties<'a>,
    /// The name of the session; empty to have the server choose one.
    pub client_id: &'a str,
    /// What the server publishes when the connection ends without a DISCONNECT.
    pub will: Option<Will<'a>>,
    /// Whom to authenticate.
    pub username: Option<&'a str>,
    /// With what to authenticate.
    pub password: Option<&'a [u8]>,
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            version,
            clean_start,
            keep_alive,
            properties,
            client_id,
            will,
            username,
            password,
        } = self;
        f.debug_struct("Connect")
            .field("version", version)
            .field("clean_start", clean_start)
            .field("keep_alive", keep_alive)
            .field("properties", properties)
            .field("client_id", client_id)
            .field("will", will)
            .field("username", username)
            .field("password", &password.map(|_| Hidden))
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Connect<'_> {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(
            f,
            "Connect {{ version: {}, clean_start: {=bool}, keep_alive: {=u16}, properties: {}, \
             client_id: {=str}, will: {}, username: {}, password: {} }}",
            self.version,
            self.clean_start,
            self.keep_alive,
            self.properties,
            self.client_id,
            self.will,
            self.username,
            self.password.map(|_| Hidden)
        );
    }
}

/// The message that a server publishes for a client that is gone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Will<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The application's bytes, at most 65,535.
    pub payload: &'a [u8],
    /// The level at which the server publishes it.
    pub qos: QoS,
    /// Keep the message for later subscribers.
    pub retain: bool,
    /// 5.0 only.
    pub properties: Properties<'a>,
}

impl<'a> Will<'a> {
    /// A QoS 0 will that is not retained.
    #[must_use]
    pub const fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Properties::EMPTY,
        }
    }
}

const CLEAN_START: u8 = 1 << 1;
const WILL: u8 = 1 << 2;
const WILL_QOS: u8 = 0b11 << 3;
const WILL_RETAIN: u8 = 1 << 5;
const PASSWORD: u8 = 1 << 6;
const USERNAME: u8 = 1 << 7;

impl<'a> Connect<'a> {
    pub(super) fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body, Version::NEWEST);
        let (name, level) = (r.binary(), r.u8());
        r.result()?;
        let Some(version) = Version::from_protocol(name, level) else {
            return Err(DecodeError::Protocol);
        };
        r.version = version;
        let flags = r.u8();
        let has = |flag| flags & flag != 0;
        let will_qos = QoS::from_u8((flags & WILL_QOS) >> 3);
        let fit = flags & 1 == 0
            && will_qos.is_some()
            && (has(WILL) || !has(WILL_QOS | WILL_RETAIN))
            && (version.is_v5() || has(USERNAME) || !has(PASSWORD));
        r.require(fit, DecodeError::ConnectFlags);
        let mut connect = Self {
            version,
            clean_start: has(CLEAN_START),
            keep_alive: r.u16(),
            properties: properties(&mut r, Place::Connect),
            client_id: r.string(),
            will: None,
            username: None,
            password: None,
        };
        r.require(connect.client_id_allowed(), DecodeError::ClientId);
        if has(WILL) {
            connect.will = Some(Will {
                properties: properties(&mut r, Place::Will),
                topic: r.topic_name(),
                payload: r.binary(),
                qos: will_qos.unwrap_or_default(),
                retain: has(WILL_RETAIN),
            });
        }
        connect.username = has(USERNAME).then(|| r.string());
        connect.password = has(PASSWORD).then(|| r.binary());
        r.end()?;
        Ok(connect)
    }

    /// 3.1 always needs an identifier, 3.1.1 to resume a session `[MQTT-3.1.3-7]`.
    const fn client_id_allowed(&self) -> bool {
        !self.client_id.is_empty()
            || match self.version {
                Version::V31 => false,
                Version::V311 => self.clean_start,
                #[cfg(feature = "v5")]
                Version::V5 => true,
            }
    }
}

impl Body for Connect<'_> {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketType::Connect.first_byte()
    }

    /// The version is the packet's own.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, out: &mut Writer<'_>) {
        let version = self.version;
        out.version = version;
        out.require(self.client_id_allowed(), EncodeError::ClientId);
        out.require(
            version.is_v5() || self.password.is_none() || self.username.is_some(),
            EncodeError::PasswordWithoutUsername,
        );
        out.binary(version.protocol_name().as_bytes());
        out.u8(version as u8);
        let will_flags = self.will.map_or(0, |will| {
            WILL | (will.qos as u8) << 3 | if will.retain { WILL_RETAIN } else { 0 }
        });
        out.u8(will_flags
            | if self.clean_start { CLEAN_START } else { 0 }
            | if self.username.is_some() { USERNAME } else { 0 }
            | if self.password.is_some() { PASSWORD } else { 0 });
        out.u16(self.keep_alive);
        put_properties(&self.properties, Place::Connect, out);
        out.string(self.client_id);
        if let Some(will) = &self.will {
            put_properties(&will.properties, Place::Will, out);
            out.topic_name(will.topic);
            out.binary(will.payload);
        }
        if let Some(username) = self.username {
            out.string(username);
        }
        if let Some(password) = self.password {
            out.binary(password);
        }
    }
}
