//! `mqtt_client::blocking`.

use std::error::Error;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use e2e::engine::{self, Seen, readable};
use e2e::job::{Job, Outcome, Work};
use e2e::meter::Meter;
use e2e::ours::{config, endpoint, qos, window_len};
use e2e::pace::{Latencies, Schedule};
use e2e::{END, READY, TOPIC};
use mqtt_client::blocking::Client;
use mqtt_client::{Event, Filter, HeapStorage, Message, QoS, Stream, net};

const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// One turn, and what it brought; true if that was anything.
fn poll<S: Stream>(
    client: &mut Client<'_, S>,
    timeout: Option<Duration>,
    seen: &mut Seen,
    expected: &[u8],
) -> Result<bool, Box<dyn Error>>
where
    S::Error: 'static,
{
    match client.poll(timeout)? {
        Some((Event::Publish(publish), _)) => seen.message(publish.payload, expected)?,
        Some((Event::Published(_), _)) => seen.published += 1,
        Some((Event::Connected(_) | Event::Subscribed(_), _)) => seen.answers += 1,
        Some((Event::Writable, _)) => {}
        Some((other, _)) => return Err(format!("{other:?}").into()),
        None => return Ok(false),
    }
    Ok(true)
}

fn publish<S: Stream>(
    client: &mut Client<'_, S>,
    seen: &mut Seen,
    job: &Job,
) -> Result<Outcome, Box<dyn Error>>
where
    S::Error: 'static,
{
    let payload = job.payload();
    let message = Message::new(TOPIC, &payload).qos(qos(job.qos));
    let mut sent = 0;
    let meter = Meter::start(job);
    while !meter.is_over() {
        if job.qos == 0 {
            loop {
                match client.core().publish(&message) {
                    Ok(_) => sent += 1,
                    Err(mqtt_core::Error::Full(_)) => break,
                    Err(error) => return Err(error.into()),
                }
            }
            client.flush(WRITE_TIMEOUT)?;
            // What the server has to say, if anything.
            poll(client, Some(Duration::ZERO), seen, &[])?;
            continue;
        }
        // The clock is not asked for every message.
        for _ in 0..32 {
            while sent - seen.published < u64::from(job.window) {
                client.core().publish(&message)?;
                sent += 1;
            }
            poll(client, None, seen, &[])?;
        }
    }
    if job.qos == 0 {
        // When this is acknowledged, all before it has arrived.
        let end = Message::new(TOPIC, END).qos(QoS::AtLeastOnce);
        client.core().publish(&end)?;
    }
    let last = if job.qos == 0 { 1 } else { sent };
    while seen.published < last {
        poll(client, None, seen, &[])?;
    }
    Ok(meter.stop(sent))
}

fn receive<S: Stream>(
    client: &mut Client<'_, S>,
    seen: &mut Seen,
    job: &Job,
) -> Result<Outcome, Box<dyn Error>>
where
    S::Error: 'static,
{
    let expected = job.payload();
    client
        .core()
        .subscribe(&[Filter::new(TOPIC, qos(job.qos))])?;
    while seen.answers < 2 {
        poll(client, None, seen, &expected)?;
    }
    let meter = Meter::start(job);
    client.core().publish(&Message::new(TOPIC, READY))?;
    while !seen.is_over {
        poll(client, None, seen, &expected)?;
        if job.work == Work::Slow {
            if meter.is_over() {
                break;
            }
            thread::sleep(job.pause() * seen.take_news() as u32);
        }
    }
    Ok(meter.stop(seen.received))
}

/// The time-outs of a socket are too coarse for a schedule: this waits at the socket by itself.
fn pace<S: Stream>(
    client: &mut Client<'_, S>,
    tcp: &TcpStream,
    seen: &mut Seen,
    job: &Job,
) -> Result<Outcome, Box<dyn Error>>
where
    S::Error: 'static,
{
    let payload = job.payload();
    let message = Message::new(TOPIC, &payload).qos(qos(job.qos));
    let schedule = Schedule::start(job);
    let mut latencies = Latencies::new(schedule, job);
    let mut begun = 0;
    while !latencies.is_done() {
        let now = Instant::now();
        while begun < schedule.messages && schedule.at(begun) <= now {
            client.core().publish(&message)?;
            begun += 1;
        }
        client.flush(WRITE_TIMEOUT)?;
        let next = (begun < schedule.messages).then(|| schedule.at(begun));
        if readable(tcp, next)? {
            while poll(client, Some(Duration::ZERO), seen, &[])? {}
            latencies.end_until(seen.published);
        }
    }
    Ok(latencies.stop())
}

fn run(job: &Job) -> Result<Outcome, Box<dyn Error>> {
    let mut storage = HeapStorage::new(64 * 1024, 64 * 1024 + window_len(job), job.window);
    let (endpoint, options) = endpoint(job)?;
    let stream = net::connect(&endpoint, &options)?;
    let tcp = match &stream {
        net::Stream::Tcp(tcp) => Some(tcp.get_ref().try_clone()?),
        _ => None,
    };
    let mut client = Client::new(config(job), storage.split());
    client.connect(stream)?;
    let mut seen = Seen::default();
    while seen.answers == 0 {
        poll(&mut client, None, &mut seen, &[])?;
    }
    match job.work {
        Work::Publish => publish(&mut client, &mut seen, job),
        Work::Receive | Work::Slow => receive(&mut client, &mut seen, job),
        Work::Latency => {
            let tcp = tcp.ok_or("latency is measured over TCP alone")?;
            pace(&mut client, &tcp, &mut seen, job)
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    engine::main(run)
}
