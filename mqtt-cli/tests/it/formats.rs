//! How `mqtt sub` prints messages and counts them, and how it ends.

use serde_json::{Value, json};

use crate::support::broker::Mosquitto;
use crate::support::unique;

/// What is printed of one message.
fn printed(broker: &Mosquitto, sub: &[&str], publish: &[&str]) -> String {
    let topic = unique("topic");
    let common = ["-V", "5", "-t", &topic, "-q", "1"];
    let running = broker.subscribed(&[&common[..], &["-C", "1"], sub].concat());
    broker.run(&[&["pub"], &common[..], publish].concat()).ok();
    running.wait().ok().stdout().replace(&topic, "TOPIC")
}

#[test]
fn hexadecimal() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let print = |sub: &[&str]| printed(&broker, sub, &["-m", "Hi\n"]);
    assert_eq!(print(&["--output", "hex"]), "48690a\n");
    assert_eq!(print(&["--output", "hex", "-v"]), "TOPIC 48690a\n");
    assert_eq!(print(&["-F", "%X"]), "48690A\n");
    let row = "00000000  48 69 0a                                          |Hi.|\n";
    assert_eq!(print(&["--output", "dump"]), row);
    assert_eq!(print(&["--output", "dump", "-v"]), format!("TOPIC\n{row}"));
    assert_eq!(print(&["--output", "none"]), "");
}

#[test]
fn json_lines() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let properties = [
        "-D",
        "publish",
        "content-type",
        "text/plain",
        "-D",
        "publish",
        "user-property",
        "a",
        "b",
    ];
    let publish = [&["-m", "ä\n\"", "-r"], &properties[..]].concat();
    for args in [&["--json"][..], &["--output", "json"], &["-F", "%j"]] {
        let line = printed(&broker, args, &publish);
        assert_eq!(line.matches('\n').count(), 1);
        let mut message: Value = serde_json::from_str(&line).unwrap();
        let time = message["tst"].take();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        let id = message["mid"].take();
        assert!(id.as_u64().unwrap() > 0);
        assert_eq!(
            message,
            json!({
                "tst": null, "topic": "TOPIC", "qos": 1, "retain": 0, "dup": 0, "mid": null,
                "payloadlen": 4, "payload": "ä\n\"",
                "properties": {
                    "content-type": "text/plain",
                    "user-properties": [{"name": "a", "value": "b"}]
                }
            })
        );
    }
    let line = printed(&broker, &["-F", "%J"], &["-m", "{\"on\":\n[true, 1]}"]);
    assert_eq!(line.matches('\n').count(), 1);
    let message: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(message["payload"], json!({"on": [true, 1]}));

    let file = broker.dir().write("bytes", &[0xFF, 0]);
    let line = printed(&broker, &["--json"], &["-f", &file]);
    let message: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(message["payload_base64"], "/wA=");
}

/// What `mosquitto_sub` says of the same message, ours says with the same names.
#[test]
fn json_has_the_names_that_others_know() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let sub = ["-V", "5", "-t", "j", "-q", "1", "-C", "1", "-F", "%j"];
    let (ours, theirs) = (broker.subscribed(&sub), broker.they_subscribed(&sub));
    let property = ["-D", "publish", "response-topic", "r"];
    broker
        .run(
            &[
                &["pub", "-V", "5", "-t", "j", "-q", "1", "-m", "x"][..],
                &property,
            ]
            .concat(),
        )
        .ok();
    let parsed = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let (ours, mut theirs) = (
        parsed(ours.wait().ok().stdout()),
        parsed(theirs.wait().ok().stdout()),
    );
    theirs["tst"] = ours["tst"].clone();
    theirs["dup"] = json!(0);
    assert_eq!(ours, theirs);
}

/// Larger than what is received at once.
#[test]
fn large_messages_in_every_format() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let text = "0123456789abcdef".repeat(20_000);
    let file = broker.dir().write("large", text.as_bytes());
    let print = |sub: &[&str]| printed(&broker, sub, &["-f", &file]);
    let message: Value = serde_json::from_str(&print(&["--json"])).unwrap();
    assert_eq!(message["payload"], text);
    assert_eq!(print(&["--output", "hex"]).len(), text.len() * 2 + 1);
    assert_eq!(print(&["--output", "dump"]).lines().count(), 20_000);
    assert_eq!(print(&["--output", "none"]), "");
}

#[test]
fn statistics() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let args = ["-t", "s/#", "-C", "30", "--stats=1", "--output", "none"];
    let running = broker.subscribed(&args);
    for (topic, count) in [("s/few", "10"), ("s/many", "20")] {
        let publish = ["pub", "-t", topic, "-m", "0123", "--repeat", count];
        broker.run(&publish).ok();
    }
    let finished = running.wait().ok();
    assert_eq!(finished.stdout(), "");
    let lines: Vec<_> = finished.stderr.lines().collect();
    let [.., total, _, many, few] = &*lines else {
        panic!("{lines:?}");
    };
    assert!(total.starts_with("30 messages, 120 B in "), "{total}");
    assert_eq!(
        many.split_whitespace().collect::<Vec<_>>(),
        ["20", "80", "B", "s/many"]
    );
    assert_eq!(
        few.split_whitespace().collect::<Vec<_>>(),
        ["10", "40", "B", "s/few"]
    );
}

#[test]
fn statistics_while_it_goes_on() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let args = ["sub", "-t", "s", "-W", "3", "--stats=1"];
    let finished = broker.run(&args);
    assert_eq!(finished.code, Some(27));
    let now = |line: &&str| line.ends_with("0 messages/s, 0 B/s; 0 messages in all");
    assert!(
        finished.stderr.lines().filter(now).count() >= 2,
        "{}",
        finished.stderr
    );
}

/// Ctrl-C: what is there is printed, the broker hears of it, and the exit code tells.
#[test]
fn signals_end_a_subscription_in_order() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let id = unique("stopped");
        let args = ["sub", "-i", &id, "-t", &id, "-q", "1", "--stats"];
        let running = broker.mqtt(&args);
        broker.wait_for_log(&format!("Sending SUBACK to {id}"));
        broker
            .run(&["pub", "-t", &id, "-m", "first", "-q", "1"])
            .ok();
        broker.wait_for_log(&format!("Received PUBACK from {id}"));
        running.signal(signal);
        let finished = running.wait();
        assert_eq!((finished.code, finished.stdout()), (Some(code), "first\n"));
        assert!(
            finished.stderr.starts_with("1 messages, 5 B in "),
            "{}",
            finished.stderr
        );
        broker.wait_for_log(&format!("Received DISCONNECT from {id}"));
    }
}
