//! `mqtt bench`.

use serde_json::Value;

use crate::support::broker::Mosquitto;
use crate::support::command::mqtt;
use crate::support::wait_for;

fn figures(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_message_is_counted() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for version in ["31", "311", "5"] {
        for qos in ["0", "1", "2"] {
            let args = [
                "bench",
                "-V",
                version,
                "-q",
                qos,
                "--publishers",
                "2",
                "--subscribers",
                "3",
                "--count",
                "50",
                "--size",
                "100",
                "--json",
            ];
            let finished = broker.run(&args).ok();
            assert_eq!(finished.stderr, "");
            let figures = figures(finished.stdout());
            assert_eq!(figures["published"]["messages"], 100);
            assert_eq!(figures["expected"], 300);
            assert_eq!(figures["received"]["messages"], 300, "{version} {qos}");
            assert_eq!(figures["lost"], 0);
            assert_eq!(figures["refused"], 0);
            assert_eq!(figures["interrupted"], false);
            let latency = &figures["latency_us"];
            assert_eq!(latency["acknowledgement"].is_null(), qos == "0");
            let delivery = |name: &str| latency["delivery"][name].as_f64().unwrap();
            let ordered = ["min", "p50", "p90", "p99", "p99_9", "max"].map(delivery);
            assert!(ordered[0] > 0.0 && ordered.is_sorted(), "{ordered:?}");
        }
    }
}

#[cfg(feature = "demo")]
#[test]
fn the_embedded_broker_for_people() {
    let args = ["bench", "--count", "20", "-q", "1", "--size", "1000000"];
    let finished = mqtt(&args).wait().ok();
    let text = finished.stdout();
    let row = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line.split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("published")[1], "20");
    assert_eq!(row("received")[1], "20");
    assert_eq!(
        row("latency"),
        ["latency", "p50", "p90", "p99", "p99.9", "max"]
    );
    assert_eq!(row("acknowledgement").len(), 11);
    assert!(text.contains(" %  █"), "{text}");
    assert!(!text.contains("lost"), "{text}");
}

#[test]
fn a_rate_is_kept() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let args = ["bench", "--duration", "2", "--rate", "50", "--json"];
    let finished = broker.run(&args).ok();
    let published = figures(finished.stdout())["published"]["messages"].as_u64();
    // It is as many as are due, even on a machine that is busy.
    assert!(published.is_some_and(|n| n <= 101), "{published:?}");
    let args = ["bench", "--count", "5", "--rate", "5", "--json"];
    let finished = broker.run(&args).ok();
    let seconds = figures(finished.stdout())["published"]["seconds"].as_f64();
    assert!(seconds.is_some_and(|s| s >= 0.8), "{seconds:?}");
}

#[test]
fn without_subscribers() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let args = ["bench", "--subscribers", "0", "--count", "10", "-q", "1"];
    let finished = broker.run(&args).ok();
    assert!(finished.stdout().contains("\nacknowledgement within"));
}

#[test]
fn signals_end_it_in_order() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let running = broker.mqtt(&["bench", "--duration", "600", "--rate", "100", "--json"]);
    // The subscriber has its first message only when everything has begun.
    wait_for("messages", || {
        let log = broker.log();
        (log.matches("Sending PUBLISH to mqtt-").count() > 10).then_some(())
    });
    running.signal("INT");
    let finished = running.wait();
    assert_eq!(finished.code, Some(130));
    let figures = figures(finished.stdout());
    assert_eq!(figures["interrupted"], true);
    assert!(figures["published"]["messages"].as_u64().unwrap() > 10);
    wait_for("both to leave", || {
        (broker
            .log()
            .matches("Received DISCONNECT from mqtt-")
            .count()
            == 2)
            .then_some(())
    });
}

#[test]
fn without_a_broker() {
    let line = mqtt(&["bench", "-h", "127.0.0.1", "-p", "1"])
        .wait()
        .failed(1);
    assert!(
        line.starts_with("Could not connect to 127.0.0.1 port 1: "),
        "{line}"
    );
}
