//! A broker inside this process.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use mqtt5::broker::config::{AuthConfig, BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};

/// A broker on a free port of this machine, which ends when it is dropped.
pub(crate) struct Broker {
    address: SocketAddr,
    shutdown: BrokerShutdownHandle,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker, on a thread of its own.
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (sender, receiver) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let mut broker = match listening().await {
                        Ok(broker) => broker,
                        Err(error) => {
                            let _ = sender.send(Err(error));
                            return;
                        }
                    };
                    let address = broker.local_addr().ok_or(io::ErrorKind::AddrNotAvailable);
                    let started = address.map(|address| (address, broker.shutdown_handle()));
                    if sender.send(started.map_err(io::Error::from)).is_ok() {
                        // What goes wrong now, the clients notice.
                        let _ = broker.run().await;
                    }
                });
            })?;
        let (address, shutdown) = receiver.recv().map_err(io::Error::other)??;
        Ok(Self {
            address,
            shutdown,
            thread: Some(thread),
        })
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn listening() -> io::Result<MqttBroker> {
    let config = BrokerConfig::default()
        .with_bind_address(SocketAddr::from(([127, 0, 0, 1], 0)))
        .with_auth(AuthConfig::default().with_allow_anonymous(true))
        .with_storage(StorageConfig::default().with_backend(StorageBackend::Memory));
    MqttBroker::with_config(config)
        .await
        .map_err(io::Error::other)
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shutdown.shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
