//! `mqtt_client::tokio`, with its defaults but for the window.

use std::error::Error;
use std::thread;
use std::time::Duration;

use e2e::engine::{self, Seen};
use e2e::job::{Job, Outcome, Work};
use e2e::meter::Meter;
use e2e::ours::{config, endpoint, qos, window_len};
use e2e::pace::{Latencies, Schedule};
use e2e::{END, READY, TOPIC};
use mqtt_client::tokio::{Client, Gap, Options, Server};
use mqtt_client::{Message, QoS};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// How many messages are published between two looks at the clock.
const STRIDE: u64 = 32;

const FAREWELL: Duration = Duration::from_secs(10);

async fn publish(client: &Client, job: &Job, qos: QoS) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let message = Message::new(TOPIC, &payload).qos(qos);
    let mut sent = 0;
    let meter = Meter::start(job);
    while !meter.is_over() {
        for _ in 0..STRIDE {
            client.publish(&message).await?;
        }
        sent += STRIDE;
    }
    // When this is acknowledged, all QoS 0 before it has arrived.
    let end = Message::new(TOPIC, END).qos(QoS::AtLeastOnce);
    client.publish(&end).await?.await?;
    // Waits for what is not through.
    client.disconnect(FAREWELL).await?;
    Ok(meter.stop(sent))
}

async fn receive(client: &Client, job: &Job, qos: QoS) -> Result<Outcome, Box<dyn Error>> {
    let expected = job.payload();
    let mut seen = Seen::default();
    let mut missed = 0;
    let mut messages = client.subscribe(TOPIC, qos).await?;
    let meter = Meter::start(job);
    client.publish(&Message::new(TOPIC, READY)).await?;
    while !seen.is_over {
        let message = messages.recv().await.ok_or("the client is closed")?;
        match message {
            Ok(message) => seen.message(&message.payload, &expected)?,
            Err(Gap::Missed(n)) => missed += n,
            Err(gap) => return Err(gap.to_string().into()),
        }
        if job.work == Work::Slow {
            if meter.is_over() {
                break;
            }
            sleep(job.pause()).await;
        }
    }
    let outcome = meter.stop(seen.received);
    Ok(Outcome { missed, ..outcome })
}

/// A thread publishes, and a task waits for each message to be through.
async fn pace(client: &Client, job: &Job, qos: QoS) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let schedule = Schedule::start(job);
    let mut latencies = Latencies::new(schedule, job);
    let (sender, mut publications) = mpsc::unbounded_channel();
    let client = client.clone();
    let publisher = thread::spawn(move || {
        let message = Message::new(TOPIC, &payload).qos(qos);
        for n in 0.. {
            if !schedule.wait(n) {
                break;
            }
            let publication = client.try_publish(&message);
            if sender.send(publication).is_err() {
                break;
            }
        }
    });
    while let Some(publication) = publications.recv().await {
        publication?.await?;
        latencies.end();
    }
    let outcome = latencies.stop();
    publisher.join().map_err(|_| "the publisher panicked")?;
    Ok(outcome)
}

async fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let mut options = Options::default();
    match job.work {
        Work::Publish | Work::Latency => {
            options.max_in_flight = job.window;
            options.transmit_buffer += window_len(job);
        }
        // The server of 5.0 is told.
        Work::Receive | Work::Slow if job.level < 5 => options.receive_maximum = job.window,
        Work::Receive | Work::Slow => {}
    }
    let (endpoint, net) = endpoint(job)?;
    let client = Client::new(&config(job), [Server::at(endpoint, net)], options)?;
    client.connect().await?;
    let qos = qos(job.qos);
    match job.work {
        Work::Publish => publish(&client, job, qos).await,
        Work::Receive | Work::Slow => receive(&client, job, qos).await,
        Work::Latency => pace(&client, job, qos).await,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(|job| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(run(job))
    })
}
