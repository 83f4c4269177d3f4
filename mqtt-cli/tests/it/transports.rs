//! The `mqtt` command by TLS and WebSocket, and what it says if that does not work.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;
use testkit::{Listener, Listeners};

use crate::support::command::{Finished, Running, mqtt};
use crate::support::{unique, wait_for};

/// A mosquitto with every listener.
struct Broker(Listeners);

impl Broker {
    fn start() -> Option<Self> {
        Listeners::start().map(Self)
    }

    /// A file in its folder.
    fn file(&self, name: &str) -> String {
        let path = self.0.mosquitto.dir.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// `-h` and `-p`.
    fn at(&self, listener: Listener) -> [String; 4] {
        let port = self.0.port(listener).to_string();
        ["-h", "localhost", "-p", &port].map(str::to_owned)
    }

    /// Publishes to a listener.
    fn publish(&self, listener: Listener, args: &[&str]) -> Finished {
        let at = self.at(listener);
        let at = at.iter().map(String::as_str);
        let publish = ["pub", "-t", "a", "-m", "x", "-q", "1"];
        let args: Vec<_> = publish
            .into_iter()
            .chain(at)
            .chain(args.iter().copied())
            .collect();
        mqtt(&args).wait()
    }

    /// What is said if publishing fails.
    #[track_caller]
    fn fails(&self, listener: Listener, args: &[&str], parts: &[&str]) {
        let line = self.publish(listener, args).failed(1);
        let address = format!(
            "Could not connect to localhost port {}",
            self.0.port(listener)
        );
        assert!(line.starts_with(&address), "{line}");
        for part in parts {
            assert!(line.contains(part), "{line}");
        }
    }

    fn subscribed(&self, args: &[&str]) -> Running {
        let id = unique("sub");
        let running = mqtt(&[&["sub", "-i", &id], args].concat());
        let text = format!("Sending SUBACK to {id}");
        wait_for(&text, || {
            self.0.mosquitto.log().contains(&text).then_some(())
        });
        running
    }
}

#[test]
fn every_transport_with_options_and_with_urls() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let [ca, cert, key] = ["ca.crt", "client.crt", "client.key"].map(|name| broker.file(name));
    // By WebSocket, mosquitto sends 4 KiB every tenth of a second.
    let (long, short) = ("0123456789".repeat(50_000), "0123456789".repeat(2_000));
    for (listener, scheme, options) in [
        (Listener::Tcp, "mqtt", &[][..]),
        (Listener::Tls, "mqtts", &["--cafile", &ca]),
        (
            Listener::MutualTls,
            "mqtts",
            &["--cafile", &ca, "--cert", &cert, "--key", &key],
        ),
        (Listener::Ws, "ws", &["--ws"]),
        (Listener::Wss, "wss", &["--ws", "--cafile", &ca]),
    ] {
        let at = broker.at(listener);
        let at: Vec<_> = at
            .iter()
            .map(String::as_str)
            .chain(options.iter().copied())
            .collect();
        let payload = if scheme.starts_with("ws") {
            &short
        } else {
            &long
        };
        let file = broker.0.mosquitto.dir.write("payload", payload.as_bytes());
        let url = format!("{scheme}://localhost:{}", broker.0.port(listener));
        let named: Vec<_> = ["-L", &url]
            .into_iter()
            .chain(options.iter().copied().filter(|option| *option != "--ws"))
            .collect();
        for (how, other) in [(&at, &named), (&named, &at)] {
            let topic = unique("topic");
            let common = ["-t", &topic, "-q", "2"];
            let text = broker.subscribed(&[&common[..], &["-C", "1"], how].concat());
            let large = broker.subscribed(&[&common[..], &["-C", "2", "-N"], other].concat());
            for what in [&["-m", "hello"][..], &["-f", &file]] {
                mqtt(&[&["pub"], &common[..], what, other].concat())
                    .wait()
                    .ok();
            }
            assert_eq!(text.wait().ok().stdout(), "hello\n", "{how:?}");
            assert!(
                large.wait().ok().stdout() == format!("hello{payload}"),
                "{how:?}"
            );
        }
    }
}

#[test]
fn a_topic_in_the_url_and_tls_by_an_authority() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let ca = broker.file("ca.crt");
    let port = broker.0.port(Listener::Tls);
    let url = format!("mqtt://localhost:{port}/house/light");
    let with_tls = ["-L", &url, "--cafile", &ca];
    let subscriber = broker.subscribed(&[&with_tls[..], &["-C", "1"]].concat());
    let url = format!("mqtts://localhost:{port}/house/light");
    mqtt(&["pub", "-L", &url, "--cafile", &ca, "-m", "on"])
        .wait()
        .ok();
    assert_eq!(subscriber.wait().ok().stdout(), "on\n");
}

#[test]
fn certificates_that_are_not_trusted() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let [ca, other] = ["ca.crt", "other_ca.crt"].map(|name| broker.file(name));
    let unknown = [
        "is not signed by a known authority",
        "If you trust it, name its authority's certificate with --cafile.",
    ];
    broker.fails(Listener::Tls, &["--cafile", &other], &unknown);
    broker.fails(Listener::Wss, &["--cafile", &other, "--ws"], &unknown);
    broker.fails(Listener::Tls, &["--cafile", &other, "--insecure"], &unknown);
    let ca = ["--cafile", &*ca];
    broker.fails(
        Listener::WrongHost,
        &ca,
        &[
            "is not valid for host 'localhost', only for wronghost.invalid.",
            "leave this check out with --insecure.",
        ],
    );
    broker.fails(
        Listener::Expired,
        &ca,
        &["has expired on 20", "It has to be renewed"],
    );
    broker.fails(
        Listener::NotYetValid,
        &ca,
        &["is not valid yet", "Is the clock of this machine right?"],
    );

    let insecure = [&ca[..], &["--insecure"]].concat();
    broker.publish(Listener::WrongHost, &insecure).ok();
    broker.fails(Listener::Expired, &insecure, &["has expired on 20"]);
    for listener in [Listener::Tls, Listener::Expired, Listener::WrongHost] {
        let skip = ["--cafile", &other, "--dangerously-skip-verification"];
        broker.publish(listener, &skip).ok();
    }
}

#[test]
fn client_certificates() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let file = |name: &str| broker.file(name);
    let ca = file("ca.crt");
    let missing = ["the server demands a client certificate. Give one with --cert and --key."];
    broker.fails(Listener::MutualTls, &["--cafile", &ca], &missing);
    let (cert, key) = (file("other_ca.crt"), file("other_ca.key"));
    broker.fails(
        Listener::MutualTls,
        &["--cafile", &ca, "--cert", &cert, "--key", &key],
        &[
            "the server refuses the client certificate: ",
            "Choose another with --cert and --key.",
        ],
    );
    for (cert, key, expected) in [
        (
            "client.crt",
            "server.key",
            "does not belong to the certificate in",
        ),
        ("client.key", "client.key", "there is no PEM certificate in"),
        ("client.crt", "client.crt", "there is no PEM private key in"),
        ("none.crt", "client.key", "cannot read"),
    ] {
        let args = ["--cafile", &ca, "--cert", &file(cert), "--key", &file(key)];
        let line = broker.publish(Listener::MutualTls, &args).failed(1);
        assert!(line.starts_with("Could not prepare TLS: "), "{line}");
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn authorities() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let dir = &broker.0.mosquitto.dir;
    let authorities = dir.path().join("authorities");
    fs::create_dir(&authorities).unwrap();
    fs::write(authorities.join("README"), "not a certificate").unwrap();
    let path = authorities.to_str().unwrap();
    let line = broker.publish(Listener::Tls, &["--capath", path]).failed(1);
    assert!(
        line.starts_with("There are no certificates in the directory "),
        "{line}"
    );
    for name in ["ca.crt", "other_ca.crt"] {
        fs::copy(broker.file(name), authorities.join(name)).unwrap();
    }
    broker.publish(Listener::Tls, &["--capath", path]).ok();

    let line = broker.publish(Listener::Tls, &["--cafile", path]).failed(1);
    assert!(
        line.starts_with("Could not prepare TLS: cannot read "),
        "{line}"
    );
    let other = broker.file("other_ca.crt");
    let both = ["--cafile", &other, "--tls-use-os-certs"];
    broker.fails(
        Listener::Tls,
        &both,
        &["is not signed by a known authority"],
    );
}

#[test]
fn pins() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let ca = broker.file("ca.crt");
    let wrong = "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let args = ["--cafile", &*ca, "--pin", wrong];
    let line = broker.publish(Listener::Tls, &args).failed(1);
    assert!(
        line.ends_with("If you trust it, give it with --pin."),
        "{line}"
    );
    let (_, right) = line.split_once("is not pinned: ").unwrap();
    let (right, _) = right.split_once('.').unwrap();
    broker
        .publish(Listener::Tls, &["--cafile", &ca, "--pin", right])
        .ok();
    broker
        .publish(Listener::Tls, &[&args[..], &["--pin", right]].concat())
        .ok();
    let only = ["--dangerously-skip-verification", "--pin"];
    broker
        .publish(Listener::Tls, &[&only[..], &[right]].concat())
        .ok();
    broker
        .publish(Listener::Tls, &[&only[..], &[wrong]].concat())
        .failed(1);
}

/// A port for something else: it closes, resets or answers in its own way.
#[test]
fn the_wrong_port() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let ca = broker.file("ca.crt");
    let (tls, wss) = (["--cafile", &*ca], ["--cafile", &*ca, "--ws"]);
    for (listener, args, advice) in [
        (Listener::Tcp, &tls[..], "TLS"),
        (Listener::Ws, &tls, "TLS"),
        (Listener::Tcp, &wss, "TLS"),
        (Listener::Tcp, &["--ws"], "Is this port for WebSockets?"),
        (Listener::Tls, &["--ws"], "Is this port for WebSockets?"),
        (Listener::Tls, &wss, "Is this port for WebSockets?"),
        (Listener::Tls, &[], "TLS"),
        (Listener::Ws, &[], "Connect by WebSocket with --ws"),
    ] {
        let line = broker.publish(listener, args).failed(1);
        assert!(line.contains(advice), "{listener:?} {args:?}: {line}");
        eprintln!("{line}"); // Shown if the test fails.
    }
}

#[test]
fn secrets_for_wireshark() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let [ca, log] = ["ca.crt", "keys"].map(|name| broker.file(name));
    let program = env!("CARGO_BIN_EXE_mqtt");
    let port = broker.0.port(Listener::Tls);
    let script = format!(
        "SSLKEYLOGFILE={log} exec {program} pub -p {port} -t a -m x --cafile {ca} --tls-keylog"
    );
    Running::start("sh", &["-c", &script]).wait().ok();
    let keys = fs::read_to_string(&log).unwrap();
    assert!(keys.contains("CLIENT_TRAFFIC_SECRET_0 "), "{keys}");
}

#[test]
fn a_proxy_that_connects() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:secret@{}", listener.local_addr().unwrap());
    let serving = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let target = head.split(' ').nth(1).unwrap();
        let server = TcpStream::connect(target).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let pass = |mut from: TcpStream, mut to: TcpStream| {
            thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            })
        };
        let up = pass(client.try_clone().unwrap(), server.try_clone().unwrap());
        let down = pass(server, client);
        up.join().unwrap();
        down.join().unwrap();
        head
    });
    let ca = broker.file("ca.crt");
    let proxied = ["--cafile", &ca, "--proxy", &url];
    broker.publish(Listener::Tls, &proxied).ok();
    let head = serving.join().unwrap();
    let port = broker.0.port(Listener::Tls);
    assert!(
        head.starts_with(&format!("CONNECT localhost:{port} HTTP/1.1\r\n")),
        "{head}"
    );
    // me:secret
    assert!(
        head.to_lowercase().contains("proxy-authorization: basic"),
        "{head}"
    );
    assert!(head.contains("bWU6c2VjcmV0"), "{head}");
}

#[test]
fn bench_by_wss() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let (ca, at) = (broker.file("ca.crt"), broker.at(Listener::Wss));
    let bench = [
        "bench", "--count", "50", "-q", "1", "--json", "--ws", "--cafile", &ca,
    ];
    let args: Vec<_> = bench
        .into_iter()
        .chain(at.iter().map(String::as_str))
        .collect();
    let finished = mqtt(&args).wait().ok();
    let figures: Value = serde_json::from_str(finished.stdout()).unwrap();
    assert_eq!(figures["received"]["messages"], 50);
    let name = figures["broker"].as_str().unwrap();
    assert!(name.ends_with(" (wss)"), "{name}");
}
