//! The image with the asynchronous driver, on embassy.

#![no_std]
#![no_main]

mod stream;
mod time;

use core::time::Duration;

use board::println;
use device::{Application, Counters, Failure, Flash, Job, Journal, Memory, State, Task};
use embassy_executor::Spawner;
use modem::{Modem, Serial};
use mqtt_client::Error;
use mqtt_client::embedded::{Client, Connection, EmbassyTimer};

use stream::{Reader, Writer};

/// How long the last bytes may take.
const LAST_BYTES: Duration = Duration::from_secs(5);

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let serial = board::start();
    time::start();
    match device(serial).await {
        Ok(application) => {
            println!(
                "done: sessions resumed {}, pieces of payload {}",
                application.resumed, application.pieces
            );
            board::exit(true)
        }
        Err(failure) => {
            println!("failed: {} ({})", failure.what, failure.number);
            board::exit(false)
        }
    }
}

/// Makes one connection after the other until the application has done all it has to do.
async fn device(serial: impl Serial + Copy) -> Result<Application, Failure> {
    let mut line = [0; 80];
    let job = Job::parse(board::command_line(&mut line)).ok_or(Failure::JOB)?;
    let kept = board::kept().and_then(Counters::new);
    let (mut counters, flash) = kept.ok_or(Failure::KEPT)?;
    let start = counters.next_start();
    println!("start {start}");

    let mut memory = Memory::new();
    let mut client = Client::new(job.config(), memory.split(), EmbassyTimer);
    let mut journal = None;
    if job.task == Task::Journal {
        let flash = Flash::new(flash, job.power(start), board::reset);
        journal = Some(Journal::open(flash, client.core())?);
    }
    let state = journal.as_ref().map_or_else(State::default, Journal::state);
    let mut application = Application::new(job, state);
    let mut modem = Modem::new(serial);
    loop {
        modem.dial(counters.next_call());
        let mut reader = Reader(&mut modem.receiver);
        if reader.connected().await.is_err() {
            continue;
        }
        let mut connection = client.connect(reader, Writer(&mut modem.sender))?;
        match use_connection(&mut connection, &mut application, &mut journal).await {
            Ok(()) => {
                // The server closes the connection when it has read all.
                let _ = connection.disconnect(LAST_BYTES).await;
                drop(connection);
                modem.hang_up();
                return Ok(application);
            }
            Err(End::Lost) => {}
            Err(End::Failed(failure)) => return Err(failure),
        }
    }
}

/// Why a connection ended that was still of use.
enum End {
    Lost,
    Failed(Failure),
}

impl<F: Into<Failure>> From<F> for End {
    fn from(failure: F) -> Self {
        Self::Failed(failure.into())
    }
}

/// One connection, until the application has nothing left to do.
async fn use_connection<S: Serial>(
    connection: &mut Connection<'_, '_, Reader<'_, S>, Writer<'_, S>, EmbassyTimer>,
    application: &mut Application,
    journal: &mut Option<Journal<'_>>,
) -> Result<(), End> {
    loop {
        let core = connection.core();
        if core.is_connected() && application.is_done(core) {
            return Ok(());
        }
        application.work(core)?;
        if let Some(journal) = journal {
            journal.save(core, application);
        }
        match connection.poll().await {
            Ok(Some((event, core))) => application.handle(event, core)?,
            Ok(None) => {}
            Err(Error::Protocol(error)) => return Err(error.into()),
            Err(_) => return Err(End::Lost),
        }
    }
}
