use core::net::SocketAddr;
use core::{error, fmt};
use std::io;

/// Why no connection was made.
///
/// Its text is one sentence with everything in it, each address tried and what became of it
/// included, so that printing the [source](error::Error::source) as well would repeat a part.
#[derive(Debug)]
pub struct ConnectError {
    /// `host:port`, unless the caller brought addresses.
    target: Option<String>,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Resolve(io::Error),
    Attempts {
        failed: Vec<(SocketAddr, io::Error)>,
        /// Addresses for which no time was left.
        untried: usize,
    },
}

impl ConnectError {
    pub(crate) fn resolve(host: &str, error: io::Error) -> Self {
        Self {
            target: Some(host.to_owned()),
            cause: Cause::Resolve(error),
        }
    }

    pub(crate) fn attempts(
        target: Option<String>,
        failed: Vec<(SocketAddr, io::Error)>,
        untried: usize,
    ) -> Self {
        Self {
            target,
            cause: Cause::Attempts { failed, untried },
        }
    }

    /// Returns the kind of the failure, for deciding what to do next.
    ///
    /// A name without an address is [`NotFound`](io::ErrorKind::NotFound). When several addresses
    /// failed in different ways, one that answered (a refusal) counts more than silence (a
    /// time-out), and silence more than a local failure such as a missing route.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match &self.cause {
            // The resolver's own failures have no kind that could be matched on.
            Cause::Resolve(error) => match error.kind() {
                kind @ (io::ErrorKind::InvalidInput | io::ErrorKind::TimedOut) => kind,
                _ => io::ErrorKind::NotFound,
            },
            Cause::Attempts { failed, untried } => match decisive(failed) {
                Some(error) => error.kind(),
                None if *untried > 0 => io::ErrorKind::TimedOut,
                None => io::ErrorKind::NotFound,
            },
        }
    }

    /// Returns the addresses that were tried, in order, each with its error.
    #[must_use]
    pub fn tried(&self) -> &[(SocketAddr, io::Error)] {
        match &self.cause {
            Cause::Resolve(_) => &[],
            Cause::Attempts { failed, .. } => failed,
        }
    }
}

/// Returns the error that says most about the peer; the earliest of equals.
fn decisive(failed: &[(SocketAddr, io::Error)]) -> Option<&io::Error> {
    failed
        .iter()
        .map(|(_, error)| error)
        .min_by_key(|error| match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => 0,
            io::ErrorKind::TimedOut => 1,
            _ => 2,
        })
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target.as_deref();
        let (failed, untried) = match &self.cause {
            Cause::Resolve(error) => {
                return write!(f, "cannot resolve {:?}: {error}", target.unwrap_or(""));
            }
            Cause::Attempts { failed, untried } => (failed, *untried),
        };

        f.write_str("cannot connect")?;
        if let Some(target) = target {
            write!(f, " to {target}")?;
        }
        let mut separator = ": ";
        for (address, error) in failed {
            f.write_str(separator)?;
            // An address given as such is not said twice.
            if target != Some(address.to_string().as_str()) {
                write!(f, "{address}: ")?;
            }
            write!(f, "{error}")?;
            separator = "; ";
        }
        match (failed.len(), untried) {
            (0, 0) => write!(f, "{separator}there is no address"),
            (_, 0) => Ok(()),
            (0, _) => write!(f, "{separator}timed out"),
            (_, n) => write!(f, "{separator}timed out with {n} more to try"),
        }
    }
}

impl error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match &self.cause {
            Cause::Resolve(error) => Some(error),
            Cause::Attempts { failed, .. } => decisive(failed).map(|error| error as _),
        }
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        Self::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(s: &str) -> SocketAddr {
        s.parse().unwrap()
    }

    fn failed(list: &[(&str, io::ErrorKind)]) -> Vec<(SocketAddr, io::Error)> {
        list.iter()
            .map(|&(s, kind)| (address(s), kind.into()))
            .collect()
    }

    #[test]
    fn sentences() {
        use io::ErrorKind::{ConnectionRefused, TimedOut};

        let name = || Some("broker:1883".to_owned());
        let v4 = "192.0.2.1:1883";
        let v6 = "[2001:db8::1]:1883";

        let error = ConnectError::resolve("broker", io::Error::other("no such name"));
        assert_eq!(
            error.to_string(),
            r#"cannot resolve "broker": no such name"#
        );

        let list = failed(&[(v4, ConnectionRefused), (v6, TimedOut)]);
        let error = ConnectError::attempts(name(), list, 0);
        assert_eq!(
            error.to_string(),
            "cannot connect to broker:1883: 192.0.2.1:1883: connection refused; \
             [2001:db8::1]:1883: timed out"
        );

        let error = ConnectError::attempts(name(), failed(&[(v4, TimedOut)]), 2);
        assert_eq!(
            error.to_string(),
            "cannot connect to broker:1883: 192.0.2.1:1883: timed out; \
             timed out with 2 more to try"
        );

        let list = failed(&[(v6, ConnectionRefused)]);
        let error = ConnectError::attempts(Some(v6.to_owned()), list, 0);
        assert_eq!(
            error.to_string(),
            "cannot connect to [2001:db8::1]:1883: connection refused"
        );

        let error = ConnectError::attempts(None, failed(&[(v4, ConnectionRefused)]), 0);
        assert_eq!(
            error.to_string(),
            "cannot connect: 192.0.2.1:1883: connection refused"
        );

        let error = ConnectError::attempts(name(), Vec::new(), 1);
        assert_eq!(
            error.to_string(),
            "cannot connect to broker:1883: timed out"
        );
        let error = ConnectError::attempts(None, Vec::new(), 0);
        assert_eq!(error.to_string(), "cannot connect: there is no address");
    }

    #[test]
    fn kind_is_that_of_the_decisive_error() {
        use io::ErrorKind::{
            AddrNotAvailable, ConnectionRefused, InvalidInput, NotFound, Other, TimedOut,
        };

        let kind = |list: &[_], untried| {
            let error = ConnectError::attempts(None, failed(list), untried);
            if let Some(source) = error::Error::source(&error) {
                let source = source.downcast_ref::<io::Error>().unwrap();
                assert_eq!(source.kind(), error.kind());
            }
            error.kind()
        };
        let a = |kind| ("192.0.2.1:1", kind);
        assert_eq!(
            kind(&[a(TimedOut), a(ConnectionRefused)], 0),
            ConnectionRefused
        );
        assert_eq!(
            kind(&[a(ConnectionRefused), a(TimedOut)], 1),
            ConnectionRefused
        );
        assert_eq!(kind(&[a(AddrNotAvailable), a(TimedOut)], 0), TimedOut);
        assert_eq!(kind(&[a(AddrNotAvailable), a(Other)], 0), AddrNotAvailable);
        assert_eq!(kind(&[], 1), TimedOut);
        assert_eq!(kind(&[], 0), NotFound);

        let resolve = |kind: io::ErrorKind| ConnectError::resolve("x", kind.into()).kind();
        assert_eq!(resolve(Other), NotFound);
        assert_eq!(resolve(InvalidInput), InvalidInput);
        assert_eq!(resolve(TimedOut), TimedOut);
    }
}
