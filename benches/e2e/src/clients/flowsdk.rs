//! `flowsdk` without its input and output, in the same loop as `mqtt-core`.

use std::error::Error;

use e2e::engine::{self, Engine, Seen};
use e2e::job::{Job, Outcome};
use e2e::{CLIENT_ID, TOPIC};
use flowsdk::mqtt_client::{
    MqttClientOptions, MqttEvent, PortableNoIoMqttClient, PublishCommand, SubscribeCommand,
};
use flowsdk::time::Timestamp;
use mqtt_core::Clock;

/// As much as is queued before it is written.
const BATCH: usize = 64 * 1024;

struct Flow {
    client: PortableNoIoMqttClient,
    clock: Clock,
    /// The bytes of a message, about.
    message: usize,
    queued: usize,
    output: Vec<u8>,
    written: usize,
    input: Box<[u8]>,
    expected: Vec<u8>,
}

impl Flow {
    fn new(job: &Job) -> Self {
        let options = MqttClientOptions::builder()
            .mqtt_version(job.level)
            .client_id(CLIENT_ID)
            .auto_ack(true)
            // Its limits are not what is measured.
            .max_outgoing_packet_count(1 << 20)
            .max_event_count(1 << 20)
            .build();
        let clock = Clock::new();
        Self {
            client: PortableNoIoMqttClient::new_at(options, now(&clock)),
            clock,
            message: job.size + TOPIC.len() + 8,
            queued: 0,
            output: Vec::new(),
            written: 0,
            input: vec![0; BATCH].into(),
            expected: job.payload(),
        }
    }
}

fn now(clock: &Clock) -> Timestamp {
    Timestamp::from_nanos(clock.now().as_millis() * 1_000_000)
}

/// Errors of this package are not all `std::error::Error`.
fn plain(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

impl Engine for Flow {
    fn connect(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.client.connect_at(now(&self.clock)).map_err(plain)?)
    }

    fn subscribe(&mut self, qos: u8) -> Result<(), Box<dyn Error>> {
        let command = SubscribeCommand::single(TOPIC, qos);
        self.client
            .subscribe_at(command, now(&self.clock))
            .map_err(plain)?;
        Ok(())
    }

    fn publish(&mut self, qos: u8, payload: &[u8]) -> Result<bool, Box<dyn Error>> {
        if qos == 0 && self.queued >= BATCH {
            return Ok(false);
        }
        self.queued += self.message;
        let command = PublishCommand::simple(TOPIC, payload.to_vec(), qos, false);
        self.client
            .publish_at(command, now(&self.clock))
            .map_err(plain)?;
        Ok(true)
    }

    fn output(&mut self) -> &[u8] {
        if self.written == self.output.len() {
            self.written = 0;
            self.queued = 0;
            // It has no bytes only before it is connected.
            let output = self.client.take_outgoing_at(now(&self.clock));
            self.output = output.unwrap_or_default();
        }
        &self.output[self.written..]
    }

    fn written(&mut self, n: usize) {
        self.written += n;
    }

    fn space(&mut self) -> &mut [u8] {
        &mut self.input
    }

    fn filled(&mut self, n: usize, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        let input = &self.input[..n];
        let events = self
            .client
            .handle_incoming_at(input, now(&self.clock))
            .map_err(plain)?;
        for event in events {
            match event {
                MqttEvent::MessageReceived(message) => {
                    seen.message(&message.payload, &self.expected)?;
                }
                // At QoS 0 it says so of what it has queued.
                MqttEvent::Published(result) if result.qos > 0 => seen.published += 1,
                MqttEvent::Connected(_) | MqttEvent::Subscribed(_) => seen.answers += 1,
                MqttEvent::Published(_) | MqttEvent::PublishReceived { .. } => {}
                MqttEvent::PubRelReceived { .. } => {}
                _ => return Err("an unexpected event".into()),
            }
        }
        Ok(())
    }
}

fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    engine::run(Flow::new(job), job)
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(run)
}
