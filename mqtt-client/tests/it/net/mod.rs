//! Connecting to what a URI names, on the calling thread and on tokio.

#[cfg(feature = "proxy")]
mod proxy;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "ws")]
mod ws;

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mqtt_client::Stream as _;
use mqtt_client::net::{self, Error, Options};
use mqtt_client::uri::Endpoint;
use testkit::machine::PATIENCE;

/// A time-out that is to come.
#[cfg(any(
    feature = "proxy",
    feature = "tls",
    feature = "ws",
    target_os = "linux"
))]
const SHORT: Duration = Duration::from_millis(200);

/// A server that does the same with each of some connections.
struct Server {
    port: u16,
    thread: JoinHandle<()>,
}

impl Server {
    fn start(connections: usize, serve: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = thread::spawn(move || {
            for _ in 0..connections {
                let (mut stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                serve(&mut stream);
            }
        });
        Self { port, thread }
    }

    fn join(self) {
        self.thread.join().unwrap();
    }
}

/// What a silent server does: waits for the client to give up.
#[cfg(any(feature = "proxy", feature = "tls", feature = "ws"))]
fn silence(stream: &mut TcpStream) {
    let mut bytes = [0; 1024];
    while matches!(stream.read(&mut bytes), Ok(1..)) {}
}

/// What a server says first, maybe in one packet with the end of a handshake, and the client's
/// answer to it.
const GREETING: &[u8] = b"hello";
const ANSWER: &[u8] = b"good day";

/// The server's part of [`converse_blocking`].
fn converse(stream: &mut (impl Read + Write)) {
    let mut answer = [0; ANSWER.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, ANSWER);
    stream.write_all(GREETING).unwrap();
    stream.flush().unwrap();
    // Until the client has seen it.
    let _ = stream.read(&mut [0]);
}

/// Connects, reads the greeting, answers it, and reads it again.
fn converse_blocking(endpoint: &Endpoint, options: &Options) -> Result<(), Error> {
    use embedded_io::{Read, Write};

    let mut stream = net::connect(endpoint, options)?;
    // The deadline of connecting is not that of the connection.
    let deadline = Instant::now() + PATIENCE;
    stream.set_deadline(Some(deadline)).unwrap();
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, GREETING);
    stream.write_all(ANSWER).unwrap();
    stream.flush().unwrap();
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, GREETING);

    // And the deadline goes down to the socket.
    stream.set_deadline(Some(Instant::now())).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    Ok(())
}

/// The same on tokio.
#[cfg(feature = "tokio")]
fn converse_tokio(endpoint: &Endpoint, options: &Options) -> Result<(), Error> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// What other tasks can be given.
    fn is_for_tasks<S: Send + Unpin + 'static>(stream: S) -> S {
        stream
    }

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut stream = is_for_tasks(net::tokio::connect(endpoint, options).await?);
        let conversation = async {
            let mut greeting = [0; GREETING.len()];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(greeting, GREETING);
            stream.write_all(ANSWER).await.unwrap();
            stream.flush().await.unwrap();
            let mut greeting = [0; GREETING.len()];
            stream.read_exact(&mut greeting).await.unwrap();
            assert_eq!(greeting, GREETING);
        };
        tokio::time::timeout(PATIENCE, conversation).await.unwrap();
        Ok(())
    })
}

type Converse = fn(&Endpoint, &Options) -> Result<(), Error>;

/// Every way to connect.
const WAYS: &[Converse] = &[
    converse_blocking,
    #[cfg(feature = "tokio")]
    converse_tokio,
];

/// Fails in every way, and gives what the last one says. What is to be waited for until then is
/// waited for as long as [`SHORT`], not as long as usual.
fn fails(endpoint: &Endpoint, options: &Options) -> Error {
    let mut errors: Vec<_> = WAYS
        .iter()
        .map(|way| {
            let begin = Instant::now();
            let error = way(endpoint, options).unwrap_err();
            assert!(begin.elapsed() < PATIENCE / 2, "{error}");
            error
        })
        .collect();
    let error = errors.pop().unwrap();
    for other in errors {
        // For a connection that is not made, the system and tokio have words of their own.
        if !matches!(error, Error::Connect(_)) {
            assert_eq!(other.to_string(), error.to_string());
        }
        assert_eq!(other.kind(), error.kind());
    }
    error
}
