//! `mqtt demo`.

use crate::support::broker::Mosquitto;
use crate::support::command::mqtt;

/// The rows: version, QoS, sent, received, duplicates, verdict.
fn rows(table: &str) -> Vec<[String; 6]> {
    let rows = table
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    rows.skip(1) // The sentence about the broker.
        .map(|row| {
            let words: Vec<_> = row.split_whitespace().collect();
            let [
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

fn expected(versions: &[&str], count: &str) -> Vec<[String; 6]> {
    let row = |version: &&str| {
        let version = *version;
        [
            ("0", "ok, at most once"),
            ("1", "ok, at least once"),
            ("2", "ok, exactly once"),
        ]
        .map(|(qos, verdict)| [version, qos, count, count, "0", verdict].map(str::to_owned))
    };
    versions.iter().flat_map(row).collect()
}

#[test]
fn with_the_embedded_broker() {
    let finished = mqtt(&["demo"]).wait().ok();
    let table = finished.stdout();
    assert_eq!(rows(table), expected(&["3.1.1", "5.0"], "100"), "{table}");
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
    assert_eq!(rows(finished.stdout()), expected(&["5.0"], "20"));
}

#[test]
fn with_another_broker() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let finished = broker.run(&["demo", "--count", "1000"]).ok();
    assert_eq!(
        rows(finished.stdout()),
        expected(&["3.1", "3.1.1", "5.0"], "1000")
    );
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
