//! Processes that come and go over one disk, and what is left of what they were promised. The fuzz
//! target `journal_writer` has it, too.

use std::cell::RefCell;
use std::rc::Rc;

use mqtt_core::wire::PacketId;

use super::super::Sync;
use super::super::error::Error;
use super::super::log::Log;
use super::session::{Change, Fake, State};
use super::world::{Fault, Random, SimDisk, World};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish {
        len: usize,
        /// The payload is a piece of some journal.
        is_quotation: bool,
    },
    /// The end of one of the messages.
    Done(usize),
    Save,
    Sync,
    /// The process is killed, and there is another.
    Restart,
    /// Something goes wrong some operations later.
    Fault(usize, Fault),
}

/// All that has happened, and what must be left of it.
pub(crate) struct Rig {
    pub(super) world: Rc<RefCell<World>>,
    random: Random,
    policy: Sync,
    compact_above: u64,
    pub(super) log: Log<SimDisk>,
    pub(super) session: Fake,
    /// The state after each record that was ever made.
    history: Vec<State>,
    /// How many of them a process that ends must leave, and how many a loss of power.
    confirmed: usize,
    durable: usize,
    next_id: u16,
}

impl Rig {
    pub(crate) fn new(policy: Sync, compact_above: u64, seed: u64) -> Self {
        let world = World::new();
        let log = Log::open(SimDisk(Rc::clone(&world)), policy).unwrap();
        let mut rig = Self {
            world,
            random: Random(seed),
            policy,
            compact_above,
            log,
            session: Fake::default(),
            history: vec![State::default()],
            confirmed: 0,
            durable: 0,
            next_id: 0,
        };
        rig.begin();
        rig
    }

    /// A new process, which may not get far at first.
    fn begin(&mut self) {
        loop {
            match self.try_begin() {
                Ok(()) => return,
                Err(Error::Io { .. }) => self.end(),
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn try_begin(&mut self) -> Result<(), Error> {
        self.log = Log::open(SimDisk(Rc::clone(&self.world)), self.policy)?;
        self.log.compact_above = self.compact_above;
        self.session = Fake::default();
        self.log.restore(&mut self.session)?;
        let state = &self.session.state;
        let floor = self.confirmed;
        assert!(
            (floor..self.history.len()).contains(&state.records),
            "{} of {floor} records confirmed and {} made",
            state.records,
            self.history.len() - 1
        );
        assert_eq!(*state, self.history[state.records]);
        // The rest was never confirmed, and does not come back.
        self.history.truncate(state.records + 1);
        self.confirmed = state.records;
        self.durable = state.records;
        Ok(())
    }

    /// The process has ended, with the power or without.
    fn end(&mut self) {
        let mut world = self.world.borrow_mut();
        if world.is_dark() {
            world.power_up(&mut self.random);
            self.confirmed = self.durable;
        } else {
            world.restart();
        }
    }

    /// The power fails now.
    pub(crate) fn cut(&mut self) {
        self.world.borrow_mut().power_up(&mut self.random);
        self.confirmed = self.durable;
        self.begin();
    }

    fn change(&mut self, change: Change) {
        let mut state = self.history.last().unwrap().clone();
        state.apply(&change);
        self.history.push(state);
        self.session.pending.push_back(change);
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match *step {
            Step::Publish { len, is_quotation } => {
                self.next_id = self.next_id % u16::MAX + 1;
                let id = PacketId::new(self.next_id).unwrap();
                let packet = if is_quotation {
                    self.world.borrow().some_bytes(&mut self.random, len)
                } else {
                    (0..len)
                        .map(|_| self.random.next().to_le_bytes()[0])
                        .collect()
                };
                self.change(Change::Publish(id, packet));
            }
            Step::Done(which) => {
                let messages = &self.history.last().unwrap().messages;
                if let Some(which) = which.checked_rem(messages.len()) {
                    let id = messages[which].0;
                    self.change(Change::Done(id));
                }
            }
            Step::Save => {
                let result = self.log.save(&mut self.session);
                self.after(&result, self.policy == Sync::Always);
            }
            Step::Sync => {
                let result = self.log.sync();
                self.after(&result, true);
            }
            Step::Restart => {
                self.end();
                self.begin();
            }
            Step::Fault(after, fault) => self.world.borrow_mut().fail_after(after, fault),
        }
    }

    pub(super) fn after(&mut self, result: &Result<(), Error>, is_durable: bool) {
        self.confirmed = self.session.state.records;
        match result {
            Ok(()) if is_durable => self.durable = self.confirmed,
            Ok(()) => {}
            Err(_) => {
                if self.policy == Sync::Always {
                    self.durable = self.confirmed;
                }
                // It does not recover by itself.
                for _ in 0..2 {
                    let result = self.log.save(&mut self.session);
                    assert!(matches!(result, Err(Error::Poisoned(_))), "{result:?}");
                    assert!(matches!(self.log.sync(), Err(Error::Poisoned(_))));
                }
                assert_eq!(self.confirmed, self.session.state.records);
                self.end();
                self.begin();
            }
        }
    }
}
