//! A broker inside the test's process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use mqtt5::broker::MqttBroker;
use mqtt5::broker::config::{
    AuthConfig, BrokerConfig, StorageBackend, StorageConfig, TlsConfig, WebSocketConfig,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::certificates::Certificates;
use crate::machine::TempDir;

const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The broker of the crate `mqtt5`, on free ports of 127.0.0.1, one for each transport. It ends
/// when it is dropped, and sessions end with it.
#[derive(Debug)]
pub struct Embedded {
    /// Where it listens for MQTT over TCP.
    pub mqtt: SocketAddr,
    /// Where it listens for MQTT over TLS.
    pub mqtts: SocketAddr,
    /// Where it listens for MQTT over WebSocket, with the path `/mqtt`.
    pub ws: SocketAddr,
    /// Where it listens for the same over TLS.
    pub wss: SocketAddr,
    /// Those that it has, and those for clients.
    pub certificates: Certificates,
    /// Ends it, when it is dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts it, on a thread of its own.
    pub fn start() -> Self {
        Self::start_with(Certificates::new())
    }

    /// Starts it with the certificates of another one.
    pub fn start_with(certificates: Certificates) -> Self {
        // The broker takes the process's, and there is none if several are compiled in.
        let _ = ring::default_provider().install_default();
        // On several threads its sessions race when a client comes back: messages get lost.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let mut broker = runtime.block_on(listening(&certificates));
        let ws = broker.ws_local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        Self {
            mqtt: broker.local_addr().unwrap(),
            mqtts: broker.tls_local_addr().unwrap(),
            ws,
            wss: runtime.block_on(end_tls(&certificates, ws)),
            certificates,
            stop: Some(stop),
            thread: Some(thread::spawn(move || {
                // What goes wrong now, the clients notice.
                runtime.spawn(async move { broker.run().await });
                let _ = runtime.block_on(stopped);
            })),
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listening(certificates: &Certificates) -> MqttBroker {
    // It reads the files while it starts.
    let dir = TempDir::new();
    certificates.write(&dir);
    let [certificate, key] = ["server.crt", "server.key"].map(|name| dir.path().join(name));
    let config = BrokerConfig::default()
        .with_bind_address(FREE)
        .with_tls(TlsConfig::new(certificate, key).with_bind_address(FREE))
        .with_websocket(WebSocketConfig::new().with_bind_address(FREE))
        .with_auth(AuthConfig::default().with_allow_anonymous(true))
        .with_storage(StorageConfig::default().with_backend(StorageBackend::Memory));
    MqttBroker::with_config(config).await.unwrap()
}

/// Listens with TLS, and passes on to `to` what is inside. The broker could do so itself, but does
/// not tell on which free port.
async fn end_tls(certificates: &Certificates, to: SocketAddr) -> SocketAddr {
    let server = &certificates.server;
    let key = PrivateKeyDer::Pkcs8(server.key_der.clone().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.certificate_der.clone().into()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(FREE).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            // What fails here, the clients notice.
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut broker = TcpStream::connect(to).await?;
                client.get_ref().0.set_nodelay(true)?;
                broker.set_nodelay(true)?;
                tokio::io::copy_bidirectional(&mut client, &mut broker).await
            });
        }
    });
    address
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn every_port_closes_when_it_is_dropped() {
        let broker = Embedded::start();
        let ports = [broker.mqtt, broker.mqtts, broker.ws, broker.wss];
        for port in ports {
            TcpStream::connect(port).unwrap();
        }
        drop(broker);
        for port in ports {
            TcpStream::connect(port).unwrap_err();
        }
    }
}
