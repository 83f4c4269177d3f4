//! `mqtt demo`.

use testkit::{Listener, Listeners};

use crate::support::broker::Mosquitto;
use crate::support::command::mqtt;

/// The rows: transport, version, QoS, sent, received, duplicates, verdict.
fn rows(table: &str) -> Vec<[String; 7]> {
    let table = table
        .lines()
        .skip_while(|line| !line.starts_with("transport"));
    let rows = table.skip(1).take_while(|line| !line.is_empty());
    rows.map(|row| {
        let words: Vec<_> = row.split_whitespace().collect();
        let [
            transport,
            version,
            qos,
            sent,
            received,
            duplicates,
            _,
            "s",
            _,
            verdict @ ..,
        ] = &*words
        else {
            panic!("{row}");
        };
        [
            transport,
            version,
            qos,
            sent,
            received,
            duplicates,
            &&*verdict.join(" "),
        ]
        .map(|s| s.to_string())
    })
    .collect()
}

const TRANSPORTS: [&str; 4] = ["mqtt", "mqtts", "ws", "wss"];

fn expected(transports: &[&str], versions: &[&str], count: &str) -> Vec<[String; 7]> {
    let mut rows = Vec::new();
    for transport in transports {
        for version in versions {
            for (qos, verdict) in [
                ("0", "ok, at most once"),
                ("1", "ok, at least once"),
                ("2", "ok, exactly once"),
            ] {
                let row = [transport, version, qos, count, count, "0", verdict];
                rows.push(row.map(str::to_owned));
            }
        }
    }
    rows
}

#[test]
fn with_the_embedded_broker() {
    let finished = mqtt(&["demo"]).wait().ok();
    let table = finished.stdout();
    let expected = expected(&TRANSPORTS, &["3.1.1", "5.0"], "100");
    assert_eq!(rows(table), expected, "{table}");
    assert!(!table.contains('\x1B'), "colours are for terminals");
    assert!(table.ends_with("Every message arrived exactly as often as its QoS promises.\n"));
}

#[test]
fn with_other_sizes() {
    let args = [
        "demo",
        "--count",
        "20",
        "--size",
        "100000",
        "--versions",
        "5",
    ];
    let finished = mqtt(&args).wait().ok();
    assert_eq!(
        rows(finished.stdout()),
        expected(&TRANSPORTS, &["5.0"], "20")
    );
}

#[test]
fn with_another_broker() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let finished = broker.run(&["demo", "--count", "1000"]).ok();
    assert_eq!(
        rows(finished.stdout()),
        expected(&["mqtt"], &["3.1", "3.1.1", "5.0"], "1000")
    );
}

#[test]
fn with_another_broker_by_each_transport() {
    let Some(listeners) = Listeners::start() else {
        return;
    };
    let authority = listeners.mosquitto.dir.path().join("ca.crt");
    for (scheme, listener) in [
        ("mqtt", Listener::Tcp),
        ("mqtts", Listener::Tls),
        ("ws", Listener::Ws),
        ("wss", Listener::Wss),
    ] {
        let url = format!("{scheme}://localhost:{}", listeners.port(listener));
        let mut args = vec!["demo", "--count", "20", "--versions", "311,5", "-L", &url];
        if scheme.ends_with('s') && scheme != "ws" {
            args.extend(["--cafile", authority.to_str().unwrap()]);
        }
        let finished = mqtt(&args).wait().ok();
        let expected = expected(&[scheme], &["3.1.1", "5.0"], "20");
        assert_eq!(rows(finished.stdout()), expected);
    }
}

#[test]
fn one_transport_of_the_embedded_broker() {
    let finished = mqtt(&["demo", "--count", "5", "--versions", "5", "--ws"])
        .wait()
        .ok();
    assert_eq!(rows(finished.stdout()), expected(&["ws"], &["5.0"], "5"));
}

#[test]
fn without_a_broker() {
    let line = mqtt(&["demo", "-h", "127.0.0.1", "-p", "1"])
        .wait()
        .failed(1);
    assert!(
        line.starts_with("Could not connect to 127.0.0.1 port 1: "),
        "{line}"
    );
}
