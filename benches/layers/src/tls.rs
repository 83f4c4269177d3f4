//! TLS, a client's end: messages to records, and a server's records to messages.
//!
//! What is below our layers is the same library, with the same settings, as what they are compared
//! with: TLS 1.3 with AES-128. Each message is flushed.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use embedded_tls::{
    Aes128GcmSha256, FlushPolicy, TlsConfig, TlsConnection, TlsContext, UnsecureProvider,
};
use rand_core::OsRng;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustls::{StreamOwned, version};
use testkit::Certificates;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use transport_tls::{Connector, Options, Roots, Source, embedded};

use crate::pipe::Pipe;
use crate::round::Last;
use crate::{Contender, at_once, package};

/// All that send `message`, of a `size`, and all that receive it.
#[must_use]
pub fn contenders(message: &'static [u8], size: &str) -> Vec<Contender> {
    let bench = Bench { message, size };
    [
        bench.ours_blocking(),
        bench.rustls(),
        bench.ours_on_tokio(),
        bench.tokio_rustls(),
        bench.ours_without_heap(),
        bench.embedded_tls(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A server, and a pipe to it.
#[derive(Clone)]
struct Server {
    connection: Rc<RefCell<ServerConnection>>,
    pipe: Pipe,
}

impl Server {
    fn new() -> Self {
        let mut connection = ServerConnection::new(server_config()).expect("a valid configuration");
        connection.set_buffer_limit(None);
        let connection = Rc::new(RefCell::new(connection));
        let server = connection.clone();
        let pipe = Pipe::with_server(move |sent| {
            let server = &mut *server.borrow_mut();
            let sent = std::mem::take(sent);
            decrypt(server, &sent);
            let mut answer = Vec::new();
            encrypted(server, &mut answer);
            answer
        });
        Self { connection, pipe }
    }

    /// Reads the end of the client's handshake.
    fn settle(&self) {
        let server = &mut self.connection.borrow_mut();
        self.pipe.written(|wire| decrypt(server, wire));
        self.pipe.clear();
    }

    fn sending(
        &self,
        case: String,
        client: String,
        message: &'static [u8],
        send: impl FnMut() + 'static,
    ) -> Contender {
        let server = self.connection.clone();
        let decode = move |wire: &[u8]| decrypt(&mut server.borrow_mut(), wire);
        Contender::sending(case, client, &self.pipe, message, send, decode)
    }

    fn receiving(
        &self,
        case: String,
        client: String,
        message: &'static [u8],
        receive: impl FnMut(usize, &mut [u8]) -> Last + 'static,
    ) -> Contender {
        let server = self.connection.clone();
        let encode = move |n, wire: &mut Vec<u8>| {
            let server = &mut *server.borrow_mut();
            for _ in 0..n {
                // A message is a record, or as many as it needs.
                server
                    .writer()
                    .write_all(message)
                    .expect("there is no limit");
            }
            encrypted(server, wire);
        };
        Contender::receiving(case, client, &self.pipe, message, encode, receive)
    }
}

/// Takes a client's records, and returns the data in them.
fn decrypt(server: &mut ServerConnection, mut wire: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while !wire.is_empty() {
        server.read_tls(&mut wire).expect("memory");
        let state = server.process_new_packets().expect("valid records");
        let begin = data.len();
        data.resize(begin + state.plaintext_bytes_to_read(), 0);
        server
            .reader()
            .read_exact(&mut data[begin..])
            .expect("it is there");
    }
    data
}

fn encrypted(server: &mut ServerConnection, wire: &mut Vec<u8>) {
    while server.wants_write() {
        server.write_tls(wire).expect("memory");
    }
}

const HOST: &str = "localhost";

fn certificates() -> &'static Certificates {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    CERTIFICATES.get_or_init(Certificates::new)
}

fn server_config() -> Arc<ServerConfig> {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256];
    let identity = &certificates().server;
    let certificate = CertificateDer::from(identity.certificate_der.clone());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key_der.clone()));
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[&version::TLS13])
        .expect("the suite is of this version")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key");
    config.into()
}

fn client_config() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from(certificates().ca.certificate_der.clone());
    roots.add(authority).expect("an authority");
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.into()
}

fn connector() -> Connector {
    let authority = Source::Der(certificates().ca.certificate_der.clone());
    let options = Options {
        roots: Roots::Only(vec![authority]),
        ..Options::default()
    };
    Connector::new(&options).expect("valid options")
}

fn name() -> ServerName<'static> {
    ServerName::try_from(HOST).expect("a name")
}

#[derive(Clone, Copy)]
struct Bench<'a> {
    message: &'static [u8],
    size: &'a str,
}

impl Bench<'_> {
    fn send(self, flavour: &str) -> String {
        format!("{flavour}, send {}", self.size)
    }

    fn receive(self, flavour: &str) -> String {
        format!("{flavour}, receive {}", self.size)
    }

    /// Both ways with streams that `connect` makes, by functions for their kind.
    fn both<S: 'static, O: FnMut() + 'static, I: FnMut(usize, &mut [u8]) -> Last + 'static>(
        self,
        flavour: &str,
        client: &str,
        connect: impl Fn(Pipe) -> S,
        outwards: fn(S, &'static [u8]) -> O,
        inwards: fn(S) -> I,
    ) -> [Contender; 2] {
        let client = || client.to_owned();
        let server = Server::new();
        let send = outwards(connect(server.pipe.clone()), self.message);
        server.settle();
        let sending = server.sending(self.send(flavour), client(), self.message, send);
        let server = Server::new();
        let receive = inwards(connect(server.pipe.clone()));
        server.settle();
        let receiving = server.receiving(self.receive(flavour), client(), self.message, receive);
        [sending, receiving]
    }

    fn ours_blocking(self) -> [Contender; 2] {
        let connect = |pipe| connector().connect(HOST, pipe).expect("a good server");
        self.both(
            BLOCKING,
            OURS,
            connect,
            |mut stream, message| {
                use ::embedded_io::Write as _;
                move || {
                    stream.write_all(message).expect("memory");
                    stream.flush().expect("memory");
                }
            },
            |mut stream| {
                use ::embedded_io::Read as _;
                move |bytes, buf| until(bytes, || stream.read(buf).expect("there is more"))
            },
        )
    }

    fn rustls(self) -> [Contender; 2] {
        let connect = |mut pipe| {
            let mut connection =
                ClientConnection::new(client_config(), name()).expect("a valid configuration");
            while connection.is_handshaking() {
                connection.complete_io(&mut pipe).expect("a good server");
            }
            StreamOwned::new(connection, pipe)
        };
        self.both(
            BLOCKING,
            &package("rustls"),
            connect,
            |mut stream, message| {
                move || {
                    stream.write_all(message).expect("memory");
                    stream.flush().expect("memory");
                }
            },
            |mut stream| {
                move |bytes, buf| until(bytes, || stream.read(buf).expect("there is more"))
            },
        )
    }

    fn ours_on_tokio(self) -> [Contender; 2] {
        let connect = |pipe| {
            let connector = connector();
            at_once(connector.connect_tokio(HOST, pipe)).expect("a good server")
        };
        self.both(TOKIO, OURS, connect, send_on_tokio, receive_on_tokio)
    }

    fn tokio_rustls(self) -> [Contender; 2] {
        let connect = |pipe| {
            let connector = TlsConnector::from(client_config());
            at_once(connector.connect(name(), pipe)).expect("a good server")
        };
        let client = package("tokio-rustls");
        self.both(TOKIO, &client, connect, send_on_tokio, receive_on_tokio)
    }

    fn ours_without_heap(self) -> [Contender; 2] {
        let connect = |pipe: Pipe| {
            let authority: &[u8] = &certificates().ca.certificate_der;
            let link = embedded::Link::new(pipe.clone(), pipe, leaked(RECORD), leaked(2 * RECORD));
            let authorities = [authority];
            let config = embedded::Config::new(HOST, &authorities);
            at_once(Box::leak(Box::new(link)).connect(&config, OsRng)).expect("a good server")
        };
        self.both(
            EMBEDDED,
            OURS,
            connect,
            |mut stream, message| {
                use ::embedded_io_async::Write as _;
                move || {
                    let mut writer = stream.split().1;
                    at_once(writer.write_all(message)).expect("memory");
                    at_once(writer.flush()).expect("memory");
                }
            },
            |mut stream| {
                use ::embedded_io_async::Read as _;
                move |bytes, buf| {
                    let mut reader = stream.split().0;
                    until(bytes, || at_once(reader.read(buf)).expect("there is more"))
                }
            },
        )
    }

    fn embedded_tls(self) -> [Contender; 2] {
        let connect = |pipe: Pipe| {
            let mut connection =
                TlsConnection::<_, Aes128GcmSha256>::new(pipe, leaked(RECORD), leaked(RECORD));
            // As below ours.
            connection.set_flush_policy(FlushPolicy::Relaxed);
            let config = TlsConfig::new().with_server_name(HOST);
            let provider = UnsecureProvider::new::<Aes128GcmSha256>(OsRng);
            at_once(connection.open(TlsContext::new(&config, provider))).expect("a good server");
            connection
        };
        let client = package("embedded-tls");
        self.both(
            EMBEDDED,
            &client,
            connect,
            |mut stream, message| {
                use ::embedded_io_async::Write as _;
                move || {
                    at_once(stream.write_all(message)).expect("memory");
                    at_once(stream.flush()).expect("memory");
                }
            },
            |mut stream| {
                move |bytes, buf| until(bytes, || at_once(stream.read(buf)).expect("there is more"))
            },
        )
    }
}

const BLOCKING: &str = "TLS, blocking";
const TOKIO: &str = "TLS, tokio";
const EMBEDDED: &str = "TLS, without a heap";

const OURS: &str = "transport-tls";

/// The largest record, and what is around it: with a larger buffer, embedded-tls makes larger ones.
const RECORD: usize = 16_384 + embedded_tls::TLS_RECORD_OVERHEAD;

/// Memory for as long as the process lives: streams without a heap borrow theirs.
fn leaked(len: usize) -> &'static mut [u8] {
    vec![0; len].leak()
}

/// Reads until there were so many bytes.
fn until(bytes: usize, mut read: impl FnMut() -> usize) -> Last {
    let (mut left, mut last) = (bytes, 0);
    while left > 0 {
        last = read();
        left -= last;
    }
    Last::InBuffer(0..last)
}

fn send_on_tokio<S: AsyncWrite + Unpin>(mut stream: S, message: &'static [u8]) -> impl FnMut() {
    move || {
        at_once(stream.write_all(message)).expect("memory");
        at_once(stream.flush()).expect("memory");
    }
}

fn receive_on_tokio<S: AsyncRead + Unpin>(mut stream: S) -> impl FnMut(usize, &mut [u8]) -> Last {
    move |bytes, buf| until(bytes, || at_once(stream.read(buf)).expect("there is more"))
}
