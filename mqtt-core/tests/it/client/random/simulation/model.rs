//! What becomes of every message, as the standard and the documentation promise it. Knows no
//! packets and no client: it is told what happens, and objects.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_core::wire::{PacketId, QoS};

use super::broker::Arrival;
use super::note::Note;

/// How the delivery of a message to the server ended, as the application was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Published,
    Refused,
    Lost,
}

/// What an identifier is in use for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Use {
    Message(Note),
    Request,
}

/// A message to the server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outbound {
    pub(super) qos: QoS,
    /// Its payload stays with the application.
    pub(super) lent: bool,
    /// The length of its packet.
    pub(super) len: usize,
    /// Its Message Expiry Interval, and the second in which that began.
    pub(super) interval: Option<u32>,
    pub(super) since: u32,
    /// The number of the connection on which it was accepted.
    pub(super) connection: u32,
}

#[derive(Debug)]
struct Sending {
    what: Outbound,
    /// Its record is on stable storage.
    recorded: bool,
    /// The first and the last connection on which some of it was sent.
    begun: Option<(u32, u32)>,
    /// It came back after a loss of power: all that the client knows is in the journal.
    restored: bool,
    /// According to the journal it may have been sent.
    may_be_sent: bool,
    /// According to the journal that was in a session that is gone.
    may_be_gone: bool,
    /// What it was sent in is gone with the session: it must not be sent again.
    doomed: bool,
    /// There is a reason to report it lost.
    excused: bool,
    /// A loss of power came before anything was promised.
    forgotten: bool,
    /// The server has had all of it.
    arrived: bool,
    /// How often it was passed on to subscribers.
    copies: u32,
    end: Option<End>,
}

impl Sending {
    /// True if it was never sent, as far as the client knows, and must not be now.
    fn has_expired(&self, now: u32) -> bool {
        // Both are whole seconds, so that one more may be left.
        let end = self
            .what
            .interval
            .map(|interval| self.what.since + interval + 1);
        self.begun.is_none() && !self.restored && end.is_some_and(|end| end <= now)
    }

    /// True if it was not sent in time, as far as can be known: what was left of its interval at a
    /// loss of power cannot.
    fn may_have_expired(&self, now: u32) -> bool {
        let is_restored = self.restored && self.begun.is_none();
        self.has_expired(now) || is_restored && self.what.interval.is_some()
    }
}

/// A message from the server.
#[derive(Debug)]
struct Receiving {
    qos: QoS,
    /// How often it was shown to the application.
    shown: u32,
    /// The application has it, and has not turned it down.
    held: bool,
    /// The application has dealt with it, and wants that acknowledged.
    dealt_with: bool,
    /// How often it took effect.
    effects: u32,
    /// The application has turned it down.
    refused: bool,
    /// The server does not have it any more.
    dropped: bool,
    /// The connection on which it was sent.
    connection: u32,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    /// What counts is on stable storage.
    durable: bool,
    connection: u32,
    /// The second of the last CONNACK.
    online_since: u32,
    /// According to the journal there is a connection.
    recorded_online: bool,
    sending: BTreeMap<Note, Sending>,
    last_arrived: Option<Note>,
    in_use: BTreeMap<PacketId, Use>,
    /// Ends that were reported and not recorded: a loss of power takes them back.
    unrecorded: BTreeMap<PacketId, Use>,
    /// Requests, and QoS 0 messages with an identifier, whose connection is lost.
    cut_off: BTreeSet<PacketId>,
    receiving: BTreeMap<Note, Receiving>,
    last_shown: Option<Note>,
    last_effect: Option<Note>,
}

impl Model {
    pub(super) fn new(durable: bool) -> Self {
        Self {
            durable,
            ..Self::default()
        }
    }

    pub(super) const fn connection(&self) -> u32 {
        self.connection
    }

    // To the server.

    /// The client has accepted a message.
    pub(super) fn accepted(&mut self, note: Note, id: Option<PacketId>, what: Outbound) {
        let sending = Sending {
            what,
            recorded: !self.durable || what.qos == QoS::AtMostOnce,
            begun: None,
            restored: false,
            may_be_sent: false,
            may_be_gone: false,
            doomed: false,
            excused: false,
            forgotten: false,
            arrived: false,
            copies: 0,
            end: None,
        };
        assert!(self.sending.insert(note, sending).is_none());
        if let Some(id) = id {
            self.take_id(id, Use::Message(note));
        }
    }

    pub(super) fn requested(&mut self, id: PacketId) {
        self.take_id(id, Use::Request);
    }

    fn take_id(&mut self, id: PacketId, what: Use) {
        let before = self.in_use.insert(id, what);
        assert_eq!(before, None, "identifier {id} is in use");
        let before = self.unrecorded.get(&id);
        assert_eq!(before, None, "identifier {id} is in the journal");
    }

    fn message(&mut self, id: PacketId) -> (Note, &mut Sending) {
        match self.in_use.get(&id) {
            Some(&Use::Message(note)) => (note, self.sending.get_mut(&note).unwrap()),
            other => panic!("{id} is {other:?}"),
        }
    }

    /// The message of this identifier whose payload stays with the application.
    pub(super) fn lent(&mut self, id: PacketId) -> Note {
        let (note, sending) = self.message(id);
        assert!(sending.what.lent, "{note:?}");
        note
    }

    /// The record of a message is on stable storage.
    pub(super) fn recorded(&mut self, id: PacketId, qos: QoS) {
        let (note, sending) = self.message(id);
        assert_eq!(sending.what.qos, qos);
        let again = qos != QoS::AtMostOnce && sending.recorded;
        assert!(!again, "{note:?} is recorded again");
        sending.recorded = true;
        self.sending.get_mut(&note).unwrap().may_be_sent = self.recorded_online;
    }

    /// That a message was not sent is on stable storage.
    pub(super) fn unsent_recorded(&mut self, id: PacketId) {
        let (note, sending) = self.message(id);
        assert!(sending.recorded && sending.begun.is_none(), "{note:?}");
        sending.may_be_sent = false;
    }

    /// That a connection was accepted is on stable storage.
    pub(super) fn connection_recorded(&mut self, session_present: bool) {
        self.recorded_online = true;
        for what in self.in_use.values().chain(self.unrecorded.values()) {
            if let Use::Message(note) = what {
                let sending = self.sending.get_mut(note).unwrap();
                // What the client knows not to have been sent is recorded as such before.
                let is_known = sending.restored || sending.begun.is_some();
                sending.may_be_gone |= !session_present && sending.may_be_sent && is_known;
                sending.may_be_sent |= sending.recorded;
            }
        }
    }

    /// That a connection is over is on stable storage.
    pub(super) const fn disconnection_recorded(&mut self) {
        self.recorded_online = false;
    }

    /// The end of a message is on stable storage.
    pub(super) fn done(&mut self, id: PacketId) {
        let known = self.unrecorded.remove(&id);
        assert!(known.is_some(), "{id} was not reported");
    }

    /// The first byte of a message is on the wire.
    pub(super) fn begun(&mut self, id: PacketId, dup: bool) {
        let connection = self.connection;
        let (note, sending) = self.message(id);
        assert!(sending.recorded, "{note:?} is not recorded");
        assert!(!sending.doomed, "{note:?} is in a session that is gone");
        // [MQTT-3.3.1-1], [MQTT-4.4.0-1].
        let before = sending.begun;
        let (first, last) = before.unzip();
        assert_ne!(last, Some(connection), "{note:?} is sent again");
        assert!(dup || before.is_none(), "{note:?} without DUP");
        let may_be_sent = sending.restored && sending.may_be_sent;
        assert!(!dup || before.is_some() || may_be_sent, "{note:?} with DUP");
        sending.begun = Some((first.unwrap_or(connection), connection));
    }

    /// The server has all of it.
    pub(super) fn arrived(&mut self, note: Note, arrival: &Arrival, now: u32) {
        let Arrival {
            qos,
            interval,
            with_alias,
        } = *arrival;
        let (online_since, last) = (self.online_since, self.last_arrived);
        let sending = self.sending.get_mut(&note).expect("a message of ours");
        assert_eq!(qos, sending.what.qos);
        assert_eq!(sending.end, None, "{note:?}");
        if !std::mem::replace(&mut sending.arrived, true) {
            // [MQTT-4.6.0-1]. One that was lost to the power together with the report that it is
            // lost may come late.
            let was_passed_over =
                sending.restored && (sending.excused || sending.what.interval.is_some());
            assert!(
                was_passed_over || last < Some(note),
                "{note:?} after {last:?}"
            );
            self.last_arrived = last.max(Some(note));
        }
        let full = sending.what.interval;
        assert_eq!(interval.is_some(), full.is_some(), "{note:?}");
        let (Some(full), Some(interval)) = (full, interval) else {
            return;
        };
        assert!(interval <= full, "{note:?}: {interval} of {full} s");
        let is_first = sending.begun.is_none_or(|(first, last)| first == last);
        if is_first && !sending.restored {
            // The time that it has waited is taken off: up to the connection, and perhaps up to now.
            let since = sending.what.since;
            let left = |moment| (since + full).saturating_sub(moment).max(1).min(full);
            let range = left(now)..=left(online_since.max(since));
            let in_time = range.contains(&interval) || with_alias && interval <= *range.end();
            assert!(in_time, "{note:?}: {interval} s, not {range:?}");
        }
    }

    /// Subscribers get it.
    pub(super) fn passed_on(&mut self, note: Note) {
        let sending = self.sending.get_mut(&note).expect("a message of ours");
        sending.copies += 1;
        let again = sending.what.qos != QoS::AtLeastOnce && sending.copies > 1;
        assert!(!again, "{note:?} is passed on again");
        if sending.what.lent && sending.what.qos == QoS::AtMostOnce {
            self.in_use.retain(|_, other| *other != Use::Message(note));
        }
    }

    /// Subscribers do not get it after all.
    pub(super) fn turned_down(&mut self, note: Note) {
        let sending = self.sending.get_mut(&note).expect("a message of ours");
        sending.copies -= 1;
    }

    /// The application is told of an end.
    pub(super) fn ended(&mut self, id: PacketId, end: End, now: u32) {
        let what = self.in_use.remove(&id);
        let what = what.unwrap_or_else(|| panic!("{end:?} of {id}, which is not in use"));
        if self.durable {
            self.unrecorded.insert(id, what);
        }
        let Use::Message(note) = what else {
            assert_eq!(end, End::Lost, "{id}");
            assert!(self.cut_off.remove(&id), "{id} is not lost");
            return;
        };
        let sending = self.sending.get_mut(&note).unwrap();
        let exactly_once = sending.what.qos == QoS::ExactlyOnce;
        assert_eq!(sending.end.replace(end), None, "{note:?}");
        match end {
            End::Published => assert!(sending.copies > 0, "{note:?} has not arrived"),
            End::Refused => assert!(!exactly_once || sending.copies == 0, "{note:?}"),
            End::Lost => {
                let is_cut_off = self.cut_off.remove(&id);
                assert!(
                    is_cut_off || sending.excused || sending.may_have_expired(now),
                    "{note:?} is not lost: {sending:?}"
                );
            }
        }
    }

    /// A request is answered.
    pub(super) fn answered(&mut self, id: PacketId) {
        assert_eq!(self.in_use.remove(&id), Some(Use::Request));
    }

    /// The client may not hold a message back that has expired, without a connection.
    pub(super) fn assert_none_expired(&self, now: u32) {
        for what in self.in_use.values() {
            if let Use::Message(note) = what {
                assert!(!self.sending[note].has_expired(now), "{note:?} has expired");
            }
        }
    }

    /// The message that an identifier is in use for.
    pub(super) fn note(&mut self, id: PacketId) -> Note {
        self.message(id).0
    }

    /// The number of messages that are not through.
    pub(super) fn in_flight(&self) -> usize {
        let is_message = |what: &&Use| matches!(what, Use::Message(_));
        self.in_use.values().filter(is_message).count()
    }

    // From the server.

    /// The server has sent a message, for the first time.
    pub(super) fn sent(&mut self, note: Note, qos: QoS) {
        let receiving = Receiving {
            qos,
            shown: 0,
            held: false,
            dealt_with: false,
            effects: 0,
            refused: false,
            dropped: false,
            connection: self.connection,
        };
        assert!(self.receiving.insert(note, receiving).is_none());
    }

    fn received(&mut self, note: Note) -> &mut Receiving {
        self.receiving.get_mut(&note).expect("a message of theirs")
    }

    /// A message is shown to the application.
    pub(super) fn shown(&mut self, note: Note, qos: QoS) {
        let last = self.last_shown;
        let receiving = self.received(note);
        assert_eq!(receiving.qos, qos);
        assert!(
            !receiving.held || qos == QoS::AtLeastOnce,
            "{note:?} is shown again"
        );
        receiving.held = true;
        receiving.dealt_with = false;
        receiving.shown += 1;
        if receiving.shown == 1 {
            // [MQTT-4.6.0-5]: in order, but for repeats.
            assert!(last < Some(note), "{note:?} after {last:?}");
            self.last_shown = Some(note);
        }
    }

    /// The application has dealt with it. At QoS 2 that takes effect with its record.
    pub(super) fn dealt_with(&mut self, note: Note) {
        let durable = self.durable;
        let receiving = self.received(note);
        receiving.dealt_with = true;
        if !durable || receiving.qos != QoS::ExactlyOnce {
            self.took_effect(note);
        }
    }

    /// The record of a QoS 2 message is on stable storage, and with it what the application made
    /// of it.
    pub(super) fn took_effect(&mut self, note: Note) {
        let last = self.last_effect;
        let receiving = self.received(note);
        assert!(receiving.dealt_with, "{note:?} was not dealt with");
        receiving.effects += 1;
        let again = receiving.qos == QoS::ExactlyOnce && receiving.effects > 1;
        assert!(!again, "{note:?} takes effect again");
        if receiving.qos == QoS::ExactlyOnce && !receiving.refused && self.durable {
            assert!(last < Some(note), "{note:?} takes effect after {last:?}");
            self.last_effect = Some(note);
        }
    }

    /// The application has turned it down.
    pub(super) fn refused(&mut self, note: Note) {
        let receiving = self.received(note);
        receiving.refused = true;
        // At QoS 2 the identifier is new again; should the server not learn of it, it comes again.
        receiving.held = false;
    }

    /// The server has an acknowledgement, for good or for bad.
    pub(super) fn acknowledged(&mut self, note: Note, accepted: bool) {
        let receiving = self.received(note);
        if accepted {
            assert!(receiving.effects > 0, "{note:?} is acknowledged too early");
        } else {
            assert!(receiving.refused, "{note:?} was not turned down");
        }
    }

    /// The server has forgotten it.
    pub(super) fn dropped(&mut self, note: Note) {
        self.received(note).dropped = true;
    }

    // Both ways.

    /// A connection is over.
    pub(super) fn connection_lost(&mut self) {
        self.connection += 1;
        for (&id, what) in &self.in_use {
            let is_cut_off = match what {
                Use::Request => true,
                Use::Message(note) => self.sending[note].what.qos == QoS::AtMostOnce,
            };
            if is_cut_off {
                self.cut_off.insert(id);
            }
        }
    }

    /// The server has accepted a connection, with or without the session, and takes only such
    /// messages.
    pub(super) fn connected(
        &mut self,
        session_present: bool,
        takes: impl Fn(QoS, usize) -> bool,
        now: u32,
    ) {
        self.online_since = now;
        for what in self.in_use.values() {
            let Use::Message(note) = what else {
                continue;
            };
            let sending = self.sending.get_mut(note).unwrap();
            let was_sent = sending.begun.is_some();
            sending.doomed |= !session_present && was_sent;
            sending.excused |= !session_present
                && (was_sent || sending.restored && sending.may_be_sent)
                || !takes(sending.what.qos, sending.what.len);
        }
    }

    /// The power is gone, and with it what is not on stable storage, where the identifiers `live` are
    /// in use. Clients start again at second 0.
    pub(super) fn power_cut(&mut self, live: &BTreeSet<PacketId>) {
        self.connection_lost();
        self.online_since = 0;
        let mut before = std::mem::take(&mut self.in_use);
        // What was reported and not recorded is open again.
        before.append(&mut self.unrecorded);
        self.cut_off.clear();
        for (id, what) in before {
            let Use::Message(note) = what else {
                continue;
            };
            let sending = self.sending.get_mut(&note).unwrap();
            // The record is what makes it accepted.
            let is_kept = self.durable && sending.what.qos != QoS::AtMostOnce && sending.recorded;
            if is_kept {
                assert!(live.contains(&id), "{note:?} is not in the journal");
                sending.restored = true;
                sending.excused |= sending.may_be_gone;
                sending.end = None;
                sending.what.since = 0;
                self.in_use.insert(id, what);
            } else {
                sending.forgotten = true;
            }
        }
        // Other losses may be told again.
        for &id in live {
            self.in_use.entry(id).or_insert_with(|| {
                self.cut_off.insert(id);
                Use::Request
            });
        }
        for receiving in self.receiving.values_mut() {
            // The application is where its own data are.
            let has_effect = receiving.effects > 0;
            receiving.held &= has_effect;
            receiving.dealt_with &= has_effect;
        }
    }

    /// At the end, after a connection on which nothing went wrong.
    pub(super) fn assert_all_ended(&self) {
        assert!(self.in_use.is_empty(), "{:?}", self.in_use);
        assert!(self.unrecorded.is_empty(), "{:?}", self.unrecorded);
        for (note, sending) in &self.sending {
            if sending.forgotten {
                assert!(!self.durable || sending.begun.is_none(), "{note:?}");
            } else if sending.what.qos != QoS::AtMostOnce {
                assert!(sending.end.is_some(), "{note:?}: {sending:?}");
            } else if sending.what.lent {
                let arrived = sending.copies > 0;
                assert_ne!(arrived, sending.end == Some(End::Lost), "{note:?}");
            } else if sending.what.connection == self.connection {
                assert_eq!(sending.copies, 1, "{note:?}");
            }
        }
        for (note, receiving) in &self.receiving {
            let Receiving {
                effects, refused, ..
            } = *receiving;
            if receiving.qos == QoS::AtMostOnce {
                let is_last = receiving.connection == self.connection;
                assert!(receiving.shown == 1 || !is_last, "{note:?}: {receiving:?}");
            } else if !receiving.dropped {
                assert!(effects > 0 || refused, "{note:?}: {receiving:?}");
            }
        }
    }
}
