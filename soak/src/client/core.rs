//! What a client does whose driver lends the core.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt_client::mqtt_core::wire::{PacketId, ReasonCode};
use mqtt_client::mqtt_core::{self, Client as Core, UsageError};
use mqtt_client::{Error, Event, Filter, Message, QoS};

use super::{Context, ONLINE, Pace, is_complete};
use crate::ledger::lock;
use crate::payload::Name;

pub(super) struct Course<'c> {
    context: &'c Context,
    pub(super) pace: Pace,
    /// The messages of which nothing was heard yet.
    open: BTreeMap<PacketId, Name>,
    /// What came through since the process began or the connection did.
    through: BTreeSet<PacketId>,
    /// What may come through once more, as the process ended before it was in the journal.
    again: BTreeSet<PacketId>,
    /// True if the subscription was asked for on this connection.
    is_asked: bool,
    /// Subscriptions that are not answered.
    requests: BTreeSet<PacketId>,
    /// The pieces of a message that arrives in pieces.
    pieces: Vec<u8>,
}

impl<'c> Course<'c> {
    pub(super) fn new(context: &'c Context) -> Self {
        Self {
            context,
            pace: Pace::new(context),
            open: BTreeMap::new(),
            through: BTreeSet::new(),
            again: BTreeSet::new(),
            is_asked: false,
            requests: BTreeSet::new(),
            pieces: Vec::new(),
        }
    }

    /// A connection begins.
    pub(super) fn begin(&mut self) {
        self.is_asked = false;
        self.through.clear();
    }

    /// How long to wait for an event.
    pub(super) fn patience(&self) -> Duration {
        self.pace.patience()
    }

    /// The process ends, and another one goes on with what is in the journal.
    pub(super) fn crash(&mut self) {
        lock(&self.context.ledger).crash();
        self.again.append(&mut self.through);
        self.requests.clear();
        self.is_asked = false;
    }

    /// What the journal has brought back.
    pub(super) fn restored(&mut self, core: &Core<'_>) {
        let in_flight = usize::from(core.in_flight());
        let mut ledger = lock(&self.context.ledger);
        ledger.note(format!(
            "restored, {in_flight} in flight, {} open",
            self.open.len()
        ));
        for publish in core.messages() {
            let id = publish.packet_id.expect("above QoS 0");
            let name = Name::of(publish.payload);
            match self.open.get(&id) {
                Some(open) if Some(*open) == name => {}
                None if self.again.contains(&id) => {}
                open => ledger.problem(format!("the journal has {id} as {name:?}, not {open:?}")),
            }
        }
    }

    /// Publishes and subscribes what is due; true if the client is at its end.
    pub(super) fn turn(&mut self, core: &mut Core<'_>) -> bool {
        if self.context.control.is_aborted() {
            return true;
        }
        let is_subscribed = lock(&self.context.ledger).is_subscribed();
        if !is_subscribed && core.is_connected() && !self.is_asked {
            let filter = self.context.filter();
            let filter = Filter::new(&filter, QoS::ExactlyOnce);
            match core.subscribe(&[filter]) {
                Ok(id) => {
                    self.is_asked = true;
                    self.requests.insert(id);
                }
                Err(mqtt_core::Error::Full(_)) => {}
                Err(error) => lock(&self.context.ledger).problem(format!("subscribe: {error}")),
            }
        }
        if self.context.control.is_finishing() {
            if is_subscribed && core.is_connected() && self.open.is_empty() {
                if is_complete(self.context, &self.pace) {
                    return true;
                }
                if self.pace.is_last_due() {
                    for &qos in self.context.lane.levels() {
                        self.publish(core, qos);
                    }
                }
            }
            return false;
        }
        // While there is no connection, the first ones are for later.
        let limit = if core.is_connected() {
            ONLINE
        } else {
            ONLINE + 4
        };
        let has_begun = lock(&self.context.ledger).has_been_subscribed();
        if has_begun
            && self.open.len() < limit
            && let Some(qos) = self.pace.take()
        {
            self.publish(core, qos);
        }
        false
    }

    fn publish(&mut self, core: &mut Core<'_>, qos: QoS) {
        let mut ledger = lock(&self.context.ledger);
        let name = ledger.publish(qos as u8);
        let (topic, payload) = (self.context.topic(qos), name.payload());
        match core.publish(&Message::new(&topic, &payload).qos(qos)) {
            Ok(id) => {
                if let Some(id) = id
                    && let Some(before) = self.open.insert(id, name)
                {
                    ledger.problem(format!("{name} has the identifier {id} of {before}"));
                }
            }
            Err(mqtt_core::Error::Full(_)) => ledger.withdraw(name),
            // At QoS 0 nothing is kept for later.
            Err(mqtt_core::Error::Usage(UsageError::NotConnected)) if name.qos == 0 => {
                ledger.withdraw(name);
            }
            Err(error) => {
                ledger.withdraw(name);
                ledger.problem(format!("publish: {error}"));
            }
        }
    }

    pub(super) fn on(&mut self, event: &Event<'_>) {
        let mut ledger = lock(&self.context.ledger);
        match event {
            Event::Publish(publish) => match Name::of(publish.payload) {
                Some(name) if name.qos == publish.qos as u8 => ledger.arrived(name),
                other => ledger.problem(format!("damaged: {other:?} at {:?}", publish.qos)),
            },
            Event::PublishStart { .. } => self.pieces.clear(),
            Event::Payload { offset, data, last } => {
                if *offset != self.pieces.len() {
                    ledger.problem("a piece of a message is missing");
                }
                self.pieces.extend(*data);
                if *last {
                    match Name::of(&self.pieces) {
                        Some(name) => ledger.arrived(name),
                        None => ledger.problem("a message in pieces is damaged"),
                    }
                }
            }
            Event::Published(ack) => {
                if ack.code != ReasonCode::Success {
                    ledger.note(format!(
                        "the broker says {:?} to {}",
                        ack.code, ack.packet_id
                    ));
                }
                match self.open.remove(&ack.packet_id) {
                    Some(name) => {
                        ledger.through(name);
                        self.through.insert(ack.packet_id);
                    }
                    None if self.again.remove(&ack.packet_id) => {}
                    None => ledger.problem(format!("{} is through twice", ack.packet_id)),
                }
            }
            Event::Lost(id) => match self.open.remove(id) {
                Some(name) => {
                    ledger.lost(name);
                    self.through.insert(*id);
                }
                None if self.requests.remove(id) || self.again.remove(id) => {}
                None => ledger.problem(format!("{id} is lost, and was not open")),
            },
            Event::Subscribed(suback) => {
                if !self.requests.remove(&suback.packet_id) {
                    ledger.problem("a subscription is answered twice");
                }
                if suback
                    .codes
                    .iter()
                    .any(|code| code != ReasonCode::GrantedQoS2)
                {
                    ledger.problem("the broker does not grant the subscription");
                }
            }
            Event::Connected(_) | Event::Disconnected(_) | Event::Aborted | Event::Writable => {}
            event => ledger.problem(format!("unexpected: {event:?}")),
        }
    }

    /// Takes down the end of a connection; it is a problem if the client is to blame.
    pub(super) fn ended<E: std::fmt::Debug>(&self, error: &Error<E>) {
        let mut ledger = lock(&self.context.ledger);
        let is_usual = matches!(
            error,
            Error::Closed
                | Error::Unanswered
                | Error::Disconnected
                | Error::Stream(_)
                | Error::Protocol(mqtt_core::Error::Timeout(_))
        );
        ledger.note(format!("the client says: {error:?}"));
        if !is_usual {
            ledger.problem(format!("a connection ended with {error:?}"));
        }
    }
}
