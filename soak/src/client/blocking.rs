//! The driver on a thread, with a journal or without.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use mqtt_client::blocking::Client;
use mqtt_client::journal::{self, FileJournal, Sync};
use mqtt_client::mqtt_core::Durability;
use mqtt_client::{Config, HeapStorage, net};
use testkit::Tap;

use super::core::Course;
use super::{Context, RECEIVE_MAXIMUM};
use crate::lane::Driver;
use crate::ledger::lock;
use crate::wire::Wire;

/// How long the orderly end may take.
const FAREWELL: Duration = Duration::from_secs(5);
/// A process with a journal ends after so many milliseconds, or up to twice as many.
const LIFE: u64 = 4000;

pub(crate) fn run(context: &Context) {
    let mut course = Course::new(context);
    while !process(context, &mut course) {
        course.crash();
    }
}

/// Opens the journal. A broker that is being started has all open files of this process, and with
/// them the lock of the process that has ended, until it becomes another program.
fn open(path: &Path) -> Result<FileJournal, journal::Error> {
    let deadline = Instant::now() + FAREWELL;
    loop {
        match FileJournal::open(path, Sync::Never) {
            Err(journal::Error::Locked(_)) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// What a process does from its begin to its end; true if that is the end of everything.
fn process(context: &Context, course: &mut Course<'_>) -> bool {
    let mut storage = HeapStorage::new(4096, 64 * 1024, RECEIVE_MAXIMUM);
    let mut config = context.config();
    let is_durable = context.lane.driver == Driver::Journal;
    let mut death = None;
    if is_durable {
        config = Config {
            durability: Durability::WriteAhead,
            ..config
        };
        let life = LIFE + course.pace.random.below(LIFE);
        death = Some(Instant::now() + Duration::from_millis(life));
    }
    let mut client = Client::new(config, storage.split());
    if is_durable {
        // The process ends, not the system.
        let journal = match open(&context.journal) {
            Ok(journal) => client.with_journal(journal.compact_above(64 * 1024)),
            Err(error) => Err(error),
        };
        client = match journal {
            Ok(client) => client,
            Err(error) => {
                lock(&context.ledger).problem(format!("the journal: {error}"));
                return true;
            }
        };
        course.restored(client.core());
    }
    let mut is_open = false;
    loop {
        if course.turn(client.core()) {
            if is_open && let Err(error) = client.disconnect(FAREWELL) {
                lock(&context.ledger).note(format!("disconnect: {error:?}"));
            }
            return true;
        }
        if let Err(error) = client.save() {
            course.ended(&error);
            return true;
        }
        if death.is_some_and(|death| Instant::now() > death) && !context.control.is_finishing() {
            return false;
        }
        if !is_open {
            lock(&context.ledger).begin();
            match net::connect(&context.endpoint, &context.options) {
                Ok(stream) => {
                    let wire = Wire::new(context.lane.version(), &context.ledger);
                    course.begin();
                    if let Err(error) = client.connect(Tap::new(stream, wire)) {
                        course.ended(&error);
                        return true;
                    }
                    is_open = true;
                }
                Err(error) => {
                    lock(&context.ledger).end(&error.to_string());
                    thread::sleep(Context::delay(&mut course.pace.random));
                    continue;
                }
            }
        }
        match client.poll(Some(course.patience())) {
            Ok(Some((event, _))) => course.on(&event),
            Ok(None) => {}
            Err(error) => {
                course.ended(&error);
                is_open = false;
                thread::sleep(Context::delay(&mut course.pace.random));
            }
        }
    }
}
