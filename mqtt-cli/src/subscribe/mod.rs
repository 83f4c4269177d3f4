//! `mqtt sub`.

mod stats;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use mqtt_client::{Event, Filter, HeapStorage};
use mqtt_core::wire::{
    Packet, PacketId, Publish, ReasonCode, RetainHandling, SubAck, TopicFilter, UnsubAck, Version,
};
use mqtt_core::{Acknowledgement, Config};

use crate::args::{Place, PropertyArg, SubArgs};
use crate::connection::{self, Client, Identity};
use crate::failure::{self, Failure};
use crate::format::{Format, Screen};
use crate::signal::Interrupt;
use stats::Stats;

/// How long to wait for the broker before looking whether there was a signal.
const STEP: Duration = Duration::from_millis(100);
/// Larger messages are printed piece by piece as they arrive.
const RX: usize = 256 * 1024;
const TX: usize = 256 * 1024;

pub(crate) fn run(args: &SubArgs) -> Result<(), Failure> {
    let (topics, target, properties) = args.check()?;
    let identity = Identity::new(&args.connection, target, &properties);
    let target = identity.target();
    let config = Config {
        acknowledgement: Acknowledgement::Manual,
        ..identity.config(&args.connection)
    };
    let deadline = args
        .timeout
        .and_then(|timeout| Instant::now().checked_add(timeout));
    // Before 5.0 a server may have any number of messages in flight.
    let mut storage = HeapStorage::new(RX, TX, u16::MAX);
    let mut client = Client::new(config, storage.split());
    let trace = args.connection.debug.then_some(config.version);
    connection::open(&mut client, target, &config, trace, deadline)?;
    // Until here a signal ends the command at once.
    let interrupt = Interrupt::watch()?;

    let mut subscriber = Subscriber {
        args,
        format: args.format(),
        screen: Screen::new(io::stdout().is_terminal() && !args.raw),
        version: config.version,
        identity: &identity,
        topics: &topics,
        filter_out: filters(&args.filter_out),
        requests: request(&mut client, args, &topics, &properties)?,
        left: args.count,
        streaming: None,
        stats: args.stats.map(|every| Stats::new(every, Instant::now())),
        out: BufWriter::new(if args.is_silent() {
            Box::new(io::sink())
        } else {
            Box::new(io::stdout().lock())
        }),
    };
    let result = subscriber.run(&mut client, deadline, &interrupt);
    if let Some(stats) = &subscriber.stats {
        stats.show_all(Instant::now());
    }
    match result {
        Ok(()) => connection::close(&mut client, target),
        Err(Stop::Failure(failure)) => {
            // The connection may be over; the failure is what counts.
            let _ = client.disconnect(connection::GOODBYE);
            Err(failure)
        }
        // Who reads our output has seen enough.
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            connection::close(&mut client, target)
        }
        Err(Stop::Output(error)) => {
            let _ = client.disconnect(connection::GOODBYE);
            Err(Failure::new(format!(
                "Could not print the messages: {error}."
            )))
        }
    }
}

/// Sends SUBSCRIBE and UNSUBSCRIBE, and returns how many answers to expect.
fn request(
    client: &mut Client<'_>,
    args: &SubArgs,
    topics: &[&str],
    properties: &[PropertyArg<'_>],
) -> Result<usize, Failure> {
    let retain_handling = if args.no_retained && args.connection.protocol_version == Version::V5 {
        RetainHandling::DoNotSend
    } else {
        RetainHandling::Send
    };
    let filters: Vec<_> = topics
        .iter()
        .map(|topic| Filter {
            retain_handling,
            ..Filter::new(topic, args.qos)
        })
        .collect();
    let ended: Vec<_> = args.unsubscribe.iter().map(String::as_str).collect();
    let core = client.core();
    let mut requests = 0;
    let failed = |error| match error {
        mqtt_core::Error::Usage(error) => Failure::request(error),
        error => Failure::new(format!("This cannot be sent: {error}.")),
    };
    if !filters.is_empty() {
        let properties = connection::of(properties, Place::Subscribe);
        core.subscribe_with(&filters, &properties).map_err(failed)?;
        requests += 1;
    }
    if !ended.is_empty() {
        let properties = connection::of(properties, Place::Unsubscribe);
        core.unsubscribe_with(&ended, &properties).map_err(failed)?;
        requests += 1;
    }
    Ok(requests)
}

/// Filters that the command line has checked.
fn filters(texts: &[String]) -> Vec<TopicFilter<'_>> {
    texts
        .iter()
        .filter_map(|text| TopicFilter::new(text).ok())
        .collect()
}

/// Why to stop before all is done.
enum Stop {
    Failure(Failure),
    Output(io::Error),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// What to do with a message.
enum Decision {
    Print,
    Skip,
    Exit,
}

/// A message that arrives in pieces.
struct Streaming {
    id: Option<PacketId>,
    to: Destination,
}

enum Destination {
    Nowhere,
    Output,
    /// The format needs all of it: the packet without its payload, and the payload so far.
    Memory(Vec<u8>, Vec<u8>),
}

struct Subscriber<'a> {
    args: &'a SubArgs,
    /// `None` for payloads as they are.
    format: Option<Format>,
    screen: Screen,
    version: Version,
    identity: &'a Identity<'a>,
    topics: &'a [&'a str],
    filter_out: Vec<TopicFilter<'a>>,
    /// How many answers are still to come.
    requests: usize,
    /// How many messages are still to come.
    left: Option<u64>,
    streaming: Option<Streaming>,
    stats: Option<Stats>,
    out: BufWriter<Box<dyn Write>>,
}

impl Subscriber<'_> {
    fn run(
        &mut self,
        client: &mut Client<'_>,
        deadline: Option<Instant>,
        interrupt: &Interrupt,
    ) -> Result<(), Stop> {
        let result = self.print_messages(client, deadline, interrupt);
        // Of what was received before a failure, nothing gets lost.
        let flushed = self.out.flush();
        result.and(flushed.map_err(Stop::Output))
    }

    fn print_messages(
        &mut self,
        client: &mut Client<'_>,
        deadline: Option<Instant>,
        interrupt: &Interrupt,
    ) -> Result<(), Stop> {
        loop {
            let patience = connection::left(deadline).map_or(STEP, |left| left.min(STEP));
            let event = client.poll(Some(patience));
            let failed = |error| Failure::client(self.identity.target(), &error, false);
            match event.map_err(failed)? {
                Some((event, core)) => {
                    if self.handle(&event, core)? {
                        return Ok(());
                    }
                }
                // Before waiting, and before acknowledgements leave.
                None => self.out.flush()?,
            }
            if let Some(stats) = &mut self.stats {
                stats.show_if_due(Instant::now());
            }
            interrupt.asked()?;
            if connection::is_over(deadline) {
                return Err(Failure::timed_out().into());
            }
        }
    }

    /// Returns true when all is done.
    fn handle(
        &mut self,
        event: &Event<'_>,
        core: &mut mqtt_core::Client<'_>,
    ) -> Result<bool, Stop> {
        match event {
            Event::Publish(publish) => match self.decision(publish) {
                Decision::Print => {
                    self.count(publish, publish.payload.len());
                    self.print(publish, publish.payload)?;
                    return Ok(self.finished(publish.packet_id, core));
                }
                Decision::Skip => acknowledge(publish.packet_id, core),
                Decision::Exit => return Ok(true),
            },
            Event::PublishStart { publish, total } => {
                let to = match self.decision(publish) {
                    Decision::Print => {
                        self.count(publish, *total);
                        self.print_start(publish)?
                    }
                    Decision::Skip => Destination::Nowhere,
                    Decision::Exit => return Ok(true),
                };
                let id = publish.packet_id;
                self.streaming = Some(Streaming { id, to });
            }
            Event::Payload { data, last, .. } => return self.print_piece(data, *last, core),
            Event::Subscribed(suback) => return Ok(self.subscribed(suback)?),
            Event::Unsubscribed(unsuback) => return Ok(self.unsubscribed(unsuback)?),
            Event::Disconnected(packet) => {
                return Err(Failure::disconnected(packet, self.identity.client_id()).into());
            }
            _ => {}
        }
        Ok(false)
    }

    fn decision(&self, publish: &Publish<'_>) -> Decision {
        if self.args.retained_only && !publish.retain {
            Decision::Exit
        } else if self.args.no_retained && publish.retain
            || self
                .filter_out
                .iter()
                .any(|filter| filter.matches(publish.topic))
        {
            Decision::Skip
        } else {
            Decision::Print
        }
    }

    fn count(&mut self, publish: &Publish<'_>, len: usize) {
        if let Some(stats) = &mut self.stats {
            stats.add(publish.topic, len);
        }
    }

    fn print(&mut self, publish: &Publish<'_>, payload: &[u8]) -> io::Result<()> {
        match &self.format {
            Some(format) => format.write(&mut self.out, &self.screen, publish, payload)?,
            None if self.args.verbose && payload.is_empty() => {
                self.print_topic(publish)?;
                self.out.write_all(b"(null)")?;
            }
            None => {
                self.print_topic(publish)?;
                self.screen.text(&mut self.out, payload)?;
            }
        }
        self.print_end()
    }

    fn print_topic(&mut self, publish: &Publish<'_>) -> io::Result<()> {
        if self.args.verbose {
            self.screen.line(&mut self.out, publish.topic.as_bytes())?;
            self.out.write_all(b" ")?;
        }
        Ok(())
    }

    fn print_end(&mut self) -> io::Result<()> {
        if !self.args.no_newline {
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    fn print_start(&mut self, publish: &Publish<'_>) -> io::Result<Destination> {
        if self.format.is_none() {
            self.print_topic(publish)?;
            return Ok(Destination::Output);
        }
        // It fitted the receive buffer.
        let mut head = vec![0; RX];
        let len = Packet::from(*publish).encode(self.version, &mut head);
        head.truncate(len.map_err(io::Error::other)?);
        Ok(Destination::Memory(head, Vec::new()))
    }

    fn print_piece(
        &mut self,
        data: &[u8],
        last: bool,
        core: &mut mqtt_core::Client<'_>,
    ) -> Result<bool, Stop> {
        match self.streaming.as_mut().map(|streaming| &mut streaming.to) {
            None | Some(Destination::Nowhere) => {}
            Some(Destination::Output) => self.screen.piece(&mut self.out, data)?,
            Some(Destination::Memory(_, payload)) => payload.extend_from_slice(data),
        }
        if !last {
            return Ok(false);
        }
        let Some(Streaming { id, to }) = self.streaming.take() else {
            return Ok(false);
        };
        match to {
            Destination::Nowhere => {
                acknowledge(id, core);
                return Ok(false);
            }
            Destination::Output => {
                self.screen.end(&mut self.out)?;
                self.print_end()?;
            }
            Destination::Memory(head, payload) => {
                if let Ok(Some((Packet::Publish(publish), _))) = Packet::decode(&head, self.version)
                {
                    self.print(&publish, &payload)?;
                }
            }
        }
        Ok(self.finished(id, core))
    }

    /// Notes that a message was printed, and returns true if it was the last.
    fn finished(&mut self, id: Option<PacketId>, core: &mut mqtt_core::Client<'_>) -> bool {
        acknowledge(id, core);
        self.left = self.left.map(|left| left - 1);
        self.left == Some(0)
    }

    fn subscribed(&mut self, suback: &SubAck<'_>) -> Result<bool, Failure> {
        for (topic, code) in self.topics.iter().zip(&suback.codes) {
            if code.is_error() {
                let reason = refusal(code, &failure::said(code, &suback.properties));
                return Err(Failure::new(format!(
                    "The broker refuses the subscription to {topic}{reason}."
                )));
            }
        }
        Ok(self.answered())
    }

    fn unsubscribed(&mut self, unsuback: &UnsubAck<'_>) -> Result<bool, Failure> {
        for (topic, code) in self.args.unsubscribe.iter().zip(&unsuback.codes) {
            if code.is_error() {
                let reason = refusal(code, &failure::said(code, &unsuback.properties));
                return Err(Failure::new(format!(
                    "The broker does not end the subscription to {topic}{reason}."
                )));
            }
        }
        Ok(self.answered())
    }

    fn answered(&mut self) -> bool {
        self.requests = self.requests.saturating_sub(1);
        self.args.exit_after_sub && self.requests == 0
    }
}

/// Before 5.0 there is no reason to name.
fn refusal(code: ReasonCode, text: &str) -> String {
    if code == ReasonCode::UnspecifiedError {
        text.strip_prefix("unspecified error")
            .map(str::to_owned)
            .unwrap_or_default()
    } else {
        format!(": {text}")
    }
}

fn acknowledge(id: Option<PacketId>, core: &mut mqtt_core::Client<'_>) {
    if let Some(id) = id {
        // It waits for this: it was received on this connection.
        let _ = core.acknowledge(id);
    }
}
