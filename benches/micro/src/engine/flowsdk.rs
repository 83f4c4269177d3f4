//! flowsdk's client without I/O.

use ::flowsdk::mqtt_client::{
    MqttClientOptions, MqttEvent, PortableNoIoMqttClient, PublishCommand,
};
use ::flowsdk::time::Timestamp;

use super::{Engine, Received, Server, Setup, connack};

pub(super) struct Flowsdk(PortableNoIoMqttClient);

/// A host says what time it is.
const NOW: Timestamp = Timestamp::ZERO;

impl Flowsdk {
    pub(super) fn new(setup: Setup) -> Self {
        let mut options = MqttClientOptions::builder()
            .mqtt_version(setup.version.level())
            .client_id("bench")
            .keep_alive(60)
            .auto_ack(true)
            .clean_start(!setup.is_kept)
            .receive_maximum(setup.window)
            // What it refuses beyond.
            .max_outgoing_packet_count(4 * usize::from(setup.window) + 16)
            .max_event_count(1 << 20);
        if setup.is_kept && setup.version.is_v5() {
            options = options.session_expiry_interval(u32::MAX);
        }
        let mut engine = Self(PortableNoIoMqttClient::new_at(options.build(), NOW));
        let server = &mut Server::default();
        engine.0.connect_at(NOW).expect("it is offline");
        engine.flush(server);
        engine.receive(connack(setup.version, false), server);
        assert!(engine.0.is_connected());
        engine
    }
}

impl Engine for Flowsdk {
    /// Each acknowledgement goes through a list of all messages in flight: a wave of 65,535 takes minutes.
    const MAX_WINDOW: u16 = 1024;

    fn publish(&mut self, qos: u8, topic: &str, payload: &[u8], _: &mut Server) {
        let command = PublishCommand::simple(topic, payload.to_vec(), qos, false);
        self.0.publish_at(command, NOW).expect("there is room");
    }

    fn flush(&mut self, server: &mut Server) {
        loop {
            let bytes = self.0.take_outgoing_at(NOW).expect("it is online");
            if bytes.is_empty() {
                break;
            }
            server.take(&bytes);
        }
    }

    fn receive(&mut self, input: &[u8], _: &mut Server) -> Received {
        let mut received = Received::default();
        let events = self
            .0
            .handle_incoming_at(input, NOW)
            .expect("a good server");
        for event in events {
            match event {
                MqttEvent::MessageReceived(message) => {
                    std::hint::black_box(message);
                    received.messages += 1;
                }
                MqttEvent::Published(_) => received.published += 1,
                MqttEvent::Error(error) => panic!("{error:?}"),
                _ => {}
            }
        }
        received
    }

    fn reconnect(&mut self, server: &mut Server) {
        self.0
            .handle_connection_lost_at(NOW)
            .expect("it was online");
        self.0.connect_at(NOW).expect("it is offline");
        self.flush(server);
    }
}
