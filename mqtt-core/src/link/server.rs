use crate::error::UsageError;
use crate::wire::{ConnAck, Filter, Property, QoS, has_wildcard, is_shared};

/// What the server said of itself in CONNACK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Server {
    pub(crate) receive_maximum: u16,
    pub(crate) maximum_packet_size: u32,
    pub(crate) keep_alive: Option<u16>,
    pub(crate) topic_alias_maximum: u16,
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
        keep_alive: None,
        topic_alias_maximum: 0,
        maximum_qos: QoS::ExactlyOnce,
        retain: true,
        wildcards: true,
        subscription_identifiers: true,
        shared: true,
    };

    pub(crate) fn new(connack: &ConnAck<'_>) -> Self {
        let mut server = Self::UNLIMITED;
        for property in connack.properties {
            match property {
                Property::ReceiveMaximum(number) => server.receive_maximum = number,
                Property::MaximumPacketSize(size) => server.maximum_packet_size = size,
                Property::ServerKeepAlive(seconds) => server.keep_alive = Some(seconds),
                Property::TopicAliasMaximum(number) => server.topic_alias_maximum = number,
                Property::MaximumQoS(qos) => server.maximum_qos = qos,
                Property::RetainAvailable(yes) => server.retain = yes,
                Property::WildcardSubscriptionAvailable(yes) => server.wildcards = yes,
                Property::SubscriptionIdentifierAvailable(yes) => {
                    server.subscription_identifiers = yes;
                }
                Property::SharedSubscriptionAvailable(yes) => server.shared = yes,
                _ => {}
            }
        }
        server
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
        let is_identifier = |p: &Property<'_>| matches!(p, Property::SubscriptionIdentifier(_));
        if !self.wildcards && filters.iter().any(|f| has_wildcard(f.topic)) {
            Err(UsageError::WildcardNotAvailable)
        } else if !self.shared && filters.iter().any(|f| is_shared(f.topic)) {
            Err(UsageError::SharedNotAvailable)
        } else if !self.subscription_identifiers && properties.iter().any(is_identifier) {
            Err(UsageError::SubscriptionIdentifierNotAvailable)
        } else {
            Ok(())
        }
    }
}
