//! A broker inside this process.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use mqtt_client::uri::Scheme;
use mqtt5::broker::config::{
    AuthConfig, BrokerConfig, StorageBackend, StorageConfig, TlsConfig, WebSocketConfig,
};
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A broker on free ports of this machine, one for each transport, which ends when it is dropped.
pub(crate) struct Broker {
    ports: Ports,
    /// The authority that has signed its certificate, in PEM.
    authority: String,
    shutdown: BrokerShutdownHandle,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy)]
struct Ports {
    mqtt: SocketAddr,
    mqtts: SocketAddr,
    ws: SocketAddr,
    wss: SocketAddr,
}

impl Broker {
    /// Starts a broker, on a thread of its own.
    pub(crate) fn start() -> io::Result<Self> {
        // The broker would take this one anyway, unless the program has another one, too.
        let _ = ring::default_provider().install_default();
        let identity = Identity::new().map_err(io::Error::other)?;
        let authority = identity.authority.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (sender, receiver) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || runtime.block_on(run(&identity, &sender)))?;
        let (ports, shutdown) = receiver.recv().map_err(io::Error::other)??;
        Ok(Self {
            ports,
            authority,
            shutdown,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self, scheme: Scheme) -> SocketAddr {
        match scheme {
            Scheme::Mqtt => self.ports.mqtt,
            Scheme::Mqtts => self.ports.mqtts,
            Scheme::Ws => self.ports.ws,
            Scheme::Wss => self.ports.wss,
        }
    }

    /// Whom to trust, in PEM.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shutdown.shutdown();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

type Started = io::Result<(Ports, BrokerShutdownHandle)>;

async fn run(identity: &Identity, sender: &SyncSender<Started>) {
    let (mut broker, ports) = match listening(identity).await {
        Ok(started) => started,
        Err(error) => {
            let _ = sender.send(Err(error));
            return;
        }
    };
    if sender.send(Ok((ports, broker.shutdown_handle()))).is_ok() {
        // What goes wrong now, the clients notice.
        let _ = broker.run().await;
    }
}

async fn listening(identity: &Identity) -> io::Result<(MqttBroker, Ports)> {
    // It reads them from files, while it starts.
    let files = tempfile::tempdir()?;
    let (certificate, key) = (files.path().join("crt"), files.path().join("key"));
    std::fs::write(&certificate, &identity.certificate)?;
    std::fs::write(&key, &identity.key)?;
    let config = BrokerConfig::default()
        .with_bind_address(FREE)
        .with_tls(TlsConfig::new(certificate, key).with_bind_address(FREE))
        .with_websocket(WebSocketConfig::new().with_bind_address(FREE))
        .with_auth(AuthConfig::default().with_allow_anonymous(true))
        .with_storage(StorageConfig::default().with_backend(StorageBackend::Memory));
    let broker = MqttBroker::with_config(config)
        .await
        .map_err(io::Error::other)?;
    let there = |address: Option<SocketAddr>| address.ok_or(io::ErrorKind::AddrNotAvailable);
    let ws = there(broker.ws_local_addr())?;
    let ports = Ports {
        mqtt: there(broker.local_addr())?,
        mqtts: there(broker.tls_local_addr())?,
        ws,
        wss: end_tls(identity, ws).await?,
    };
    Ok((broker, ports))
}

/// Listens with TLS, and passes on to `to` what is inside. The broker could do so itself, but does
/// not tell on which free port.
async fn end_tls(identity: &Identity, to: SocketAddr) -> io::Result<SocketAddr> {
    let key = PrivateKeyDer::try_from(identity.key_der.clone()).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate_der.clone().into()], key)
        .map_err(io::Error::other)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(FREE).await?;
    let address = listener.local_addr()?;
    // It ends with the runtime.
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
    Ok(address)
}

/// A certificate for this machine, made for this run, and the authority that has signed it.
struct Identity {
    authority: String,
    certificate: String,
    certificate_der: Vec<u8>,
    key: String,
    key_der: Vec<u8>,
}

impl Identity {
    fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        let name = "authority of this demonstration";
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate()?;
        let authority = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(Self {
            authority,
            certificate: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            key: key.serialize_pem(),
            key_der: key.serialize_der(),
        })
    }
}
