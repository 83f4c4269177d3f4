//! A server's bytes, in any pieces.

use mqtt_core::wire::{Auth, Filter, List, Packet, Property, QoS, ReasonCode, Version};
use mqtt_core::{Client, Error, Event, Instant, Message, RxBuf};

use super::{Memory, RX, config};
use crate::framer::Side;
use crate::input::{Cuts, head, version};

/// What a client makes of a server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Outcome {
    events: Vec<String>,
    /// The packets sent, in an order that does not depend on when they were.
    sent: Vec<Vec<u8>>,
    error: Option<Error>,
    is_over: bool,
    /// What the application holds of a message that comes in pieces.
    streamed: Vec<u8>,
    in_flight: u16,
    quota: u16,
}

/// Version, options, a seed for cuts, then what is received.
pub(crate) fn bytes(data: &[u8]) {
    let ([level, options, seed], stream) = head(data);
    let version = version(level);
    let whole = hear(version, options, stream, Cuts::Whole);
    for cuts in Cuts::all(seed) {
        assert_same(&hear(version, options, stream, cuts.clone()), &whole);
        // The same in a receive buffer, which moves what it holds.
        assert_same(&hear_buffered(version, options, stream, cuts), &whole);
    }
}

/// All but acknowledgements that were due when the connection ended: they are not sent any more, and
/// whether they were before depends on when that was.
fn assert_same(cut: &Outcome, whole: &Outcome) {
    let sent = |outcome: &Outcome| {
        let is_due = |packet: &&Vec<u8>| !whole.is_over || !matches!(packet[0] >> 4, 4..=7);
        outcome
            .sent
            .iter()
            .filter(is_due)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(sent(cut), sent(whole));
    let rest = |outcome: &Outcome| Outcome {
        sent: Vec::new(),
        ..outcome.clone()
    };
    assert_eq!(rest(cut), rest(whole));
}

const NOW: Instant = Instant::from_millis(1_000);

/// An application, and all that was sent for it.
struct Host {
    outcome: Outcome,
    output: Vec<u8>,
    manual: bool,
    is_lent: bool,
}

impl Host {
    fn new(options: u8) -> Self {
        Self {
            outcome: Outcome::default(),
            output: Vec::new(),
            manual: options & 4 != 0,
            is_lent: options & 16 != 0,
        }
    }

    /// Sends all there is.
    fn flush(&mut self, client: &mut Client<'_>) {
        loop {
            let bytes = client.transmit();
            let mut n = bytes.len();
            self.output.extend_from_slice(bytes);
            if n == 0 {
                let Some(lent) = client.payload() else {
                    break;
                };
                n = lent.left;
                self.output.resize(self.output.len() + n, 7);
            }
            client.transmitted(n, NOW);
        }
    }

    fn event(&mut self, client: &mut Client<'_>, event: &Event<'_>) {
        match *event {
            // Where the payload is cut is not promised.
            Event::Payload { offset, data, last } => {
                assert_eq!(offset, self.outcome.streamed.len());
                self.outcome.streamed.extend_from_slice(data);
                if last {
                    let payload = std::mem::take(&mut self.outcome.streamed);
                    self.outcome.events.push(format!("{payload:?}"));
                }
                return;
            }
            Event::Connected(_) => {
                // One request of each kind waits for its answer.
                let message = Message::new("a", b"1");
                for level in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    let _ = client.publish(&message.qos(level));
                }
                if self.is_lent {
                    let _ = client.publish_lent(&message.qos(QoS::AtLeastOnce), 40);
                }
                let _ = client.subscribe(&[Filter::new("b", QoS::AtLeastOnce)]);
                let _ = client.unsubscribe(&["c", "d"]);
            }
            Event::Publish(publish) => {
                let topic = client.topic(&publish);
                assert!(!topic.is_empty());
                self.outcome.events.push(topic.into());
                if let Some(id) = publish.packet_id.filter(|_| self.manual) {
                    client.acknowledge(id).unwrap();
                }
            }
            Event::PublishStart { publish, total } => {
                assert!(publish.payload.is_empty() && total > 0);
                assert!(!client.topic(&publish).is_empty());
            }
            Event::Auth(auth) if auth.code == ReasonCode::ContinueAuthentication => {
                let properties = [Property::AuthenticationMethod("m")];
                let answer = Auth {
                    code: ReasonCode::ContinueAuthentication,
                    properties: List::from(&properties),
                };
                let _ = client.authenticate(&answer);
            }
            _ => {}
        }
        self.outcome.events.push(format!("{event:?}"));
        // What `Debug` does not show.
        let properties = match event {
            Event::Connected(connack) | Event::Refused(connack) => connack.properties,
            Event::Auth(auth) => auth.properties,
            _ => List::EMPTY,
        };
        for property in properties {
            if let Property::AuthenticationData(data) = property {
                self.outcome.events.push(format!("{data:?}"));
            }
        }
    }

    /// The end: everything that was said and is held.
    fn finish(mut self, client: &mut Client<'_>, version: Version, received: usize) -> Outcome {
        self.flush(client);
        assert!(self.outcome.error.is_none() || client.is_closed());
        // Beside what the application said, no more than an answer for each packet.
        assert!(self.output.len() <= 400 + 4 * received);
        assert!(self.outcome.events.len() <= 16 + 2 * received);
        self.outcome.sent = packets(&self.output, version);
        self.outcome.sent.sort();
        self.outcome.is_over = client.is_closed();
        self.outcome.in_flight = client.in_flight();
        self.outcome.quota = client.send_quota();
        self.outcome
    }
}

/// What was sent are whole packets of a client, the first of them CONNECT.
fn packets(mut bytes: &[u8], version: Version) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while let Some((packet, len)) = Packet::decode(bytes, version).expect("what we sent") {
        let is_first = packets.is_empty();
        assert_eq!(matches!(packet, Packet::Connect(_)), is_first);
        assert!(
            Side::Client
                .packets(version)
                .contains(&packet.packet_type())
        );
        packets.push(bytes[..len].to_vec());
        bytes = &bytes[len..];
    }
    assert!(bytes.is_empty(), "a packet that is not whole");
    packets
}

/// Shows the client what there is, more and more of it.
fn hear(version: Version, options: u8, stream: &[u8], mut cuts: Cuts) -> Outcome {
    let mut memory = Memory::new(0, 1024, 8, 4);
    let (_, buffers) = memory.split();
    let mut client = Client::new(config(version, options), buffers);
    let mut host = Host::new(options);
    client.connect(NOW).unwrap();
    host.flush(&mut client);
    let (mut from, mut to) = (0, 0);
    let mut idle = 0;
    'all: while to < stream.len() {
        to += cuts.next(stream.len() - to);
        loop {
            match client.process(&stream[from..to], NOW) {
                Ok(step) => {
                    assert!(step.consumed <= to - from);
                    from += step.consumed;
                    if let Some(event) = &step.event {
                        host.event(&mut client, event);
                    }
                    host.flush(&mut client);
                    if !step.is_progress() {
                        idle += 1;
                        break;
                    }
                }
                Err(error) => {
                    assert!(error.is_fatal());
                    host.outcome.error = Some(error);
                    break 'all;
                }
            }
        }
        assert!(idle <= stream.len());
    }
    host.finish(&mut client, version, stream.len())
}

/// The same through [`RxBuf`].
fn hear_buffered(version: Version, options: u8, mut stream: &[u8], mut cuts: Cuts) -> Outcome {
    let received = stream.len();
    let mut memory = Memory::new(RX, 1024, 8, 4);
    let (rx, buffers) = memory.split();
    let mut rx = RxBuf::new(rx);
    let mut client = Client::new(config(version, options), buffers);
    let mut host = Host::new(options);
    client.connect(NOW).unwrap();
    host.flush(&mut client);
    'all: while !stream.is_empty() {
        let space = rx.space();
        let n = cuts.next(stream.len()).min(space.len());
        space[..n].copy_from_slice(&stream[..n]);
        rx.filled(n);
        stream = &stream[n..];
        loop {
            match rx.poll(&mut client, NOW) {
                Ok(Some(event)) => {
                    host.event(&mut client, &event);
                    host.flush(&mut client);
                }
                Ok(None) => {
                    let is_idle = client.transmit().is_empty() && client.payload().is_none();
                    host.flush(&mut client);
                    if is_idle {
                        break;
                    }
                }
                Err(error) => {
                    host.outcome.error = Some(error);
                    break 'all;
                }
            }
        }
        // A server that is not heard any more is one that the protocol allows to wait.
        if n == 0 && rx.space().is_empty() {
            break;
        }
    }
    host.finish(&mut client, version, received)
}
