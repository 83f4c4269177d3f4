//! rumqttc's `MqttState` and codec, driven as its event loop drives them. It asks for the time of day
//! with each packet.

use bytes::{Bytes, BytesMut};

use super::{Engine, Received, Server, Setup};

/// Longer than any packet here.
const MAX: usize = 1 << 20;

/// An engine over the types of one version.
macro_rules! engine {
    ($engine:ident, $max:expr, $($item:item)*) => {
        pub(super) mod $engine {
            use super::*;

            $($item)*

            pub(in crate::engine) struct Peer {
                state: MqttState,
                tx: BytesMut,
                rx: BytesMut,
                /// What is to be sent again once the server has accepted the connection.
                pending: Vec<Request>,
            }

            impl Peer {
                pub(in crate::engine) fn new(setup: Setup) -> Self {
                    Self {
                        state: MqttState::new(setup.window, false),
                        tx: BytesMut::with_capacity(16 << 10),
                        rx: BytesMut::with_capacity(16 << 10),
                        pending: Vec::new(),
                    }
                }

                fn send(&mut self, packet: Packet, server: &mut Server) {
                    self.tx.clear();
                    packet.write(&mut self.tx, $max).expect("a packet");
                    server.take(&self.tx);
                }

                fn request(&mut self, request: Request, server: &mut Server) {
                    let packet = self.state.handle_outgoing_packet(request).expect("in order");
                    self.send(packet.expect("there is room"), server);
                    self.state.events.clear();
                }
            }

            impl Engine for Peer {
                /// It leaves the bit out of what it sends again.
                const SETS_DUP: bool = false;

                fn publish(&mut self, qos: u8, topic: &str, payload: &[u8], server: &mut Server) {
                    let qos = match qos {
                        1 => QoS::AtLeastOnce,
                        _ => QoS::ExactlyOnce,
                    };
                    self.request(Request::Publish(message(topic, qos, payload)), server);
                }

                fn flush(&mut self, _: &mut Server) {}

                fn receive(&mut self, input: &[u8], server: &mut Server) -> Received {
                    let mut received = Received::default();
                    self.rx.extend_from_slice(input);
                    while !self.rx.is_empty() {
                        let packet = Packet::read(&mut self.rx, $max).expect("a good server");
                        if matches!(packet, Packet::ConnAck(_)) {
                            for request in std::mem::take(&mut self.pending) {
                                self.request(request, server);
                            }
                            continue;
                        }
                        let answer = self.state.handle_incoming_packet(packet).expect("in order");
                        if let Some(packet) = answer {
                            self.send(packet, server);
                        }
                        while let Some(event) = self.state.events.pop_front() {
                            match std::hint::black_box(event) {
                                Event::Incoming(Packet::Publish(_)) => received.messages += 1,
                                Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => {
                                    received.published += 1;
                                }
                                _ => {}
                            }
                        }
                    }
                    received
                }

                fn in_flight(&self) -> Option<usize> {
                    Some(self.state.inflight().into())
                }

                fn reconnect(&mut self, server: &mut Server) {
                    self.pending = self.state.clean();
                    self.send(connect(), server);
                }
            }
        }
    };
}

engine! { v4, MAX,
    use ::rumqttc::{Connect, Event, MqttState, Packet, Publish, QoS, Request};

    fn message(topic: &str, qos: QoS, payload: &[u8]) -> Publish {
        Publish::new(topic, qos, payload)
    }

    fn connect() -> Packet {
        Packet::Connect(Connect::new("bench"))
    }
}

engine! { v5, Some(MAX as u32),
    use ::rumqttc::v5::mqttbytes::QoS;
    use ::rumqttc::v5::mqttbytes::v5::{Connect, Packet, Publish};
    use ::rumqttc::v5::{Event, MqttState, Request};

    fn message(topic: &str, qos: QoS, payload: &[u8]) -> Publish {
        Publish::new(topic, qos, Bytes::copy_from_slice(payload), None)
    }

    fn connect() -> Packet {
        let connect = Connect {
            keep_alive: 60,
            client_id: "bench".to_owned(),
            clean_start: false,
            properties: None,
        };
        Packet::Connect(connect, None, None)
    }
}
