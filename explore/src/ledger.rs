//! What becomes of every message, as the standard and the documentation promise it. Knows no
//! packets and no client: it is told what happens, and objects.
//!
//! The same promises as those of the random run
//! (`mqtt-core/tests/it/client/random/simulation/model.rs`), in a form without counters that grow,
//! so that what is the same compares equal.

use mqtt_core::wire::{PacketId, QoS};

use crate::rules::{Verdict, require};
use crate::scenario::Scenario;

/// The number of a message, in each direction from 0.
pub(crate) type Note = u8;

/// How the delivery of a message to the server ended, as the application was told.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum End {
    Published,
    Refused,
    Lost,
}

/// A message to the server.
#[derive(Clone, Debug, Default, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Sending {
    accepted: bool,
    /// While it is open: not through, as far as the application was told.
    id: Option<PacketId>,
    /// Its end was reported and not recorded, under this identifier: a loss of power takes the
    /// report back.
    unrecorded: Option<PacketId>,
    /// Its record is on stable storage.
    recorded: bool,
    /// Some of it was sent, ever, and on this connection.
    begun: bool,
    begun_now: bool,
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
    /// It was passed on to subscribers.
    passed_on: bool,
    /// It is of this connection.
    current: bool,
    end: Option<End>,
}

impl Sending {
    /// Nothing more may happen to it; how it came to that does not matter any more.
    fn close(&mut self) {
        *self = Self {
            accepted: true,
            forgotten: self.forgotten,
            end: self.end,
            ..Self::default()
        };
    }
}

/// A message from the server.
#[derive(Clone, Debug, Default, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Receiving {
    /// The server has sent it.
    sent: bool,
    /// It is of this connection.
    current: bool,
    /// The application was shown it, ever.
    shown: bool,
    /// The application has it.
    held: bool,
    /// The application has dealt with it, and wants that acknowledged.
    dealt_with: bool,
    /// It took effect.
    effect: bool,
    /// The application has turned it down.
    refused: bool,
    /// The server does not have it any more, because it forgot the session.
    dropped: bool,
}

/// A received message that the application has not acknowledged yet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Waiting {
    pub(crate) note: Note,
    pub(crate) id: PacketId,
    qos: QoS,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Ledger {
    sending: Vec<Sending>,
    last_arrived: Option<Note>,
    /// According to the journal there is a connection.
    recorded_online: bool,
    receiving: Vec<Receiving>,
    last_shown: Option<Note>,
    last_effect: Option<Note>,
    /// What waits to be acknowledged: by the application, or with the next call to the client.
    pub(crate) waiting: Vec<Waiting>,
    /// The QoS 2 messages by their last identifiers.
    received: Vec<(PacketId, Note)>,
}

impl Ledger {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            sending: vec![Sending::default(); scenario.outgoing.len()],
            last_arrived: None,
            recorded_online: false,
            receiving: vec![Receiving::default(); scenario.incoming.len()],
            last_shown: None,
            last_effect: None,
            waiting: Vec::new(),
            received: Vec::new(),
        }
    }

    // To the server.

    /// The next message that the application has to publish.
    pub(crate) fn next(&self) -> Option<Note> {
        let next = self.sending.iter().position(|sending| !sending.accepted)?;
        Note::try_from(next).ok()
    }

    /// The client has accepted a message.
    pub(crate) fn accepted(&mut self, s: &Scenario, note: Note, id: Option<PacketId>) -> Verdict {
        let is_kept = s.outgoing[usize::from(note)] != QoS::AtMostOnce;
        require!(Protocol, id.is_some() == is_kept, "{note} has {id:?}");
        for other in &self.sending {
            let is_taken = id.is_some() && (other.id == id || other.unrecorded == id);
            require!(
                Identifier,
                !is_taken,
                "{id:?} is in use when {note} gets it"
            );
        }
        self.sending[usize::from(note)] = Sending {
            accepted: true,
            id,
            recorded: !s.durable || !is_kept,
            current: true,
            ..Sending::default()
        };
        Ok(())
    }

    /// The open message of this identifier.
    fn open(&mut self, id: PacketId) -> Verdict<(Note, &mut Sending)> {
        let at = self.sending.iter().position(|other| other.id == Some(id));
        require!(Accounted, at.is_some(), "{id} is not in use");
        let at = at.unwrap_or_default();
        Ok((u8::try_from(at).unwrap_or(u8::MAX), &mut self.sending[at]))
    }

    /// The number of messages that are not through.
    pub(crate) fn in_flight(&self) -> usize {
        self.sending
            .iter()
            .filter(|sending| sending.id.is_some())
            .count()
    }

    /// The messages that the client keeps, as it gives them: in order, and known.
    pub(crate) fn kept(&mut self, kept: impl Iterator<Item = (Option<PacketId>, Note)>) -> Verdict {
        let mut last = None;
        for (id, note) in kept {
            let Some(id) = id else {
                continue;
            };
            let (other, _) = self.open(id)?;
            require!(Accounted, other == note, "{id} is {other}, not {note}");
            require!(Order, last < Some(note), "{note} is kept behind {last:?}");
            last = Some(note);
        }
        Ok(())
    }

    /// The record of a message is on stable storage.
    pub(crate) fn recorded(&mut self, id: PacketId) -> Verdict {
        let is_online = self.recorded_online;
        let (note, sending) = self.open(id)?;
        require!(WriteAhead, !sending.recorded, "{note} is recorded again");
        sending.recorded = true;
        sending.may_be_sent = is_online;
        Ok(())
    }

    /// That a message was not sent is on stable storage.
    pub(crate) fn unsent_recorded(&mut self, id: PacketId) -> Verdict {
        let (note, sending) = self.open(id)?;
        let is_true = sending.recorded && !sending.begun;
        require!(WriteAhead, is_true, "{note} is recorded as not sent");
        sending.may_be_sent = false;
        Ok(())
    }

    /// That a connection was accepted is on stable storage.
    pub(crate) fn connection_recorded(&mut self, session_present: bool) {
        self.recorded_online = true;
        for sending in &mut self.sending {
            if sending.id.or(sending.unrecorded).is_some() {
                // What was not sent is recorded as such before.
                let is_known = sending.restored || sending.begun;
                sending.may_be_gone |= !session_present && sending.may_be_sent && is_known;
                sending.may_be_sent |= sending.recorded;
            }
        }
    }

    /// That a connection is over is on stable storage.
    pub(crate) const fn disconnection_recorded(&mut self) {
        self.recorded_online = false;
    }

    /// The end of a message is on stable storage.
    pub(crate) fn done(&mut self, id: PacketId) -> Verdict {
        let sending = self
            .sending
            .iter_mut()
            .find(|other| other.unrecorded == Some(id));
        require!(
            Accounted,
            sending.is_some(),
            "the end of {id} was not reported"
        );
        if let Some(sending) = sending {
            sending.close();
        }
        Ok(())
    }

    /// The first byte of a message is on the wire.
    pub(crate) fn begun(&mut self, id: PacketId, dup: bool) -> Verdict {
        let (note, sending) = self.open(id)?;
        require!(
            WriteAhead,
            sending.recorded,
            "{note} is sent and not recorded"
        );
        require!(
            ExactlyOnce,
            !sending.doomed,
            "{note} is sent to another session"
        );
        // [MQTT-3.3.1-1], [MQTT-4.4.0-1].
        require!(
            Protocol,
            !sending.begun_now,
            "{note} is sent twice on a connection"
        );
        require!(
            Protocol,
            dup || !sending.begun,
            "{note} is sent again without DUP"
        );
        let may_be_sent = sending.restored && sending.may_be_sent;
        let may_be_dup = sending.begun || may_be_sent;
        require!(Protocol, !dup || may_be_dup, "{note} is new and has DUP");
        (sending.begun, sending.begun_now) = (true, true);
        Ok(())
    }

    /// The server has all of it.
    pub(crate) fn arrived(&mut self, s: &Scenario, note: Note, qos: QoS) -> Verdict {
        let last = self.last_arrived;
        let sending = &mut self.sending[usize::from(note)];
        require!(
            Protocol,
            qos == s.outgoing[usize::from(note)],
            "{note} has {qos:?}"
        );
        let is_over = sending.end.is_some() || sending.forgotten;
        require!(Accounted, !is_over, "{note} arrives after its end");
        if !sending.arrived {
            sending.arrived = true;
            // [MQTT-4.6.0-1]. One that was lost to the power together with the report that it is
            // lost may come late.
            let may_be_late = sending.restored && sending.excused;
            let in_order = may_be_late || last < Some(note);
            require!(Order, in_order, "{note} arrives after {last:?}");
            self.last_arrived = last.max(Some(note));
        }
        Ok(())
    }

    /// Subscribers get it.
    pub(crate) fn passed_on(&mut self, s: &Scenario, note: Note) -> Verdict {
        let sending = &mut self.sending[usize::from(note)];
        let may_repeat = s.outgoing[usize::from(note)] == QoS::AtLeastOnce;
        let is_new = !sending.passed_on || may_repeat;
        require!(ExactlyOnce, is_new, "{note} is passed on again");
        sending.passed_on = true;
        if s.outgoing[usize::from(note)] == QoS::AtMostOnce {
            sending.end = Some(End::Published);
            sending.close();
        }
        Ok(())
    }

    /// Subscribers do not get it after all. At QoS 1 that cannot be known of every copy.
    pub(crate) fn turned_down(&mut self, note: Note) {
        self.sending[usize::from(note)].passed_on = false;
    }

    /// The application is told of an end.
    pub(crate) fn ended(&mut self, s: &Scenario, id: PacketId, end: End) -> Verdict {
        let (note, sending) = self.open(id)?;
        let may_be_copied = s.outgoing[usize::from(note)] == QoS::AtLeastOnce;
        match end {
            End::Published => {
                require!(AtLeastOnce, sending.passed_on, "{note} has not arrived");
            }
            End::Refused => {
                let is_out = sending.passed_on && !may_be_copied;
                require!(
                    Accounted,
                    sending.arrived && !is_out,
                    "{note} is not refused"
                );
            }
            End::Lost => {
                let excused = sending.excused;
                require!(Accounted, excused, "{note} is not lost: {sending:?}");
            }
        }
        sending.end = Some(end);
        let id = sending.id.take();
        if s.durable {
            sending.unrecorded = id;
        } else {
            sending.close();
        }
        Ok(())
    }

    // From the server.

    /// The server has sent a message, for the first time.
    pub(crate) fn sent(&mut self, note: Note) {
        let receiving = &mut self.receiving[usize::from(note)];
        (receiving.sent, receiving.current) = (true, true);
    }

    /// A message is shown to the application.
    pub(crate) fn shown(
        &mut self,
        s: &Scenario,
        note: Note,
        qos: QoS,
        id: Option<PacketId>,
    ) -> Verdict {
        let last = self.last_shown;
        let sent = s.incoming[usize::from(note)];
        require!(Protocol, qos == sent, "{note} is shown as of {qos:?}");
        let receiving = &mut self.receiving[usize::from(note)];
        let is_new = !receiving.held || qos == QoS::AtLeastOnce;
        require!(ExactlyOnce, is_new, "{note} is shown again");
        (receiving.held, receiving.dealt_with) = (true, false);
        if !receiving.shown {
            receiving.shown = true;
            // [MQTT-4.6.0-5]: in order, but for repeats.
            require!(Order, last < Some(note), "{note} is shown after {last:?}");
            self.last_shown = Some(note);
        }
        let Some(id) = id else {
            return Ok(());
        };
        if qos == QoS::ExactlyOnce {
            self.received.retain(|&(other, _)| other != id);
            self.received.push((id, note));
            self.received.sort_unstable();
        }
        self.waiting.push(Waiting { note, id, qos });
        Ok(())
    }

    /// The client is called again, which says that all is dealt with, unless the application says
    /// so itself.
    pub(crate) fn called(&mut self, s: &Scenario) -> Verdict {
        if !s.manual {
            for waiting in std::mem::take(&mut self.waiting) {
                self.dealt_with(s, waiting)?;
            }
        }
        Ok(())
    }

    /// The application has dealt with it. At QoS 2 that takes effect with its record.
    pub(crate) fn dealt_with(&mut self, s: &Scenario, what: Waiting) -> Verdict {
        self.receiving[usize::from(what.note)].dealt_with = true;
        if !s.durable || what.qos != QoS::ExactlyOnce {
            self.takes_effect(what.note, what.qos, false)?;
        }
        Ok(())
    }

    /// That a QoS 2 message was received is on stable storage, and with it what the application
    /// made of it.
    pub(crate) fn receipt_recorded(&mut self, id: PacketId) -> Verdict {
        let note = self.received.iter().find(|&&(other, _)| other == id);
        require!(
            WriteAhead,
            note.is_some(),
            "{id} is recorded and was not shown"
        );
        let note = note.map_or(0, |&(_, note)| note);
        self.takes_effect(note, QoS::ExactlyOnce, true)
    }

    fn takes_effect(&mut self, note: Note, qos: QoS, in_order: bool) -> Verdict {
        let last = self.last_effect;
        let receiving = &mut self.receiving[usize::from(note)];
        let is_dealt_with = receiving.dealt_with;
        require!(AtLeastOnce, is_dealt_with, "{note} was not dealt with");
        let is_new = !receiving.effect || qos == QoS::AtLeastOnce;
        require!(ExactlyOnce, is_new, "{note} takes effect again");
        receiving.effect = true;
        if in_order {
            require!(
                Order,
                last < Some(note),
                "{note} takes effect after {last:?}"
            );
            self.last_effect = Some(note);
        }
        Ok(())
    }

    /// The application has turned it down.
    pub(crate) fn turned_down_by_us(&mut self, note: Note) {
        let receiving = &mut self.receiving[usize::from(note)];
        receiving.refused = true;
        // At QoS 2 the identifier is new again; should the server not learn of it, it comes again.
        receiving.held = false;
    }

    /// The server has an acknowledgement, for good or for bad.
    pub(crate) fn acknowledged(&self, note: Note, accepted: bool) -> Verdict {
        let receiving = &self.receiving[usize::from(note)];
        let (has_effect, is_refused) = (receiving.effect, receiving.refused);
        require!(
            AtLeastOnce,
            has_effect || !accepted,
            "{note} is acknowledged too early"
        );
        require!(
            AtLeastOnce,
            is_refused || accepted,
            "{note} was not turned down"
        );
        Ok(())
    }

    /// The server has forgotten it.
    pub(crate) fn dropped(&mut self, note: Note) {
        self.receiving[usize::from(note)].dropped = true;
    }

    // Both ways.

    /// A connection is over.
    pub(crate) fn connection_lost(&mut self) {
        for sending in &mut self.sending {
            (sending.begun_now, sending.current) = (false, false);
        }
        for receiving in &mut self.receiving {
            receiving.current = false;
        }
        // Of others the server sends a new copy.
        self.waiting
            .retain(|waiting| waiting.qos == QoS::ExactlyOnce);
    }

    /// The client was told that the server has accepted a connection, with or without the session.
    pub(crate) fn connected(&mut self, session_present: bool) {
        if session_present {
            return;
        }
        self.waiting.clear();
        for sending in self
            .sending
            .iter_mut()
            .filter(|sending| sending.id.is_some())
        {
            sending.doomed |= sending.begun;
            sending.excused |= sending.begun || sending.restored && sending.may_be_sent;
        }
    }

    /// The power is gone, and with it what is not on stable storage, where the identifiers `live`
    /// are in use.
    pub(crate) fn power_cut(&mut self, live: &[PacketId]) -> Verdict {
        self.connection_lost();
        for (note, sending) in self.sending.iter_mut().enumerate() {
            // What was reported and not recorded is open again.
            let Some(id) = sending.id.or(sending.unrecorded) else {
                continue;
            };
            // The record is what makes it accepted.
            if sending.recorded {
                require!(
                    Accounted,
                    live.contains(&id),
                    "{note} is not in the journal"
                );
                sending.restored = true;
                sending.excused |= sending.may_be_gone;
                sending.end = None;
                (sending.id, sending.unrecorded) = (Some(id), None);
            } else {
                let is_unseen = !sending.begun;
                require!(
                    WriteAhead,
                    is_unseen,
                    "{note} was sent and is not in the journal"
                );
                sending.forgotten = true;
                sending.close();
            }
        }
        for id in live {
            let is_known = self.sending.iter().any(|sending| sending.id == Some(*id));
            require!(Accounted, is_known, "{id} is in the journal, and over");
        }
        for receiving in &mut self.receiving {
            // The application is where its own data are.
            receiving.held &= receiving.effect;
            receiving.dealt_with &= receiving.effect;
        }
        self.waiting.clear();
        self.received.clear();
        Ok(())
    }

    /// What has not come to its end, although nothing more happens by itself.
    pub(crate) fn unfinished(&self, s: &Scenario) -> Option<String> {
        for (note, sending) in self.sending.iter().enumerate() {
            let is_kept = s.outgoing[note] != QoS::AtMostOnce;
            let is_open = sending.end.is_none() && !sending.forgotten;
            let is_over = if is_kept {
                sending.accepted && !is_open && sending.unrecorded.is_none()
            } else {
                // It may be lost with its connection.
                sending.accepted && !(is_open && sending.current)
            };
            if !is_over {
                return Some(format!("message {note} to the server: {sending:?}"));
            }
        }
        for (note, receiving) in self.receiving.iter().enumerate() {
            let is_over = receiving.sent
                && if s.incoming[note] == QoS::AtMostOnce {
                    receiving.shown || !receiving.current
                } else {
                    receiving.effect || receiving.refused || receiving.dropped
                };
            if !is_over {
                return Some(format!("message {note} from the server: {receiving:?}"));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{End, Ledger};
    use crate::rules::{Rule, Verdict};
    use crate::scenarios;
    use mqtt_core::wire::{PacketId, QoS};

    use crate::scenario::Scenario;

    /// Three messages each way, the one in the middle of QoS 1, the others of QoS 2.
    fn world(durable: bool) -> (Scenario, Ledger) {
        let messages = &[QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let scenario = Scenario {
            outgoing: messages,
            incoming: messages,
            durable,
            ..scenarios::QUICK[0]
        };
        let ledger = Ledger::new(&scenario);
        (scenario, ledger)
    }

    fn id(id: u16) -> PacketId {
        PacketId::new(id).unwrap()
    }

    #[track_caller]
    fn breaks(rule: Rule, verdict: Verdict) {
        assert_eq!(verdict.unwrap_err().rule, rule);
    }

    #[test]
    fn a_message_to_the_server() {
        let (s, mut ledger) = world(false);
        ledger.accepted(&s, 0, Some(id(1))).unwrap();
        breaks(
            Rule::Identifier,
            ledger.clone().accepted(&s, 1, Some(id(1))),
        );
        breaks(Rule::Protocol, ledger.clone().begun(id(1), true));
        breaks(
            Rule::AtLeastOnce,
            ledger.clone().ended(&s, id(1), End::Published),
        );
        breaks(Rule::Accounted, ledger.clone().ended(&s, id(1), End::Lost));
        ledger.begun(id(1), false).unwrap();
        breaks(Rule::Protocol, ledger.clone().begun(id(1), true));
        ledger.arrived(&s, 0, QoS::ExactlyOnce).unwrap();
        ledger.passed_on(&s, 0).unwrap();
        breaks(Rule::ExactlyOnce, ledger.clone().passed_on(&s, 0));

        ledger.connection_lost();
        breaks(Rule::Protocol, ledger.clone().begun(id(1), false));
        let mut other = ledger.clone();
        other.connected(false);
        breaks(Rule::ExactlyOnce, other.begun(id(1), true));
        other.ended(&s, id(1), End::Lost).unwrap();

        ledger.connected(true);
        ledger.begun(id(1), true).unwrap();
        ledger.ended(&s, id(1), End::Published).unwrap();
        breaks(
            Rule::Accounted,
            ledger.clone().ended(&s, id(1), End::Published),
        );
        breaks(Rule::Accounted, ledger.arrived(&s, 0, QoS::ExactlyOnce));
    }

    #[test]
    fn the_order_of_messages() {
        let (s, mut ledger) = world(false);
        for note in 0..2 {
            ledger
                .accepted(&s, note, Some(id(u16::from(note) + 1)))
                .unwrap();
            ledger.sent(note);
        }
        let kept = [(Some(id(2)), 1), (Some(id(1)), 0)];
        breaks(Rule::Order, ledger.kept(kept.into_iter()));
        ledger.arrived(&s, 1, QoS::AtLeastOnce).unwrap();
        breaks(Rule::Order, ledger.arrived(&s, 0, QoS::ExactlyOnce));
        ledger.shown(&s, 1, QoS::AtLeastOnce, Some(id(2))).unwrap();
        breaks(
            Rule::Order,
            ledger.shown(&s, 0, QoS::ExactlyOnce, Some(id(1))),
        );
    }

    #[test]
    fn a_message_from_the_server() {
        let (s, mut ledger) = world(true);
        ledger.sent(0);
        breaks(Rule::WriteAhead, ledger.clone().receipt_recorded(id(7)));
        ledger.shown(&s, 0, QoS::ExactlyOnce, Some(id(7))).unwrap();
        breaks(
            Rule::ExactlyOnce,
            ledger.clone().shown(&s, 0, QoS::ExactlyOnce, Some(id(7))),
        );
        breaks(Rule::AtLeastOnce, ledger.clone().receipt_recorded(id(7)));
        ledger.called(&s).unwrap();
        breaks(Rule::AtLeastOnce, ledger.acknowledged(0, true));
        ledger.receipt_recorded(id(7)).unwrap();
        ledger.acknowledged(0, true).unwrap();
        breaks(Rule::AtLeastOnce, ledger.acknowledged(0, false));
        breaks(Rule::ExactlyOnce, ledger.clone().receipt_recorded(id(7)));
    }

    #[test]
    fn a_loss_of_power() {
        let (s, mut ledger) = world(true);
        ledger.accepted(&s, 0, Some(id(1))).unwrap();
        breaks(Rule::WriteAhead, ledger.clone().begun(id(1), false));
        let mut unrecorded = ledger.clone();
        unrecorded.power_cut(&[]).unwrap();
        breaks(Rule::Accounted, unrecorded.ended(&s, id(1), End::Lost));
        ledger.recorded(id(1)).unwrap();
        breaks(Rule::WriteAhead, ledger.clone().recorded(id(1)));
        breaks(Rule::Accounted, ledger.clone().power_cut(&[]));
        breaks(Rule::Accounted, ledger.clone().power_cut(&[id(1), id(2)]));
        ledger.begun(id(1), false).unwrap();
        breaks(Rule::WriteAhead, ledger.clone().unsent_recorded(id(1)));
        ledger.connection_recorded(true);
        ledger.power_cut(&[id(1)]).unwrap();
        // The journal does not know whether it was sent.
        ledger.begun(id(1), true).unwrap();
        breaks(Rule::Accounted, ledger.done(id(1)));
        assert!(ledger.unfinished(&s).is_some());
    }
}
