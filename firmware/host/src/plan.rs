//! When something goes wrong.

use mqtt_core::wire::PacketType;

/// Whose packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum From {
    Device,
    Server,
}

/// A packet, as far as plans care.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Kind {
    pub from: From,
    pub packet: PacketType,
    /// Of PUBLISH.
    pub qos: u8,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The link is lost.
    Link,
    /// The device loses its power.
    Power,
}

/// What goes wrong and when: on each connection of the plan at another packet, which does not
/// arrive, or only in part.
#[derive(Debug)]
pub(crate) struct Plan {
    fault: Fault,
    steps: Vec<Step>,
    next: usize,
    /// How many such packets are let through on this connection.
    left: u32,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    kind: Kind,
    before: u32,
    in_part: bool,
}

impl Plan {
    /// Nothing goes wrong.
    pub(crate) const fn none() -> Self {
        Self {
            fault: Fault::Link,
            steps: Vec::new(),
            next: 0,
            left: 0,
        }
    }

    /// Every packet of the exchanges at QoS 1 and 2, in both directions, is lost once in each round:
    /// the first on its connection, in the second round the second.
    pub(crate) fn every_packet(fault: Fault, rounds: u32) -> Self {
        use PacketType::{PubAck, PubComp, PubRec, PubRel, Publish};
        let mut steps = Vec::new();
        for before in 0..rounds {
            for (from, other) in [(From::Device, From::Server), (From::Server, From::Device)] {
                for (from, packet, qos) in [
                    (from, Publish, 1),
                    (other, PubAck, 0),
                    (from, Publish, 2),
                    (other, PubRec, 0),
                    (from, PubRel, 0),
                    (other, PubComp, 0),
                ] {
                    steps.push(Step {
                        kind: Kind { from, packet, qos },
                        before,
                        in_part: steps.len() % 2 == 1,
                    });
                }
            }
        }
        Self {
            fault,
            left: 0,
            steps,
            next: 0,
        }
    }

    /// A connection begins.
    pub(crate) fn begin(&mut self) {
        self.left = self.steps.get(self.next).map_or(0, |step| step.before);
    }

    /// What happens at this packet, and how many of its bytes still arrive.
    pub(crate) fn at(&mut self, kind: Kind, len: usize) -> Option<(Fault, usize)> {
        let step = *self.steps.get(self.next)?;
        if step.kind != kind {
            return None;
        }
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        self.next += 1;
        Some((self.fault, if step.in_part { len / 2 } else { 0 }))
    }

    /// How many faults there were, and how many there are to be.
    pub(crate) fn progress(&self) -> (usize, usize) {
        (self.next, self.steps.len())
    }
}
