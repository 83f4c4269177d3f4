use std::io::{self, Read, Write};

use mqtt_client::net::{Error, Options, Step};
use mqtt_client::uri::Endpoint;
use transport_ws::{RequestError, ResponseError};
use tungstenite::handshake::server::{Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket, accept_hdr};

use super::{ANSWER, GREETING, SHORT, Server, WAYS, fails, silence};

/// Accepts a WebSocket whose request passes `check`, and serves it.
fn serve<S: Read + Write>(stream: S, check: impl Fn(&Request)) {
    #[expect(clippy::result_large_err, reason = "tungstenite's")]
    let callback = |request: &Request, mut response: Response| {
        check(request);
        let protocol = HeaderValue::from_static("mqtt");
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        Ok(response)
    };
    let mut socket: WebSocket<S> = accept_hdr(stream, callback).ok().unwrap();
    socket.send(Message::binary(GREETING)).unwrap();
    let mut answer = Vec::new();
    while answer.len() < ANSWER.len() {
        answer.extend(socket.read().unwrap().into_data());
    }
    assert_eq!(answer, ANSWER);
    socket.send(Message::binary(GREETING)).unwrap();
    // Until the client has seen it.
    while socket.read().is_ok() {}
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap())
}

fn at(port: u16) -> Endpoint {
    format!("ws://127.0.0.1:{port}").parse().unwrap()
}

#[test]
fn bytes_go_both_ways() {
    let server = Server::start(2 * WAYS.len(), |stream| {
        serve(stream, |request| {
            assert_eq!(request.uri(), "/mqtt");
            assert_eq!(header(request, "Sec-WebSocket-Protocol"), Some("mqtt"));
            // The user is for the MQTT server, or there is none.
            assert_eq!(header(request, "Authorization"), None);
        });
    });
    let port = server.port;
    let endpoint = format!("ws://user:secret@127.0.0.1:{port}")
        .parse()
        .unwrap();
    let options = Options {
        ws_basic_auth: true,
        ..Options::default()
    };
    for way in WAYS {
        way(&endpoint, &Options::default()).unwrap();
        way(&at(port), &options).unwrap();
    }
    server.join();
}

#[test]
fn what_the_request_says() {
    let server = Server::start(WAYS.len(), |stream| {
        let port = stream.local_addr().unwrap().port();
        serve(stream, |request| {
            assert_eq!(request.uri(), "/a%20b?c=d");
            assert_eq!(header(request, "Host"), Some(&*format!("127.0.0.1:{port}")));
            assert_eq!(header(request, "X-Test"), Some("yes"));
            // user:sec:ret
            let basic = header(request, "Authorization");
            assert_eq!(basic, Some("Basic dXNlcjpzZWM6cmV0"));
        });
    });
    let options = Options {
        ws: transport_ws::Options {
            path: "/not/that".to_owned(),
            headers: vec![("X-Test".to_owned(), "yes".to_owned())],
            ..Default::default()
        },
        ws_basic_auth: true,
        ..Options::default()
    };
    let port = server.port;
    let uri = format!("ws://user:sec:ret@127.0.0.1:{port}/a b?c=d");
    for way in WAYS {
        way(&uri.parse().unwrap(), &options).unwrap();
    }
    server.join();
}

#[test]
fn what_cannot_be_asked_for() {
    let server = Server::start(3 * WAYS.len(), silence);
    let path = Endpoint {
        path: "/a\r\nX-Test: yes".to_owned(),
        ..at(server.port)
    };
    let error = fails(&path, &Options::default());
    assert!(
        matches!(error, Error::Request(RequestError::Path)),
        "{error}"
    );
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);

    let options = Options {
        ws_basic_auth: true,
        ..Options::default()
    };
    for (username, password) in [(None, Some(vec![0xFF])), (Some("a:b"), Some(vec![b'c']))] {
        let user = Endpoint {
            username: username.map(str::to_owned),
            password,
            ..at(server.port)
        };
        let error = fails(&user, &options);
        let is_credentials = matches!(error, Error::Request(RequestError::Credentials));
        assert!(is_credentials, "{error}");
    }
    server.join();
}

#[test]
fn other_servers() {
    use ResponseError as E;
    for (answer, expected, kind) in [
        (
            &b"\x20\x02\x00\x00"[..],
            E::NotHttp,
            io::ErrorKind::InvalidData,
        ),
        (
            b"HTTP/1.1 404 No\r\n\r\n",
            E::Status(404),
            io::ErrorKind::InvalidData,
        ),
        (
            b"HTTP/1.1 401 No\r\n\r\n",
            E::Status(401),
            io::ErrorKind::PermissionDenied,
        ),
        (b"", E::Ended, io::ErrorKind::UnexpectedEof),
    ] {
        let server = Server::start(WAYS.len(), move |stream| {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            stream.write_all(answer).unwrap();
        });
        let error = fails(&at(server.port), &Options::default());
        assert_eq!(error.kind(), kind, "{error}");
        match error {
            Error::WebSocket(error) => assert_eq!(error, expected),
            error => panic!("{error}"),
        }
        server.join();
    }
}

#[test]
fn silent_servers() {
    let server = Server::start(WAYS.len(), silence);
    let options = Options {
        timeout: SHORT,
        ..Options::default()
    };
    let error = fails(&at(server.port), &options);
    assert!(matches!(error, Error::TimedOut(Step::WebSocket)), "{error}");
    assert_eq!(
        error.to_string(),
        "the server did not answer in time, in the WebSocket handshake"
    );
    server.join();
}

/// All layers at once.
#[cfg(feature = "tls")]
mod wss {
    use testkit::machine::PATIENCE;
    use transport_tls::TlsError;

    use super::super::tls::{options, over_tls};
    use super::*;

    fn at(port: u16) -> Endpoint {
        format!("wss://localhost:{port}/").parse().unwrap()
    }

    #[test]
    fn bytes_go_both_ways() {
        let serve = over_tls(false, |stream| {
            serve(stream, |request| assert_eq!(request.uri(), "/"));
        });
        let server = Server::start(WAYS.len(), serve);
        for way in WAYS {
            way(&at(server.port), &options()).unwrap();
        }
        server.join();
    }

    #[cfg(feature = "proxy")]
    #[test]
    fn through_a_proxy() {
        let serve = over_tls(false, |stream| {
            serve(stream, |request| {
                assert_eq!(header(request, "Host"), Some("localhost"));
            });
        });
        let server = Server::start(WAYS.len(), move |stream| {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            assert!(request.starts_with(b"CONNECT localhost:443 HTTP/1.1\r\n"));
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            serve(stream);
        });
        let proxy = format!("http://127.0.0.1:{}", server.port).parse().unwrap();
        let options = Options {
            proxy: Some(proxy),
            ..options()
        };
        for way in WAYS {
            way(&"wss://localhost".parse().unwrap(), &options).unwrap();
        }
        server.join();
    }

    #[test]
    fn silent_servers() {
        for way in WAYS {
            let mut timeout = SHORT;
            loop {
                let serve = over_tls(false, |stream| {
                    let mut bytes = [0; 1024];
                    while matches!(stream.read(&mut bytes), Ok(1..)) {}
                });
                let server = Server::start(1, serve);
                let options = Options {
                    timeout,
                    ..options()
                };
                let error = way(&at(server.port), &options).unwrap_err();
                server.join();
                match error {
                    Error::TimedOut(Step::WebSocket) => break,
                    // On a busy machine it may not come as far.
                    Error::TimedOut(Step::Tls) if timeout < PATIENCE => timeout *= 2,
                    error => panic!("{error}"),
                }
            }
        }
    }

    /// With TLS 1.3 the client is done before the server has looked at its certificate.
    #[test]
    fn no_client_certificate() {
        let server = Server::start(WAYS.len(), over_tls(true, |_| {}));
        let error = fails(&at(server.port), &options());
        let is_required = matches!(error, Error::Tls(TlsError::ClientCertificateRequired));
        assert!(is_required, "{error}");
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        server.join();
    }
}
