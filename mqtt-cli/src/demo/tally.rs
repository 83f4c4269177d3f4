//! What was sent, what arrived, and what that means.

use std::time::Duration;

use mqtt_client::QoS;

/// The shortest payload: the message's number.
const NUMBER: usize = 8;

/// The payload of message `number`.
pub(super) fn payload(number: u32, size: usize) -> Vec<u8> {
    let mut payload = format!("{number:0NUMBER$}").into_bytes();
    payload.extend((NUMBER..size).map(|at| filler(number, at)));
    payload
}

fn filler(number: u32, at: usize) -> u8 {
    // Not the same at the same place of neighbouring messages.
    number.to_le_bytes()[0]
        .wrapping_mul(31)
        .wrapping_add(at.to_le_bytes()[0])
}

/// The number of a message that has arrived intact.
fn number(payload: &[u8], size: usize) -> Option<u32> {
    let (digits, rest) = payload.split_at_checked(NUMBER)?;
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let is_intact = payload.len() == size
        && rest
            .iter()
            .zip(NUMBER..)
            .all(|(&byte, at)| byte == filler(number, at));
    is_intact.then_some(number)
}

/// What was sent and what arrived.
#[derive(Debug)]
pub(super) struct Tally {
    size: usize,
    pub(super) sent: u32,
    pub(super) received: u64,
    pub(super) duplicates: u64,
    damaged: u64,
    disordered: u64,
    /// Which numbers have arrived.
    arrived: Vec<bool>,
    /// One more than the highest number so far.
    next: u32,
    /// From the first message sent to the last one received.
    pub(super) time: Duration,
    /// What kept the test from coming to its end.
    pub(super) unfinished: Option<String>,
}

impl Tally {
    pub(super) fn new(count: u32, size: usize) -> Self {
        Self {
            size,
            sent: 0,
            received: 0,
            duplicates: 0,
            damaged: 0,
            disordered: 0,
            arrived: vec![false; count as usize],
            next: 0,
            time: Duration::ZERO,
            unfinished: None,
        }
    }

    /// Notes a message.
    pub(super) fn add(&mut self, payload: &[u8]) {
        self.received += 1;
        let number = number(payload, self.size);
        let arrived = number.and_then(|number| self.arrived.get_mut(number as usize));
        let (Some(number), Some(arrived)) = (number, arrived) else {
            self.damaged += 1;
            return;
        };
        if *arrived {
            self.duplicates += 1;
            return;
        }
        *arrived = true;
        if number < self.next {
            self.disordered += 1;
        }
        self.next = self.next.max(number + 1);
    }

    /// How many different messages have arrived.
    pub(super) fn distinct(&self) -> u64 {
        self.received - self.duplicates - self.damaged
    }

    pub(super) fn rate(&self) -> f64 {
        let seconds = self.time.as_secs_f64();
        let received = u32::try_from(self.received).unwrap_or(u32::MAX);
        if seconds > 0.0 {
            f64::from(received) / seconds
        } else {
            0.0
        }
    }

    /// Whether the promise of this level was kept, in words.
    pub(super) fn verdict(&self, qos: QoS) -> Result<String, String> {
        let missing = u64::from(self.sent).saturating_sub(self.distinct());
        let mut faults: Vec<_> = [
            (missing, "missing", qos > QoS::AtMostOnce),
            (self.duplicates, "arrived again", qos != QoS::AtLeastOnce),
            (self.damaged, "damaged", true),
            (self.disordered, "out of order", true),
        ]
        .into_iter()
        .filter(|&(count, _, is_fault)| count > 0 && is_fault)
        .map(|(count, what, _)| format!("{count} {what}"))
        .collect();
        faults.extend(self.unfinished.clone());
        if !faults.is_empty() {
            return Err(faults.join(", "));
        }
        let promise = match qos {
            QoS::AtMostOnce => "at most once",
            QoS::AtLeastOnce => "at least once",
            QoS::ExactlyOnce => "exactly once",
        };
        Ok(match missing {
            0 => format!("ok, {promise}"),
            _ => format!("ok, {promise} ({missing} lost)"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(qos: QoS, arrivals: &[u32]) -> Result<String, String> {
        let mut tally = Tally::new(3, 20);
        tally.sent = 3;
        for &number in arrivals {
            tally.add(&payload(number, 20));
        }
        tally.verdict(qos)
    }

    #[test]
    fn promises() {
        use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
        for (qos, arrivals, expected) in [
            (AtMostOnce, &[0, 1, 2][..], Ok("ok, at most once")),
            (AtMostOnce, &[0, 2], Ok("ok, at most once (1 lost)")),
            (AtMostOnce, &[0, 1, 1], Err("1 arrived again")),
            (AtLeastOnce, &[0, 1, 1, 2, 0], Ok("ok, at least once")),
            (AtLeastOnce, &[1, 2], Err("1 missing")),
            (ExactlyOnce, &[0, 1, 2], Ok("ok, exactly once")),
            (ExactlyOnce, &[0, 1, 1, 2], Err("1 arrived again")),
            (ExactlyOnce, &[1, 0], Err("1 missing, 1 out of order")),
        ] {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(verdict(qos, arrivals), expected);
        }
    }

    #[test]
    fn damage_is_noticed() {
        for size in [8, 9, 300] {
            let mut tally = Tally::new(3, size);
            tally.sent = 1;
            let whole = payload(2, size);
            assert_eq!(whole.len(), size);
            tally.add(&whole);
            assert_eq!((tally.distinct(), tally.damaged), (1, 0));
            tally.add(&whole[1..]);
            tally.add(&[&*whole, b"x"].concat());
            tally.add(&payload(3, size));
            assert_eq!((tally.distinct(), tally.damaged), (1, 3));
        }
    }
}
