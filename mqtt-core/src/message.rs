use crate::wire::{List, Property, Publish, QoS};

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

    /// The packet, without an identifier: `topic` or an alias among `more` properties says where
    /// to.
    pub(crate) const fn packet(&self, topic: &'a str, more: &'a [Property<'a>]) -> Publish<'a> {
        Publish {
            qos: self.qos,
            retain: self.retain,
            properties: List::joined(self.properties, more),
            ..Publish::new(topic, self.payload)
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

/// How to answer a request: [`Publish::response`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Response<'a> {
    topic: &'a str,
    correlation_data: Option<Property<'a>>,
}

impl<'a> Response<'a> {
    /// The answer, at QoS 0: it goes to the Response Topic of the request and carries its
    /// Correlation Data.
    pub const fn message(&'a self, payload: &'a [u8]) -> Message<'a> {
        Message::new(self.topic, payload).properties(self.correlation_data.as_slice())
    }
}

impl<'a> Publish<'a> {
    /// How to answer this message; `None` unless it is a request, which has a Response Topic
    /// (4.10). 5.0 only.
    ///
    /// ```
    /// # use mqtt_core::{Client, Error};
    /// # use mqtt_core::wire::Publish;
    /// fn answer(client: &mut Client<'_>, request: &Publish<'_>) -> Result<(), Error> {
    ///     if let Some(response) = request.response() {
    ///         client.publish(&response.message(b"42"))?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn response(&self) -> Option<Response<'a>> {
        let properties: List<'a, _> = self.properties;
        let mut topic = None;
        let mut correlation_data = None;
        for property in properties {
            match property {
                Property::ResponseTopic(response_topic) => topic = Some(response_topic),
                Property::CorrelationData(_) => correlation_data = Some(property),
                _ => {}
            }
        }
        Some(Response {
            topic: topic?,
            correlation_data,
        })
    }
}
