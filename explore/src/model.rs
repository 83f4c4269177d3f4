//! The state machine: client, wire, stable storage, broker and application.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use mqtt_core::wire::{FixedHeader, Packet, Publish, QoS};
use mqtt_core::{Client, Event, Record};
use stateright::{Model, Property};

use crate::broker::{self, Broker};
use crate::host::{self, History, Input};
use crate::journal::{self, Journal};
use crate::ledger::{End, Ledger};
use crate::progress::Progress;
use crate::rules::{Rule, Verdict, Violation, require};
use crate::scenario::Scenario;

/// Something that may happen next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The application hands over its next message.
    Publish,
    /// A connection is opened.
    Connect,
    /// The application ends the connection.
    Disconnect,
    /// The connection that the client has ended is closed.
    Close,
    /// The next packet of the client's is given to the network, or what is left of it.
    Send,
    /// The first half of the packet is given to the network.
    SendPart,
    /// The next packet arrives at the broker.
    Arrive,
    /// CONNECT arrives at the broker, which has forgotten the session.
    Forget,
    /// The broker sends one of the answers that are due.
    Answer(usize),
    /// The broker turns a message down instead.
    Refuse(usize),
    /// The broker sends its next message.
    BrokerPublish,
    /// The next packet arrives at the client.
    Receive,
    /// The client is called without input.
    Poll,
    /// So many records are written, and the client is told.
    Journal(usize),
    /// The journal begins anew, with what the client says the session is.
    Compact,
    /// The application acknowledges one of the messages that it has received.
    Acknowledge(usize),
    /// The application turns one of them down.
    TurnDown(usize),
    /// The connection breaks: what is on its way is lost.
    Cut,
    /// The power fails, after so many records more were written.
    PowerCut(usize),
}

impl Action {
    /// True if a run on which all goes well has none of it.
    pub(crate) const fn is_fault(self) -> bool {
        matches!(
            self,
            Self::Disconnect | Self::Forget | Self::Cut | Self::PowerCut(_)
        )
    }
}

/// Everything but the client.
#[derive(Clone, Debug, Hash)]
struct World {
    broker: Broker,
    ledger: Ledger,
    journal: Journal,
    /// There is a connection, or an attempt at one.
    is_open: bool,
    /// The application has ended it.
    is_leaving: bool,
    /// What is on its way to the broker; the last packet may be there in part.
    up: Vec<u8>,
    /// What is on its way to the client.
    down: Vec<u8>,
    /// A message was refused, and nobody has said yet that there is room.
    is_refused: bool,
    /// CONNACK is not on stable storage yet.
    unrecorded_connection: bool,
    /// Nor is it that the session of before is gone.
    unrecorded_loss: bool,
    /// What is left of the faults, where they are limited.
    cuts: Option<u8>,
    goodbyes: Option<u8>,
    losses: Option<u8>,
    power_cuts: Option<u8>,
}

/// What has happened so far, as far as it matters.
#[derive(Clone)]
pub(crate) struct State {
    /// Stands for all of it.
    key: u64,
    world: World,
    /// The journal that the client was started with, and what it was told since then.
    started: Journal,
    history: Option<Arc<History>>,
    /// What may happen next.
    next: Vec<Action>,
    /// Nothing happens by itself any more, and all is well.
    is_end: bool,
    violation: Option<Violation>,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#?}\n{:?}", self.world, self.violation)
    }
}

impl State {
    pub(crate) const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    fn keeps(&self, rule: Rule) -> bool {
        self.violation
            .as_ref()
            .is_none_or(|broken| broken.rule != rule)
    }
}

/// What there has to be, while all other properties are about what must not be.
pub(crate) const AN_END: &str = "an end";

/// A scenario to be explored.
pub(crate) struct Exploration {
    pub(crate) scenario: Scenario,
    pub(crate) progress: Arc<Progress>,
}

impl Model for Exploration {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let s = &self.scenario;
        let journal = Journal::default();
        let world = World {
            broker: Broker::default(),
            ledger: Ledger::new(s),
            journal: journal.clone(),
            is_open: false,
            is_leaving: false,
            up: Vec::new(),
            down: Vec::new(),
            is_refused: false,
            unrecorded_connection: false,
            unrecorded_loss: false,
            cuts: s.cuts,
            goodbyes: s.goodbyes,
            losses: s.losses,
            power_cuts: s.power_cuts,
        };
        vec![host::with_client(s, &journal, None, |client| {
            finish(s, world, journal.clone(), None, Ok(()), client)
        })]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(&state.next);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let s = &self.scenario;
        let mut world = last.world.clone();
        let started = &last.started;
        let history = last.history.as_ref();
        let next = if let Action::PowerCut(written) = action {
            let verdict = host::with_client(s, started, history, |client| {
                world.power_cut(s, client, written)
            });
            let started = world.journal.clone();
            host::with_client(s, &started.clone(), None, |client| {
                finish(s, world, started, None, verdict, client)
            })
        } else {
            host::with_client(s, started, history, |client| {
                let (input, verdict) = world.act(s, client, action);
                let verdict = verdict.and_then(|()| world.check(s, client));
                let history = input.map(|input| History::and(last.history.clone(), input));
                let history = history.or_else(|| last.history.clone());
                finish(s, world, started.clone(), history, verdict, client)
            })
        };
        if next.key == last.key {
            return None;
        }
        if !action.is_fault() {
            self.progress.step(last.key, next.key);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("at least once", |_, state: &State| {
                state.keeps(Rule::AtLeastOnce)
            }),
            Property::always("exactly once", |_, state: &State| {
                state.keeps(Rule::ExactlyOnce)
            }),
            Property::always("order", |_, state: &State| state.keeps(Rule::Order)),
            Property::always("window", |_, state: &State| state.keeps(Rule::Window)),
            Property::always("identifiers", |_, state: &State| {
                state.keeps(Rule::Identifier)
            }),
            Property::always("write-ahead", |_, state: &State| {
                state.keeps(Rule::WriteAhead)
            }),
            Property::always("accounted for", |_, state: &State| {
                state.keeps(Rule::Accounted)
            }),
            Property::always("protocol", |_, state: &State| state.keeps(Rule::Protocol)),
            Property::always("no dead end", |_, state: &State| state.keeps(Rule::Ends)),
            Property::always("no livelock", |model: &Self, state: &State| {
                model.progress.suspect() != Some(state.key)
            }),
            // So that the others are not true of nothing.
            Property::sometimes(AN_END, |_, state: &State| state.is_end),
        ]
    }
}

/// The state that the world and the client have come to.
fn finish(
    s: &Scenario,
    world: World,
    started: Journal,
    history: Option<Arc<History>>,
    verdict: Verdict,
    client: &mut Client<'_>,
) -> State {
    let fingerprint = host::fingerprint(client);
    let mut violation = verdict.err();
    let next = match violation {
        Some(_) => Vec::new(),
        None => world.next(s, client),
    };
    let mut hasher = DefaultHasher::new();
    (&world, fingerprint, violation.is_some()).hash(&mut hasher);
    let key = hasher.finish();
    // Where nothing happens by itself, everything has come to its end.
    let is_idle = |action| matches!(action, Action::Poll | Action::Compact);
    let is_quiet = |&action: &Action| action.is_fault() || is_idle(action);
    let mut is_end = false;
    if violation.is_none() && next.iter().all(is_quiet) {
        let polled = host::process(client, &[]);
        let is_idle = polled.is_ok_and(|(_, event)| event.is_none());
        if is_idle && host::fingerprint(client) == fingerprint {
            violation = world.unfinished(s, client).err();
            is_end = violation.is_none();
        }
    }
    State {
        key,
        world,
        started,
        history,
        next,
        is_end,
        violation,
    }
}

/// The length of the first packet, or the part of it that is there.
fn first(bytes: &[u8], s: &Scenario) -> Option<(usize, bool)> {
    let header = FixedHeader::decode(bytes, s.version).ok().flatten()?;
    let len = header.packet_len();
    Some((len.min(bytes.len()), len <= bytes.len()))
}

/// How much of the last packet is missing.
fn missing(bytes: &[u8], s: &Scenario) -> usize {
    let mut rest = bytes;
    while let Some((len, true)) = first(rest, s) {
        rest = &rest[len..];
    }
    let header = FixedHeader::decode(rest, s.version).ok().flatten();
    header.map_or(0, |header| header.packet_len() - rest.len())
}

const fn has_some(limit: Option<u8>) -> bool {
    !matches!(limit, Some(0))
}

fn use_up(limit: &mut Option<u8>) {
    *limit = limit.map(|left| left.saturating_sub(1));
}

impl World {
    /// What may happen next.
    fn next(&self, s: &Scenario, client: &Client<'_>) -> Vec<Action> {
        let mut next = Vec::new();
        let may_publish = !self.is_refused && !self.is_leaving;
        let note = self.ledger.next().filter(|_| may_publish);
        if note.is_some_and(|note| host::may_publish(client, s.outgoing[usize::from(note)])) {
            next.push(Action::Publish);
        }
        if self.is_open {
            if !client.transmit().is_empty() {
                next.push(Action::Send);
                if s.parts && missing(&self.up, s) == 0 {
                    next.push(Action::SendPart);
                }
            }
            if let Some((_, true)) = first(&self.up, s) {
                next.push(Action::Arrive);
                let is_connect = self.up[0] >> 4 == 1;
                if is_connect && self.broker.has_session && has_some(self.losses) {
                    next.push(Action::Forget);
                }
            }
            next.extend((0..self.broker.answers()).map(Action::Answer));
            if s.refusals {
                let refusable = (0..self.broker.answers()).filter(|&n| self.broker.may_refuse(n));
                next.extend(refusable.map(Action::Refuse));
            }
            if self.broker.may_publish(s) {
                next.push(Action::BrokerPublish);
            }
            if !self.down.is_empty() {
                next.push(Action::Receive);
            }
            if client.is_connected() && has_some(self.goodbyes) {
                next.push(Action::Disconnect);
            }
            if client.is_closed() {
                next.push(Action::Close);
            }
            if has_some(self.cuts) {
                next.push(Action::Cut);
            }
        } else {
            next.push(Action::Connect);
        }
        next.push(Action::Poll);
        let records = client.journal().count();
        if records > 0 {
            next.push(Action::Journal(1));
        }
        if records > 1 {
            next.push(Action::Journal(records));
        }
        if records == 0 && s.compact && !self.journal.is_empty() {
            next.push(Action::Compact);
        }
        if s.manual {
            let waiting = 0..self.ledger.waiting.len();
            next.extend(waiting.clone().map(Action::Acknowledge));
            if s.refusals {
                next.extend(waiting.map(Action::TurnDown));
            }
        }
        if s.durable && has_some(self.power_cuts) {
            next.extend((0..=records).map(Action::PowerCut));
        }
        next
    }

    /// Does it. Returns what the client was told, and whether all was right.
    fn act(
        &mut self,
        s: &Scenario,
        client: &mut Client<'_>,
        action: Action,
    ) -> (Option<Input>, Verdict) {
        match action {
            Action::Publish => self.publish(s, client),
            Action::Connect => {
                self.is_open = true;
                let result = client.connect(host::NOW);
                (Some(Input::Connect), expect_ok(&result))
            }
            Action::Disconnect => {
                use_up(&mut self.goodbyes);
                self.is_leaving = true;
                let result = client.disconnect();
                (Some(Input::Disconnect), expect_ok(&result))
            }
            Action::Send => self.send(s, client, usize::MAX),
            Action::SendPart => self.send(s, client, 2),
            Action::Arrive => (None, self.arrive(s, true)),
            Action::Forget => {
                use_up(&mut self.losses);
                (None, self.arrive(s, false))
            }
            Action::Answer(which) => {
                self.broker.answer(s, which, &mut self.down);
                (None, Ok(()))
            }
            Action::Refuse(which) => {
                let ledger = &mut self.ledger;
                self.broker.refuse(s, which, ledger, &mut self.down);
                (None, Ok(()))
            }
            Action::BrokerPublish => {
                self.broker.publish(s, &mut self.ledger, &mut self.down);
                (None, Ok(()))
            }
            Action::Receive => {
                let (len, _) = first(&self.down, s).unwrap_or_default();
                let input = Box::from(&self.down[..len]);
                self.process(s, client, input)
            }
            Action::Poll => self.process(s, client, Box::default()),
            Action::Journal(n) => {
                let verdict = self.write(s, client, n);
                client.journaled(n);
                (Some(Input::Journaled(n)), verdict)
            }
            Action::Compact => (None, self.journal.compact(s, client)),
            Action::Acknowledge(which) => {
                let waiting = self.ledger.waiting.remove(which);
                let verdict = self.ledger.dealt_with(s, waiting);
                let result = client.acknowledge(waiting.id);
                let verdict = verdict.and_then(|()| expect_ok(&result));
                (Some(Input::Acknowledge(waiting.id)), verdict)
            }
            Action::TurnDown(which) => {
                let waiting = self.ledger.waiting.remove(which);
                self.ledger.turned_down_by_us(waiting.note);
                let result = client.acknowledge_with(&host::refusal(waiting.id));
                (Some(Input::TurnDown(waiting.id)), expect_ok(&result))
            }
            Action::Close => self.close(s, client),
            Action::Cut => {
                use_up(&mut self.cuts);
                self.close(s, client)
            }
            Action::PowerCut(_) => unreachable!("the end of this client"),
        }
    }

    fn close(&mut self, s: &Scenario, client: &mut Client<'_>) -> (Option<Input>, Verdict) {
        // Whoever comes to say that has dealt with what came before.
        let verdict = self.ledger.called(s);
        client.connection_lost();
        self.connection_lost();
        (Some(Input::ConnectionLost), verdict)
    }

    fn connection_lost(&mut self) {
        (self.is_open, self.is_leaving) = (false, false);
        self.up.clear();
        self.down.clear();
        self.broker.connection_lost();
        self.ledger.connection_lost();
    }

    fn publish(&mut self, s: &Scenario, client: &mut Client<'_>) -> (Option<Input>, Verdict) {
        let note = self.ledger.next().expect("a message");
        let quota = client.send_quota();
        let is_kept = s.outgoing[usize::from(note)] != QoS::AtMostOnce;
        let verdict = match host::publish(client, s, note) {
            Ok(id) => self.ledger.accepted(s, note, id),
            Err(mqtt_core::Error::Full(_)) => {
                self.is_refused = true;
                Ok(())
            }
            Err(error) => expect_ok::<()>(&Err(error)),
        };
        let verdict = verdict.and_then(|()| {
            let is_within = self.is_refused || quota > 0 || !is_kept;
            require!(Window, is_within, "{note} is accepted beyond the quota");
            Ok(())
        });
        (Some(Input::Publish(note)), verdict)
    }

    /// Gives at most `n` bytes of the next packet to the network.
    fn send(
        &mut self,
        s: &Scenario,
        client: &mut Client<'_>,
        n: usize,
    ) -> (Option<Input>, Verdict) {
        let bytes = client.transmit();
        let rest = missing(&self.up, s);
        let (verdict, n) = if rest > 0 {
            (Ok(()), rest.min(bytes.len()))
        } else {
            let (len, _) = first(bytes, s).unwrap_or((bytes.len(), false));
            (self.offered(s, &bytes[..len]), n.min(len))
        };
        self.up.extend_from_slice(&bytes[..n]);
        client.transmitted(n, host::NOW);
        (Some(Input::Transmitted(n)), verdict)
    }

    /// The beginning of this packet is sent now.
    fn offered(&mut self, s: &Scenario, bytes: &[u8]) -> Verdict {
        let decoded = Packet::decode(bytes, s.version);
        let Ok(Some((packet, _))) = decoded else {
            require!(Protocol, false, "{bytes:?} is no packet: {decoded:?}");
            return Ok(());
        };
        let qos = match packet {
            Packet::Publish(publish) => publish.qos,
            _ => QoS::AtMostOnce,
        };
        if s.durable {
            self.journal.check(&packet)?;
            let depends = journal::is_of_session(packet.packet_type(), qos);
            let is_early = depends && self.unrecorded_connection;
            require!(
                WriteAhead,
                !is_early,
                "{packet:?} before CONNACK is recorded"
            );
        }
        match packet {
            Packet::Publish(Publish {
                packet_id: Some(id),
                dup,
                ..
            }) => self.ledger.begun(id, dup),
            _ => Ok(()),
        }
    }

    /// The next packet arrives at the broker.
    fn arrive(&mut self, s: &Scenario, keep: bool) -> Verdict {
        let (len, _) = first(&self.up, s).unwrap_or_default();
        let packet: Vec<u8> = self.up.drain(..len).collect();
        let decoded = Packet::decode(&packet, s.version);
        let Ok(Some((packet, _))) = decoded else {
            require!(Protocol, false, "{packet:?} is no packet: {decoded:?}");
            return Ok(());
        };
        let ledger = &mut self.ledger;
        self.broker
            .receive(s, &packet, keep, ledger, &mut self.down)
    }

    /// Shows the client some input, or none.
    fn process(
        &mut self,
        s: &Scenario,
        client: &mut Client<'_>,
        input: Box<[u8]>,
    ) -> (Option<Input>, Verdict) {
        let verdict = self.ledger.called(s).and_then(|()| {
            let result = host::process(client, &input);
            expect_ok(&result)?;
            let (consumed, event) = result.unwrap_or_default();
            let is_whole = consumed == 0 || consumed == input.len();
            require!(Protocol, is_whole, "{consumed} of {input:?} are consumed");
            drop(self.down.drain(..consumed));
            event.map_or(Ok(()), |event| self.event(s, &event))
        });
        (Some(Input::Process(input)), verdict)
    }

    fn event(&mut self, s: &Scenario, event: &Event<'_>) -> Verdict {
        match *event {
            Event::Connected(connack) => {
                self.broker.has_session = true;
                self.ledger.connected(connack.session_present);
                self.unrecorded_connection = s.durable;
                self.unrecorded_loss |= s.durable && !connack.session_present;
            }
            Event::Publish(publish) => {
                let note = broker::note(&publish)?;
                self.ledger.shown(s, note, publish.qos, publish.packet_id)?;
            }
            Event::Published(ack) => {
                let end = if ack.code.is_error() {
                    End::Refused
                } else {
                    End::Published
                };
                self.ledger.ended(s, ack.packet_id, end)?;
            }
            Event::Lost(id) => self.ledger.ended(s, id, End::Lost)?,
            Event::Writable => {
                require!(
                    Accounted,
                    self.is_refused,
                    "writable, and nothing was refused"
                );
                self.is_refused = false;
            }
            _ => {
                require!(Protocol, false, "{event:?}");
            }
        }
        Ok(())
    }

    /// Writes so many of the records that are due.
    fn write(&mut self, s: &Scenario, client: &Client<'_>, n: usize) -> Verdict {
        for record in client.journal().take(n) {
            self.journal.append(&record)?;
            match record {
                Record::Connected {
                    session_present, ..
                } => {
                    self.ledger.connection_recorded(session_present);
                    (self.unrecorded_connection, self.unrecorded_loss) = (false, false);
                }
                Record::Disconnected => self.ledger.disconnection_recorded(),
                Record::Publish { id, .. } => self.ledger.recorded(id)?,
                Record::Unsent(id) => self.ledger.unsent_recorded(id)?,
                Record::Done(id) => self.ledger.done(id)?,
                Record::Received(id) => self.ledger.receipt_recorded(id)?,
                _ => {}
            }
        }
        if n > 0 {
            self.journal.note(s)?;
        }
        Ok(())
    }

    fn power_cut(&mut self, s: &Scenario, client: &Client<'_>, written: usize) -> Verdict {
        use_up(&mut self.power_cuts);
        self.write(s, client, written)?;
        if self.unrecorded_loss {
            // Nobody knows any more that the session of before is gone. The next one that the
            // server opens tells.
            self.broker.has_session = false;
        }
        (self.unrecorded_connection, self.unrecorded_loss) = (false, false);
        self.is_refused = false;
        self.connection_lost();
        self.ledger.power_cut(&self.journal.live())
    }

    /// What is true at any time.
    fn check(&mut self, s: &Scenario, client: &Client<'_>) -> Verdict {
        let (kept, open) = (usize::from(client.in_flight()), self.ledger.in_flight());
        require!(Accounted, kept <= open, "{kept} in flight of {open}");
        if !s.durable {
            let is_silent = client.journal().next().is_none() && self.journal.is_empty();
            require!(WriteAhead, is_silent, "a journal that nobody wants");
        }
        let messages = client.messages().map(|publish| {
            let note = broker::note(&publish).unwrap_or(u8::MAX);
            (publish.packet_id, note)
        });
        self.ledger.kept(messages)
    }

    /// An error unless everything has come to its end.
    fn unfinished(&self, s: &Scenario, client: &Client<'_>) -> Verdict {
        let open = self.ledger.unfinished(s);
        require!(Ends, open.is_none(), "{}", open.unwrap_or_default());
        require!(Ends, client.is_connected(), "no connection");
        require!(
            Ends,
            client.in_flight() == 0,
            "{} in flight",
            client.in_flight()
        );
        require!(
            Ends,
            client.messages().next().is_none(),
            "messages are kept"
        );
        let vacant = s.slots.min(s.server_window());
        let quota = usize::from(client.send_quota());
        require!(Ends, quota == vacant, "quota is {quota} of {vacant}");
        require!(Ends, self.broker.is_idle(), "{:?}", self.broker);
        require!(Ends, self.journal.live().is_empty(), "{:?}", self.journal);
        require!(Ends, !self.is_refused, "there is room, and nobody says so");
        Ok(())
    }
}

fn expect_ok<T: fmt::Debug>(result: &Result<T, mqtt_core::Error>) -> Verdict {
    require!(Protocol, result.is_ok(), "{result:?}");
    Ok(())
}
