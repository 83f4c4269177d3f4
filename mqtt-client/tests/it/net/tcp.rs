use std::error::Error as _;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

use mqtt_client::net::{self, Options, Stream};
use mqtt_client::uri::Endpoint;
use testkit::Refusing;

use super::{GREETING, Server, WAYS, converse, fails};
#[cfg(target_os = "linux")]
use super::{PATIENCE, SHORT};

#[test]
fn bytes_go_both_ways() {
    let server = Server::start(2 * WAYS.len(), |stream| {
        stream.write_all(GREETING).unwrap();
        converse(stream);
    });
    for host in ["127.0.0.1", "localhost"] {
        let uri = format!("mqtt://user:secret@{host}:{}/topic", server.port);
        for way in WAYS {
            way(&uri.parse().unwrap(), &Options::default()).unwrap();
        }
    }
    server.join();
}

/// As long as this system has IPv6.
#[test]
fn ipv6() {
    let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let endpoint: Endpoint = format!("mqtt://[::1]:{port}").parse().unwrap();
    net::connect(&endpoint, &Options::default()).unwrap();
}

#[test]
fn the_deadline_is_that_of_connecting() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let endpoint = format!("mqtt://127.0.0.1:{port}").parse().unwrap();
    let stream = net::connect(&endpoint, &Options::default()).unwrap();
    assert!(matches!(stream, Stream::Tcp(tcp) if tcp.deadline().is_none()));
}

#[test]
fn refused_and_unknown() {
    let refusing = Refusing::bind();
    let port = refusing.address.port();
    let endpoint = format!("mqtt://127.0.0.1:{port}").parse().unwrap();
    let error = fails(&endpoint, &Options::default());
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let text = format!("cannot connect to 127.0.0.1:{port}: Connection refused");
    assert!(error.to_string().starts_with(&text), "{error}");
    assert!(error.source().is_some());

    let endpoint = "mqtt://no-such-host.invalid".parse().unwrap();
    let error = fails(&endpoint, &Options::default());
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    let text = "cannot resolve \"no-such-host.invalid\": ";
    assert!(error.to_string().starts_with(text), "{error}");
}

/// Whichever of the two time-outs is shorter.
#[cfg(target_os = "linux")]
#[test]
fn no_answer() {
    let silent = testkit::Silent::bind();
    let endpoint = format!("mqtt://{}", silent.address).parse().unwrap();
    for (timeout, connect_timeout) in [(SHORT, PATIENCE), (PATIENCE, SHORT)] {
        let mut options = Options {
            timeout,
            ..Options::default()
        };
        options.tcp.connect_timeout = connect_timeout;
        let error = fails(&endpoint, &options);
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(
            error.to_string().starts_with("cannot connect to"),
            "{error}"
        );
    }
}

#[cfg(not(all(feature = "tls", feature = "ws")))]
#[test]
fn schemes_without_their_feature() {
    for (scheme, what, is_there) in [
        ("mqtts", "TLS", cfg!(feature = "tls")),
        ("ws", "WebSockets", cfg!(feature = "ws")),
        (
            "wss",
            if cfg!(feature = "tls") {
                "WebSockets"
            } else {
                "TLS"
            },
            false,
        ),
    ] {
        if !is_there {
            let endpoint = format!("{scheme}://localhost").parse().unwrap();
            let error = fails(&endpoint, &Options::default());
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert_eq!(
                error.to_string(),
                format!("this program was built without {what}, which {scheme}:// needs")
            );
        }
    }
}
