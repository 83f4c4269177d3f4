//! The image with the asynchronous driver, on embassy.

#![no_std]
#![no_main]

mod stream;
mod time;

use core::time::Duration;

use device::{Application, Failure, Journal, Memory, Start};
use embassy_executor::Spawner;
use modem::{Modem, Serial};
use mqtt_client::Error;
use mqtt_client::embedded::{Client, Connection, EmbassyTimer};
use semihosting::println;

use stream::{Reader, Writer};

/// How long the last bytes may take.
const LAST_BYTES: Duration = Duration::from_secs(5);

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let (serial, kept) = board::start();
    time::start();
    let result = run(serial, kept).await;
    println!("stack {}", board::stack_used());
    device::finish(result)
}

/// Makes one connection after the other until the application has done all it has to do.
async fn run(serial: impl Serial + Copy, kept: &mut [u8]) -> Result<Application, Failure> {
    let start = Start::new(kept, board::reset)?;
    let mut memory = Memory::new();
    let mut client = Client::new(start.job.config(), memory.split(), EmbassyTimer);
    let (mut application, mut journal, mut counters) = start.restore(client.core())?;
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
