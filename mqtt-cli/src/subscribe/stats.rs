//! `--stats` of `mqtt sub`.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanCount};

/// So many topics are counted one by one, whatever a broker makes up.
const MAX_TOPICS: usize = 10_000;
/// So many topics are shown.
const TOP: usize = 10;

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    messages: u64,
    bytes: u64,
}

impl Count {
    const fn add(&mut self, len: usize) {
        self.messages += 1;
        self.bytes += len as u64;
    }

    const fn since(self, earlier: Self) -> Self {
        Self {
            messages: self.messages - earlier.messages,
            bytes: self.bytes - earlier.bytes,
        }
    }

    /// In a second.
    fn rate(self, time: Duration) -> String {
        let per_second = |n: u64| match time.as_nanos() {
            0 => 0,
            nanos => u64::try_from(u128::from(n) * 1_000_000_000 / nanos).unwrap_or(u64::MAX),
        };
        format!(
            "{} messages/s, {}/s",
            HumanCount(per_second(self.messages)),
            HumanBytes(per_second(self.bytes))
        )
    }
}

/// What has arrived.
#[derive(Debug)]
pub(super) struct Stats {
    started: Instant,
    total: Count,
    topics: HashMap<String, Count>,
    /// Topics beyond those.
    others: Count,
    every: Option<Duration>,
    /// When something was shown last, and what had arrived by then.
    shown: (Instant, Count),
}

impl Stats {
    pub(super) fn new(every: Option<Duration>, now: Instant) -> Self {
        Self {
            started: now,
            total: Count::default(),
            topics: HashMap::new(),
            others: Count::default(),
            every,
            shown: (now, Count::default()),
        }
    }

    pub(super) fn add(&mut self, topic: &str, len: usize) {
        self.total.add(len);
        let is_full = self.topics.len() >= MAX_TOPICS;
        match self.topics.get_mut(topic) {
            Some(count) => count.add(len),
            None if is_full => self.others.add(len),
            None => self.topics.entry(topic.to_owned()).or_default().add(len),
        }
    }

    /// Shows the rate since the last time, if it is time for that.
    pub(super) fn show_if_due(&mut self, now: Instant) {
        let (at, before) = self.shown;
        let time = now.saturating_duration_since(at);
        if self.every.is_none_or(|every| time < every) {
            return;
        }
        show(&format!(
            "{:>6} s: {}; {} messages in all",
            now.saturating_duration_since(self.started).as_secs(),
            self.total.since(before).rate(time),
            HumanCount(self.total.messages),
        ));
        self.shown = (now, self.total);
    }

    /// Shows everything.
    pub(super) fn show_all(&self, now: Instant) {
        show(&self.text(now.saturating_duration_since(self.started)));
    }

    fn text(&self, time: Duration) -> String {
        let mut text = format!(
            "{} messages, {} in {:.1} s: {}",
            HumanCount(self.total.messages),
            HumanBytes(self.total.bytes),
            time.as_secs_f64(),
            self.total.rate(time),
        );
        if self.topics.is_empty() {
            return text;
        }
        let mut topics: Vec<_> = self.topics.iter().collect();
        topics.sort_unstable_by(|a, b| (b.1.messages, a.0).cmp(&(a.1.messages, b.0)));
        text.push_str("\n    messages         bytes  topic");
        let mut rest = self.others;
        for (number, (topic, count)) in topics.iter().enumerate() {
            if number < TOP {
                text.push_str(&row(count, topic.escape_debug()));
            } else {
                rest.messages += count.messages;
                rest.bytes += count.bytes;
            }
        }
        if rest.messages > 0 {
            text.push_str(&row(&rest, "(other topics)"));
        }
        text
    }
}

fn row(count: &Count, topic: impl fmt::Display) -> String {
    let (messages, bytes) = (HumanCount(count.messages), HumanBytes(count.bytes));
    format!(
        "\n{:>12}  {:>12}  {topic}",
        messages.to_string(),
        bytes.to_string()
    )
}

fn show(text: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_topics_come_first() {
        let mut stats = Stats::new(None, Instant::now());
        for number in 0..12 {
            for _ in 0..=number {
                stats.add(&format!("topic/{number:02}"), 1024);
            }
        }
        let text = stats.text(Duration::from_secs(2));
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[0],
            "78 messages, 78.00 KiB in 2.0 s: 39 messages/s, 39.00 KiB/s"
        );
        assert_eq!(lines[2], "          12     12.00 KiB  topic/11");
        assert_eq!(lines[11], "           3      3.00 KiB  topic/02");
        assert_eq!(lines[12], "           3      3.00 KiB  (other topics)");
        assert_eq!(lines.len(), 13);
    }

    #[test]
    fn topics_without_end_take_no_memory_without_end() {
        let mut stats = Stats::new(None, Instant::now());
        for number in 0..MAX_TOPICS + 5 {
            stats.add(&number.to_string(), 1);
        }
        assert_eq!(stats.topics.len(), MAX_TOPICS);
        assert_eq!((stats.others.messages, stats.total.messages), (5, 10_005));
    }
}
