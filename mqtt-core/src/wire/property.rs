use core::fmt;

use super::list::{List, Sealed};
use super::reader::{Reader, var_int_len};
use super::writer::Writer;
use super::{DecodeError, EncodeError, MAX_REMAINING_LENGTH, QoS, Version};
use crate::V5;
use crate::buffers::shift;
use crate::hidden::Hidden;

/// The properties of a packet, in order, with any number of user properties.
pub type Properties<'a> = List<'a, Property<'a>>;

/// Table 2-4 of the standard: data types, and for each the properties of that type with their
/// identifiers and the packets that may have them.
macro_rules! properties {
    ($($kind:ident($type:ty) {
        $($(#[$doc:meta])* $id:literal: $name:ident in $places:expr;)*
    })*) => {
        /// A property of MQTT 5.0 with its value. `Debug` leaves out authentication data.
        #[derive(Clone, Copy, Eq, Hash, PartialEq)]
        #[repr(u8)]
        pub enum Property<'a> {
            $($($(#[$doc])* $name($type) = $id,)*)*
            /// A name and a value that mean what the application wants.
            UserProperty(&'a str, &'a str) = 38,
        }

        /// The identifier of a property.
        #[derive(Clone, Copy)]
        #[expect(dead_code, reason = "the client looks for some of them only")]
        #[repr(u8)]
        pub(crate) enum PropertyId {
            $($($name = $id,)*)*
            UserProperty = 38,
        }

        impl fmt::Debug for Property<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if let Self::AuthenticationData(_) = self {
                    return f.debug_tuple("AuthenticationData").field(&Hidden).finish();
                }
                match self {
                    $($(Self::$name(value) => {
                        f.debug_tuple(stringify!($name)).field(value).finish()
                    })*)*
                    Self::UserProperty(name, value) => {
                        f.debug_tuple("UserProperty").field(name).field(value).finish()
                    }
                }
            }
        }

        #[cfg(feature = "defmt")]
        impl defmt::Format for Property<'_> {
            fn format(&self, f: defmt::Formatter<'_>) {
                if let Self::AuthenticationData(_) = self {
                    return defmt::write!(f, "AuthenticationData({})", Hidden);
                }
                match self {
                    $($(Self::$name(value) => {
                        defmt::write!(f, "{=str}({})", stringify!($name), value);
                    })*)*
                    Self::UserProperty(name, value) => {
                        defmt::write!(f, "UserProperty({=str}, {=str})", name, value);
                    }
                }
            }
        }

        impl Property<'_> {
            #[inline]
            const fn id(&self) -> u8 {
                match self {
                    $($(Self::$name(_) => $id,)*)*
                    Self::UserProperty(..) => 38,
                }
            }
        }

        impl<'a> Sealed<'a> for Property<'a> {
            // Once, and not wherever an application iterates.
            #[inline(never)]
            fn read(r: &mut Reader<'a>) -> Self {
                Field::read(r).into()
            }

            #[cfg_attr(target_pointer_width = "64", inline(always))]
            fn put(&self, out: &mut Writer<'_>) {
                let id = self.id();
                match *self {
                    $($(Self::$name(value))|* => Value::from(value).put(id, Kind::$kind, out),)*
                    Self::UserProperty(name, value) => {
                        Value::Pair(name, value).put(id, Kind::Pair, out);
                    }
                }
            }
        }

        impl<'a> From<Property<'a>> for Field<'a> {
            #[cfg_attr(target_pointer_width = "64", inline)]
            fn from(property: Property<'a>) -> Self {
                let value = match property {
                    $($(Property::$name(value))|* => value.into(),)*
                    Property::UserProperty(name, value) => Value::Pair(name, value),
                };
                Self { id: property.id(), value }
            }
        }

        impl<'a> From<Field<'a>> for Property<'a> {
            fn from(Field { id, value }: Field<'a>) -> Self {
                match (id, value) {
                    $($(($id, value) => Self::$name(value.into()),)*)*
                    (_, Value::Pair(name, value)) => Self::UserProperty(name, value),
                    _ => Self::UserProperty("", ""),
                }
            }
        }

        const KINDS: [Option<Kind>; 43] = {
            let mut kinds = [None; 43];
            $($(kinds[$id] = Some(Kind::$kind);)*)*
            kinds[38] = Some(Kind::Pair);
            kinds
        };

        const PLACES: [u16; 43] = {
            let mut places = [0; 43];
            $($(places[$id] = $places;)*)*
            places[38] = u16::MAX;
            places
        };
    };
}

const CONNECT: u16 = Place::Connect as u16;
const CONNACK: u16 = Place::ConnAck as u16;
const PUBLISH: u16 = Place::Publish as u16;
const WILL: u16 = Place::Will as u16;
const ACK: u16 = Place::Ack as u16;
const SUBSCRIBE: u16 = Place::Subscribe as u16;
const DISCONNECT: u16 = Place::Disconnect as u16;
const AUTH: u16 = Place::Auth as u16;

properties! {
    Flag(bool) {
        /// True if the payload is UTF-8 text, false if it is unspecified bytes.
        1: PayloadFormatIndicator in PUBLISH | WILL;
        /// False asks the server to leave out reason strings and user properties.
        23: RequestProblemInformation in CONNECT;
        /// True asks the server for [`Self::ResponseInformation`].
        25: RequestResponseInformation in CONNECT;
        /// False if the server has no retained messages.
        37: RetainAvailable in CONNACK;
        /// False if the server has no wildcard subscriptions.
        40: WildcardSubscriptionAvailable in CONNACK;
        /// False if the server has no subscription identifiers.
        41: SubscriptionIdentifierAvailable in CONNACK;
        /// False if the server has no shared subscriptions.
        42: SharedSubscriptionAvailable in CONNACK;
    }
    Flag(QoS) {
        /// The highest QoS that the server accepts: 0 or 1.
        36: MaximumQoS in CONNACK;
    }
    TwoBytes(u16) {
        /// The Keep Alive, in seconds, that the server wants in place of the client's.
        19: ServerKeepAlive in CONNACK;
        /// The highest topic alias that the sender of this accepts.
        34: TopicAliasMaximum in CONNECT | CONNACK;
    }
    TwoBytesNotZero(u16) {
        /// How many QoS 1 and 2 messages the sender of this is willing to have in flight; not 0.
        33: ReceiveMaximum in CONNECT | CONNACK;
        /// A number, not 0, that stands for the topic.
        35: TopicAlias in PUBLISH;
    }
    FourBytes(u32) {
        /// Seconds after which an undelivered message is dropped.
        2: MessageExpiryInterval in PUBLISH | WILL;
        /// Seconds for which the session outlives its connection; `u32::MAX` is for ever.
        17: SessionExpiryInterval in CONNECT | CONNACK | DISCONNECT;
        /// Seconds by which the will is delayed.
        24: WillDelayInterval in WILL;
    }
    FourBytesNotZero(u32) {
        /// The largest packet, in bytes, that the sender of this accepts; not 0.
        39: MaximumPacketSize in CONNECT | CONNACK;
    }
    VariableBytes(u32) {
        /// A number from 1 to 268,435,455 that messages for a subscription carry.
        11: SubscriptionIdentifier in PUBLISH | SUBSCRIBE;
    }
    String(&'a str) {
        /// What the payload is, such as a MIME type.
        3: ContentType in PUBLISH | WILL;
        /// The client identifier that the server chose.
        18: AssignedClientIdentifier in CONNACK;
        /// The name of the authentication method.
        21: AuthenticationMethod in CONNECT | CONNACK | AUTH;
        /// From which the client forms its response topics.
        26: ResponseInformation in CONNACK;
        /// Another server to use.
        28: ServerReference in CONNACK | DISCONNECT;
        /// A reason for people to read.
        31: ReasonString in CONNACK | ACK | DISCONNECT | AUTH;
    }
    Topic(&'a str) {
        /// The topic that a response is to be published to.
        8: ResponseTopic in PUBLISH | WILL;
    }
    Binary(&'a [u8]) {
        /// What a response repeats so that the requester knows it.
        9: CorrelationData in PUBLISH | WILL;
        /// Data of the authentication method.
        22: AuthenticationData in CONNECT | CONNACK | AUTH;
    }
}

/// The data types of properties.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A byte that is 0 or 1.
    Flag,
    TwoBytes,
    TwoBytesNotZero,
    FourBytes,
    FourBytesNotZero,
    /// A variable byte integer that is not 0.
    VariableBytes,
    String,
    /// A string that is a topic name.
    Topic,
    Binary,
    Pair,
}

/// A property as it stands in a packet: an identifier, and a value of its type.
struct Field<'a> {
    id: u8,
    value: Value<'a>,
}

#[inline]
fn kind(id: u8) -> Option<Kind> {
    *KINDS.get(usize::from(id))?
}

#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    Number(u32),
    Text(&'a str),
    Binary(&'a [u8]),
    Pair(&'a str, &'a str),
}

impl<'a> Field<'a> {
    fn read(r: &mut Reader<'a>) -> Self {
        Self::read_if(r, true)
    }

    /// If the value is not `wanted`, its strings are checked, but may be empty then.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn read_if(r: &mut Reader<'a>, wanted: bool) -> Self {
        let id = r.u8();
        let Some(kind) = kind(id) else {
            r.fail(DecodeError::PropertyNotAllowed);
            return Self {
                id,
                value: Value::Number(0),
            };
        };
        let value = match kind {
            Kind::Flag => Value::Number(r.u8().into()),
            Kind::TwoBytes | Kind::TwoBytesNotZero => Value::Number(r.u16().into()),
            Kind::FourBytes | Kind::FourBytesNotZero => Value::Number(r.u32()),
            Kind::VariableBytes => Value::Number(r.var_int()),
            Kind::String => Value::Text(r.string_if(wanted)),
            Kind::Topic => Value::Text(r.topic_name()),
            Kind::Binary => Value::Binary(r.binary()),
            Kind::Pair => Value::Pair(r.string_if(wanted), r.string_if(wanted)),
        };
        if !value.is_in_range(kind) {
            r.fail(if id == PropertyId::TopicAlias as u8 {
                DecodeError::TopicAlias
            } else {
                DecodeError::PropertyValue
            });
        }
        Self { id, value }
    }
}

impl Value<'_> {
    /// Writes a property of this value.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn put(&self, id: u8, kind: Kind, out: &mut Writer<'_>) {
        out.require(self.is_in_range(kind), EncodeError::PropertyValue);
        out.u8(id);
        match *self {
            Value::Number(number) => {
                let [.., high, low] = number.to_be_bytes();
                match kind {
                    Kind::Flag => out.u8(low),
                    Kind::TwoBytes | Kind::TwoBytesNotZero => {
                        out.u16(u16::from_be_bytes([high, low]));
                    }
                    Kind::VariableBytes => out.var_int(number),
                    _ => out.u32(number),
                }
            }
            Value::Text(topic) if kind == Kind::Topic => out.topic_name(topic),
            Value::Text(text) => out.string(text),
            Value::Binary(data) => out.binary(data),
            Value::Pair(name, value) => {
                out.string(name);
                out.string(value);
            }
        }
    }

    #[inline]
    const fn is_in_range(&self, kind: Kind) -> bool {
        let Self::Number(number) = *self else {
            return true;
        };
        match kind {
            Kind::Flag => number <= 1,
            Kind::TwoBytesNotZero | Kind::FourBytesNotZero => number != 0,
            Kind::VariableBytes => number != 0 && number <= MAX_REMAINING_LENGTH,
            _ => true,
        }
    }
}

/// Each type of values has one form only, so that what is not of that form is nothing.
macro_rules! values {
    ($($type:ty: $value:ident => $into:expr, $form:pat => $from:expr;)*) => {
        $(
            impl<'a> From<$type> for Value<'a> {
                #[inline]
                fn from($value: $type) -> Self {
                    $into
                }
            }

            impl<'a> From<Value<'a>> for $type {
                fn from(value: Value<'a>) -> Self {
                    match value {
                        $form => $from,
                        _ => Self::default(),
                    }
                }
            }
        )*
    };
}

values! {
    bool: flag => Self::Number(flag.into()), Value::Number(number) => number != 0;
    u16: number => Self::Number(number.into()),
        Value::Number(number) => Self::try_from(number).unwrap_or(Self::MAX);
    u32: number => Self::Number(number), Value::Number(number) => number;
    QoS: qos => Self::Number(qos as u32), Value::Number(1) => Self::AtLeastOnce;
    &'a str: text => Self::Text(text), Value::Text(text) => text;
    &'a [u8]: data => Self::Binary(data), Value::Binary(data) => data;
}

impl<'a> Properties<'a> {
    /// Takes the first property off, as it stands in a packet.
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn pop_field(&mut self) -> Option<Field<'a>> {
        self.pop(Field::read)
    }

    /// How many bytes stand before the first property of this identifier in a received list, and
    /// how many from there on.
    pub(super) fn position(&self, id: PropertyId) -> Option<(usize, usize)> {
        let (_, from) = self.find(id)?;
        Some((self.raw()?.len() - from, from))
    }

    /// The value of the first property of this identifier.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) fn get<T: From<Value<'a>>>(&self, id: PropertyId) -> Option<T> {
        self.find(id).map(|(value, _)| T::from(value))
    }

    /// True if there is a property of this identifier.
    #[cfg_attr(target_pointer_width = "64", inline)]
    pub(crate) fn has(&self, id: PropertyId) -> bool {
        self.find(id).is_some()
    }

    /// The first property of this identifier: its value, and how many bytes of a received list
    /// there are from it on.
    #[cfg_attr(target_pointer_width = "64", inline)]
    fn find(&self, id: PropertyId) -> Option<(Value<'a>, usize)> {
        if !V5 || self.is_empty() {
            return None;
        }
        self.search(id)
    }

    fn search(&self, id: PropertyId) -> Option<(Value<'a>, usize)> {
        let mut list = *self;
        loop {
            let len = list.raw().map_or(0, <[u8]>::len);
            let field = list.pop_field()?;
            if field.id == id as u8 {
                return Some((field.value, len));
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

    #[inline]
    fn admit(&mut self, id: u8) -> Result<(), Fault> {
        let places = PLACES.get(usize::from(id)).copied().unwrap_or(0);
        if places & self.place as u16 == 0 {
            return Err(Fault::NotAllowed);
        }
        let bit = 1 << id;
        // A message carries one for each subscription that it matched [MQTT-3.3.4-4].
        let is_repeatable = id == PropertyId::UserProperty as u8
            || id == PropertyId::SubscriptionIdentifier as u8 && self.place == Place::Publish;
        if self.seen & bit != 0 && !is_repeatable {
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
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(super) fn properties<'a>(r: &mut Reader<'a>, place: Place) -> Properties<'a> {
    if !r.version.is_v5() {
        return Properties::EMPTY;
    }
    let len = r.var_int();
    let raw = r.take(len as usize);
    if !raw.is_empty() {
        if let Err(error) = check(raw, place) {
            r.fail(error);
        }
    }
    Properties::from_checked(raw)
}

#[inline(never)]
fn check(raw: &[u8], place: Place) -> Result<(), DecodeError> {
    let mut list = Reader::new(raw, Version::NEWEST);
    let mut checker = Checker::new(place);
    let mut read = || {
        while !list.is_empty() {
            checker.admit(Field::read_if(&mut list, false).id)?;
        }
        checker.finish()
    };
    if let Err(fault) = read() {
        list.fail(fault.into());
    }
    list.result()
}

/// Writes a property list with its length; before 5.0 there must be none.
#[cfg_attr(target_pointer_width = "64", inline(always))]
pub(super) fn put_properties(properties: &Properties<'_>, place: Place, out: &mut Writer<'_>) {
    match (out.version.is_v5(), properties.is_empty()) {
        (true, false) => out.part(
            || count_list(properties, place),
            |room| fill_list(properties, place, room),
        ),
        (true, true) => out.u8(0),
        (false, is_empty) => out.require(is_empty, EncodeError::Version),
    }
}

#[inline(never)]
fn count_list(list: &Properties<'_>, place: Place) -> Result<usize, EncodeError> {
    let mut count = Writer::count(Version::NEWEST);
    put_list(list, place, &mut count);
    let len = count.finish()?;
    Ok(len + var_int_len(u32::try_from(len).unwrap_or(u32::MAX)))
}

/// Writes the list with its length to the front of `room`.
#[inline(never)]
fn fill_list(list: &Properties<'_>, place: Place, room: &mut [u8]) -> usize {
    let mut out = Writer::fill(Version::NEWEST, room.get_mut(1..).unwrap_or_default());
    put_list(list, place, &mut out);
    let len = out.len();
    let prefix = u32::try_from(len).unwrap_or(u32::MAX);
    let mut prefix_len = 1;
    if prefix >= 0x80 {
        prefix_len = var_int_len(prefix);
        shift(room, 1..1 + len, prefix_len);
    }
    Writer::fill(Version::NEWEST, room).var_int(prefix);
    prefix_len + len
}

#[cfg_attr(target_pointer_width = "64", inline(always))]
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
fn put_list(list: &Properties<'_>, place: Place, out: &mut Writer<'_>) {
    let mut list = *list;
    let mut checker = Checker::new(place);
    while let Some(property) = list.pop(Property::read) {
        out.check(|| checker.admit(property.id()).map_err(Fault::into));
        property.put(out);
    }
    out.check(|| checker.finish().map_err(Fault::into));
}
