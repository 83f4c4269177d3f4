//! `mqtt_client::tokio`, with its defaults but for the window.

use std::error::Error;
use std::time::Duration;

use e2e::engine::{self, Seen};
use e2e::job::{Job, Outcome, Work};
use e2e::meter::Meter;
use e2e::{CLIENT_ID, END, READY, TOPIC};
use mqtt_client::tokio::{Client, Options, Server};
use mqtt_client::{Config, Message, QoS, Version};
use transport_tcp::tokio::TcpStream;

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
    let mut messages = client.subscribe(TOPIC, qos).await?;
    let meter = Meter::start(job);
    client.publish(&Message::new(TOPIC, READY)).await?;
    while !seen.is_over {
        let message = messages.recv().await.ok_or("the client is closed")?;
        let message = message.map_err(|gap| gap.to_string())?;
        seen.message(&message.payload, &expected)?;
    }
    Ok(meter.stop(seen.received))
}

async fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let config = Config {
        version: if job.level == 5 {
            Version::V5
        } else {
            Version::V311
        },
        ..Config::new(CLIENT_ID)
    };
    let mut options = Options::default();
    match job.work {
        Work::Publish => {
            options.max_in_flight = job.window;
            // Room for a window of messages, at QoS 0 the default's.
            let window = usize::from(job.window) * usize::from(job.qos.min(1));
            options.transmit_buffer += window * (job.size + TOPIC.len() + 16) * 4 / 3;
        }
        // The server of 5.0 is told.
        Work::Receive if job.level < 5 => options.receive_maximum = job.window,
        Work::Receive => {}
    }
    let mut tcp = transport_tcp::Options::default();
    if let Some(nodelay) = job.nodelay {
        tcp.nodelay = nodelay;
    }
    let port = job.port;
    let server = Server::new("null broker", move || {
        let tcp = tcp.clone();
        async move {
            let stream = TcpStream::connect("127.0.0.1", port, &tcp).await?;
            Ok::<_, transport_tcp::ConnectError>(stream.into_inner())
        }
    });
    let client = Client::new(&config, [server], options)?;
    client.connect().await?;
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(job.qos)];
    match job.work {
        Work::Publish => publish(&client, job, qos).await,
        Work::Receive => receive(&client, job, qos).await,
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
