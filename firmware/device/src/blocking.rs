//! A loop that blocks, directly over the core.

use mqtt_core::{Client, Error, Instant, RxBuf};

use modem::{Modem, NoCarrier, Serial};

use crate::{Application, Failure, Journal, Memory, Start};

/// What the loop asks of a board.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Milliseconds since the start.
    pub now: fn() -> u64,
    /// Waits for any interrupt, or a millisecond.
    pub wait: fn(),
    /// Resets the chip.
    pub reset: fn() -> !,
}

impl Board {
    fn now(self) -> Instant {
        Instant::from_millis((self.now)())
    }
}

/// Makes one connection after the other until the application has done all it has to do.
///
/// # Errors
/// Something is not as it should be.
pub fn run(
    board: Board,
    serial: impl Serial + Copy,
    kept: &mut [u8],
    memory: &mut Memory,
) -> Result<Application, Failure> {
    let start = Start::new(kept, board.reset)?;
    let (mut rx, buffers) = memory.split();
    let mut client = Client::new(start.job.config(), buffers);
    let (mut application, mut journal, mut counters) = start.restore(&mut client)?;
    let mut modem = Modem::new(serial);
    loop {
        modem.dial(counters.next_call());
        let is_answered = loop {
            match modem.receiver.is_connected() {
                Ok(false) => (board.wait)(),
                Ok(true) => break true,
                Err(NoCarrier) => break false,
            }
        };
        if is_answered {
            rx.clear();
            client.connect(board.now())?;
            let connection = (&mut client, &mut rx);
            let has_left = use_connection(
                board,
                &mut modem,
                connection,
                &mut application,
                &mut journal,
            )?;
            client.connection_lost();
            if has_left {
                modem.hang_up();
                return Ok(application);
            }
        }
    }
}

/// One connection, until it is lost, or the application has nothing left to do: then true.
fn use_connection<S: Serial + Copy>(
    board: Board,
    modem: &mut Modem<S>,
    (client, rx): (&mut Client<'_>, &mut RxBuf<'_>),
    application: &mut Application,
    journal: &mut Option<Journal<'_>>,
) -> Result<bool, Failure> {
    loop {
        // What has happened?
        while let Some(event) = rx.poll(client, board.now())? {
            application.handle(event, client)?;
        }
        if client.is_closed() {
            return Ok(true);
        }
        if client.is_connected() && application.is_done(client) {
            match client.disconnect() {
                // There is room for it when something has been sent.
                Ok(()) | Err(Error::Full(_)) => {}
                Err(error) => return Err(error.into()),
            }
        } else {
            application.work(client)?;
        }
        if let Some(journal) = journal {
            journal.save(client, application);
        }
        // Send, then look again.
        let sent = modem.sender.write(client.transmit());
        if sent > 0 {
            client.transmitted(sent, board.now());
            continue;
        }
        // Receive, or wait until there is something to do: a millisecond at most.
        match modem.receiver.read(rx.space()) {
            Ok(0) => (board.wait)(),
            Ok(received) => rx.filled(received),
            Err(NoCarrier) => return Ok(false),
        }
    }
}
