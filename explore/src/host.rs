//! The client itself: made again from all that it was told, and looked at.
//!
//! A [`Client`] borrows its memory and cannot be copied. What it is follows from what it was told
//! since it was started, so a state keeps that, and each transition begins with telling it all to
//! a new client. As the search is breadth-first this is the shortest history there is.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mqtt_core::wire::{Ack, PacketId, QoS, ReasonCode};
use mqtt_core::{Buffers, Client, Error, Event, Inbound, Instant, Message, Slot};

use crate::broker::{TOPIC, payload};
use crate::canonical::canonical;
use crate::journal::Journal;
use crate::ledger::Note;
use crate::scenario::Scenario;

/// Something that a client was told.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Connect,
    Disconnect,
    ConnectionLost,
    Publish(Note),
    /// It was shown these bytes.
    Process(Box<[u8]>),
    Transmitted(usize),
    Journaled(usize),
    Acknowledge(PacketId),
    TurnDown(PacketId),
}

/// What a client was told, the last first.
#[derive(Debug)]
pub(crate) struct History {
    input: Input,
    before: Option<Arc<Self>>,
}

impl History {
    pub(crate) fn and(before: Option<Arc<Self>>, input: Input) -> Arc<Self> {
        Arc::new(Self { input, before })
    }
}

/// The only moment there is.
pub(crate) const NOW: Instant = Instant::from_millis(0);

/// The next message, as the application hands it over.
pub(crate) fn publish(
    client: &mut Client<'_>,
    s: &Scenario,
    note: Note,
) -> Result<Option<PacketId>, Error> {
    let payload = payload(note);
    client.publish(&Message::new(TOPIC, &payload).qos(s.outgoing[usize::from(note)]))
}

/// A message is turned down.
pub(crate) fn refusal(id: PacketId) -> Ack<'static> {
    Ack {
        code: ReasonCode::QuotaExceeded,
        ..Ack::new(id)
    }
}

/// What [`Client::process`] makes of `input`, with how much it consumed.
pub(crate) fn process<'i>(
    client: &mut Client<'_>,
    input: &'i [u8],
) -> Result<(usize, Option<Event<'i>>), Error> {
    client
        .process(input, NOW)
        .map(|step| (step.consumed, step.event))
}

/// Tells a client what it was told before. The answers are known.
fn tell(client: &mut Client<'_>, s: &Scenario, input: &Input) {
    match input {
        Input::Connect => drop(client.connect(NOW)),
        Input::Disconnect => drop(client.disconnect()),
        Input::ConnectionLost => client.connection_lost(),
        Input::Publish(note) => drop(publish(client, s, *note)),
        Input::Process(bytes) => drop(process(client, bytes)),
        Input::Transmitted(n) => client.transmitted(*n, NOW),
        Input::Journaled(n) => client.journaled(*n),
        Input::Acknowledge(id) => drop(client.acknowledge(*id)),
        Input::TurnDown(id) => drop(client.acknowledge_with(&refusal(*id))),
    }
}

/// Room for CONNECT and acknowledgements, and for each message of the scenario.
const MAX_TX: usize = 96;
const MAX_SLOTS: usize = 4;

/// A client that was started with this journal, and was told all this.
pub(crate) fn with_client<R>(
    s: &Scenario,
    journal: &Journal,
    history: Option<&Arc<History>>,
    then: impl FnOnce(&mut Client<'_>) -> R,
) -> R {
    let mut tx = [0; MAX_TX];
    let mut slots = [Slot::EMPTY; MAX_SLOTS];
    let mut inbound = [Inbound::EMPTY; MAX_SLOTS];
    let buffers = Buffers::new(&mut tx, &mut slots[..s.slots], &mut inbound[..s.inbound]);
    let mut client = Client::new(s.config(), buffers);
    // A journal that cannot be restored was found wrong when it was written.
    let _ = journal.restore(&mut client);
    let mut inputs = Vec::with_capacity(128);
    let mut at = history;
    while let Some(history) = at {
        inputs.push(&history.input);
        at = history.before.as_ref();
    }
    for input in inputs.into_iter().rev() {
        tell(&mut client, s, input);
    }
    then(&mut client)
}

thread_local! {
    static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// What the client is: all its fields and packets, but for bytes in its memory that mean nothing any
/// more.
pub(crate) fn fingerprint(client: &Client<'_>) -> u64 {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        write!(text, "{client:?}").expect("room");
        let mut hasher = DefaultHasher::new();
        canonical(text, |part| part.hash(&mut hasher));
        client.packets().hash(&mut hasher);
        hasher.finish()
    })
}

/// True if the client may take this message: at QoS 0 there has to be a connection.
pub(crate) fn may_publish(client: &Client<'_>, qos: QoS) -> bool {
    qos != QoS::AtMostOnce || client.is_connected()
}
