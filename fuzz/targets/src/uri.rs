//! URIs of servers.

use std::net::{Ipv4Addr, Ipv6Addr};

use mqtt_client::uri::{Endpoint, Scheme};
use transport_ws::{Handshake, Request};

/// A URI.
pub(crate) fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    match text.parse::<Endpoint>() {
        Ok(endpoint) => accepted(&text, &endpoint),
        Err(error) => {
            let why = error.to_string();
            assert!(!why.is_empty());
        }
    }
}

fn accepted(text: &str, endpoint: &Endpoint) {
    let Endpoint {
        scheme,
        host,
        port,
        path,
        username,
        password,
    } = endpoint;
    // Nothing is made up: scheme and port are those that are written.
    let (written, _) = text.trim_ascii().split_once("://").unwrap();
    let known = match &*written.to_ascii_lowercase() {
        "mqtt" | "tcp" => Scheme::Mqtt,
        "mqtts" | "ssl" | "tls" => Scheme::Mqtts,
        "ws" => Scheme::Ws,
        "wss" => Scheme::Wss,
        other => panic!("{other}"),
    };
    assert_eq!(*scheme, known);
    assert_ne!(*port, 0);
    assert!(!host.is_empty() && host.is_ascii(), "{host:?}");
    assert!(
        !host.contains(['/', '?', '#', '@', '[', ']', ' ']),
        "{host:?}"
    );
    if host.contains(':') {
        assert!(host.parse::<Ipv6Addr>().is_ok(), "{host:?}");
    }
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let last = host.strip_suffix('.').unwrap_or(host).rsplit('.').next();
    let last = last.unwrap_or_default();
    if !last.is_empty() && is_number(last) {
        assert!(host.parse::<Ipv4Addr>().is_ok(), "{host:?}");
    }
    assert!(username.as_ref().is_none_or(|name| !name.is_empty()));
    assert!(
        password
            .as_ref()
            .is_none_or(|password| !password.is_empty())
    );
    if scheme.is_ws() {
        // It can be asked for as it is.
        let authority = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let request = Request {
            authority: &authority,
            path,
            credentials: None,
            headers: &[],
        };
        let mut out = vec![0; 512 + authority.len() + path.len()];
        let written = Handshake::new([0; 16]).write_request(&request, &mut out);
        assert!(written.is_ok(), "{written:?}: {endpoint:?}");
    } else {
        assert!(path.is_empty() || path.starts_with('/'), "{path:?}");
    }

    // What is shown leads to the same place, and does not tell the password.
    let shown = endpoint.to_string();
    let again: Endpoint = shown
        .parse()
        .unwrap_or_else(|why| panic!("{shown:?}: {why}"));
    let without = Endpoint {
        password: None,
        ..endpoint.clone()
    };
    assert_eq!(again, without, "{shown:?}");
    assert!(format!("{endpoint:?}").contains("password"));
    assert_eq!(again.to_string(), shown);
}
