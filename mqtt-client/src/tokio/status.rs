use core::time::Duration;
use std::sync::Arc;

use super::error::ConnectionError;

/// What a client is doing about its connection.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Status {
    /// There is none, and none is wanted: at first, after
    /// [`disconnect`](super::Client::disconnect), after an attempt in vain of
    /// [`connect`](super::Client::connect), or because another client has taken over the session.
    Idle {
        /// Why the last connection ended or did not come about; `None` at first.
        error: Option<ConnectionError>,
    },
    /// It is being opened.
    Connecting {
        /// The name of the server.
        server: Arc<str>,
    },
    /// The server has accepted it.
    Connected(Connected),
    /// It has ended or did not come about. The next attempt follows after this time.
    Waiting {
        /// How long until then.
        delay: Duration,
        /// Why.
        error: ConnectionError,
    },
    /// The client is no more.
    Closed,
}

/// A connection.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Connected {
    /// The name of the server.
    pub server: Arc<str>,
    /// True if the server has kept the session.
    pub session_present: bool,
    /// The client identifier, which the server may have assigned.
    pub client_id: Arc<str>,
}

/// What has happened to messages so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that were published.
    pub published: u64,
    /// Messages that were received.
    pub received: u64,
    /// Messages to publish that gave way to newer ones without a connection.
    pub dropped: u64,
    /// Messages to publish that the server has turned down.
    pub refused: u64,
    /// Messages to publish that were lost, or expired; see
    /// [`DeliveryError::Lost`](super::DeliveryError::Lost).
    pub lost: u64,
    /// Received messages of QoS 0 that found the queue of a subscription full.
    pub missed: u64,
    /// Received messages that were too large.
    pub too_large: u64,
    /// Received messages that no subscription was for.
    pub unclaimed: u64,
    /// Connections that the server has accepted.
    pub connections: u64,
}
