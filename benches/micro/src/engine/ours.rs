//! `mqtt_core::Client`.

use mqtt_core::wire::{QoS, Version};
use mqtt_core::{Buffers, Client, Config, Event, HeapStorage, Instant, Message};

use super::{Engine, Received, Server, Setup, connack};

pub(super) struct Ours(Client<'static>);

/// A host says what time it is.
const NOW: Instant = Instant::from_millis(1000);

impl Ours {
    pub(super) fn new(setup: Setup) -> Self {
        let messages = usize::from(setup.window) * setup.packet_len;
        // A quarter, but no more than `MAX_CONTROL`, is for other packets.
        let tx = (messages + messages / 2).min(messages + Buffers::MAX_CONTROL) + 1024;
        // As long as the process: a client borrows its memory.
        let storage = Box::leak(Box::new(HeapStorage::new(0, tx, setup.window)));
        let config = Config {
            version: Version::from_u8(setup.version.level()).expect("it speaks both"),
            clean_start: false,
            session_expiry: u32::MAX,
            ..Config::new("bench")
        };
        let mut engine = Self(Client::new(config, storage.split().1));
        let server = &mut Server::default();
        engine.0.connect(NOW).expect("it is offline");
        engine.flush(server);
        engine.receive(connack(setup.version, false), server);
        assert!(engine.0.is_connected());
        engine
    }
}

impl Engine for Ours {
    fn publish(&mut self, qos: u8, topic: &str, payload: &[u8], _: &mut Server) {
        let qos = QoS::from_u8(qos).expect("a level");
        let message = Message::new(topic, payload).qos(qos);
        self.0.publish(&message).expect("there is room");
    }

    fn flush(&mut self, server: &mut Server) {
        loop {
            let bytes = self.0.transmit();
            if bytes.is_empty() {
                break;
            }
            server.take(bytes);
            let n = bytes.len();
            self.0.transmitted(n, NOW);
        }
    }

    fn receive(&mut self, mut input: &[u8], server: &mut Server) -> Received {
        let mut received = Received::default();
        loop {
            let step = self.0.process(input, NOW).expect("a good server");
            input = &input[step.consumed..];
            match step.event {
                Some(Event::Publish(publish)) => {
                    std::hint::black_box(publish);
                    received.messages += 1;
                }
                Some(Event::Published(_)) => received.published += 1,
                Some(_) => {}
                None if step.consumed > 0 => {}
                None if input.is_empty() => return received,
                // It wants to send first.
                None => self.flush(server),
            }
        }
    }

    fn in_flight(&self) -> Option<usize> {
        Some(self.0.in_flight().into())
    }

    fn reconnect(&mut self, server: &mut Server) {
        self.0.connection_lost();
        self.0.connect(NOW).expect("it is offline");
        self.flush(server);
    }
}
