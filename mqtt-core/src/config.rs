use core::fmt;
use core::time::Duration;

use crate::hidden::Hidden;
use crate::wire::{Connect, List, Property, Version, Will};

/// How to connect and how to behave.
///
/// ```
/// use mqtt_core::{Config, wire::Version};
///
/// let config = Config { version: Version::V311, keep_alive: 30, ..Config::new("sensor-7") };
/// ```
///
/// `Debug` leaves out the password.
#[derive(Clone, Copy)]
pub struct Config<'b> {
    /// The version of the protocol to speak.
    pub version: Version,
    /// The name of the session. May be empty, except in 3.1, and in 3.1.1 without clean start.
    pub client_id: &'b str,
    /// True to begin a new session with each connection, false to resume the last one.
    pub clean_start: bool,
    /// For how many seconds the server keeps the session after a connection ends; `u32::MAX` is
    /// for ever. Only 5.0 has this; before, a session without clean start is kept for ever.
    pub session_expiry: u32,
    /// The longest silence in seconds, after which PINGREQ is sent; 0 is no limit.
    pub keep_alive: u16,
    /// Whom to authenticate.
    pub username: Option<&'b str>,
    /// With what to authenticate.
    pub password: Option<&'b [u8]>,
    /// What the server publishes when the connection ends without a DISCONNECT.
    pub will: Option<Will<'b>>,
    /// The highest topic alias that the server may use, 5.0 only; 0 for none. What they stand for
    /// is kept in [`Buffers::aliases_in`](crate::Buffers::aliases_in).
    pub topic_alias_maximum: u16,
    /// True to have messages sent with topic aliases, as far as the server allows; 5.0 only, and
    /// with [`Durability::WriteAhead`] only those of QoS 0. The topics used last are kept in
    /// [`Buffers::aliases_out`](crate::Buffers::aliases_out).
    pub automatic_topic_aliases: bool,
    /// Further CONNECT properties, 5.0 only. Session Expiry Interval, Receive Maximum and Topic
    /// Alias Maximum are not among them: the client sets these itself.
    pub properties: &'b [Property<'b>],
    /// Who acknowledges messages.
    pub acknowledgement: Acknowledgement,
    /// What the session survives.
    pub durability: Durability,
    /// How long to wait for CONNACK.
    pub connect_timeout: Duration,
    /// How long to wait for PINGRESP, or any other sign of life, after PINGREQ.
    pub ping_timeout: Duration,
    /// Packets longer than this are not waited for as a whole: PUBLISH is streamed, others end
    /// the connection. The size of the receive buffer; [`RxBuf`](crate::RxBuf) knows its own.
    pub max_whole: usize,
}

/// Who acknowledges a received QoS 1 or 2 message.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Acknowledgement {
    /// The client, with the call to [`process`](crate::Client::process) that follows the event:
    /// that call shows that the event was dealt with.
    #[default]
    Automatic,
    /// The application, with [`acknowledge`](crate::Client::acknowledge).
    Manual,
}

/// What the session survives.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Durability {
    /// A lost connection. Messages in flight are gone with the power, or the process.
    #[default]
    Ram,
    /// A loss of power, too: nothing is sent before what depends on it is on stable storage. The
    /// host writes [`Client::journal`](crate::Client::journal) and says so with
    /// [`journaled`](crate::Client::journaled). Only there with feature `durability`.
    #[cfg(feature = "durability")]
    WriteAhead,
}

impl Durability {
    /// Never true without feature `durability`, so that what depends on it is not compiled.
    pub(crate) const fn is_write_ahead(self) -> bool {
        cfg!(feature = "durability") && self as u8 == 1
    }
}

impl<'b> Config<'b> {
    /// MQTT 5.0 (3.1.1 without feature `v5`), a clean start, a keep-alive of 60 seconds, time-outs
    /// of 10 seconds.
    #[must_use]
    pub const fn new(client_id: &'b str) -> Self {
        Self {
            version: Version::NEWEST,
            client_id,
            clean_start: true,
            session_expiry: 0,
            keep_alive: 60,
            username: None,
            password: None,
            will: None,
            topic_alias_maximum: 0,
            automatic_topic_aliases: false,
            properties: &[],
            acknowledgement: Acknowledgement::Automatic,
            durability: Durability::Ram,
            connect_timeout: Duration::from_secs(10),
            ping_timeout: Duration::from_secs(10),
            max_whole: usize::MAX,
        }
    }

    /// The CONNECT packet, with the properties that follow from other settings: `own` gives them
    /// their place. `receive_maximum` messages can be received at a time. The server may have
    /// assigned the client identifier.
    pub(crate) fn connect<'a>(
        &'a self,
        client_id: &'a str,
        receive_maximum: u16,
        authentication_data: Option<&'a [u8]>,
        own: &'a mut OwnProperties<'a>,
    ) -> Connect<'a> {
        let mut len = 0;
        let mut add = |property| {
            if let Some(place) = own.get_mut(len) {
                *place = property;
                len += 1;
            }
        };
        if self.version.is_v5() {
            add(Property::ReceiveMaximum(receive_maximum.max(1)));
            if self.session_expiry > 0 {
                add(Property::SessionExpiryInterval(self.session_expiry));
            }
            if self.topic_alias_maximum > 0 {
                add(Property::TopicAliasMaximum(self.topic_alias_maximum));
            }
            if let Some(data) = authentication_data {
                add(Property::AuthenticationData(data));
            }
        }
        Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            properties: List::joined(own.get(..len).unwrap_or_default(), self.properties),
            client_id,
            will: self.will,
            username: self.username,
            password: self.password,
        }
    }
}

impl fmt::Debug for Config<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Field by field, so that none is forgotten.
        let Self {
            version,
            client_id,
            clean_start,
            session_expiry,
            keep_alive,
            username,
            password,
            will,
            topic_alias_maximum,
            automatic_topic_aliases,
            properties,
            acknowledgement,
            durability,
            connect_timeout,
            ping_timeout,
            max_whole,
        } = self;
        f.debug_struct("Config")
            .field("version", version)
            .field("client_id", client_id)
            .field("clean_start", clean_start)
            .field("session_expiry", session_expiry)
            .field("keep_alive", keep_alive)
            .field("username", username)
            .field("password", &password.map(|_| Hidden))
            .field("will", will)
            .field("topic_alias_maximum", topic_alias_maximum)
            .field("automatic_topic_aliases", automatic_topic_aliases)
            .field("properties", properties)
            .field("acknowledgement", acknowledgement)
            .field("durability", durability)
            .field("connect_timeout", connect_timeout)
            .field("ping_timeout", ping_timeout)
            .field("max_whole", max_whole)
            .finish()
    }
}

/// Room for the properties that [`Config::connect`] adds.
pub(crate) type OwnProperties<'a> = [Property<'a>; 4];
