//! mqtt-protocol-core's connection.

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait as _, Packet, Property, Qos, SessionExpiryInterval, v3_1_1, v5_0,
};
use mqtt_protocol_core::mqtt::{Connection, Version as PeerVersion, role};

use super::{Engine, Received, Server, Setup, connack};
use crate::packet::Version;

pub(super) struct ProtocolCore {
    connection: Connection<role::Client>,
    setup: Setup,
}

impl ProtocolCore {
    pub(super) fn new(setup: Setup) -> Self {
        let version = match setup.version {
            Version::V311 => PeerVersion::V3_1_1,
            Version::V5 => PeerVersion::V5_0,
        };
        let mut connection = Connection::new(version);
        connection.set_auto_pub_response(true);
        let mut engine = Self { connection, setup };
        let server = &mut Server::default();
        engine.connect(server);
        engine.receive(connack(setup.version, false), server);
        engine
    }

    fn connect(&mut self, server: &mut Server) {
        let is_clean = !self.setup.is_kept;
        let events = match self.setup.version {
            Version::V311 => {
                let builder = v3_1_1::Connect::builder()
                    .client_id("bench")
                    .expect("an id");
                let packet = builder.clean_start(is_clean).keep_alive(60).build();
                self.connection.checked_send(packet.expect("a packet"))
            }
            Version::V5 => {
                let builder = v5_0::Connect::builder().client_id("bench").expect("an id");
                let mut builder = builder.clean_start(is_clean).keep_alive(60);
                if self.setup.is_kept {
                    let expiry = SessionExpiryInterval::new(u32::MAX).expect("a time");
                    builder = builder.props(vec![Property::SessionExpiryInterval(expiry)]);
                }
                let packet = builder.build();
                self.connection.checked_send(packet.expect("a packet"))
            }
        };
        act(events, server);
    }
}

/// Does what is asked for, and counts what is told.
fn act(events: Vec<Event>, server: &mut Server) -> Received {
    let mut received = Received::default();
    for event in events {
        match event {
            Event::RequestSendPacket { packet, .. } => {
                server.take(&packet.to_continuous_buffer());
            }
            Event::NotifyPacketReceived(packet) => match packet {
                Packet::V3_1_1Publish(_) | Packet::V5_0Publish(_) => {
                    std::hint::black_box(packet);
                    received.messages += 1;
                }
                Packet::V3_1_1Puback(_)
                | Packet::V5_0Puback(_)
                | Packet::V3_1_1Pubcomp(_)
                | Packet::V5_0Pubcomp(_) => received.published += 1,
                _ => {}
            },
            Event::NotifyError(error) => panic!("{error:?}"),
            _ => {}
        }
    }
    received
}

impl Engine for ProtocolCore {
    fn publish(&mut self, qos: u8, topic: &str, payload: &[u8], server: &mut Server) {
        let qos = match qos {
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let id = self.connection.acquire_packet_id().expect("one is free");
        macro_rules! send {
            ($version:ident) => {{
                let builder = $version::Publish::builder()
                    .topic_name(topic)
                    .expect("a topic");
                let packet = builder.qos(qos).packet_id(id).payload(payload).build();
                self.connection.checked_send(packet.expect("a packet"))
            }};
        }
        let events = match self.setup.version {
            Version::V311 => send!(v3_1_1),
            Version::V5 => send!(v5_0),
        };
        act(events, server);
    }

    fn flush(&mut self, _: &mut Server) {}

    fn receive(&mut self, input: &[u8], server: &mut Server) -> Received {
        let mut received = Received::default();
        let mut input = Cursor::new(input);
        while (input.position() as usize) < input.get_ref().len() {
            let one = act(self.connection.recv(&mut input), server);
            received.messages += one.messages;
            received.published += one.published;
        }
        received
    }

    fn reconnect(&mut self, server: &mut Server) {
        act(self.connection.notify_closed(), server);
        self.connect(server);
    }
}
