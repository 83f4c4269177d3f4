//! Messages to the server, from the application's side.

use super::Client;
use crate::V5;
use crate::error::{Error, Resource, UsageError};
use crate::link::Phase;
use crate::message::Message;
use crate::session::Lent;
use crate::wire::{PacketId, Properties, Property, PropertyId, Publish, QoS};

impl Client<'_> {
    /// Sends a message. Above QoS 0 it gets an identifier, is kept until the server has it, and
    /// may be handed over without a connection; [`Event::Published`](crate::Event::Published)
    /// reports the end.
    ///
    /// A Message Expiry Interval counts from here, by the time that the client was told last. A
    /// message that was never sent before it ends is given up
    /// ([`Event::Lost`](crate::Event::Lost)), one that had to wait leaves with the rest.
    ///
    /// # Errors
    /// [`Error::Full`] if there is no room now, [`UsageError::NotConnected`] at QoS 0 or after
    /// [`disconnect`](Self::disconnect), or that the message breaks a rule of the protocol or a
    /// limit of the server.
    pub fn publish(&mut self, message: &Message<'_>) -> Result<Option<PacketId>, Error> {
        let result = self.try_publish(message);
        self.note_refusal(&result);
        result
    }

    /// Sends a message whose payload, of `len` bytes, stays with the application:
    /// [`payload`](Self::payload) asks for it when it is to be sent and, above QoS 0, when it is to
    /// be sent again. The identifier is for that, at QoS 0 too; a QoS 0 message that its connection
    /// did not outlive is reported as lost.
    ///
    /// # Errors
    /// Those of [`publish`](Self::publish), and [`UsageError::Payload`] if the message has one.
    pub fn publish_lent(&mut self, message: &Message<'_>, len: usize) -> Result<PacketId, Error> {
        let result = self.try_publish_lent(message, len);
        self.note_refusal(&result);
        result
    }

    /// The payload that is to be sent next, after what [`transmit`](Self::transmit) lends has been
    /// sent. Report what was sent of it with [`transmitted`](Self::transmitted), in any number of
    /// pieces. Until its end nothing else can be sent.
    #[must_use]
    pub fn payload(&self) -> Option<Lent> {
        self.outbox.lent().filter(|_| self.is_sending())
    }

    fn try_publish(&mut self, message: &Message<'_>) -> Result<Option<PacketId>, Error> {
        self.check_message(message)?;
        if V5 {
            if let Some(alias) = alias_of(message) {
                self.check_alias(alias, message)?;
                return self.publish_with_alias(message, alias, &[]);
            }
            if let Some(alias) = self.choose_alias(message) {
                let property = [Property::TopicAlias(alias)];
                let result = self.publish_with_alias(message, alias, &property);
                if result.is_ok() {
                    return result;
                }
                // The alias may be the few bytes that are too many.
            }
        }
        let publish = message.packet(message.topic, &[]);
        let may_pass = self.phase == Phase::Online;
        let (max, now) = (self.max_transmit(), self.timers.seconds());
        let id = self.outbox.publish(publish, max, now, may_pass)?;
        self.admit();
        Ok(id)
    }

    /// Sends a message with an alias that is in its properties or in `property`.
    fn publish_with_alias(
        &mut self,
        message: &Message<'_>,
        alias: u16,
        property: &[Property<'_>],
    ) -> Result<Option<PacketId>, Error> {
        let known = self.aliases_out.topic(alias);
        let is_known = message.topic.is_empty() || known == Some(message.topic);
        let by_hand = property.is_empty();
        // The application may repeat the topic; an automatic alias never does.
        let is_short = is_known && (!by_hand || message.topic.is_empty());
        let publish = message.packet(if is_short { "" } else { message.topic }, property);
        let (max, now) = (self.max_transmit(), self.timers.seconds());
        let id = if message.qos == QoS::AtMostOnce {
            self.outbox.publish(publish, max, now, true)?
        } else {
            let topic = known.filter(|_| is_short).unwrap_or_default();
            let outbox = &mut self.outbox;
            Some(outbox.publish_enveloped(&publish, 0, Some(topic), max, now)?)
        };
        if !message.topic.is_empty() {
            self.aliases_out.set(alias, message.topic);
        }
        self.admit();
        Ok(id)
    }

    fn try_publish_lent(&mut self, message: &Message<'_>, len: usize) -> Result<PacketId, Error> {
        if !message.payload.is_empty() {
            return Err(UsageError::Payload.into());
        }
        self.check_message(message)?;
        if V5 && alias_of(message).is_some() {
            return Err(UsageError::TopicAlias.into());
        }
        let publish = message.packet(message.topic, &[]);
        let now = self.timers.seconds();
        let id = self
            .outbox
            .publish_enveloped(&publish, len, None, self.max_transmit(), now)?;
        self.admit();
        Ok(id)
    }

    fn check_message(&self, message: &Message<'_>) -> Result<(), Error> {
        let online = self.phase == Phase::Online;
        let is_kept = message.qos != QoS::AtMostOnce;
        if self.phase == Phase::Closing || !online && !is_kept {
            return Err(UsageError::NotConnected.into());
        }
        if V5 {
            self.server.check_message(message.qos, message.retain)?;
            // An identifier is the server's to set [MQTT-3.3.4-6].
            let properties = Properties::from(message.properties);
            if !properties.is_empty() && properties.has(PropertyId::SubscriptionIdentifier) {
                return Err(UsageError::Property.into());
            }
        }
        if online && is_kept && self.in_flight() >= self.server.receive_maximum {
            return Err(Resource::Window.into());
        }
        Ok(())
    }

    /// An alias of the application's must be allowed, and stand for a topic.
    fn check_alias(&self, alias: u16, message: &Message<'_>) -> Result<(), UsageError> {
        let aliases = &self.aliases_out;
        let stands = if message.topic.is_empty() {
            aliases.topic(alias).is_some()
        } else {
            aliases.has_room(alias, message.topic)
        };
        let is_allowed = (1..=aliases.maximum()).contains(&alias) && self.may_alias(message);
        if is_allowed && stands {
            Ok(())
        } else {
            Err(UsageError::TopicAlias)
        }
    }

    /// The alias that the topic of a message has, or gets.
    fn choose_alias(&mut self, message: &Message<'_>) -> Option<u16> {
        let is_wanted = self.config.automatic_topic_aliases && !message.topic.is_empty();
        if !is_wanted || !self.may_alias(message) {
            return None;
        }
        self.aliases_out
            .find(message.topic)
            .or_else(|| self.aliases_out.choose(message.topic))
    }

    /// A message for the journal has its topic.
    fn may_alias(&self, message: &Message<'_>) -> bool {
        message.qos == QoS::AtMostOnce || !self.is_durable()
    }

    /// The messages above QoS 0 that are kept and sent again until the server has them, in order;
    /// without their payload if that stays with the application.
    pub fn messages(&self) -> impl Iterator<Item = Publish<'_>> {
        self.outbox.messages()
    }

    /// The topic of a received message, until the next call to [`process`](Self::process): its own
    /// or, where that is empty, the one that its topic alias stands for.
    #[must_use]
    pub fn topic<'a>(&'a self, publish: &Publish<'a>) -> &'a str {
        match publish.topic_alias() {
            Some(alias) if publish.topic.is_empty() => {
                self.aliases_in.topic(alias).unwrap_or_default()
            }
            _ => publish.topic,
        }
    }
}

/// The topic alias that the application has chosen.
fn alias_of(message: &Message<'_>) -> Option<u16> {
    let properties = Properties::from(message.properties);
    if properties.is_empty() {
        return None;
    }
    properties.get(PropertyId::TopicAlias)
}
