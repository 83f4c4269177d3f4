//! Servers to connect to.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use testkit::machine::{TempDir, missing, program};
use testkit::{Certificates, Identity};
use transport_tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use transport_tls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use transport_tls::rustls::version::{TLS12, TLS13};
use transport_tls::rustls::{
    self, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
};
use transport_tls::{Options, Roots, Source};

use crate::PATIENCE;

pub(crate) type ServerStream = StreamOwned<ServerConnection, TcpStream>;

/// The certificates of all tests.
pub(crate) fn certificates() -> &'static Certificates {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    CERTIFICATES.get_or_init(Certificates::new)
}

/// Options that trust the test's authority alone.
pub(crate) fn options() -> Options {
    Options {
        roots: Roots::Only(vec![source(&certificates().ca)]),
        ..Options::default()
    }
}

pub(crate) fn source(identity: &Identity) -> Source {
    Source::Pem(identity.certificate.clone().into_bytes())
}

pub(crate) fn identity(identity: &Identity) -> transport_tls::Identity {
    transport_tls::Identity {
        certificate: source(identity),
        key: Source::Pem(identity.key.clone().into_bytes()),
    }
}

/// Servers that speak but one version.
pub(crate) static TLS_1_2: [&SupportedProtocolVersion; 1] = [&TLS12];
pub(crate) static TLS_1_3: [&SupportedProtocolVersion; 1] = [&TLS13];

/// How a server is set up.
pub(crate) struct Setup {
    pub(crate) identity: &'static Identity,
    /// Whose signature clients must have, if they need a certificate.
    pub(crate) clients: Option<&'static Identity>,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    pub(crate) alpn: Vec<Vec<u8>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            identity: &certificates().server,
            clients: None,
            versions: rustls::ALL_VERSIONS,
            alpn: Vec::new(),
        }
    }
}

impl Setup {
    pub(crate) fn config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(ca) => {
                let mut roots = RootCertStore::empty();
                roots.add(der(ca)).unwrap();
                builder.with_client_cert_verifier(
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .unwrap(),
                )
            }
        };
        let key = PrivateKeyDer::try_from(self.identity.key_der.clone()).unwrap();
        let mut config = builder
            .with_single_cert(vec![der(self.identity)], key)
            .unwrap();
        config.alpn_protocols.clone_from(&self.alpn);
        config
    }

    /// A listener for one TLS connection, of which `serve` makes what it wants.
    pub(crate) fn serve<T: Send + 'static>(
        &self,
        serve: impl FnOnce(ServerStream) -> T + Send + 'static,
    ) -> (SocketAddr, JoinHandle<T>) {
        let mut config = self.config();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let config = Arc::new(config);
        plain(move |tcp| {
            let connection = ServerConnection::new(config).unwrap();
            serve(StreamOwned::new(connection, tcp))
        })
    }

    /// A server that sends back what it receives, until the end.
    pub(crate) fn echo(&self) -> (SocketAddr, JoinHandle<io::Result<()>>) {
        self.serve(echo)
    }
}

pub(crate) fn der(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from(identity.certificate_der.clone())
}

pub(crate) fn echo(mut stream: ServerStream) -> io::Result<()> {
    let result = try_echo(&mut stream);
    if result.is_err() {
        // The client is to hear why, and not that the connection is gone.
        let _ = stream.conn.write_tls(&mut stream.sock);
        let _ = stream.sock.shutdown(Shutdown::Write);
        let _ = io::copy(&mut stream.sock, &mut io::sink());
    }
    result
}

fn try_echo(stream: &mut ServerStream) -> io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            stream.conn.send_close_notify();
            return stream.flush();
        }
        stream.write_all(&buf[..n])?;
        stream.flush()?;
    }
}

/// A listener for one TCP connection, of which `serve` makes what it wants.
pub(crate) fn plain<T: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        serve(tcp)
    });
    (address, thread)
}

/// Answers the first bytes it receives with these, and ends.
pub(crate) fn answers(answer: &'static [u8]) -> (SocketAddr, JoinHandle<()>) {
    plain(move |mut tcp| {
        let _ = tcp.read(&mut [0; 4096]).unwrap();
        tcp.write_all(answer).unwrap();
        let _ = tcp.shutdown(Shutdown::Write);
        // The client sees the end, not a reset for what was not read.
        let _ = io::copy(&mut tcp, &mut io::sink());
    })
}

/// An `openssl s_server` of TLS 1.2, which does what rustls does not: it asks for a renegotiation,
/// and has no alert of its own for a missing client certificate.
pub(crate) struct OpenSsl {
    pub(crate) address: SocketAddr,
    process: Child,
    _dir: TempDir,
}

impl OpenSsl {
    /// Starts it, or returns `None`, with a message, where there is no openssl.
    pub(crate) fn start(args: &[&str]) -> Option<Self> {
        let Some(openssl) = program("openssl") else {
            return missing("openssl");
        };
        let dir = TempDir::new();
        certificates().write(&dir);
        let mut process = Command::new(openssl)
            .current_dir(dir.path())
            .args(["s_server", "-accept", "127.0.0.1:0", "-tls1_2"])
            .args(["-cert", "server.crt", "-key", "server.key"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // "ACCEPT 127.0.0.1:12345"
        let address = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .find_map(|line| line.unwrap().strip_prefix("ACCEPT ")?.parse().ok())
            .expect("openssl says where it listens");
        Some(Self {
            address,
            process,
            _dir: dir,
        })
    }

    pub(crate) fn renegotiate(&mut self) {
        let stdin = self.process.stdin.as_mut().unwrap();
        stdin.write_all(b"r\n").unwrap();
        stdin.flush().unwrap();
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
