//! `mqtt-core` in a plain loop.

use std::error::Error;

use e2e::TOPIC;
use e2e::engine::{self, Engine, Seen};
use e2e::job::{Job, Outcome};
use e2e::ours::{config, qos, window_len};
use mqtt_core::wire::Filter;
use mqtt_core::{Client, Clock, Event, HeapStorage, Message, RxBuf};

struct Core<'b> {
    client: Client<'b>,
    rx: RxBuf<'b>,
    clock: Clock,
    expected: Vec<u8>,
}

impl Engine for Core<'_> {
    fn connect(&mut self) -> Result<(), Box<dyn Error>> {
        Ok(self.client.connect(self.clock.now())?)
    }

    fn subscribe(&mut self, level: u8) -> Result<(), Box<dyn Error>> {
        self.client.subscribe(&[Filter::new(TOPIC, qos(level))])?;
        Ok(())
    }

    fn publish(&mut self, level: u8, payload: &[u8]) -> Result<bool, Box<dyn Error>> {
        let message = Message::new(TOPIC, payload).qos(qos(level));
        match self.client.publish(&message) {
            Ok(_) => Ok(true),
            Err(mqtt_core::Error::Full(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn output(&mut self) -> &[u8] {
        self.client.transmit()
    }

    fn written(&mut self, n: usize) {
        self.client.transmitted(n, self.clock.now());
    }

    fn space(&mut self) -> &mut [u8] {
        self.rx.space()
    }

    fn filled(&mut self, n: usize, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        self.rx.filled(n);
        let now = self.clock.now();
        while let Some(event) = self.rx.poll(&mut self.client, now)? {
            match event {
                Event::Publish(publish) => seen.message(publish.payload, &self.expected)?,
                Event::Published(_) => seen.published += 1,
                Event::Connected(_) | Event::Subscribed(_) => seen.answers += 1,
                Event::Writable => {}
                other => return Err(format!("{other:?}").into()),
            }
        }
        Ok(())
    }
}

fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let mut storage = HeapStorage::new(64 * 1024, 64 * 1024 + window_len(job), job.window);
    let (rx, buffers) = storage.split();
    let core = Core {
        client: Client::new(config(job), buffers),
        rx,
        clock: Clock::new(),
        expected: job.payload(),
    };
    engine::run(core, job)
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(run)
}
