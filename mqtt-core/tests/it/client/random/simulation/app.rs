//! The application: what it is told, and what it makes of that.

use std::collections::BTreeMap;

use mqtt_core::wire::{Ack, PacketId, Publish, QoS};
use mqtt_core::{Client, Event};

use super::World;
use super::broker::Broker;
use super::model::{End, Model};
use super::note::Note;

/// A received message to be acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    pub(super) note: Note,
    pub(super) qos: QoS,
    pub(super) id: PacketId,
}

/// A message that arrives in pieces.
struct Streamed {
    topic: String,
    qos: QoS,
    id: Option<PacketId>,
    total: usize,
    bytes: Vec<u8>,
}

pub(super) struct App {
    world: World,
    /// What waits to be acknowledged: by us, or with the next call to the client.
    pub(super) unacknowledged: Vec<Received>,
    /// The QoS 2 messages by their last identifiers.
    pub(super) received: BTreeMap<PacketId, Note>,
    streamed: Option<Streamed>,
    /// CONNACK was received, and the connection is not over.
    pub(super) is_online: bool,
    /// It is time to open another connection.
    pub(super) is_over: bool,
    /// The loss of a session that is not on stable storage: should the power go before, nobody
    /// will know of it.
    pub(super) unrecorded_loss: bool,
    /// CONNACK is not on stable storage.
    pub(super) unrecorded_connection: bool,
    /// The server has accepted this client before.
    pub(super) was_online: bool,
    /// The topics of the aliases that we have chosen.
    pub(super) aliases: BTreeMap<u16, String>,
    /// Something was refused for want of room, and nobody has said yet that there is.
    pub(super) wants_room: bool,
}

impl App {
    pub(super) fn new(world: World) -> Self {
        Self {
            world,
            unacknowledged: Vec::new(),
            received: BTreeMap::new(),
            streamed: None,
            is_online: false,
            is_over: false,
            unrecorded_loss: false,
            unrecorded_connection: false,
            was_online: false,
            aliases: BTreeMap::new(),
            wants_room: false,
        }
    }

    pub(super) fn connection_lost(&mut self) {
        (self.is_online, self.is_over) = (false, false);
        self.aliases.clear();
        // Of these the server sends a new copy.
        self.unacknowledged
            .retain(|received| received.qos == QoS::ExactlyOnce);
    }

    pub(super) fn power_cut(&mut self) {
        *self = Self::new(self.world);
    }

    /// The client is called again, which says that all is dealt with, unless we say so ourselves.
    pub(super) fn before_poll(&mut self, model: &mut Model) {
        if !self.world.manual {
            for received in self.unacknowledged.drain(..) {
                model.dealt_with(received.note);
            }
        }
    }

    pub(super) fn event(
        &mut self,
        event: &Event<'_>,
        client: &mut Client<'_>,
        model: &mut Model,
        broker: &mut Broker,
        now: u32,
    ) {
        match *event {
            Event::Connected(connack) => {
                self.is_online = true;
                broker.has_session = true;
                let terms = broker.terms;
                let takes = |qos, len| terms.take(qos, len);
                model.connected(connack.session_present, takes, now);
                if !connack.session_present {
                    self.unacknowledged.clear();
                    self.unrecorded_loss = self.world.durable;
                }
                self.unrecorded_connection = self.world.durable;
                self.was_online = true;
            }
            Event::Refused(_) | Event::Disconnected(_) => {
                self.is_online = false;
                self.is_over = true;
            }
            Event::Publish(publish) => {
                let note = Note::read(client.topic(&publish), publish.payload);
                self.message(note, publish.qos, publish.packet_id, client, model);
            }
            Event::PublishStart { publish, total } => self.begin(&publish, total, client),
            Event::Payload { offset, data, last } => {
                let streamed = self.streamed.as_mut().expect("a message that has begun");
                assert_eq!(offset, streamed.bytes.len());
                streamed.bytes.extend_from_slice(data);
                assert_eq!(last, streamed.bytes.len() == streamed.total);
                if let (true, Some(streamed)) = (last, self.streamed.take_if(|_| last)) {
                    let note = Note::read(&streamed.topic, &streamed.bytes);
                    self.message(note, streamed.qos, streamed.id, client, model);
                }
            }
            Event::Aborted => assert!(self.streamed.take().is_some()),
            Event::Published(ack) => {
                let end = if ack.code.is_error() {
                    End::Refused
                } else {
                    End::Published
                };
                model.ended(ack.packet_id, end, now);
            }
            Event::Lost(id) => model.ended(id, End::Lost, now),
            Event::Subscribed(ack) => model.answered(ack.packet_id),
            Event::Unsubscribed(ack) => model.answered(ack.packet_id),
            Event::Writable => {
                assert!(self.wants_room, "nothing was refused");
                self.wants_room = false;
            }
            _ => panic!("{event:?}"),
        }
    }

    fn begin(&mut self, publish: &Publish<'_>, total: usize, client: &Client<'_>) {
        let streamed = Streamed {
            topic: client.topic(publish).into(),
            qos: publish.qos,
            id: publish.packet_id,
            total,
            bytes: Vec::new(),
        };
        assert!(self.streamed.replace(streamed).is_none());
    }

    fn message(
        &mut self,
        note: Note,
        qos: QoS,
        id: Option<PacketId>,
        client: &mut Client<'_>,
        model: &mut Model,
    ) {
        model.shown(note, qos);
        let Some(id) = id else {
            return;
        };
        if qos == QoS::ExactlyOnce {
            self.received.insert(id, note);
        }
        // Without a word from us it would be accepted with the next call.
        if !self.world.manual && self.world.is_v5() && note.number % 8 == 0 {
            client.acknowledge_with(&refusal(id)).unwrap();
            return model.refused(note);
        }
        self.unacknowledged.push(Received { note, qos, id });
    }
}

/// A received message is turned down.
pub(super) fn refusal(id: PacketId) -> Ack<'static> {
    Ack {
        code: mqtt_core::wire::ReasonCode::QuotaExceeded,
        ..Ack::new(id)
    }
}
