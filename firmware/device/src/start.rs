//! How an image starts and ends.

use mqtt_core::Client;
use semihosting::{command_line, exit, println};

use crate::{Application, Failure, Flash, Job, Journal, State, Task};

/// What there is at the start.
#[derive(Debug)]
pub struct Start<'m> {
    /// What to do.
    pub job: Job,
    counters: Counters<'m>,
    flash: Flash<'m>,
}

impl<'m> Start<'m> {
    /// Asks the host what to do. `kept` is memory that outlives a reset; after `fail` the power is
    /// back.
    ///
    /// # Errors
    /// The host says nothing that can be done, or there is too little memory.
    pub fn new(kept: &'m mut [u8], fail: fn() -> !) -> Result<Self, Failure> {
        let mut line = [0; 80];
        let job = Job::parse(command_line(&mut line)).ok_or(Failure::JOB)?;
        let (mut counters, flash) = Counters::new(kept).ok_or(Failure::KEPT)?;
        let start = counters.next_start();
        println!("start {start}");
        let flash = Flash::new(flash, job.power(start), fail);
        Ok(Self {
            job,
            counters,
            flash,
        })
    }

    /// Goes on from the journal, if the job has one.
    ///
    /// # Errors
    /// What is in the journal does not fit the client.
    pub fn restore(
        self,
        client: &mut Client<'_>,
    ) -> Result<(Application, Option<Journal<'m>>, Counters<'m>), Failure> {
        let journal = match self.job.task {
            Task::Journal => Some(Journal::open(self.flash, client)?),
            _ => None,
        };
        let state = journal.as_ref().map_or_else(State::default, Journal::state);
        Ok((Application::new(self.job, state), journal, self.counters))
    }
}

/// Says how it went, and ends the emulator.
pub fn finish(result: Result<Application, Failure>) -> ! {
    match &result {
        Ok(application) => println!(
            "done: sessions resumed {}, pieces of payload {}",
            application.resumed, application.pieces
        ),
        Err(failure) => println!("failed: {} ({})", failure.what, failure.number),
    }
    exit(result.is_ok())
}

/// Counters that are kept over a reset.
#[derive(Debug)]
pub struct Counters<'m>(&'m mut [u8; LEN]);

const LEN: usize = 12;

/// Memory holds anything when the power comes for the first time.
const MAGIC: [u8; 4] = *b"kept";

impl<'m> Counters<'m> {
    /// Takes some of the memory that is kept, and gives back the rest; `None` if there is too
    /// little.
    pub fn new(memory: &'m mut [u8]) -> Option<(Self, &'m mut [u8])> {
        let (cells, rest) = memory.split_first_chunk_mut()?;
        if cells[..4] != MAGIC {
            *cells = [0; LEN];
            cells[..4].copy_from_slice(&MAGIC);
        }
        Some((Self(cells), rest))
    }

    /// Counts starts, from 0.
    pub fn next_start(&mut self) -> u32 {
        self.next::<4>()
    }

    /// The number for the next call, another one than those of the last calls.
    pub fn next_call(&mut self) -> u8 {
        self.next::<8>().to_le_bytes()[0]
    }

    fn next<const AT: usize>(&mut self) -> u32 {
        let Some(cell) = self.0[AT..].first_chunk_mut() else {
            return 0;
        };
        let count = u32::from_le_bytes(*cell);
        *cell = count.wrapping_add(1).to_le_bytes();
        count
    }
}
