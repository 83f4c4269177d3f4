use super::list::{List, Sealed};
use super::reader::Reader;
use super::writer::Writer;
use super::{DecodeError, EncodeError, MAX_REMAINING_LENGTH, QoS};

/// The properties of a packet, in order, with any number of user properties.
pub type Properties<'a> = List<'a, Property<'a>>;

/// Table 2-4 of the standard: identifier, data type, and the packets that may have the property.
macro_rules! properties {
    ($($(#[$doc:meta])* $id:literal: $kind:ident $name:ident($type:ty) in $places:expr;)*) => {
        /// A property of MQTT 5.0 with its value.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum Property<'a> {
            $($(#[$doc])* $name($type) = $id,)*
            /// A name and a value that mean what the application wants.
            UserProperty(&'a str, &'a str) = USER_PROPERTY,
        }

        impl<'a> Property<'a> {
            const fn id(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $id,)*
                    Self::UserProperty(..) => USER_PROPERTY,
                }
            }

            fn from_value(id: u8, value: &Value<'a>) -> Self {
                match id {
                    $($id => Self::$name(<$type>::from(value)),)*
                    _ => Self::UserProperty(value.text, value.second),
                }
            }
        }

        const PLACES: [u16; 43] = {
            let mut places = [0; 43];
            $(places[$id] = $places;)*
            places[USER_PROPERTY as usize] = u16::MAX;
            places
        };

        const KINDS: [Option<Kind>; 43] = {
            let mut kinds = [None; 43];
            $(kinds[$id] = Some(Kind::$kind);)*
            kinds[USER_PROPERTY as usize] = Some(Kind::Pair);
            kinds
        };
    };
}

const USER_PROPERTY: u8 = 38;

const CONNECT: u16 = Place::Connect as u16;
const CONNACK: u16 = Place::ConnAck as u16;
const PUBLISH: u16 = Place::Publish as u16;
const WILL: u16 = Place::Will as u16;
const ACK: u16 = Place::Ack as u16;
const SUBSCRIBE: u16 = Place::Subscribe as u16;
const DISCONNECT: u16 = Place::Disconnect as u16;
const AUTH: u16 = Place::Auth as u16;

properties! {
    /// True if the payload is UTF-8 text, false if it is unspecified bytes.
    1: Byte PayloadFormatIndicator(bool) in PUBLISH | WILL;
    /// Seconds after which an undelivered message is dropped.
    2: FourBytes MessageExpiryInterval(u32) in PUBLISH | WILL;
    /// What the payload is, such as a MIME type.
    3: String ContentType(&'a str) in PUBLISH | WILL;
    /// The topic that a response is to be published to.
    8: Topic ResponseTopic(&'a str) in PUBLISH | WILL;
    /// What a response repeats so that the requester knows it.
    9: Binary CorrelationData(&'a [u8]) in PUBLISH | WILL;
    /// A number from 1 to 268,435,455 that messages for a subscription carry.
    11: VariableBytes SubscriptionIdentifier(u32) in PUBLISH | SUBSCRIBE;
    /// Seconds for which the session outlives its connection; `u32::MAX` is for ever.
    17: FourBytes SessionExpiryInterval(u32) in CONNECT | CONNACK | DISCONNECT;
    /// The client identifier that the server chose.
    18: String AssignedClientIdentifier(&'a str) in CONNACK;
    /// The Keep Alive, in seconds, that the server wants in place of the client's.
    19: TwoBytes ServerKeepAlive(u16) in CONNACK;
    /// The name of the authentication method.
    21: String AuthenticationMethod(&'a str) in CONNECT | CONNACK | AUTH;
    /// Data of the authentication method.
    22: Binary AuthenticationData(&'a [u8]) in CONNECT | CONNACK | AUTH;
    /// False asks the server to leave out reason strings and user properties.
    23: Byte RequestProblemInformation(bool) in CONNECT;
    /// Seconds by which the will is delayed.
    24: FourBytes WillDelayInterval(u32) in WILL;
    /// True asks the server for [`Self::ResponseInformation`].
    25: Byte RequestResponseInformation(bool) in CONNECT;
    /// From which the client forms its response topics.
    26: String ResponseInformation(&'a str) in CONNACK;
    /// Another server to use.
    28: String ServerReference(&'a str) in CONNACK | DISCONNECT;
    /// A reason for people to read.
    31: String ReasonString(&'a str) in CONNACK | ACK | DISCONNECT | AUTH;
    /// How many QoS 1 and 2 messages the sender of this is willing to have in flight; not 0.
    33: TwoBytes ReceiveMaximum(u16) in CONNECT | CONNACK;
    /// The highest topic alias that the sender of this accepts.
    34: TwoBytes TopicAliasMaximum(u16) in CONNECT | CONNACK;
    /// A number, not 0, that stands for the topic.
    35: TwoBytes TopicAlias(u16) in PUBLISH;
    /// The highest QoS that the server accepts: 0 or 1.
    36: Byte MaximumQoS(QoS) in CONNACK;
    /// False if the server has no retained messages.
    37: Byte RetainAvailable(bool) in CONNACK;
    /// The largest packet, in bytes, that the sender of this accepts; not 0.
    39: FourBytes MaximumPacketSize(u32) in CONNECT | CONNACK;
    /// False if the server has no wildcard subscriptions.
    40: Byte WildcardSubscriptionAvailable(bool) in CONNACK;
    /// False if the server has no subscription identifiers.
    41: Byte SubscriptionIdentifierAvailable(bool) in CONNACK;
    /// False if the server has no shared subscriptions.
    42: Byte SharedSubscriptionAvailable(bool) in CONNACK;
}

/// The data types of properties, in the words of the standard (1.5).
#[derive(Clone, Copy)]
enum Kind {
    /// 0 or 1, for all that there are.
    Byte,
    TwoBytes,
    FourBytes,
    VariableBytes,
    String,
    /// A string that is a topic name.
    Topic,
    Binary,
    Pair,
}

/// A value of any of these types.
#[derive(Default)]
struct Value<'a> {
    number: u32,
    text: &'a str,
    second: &'a str,
    bytes: &'a [u8],
}

impl From<&Value<'_>> for bool {
    fn from(value: &Value<'_>) -> Self {
        value.number != 0
    }
}

impl From<&Value<'_>> for QoS {
    fn from(value: &Value<'_>) -> Self {
        if value.number == 0 {
            Self::AtMostOnce
        } else {
            Self::AtLeastOnce
        }
    }
}

impl From<&Value<'_>> for u16 {
    fn from(value: &Value<'_>) -> Self {
        let [.., high, low] = value.number.to_be_bytes();
        Self::from_be_bytes([high, low])
    }
}

impl From<&Value<'_>> for u32 {
    fn from(value: &Value<'_>) -> Self {
        value.number
    }
}

impl<'a> From<&Value<'a>> for &'a str {
    fn from(value: &Value<'a>) -> Self {
        value.text
    }
}

impl<'a> From<&Value<'a>> for &'a [u8] {
    fn from(value: &Value<'a>) -> Self {
        value.bytes
    }
}

impl<'a> Sealed<'a> for Property<'a> {
    fn read(r: &mut Reader<'a>) -> Self {
        let id = r.u8();
        let mut value = Value::default();
        match KINDS.get(usize::from(id)).copied().flatten() {
            Some(Kind::Byte) => {
                value.number = r.u8().into();
                r.require(value.number <= 1, DecodeError::PropertyValue);
            }
            Some(Kind::TwoBytes) => value.number = r.u16().into(),
            Some(Kind::FourBytes) => value.number = r.u32(),
            Some(Kind::VariableBytes) => value.number = r.var_int(),
            Some(Kind::String) => value.text = r.string(),
            Some(Kind::Topic) => value.text = r.topic_name(),
            Some(Kind::Binary) => value.bytes = r.binary(),
            Some(Kind::Pair) => {
                value.text = r.string();
                value.second = r.string();
            }
            None => r.fail(DecodeError::PropertyNotAllowed),
        }
        let property = Self::from_value(id, &value);
        match property {
            Self::TopicAlias(0) => r.fail(DecodeError::TopicAlias),
            Self::SubscriptionIdentifier(0)
            | Self::ReceiveMaximum(0)
            | Self::MaximumPacketSize(0) => r.fail(DecodeError::PropertyValue),
            _ => {}
        }
        property
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
            Self::ResponseTopic(topic) => out.topic_name(topic),
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

    fn admit(&mut self, property: &Property<'_>) -> Result<(), Fault> {
        let id = property.id();
        if PLACES
            .get(usize::from(id))
            .is_none_or(|places| places & self.place as u16 == 0)
        {
            return Err(Fault::NotAllowed);
        }
        let bit = 1 << id;
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
pub(super) fn properties<'a>(r: &mut Reader<'a>, place: Place) -> Properties<'a> {
    if !r.version.is_v5() {
        return Properties::EMPTY;
    }
    let len = r.var_int();
    let raw = r.take(len as usize);
    let mut list = Reader::new(raw, r.version);
    let mut checker = Checker::new(place);
    while !list.is_empty() {
        let property = Property::read(&mut list);
        if let Err(fault) = checker.admit(&property) {
            list.fail(fault.into());
        }
    }
    if let Err(fault) = checker.finish() {
        list.fail(fault.into());
    }
    if let Err(error) = list.result() {
        r.fail(error);
    }
    Properties::from_checked(raw)
}

/// Writes a property list with its length; before 5.0 there must be none.
pub(super) fn put_properties(properties: &Properties<'_>, place: Place, out: &mut Writer<'_>) {
    if !out.version.is_v5() {
        return out.require(properties.is_empty(), EncodeError::Version);
    }
    let mut count = out.count_part();
    let mut checker = Checker::new(place);
    for property in properties {
        if let Err(fault) = checker.admit(&property) {
            count.require(false, fault.into());
        }
        property.put(&mut count);
    }
    if let Err(fault) = checker.finish() {
        count.require(false, fault.into());
    }
    // A length beyond u32 also exceeds the packet's limit, which the caller checks.
    out.var_int(u32::try_from(count.len()).unwrap_or(u32::MAX));
    out.part(&count, |out| properties.put(out));
}
