//! `mqtt5`: at QoS 0 one task that publishes, above as many as the window, each waiting for its
//! message.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use e2e::engine::{self, is_expected};
use e2e::job::{Job, Outcome, Transport, Work};
use e2e::meter::Meter;
use e2e::pace::{Latencies, Schedule};
use e2e::socket::HOST;
use e2e::{CLIENT_ID, END, READY, TOPIC};
use mqtt5::transport::tls::TlsConfig;
use mqtt5::{ConnectOptions, MqttClient, ProtocolVersion, QoS, SubscribeOptions};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::{Notify, mpsc};

/// How many messages are published between two looks at the clock.
const STRIDE: u64 = 32;

async fn publish(client: MqttClient, job: &Job, qos: QoS) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let meter = Meter::start(job);
    let mut sent = 0;
    if job.qos == 0 {
        while !meter.is_over() {
            for _ in 0..STRIDE {
                client.publish_qos0(TOPIC, payload.clone()).await?;
            }
            sent += STRIDE;
        }
        // When this is acknowledged, all before it has arrived.
        client.publish_qos1(TOPIC, END).await?;
        return Ok(meter.stop(sent));
    }
    let tasks: Vec<_> = (0..job.window)
        .map(|_| {
            let (client, payload) = (client.clone(), payload.clone());
            tokio::spawn(async move {
                let mut sent = 0;
                loop {
                    client.publish_qos(TOPIC, payload.clone(), qos).await?;
                    sent += 1;
                    if meter.is_over() {
                        return Ok::<_, mqtt5::MqttError>(sent);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        sent += task.await??;
    }
    Ok(meter.stop(sent))
}

async fn receive(client: MqttClient, job: &Job, qos: QoS) -> Result<Outcome, Box<dyn Error>> {
    let received = Arc::new(AtomicU64::new(0));
    let over = Arc::new(Notify::new());
    let options = SubscribeOptions {
        qos,
        ..SubscribeOptions::default()
    };
    let callback = {
        let (received, over, expected) = (Arc::clone(&received), Arc::clone(&over), job.payload());
        let (pause, is_slow) = (job.pause(), job.work == Work::Slow);
        move |message: mqtt5::Message| {
            if is_expected(&message.payload, &expected) {
                received.fetch_add(1, Ordering::Relaxed);
            } else if message.payload == END {
                over.notify_one();
            }
            if is_slow {
                thread::sleep(pause);
            }
        }
    };
    client
        .subscribe_with_options(TOPIC, options, callback)
        .await?;
    let meter = Meter::start(job);
    client.publish_qos0(TOPIC, READY).await?;
    match job.work {
        Work::Slow => tokio::time::sleep(job.duration()).await,
        _ => over.notified().await,
    }
    Ok(meter.stop(received.load(Ordering::Relaxed)))
}

/// A thread says when, and a task for each message publishes it.
async fn pace(client: MqttClient, job: &Job, qos: QoS) -> Result<Outcome, Box<dyn Error>> {
    let payload = job.payload();
    let schedule = Schedule::start(job);
    let latencies = Arc::new(Mutex::new(Latencies::new(schedule, job)));
    let (sender, mut due) = mpsc::unbounded_channel();
    let publisher = thread::spawn(move || {
        for n in 0.. {
            if !schedule.wait(n) || sender.send(()).is_err() {
                break;
            }
        }
    });
    let mut tasks = Vec::with_capacity(schedule.messages as usize);
    while due.recv().await.is_some() {
        let (client, payload) = (client.clone(), payload.clone());
        let latencies = Arc::clone(&latencies);
        tasks.push(tokio::spawn(async move {
            client.publish_qos(TOPIC, payload, qos).await?;
            latencies.lock().expect("nobody panics").end();
            Ok::<_, mqtt5::MqttError>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    publisher.join().map_err(|_| "the publisher panicked")?;
    let latencies = Arc::into_inner(latencies).ok_or("a task is left")?;
    Ok(latencies.into_inner()?.stop())
}

async fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let version = match job.level {
        5 => ProtocolVersion::V5,
        _ => ProtocolVersion::V311,
    };
    let options = ConnectOptions::new(CLIENT_ID)
        .with_keep_alive(Duration::from_secs(60))
        .with_protocol_version(version);
    let client = MqttClient::with_options(options);
    match job.transport {
        Transport::Tcp => {
            client
                .connect(&format!("mqtt://127.0.0.1:{}", job.port))
                .await?
        }
        Transport::Ws => {
            client
                .connect(&format!("ws://127.0.0.1:{}/", job.port))
                .await?
        }
        Transport::Tls => {
            let address = ([127, 0, 0, 1], job.port).into();
            let roots = vec![CertificateDer::from_pem_file(&job.ca)?];
            let config = TlsConfig::new(address, HOST)
                .with_system_roots(false)
                .with_root_certs(roots);
            client.connect_with_tls(config).await?;
        }
    }
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(job.qos)];
    match job.work {
        Work::Publish => publish(client, job, qos).await,
        Work::Receive | Work::Slow => receive(client, job, qos).await,
        Work::Latency => pace(client, job, qos).await,
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(|job| {
        // A callback that sleeps must not hold up everything.
        let mut builder = match job.work {
            Work::Slow => tokio::runtime::Builder::new_multi_thread(),
            _ => tokio::runtime::Builder::new_current_thread(),
        };
        builder.enable_all().build()?.block_on(run(job))
    })
}
