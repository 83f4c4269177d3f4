//! What came of it: a table for people, JSON for programs.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use super::worker::{Done, Times, times};
use crate::args::BenchArgs;
use crate::failure::Failure;

/// The longest bar of the chart.
const WIDTH: u64 = 40;

#[derive(Debug)]
pub(super) struct Report<'a> {
    args: &'a BenchArgs,
    broker: &'a str,
    published: u64,
    publish_time: Duration,
    refused: u64,
    received: u64,
    receive_time: Duration,
    acknowledgement: Times,
    delivery: Times,
}

impl<'a> Report<'a> {
    pub(super) fn new(args: &'a BenchArgs, broker: &'a str) -> Self {
        Self {
            args,
            broker,
            published: 0,
            publish_time: Duration::ZERO,
            refused: 0,
            received: 0,
            receive_time: Duration::ZERO,
            acknowledgement: times(),
            delivery: times(),
        }
    }

    pub(super) fn add_published(&mut self, done: &Done) {
        self.published += done.messages;
        self.publish_time = self.publish_time.max(done.time);
        self.refused += done.refused;
        // Both are as exact, and the sum grows as it must.
        let _ = self.acknowledgement.add(&done.times);
    }

    pub(super) fn add_received(&mut self, done: &Done) {
        self.received += done.messages;
        self.receive_time = self.receive_time.max(done.time);
        let _ = self.delivery.add(&done.times);
    }

    pub(super) fn print(&self, is_interrupted: bool) -> Result<(), Failure> {
        let figures = self.figures(is_interrupted);
        let text = if self.args.json {
            let json = serde_json::to_string_pretty(&figures);
            json.map_err(|error| Failure::new(format!("Could not print the figures: {error}.")))?
        } else {
            self.text(&figures)
        };
        let printed = writeln!(io::stdout().lock(), "{text}");
        match printed {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(format!(
                "Could not print the figures: {error}."
            ))),
            _ => Ok(()),
        }
    }

    fn figures(&self, is_interrupted: bool) -> Figures<'_> {
        let expected = (self.published - self.refused) * u64::from(self.args.subscribers);
        let latency = |times: &Times| (!times.is_empty()).then(|| Latency::new(times));
        Figures {
            broker: self.broker,
            mqtt: self.args.protocol_version.to_string(),
            qos: self.args.qos as u8,
            size: self.args.size,
            publishers: self.args.publishers,
            subscribers: self.args.subscribers,
            rate: self.args.rate,
            interrupted: is_interrupted,
            published: Flow::new(self.published, self.publish_time, self.args.size),
            refused: self.refused,
            received: Flow::new(self.received, self.receive_time, self.args.size),
            expected,
            lost: expected.saturating_sub(self.received),
            latency_us: Latencies {
                delivery: latency(&self.delivery),
                acknowledgement: latency(&self.acknowledgement),
            },
        }
    }

    fn text(&self, figures: &Figures<'_>) -> String {
        let mut text = format!(
            "MQTT {} at QoS {}, {} bytes, {} to {}, by way of {}\n\n\
             {:<15}{:>12}{:>12}{:>14}{:>16}",
            figures.mqtt,
            figures.qos,
            HumanCount(figures.size.into()),
            plural(figures.publishers, "publisher"),
            plural(figures.subscribers, "subscriber"),
            figures.broker,
            "",
            "messages",
            "seconds",
            "messages/s",
            "payload/s"
        );
        for (name, flow) in [
            ("published", &figures.published),
            ("received", &figures.received),
        ] {
            text.push_str(&format!(
                "\n{name:<15}{:>12}{:>12.3}{:>14}{:>16}",
                HumanCount(flow.messages).to_string(),
                flow.seconds,
                HumanCount(flow.messages_per_second).to_string(),
                HumanBytes(flow.bytes_per_second).to_string()
            ));
        }
        for (name, count) in [("lost", figures.lost), ("refused", figures.refused)] {
            if count > 0 {
                text.push_str(&format!(
                    "\n{name:<15}{:>12}",
                    HumanCount(count).to_string()
                ));
            }
        }
        let rows: Vec<_> = [
            ("delivery", &figures.latency_us.delivery),
            ("acknowledgement", &figures.latency_us.acknowledgement),
        ]
        .into_iter()
        .filter_map(|(name, latency)| Some((name, latency.as_ref()?)))
        .collect();
        if !rows.is_empty() {
            let heads = ["p50", "p90", "p99", "p99.9", "max"].map(|head| format!("{head:>11}"));
            text.push_str(&format!("\n\n{:<15}{}", "latency", heads.concat()));
        }
        for (name, latency) in rows {
            let all = [
                latency.p50,
                latency.p90,
                latency.p99,
                latency.p99_9,
                latency.max,
            ];
            let all = all.map(|us| format!("{:>11}", duration(us)));
            text.push_str(&format!("\n{name:<15}{}", all.concat()));
        }
        if !self.delivery.is_empty() {
            text.push_str("\n\ndelivery within");
            text.push_str(&chart(&self.delivery));
        } else if !self.acknowledgement.is_empty() {
            text.push_str("\n\nacknowledgement within");
            text.push_str(&chart(&self.acknowledgement));
        }
        if figures.interrupted {
            text.push_str("\n\ninterrupted");
        }
        text
    }
}

fn plural(count: u16, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Microseconds, for people.
fn duration(us: f64) -> String {
    match us {
        ..1e3 => format!("{us:.1} µs"),
        ..1e6 => format!("{:.2} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

/// A bar for each doubling of the time.
fn chart(times: &Times) -> String {
    let octaves = times.min().max(1).ilog2()..=times.max().ilog2();
    let rows: Vec<_> = octaves
        .map(|octave| {
            let low = 1_u64 << octave;
            let end = low.saturating_mul(2);
            (end, times.count_between(low, end - 1))
        })
        .collect();
    let most = rows
        .iter()
        .map(|row| row.1)
        .max()
        .unwrap_or_default()
        .max(1);
    let mut text = String::new();
    for (end, count) in rows {
        let bar = "█".repeat(usize::try_from(count * WIDTH / most).unwrap_or_default());
        #[expect(clippy::cast_precision_loss, reason = "these are for people")]
        let (us, percent) = (end as f64 / 1e3, count as f64 * 100.0 / times.len() as f64);
        text.push_str(&format!("\n{:>15}  {percent:>5.1} %  {bar}", duration(us)));
        text.truncate(text.trim_end().len());
    }
    text
}

#[derive(Serialize)]
struct Figures<'a> {
    broker: &'a str,
    mqtt: String,
    qos: u8,
    size: u32,
    publishers: u16,
    subscribers: u16,
    /// Of each publisher, as it was demanded.
    rate: Option<f64>,
    interrupted: bool,
    published: Flow,
    /// How many messages the broker has turned down.
    refused: u64,
    received: Flow,
    /// How many messages there were to receive, by all subscribers together.
    expected: u64,
    lost: u64,
    latency_us: Latencies,
}

#[derive(Serialize)]
struct Flow {
    messages: u64,
    seconds: f64,
    messages_per_second: u64,
    bytes_per_second: u64,
}

impl Flow {
    fn new(messages: u64, time: Duration, size: u32) -> Self {
        let per_second = |n: u128| {
            let nanos = time.as_nanos().max(1);
            u64::try_from(n * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
        };
        Self {
            messages,
            seconds: time.as_secs_f64(),
            messages_per_second: per_second(messages.into()),
            bytes_per_second: per_second(u128::from(messages) * u128::from(size)),
        }
    }
}

#[derive(Serialize)]
struct Latencies {
    /// From publishing to receiving.
    delivery: Option<Latency>,
    /// From publishing to PUBACK or PUBCOMP.
    acknowledgement: Option<Latency>,
}

/// Microseconds.
#[derive(Serialize)]
struct Latency {
    min: f64,
    mean: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    p99_9: f64,
    max: f64,
}

impl Latency {
    fn new(times: &Times) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "the times are not as exact")]
        let us = |nanos: u64| nanos as f64 / 1e3;
        let at = |quantile| us(times.value_at_quantile(quantile));
        Self {
            min: us(times.min()),
            mean: times.mean() / 1e3,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p99_9: at(0.999),
            max: us(times.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts() {
        let mut times = times();
        for (nanos, count) in [(1500, 10), (3000, 20), (9000, 10)] {
            times.record_n(nanos, count).unwrap();
        }
        let expected = [
            "         2.0 µs   25.0 %  ████████████████████",
            "         4.1 µs   50.0 %  ████████████████████████████████████████",
            "         8.2 µs    0.0 %",
            "        16.4 µs   25.0 %  ████████████████████",
        ];
        assert_eq!(chart(&times), format!("\n{}", expected.join("\n")));
    }

    #[test]
    fn durations() {
        assert_eq!(duration(12.34), "12.3 µs");
        assert_eq!(duration(12_340.0), "12.34 ms");
        assert_eq!(duration(1_500_000.0), "1.50 s");
    }
}
