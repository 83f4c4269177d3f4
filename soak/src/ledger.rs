//! What a client has published and received, what was said on its wire, and who is to blame for
//! what is missing or twice there.
//!
//! There are three witnesses: the application, which hands messages over and gets them; the bytes
//! on top of the transport, both ways; and the broker's own words in them, such as whether it has
//! kept the session. Everything the client does is held against them. What the broker does wrong is
//! counted, and excused only for the very message that the bytes show it for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mqtt_client::mqtt_core::wire::PacketId;

use crate::payload::Name;

/// So many lines of what has happened are kept.
const LINES: usize = 800;
/// So many messages of each QoS are remembered after their time.
const REMEMBERED: u32 = 200;
/// After so many messages that went and did not come, more than can be on their way, the broker has
/// no subscription any more.
const DEAF: usize = 25;
/// More problems than this tell nothing new.
const PROBLEMS: usize = 20;

/// A client's ledger, shared by its application and its streams.
pub(crate) type Shared = Arc<Mutex<Ledger>>;

/// Locks a ledger, even if somebody panicked over it.
pub(crate) fn lock(ledger: &Shared) -> MutexGuard<'_, Ledger> {
    ledger
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A message that was published and has not arrived.
#[derive(Clone, Copy, Debug, Default)]
struct Pending {
    /// The connection on which it was sent last; 0 if on none.
    connection: u64,
    /// The session in which it was.
    session: u64,
    /// True if the broker had confirmed the subscription of that session by then.
    is_wanted: bool,
    /// True if the client has said that it may be lost.
    is_lost: bool,
    /// True if the broker sent it under the identifier of a message that was not released.
    is_spoilt: bool,
}

/// How often a message was received.
#[derive(Clone, Copy, Debug, Default)]
struct Arrivals {
    /// On the wire.
    wire: u32,
    /// At QoS 2, on the wire and under an identifier that was free.
    fresh: u32,
    /// By the application.
    delivered: u32,
}

/// A message on its way to the broker.
#[derive(Clone, Copy, Debug)]
struct Flight {
    name: Name,
    connection: u64,
    /// True after PUBREC.
    is_received: bool,
    /// True after PUBREL.
    is_released: bool,
    /// True if the process may have ended before PUBREC was in its journal.
    is_in_doubt: bool,
}

/// A QoS 2 message whose identifier the broker has not released.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u32,
    is_acknowledged: bool,
}

/// Sums for the report.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) published: [u64; 3],
    pub(crate) arrived: [u64; 3],
    /// At QoS 0, by cuts.
    pub(crate) dropped: u64,
    /// At QoS 1, more than once.
    pub(crate) repeated: u64,
    /// At QoS 1 and 2, when the broker had lost the session.
    pub(crate) forgotten: u64,
    /// At QoS 2, because the process ended before its journal had them.
    pub(crate) unrecorded: u64,
    /// At QoS 2, under the identifier of a message that was not released.
    pub(crate) spoilt: u64,
    /// QoS 2 messages that the broker sent once more.
    pub(crate) broker_faults: u64,
    /// Attempts to connect, and connections that the broker accepted.
    pub(crate) attempts: u64,
    pub(crate) connections: u64,
    /// Sessions that the broker did not have any more.
    pub(crate) sessions_lost: u64,
    /// Sessions that the broker had, without their subscriptions.
    pub(crate) subscriptions_lost: u64,
    /// How often the process has ended.
    pub(crate) crashes: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// True if the broker loses its sessions.
    is_forgetful: bool,
    /// True if the client takes messages as sent that it gathers for one write.
    is_gathering: bool,
    begin: Instant,
    connection: u64,
    session: u64,
    is_accepted: bool,
    is_subscribed: bool,
    /// How many messages the broker has acknowledged since it sent the last one.
    unreturned: usize,
    receive_maximum: usize,
    /// The next number of each QoS.
    next: [u32; 3],
    pending: [BTreeMap<u32, Pending>; 3],
    /// One more than the number that arrived last.
    newest: [u32; 3],
    arrivals: [BTreeMap<u32, Arrivals>; 3],
    flights: BTreeMap<PacketId, Flight>,
    /// What may leave with DUP though nobody saw it leave before.
    begun: BTreeSet<Name>,
    /// True if a message was sent in part when the connection ended.
    is_torn: bool,
    /// QoS 1 messages that are through since the beginning of the connection.
    completed: BTreeSet<Name>,
    /// What the client has to report as lost.
    losses: BTreeSet<Name>,
    /// What it may report as lost, or not.
    doubts: BTreeSet<Name>,
    held: BTreeMap<PacketId, Held>,
    /// What the process had when it ended, and perhaps not in its journal.
    unrecorded: BTreeSet<u32>,
    /// How many PUBACK, PUBREC and PUBCOMP there may be for an identifier on this connection.
    due: BTreeMap<(u8, PacketId), u32>,
    /// When the last connection ended.
    ended: Option<Instant>,
    recoveries: Vec<Duration>,
    pub(crate) sums: Sums,
    problems: Vec<String>,
    lines: VecDeque<String>,
}

impl Ledger {
    pub(crate) fn new(is_forgetful: bool, is_gathering: bool) -> Self {
        Self {
            is_forgetful,
            is_gathering,
            begin: Instant::now(),
            connection: 0,
            session: 0,
            is_accepted: false,
            is_subscribed: false,
            unreturned: 0,
            receive_maximum: usize::from(u16::MAX),
            next: [0; 3],
            pending: Default::default(),
            newest: [0; 3],
            arrivals: Default::default(),
            flights: BTreeMap::new(),
            begun: BTreeSet::new(),
            is_torn: false,
            completed: BTreeSet::new(),
            losses: BTreeSet::new(),
            doubts: BTreeSet::new(),
            held: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            due: BTreeMap::new(),
            ended: None,
            recoveries: Vec::new(),
            sums: Sums::default(),
            problems: Vec::new(),
            lines: VecDeque::new(),
        }
    }

    /// Writes a line into the log, which keeps the last ones.
    pub(crate) fn note(&mut self, line: impl AsRef<str>) {
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        let time = self.begin.elapsed().as_secs_f64();
        let (connection, line) = (self.connection, line.as_ref());
        self.lines
            .push_back(format!("{time:9.3} #{connection} {line}"));
    }

    /// Something is wrong, and the client is to blame.
    pub(crate) fn problem(&mut self, what: impl AsRef<str>) {
        let what = what.as_ref();
        self.note(format!("PROBLEM: {what}"));
        if self.problems.len() < PROBLEMS {
            self.problems.push(what.to_owned());
        }
    }

    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// What has happened of late.
    pub(crate) fn log(&self) -> String {
        let mut log = String::new();
        for line in &self.lines {
            let _ = writeln!(log, "{line}");
        }
        log
    }

    /// The times from the ends of connections to the next ones since the last call.
    pub(crate) fn recoveries(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.recoveries)
    }

    /// True if messages find a subscription.
    pub(crate) const fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }

    /// True if there was a subscription at some time.
    pub(crate) const fn has_been_subscribed(&self) -> bool {
        self.is_subscribed || self.session > 1
    }

    /// True if the broker acknowledges messages and sends none of them, though it has confirmed the
    /// subscription to them. After a connection that ended without a word `mqtt5` is at times like that.
    pub(crate) const fn is_deaf(&self) -> bool {
        self.unreturned >= DEAF
    }

    // --- what the application says -------------------------------------------

    /// The next message of a QoS, which is about to be handed over.
    pub(crate) fn publish(&mut self, qos: u8) -> Name {
        let level = usize::from(qos);
        let number = self.next[level];
        self.next[level] += 1;
        self.sums.published[level] += 1;
        self.pending[level].insert(number, Pending::default());
        Name { qos, number }
    }

    /// The client did not take it after all.
    pub(crate) fn withdraw(&mut self, name: Name) {
        let level = usize::from(name.qos);
        self.next[level] -= 1;
        self.sums.published[level] -= 1;
        self.pending[level].remove(&name.number);
    }

    /// The client says that a message may be lost.
    pub(crate) fn lost(&mut self, name: Name) {
        self.note(format!("{name} is reported as lost"));
        if !self.losses.remove(&name) && !self.doubts.remove(&name) {
            self.problem(format!(
                "{name} is reported as lost, and the broker may have it"
            ));
        }
        if let Some(pending) = self.pending[usize::from(name.qos)].get_mut(&name.number) {
            pending.is_lost = true;
        }
    }

    /// The client says that a message is through.
    pub(crate) fn through(&mut self, name: Name) {
        if self.losses.remove(&name) {
            self.problem(format!(
                "{name} is said to be through, and the session is gone"
            ));
        }
        self.doubts.remove(&name);
    }

    /// The application got a message.
    pub(crate) fn arrived(&mut self, name: Name) {
        let (level, number) = (usize::from(name.qos), name.number);
        let arrivals = self.arrivals[level].entry(number).or_default();
        arrivals.delivered += 1;
        let Arrivals {
            wire,
            fresh,
            delivered,
        } = *arrivals;
        let at_most = if level == 2 { fresh } else { wire };
        if delivered > at_most {
            let text = format!(
                "{name} was delivered {delivered} times, and sent {wire} times, {fresh} times anew"
            );
            self.problem(text);
        }
        if number < self.newest[level] {
            match level {
                0 => self.problem(format!("{name} arrived twice")),
                1 => self.sums.repeated += 1,
                _ => self.note(format!("{name} once more, as the broker has sent it")),
            }
            return;
        }
        self.sums.arrived[level] += 1;
        let Some(own) = self.pending[level].remove(&number) else {
            self.problem(format!("{name} arrived, and was not published"));
            return;
        };
        self.newest[level] = number + 1;
        let later = self.pending[level].split_off(&number);
        for (missing, pending) in std::mem::replace(&mut self.pending[level], later) {
            self.judge(
                Name {
                    qos: name.qos,
                    number: missing,
                },
                pending,
                own,
            );
        }
        let old = number.saturating_sub(REMEMBERED);
        while self.arrivals[level]
            .first_key_value()
            .is_some_and(|(first, _)| *first < old)
        {
            self.arrivals[level].pop_first();
        }
    }

    /// A later message has arrived, and this one has not.
    fn judge(&mut self, missing: Name, pending: Pending, later: Pending) {
        // A broker that forgets may lose what it had before.
        let is_forgotten = self.is_forgetful
            && pending.session != 0
            && (pending.session < self.session || !pending.is_wanted);
        if missing.qos == 0 {
            // What comes on a later connection, the broker has kept, and it need not.
            let is_one = [pending.connection, later.connection] == [self.connection; 2];
            if is_one && !is_forgotten {
                self.problem(format!("{missing} is lost, and the connection was not"));
            }
            self.sums.dropped += 1;
            return;
        }
        if pending.is_lost || is_forgotten {
            self.sums.forgotten += 1;
        } else if pending.is_spoilt {
            self.sums.spoilt += 1;
            self.note(format!("{missing} is lost by a fault of the broker"));
        } else {
            self.problem(format!(
                "{missing} is lost or was overtaken: {pending:?}, {later:?}"
            ));
        }
    }

    /// The process ends here. What it does not have in its journal it may do once more.
    pub(crate) fn crash(&mut self) {
        self.note("the process ends");
        self.sums.crashes += 1;
        self.end("the process is gone");
        let unrecorded = &mut self.unrecorded;
        unrecorded.clear();
        self.held.retain(|_, held| {
            if !held.is_acknowledged {
                unrecorded.insert(held.number);
            }
            held.is_acknowledged
        });
        let newest = self.newest;
        let is_recent = |name: &Name| name.number + REMEMBERED > newest[usize::from(name.qos)];
        self.begun.retain(is_recent);
        self.begun.append(&mut self.completed);
        let pending = self.unarrived(|_| true);
        self.begun.extend(pending);
        for flight in self.flights.values_mut() {
            self.begun.insert(flight.name);
            flight.is_in_doubt = !flight.is_released;
        }
    }

    /// Such messages above QoS 0 as have not arrived.
    fn unarrived(&self, is_meant: impl Fn(&Pending) -> bool) -> BTreeSet<Name> {
        let names = |qos| {
            let pending = self.pending[usize::from(qos)].iter();
            let pending = pending.filter(|&(_, pending)| is_meant(pending));
            pending.map(move |(&number, _)| Name { qos, number })
        };
        [1, 2].into_iter().flat_map(names).collect()
    }

    /// What is still to arrive above QoS 0, or to be reported as lost.
    pub(crate) fn outstanding(&self) -> usize {
        self.pending[1].len() + self.pending[2].len() + self.losses.len()
    }

    /// At the end, each message above QoS 0 has arrived, or it is known why not.
    pub(crate) fn balance(&mut self) {
        let Sums {
            published,
            arrived,
            forgotten,
            spoilt,
            ..
        } = self.sums;
        let accounted = arrived[1] + arrived[2] + forgotten + spoilt;
        if self.problems.is_empty() && published[1] + published[2] != accounted {
            let text = self.describe();
            self.problem(format!("{accounted} messages are accounted for: {text}"));
        }
    }

    /// What is still to arrive, in words.
    pub(crate) fn describe(&self) -> String {
        let first = |level: usize| self.pending[level].first_key_value();
        format!(
            "published {:?}, waits for {} of QoS 1 (first {:?}) and {} of QoS 2 (first {:?}); {} in flight, not reported as lost: {:?}",
            self.sums.published,
            self.pending[1].len(),
            first(1),
            self.pending[2].len(),
            first(2),
            self.flights.len(),
            self.losses
        )
    }

    // --- what the bytes say --------------------------------------------------

    /// A connection begins; its number.
    pub(crate) fn begin(&mut self) -> u64 {
        self.connection += 1;
        self.sums.attempts += 1;
        self.is_accepted = false;
        self.due.clear();
        self.completed.clear();
        self.note("begins");
        self.connection
    }

    /// A connection, or an attempt, has ended.
    pub(crate) fn end(&mut self, why: &str) {
        self.note(format!("ends: {why}"));
        if self.is_gathering && self.is_accepted {
            // Any of these may have been gathered, and not written any more.
            self.begun = self.unarrived(|pending| pending.connection == 0);
        }
        self.ended.get_or_insert_with(Instant::now);
    }

    /// The end of a connection on which a message was sent in part.
    pub(crate) fn torn(&mut self) {
        self.is_torn = true;
    }

    pub(crate) fn accepted(&mut self, is_session_present: bool, receive_maximum: u16) {
        if std::mem::replace(&mut self.is_accepted, true) {
            self.note("a second CONNACK");
        }
        self.sums.connections += 1;
        self.receive_maximum = usize::from(receive_maximum);
        if let Some(ended) = self.ended.take() {
            self.recoveries.push(ended.elapsed());
        }
        if is_session_present {
            self.session = self.session.max(1);
            return;
        }
        self.session += 1;
        self.is_subscribed = false;
        self.held.clear();
        if self.session == 1 {
            return;
        }
        self.sums.sessions_lost += 1;
        if !self.is_forgetful {
            self.problem("the broker has forgotten the session");
        }
        self.doubts.clear();
        for flight in std::mem::take(&mut self.flights).into_values() {
            if flight.is_received {
                self.doubts.insert(flight.name);
            } else {
                self.losses.insert(flight.name);
            }
        }
        // Nobody knows whether a process that is gone had sent them.
        self.doubts.extend(&self.begun);
        if std::mem::take(&mut self.is_torn) {
            // It was sent in part, which makes it one that may be lost; nobody knows which it was.
            for level in [1, 2] {
                let unsent = self.pending[usize::from(level)].iter();
                let first = unsent.clone().find(|(_, pending)| pending.connection == 0);
                self.doubts.extend(first.map(|(number, _)| Name {
                    qos: level,
                    number: *number,
                }));
            }
        }
    }

    pub(crate) fn subscribed(&mut self) {
        self.is_subscribed = true;
        self.unreturned = 0;
    }

    /// A PUBLISH was sent whole.
    pub(crate) fn sent(&mut self, name: Name, id: Option<PacketId>, dup: bool) {
        let (connection, session) = (self.connection, self.session);
        let is_subscribed = self.is_subscribed;
        if !self.is_accepted {
            self.problem(format!("{name} was sent before CONNACK"));
        }
        let level = usize::from(name.qos);
        let before = self.pending[level].get_mut(&name.number).map(|pending| {
            let before = pending.connection;
            // What the broker had before it knew of the subscription, it does not take once more.
            let is_first = before == 0 || pending.session != session;
            let is_wanted = if is_first {
                is_subscribed
            } else {
                pending.is_wanted
            };
            *pending = Pending {
                connection,
                session,
                is_wanted,
                ..*pending
            };
            before
        });
        let Some(id) = id else {
            if before.is_some_and(|before| before != 0) {
                self.problem(format!("{name} was sent twice"));
            }
            return;
        };
        if let Some(flight) = self.flights.get(&id).copied() {
            if flight.name != name {
                self.problem(format!("{name} has the identifier {id} of {}", flight.name));
            } else if flight.connection == connection {
                self.problem(format!("{name} was sent twice on one connection"));
            } else if !dup {
                self.problem(format!("{name} was sent again without DUP"));
            } else if flight.is_received && !flight.is_in_doubt {
                self.problem(format!("{name} was sent again after its PUBREC"));
            }
        } else if dup && !self.begun.remove(&name) && !std::mem::take(&mut self.is_torn) {
            self.problem(format!("{name} was sent with DUP for the first time"));
        } else if !dup && before.is_some_and(|before| before != 0) {
            self.problem(format!(
                "{name} was sent as if for the first time, and was not"
            ));
        }
        if !dup {
            // What was sent before comes first.
            self.is_torn = false;
        }
        let flight = Flight {
            name,
            connection,
            is_received: false,
            is_released: false,
            is_in_doubt: false,
        };
        self.flights.insert(id, flight);
        let in_flight = self
            .flights
            .values()
            .filter(|flight| flight.connection == connection);
        if in_flight.count() > self.receive_maximum {
            self.problem(format!("{name} exceeds the Receive Maximum of the broker"));
        }
    }

    /// PUBACK, PUBREC or PUBCOMP (types 4, 5 and 7) was sent.
    pub(crate) fn acknowledged(&mut self, kind: u8, id: PacketId) {
        match self.due.get_mut(&(kind, id)) {
            Some(due @ 1..) => *due -= 1,
            _ => self.problem(format!(
                "acknowledgement {kind} for {id}, and there is none due"
            )),
        }
        if let (5, Some(held)) = (kind, self.held.get_mut(&id)) {
            held.is_acknowledged = true;
        }
    }

    pub(crate) fn release_sent(&mut self, id: PacketId) {
        let Some(flight) = self.flights.get_mut(&id) else {
            return;
        };
        flight.is_released = true;
        flight.connection = self.connection;
        if !flight.is_received {
            let name = flight.name;
            self.problem(format!("PUBREL for {name}, and there was no PUBREC"));
        }
    }

    /// A PUBLISH was received whole.
    pub(crate) fn received(&mut self, name: Name, id: Option<PacketId>) {
        let level = usize::from(name.qos);
        self.unreturned = 0;
        let arrivals = self.arrivals[level].entry(name.number).or_default();
        arrivals.wire += 1;
        let Some(id) = id else { return };
        let kind = if level == 1 { 4 } else { 5 };
        *self.due.entry((kind, id)).or_default() += 1;
        if level != 2 {
            return;
        }
        match self.held.get(&id).copied() {
            None => {
                arrivals.fresh += 1;
                let is_known = arrivals.fresh > 1 && arrivals.delivered > 0;
                let held = Held {
                    number: name.number,
                    is_acknowledged: false,
                };
                self.held.insert(id, held);
                if self.unrecorded.remove(&name.number) {
                    self.sums.unrecorded += 1;
                } else if is_known {
                    self.sums.broker_faults += 1;
                    self.note(format!(
                        "{name} once more, after its PUBREL or under another identifier"
                    ));
                }
            }
            Some(held) if held.number == name.number => {}
            Some(held) => {
                self.sums.broker_faults += 1;
                self.note(format!(
                    "{name} under the identifier {id} of message {}",
                    held.number
                ));
                if let Some(pending) = self.pending[level].get_mut(&name.number) {
                    pending.is_spoilt = true;
                }
            }
        }
    }

    pub(crate) fn release_received(&mut self, id: PacketId) {
        self.held.remove(&id);
        *self.due.entry((7, id)).or_default() += 1;
    }

    /// PUBACK, PUBREC or PUBCOMP (types 4, 5 and 7) was received.
    pub(crate) fn acknowledgement(&mut self, kind: u8, id: PacketId) {
        if kind != 7 && self.is_subscribed && self.is_forgetful {
            self.unreturned += 1;
            if self.unreturned == DEAF {
                // What it had is gone, as with a session.
                self.note("the broker has forgotten the subscription");
                self.sums.subscriptions_lost += 1;
                self.session += 1;
                self.is_subscribed = false;
            }
        }
        if kind == 5 {
            if let Some(flight) = self.flights.get_mut(&id) {
                flight.is_received = true;
            }
        } else if let Some(flight) = self.flights.remove(&id)
            && kind == 4
        {
            self.completed.insert(flight.name);
        }
    }
}
