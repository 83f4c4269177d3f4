//! Which clients there are.

use std::fmt;

use clap::ValueEnum;
use mqtt_client::{QoS, Version};

/// A driver of `mqtt-client`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Driver {
    /// On a thread.
    Blocking,
    /// On a thread, with a journal, and with a process that ends at any time.
    Journal,
    /// On tokio.
    Tokio,
    /// Asynchronous, without a heap.
    Embedded,
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    Ws,
}

/// Who answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Broker {
    /// It keeps its sessions when it is restarted.
    Mosquitto,
    /// The broker of the crate `mqtt5`, which the tests embed. It does not.
    Mqtt5,
}

/// A version of the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Protocol {
    #[value(name = "3.1.1")]
    V311,
    #[value(name = "5.0")]
    V5,
}

/// One client, which publishes numbers to itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane {
    pub(crate) driver: Driver,
    pub(crate) transport: Transport,
    pub(crate) broker: Broker,
    pub(crate) protocol: Protocol,
}

/// What to choose from; an empty list is everything.
#[derive(Debug)]
pub(crate) struct Choice<'a> {
    pub(crate) drivers: &'a [Driver],
    pub(crate) transports: &'a [Transport],
    pub(crate) brokers: &'a [Broker],
    pub(crate) protocols: &'a [Protocol],
}

impl Lane {
    /// So many of them: all combinations in turn, in an order in which a few have much of each.
    pub(crate) fn choose(count: usize, choice: &Choice<'_>) -> Vec<Self> {
        let drivers = all(choice.drivers);
        let transports = all(choice.transports);
        let brokers = all(choice.brokers);
        let protocols = all(choice.protocols);
        let combinations = drivers.len() * transports.len() * brokers.len() * protocols.len();
        (0..count)
            .map(|n| {
                let n = n % combinations;
                let driver = n % drivers.len();
                let rest = n / drivers.len();
                let protocol = rest % protocols.len();
                let rest = rest / protocols.len();
                let broker = rest % brokers.len();
                // Turned by what came before, so that the first round has every transport.
                let transport =
                    (rest / brokers.len() + driver + protocol + broker) % transports.len();
                Self {
                    driver: drivers[driver],
                    transport: transports[transport],
                    broker: brokers[broker],
                    protocol: protocols[protocol],
                }
            })
            .collect()
    }

    pub(crate) const fn version(self) -> Version {
        match self.protocol {
            Protocol::V311 => Version::V311,
            Protocol::V5 => Version::V5,
        }
    }

    /// At which QoS it publishes. The crate `mqtt5` answers a repeated PUBREL with a PUBCOMP of
    /// 5.0, whatever the version.
    pub(crate) fn levels(self) -> &'static [QoS] {
        const ALL: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        match (self.broker, self.protocol) {
            (Broker::Mqtt5, Protocol::V311) => &ALL[..2],
            _ => &ALL,
        }
    }
}

fn all<T: ValueEnum + Clone>(chosen: &[T]) -> Vec<T> {
    if chosen.is_empty() {
        T::value_variants().to_vec()
    } else {
        chosen.to_vec()
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let driver = format!("{:?}", self.driver).to_lowercase();
        let transport = format!("{:?}", self.transport).to_lowercase();
        let broker = format!("{:?}", self.broker).to_lowercase();
        let version = match self.protocol {
            Protocol::V311 => "3.1.1",
            Protocol::V5 => "5.0",
        };
        write!(f, "{driver}, {version} over {transport} to {broker}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dozen_has_something_of_everything() {
        let everything = Choice {
            drivers: &[],
            transports: &[],
            brokers: &[],
            protocols: &[],
        };
        let lanes = Lane::choose(16, &everything);
        for driver in Driver::value_variants() {
            for transport in Transport::value_variants() {
                let is_there = |lane: &Lane| lane.driver == *driver && lane.transport == *transport;
                assert!(lanes.iter().any(is_there), "{driver:?} {transport:?}");
            }
            for broker in Broker::value_variants() {
                for protocol in Protocol::value_variants() {
                    assert!(lanes.iter().any(|lane| lane.driver == *driver
                        && lane.broker == *broker
                        && lane.protocol == *protocol));
                }
            }
        }
        let mut names: Vec<_> = Lane::choose(48, &everything)
            .iter()
            .map(Lane::to_string)
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 48);
    }
}
