use super::list::{List, Sealed};
use super::parse::{Parsed, be_u8, be_u16, be_u32, binary, fail, string, take, var_int};
use super::writer::Writer;
use super::{DecodeError, EncodeError, MAX_REMAINING_LENGTH, QoS, TopicName, Version};

/// The properties of a packet, in order, with any number of user properties.
pub type Properties<'a> = List<'a, Property<'a>>;

/// A property of MQTT 5.0 with its value.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Property<'a> {
    /// True if the payload is UTF-8 text, false if it is unspecified bytes.
    PayloadFormatIndicator(bool),
    /// Seconds after which an undelivered message is dropped.
    MessageExpiryInterval(u32),
    /// What the payload is, such as a MIME type.
    ContentType(&'a str),
    /// The topic that a response is to be published to.
    ResponseTopic(&'a str),
    /// What a response repeats so that the requester knows it.
    CorrelationData(&'a [u8]),
    /// A number from 1 to 268,435,455 that messages for a subscription carry.
    SubscriptionIdentifier(u32),
    /// Seconds for which the session outlives its connection; `u32::MAX` is for ever.
    SessionExpiryInterval(u32),
    /// The client identifier that the server chose.
    AssignedClientIdentifier(&'a str),
    /// The Keep Alive, in seconds, that the server wants in place of the client's.
    ServerKeepAlive(u16),
    /// The name of the authentication method.
    AuthenticationMethod(&'a str),
    /// Data of the authentication method.
    AuthenticationData(&'a [u8]),
    /// False asks the server to leave out reason strings and user properties.
    RequestProblemInformation(bool),
    /// Seconds by which the will is delayed.
    WillDelayInterval(u32),
    /// True asks the server for [`Self::ResponseInformation`].
    RequestResponseInformation(bool),
    /// From which the client forms its response topics.
    ResponseInformation(&'a str),
    /// Another server to use.
    ServerReference(&'a str),
    /// A reason for people to read.
    ReasonString(&'a str),
    /// How many QoS 1 and 2 messages the sender of this is willing to have in flight; not 0.
    ReceiveMaximum(u16),
    /// The highest topic alias that the sender of this accepts.
    TopicAliasMaximum(u16),
    /// A number, not 0, that stands for the topic.
    TopicAlias(u16),
    /// The highest QoS that the server accepts: 0 or 1.
    MaximumQoS(QoS),
    /// False if the server has no retained messages.
    RetainAvailable(bool),
    /// A name and a value that mean what the application wants.
    UserProperty(&'a str, &'a str),
    /// The largest packet, in bytes, that the sender of this accepts; not 0.
    MaximumPacketSize(u32),
    /// False if the server has no wildcard subscriptions.
    WildcardSubscriptionAvailable(bool),
    /// False if the server has no subscription identifiers.
    SubscriptionIdentifierAvailable(bool),
    /// False if the server has no shared subscriptions.
    SharedSubscriptionAvailable(bool),
}

impl Property<'_> {
    const fn id(&self) -> u8 {
        match self {
            Self::PayloadFormatIndicator(_) => 1,
            Self::MessageExpiryInterval(_) => 2,
            Self::ContentType(_) => 3,
            Self::ResponseTopic(_) => 8,
            Self::CorrelationData(_) => 9,
            Self::SubscriptionIdentifier(_) => 11,
            Self::SessionExpiryInterval(_) => 17,
            Self::AssignedClientIdentifier(_) => 18,
            Self::ServerKeepAlive(_) => 19,
            Self::AuthenticationMethod(_) => 21,
            Self::AuthenticationData(_) => 22,
            Self::RequestProblemInformation(_) => 23,
            Self::WillDelayInterval(_) => 24,
            Self::RequestResponseInformation(_) => 25,
            Self::ResponseInformation(_) => 26,
            Self::ServerReference(_) => 28,
            Self::ReasonString(_) => 31,
            Self::ReceiveMaximum(_) => 33,
            Self::TopicAliasMaximum(_) => 34,
            Self::TopicAlias(_) => 35,
            Self::MaximumQoS(_) => 36,
            Self::RetainAvailable(_) => 37,
            Self::UserProperty(..) => 38,
            Self::MaximumPacketSize(_) => 39,
            Self::WildcardSubscriptionAvailable(_) => 40,
            Self::SubscriptionIdentifierAvailable(_) => 41,
            Self::SharedSubscriptionAvailable(_) => 42,
        }
    }

    /// The packets that this property belongs to (table 2-4 of the standard).
    const fn places(&self) -> u16 {
        use Place as P;
        match self {
            Self::PayloadFormatIndicator(_)
            | Self::MessageExpiryInterval(_)
            | Self::ContentType(_)
            | Self::ResponseTopic(_)
            | Self::CorrelationData(_) => P::Publish as u16 | P::Will as u16,
            Self::SubscriptionIdentifier(_) => P::Publish as u16 | P::Subscribe as u16,
            Self::SessionExpiryInterval(_) => {
                P::Connect as u16 | P::ConnAck as u16 | P::Disconnect as u16
            }
            Self::AuthenticationMethod(_) | Self::AuthenticationData(_) => {
                P::Connect as u16 | P::ConnAck as u16 | P::Auth as u16
            }
            Self::RequestProblemInformation(_) | Self::RequestResponseInformation(_) => {
                P::Connect as u16
            }
            Self::WillDelayInterval(_) => P::Will as u16,
            Self::ServerReference(_) => P::ConnAck as u16 | P::Disconnect as u16,
            Self::ReasonString(_) => {
                P::ConnAck as u16 | P::Ack as u16 | P::Disconnect as u16 | P::Auth as u16
            }
            Self::ReceiveMaximum(_) | Self::TopicAliasMaximum(_) | Self::MaximumPacketSize(_) => {
                P::Connect as u16 | P::ConnAck as u16
            }
            Self::TopicAlias(_) => P::Publish as u16,
            Self::UserProperty(..) => u16::MAX,
            Self::AssignedClientIdentifier(_)
            | Self::ServerKeepAlive(_)
            | Self::ResponseInformation(_)
            | Self::MaximumQoS(_)
            | Self::RetainAvailable(_)
            | Self::WildcardSubscriptionAvailable(_)
            | Self::SubscriptionIdentifierAvailable(_)
            | Self::SharedSubscriptionAvailable(_) => P::ConnAck as u16,
        }
    }
}

fn flag(i: &[u8]) -> Parsed<'_, bool> {
    match be_u8(i)? {
        (i, 0) => Ok((i, false)),
        (i, 1) => Ok((i, true)),
        _ => fail(DecodeError::PropertyValue),
    }
}

impl<'a> Sealed<'a> for Property<'a> {
    fn parse(i: &'a [u8]) -> Parsed<'a, Self> {
        fn map<'a, T>(
            parsed: Parsed<'a, T>,
            property: impl FnOnce(T) -> Property<'a>,
        ) -> Parsed<'a, Property<'a>> {
            let (i, value) = parsed?;
            Ok((i, property(value)))
        }
        /// Numbers that must not be zero.
        fn not_zero<T: Default + PartialEq>(
            parsed: Parsed<'_, T>,
            otherwise: DecodeError,
        ) -> Parsed<'_, T> {
            match parsed? {
                (_, value) if value == T::default() => fail(otherwise),
                parsed => Ok(parsed),
            }
        }

        let (i, id) = be_u8(i)?;
        match id {
            1 => map(flag(i), Self::PayloadFormatIndicator),
            2 => map(be_u32(i), Self::MessageExpiryInterval),
            3 => map(string(i), Self::ContentType),
            8 => match string(i)? {
                (i, topic) if TopicName::new(topic).is_ok() => Ok((i, Self::ResponseTopic(topic))),
                _ => fail(DecodeError::TopicName),
            },
            9 => map(binary(i), Self::CorrelationData),
            11 => map(
                not_zero(var_int(i), DecodeError::PropertyValue),
                Self::SubscriptionIdentifier,
            ),
            17 => map(be_u32(i), Self::SessionExpiryInterval),
            18 => map(string(i), Self::AssignedClientIdentifier),
            19 => map(be_u16(i), Self::ServerKeepAlive),
            21 => map(string(i), Self::AuthenticationMethod),
            22 => map(binary(i), Self::AuthenticationData),
            23 => map(flag(i), Self::RequestProblemInformation),
            24 => map(be_u32(i), Self::WillDelayInterval),
            25 => map(flag(i), Self::RequestResponseInformation),
            26 => map(string(i), Self::ResponseInformation),
            28 => map(string(i), Self::ServerReference),
            31 => map(string(i), Self::ReasonString),
            33 => map(
                not_zero(be_u16(i), DecodeError::PropertyValue),
                Self::ReceiveMaximum,
            ),
            34 => map(be_u16(i), Self::TopicAliasMaximum),
            35 => map(
                not_zero(be_u16(i), DecodeError::TopicAlias),
                Self::TopicAlias,
            ),
            36 => map(flag(i), |one| {
                Self::MaximumQoS(if one {
                    QoS::AtLeastOnce
                } else {
                    QoS::AtMostOnce
                })
            }),
            37 => map(flag(i), Self::RetainAvailable),
            38 => {
                let (i, name) = string(i)?;
                map(string(i), |value| Self::UserProperty(name, value))
            }
            39 => map(
                not_zero(be_u32(i), DecodeError::PropertyValue),
                Self::MaximumPacketSize,
            ),
            40 => map(flag(i), Self::WildcardSubscriptionAvailable),
            41 => map(flag(i), Self::SubscriptionIdentifierAvailable),
            42 => map(flag(i), Self::SharedSubscriptionAvailable),
            _ => fail(DecodeError::PropertyNotAllowed),
        }
    }

    fn put(&self, out: &mut Writer<'_>) {
        let value = EncodeError::PropertyValue;
        out.u8(self.id());
        match *self {
            Self::PayloadFormatIndicator(flag)
            | Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => out.u8(flag.into()),
            Self::MessageExpiryInterval(seconds)
            | Self::SessionExpiryInterval(seconds)
            | Self::WillDelayInterval(seconds) => out.u32(seconds),
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => out.string(text),
            Self::ResponseTopic(topic) => {
                out.check(|| {
                    TopicName::new(topic)
                        .map(drop)
                        .or(Err(EncodeError::TopicName))
                });
                out.binary(topic.as_bytes());
            }
            Self::CorrelationData(data) | Self::AuthenticationData(data) => out.binary(data),
            Self::SubscriptionIdentifier(id) => {
                out.require(id != 0 && id <= MAX_REMAINING_LENGTH, value);
                out.var_int(id);
            }
            Self::ServerKeepAlive(number) | Self::TopicAliasMaximum(number) => out.u16(number),
            Self::ReceiveMaximum(number) | Self::TopicAlias(number) => {
                out.require(number != 0, value);
                out.u16(number);
            }
            Self::MaximumQoS(qos) => {
                out.require(qos != QoS::ExactlyOnce, value);
                out.u8(qos as u8);
            }
            Self::UserProperty(name, text) => {
                out.string(name);
                out.string(text);
            }
            Self::MaximumPacketSize(size) => {
                out.require(size != 0, value);
                out.u32(size);
            }
        }
    }
}

/// Where a property list stands. The acknowledgements of PUBLISH, SUBSCRIBE and UNSUBSCRIBE share
/// one set of properties.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Place {
    Connect = 1,
    ConnAck = 1 << 1,
    Publish = 1 << 2,
    Will = 1 << 3,
    Ack = 1 << 4,
    Subscribe = 1 << 5,
    Unsubscribe = 1 << 6,
    Disconnect = 1 << 7,
    Auth = 1 << 8,
}

/// What is wrong with a property list as a whole.
#[derive(Clone, Copy)]
enum Fault {
    NotAllowed,
    Repeated,
    NoMethod,
}

impl From<Fault> for DecodeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotAllowed => Self::PropertyNotAllowed,
            Fault::Repeated => Self::PropertyRepeated,
            Fault::NoMethod => Self::AuthenticationMethod,
        }
    }
}

impl From<Fault> for EncodeError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NotAllowed => Self::PropertyNotAllowed,
            Fault::Repeated => Self::PropertyRepeated,
            Fault::NoMethod => Self::AuthenticationMethod,
        }
    }
}

/// Checks a property list against the place where it stands.
struct Checker {
    place: Place,
    seen: u64,
}

impl Checker {
    const METHOD: u64 = 1 << 21;
    const DATA: u64 = 1 << 22;

    const fn new(place: Place) -> Self {
        Self { place, seen: 0 }
    }

    const fn admit(&mut self, property: &Property<'_>) -> Result<(), Fault> {
        if property.places() & self.place as u16 == 0 {
            return Err(Fault::NotAllowed);
        }
        let bit = 1 << property.id();
        let repeatable = match property {
            Property::UserProperty(..) => true,
            // A message carries one for each subscription that it matched [MQTT-3.3.4-4].
            Property::SubscriptionIdentifier(_) => matches!(self.place, Place::Publish),
            _ => false,
        };
        if self.seen & bit != 0 && !repeatable {
            return Err(Fault::Repeated);
        }
        self.seen |= bit;
        Ok(())
    }

    const fn finish(&self) -> Result<(), Fault> {
        if self.seen & Self::DATA != 0 && self.seen & Self::METHOD == 0 {
            return Err(Fault::NoMethod);
        }
        Ok(())
    }
}

/// Reads a property list with its length; before 5.0 there is none.
pub(super) fn properties(i: &[u8], place: Place, version: Version) -> Parsed<'_, Properties<'_>> {
    if !version.is_v5() {
        return Ok((i, Properties::EMPTY));
    }
    let (i, len) = var_int(i)?;
    let (i, raw) = take(len)(i)?;
    if !raw.is_empty() {
        let mut checker = Checker::new(place);
        let mut rest = raw;
        while !rest.is_empty() {
            let (next, property) = Property::parse(rest)?;
            checker
                .admit(&property)
                .map_err(|fault| nom::Err::Error(fault.into()))?;
            rest = next;
        }
        checker
            .finish()
            .map_err(|fault| nom::Err::Error(fault.into()))?;
    }
    Ok((i, Properties::from_checked(raw)))
}

/// Writes a property list with its length; before 5.0 there must be none.
pub(super) fn put_properties(properties: &Properties<'_>, place: Place, out: &mut Writer<'_>) {
    if !out.version.is_v5() {
        return out.require(properties.is_empty(), EncodeError::Version);
    }
    if properties.is_empty() {
        return out.u8(0);
    }
    out.check(|| {
        let mut checker = Checker::new(place);
        properties
            .iter()
            .try_for_each(|property| checker.admit(&property))?;
        Ok(checker.finish()?)
    });
    let mut count = Writer::count(out.version);
    properties.put(&mut count);
    // A length beyond u32 also exceeds the packet's limit, which the caller checks.
    out.var_int(u32::try_from(count.len()).unwrap_or(u32::MAX));
    properties.put(out);
}
