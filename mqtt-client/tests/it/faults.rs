//! What can be wrong with a server, and what a client says of it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use mqtt_client::blocking::Client;
use mqtt_client::net::{self, Options};
use mqtt_client::uri::Endpoint;
use mqtt_client::{Config, Event, HeapStorage};
use testkit::{Certificates, Direction, End, Faults, Identity, Listener, Listeners, Proxy};
use transport_tls::{Connector, Roots, Source};
use tungstenite::WebSocket;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;

use super::drivers::options;

/// How long a server may be silent for a client that is hasty.
const SHORT: Duration = Duration::from_millis(300);

/// How much longer than that it may take until a client says what is wrong.
const LEEWAY: Duration = Duration::from_secs(5);

/// What the client says instead of being connected.
type Attempt = fn(&Endpoint, &Options) -> String;

const ATTEMPTS: &[(&str, Attempt)] = &[
    ("blocking", blocking),
    #[cfg(feature = "tokio")]
    ("tokio", on_tokio),
];

fn config(options: &Options) -> Config<'static> {
    Config {
        connect_timeout: options.timeout,
        ..Config::new("faults")
    }
}

fn blocking(endpoint: &Endpoint, options: &Options) -> String {
    let stream = match net::connect(endpoint, options) {
        Ok(stream) => stream,
        Err(error) => return error.to_string(),
    };
    let mut storage = HeapStorage::new(256, 256, 4);
    let mut client = Client::new(config(options), storage.split());
    client.connect(stream).unwrap();
    loop {
        match client.poll(None) {
            Ok(Some((Event::Connected(_), _))) => return "connected".to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

#[cfg(feature = "tokio")]
fn on_tokio(endpoint: &Endpoint, options: &Options) -> String {
    use mqtt_client::tokio::{Client, Options as ClientOptions, Server};

    let config = config(options);
    let (endpoint, options) = (endpoint.clone(), options.clone());
    let server = Server::new("server", move || {
        let (endpoint, options) = (endpoint.clone(), options.clone());
        async move { net::tokio::connect(&endpoint, &options).await }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let client = Client::new(&config, [server], ClientOptions::default()).unwrap();
        match client.connect().await {
            Ok(_) => "connected".to_owned(),
            Err(error) => error.to_string(),
        }
    })
}

/// A server that does this with each connection.
fn serve(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap());
        }
    });
    port
}

/// Says this to whatever comes first, and waits for the client to leave.
fn answer(mut stream: TcpStream, bytes: &[u8]) {
    let mut buf = [0; 4096];
    let _ = stream.read(&mut buf);
    let _ = stream.write_all(bytes);
    while matches!(stream.read(&mut buf), Ok(1..)) {}
}

/// The server's side of a WebSocket, with this sub-protocol.
pub(crate) fn accept<S: Read + Write>(
    stream: S,
    protocol: Option<&'static str>,
) -> Option<WebSocket<S>> {
    #[expect(clippy::result_large_err, reason = "it is tungstenite's")]
    let agree = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        if let Some(protocol) = protocol {
            let protocol = HeaderValue::from_static(protocol);
            response
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", protocol);
        }
        Ok(response)
    };
    tungstenite::accept_hdr(stream, agree).ok()
}

/// A web server that agrees to a WebSocket, with this sub-protocol, and then says this.
fn web(protocol: Option<&'static str>, then: &'static [u8]) -> u16 {
    serve(move |stream| {
        if accept(&stream, protocol).is_some() {
            answer(stream, then);
        }
    })
}

/// A port where nobody listens.
fn closed() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits no longer than [`SHORT`] for anything.
fn hasty(certificates: &Certificates) -> Options {
    Options {
        timeout: SHORT,
        ..options(certificates)
    }
}

/// Trusts this authority, and has no certificate.
fn trusting(ca: &Identity) -> Options {
    let tls = transport_tls::Options {
        roots: Roots::Only(vec![Source::Pem(ca.certificate.clone().into())]),
        ..transport_tls::Options::default()
    };
    Options {
        tls: Some(Connector::new(&tls).unwrap()),
        ..Options::default()
    }
}

/// Every client says one of these things, in time.
#[track_caller]
fn says(uri: &str, options: &Options, expected: &[&str]) {
    let endpoint = uri.parse().unwrap();
    for (way, attempt) in ATTEMPTS {
        let begin = Instant::now();
        let said = attempt(&endpoint, options);
        let is_expected = expected.iter().any(|expected| said.contains(expected));
        assert!(is_expected, "{way}, {uri}: {said}");
        let elapsed = begin.elapsed();
        assert!(elapsed < SHORT + LEEWAY, "{way}, {uri}: {elapsed:?}");
    }
}

#[test]
fn certificates() {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    let certificates = &listeners.certificates;
    let good = options(certificates);
    let uri = |scheme, listener| format!("{scheme}://localhost:{}", listeners.port(listener));

    let other = trusting(&certificates.other_ca);
    for (scheme, listener) in [("mqtts", Listener::Tls), ("wss", Listener::Wss)] {
        let unknown =
            "(subject CN=localhost, issuer CN=test-ca) is not signed by a known authority";
        says(&uri(scheme, listener), &other, &[unknown]);
    }
    let expired = "has expired on 2020-01-01";
    says(&uri("mqtts", Listener::Expired), &good, &[expired]);
    let early = "is not valid yet, it begins on 2999-01-01";
    says(&uri("mqtts", Listener::NotYetValid), &good, &[early]);
    let wrong = "is not valid for host 'localhost', only for wronghost.invalid";
    says(&uri("mqtts", Listener::WrongHost), &good, &[wrong]);

    // In TLS 1.3 the server says so when the client believes that it is connected.
    let anonymous = trusting(&certificates.ca);
    let demanded = "the server demands a client certificate";
    says(&uri("mqtts", Listener::MutualTls), &anonymous, &[demanded]);
    says(&uri("mqtts", Listener::Tls), &anonymous, &["connected"]);
}

#[test]
fn ports_of_another_protocol() {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    let options = options(&listeners.certificates);
    let uri = |scheme, listener| format!("{scheme}://localhost:{}", listeners.port(listener));

    // What mosquitto does with a port's wrong protocol is up to the bytes.
    let plain = "(is this a plain port?)";
    says(&uri("mqtts", Listener::Tcp), &options, &[plain]);
    says(&uri("mqtts", Listener::Ws), &options, &[plain]);
    let left = ["has closed the connection", "malformed", "Connection reset"];
    says(&uri("mqtt", Listener::Tls), &options, &left);
    says(&uri("mqtt", Listener::Ws), &options, &left);
    let left = ["in the WebSocket handshake", "does not speak HTTP"];
    says(&uri("ws", Listener::Tcp), &options, &left);
    says(&uri("ws", Listener::Wss), &options, &left);

    let http = serve(|stream| answer(stream, b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let not_tls = "the server does not speak TLS (is this a plain port?)";
    says(&format!("mqtts://localhost:{http}"), &options, &[not_tls]);
    says(&format!("wss://localhost:{http}"), &options, &[not_tls]);
    let malformed = "the server broke the protocol: ";
    says(&format!("mqtt://localhost:{http}"), &options, &[malformed]);
    let alert = serve(|stream| answer(stream, b"\x15\x03\x01\0\x02\x02\x46"));
    says(&format!("mqtt://localhost:{alert}"), &options, &[malformed]);
    let not_http = "the server does not speak HTTP on this port";
    says(&format!("ws://localhost:{alert}"), &options, &[not_http]);
}

#[test]
fn web_servers() {
    let options = Options::default();
    let uri = |port| format!("ws://localhost:{port}");

    for status in ["404 Not Found", "401 Unauthorized", "200 OK"] {
        let port = serve(move |stream| {
            let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            answer(stream, response.as_bytes());
        });
        let expected = format!("the server answered HTTP {status} instead of 101");
        says(&uri(port), &options, &[&expected]);
    }
    for protocol in [None, Some("stomp")] {
        let refused = "the server did not agree to the sub-protocol mqtt";
        says(&uri(web(protocol, b"")), &options, &[refused]);
    }
    let endless = web(Some("mqtt"), b"\x82\x7F\0\0\x01\0\0\0\0\0");
    let too_long = "the server sent a WebSocket frame longer than the limit";
    says(&uri(endless), &options, &[too_long]);
    let text = "the server sent text, and MQTT needs binary frames";
    says(&uri(web(Some("mqtt"), b"\x81\x02hi")), &options, &[text]);
}

#[test]
fn nobody() {
    let options = hasty(&Certificates::new());
    let silent = serve(|stream| answer(stream, b""));
    for (scheme, what) in [
        ("mqtt", "the server did not answer CONNECT in time"),
        (
            "mqtts",
            "the server did not answer in time, in the TLS handshake",
        ),
        (
            "ws",
            "the server did not answer in time, in the WebSocket handshake",
        ),
        (
            "wss",
            "the server did not answer in time, in the TLS handshake",
        ),
    ] {
        says(&format!("{scheme}://127.0.0.1:{silent}"), &options, &[what]);
        let closed = closed();
        let refused = format!("cannot connect to 127.0.0.1:{closed}: Connection refused");
        says(
            &format!("{scheme}://127.0.0.1:{closed}"),
            &options,
            &[&refused],
        );
        let unknown = "cannot resolve \"no-such-host.invalid\": ";
        says(
            &format!("{scheme}://no-such-host.invalid"),
            &options,
            &[unknown],
        );
    }
}

/// The ends of connections before they are made, and a server that is too slow.
#[test]
fn ends() {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    let patient = options(&listeners.certificates);
    let hasty = hasty(&listeners.certificates);
    let close = "the server has closed the connection";
    let plain = "the server ended the connection during the TLS handshake (is this a plain port?)";
    let ws = "the server closed the connection during the WebSocket handshake";
    for (scheme, listener, closed, handshake) in [
        ("mqtt", Listener::Tcp, close, 4),
        ("mqtts", Listener::Tls, plain, 500),
        ("ws", Listener::Ws, ws, 100),
        ("wss", Listener::Wss, plain, 500),
    ] {
        let fails = |options: &Options, down: Direction, expected: &[&str]| {
            let faults = Faults {
                down,
                ..Faults::default()
            };
            let proxy = Proxy::with(listeners.address(listener), move |_| faults);
            let uri = format!("{scheme}://localhost:{}", proxy.address().port());
            says(&uri, options, expected);
        };
        for at in [0, 1, handshake / 2, handshake - 1] {
            for (end, expected) in [
                (End::Close, &[closed][..]),
                (End::HalfClose, &[closed]),
                // The call that finds a reset uses it up: the next one finds a mere end.
                (End::Reset, &["Connection reset", closed]),
            ] {
                let down = Direction {
                    end: Some((at, end)),
                    ..Direction::default()
                };
                fails(&patient, down, expected);
            }
        }
        // Something comes all the time, and nothing is ever whole.
        let slow = Direction {
            rate: Some(4),
            ..Direction::default()
        };
        fails(&hasty, slow, &["in time"]);
    }
}

/// A connection that ends when the server has heard something and said nothing.
#[test]
fn no_answer() {
    let closes = serve(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
    });
    let half_closes = serve(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.shutdown(Shutdown::Write);
        answer(stream, b"");
    });
    // The system resets a connection on which something was not read.
    let resets = serve(|mut stream| {
        let _ = stream.read(&mut [0]);
    });
    let options = options(&Certificates::new());
    for port in [closes, half_closes, resets] {
        let plain = "(is this a plain port?)";
        says(&format!("mqtts://localhost:{port}"), &options, &[plain]);
        let expected = "the server has closed the connection before it answered \
                        (is this a TLS or WebSocket port?)";
        says(&format!("mqtt://localhost:{port}"), &options, &[expected]);
    }
}
