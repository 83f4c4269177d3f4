//! A server that takes no QoS 2: mosquitto's listener with a Maximum QoS of 1. In 5.0 it says so
//! in CONNACK; before, it closes the connection when a message comes, and that is all it says.

use std::io;

use mqtt_client::mqtt_core::{self, Client as Core, UsageError};
use mqtt_client::{Config, Error, Event, HeapStorage, Message, QoS, Version};
use testkit::machine::{PATIENCE, unique};
use testkit::{Listener, Listeners};
use transport_tcp::Options;

/// Publishes at QoS 2 and then, in 5.0, at QoS 1. True when that has arrived.
fn publish(event: Event<'_>, core: &mut Core<'_>, version: Version) -> bool {
    match event {
        Event::Connected(_) => {
            let message = Message::new("limits", b"x");
            let result = core.publish(&message.qos(QoS::ExactlyOnce));
            if version == Version::V5 {
                let refused = mqtt_core::Error::Usage(UsageError::MaximumQoS);
                assert_eq!(result, Err(refused));
                core.publish(&message.qos(QoS::AtLeastOnce)).unwrap();
            } else {
                result.unwrap();
            }
            false
        }
        Event::Published(ack) => {
            assert!(!ack.code.is_error(), "{ack:?}");
            true
        }
        event => panic!("{event:?}"),
    }
}

/// The connection is fine in 5.0, and closed by the server before.
fn check(version: Version, end: Result<(), Error<io::Error>>) {
    match (version, end) {
        (Version::V5, Ok(())) => {}
        // It may not have read all that was sent.
        (Version::V311, Err(Error::Stream(error)))
            if error.kind() == io::ErrorKind::ConnectionReset => {}
        (Version::V311, Err(Error::Closed)) => {}
        (version, end) => panic!("{version}: {end:?}"),
    }
}

#[test]
fn the_blocking_driver() {
    use mqtt_client::blocking::Client;
    use transport_tcp::TcpStream;

    let Some(listeners) = Listeners::start() else {
        return;
    };
    for version in [Version::V311, Version::V5] {
        let id = unique("limits");
        let config = Config {
            version,
            ..Config::new(&id)
        };
        let mut storage = HeapStorage::new(256, 256, 4);
        let mut client = Client::new(config, storage.split());
        let addresses = [listeners.address(Listener::MaxQos1)];
        let stream = TcpStream::connect_to(&addresses, &Options::default());
        client.connect(stream.unwrap()).unwrap();
        let end = loop {
            match client.poll(Some(PATIENCE)) {
                Ok(Some((event, core))) => {
                    if publish(event, core, version) {
                        break Ok(());
                    }
                }
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        };
        check(version, end);
    }
}

#[cfg(feature = "embedded")]
#[test]
fn the_embedded_driver() {
    use mqtt_client::embedded::Client;
    use transport_tcp::tokio::TcpStream;

    let Some(listeners) = Listeners::start() else {
        return;
    };
    let poll = async |version| {
        let id = unique("limits");
        let config = Config {
            version,
            ..Config::new(&id)
        };
        let mut storage = HeapStorage::new(256, 256, 4);
        let mut client = Client::new(config, storage.split(), super::drivers::TokioTimer::new());
        let addresses = [listeners.address(Listener::MaxQos1)];
        let stream = TcpStream::connect_to(&addresses, &Options::default()).await;
        let mut stream = stream.unwrap();
        let (reader, writer) = stream.split();
        let mut connection = client.connect(reader, writer).unwrap();
        loop {
            match connection.poll().await {
                Ok(Some((event, core))) => {
                    if publish(event, core, version) {
                        break Ok(());
                    }
                }
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        for version in [Version::V311, Version::V5] {
            let end = tokio::time::timeout(PATIENCE, poll(version)).await;
            check(version, end.unwrap());
        }
    });
}

#[cfg(feature = "tokio")]
mod asynchronous {
    use mqtt_client::tokio::{
        Client, ConnectionError, DeliveryError, Options, PublishError, Server, Status,
    };

    use super::*;

    fn run(test: impl AsyncFnOnce(Server)) {
        let Some(listeners) = Listeners::start() else {
            return;
        };
        let uri = format!("mqtt://{}", listeners.address(Listener::MaxQos1));
        let server = Server::from_uri(&uri).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, test(server)).await.unwrap();
        });
    }

    #[test]
    fn the_tokio_client() {
        run(async |server| {
            let id = unique("limits");
            let client = Client::new(&Config::new(&id), [server], Options::default()).unwrap();
            let message = Message::new("limits", b"x");
            let twice = message.qos(QoS::ExactlyOnce);
            // Nobody knows yet, and then it is too late to refuse it.
            let early = client.publish(&twice).await.unwrap();
            client.connect().await.unwrap();
            let refused = DeliveryError::Usage(UsageError::MaximumQoS);
            assert_eq!(early.await, Err(refused));
            let refused = PublishError::Usage(UsageError::MaximumQoS);
            assert_eq!(client.publish(&twice).await.unwrap_err(), refused);
            let once = message.qos(QoS::AtLeastOnce);
            let code = client.publish(&once).await.unwrap().await.unwrap();
            assert!(!code.is_error(), "{code}");
        });
    }

    /// It keeps the message, and tries again.
    #[test]
    fn the_tokio_client_before_5_0() {
        run(async |server| {
            let id = unique("limits");
            let config = Config {
                version: Version::V311,
                ..Config::new(&id)
            };
            let client = Client::new(&config, [server], Options::default()).unwrap();
            client.connect().await.unwrap();
            let message = Message::new("limits", b"x").qos(QoS::ExactlyOnce);
            let publication = client.publish(&message).await.unwrap();
            let mut status = client.status();
            let is_over = |status: &Status| matches!(status, Status::Waiting { .. });
            let status = status.wait_for(is_over).await.unwrap().clone();
            match status {
                Status::Waiting {
                    error: ConnectionError::Closed,
                    ..
                } => {}
                Status::Waiting {
                    error: ConnectionError::Stream(error),
                    ..
                } if error.kind() == io::ErrorKind::ConnectionReset => {}
                status => panic!("{status:?}"),
            }
            drop(client);
            assert_eq!(publication.await, Err(DeliveryError::Closed));
        });
    }
}
