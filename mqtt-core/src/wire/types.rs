use core::fmt;
use core::num::NonZeroU16;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum Version {
    /// MQTT 3.1: protocol name `MQIsdp`, level 3.
    V31 = 3,
    /// MQTT 3.1.1: protocol name `MQTT`, level 4.
    #[cfg_attr(not(feature = "v5"), default)]
    V311 = 4,
    /// MQTT 5.0: protocol name `MQTT`, level 5. Only there with feature `v5`.
    #[cfg(feature = "v5")]
    #[default]
    V5 = 5,
}

impl Version {
    /// The newest one: 5.0 or, without feature `v5`, 3.1.1.
    #[cfg(feature = "v5")]
    pub(crate) const NEWEST: Self = Self::V5;
    #[cfg(not(feature = "v5"))]
    pub(crate) const NEWEST: Self = Self::V311;

    /// True for 5.0. Never without feature `v5`, so that what depends on it is not compiled.
    pub(crate) const fn is_v5(self) -> bool {
        cfg!(feature = "v5") && self as u8 == 5
    }

    /// The version of this protocol level, `None` for any other number.
    #[must_use]
    pub const fn from_u8(level: u8) -> Option<Self> {
        match level {
            3 => Some(Self::V31),
            4 => Some(Self::V311),
            #[cfg(feature = "v5")]
            5 => Some(Self::V5),
            _ => None,
        }
    }

    pub(super) const fn protocol_name(self) -> &'static str {
        match self {
            Self::V31 => "MQIsdp",
            _ => "MQTT",
        }
    }

    pub(super) fn from_protocol(name: &[u8], level: u8) -> Option<Self> {
        Self::from_u8(level).filter(|version| version.protocol_name().as_bytes() == name)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V31 => "3.1",
            Self::V311 => "3.1.1",
            #[cfg(feature = "v5")]
            Self::V5 => "5.0",
        })
    }
}

/// A quality of service level.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u8)]
pub enum QoS {
    /// QoS 0: sent once, not acknowledged, may be lost.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: sent until acknowledged, may arrive more than once.
    AtLeastOnce = 1,
    /// QoS 2: arrives exactly once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level as the number of the standards, `None` for anything but 0, 1 and 2.
    #[must_use]
    pub const fn from_u8(level: u8) -> Option<Self> {
        match level {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// The identifier that ties an acknowledgement to its packet; never zero `[MQTT-2.2.1-3]`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// An identifier, `None` for zero.
    #[must_use]
    pub const fn new(id: u16) -> Option<Self> {
        match NonZeroU16::new(id) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// The identifier as a number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl From<NonZeroU16> for PacketId {
    fn from(id: NonZeroU16) -> Self {
        Self(id)
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for PacketId {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=u16}", self.get());
    }
}
