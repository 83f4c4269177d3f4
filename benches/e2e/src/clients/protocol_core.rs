//! `mqtt-protocol-core` in the same loop as `mqtt-core`.

use std::error::Error;
use std::sync::Arc;

use e2e::engine::{self, Engine, Seen};
use e2e::job::{Job, Outcome};
use e2e::{CLIENT_ID, TOPIC};
use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{Connection, Event, role};
use mqtt_protocol_core::mqtt::packet::{
    GenericPacketTrait as _, Packet, Qos, SubEntry, SubOpts, v3_1_1, v5_0,
};

/// As much as is queued before it is written.
const BATCH: usize = 64 * 1024;

struct Core {
    connection: Connection<role::Client>,
    is_v5: bool,
    output: Vec<u8>,
    written: usize,
    input: Box<[u8]>,
    /// The payload as the API takes it without a copy.
    payload: Arc<[u8]>,
    expected: Vec<u8>,
}

fn qos(qos: u8) -> Qos {
    [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][usize::from(qos)]
}

impl Core {
    fn new(job: &Job) -> Self {
        let is_v5 = job.level == 5;
        let version = if is_v5 {
            Version::V5_0
        } else {
            Version::V3_1_1
        };
        let mut connection = Connection::new(version);
        connection.set_auto_pub_response(true);
        Self {
            connection,
            is_v5,
            output: Vec::with_capacity(2 * BATCH),
            written: 0,
            input: vec![0; BATCH].into(),
            payload: job.payload().into(),
            expected: job.payload(),
        }
    }

    fn handle(&mut self, events: Vec<Event>, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        for event in events {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.output
                        .extend_from_slice(&packet.to_continuous_buffer());
                }
                Event::NotifyPacketReceived(packet) => match packet {
                    Packet::V3_1_1Publish(publish) => {
                        seen.message(publish.payload().as_slice(), &self.expected)?;
                    }
                    Packet::V5_0Publish(publish) => {
                        seen.message(publish.payload().as_slice(), &self.expected)?;
                    }
                    Packet::V3_1_1Puback(_)
                    | Packet::V5_0Puback(_)
                    | Packet::V3_1_1Pubcomp(_)
                    | Packet::V5_0Pubcomp(_) => seen.published += 1,
                    Packet::V3_1_1Connack(_)
                    | Packet::V5_0Connack(_)
                    | Packet::V3_1_1Suback(_)
                    | Packet::V5_0Suback(_) => seen.answers += 1,
                    _ => {}
                },
                Event::NotifyError(error) => return Err(format!("{error:?}").into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Builds a packet of the version that is spoken, and sends it.
macro_rules! send {
    ($core:expr, $module:ident => $build:expr) => {{
        let events = if $core.is_v5 {
            use v5_0 as $module;
            $core.connection.checked_send($build)
        } else {
            use v3_1_1 as $module;
            $core.connection.checked_send($build)
        };
        $core.handle(events, &mut Seen::default())
    }};
}

/// Errors of this package are not all `std::error::Error`.
fn plain(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

impl Engine for Core {
    fn connect(&mut self) -> Result<(), Box<dyn Error>> {
        send!(self, version => {
            let connect = version::Connect::builder().client_id(CLIENT_ID).map_err(plain)?;
            connect.keep_alive(60).build().map_err(plain)?
        })
    }

    fn subscribe(&mut self, level: u8) -> Result<(), Box<dyn Error>> {
        let id = self.connection.acquire_packet_id().map_err(plain)?;
        let options = SubOpts::new().set_qos(qos(level));
        let entry = SubEntry::new(TOPIC, options).map_err(plain)?;
        send!(self, version => {
            let subscribe = version::Subscribe::builder().packet_id(id);
            subscribe.entries(vec![entry]).build().map_err(plain)?
        })
    }

    fn publish(&mut self, level: u8, payload: &[u8]) -> Result<bool, Box<dyn Error>> {
        if level == 0 && self.output.len() - self.written >= BATCH {
            return Ok(false);
        }
        let payload = if payload.len() == self.payload.len() {
            Arc::clone(&self.payload)
        } else {
            payload.into()
        };
        let id = match level {
            0 => None,
            _ => Some(self.connection.acquire_packet_id().map_err(plain)?),
        };
        send!(self, version => {
            let publish = version::Publish::builder().topic_name(TOPIC).map_err(plain)?;
            let publish = publish.qos(qos(level)).payload(payload);
            let publish = match id {
                Some(id) => publish.packet_id(id),
                None => publish,
            };
            publish.build().map_err(plain)?
        })?;
        Ok(true)
    }

    fn output(&mut self) -> &[u8] {
        &self.output[self.written..]
    }

    fn written(&mut self, n: usize) {
        self.written += n;
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.input
    }

    fn filled(&mut self, n: usize, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        let input = std::mem::take(&mut self.input);
        let mut cursor = Cursor::new(&input[..n]);
        while cursor.position() < n as u64 {
            let events = self.connection.recv(&mut cursor);
            self.handle(events, seen)?;
        }
        self.input = input;
        Ok(())
    }
}

fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    engine::run(Core::new(job), job)
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(run)
}
