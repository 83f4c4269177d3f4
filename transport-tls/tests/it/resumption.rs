//! Sessions that are taken up again, and their secrets in a file.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use embedded_io::{Read, Write};
use testkit::machine::TempDir;
use transport_tls::rustls::{HandshakeKind, ServerConnection, StreamOwned};
use transport_tls::{Connector, Options};

use crate::certificates::tcp;
use crate::server::{Setup, TLS_1_2, TLS_1_3, echo, options};

/// Connects `n` times to one server, by clones of one connector.
fn kinds(options: &Options, setup: &Setup, n: usize) -> Vec<HandshakeKind> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(setup.config());
    let server = thread::spawn(move || {
        for _ in 0..n {
            let (tcp, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(config.clone()).unwrap();
            echo(StreamOwned::new(connection, tcp)).unwrap();
        }
    });
    let connector = Connector::new(options).unwrap();
    let kinds = (0..n)
        .map(|_| {
            let mut stream = connector
                .clone()
                .connect("localhost", tcp(address))
                .unwrap();
            // The session arrives with the first bytes from the server.
            stream.write_all(b"ping").unwrap();
            stream.flush().unwrap();
            stream.read_exact(&mut [0; 4]).unwrap();
            stream.close().unwrap();
            stream.connection().handshake_kind().unwrap()
        })
        .collect();
    server.join().unwrap();
    kinds
}

#[test]
fn second_handshake_is_resumed() {
    use HandshakeKind::{Full, Resumed};

    for versions in [&TLS_1_2, &TLS_1_3] {
        let setup = Setup {
            versions,
            ..Setup::default()
        };
        assert_eq!(kinds(&options(), &setup, 3), [Full, Resumed, Resumed]);
        let without = Options {
            resumption: false,
            ..options()
        };
        assert_eq!(kinds(&without, &setup, 2), [Full, Full]);
    }
}

const CHILD: &str = "TRANSPORT_TLS_KEY_LOG";

/// The variable belongs to the process, so this test starts itself in one of its own.
#[test]
fn secrets_are_logged_on_demand() {
    if let Ok(key_log) = env::var(CHILD) {
        let options = Options {
            key_log: key_log == "yes",
            ..options()
        };
        kinds(&options, &Setup::default(), 1);
        return;
    }
    let dir = TempDir::new();
    for (answer, file) in [("yes", "a"), ("no", "b")] {
        let path = dir.path().join(file);
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "resumption::secrets_are_logged_on_demand"])
            .env(CHILD, answer)
            .env("SSLKEYLOGFILE", &path)
            .status()
            .unwrap();
        assert!(status.success());
        let text = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text.contains("CLIENT_TRAFFIC_SECRET_0 "), answer == "yes");
    }
}

/// The system's authorities are those that the environment names, if it does.
#[test]
fn system_roots() {
    const CHILD: &str = "TRANSPORT_TLS_ROOTS";

    if env::var_os(CHILD).is_some() {
        let trusted = Connector::new(&Options::default())
            .map(|_| "made".to_owned())
            .unwrap_or_else(|error| error.to_string());
        fs::write(env::var_os(CHILD).unwrap(), trusted).unwrap();
        return;
    }
    let dir = TempDir::new();
    crate::server::certificates().write(&dir);
    dir.write("empty.crt", b"");
    for (file, outcome) in [
        ("ca.crt", "made"),
        ("empty.crt", "the system has no certificates of authorities"),
    ] {
        let told = dir.path().join("told");
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "resumption::system_roots"])
            .env(CHILD, &told)
            .env("SSL_CERT_FILE", dir.path().join(file))
            .env_remove("SSL_CERT_DIR")
            .status()
            .unwrap();
        assert!(status.success());
        let text = fs::read_to_string(&told).unwrap();
        assert!(text.starts_with(outcome), "{text}");
    }
}
