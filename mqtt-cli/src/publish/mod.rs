//! `mqtt pub`.

mod content;
mod input;

use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use mqtt_client::{Event, HeapStorage, Message, blocking};
use mqtt_core::wire::Property;
use mqtt_core::{Buffers, Error};

use crate::args::{Place, PubArgs};
use crate::connection::{self, Client, Identity};
use crate::failure::{self, Failure};
use input::{Content, Lender};

/// What is received: acknowledgements, and CONNACK with any properties.
const RX: usize = 128 * 1024;
/// Messages of this many bytes altogether may be on their way at a time.
const MESSAGES: usize = 256 * 1024;
/// The longest line of standard input.
const MAX_LINE: usize = 16 * 1024 * 1024;
/// How long to wait for the broker before looking at standard input again.
const BUSY: Duration = Duration::from_millis(10);
/// How long to wait for standard input before looking at the broker again.
const IDLE: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &PubArgs) -> Result<(), Failure> {
    let (topic, target, properties) = args.check()?;
    let identity = Identity::new(&args.connection, target, &properties);
    let config = identity.config(&args.connection);
    let own = connection::of(&properties, Place::Publish);
    let content = content::content(args)?;

    let copied = content.copied(MAX_LINE);
    let message_len = copied + topic.len() + args.connection.properties_len() + 64;
    let tx = Buffers::MAX_CONTROL + message_len.max(MESSAGES);
    let mut storage = HeapStorage::new(RX, tx, args.max_inflight);
    let mut publisher = Publisher {
        args,
        identity: &identity,
        topic,
        properties: &own,
        client: Client::new(config, storage.split()),
        lender: None,
        progress: ProgressBar::hidden(),
        published: 0,
        refused: Vec::new(),
    };
    let trace = args.connection.debug.then_some(config.version);
    let target = identity.target();
    connection::open(&mut publisher.client, target, &config, trace, None)?;
    match content {
        Content::Lines => publisher.publish_lines()?,
        Content::Text(text) => publisher.publish_repeatedly(&text)?,
        Content::Lent(lender) => {
            publisher.progress = content::progress(args, lender.len);
            publisher.lender = Some(lender);
            publisher.publish_repeatedly(b"")?;
        }
    }
    publisher.finish()
}

struct Publisher<'a, 'b> {
    args: &'a PubArgs,
    identity: &'a Identity<'a>,
    topic: &'a str,
    properties: &'a [Property<'a>],
    client: Client<'b>,
    /// Has the payload of the messages, if they are not copied.
    lender: Option<Lender>,
    progress: ProgressBar,
    published: u64,
    /// Why the broker turned messages down, one reason for each.
    refused: Vec<String>,
}

impl Publisher<'_, '_> {
    fn publish_repeatedly(&mut self, payload: &[u8]) -> Result<(), Failure> {
        for n in 0..self.args.repeat {
            if let (1.., Some(delay)) = (n, self.args.repeat_delay) {
                self.wait(delay)?;
            }
            self.publish(payload)?;
        }
        Ok(())
    }

    fn publish_lines(&mut self) -> Result<(), Failure> {
        let lines = lines();
        loop {
            let line = match lines.try_recv() {
                Err(TryRecvError::Empty) if self.is_idle()? => match lines.recv_timeout(IDLE) {
                    Ok(line) => line,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                    Err(RecvTimeoutError::Timeout) => {
                        self.poll(Some(Duration::ZERO))?;
                        continue;
                    }
                },
                Err(TryRecvError::Empty) => {
                    self.poll(Some(BUSY))?;
                    continue;
                }
                Err(TryRecvError::Disconnected) => return Ok(()),
                Ok(line) => line,
            };
            let line = line.map_err(|error| Failure::file("standard input", &error))?;
            if line.len() > MAX_LINE {
                return Err(Failure::new(
                    "A line of standard input is longer than 16 MiB: \
                     publish all of it as one message with --stdin-file.",
                ));
            }
            self.publish(&line)?;
        }
    }

    /// Queues a message, as soon as there is room. Its payload is `payload` or what is lent.
    fn publish(&mut self, payload: &[u8]) -> Result<(), Failure> {
        let message = Message::new(self.topic, payload)
            .qos(self.args.qos)
            .retain(self.args.retain)
            .properties(self.properties);
        loop {
            let core = self.client.core();
            let result = match &self.lender {
                Some(lender) => core.publish_lent(&message, lender.len).map(Some),
                None => core.publish(&message),
            };
            match result {
                Ok(_) => {
                    self.published += 1;
                    return Ok(());
                }
                Err(Error::Full(_)) => {
                    self.poll(Some(IDLE))?;
                }
                Err(Error::Usage(error)) => return Err(Failure::request(error)),
                Err(error) => return Err(self.failed(&error.into())),
            }
        }
    }

    /// Sends and receives.
    fn poll(&mut self, timeout: Option<Duration>) -> Result<(), Failure> {
        let target = self.identity.target();
        let event = self.client.poll(timeout);
        match event.map_err(|error| Failure::client(target, &error, false))? {
            Some((Event::Published(ack), _)) if ack.code.is_error() => {
                self.refused.push(failure::said(ack.code, &ack.properties));
            }
            Some((Event::Disconnected(packet), _)) => {
                return Err(Failure::disconnected(&packet, self.identity.client_id()));
            }
            _ => {}
        }
        self.send_lent()
    }

    /// Sends what the connection takes of the payload that is next.
    fn send_lent(&mut self) -> Result<(), Failure> {
        let Some(lender) = &mut self.lender else {
            return Ok(());
        };
        while let Some(lent) = self.client.core().payload() {
            let piece = lender.at(lent.offset).map_err(|error| {
                let path = self.args.file.as_deref().unwrap_or(Path::new(""));
                Failure::file(format_args!("the file {}", path.display()), &error)
            })?;
            let sent = self.client.send_payload(piece, BUSY);
            let target = self.identity.target();
            let sent = sent.map_err(|error| Failure::client(target, &error, false))?;
            if sent == 0 {
                break;
            }
            self.progress.inc(sent as u64);
        }
        Ok(())
    }

    fn wait(&mut self, delay: Duration) -> Result<(), Failure> {
        let deadline = Instant::now().checked_add(delay);
        while !connection::is_over(deadline) {
            self.poll(connection::left(deadline))?;
        }
        Ok(())
    }

    /// True if all that was published is sent and acknowledged.
    fn is_idle(&mut self) -> Result<bool, Failure> {
        if self.client.core().in_flight() > 0 {
            return Ok(false);
        }
        let flushed = self.client.flush(Duration::ZERO);
        let is_flushed = flushed.map_err(|error| self.failed(&error))?;
        Ok(is_flushed && self.client.core().payload().is_none())
    }

    fn finish(mut self) -> Result<(), Failure> {
        while !self.is_idle()? {
            self.poll(Some(BUSY))?;
        }
        self.progress.finish_and_clear();
        connection::close(&mut self.client, self.identity.target())?;
        match (&*self.refused, self.published) {
            ([], _) => Ok(()),
            ([reason, ..], 1) => Err(Failure::new(format!(
                "The broker did not accept the message: {reason}."
            ))),
            ([reason, ..], total) => Err(Failure::new(format!(
                "The broker did not accept {} of {total} messages: {reason}.",
                self.refused.len()
            ))),
        }
    }

    fn failed(&self, error: &blocking::Error<io::Error>) -> Failure {
        Failure::client(self.identity.target(), error, false)
    }
}

/// The lines of standard input, read ahead on a thread of its own, because reading them may take
/// any time and the connection has to be kept alive meanwhile.
fn lines() -> Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(64);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Some(line) = input::line(&mut stdin, MAX_LINE).transpose() {
            let is_over = line.as_ref().map_or(true, |line| line.len() > MAX_LINE);
            if sender.send(line).is_err() || is_over {
                break;
            }
        }
    });
    receiver
}
