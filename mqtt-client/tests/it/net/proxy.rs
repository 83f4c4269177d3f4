use std::error::Error as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;

use mqtt_client::net::{Error, Options, Proxy, ProxyError, Step};
use mqtt_client::uri::Endpoint;
use testkit::Refusing;

use super::{GREETING, SHORT, Server, WAYS, converse, fails, silence};

/// A server that only a proxy could find.
fn server() -> Endpoint {
    "mqtt://broker.invalid:1884".parse().unwrap()
}

fn through(proxy: &str, port: u16) -> Options {
    let proxy = format!("{proxy}:{port}").parse().unwrap();
    Options {
        proxy: Some(proxy),
        ..Options::default()
    }
}

/// Connects in every way through a proxy that does as scripted.
fn works(proxy: &str, endpoint: &Endpoint, serve: impl Fn(&mut TcpStream) + Send + 'static) {
    let server = Server::start(WAYS.len(), serve);
    for way in WAYS {
        way(endpoint, &through(proxy, server.port)).unwrap();
    }
    server.join();
}

/// Does not, and gives the reason.
fn refuses(proxy: &str, serve: impl Fn(&mut TcpStream) + Send + 'static) -> Error {
    let scripted = Server::start(WAYS.len(), serve);
    let error = fails(&server(), &through(proxy, scripted.port));
    scripted.join();
    error
}

/// Reads a request of HTTP, no more and no less.
fn request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    String::from_utf8(bytes).unwrap()
}

fn expect(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected);
}

/// An answer and, in the same packet, what the server says then.
fn answer(stream: &mut TcpStream, bytes: &[u8]) {
    stream.write_all(&[bytes, GREETING].concat()).unwrap();
    converse(stream);
}

/// An answer and, in the same packet, what the server says then, all of it byte by byte.
fn answer_slowly(stream: &mut TcpStream, bytes: &[u8]) {
    stream.set_nodelay(true).unwrap();
    for byte in [bytes, GREETING].concat() {
        stream.write_all(&[byte]).unwrap();
        std::thread::yield_now();
    }
    converse(stream);
}

#[test]
fn http() {
    works("http://127.0.0.1", &server(), |stream| {
        assert_eq!(
            request(stream),
            "CONNECT broker.invalid:1884 HTTP/1.1\r\nHost: broker.invalid:1884\r\n\r\n"
        );
        answer(stream, b"HTTP/1.1 200 Connection established\r\n\r\n");
    });
    let ipv6 = "mqtt://[2001:db8::1]".parse().unwrap();
    works("http://127.0.0.1", &ipv6, |stream| {
        let request = request(stream);
        assert!(
            request.starts_with("CONNECT [2001:db8::1]:1883 HTTP/1.1\r\n"),
            "{request}"
        );
        answer_slowly(stream, b"HTTP/1.0 204 x\r\nVia: me\r\nX: y\r\n\r\n");
    });
}

#[test]
fn http_with_a_password() {
    works("http://us%40er:pa:ss@127.0.0.1", &server(), |stream| {
        let request = request(stream);
        // us@er:pa:ss
        let header = "\r\nProxy-Authorization: Basic dXNAZXI6cGE6c3M=\r\n";
        assert!(request.contains(header), "{request}");
        answer(stream, b"HTTP/1.1 200\r\n\r\n");
    });
}

#[test]
fn http_refuses() {
    for (status, kind, text) in [
        (
            407,
            io::ErrorKind::PermissionDenied,
            "the proxy demands a user name and a password",
        ),
        (
            403,
            io::ErrorKind::PermissionDenied,
            "the proxy refuses, with status 403",
        ),
        (
            502,
            io::ErrorKind::HostUnreachable,
            "the proxy refuses, with status 502",
        ),
        (
            301,
            io::ErrorKind::Other,
            "the proxy refuses, with status 301",
        ),
        (
            100,
            io::ErrorKind::Other,
            "the proxy refuses, with status 100",
        ),
    ] {
        let error = refuses("http://127.0.0.1", move |stream| {
            request(stream);
            let head = format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno");
            stream.write_all(head.as_bytes()).unwrap();
        });
        assert_eq!((error.kind(), &*error.to_string()), (kind, text));
    }
    let error = refuses("http://user:secret@127.0.0.1", |stream| {
        request(stream);
        stream.write_all(b"HTTP/1.1 407 No\r\n\r\n").unwrap();
    });
    let text = "the proxy does not accept the user name and the password";
    assert_eq!(error.to_string(), text);
    assert!(matches!(
        error,
        Error::Proxy(ProxyError::Authentication { was_given: true })
    ));
}

/// Found out without the end of anything, and without end of it.
#[test]
fn no_http_proxy() {
    let endless = |line: &'static [u8]| {
        move |stream: &mut TcpStream| {
            request(stream);
            while stream.write_all(line).is_ok() {}
        }
    };
    let error = refuses("http://127.0.0.1", |stream| {
        stream.write_all(b"SSH-2.0-OpenSSH").unwrap();
        silence(stream);
    });
    assert!(
        matches!(error, Error::Proxy(ProxyError::NotAProxy)),
        "{error}"
    );
    assert_eq!(error.to_string(), "what answered is not such a proxy");
    for error in [
        refuses("http://127.0.0.1", endless(&[0; 100])),
        // One long line, many short ones, many headers.
        refuses("http://127.0.0.1", endless(b"HTTP/1.1 200 yes yes yes")),
        refuses("http://127.0.0.1", endless(b"\r\n")),
        refuses("http://127.0.0.1", |stream| {
            request(stream);
            stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
            while stream.write_all(b"A: b\r\n").is_ok() {}
        }),
        refuses("http://127.0.0.1", |stream| {
            request(stream);
            let header = [&b"HTTP/1.1 200 OK\r\nA: "[..], &[b'a'; 10_000]].concat();
            stream.write_all(&header).unwrap();
            silence(stream);
        }),
    ] {
        assert!(
            matches!(error, Error::Proxy(ProxyError::NotAProxy)),
            "{error}"
        );
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[test]
fn a_proxy_that_leaves() {
    let error = refuses("http://127.0.0.1", |stream| {
        request(stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
    });
    assert_eq!(
        error.to_string(),
        "the proxy closed the connection without an answer"
    );
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let error = refuses("socks5://127.0.0.1", |stream| {
        expect(stream, &[5, 1, 0]);
        stream.write_all(&[5]).unwrap();
    });
    assert_eq!(
        error.to_string(),
        "the proxy closed the connection without an answer"
    );
}

#[test]
fn silent_proxies() {
    for (proxy, reply) in [
        ("http://127.0.0.1", &b""[..]),
        ("http://127.0.0.1", b"HTTP/1.1 200 OK\r\n"),
        ("socks5://127.0.0.1", b""),
        ("socks5://127.0.0.1", b"\x05\x00"),
    ] {
        let silent = Server::start(WAYS.len(), move |stream| {
            stream.write_all(reply).unwrap();
            silence(stream);
        });
        let options = Options {
            timeout: SHORT,
            ..through(proxy, silent.port)
        };
        let error = fails(&server(), &options);
        assert!(matches!(error, Error::TimedOut(Step::Proxy)), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the proxy did not answer in time");
        silent.join();
    }
}

#[test]
fn no_proxy_at_all() {
    let refusing = Refusing::bind();
    let port = refusing.address.port();
    let error = fails(&server(), &through("socks5://127.0.0.1", port));
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let text = format!("no proxy: cannot connect to 127.0.0.1:{port}: Connection refused");
    assert!(error.to_string().starts_with(&text), "{error}");
    assert!(error.source().unwrap().source().is_some());
}

const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0Ebroker.invalid\x07\x5C";

#[test]
fn socks5() {
    for proxy in ["socks5://127.0.0.1", "socks5h://127.0.0.1"] {
        works(proxy, &server(), |stream| {
            expect(stream, &[5, 1, 0]);
            stream.write_all(&[5, 0]).unwrap();
            expect(stream, REQUEST);
            answer(stream, &[5, 0, 0, 1, 127, 0, 0, 1, 4, 0]);
        });
    }
    // Other kinds of addresses, there and back.
    let ipv4 = "mqtt://192.0.2.1".parse().unwrap();
    works("socks5://127.0.0.1", &ipv4, |stream| {
        expect(stream, &[5, 1, 0]);
        stream.write_all(&[5, 0]).unwrap();
        expect(stream, &[5, 1, 0, 1, 192, 0, 2, 1, 7, 0x5B]);
        answer_slowly(stream, b"\x05\x00\x00\x03\x04host\x00\x01");
    });
    let ipv6 = "mqtt://[2001:db8::1]".parse().unwrap();
    works("socks5://127.0.0.1", &ipv6, |stream| {
        expect(stream, &[5, 1, 0]);
        stream.write_all(&[5, 0]).unwrap();
        expect(
            stream,
            b"\x05\x01\x00\x04\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01\x07\x5B",
        );
        answer(stream, &[&[5, 0, 0, 4][..], &[0; 18]].concat());
    });
}

#[test]
fn socks5_with_a_password() {
    works("socks5://user:secret@127.0.0.1", &server(), |stream| {
        expect(stream, &[5, 2, 0, 2]);
        stream.write_all(&[5, 2]).unwrap();
        expect(stream, b"\x01\x04user\x06secret");
        stream.write_all(&[1, 0]).unwrap();
        expect(stream, REQUEST);
        answer(stream, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    });
    // There may be no need to show it.
    works("socks5://user:secret@127.0.0.1", &server(), |stream| {
        expect(stream, &[5, 2, 0, 2]);
        stream.write_all(&[5, 0]).unwrap();
        expect(stream, REQUEST);
        answer(stream, &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    });
    let error = refuses("socks5://user:wrong@127.0.0.1", |stream| {
        expect(stream, &[5, 2, 0, 2]);
        stream.write_all(&[5, 2]).unwrap();
        expect(stream, b"\x01\x04user\x05wrong");
        stream.write_all(&[1, 1]).unwrap();
    });
    let text = "the proxy does not accept the user name and the password";
    assert_eq!(
        (error.kind(), &*error.to_string()),
        (io::ErrorKind::PermissionDenied, text)
    );
    // No method suits, or it is one that was not offered.
    for method in [0xFF, 2] {
        let error = refuses("socks5://127.0.0.1", move |stream| {
            expect(stream, &[5, 1, 0]);
            stream.write_all(&[5, method]).unwrap();
        });
        let text = "the proxy demands a user name and a password";
        assert_eq!(
            (error.kind(), &*error.to_string()),
            (io::ErrorKind::PermissionDenied, text)
        );
    }
}

#[test]
fn socks5_refuses() {
    use io::ErrorKind as K;
    for (code, kind, text) in [
        (1, K::Other, "the proxy failed to connect to the server"),
        (
            2,
            K::PermissionDenied,
            "the proxy is not allowed to connect to this server",
        ),
        (
            3,
            K::NetworkUnreachable,
            "the proxy cannot reach the network of the server",
        ),
        (4, K::HostUnreachable, "the proxy cannot reach the server"),
        (
            5,
            K::ConnectionRefused,
            "the server refused the connection of the proxy",
        ),
        (6, K::HostUnreachable, "the proxy cannot reach the server"),
        (
            8,
            K::Unsupported,
            "the proxy cannot connect to such an address",
        ),
        (9, K::InvalidData, "what answered is not such a proxy"),
        (255, K::InvalidData, "what answered is not such a proxy"),
    ] {
        let error = refuses("socks5://127.0.0.1", move |stream| {
            expect(stream, &[5, 1, 0]);
            stream.write_all(&[5, 0]).unwrap();
            expect(stream, REQUEST);
            stream
                .write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0])
                .unwrap();
        });
        assert_eq!((error.kind(), &*error.to_string()), (kind, text));
    }
    for replies in [
        [&b"HTTP/1.1 400"[..], b""],
        [&[4, 0], &[]],
        [&[5, 1], &[]],
        [&[5, 0x80], &[]],
        [&[5, 0], &[4, 0, 0, 1]],
        [&[5, 0], &[5, 0, 1, 1]],
        [&[5, 0], &[5, 0, 0, 2]],
        [&[5, 0], b"\x05\x00\x00\x03\x01\xFF\x00\x00"],
    ] {
        let error = refuses("socks5://127.0.0.1", move |stream| {
            expect(stream, &[5, 1, 0]);
            stream.write_all(replies[0]).unwrap();
            stream.write_all(replies[1]).unwrap();
            silence(stream);
        });
        assert!(
            matches!(error, Error::Proxy(ProxyError::NotAProxy)),
            "{replies:?}: {error}"
        );
    }
}

#[test]
fn hosts_that_no_proxy_understands() {
    for (proxy, host) in [
        ("http://127.0.0.1", "a\r\nX-Header: b"),
        ("http://127.0.0.1", "a b"),
        ("socks5://127.0.0.1", &"a".repeat(256)),
    ] {
        let scripted = Server::start(WAYS.len(), silence);
        let endpoint = Endpoint {
            host: host.to_owned(),
            ..server()
        };
        let error = fails(&endpoint, &through(proxy, scripted.port));
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert_eq!(
            error.to_string(),
            "the host is nothing that can be said to a proxy"
        );
        scripted.join();
    }
}

#[test]
fn uris() {
    for (text, shown) in [
        ("http://proxy", "http://proxy:80"),
        ("HTTP://user:secret@proxy:3128/", "http://proxy:3128"),
        ("socks5://user:secret@[::1]", "socks5://[::1]:1080"),
        (
            "socks5h://bücher.example:1",
            "socks5://xn--bcher-kva.example:1",
        ),
    ] {
        let proxy: Proxy = text.parse().unwrap();
        assert_eq!(proxy.to_string(), shown);
        assert_eq!(format!("{proxy:?}"), format!("Proxy({shown})"));
    }
    let long = "x".repeat(256);
    let socks5 = "SOCKS5 has user names and passwords of 1 to 255 bytes";
    for (text, why) in [
        (
            "proxy:3128",
            "a scheme is missing at the beginning: did you mean http://proxy:3128?",
        ),
        (
            "https://proxy",
            "https:// is unknown: there are http://, socks5:// and socks5h://",
        ),
        ("http://", "there is no host after ://"),
        ("http://proxy:0", "a port is a number from 1 to 65535"),
        (
            "http://proxy/a",
            "nothing may follow the host and the port of a proxy",
        ),
        (
            "http://proxy?a",
            "nothing may follow the host and the port of a proxy",
        ),
        (
            "http://a%3Ab:c@proxy",
            "a user name with a colon cannot be shown to an HTTP proxy",
        ),
        ("http://a:%FF@proxy", "the password is not UTF-8"),
        ("socks5://user@proxy", socks5),
        ("socks5://:secret@proxy", socks5),
        (&format!("socks5://user:{long}@proxy"), socks5),
        (&format!("socks5://{long}:secret@proxy"), socks5),
    ] {
        let error = text.parse::<Proxy>().unwrap_err();
        assert_eq!(error.to_string(), why, "{text}");
    }
}
