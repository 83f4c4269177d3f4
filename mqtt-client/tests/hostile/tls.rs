//! What a server can do with TLS instead of saying anything.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mqtt_client::Version;
use testkit::machine::PATIENCE;
use transport_tls::rustls::crypto::ring;
use transport_tls::rustls::pki_types::PrivateKeyDer;
use transport_tls::rustls::{ServerConfig, ServerConnection, StreamOwned, version};

use crate::drivers::{CERTIFICATES, DRIVERS, Job, run};

/// Serves one connection: accepts CONNECT and then changes its keys, again and again.
fn changes_keys() -> (u16, thread::JoinHandle<usize>) {
    let server = &CERTIFICATES.server;
    let key = PrivateKeyDer::Pkcs8(server.key_der.clone().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![server.certificate_der.clone().into()], key)
        .unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let (tcp, _) = listener.accept().unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = StreamOwned::new(connection, tcp);
        stream.read_exact(&mut [0; 14]).unwrap();
        stream.write_all(b"\x20\x02\0\0").unwrap();
        stream.flush().unwrap();
        let end = Instant::now() + Duration::from_secs(15);
        let mut changes = 0;
        while Instant::now() < end {
            stream.conn.refresh_traffic_keys().unwrap();
            if stream.conn.write_tls(&mut stream.sock).is_err() {
                break;
            }
            changes += 1;
        }
        changes
    });
    (port, thread)
}

/// TLS refuses it, or it is silence to MQTT.
#[test]
fn new_keys_without_end_are_the_end() {
    for (name, driver) in DRIVERS {
        let (port, server) = changes_keys();
        let job = Job {
            scheme: "mqtts",
            keep_alive: 1,
            ..Job::new(Version::V311)
        };
        let seen = run(driver, port, job);
        let what = format!("{name}, {} changes, {seen:?}", server.join().unwrap());
        // Without a heap TLS knows no new keys at all.
        let is_expected = [
            "TooManyKeyUpdateRequests",
            "what this TLS does not support",
            "did not answer PINGREQ in time",
        ];
        let is_expected = is_expected.iter().any(|said| seen.said.contains(said));
        assert!(is_expected, "{what}");
        assert!(seen.memory < 1024 * 1024, "{what}");
        assert!(seen.time < Duration::from_secs(10), "{what}");
    }
}
