//! What is done with events, and what is published. It tells at once when something is not as it
//! should be.

use core::fmt::Write;

use mqtt_core::wire::{Filter, Publish, QoS, ReasonCode};
use mqtt_core::{Client, Error, Event, Message, Record};

use crate::{Job, RECEIVE, State, Task};

/// Topics of the device's own messages, by QoS.
const ECHO: &str = "device/echo";
const UP: [&str; 2] = ["device/up/1", "device/up/2"];
/// Tells the host that it may send, and that all was received.
const SAYS: &str = "device/says";
/// Topics of the host's messages.
const IN: &str = "device/in";
const DOWN: [&str; 2] = ["device/down/1", "device/down/2"];

/// So many messages are sent before as many are received, so that both directions are in use until
/// the end.
const AHEAD: u32 = 4;

/// How large streamed messages are.
const LARGE: usize = 4 * RECEIVE;

/// What is not as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// What.
    pub what: &'static str,
    /// A number that says more.
    pub number: u32,
}

impl Failure {
    /// The host's line says nothing that an image can do.
    pub const JOB: Self = Self::new("a command line that is none", 0);
    /// There is no memory that is kept.
    pub const KEPT: Self = Self::new("no memory is kept", 0);

    const fn new(what: &'static str, number: u32) -> Self {
        Self { what, number }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new("an error of the core", error.code().into())
    }
}

/// The device's application.
#[derive(Debug)]
pub struct Application {
    job: Job,
    /// What a journal keeps.
    pub state: State,
    /// How many numbered messages of QoS 2 were received. `state` has those that are recorded.
    received: u32,
    /// How many sessions were resumed.
    pub resumed: u32,
    /// How many messages of our own were received, by QoS.
    echoes: [u32; 3],
    /// How many messages of the host's were received, by QoS.
    inputs: [u32; 3],
    /// How many messages are through.
    published: u32,
    /// The message of which payload is being received, and how much of it was.
    stream: Option<(QoS, usize)>,
    /// How many pieces of payload there were.
    pub pieces: u32,
    /// What was published for [`Task::Exchange`].
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Nothing yet.
    Start,
    /// The first messages.
    Messages,
    /// All was received that should be, and the last message is on its way.
    End,
    /// The last message is back. There is nothing to say but PINGREQ.
    Silence,
    /// The host has seen one.
    Over,
}

impl Application {
    /// An application that goes on from this state.
    pub const fn new(job: Job, state: State) -> Self {
        Self {
            job,
            state,
            received: state.received[1],
            resumed: 0,
            echoes: [0; 3],
            inputs: [0; 3],
            published: 0,
            stream: None,
            pieces: 0,
            stage: Stage::Start,
        }
    }

    /// Deals with an event.
    ///
    /// # Errors
    /// It should not have happened.
    pub fn handle(&mut self, event: Event<'_>, client: &mut Client<'_>) -> Result<(), Failure> {
        match event {
            Event::Connected(connack) => self.connected(connack.session_present, client)?,
            Event::Subscribed(suback) => {
                if !suback.codes.into_iter().eq([ReasonCode::GrantedQoS2; 2]) {
                    return Err(Failure::new("subscriptions were turned down", 0));
                }
                if !self.state.is_subscribed {
                    self.state.is_subscribed = true;
                    client.publish(&Message::new(SAYS, b"ready").qos(QoS::AtLeastOnce))?;
                }
            }
            Event::Publish(publish) => return self.message(&publish),
            Event::PublishStart { publish, total } => {
                if publish.topic != IN || total != LARGE || self.stream.is_some() {
                    return Err(Failure::new("a stream that was not expected", 0));
                }
                self.stream = Some((publish.qos, 0));
            }
            Event::Payload { offset, data, last } => self.payload(offset, data, last)?,
            Event::Published(ack) if ack.code.is_error() => {
                return Err(Failure::new("a message was turned down", ack.code as u32));
            }
            Event::Published(_) => self.published += 1,
            // The request is made again.
            Event::Lost(_) if !self.state.is_subscribed => {}
            Event::Lost(id) => return Err(Failure::new("a message was lost", id.get().into())),
            Event::Refused(connack) => {
                return Err(Failure::new(
                    "the connection was refused",
                    connack.code as u32,
                ));
            }
            Event::Disconnected(disconnect) => {
                return Err(Failure::new("the server has left", disconnect.code as u32));
            }
            _ => {}
        }
        Ok(())
    }

    fn connected(&mut self, session_present: bool, client: &mut Client<'_>) -> Result<(), Failure> {
        if session_present {
            self.resumed += 1;
        } else if self.state.is_subscribed {
            return Err(Failure::new("the session was lost", self.resumed));
        }
        if !self.state.is_subscribed {
            let topics = match self.job.task {
                Task::Exchange | Task::Stream => [ECHO, IN],
                Task::Numbers | Task::Journal => DOWN,
            };
            client.subscribe(&topics.map(|topic| Filter::new(topic, QoS::ExactlyOnce)))?;
        }
        Ok(())
    }

    fn message(&mut self, publish: &Publish<'_>) -> Result<(), Failure> {
        let level = usize::from(publish.qos as u8);
        let (number, is_last) = number(publish.payload);
        match publish.topic {
            ECHO if publish.payload == b"end" => {
                // What comes before it was received before it.
                if self.echoes != [1; 3] || self.inputs != [1; 3] {
                    return Err(Failure::new("messages came twice", 0));
                }
                self.stage = Stage::Silence;
            }
            // The host says so after every PINGREQ.
            IN if publish.payload == b"over" => {
                if self.stage == Stage::Silence {
                    self.stage = Stage::Over;
                }
            }
            ECHO | IN if number != publish.qos as u32 => {
                return Err(Failure::new("a message at another QoS", number));
            }
            ECHO => self.echoes[level] += 1,
            IN => self.inputs[level] += 1,
            topic if topic == DOWN[0] && publish.qos == QoS::AtLeastOnce => {
                // Those that were not acknowledged come again.
                let next = self.state.received[0];
                if number > next {
                    return Err(Failure::new("a message of QoS 1 is missing", next));
                }
                self.state.received[0] = next.max(number + 1);
                if is_last {
                    self.state.total[0] = number + 1;
                }
            }
            topic if topic == DOWN[1] && publish.qos == QoS::ExactlyOnce => {
                if number > self.received {
                    return Err(Failure::new("a message of QoS 2 is missing", self.received));
                }
                if number < self.received {
                    return Err(Failure::new("a message of QoS 2 came again", number));
                }
                self.received += 1;
                if self.job.task == Task::Numbers {
                    self.state.received[1] = self.received;
                }
                if is_last {
                    self.state.total[1] = number + 1;
                }
            }
            _ => return Err(Failure::new("a message that was not expected", number)),
        }
        Ok(())
    }

    /// Writes the application's part of a record: that a message was received counts together with
    /// the message.
    pub fn note_record(&mut self, record: &Record<'_>) {
        if matches!(record, Record::Received(_)) {
            self.state.received[1] += 1;
        }
    }

    fn payload(&mut self, offset: usize, data: &[u8], last: bool) -> Result<(), Failure> {
        let Some((qos, len)) = &mut self.stream else {
            return Err(Failure::new("a payload of no message", 0));
        };
        let level = usize::from(*qos as u8);
        self.pieces += 1;
        if offset != *len {
            return Err(Failure::new("a payload with a gap", self.pieces));
        }
        let expected = (offset..).map(|at| (at * 31 + level * 7).to_le_bytes()[0]);
        if !data.iter().copied().eq(expected.take(data.len())) {
            return Err(Failure::new("another payload than was sent", self.pieces));
        }
        *len += data.len();
        if last != (*len == LARGE) {
            return Err(Failure::new("a payload of another length", self.pieces));
        }
        if last {
            self.inputs[level] += 1;
            self.stream = None;
        }
        Ok(())
    }

    /// Publishes what can be published now. To be called before anything is sent.
    ///
    /// # Errors
    /// It should have been possible.
    pub fn work(&mut self, client: &mut Client<'_>) -> Result<(), Failure> {
        if !self.state.is_subscribed || !client.is_connected() {
            return Ok(());
        }
        match self.job.task {
            Task::Exchange => self.exchange(client),
            Task::Stream => Ok(()),
            Task::Numbers | Task::Journal => self.numbers(client),
        }
    }

    fn exchange(&mut self, client: &mut Client<'_>) -> Result<(), Failure> {
        const LEVELS: [(QoS, &[u8]); 3] = [
            (QoS::AtMostOnce, b"0"),
            (QoS::AtLeastOnce, b"1"),
            (QoS::ExactlyOnce, b"2"),
        ];
        let all = |counts: [u32; 3]| counts.iter().all(|&count| count > 0);
        match self.stage {
            Stage::Start => {
                for (qos, payload) in LEVELS {
                    client.publish(&Message::new(ECHO, payload).qos(qos))?;
                }
                self.stage = Stage::Messages;
            }
            Stage::Messages if all(self.echoes) && all(self.inputs) && self.published == 3 => {
                client.publish(&Message::new(ECHO, b"end").qos(QoS::ExactlyOnce))?;
                self.stage = Stage::End;
            }
            _ => {}
        }
        Ok(())
    }

    /// Publishes the next number at each QoS.
    fn numbers(&mut self, client: &mut Client<'_>) -> Result<(), Failure> {
        for (n, qos) in [QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().enumerate() {
            let mut text = Text::default();
            let next = self.state.sent[n];
            if next < self.state.received[n] + AHEAD && client.send_quota() > 0 {
                let _ = write!(text, "{next}");
                match client.publish(&Message::new(UP[n], text.bytes()).qos(qos)) {
                    Ok(_) => self.state.sent[n] += 1,
                    Err(Error::Full(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// True if there is nothing left to do.
    pub fn is_done(&self, client: &Client<'_>) -> bool {
        if client.in_flight() > 0 {
            return false;
        }
        match self.job.task {
            Task::Exchange => self.stage == Stage::Over,
            Task::Stream => self.inputs == [1; 3] && self.published == 1,
            Task::Numbers | Task::Journal => {
                let State {
                    sent,
                    received,
                    total,
                    ..
                } = self.state;
                !total.contains(&0)
                    && received == total
                    && sent == received.map(|received| received + AHEAD)
            }
        }
    }
}

/// The number that a payload is, or one that none has, and whether it is the last.
fn number(payload: &[u8]) -> (u32, bool) {
    let (digits, is_last) = match payload.strip_suffix(b"!") {
        Some(digits) => (digits, true),
        None => (payload, false),
    };
    let number = core::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok());
    (number.unwrap_or(u32::MAX), is_last)
}

/// A number as text.
#[derive(Default)]
struct Text {
    digits: [u8; 10],
    len: usize,
}

impl Text {
    fn bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let end = self.len + text.len();
        let space = self.digits.get_mut(self.len..end).ok_or(core::fmt::Error)?;
        space.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
