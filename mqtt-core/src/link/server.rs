use crate::error::UsageError;
use crate::wire::{
    ConnAck, Filter, Properties, Property, PropertyId, QoS, has_wildcard, is_shared,
};

/// What the server said of itself in CONNACK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: u32,
    maximum_qos: QoS,
    retain: bool,
    wildcards: bool,
    subscription_identifiers: bool,
    shared: bool,
}

impl Server {
    /// A server that says nothing has no limits.
    pub(crate) const UNLIMITED: Self = Self {
        receive_maximum: u16::MAX,
        maximum_packet_size: u32::MAX,
        maximum_qos: QoS::ExactlyOnce,
        retain: true,
        wildcards: true,
        subscription_identifiers: true,
        shared: true,
    };

    pub(crate) fn new(connack: &ConnAck<'_>) -> Self {
        let said = &connack.properties;
        let is_available = |id| said.get(id).unwrap_or(true);
        Self {
            receive_maximum: said.get(PropertyId::ReceiveMaximum).unwrap_or(u16::MAX),
            maximum_packet_size: said.get(PropertyId::MaximumPacketSize).unwrap_or(u32::MAX),
            maximum_qos: said.get(PropertyId::MaximumQoS).unwrap_or(QoS::ExactlyOnce),
            retain: is_available(PropertyId::RetainAvailable),
            wildcards: is_available(PropertyId::WildcardSubscriptionAvailable),
            subscription_identifiers: is_available(PropertyId::SubscriptionIdentifierAvailable),
            shared: is_available(PropertyId::SharedSubscriptionAvailable),
        }
    }

    pub(crate) fn check_message(&self, qos: QoS, retain: bool) -> Result<(), UsageError> {
        if qos > self.maximum_qos {
            Err(UsageError::MaximumQoS)
        } else if retain && !self.retain {
            Err(UsageError::RetainNotAvailable)
        } else {
            Ok(())
        }
    }

    /// True if the server takes a PUBLISH with this first byte and length.
    pub(crate) fn takes(&self, flags: u8, len: usize) -> bool {
        let qos = QoS::from_u8(flags >> 1 & 0b11).unwrap_or_default();
        self.check_message(qos, flags & 1 != 0).is_ok() && len <= self.maximum_packet_size as usize
    }

    pub(crate) fn check_subscription(
        &self,
        filters: &[Filter<'_>],
        properties: &[Property<'_>],
    ) -> Result<(), UsageError> {
        let has_identifier =
            || Properties::from(properties).has(PropertyId::SubscriptionIdentifier);
        if !self.wildcards && filters.iter().any(|f| has_wildcard(f.topic.as_bytes())) {
            Err(UsageError::WildcardNotAvailable)
        } else if !self.shared && filters.iter().any(|f| is_shared(f.topic)) {
            Err(UsageError::SharedNotAvailable)
        } else if !self.subscription_identifiers && has_identifier() {
            Err(UsageError::SubscriptionIdentifierNotAvailable)
        } else {
            Ok(())
        }
    }
}
