use crate::wire::{Property, QoS};

/// A message to publish.
///
/// ```
/// use mqtt_core::{Message, wire::QoS};
///
/// let message = Message::new("room/1/light", b"on").qos(QoS::AtLeastOnce).retain(true);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a message does nothing until it is published"]
pub struct Message<'a> {
    /// The topic, without wildcards.
    pub topic: &'a str,
    /// The application's bytes.
    pub payload: &'a [u8],
    /// How surely it must arrive.
    pub qos: QoS,
    /// Have the server keep it for later subscribers.
    pub retain: bool,
    /// 5.0 only.
    pub properties: &'a [Property<'a>],
}

impl<'a> Message<'a> {
    /// A QoS 0 message that is not retained.
    pub const fn new(topic: &'a str, payload: &'a [u8]) -> Self {
        Self {
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: &[],
        }
    }

    /// Sets the quality of service.
    pub const fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Sets the RETAIN flag.
    pub const fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Sets the properties; 5.0 only.
    pub const fn properties(mut self, properties: &'a [Property<'a>]) -> Self {
        self.properties = properties;
        self
    }
}
