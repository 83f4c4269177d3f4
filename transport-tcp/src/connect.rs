//! What connecting has in common, blocking or not: which addresses, in which order, for how long.

use core::net::SocketAddr;
use core::time::Duration;
use std::io;
use std::time::Instant;

use crate::ConnectError;

/// How to connect.
///
/// More fields may come, so that struct update syntax is the way to make one:
///
/// ```
/// use std::time::Duration;
///
/// let options = transport_tcp::Options {
///     connect_timeout: Duration::from_secs(3),
///     ..Default::default()
/// };
/// # assert!(options.nodelay);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long all connection attempts together may take; 10 seconds by default.
    ///
    /// Each address gets an equal part of what is left when its turn comes, so one that does not
    /// answer leaves time for the others. [`Duration::MAX`] means as long as the system tries.
    ///
    /// The blocking stream starts counting after the name has been resolved, because the system's
    /// resolver cannot be interrupted and has time-outs of its own. The asynchronous one counts
    /// that time too.
    pub connect_timeout: Duration,

    /// Whether to set `TCP_NODELAY`, so that small writes leave at once; `true` by default.
    pub nodelay: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            nodelay: true,
        }
    }
}

/// The attempts of one connection: hands out addresses with a time for each, collects errors.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    addresses: &'a [SocketAddr],
    /// `None` for no limit.
    deadline: Option<Instant>,
    failed: Vec<(SocketAddr, io::Error)>,
}

impl<'a> Attempts<'a> {
    /// Starts with `addresses`, to be tried in this order until `deadline`.
    pub(crate) fn new(addresses: &'a [SocketAddr], deadline: Option<Instant>) -> Self {
        Self {
            addresses,
            deadline,
            failed: Vec::new(),
        }
    }

    /// Returns the address to try next and how long, or `None` when there is nothing left to do.
    pub(crate) fn next(&self, now: Instant) -> Option<(SocketAddr, Option<Duration>)> {
        let rest = self.addresses.get(self.failed.len()..)?;
        let address = *rest.first()?;
        let Some(deadline) = self.deadline else {
            return Some((address, None));
        };
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return None;
        }
        let share = left / u32::try_from(rest.len()).unwrap_or(u32::MAX);
        // Many addresses and little time must not make a share of zero.
        Some((address, Some(share.max(Duration::from_millis(1)))))
    }

    /// Takes note that `address`, handed out last, failed.
    pub(crate) fn failed(&mut self, address: SocketAddr, error: io::Error) {
        self.failed.push((address, error));
    }

    pub(crate) fn into_error(self, target: Option<String>) -> ConnectError {
        let untried = self.addresses.len() - self.failed.len();
        ConnectError::attempts(target, self.failed, untried)
    }
}

/// Takes the brackets off an IPv6 address; resolvers do not know them.
pub(crate) fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .filter(|host| host.contains(':'))
        .unwrap_or(host)
}

/// Writes `host` and `port` in one, for an error text.
pub(crate) fn target(host: &str, port: u16) -> String {
    match unbracketed(host) {
        host if host.contains(':') => format!("[{host}]:{port}"),
        host => format!("{host}:{port}"),
    }
}

/// Puts the addresses of both families in turn, beginning with the family of the first one (as in
/// RFC 8305, section 4), and otherwise keeps the resolver's order.
pub(crate) fn interleaved(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .iter()
        .copied()
        .partition(|address: &SocketAddr| address.is_ipv4() == first.is_ipv4());

    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut result = Vec::with_capacity(addresses.len());
    while result.len() < addresses.len() {
        result.extend(one.next());
        result.extend(other.next());
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|s| s.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let (a, b, c) = ("192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1");
        let (x, y) = ("[2001:db8::1]:1", "[2001:db8::2]:1");
        for (given, expected) in [
            (&[][..], &[][..]),
            (&[a], &[a]),
            (&[a, b], &[a, b]),
            (&[a, b, c, x, y], &[a, x, b, y, c]),
            (&[x, y, a, b, c], &[x, a, y, b, c]),
            (&[x, a, b], &[x, a, b]),
            (&[a, b, c, x], &[a, x, b, c]),
        ] {
            assert_eq!(interleaved(addresses(given)), addresses(expected));
        }
    }

    #[test]
    fn brackets() {
        assert_eq!(unbracketed("[::1]"), "::1");
        assert_eq!(unbracketed("::1"), "::1");
        assert_eq!(unbracketed("127.0.0.1"), "127.0.0.1");
        assert_eq!(unbracketed("[name]"), "[name]");
        assert_eq!(unbracketed("[::1"), "[::1");

        assert_eq!(target("[::1]", 1), "[::1]:1");
        assert_eq!(target("::1", 1), "[::1]:1");
        assert_eq!(target("name", 1), "name:1");
    }

    #[test]
    fn time_is_divided_among_the_addresses_left() {
        let list = addresses(&["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "192.0.2.4:1"]);
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut attempts = Attempts::new(&list, Some(at(12)));
        let mut fail = |now, share| {
            let (address, time) = attempts.next(now).unwrap();
            assert_eq!(time, Some(Duration::from_secs(share)));
            attempts.failed(address, io::ErrorKind::TimedOut.into());
            address
        };
        assert_eq!(fail(at(0), 3), list[0]); // Uses its time up.
        assert_eq!(fail(at(3), 3), list[1]); // Fails at once, and the rest gains.
        assert_eq!(fail(at(4), 4), list[2]); // Overruns.
        assert_eq!(fail(at(11), 1), list[3]);
        assert_eq!(attempts.next(at(11)), None);
    }

    #[test]
    fn no_attempt_after_the_deadline() {
        let list = addresses(&["192.0.2.1:1", "192.0.2.2:1"]);
        let now = Instant::now();
        let mut attempts = Attempts::new(&list, Some(now));
        assert_eq!(attempts.next(now), None);

        attempts.deadline = Some(now + Duration::from_nanos(1));
        assert_eq!(
            attempts.next(now),
            Some((list[0], Some(Duration::from_millis(1))))
        );

        attempts.deadline = None;
        assert_eq!(attempts.next(now), Some((list[0], None)));
        assert_eq!(
            attempts.into_error(None).to_string(),
            "cannot connect: timed out"
        );
    }
}
