//! The library's blocking client, and what to do with it in a test.

use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mqtt_client::blocking::Client;
use mqtt_client::{Config, Event, Filter, HeapStorage, QoS, Version};
use mqtt_core::wire::{PacketId, ReasonCode};
use transport_tcp::{Options, TcpStream};

use super::PATIENCE;

/// Every level.
pub(crate) const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Room for some messages, of which no more than mosquitto takes are in flight.
pub(crate) fn storage() -> HeapStorage {
    HeapStorage::new(64 * 1024, 256 * 1024, 20)
}

/// What happened, without what it borrowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Happened {
    Connected { session_present: bool },
    Subscribed(Vec<ReasonCode>),
    Message(String, Vec<u8>),
    Published(PacketId, ReasonCode),
    Lost(PacketId),
    Disconnected(ReasonCode),
    Writable,
}

/// A client, the way to cut its connection, and all that happened to it.
pub(crate) struct Test<'b> {
    pub(crate) client: Client<'b, TcpStream>,
    socket: Option<std::net::TcpStream>,
    pub(crate) log: Vec<Happened>,
    /// Why the connection ended.
    pub(crate) error: Option<String>,
}

impl<'b> Test<'b> {
    pub(crate) fn new(config: Config<'b>, storage: &'b mut HeapStorage) -> Self {
        Self {
            client: Client::new(config, storage.split()),
            socket: None,
            log: Vec::new(),
            error: None,
        }
    }

    /// Connects, and returns whether the server has kept the session.
    #[track_caller]
    pub(crate) fn connect(&mut self, address: SocketAddr) -> bool {
        let stream = TcpStream::connect_to(&[address], &Options::default()).unwrap();
        self.socket = Some(stream.get_ref().try_clone().unwrap());
        self.client.connect(stream).unwrap();
        self.until(|event| match event {
            Happened::Connected { session_present } => Some(*session_present),
            _ => None,
        })
    }

    /// Connects and subscribes.
    #[track_caller]
    pub(crate) fn subscribed(&mut self, address: SocketAddr, filters: &[Filter<'_>]) {
        self.connect(address);
        self.client.core().subscribe(filters).unwrap();
        let codes = self.until(|event| match event {
            Happened::Subscribed(codes) => Some(codes.clone()),
            _ => None,
        });
        let granted: Vec<_> = codes.iter().map(|&code| code as u8).collect();
        let asked: Vec<_> = filters.iter().map(|filter| filter.qos as u8).collect();
        assert_eq!(granted, asked);
    }

    /// Ends the TCP connection, without a word to the server.
    pub(crate) fn cut(&mut self) {
        let socket = self.socket.take().unwrap();
        // It may be closed already.
        let _ = socket.shutdown(Shutdown::Both);
        let deadline = Instant::now() + PATIENCE;
        while self.client.core().is_connected() {
            assert!(
                Instant::now() < deadline,
                "the end of the connection is not noticed"
            );
            let _ = self.poll(Duration::from_millis(100));
        }
    }

    /// Polls once; false if the connection is over.
    pub(crate) fn poll(&mut self, timeout: Duration) -> bool {
        let happened = match self.client.poll(Some(timeout)) {
            Err(error) => {
                self.error = Some(error.to_string());
                return false;
            }
            Ok(None) => return true,
            Ok(Some((event, _))) => match event {
                Event::Connected(connack) => Happened::Connected {
                    session_present: connack.session_present,
                },
                Event::Subscribed(suback) => Happened::Subscribed(suback.codes.iter().collect()),
                Event::Publish(publish) => {
                    Happened::Message(publish.topic.to_owned(), publish.payload.to_vec())
                }
                Event::Published(ack) => Happened::Published(ack.packet_id, ack.code),
                Event::Lost(id) => Happened::Lost(id),
                Event::Disconnected(packet) => Happened::Disconnected(packet.code),
                Event::Writable => Happened::Writable,
                event => panic!("{event:?}"),
            },
        };
        self.log.push(happened);
        true
    }

    /// Polls until something happens that `check` has a result for.
    #[track_caller]
    pub(crate) fn until<T>(&mut self, mut check: impl FnMut(&Happened) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let before = self.log.len();
            let is_open = self.poll(Duration::from_millis(100));
            if let Some(result) = self.log.get(before).and_then(&mut check) {
                return result;
            }
            assert!(is_open, "{:?} {:?}", self.error, self.log);
            assert!(Instant::now() < deadline, "still waiting: {:?}", self.log);
        }
    }

    /// Polls until nothing of ours is on its way.
    #[track_caller]
    pub(crate) fn until_through(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.client.core().in_flight() > 0 {
            let is_open = self.poll(Duration::from_millis(100));
            assert!(is_open, "{:?} {:?}", self.error, self.log);
            assert!(Instant::now() < deadline, "still waiting: {:?}", self.log);
        }
    }

    /// The payloads received so far.
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        let messages = self.log.iter().filter_map(|event| match event {
            Happened::Message(_, payload) => Some(payload.as_slice()),
            _ => None,
        });
        messages.collect()
    }

    /// Leaves in order.
    #[track_caller]
    pub(crate) fn disconnect(&mut self) {
        self.client.disconnect(PATIENCE).unwrap();
    }
}

/// A configuration of this version.
pub(crate) fn config(version: Version, id: &str) -> Config<'_> {
    Config {
        version,
        ..Config::new(id)
    }
}
