//! The `mqtt` command with mosquitto and its own clients at the other end.

use std::fs;
use std::io::Write;
use std::thread;

use crate::support::broker::Mosquitto;
use crate::support::command::Running;
use crate::support::unique;

const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];
const LEVELS: [&str; 3] = ["0", "1", "2"];

fn for_each_version_and_level(test: impl Fn(&str, &str)) {
    for version in VERSIONS {
        for level in LEVELS {
            test(version, level);
        }
    }
}

#[test]
fn we_publish_to_them() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for_each_version_and_level(|version, level| {
        let topic = unique("topic");
        let common = ["-V", version, "-q", level, "-t", &topic];
        let args = ["-C", "1", "-F", "%q %r %t %p"];
        let subscriber = broker.they_subscribed(&[&common[..], &args].concat());
        broker
            .run(&[&["pub"], &common[..], &["-m", "hello, wörld"]].concat())
            .ok();
        let expected = format!("{level} 0 {topic} hello, wörld\n");
        assert_eq!(subscriber.wait().ok().stdout(), expected, "{version}");
    });
}

#[test]
fn they_publish_to_us() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for_each_version_and_level(|version, level| {
        let topic = unique("topic");
        let common = ["-V", version, "-q", level, "-t", &topic];
        let args = ["-C", "2", "-F", "%q %r %t %p"];
        let subscriber = broker.subscribed(&[&common[..], &args].concat());
        for message in ["hello, wörld", "again"] {
            let args = [&["mosquitto_pub"], &common[..], &["-m", message]].concat();
            broker.theirs(&args).wait().ok();
        }
        let expected = format!("{level} 0 {topic} hello, wörld\n{level} 0 {topic} again\n");
        assert_eq!(subscriber.wait().ok().stdout(), expected, "{version}");
    });
}

#[test]
fn retained_messages() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let topic = unique("kept");
        let common = ["-V", version, "-t", &topic];
        let publish = |args: &[&str]| {
            broker
                .run(&[&["pub", "-q", "1", "-r"], &common[..], args].concat())
                .ok();
        };
        publish(&["-m", "kept"]);
        let theirs = [&["mosquitto_sub", "-C", "1", "-F", "%r %p"], &common[..]].concat();
        assert_eq!(broker.theirs(&theirs).wait().ok().stdout(), "1 kept\n");
        let ours = |args: &[&str]| broker.mqtt(&[&["sub"], &common[..], args].concat());
        assert_eq!(
            ours(&["-C", "1", "-F", "%r %p"]).wait().ok().stdout(),
            "1 kept\n"
        );

        // Without it the first message would be the retained one.
        let fresh = broker.subscribed(&[&common[..], &["-R", "-C", "1"]].concat());
        broker
            .run(&[&["pub"], &common[..], &["-m", "fresh"]].concat())
            .ok();
        assert_eq!(fresh.wait().ok().stdout(), "fresh\n");

        let only = broker.subscribed(&[&common[..], &["--retained-only"]].concat());
        broker
            .run(&[&["pub"], &common[..], &["-m", "fresh"]].concat())
            .ok();
        assert_eq!(only.wait().ok().stdout(), "kept\n");

        publish(&["-n"]);
        let none = ours(&["-W", "1"]).wait();
        assert_eq!((none.code, none.stdout()), (Some(27), ""));
    }
}

#[test]
fn wills() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let topic = unique("will");
        let heir = broker.they_subscribed(&[
            "-V", version, "-q", "1", "-C", "1", "-F", "%q %p", "-t", &topic,
        ]);
        let will = [
            "--will-topic",
            &topic,
            "--will-payload",
            "gone",
            "--will-qos",
            "1",
        ];
        let late = broker.subscribed(&[&["-V", version, "-t", "unused"][..], &will].concat());
        late.kill();
        assert_eq!(heir.wait().ok().stdout(), "1 gone\n");

        // Who leaves in order has none.
        let heir = broker.they_subscribed(&["-V", version, "-C", "1", "-t", &topic]);
        broker
            .run(&[&["sub", "-V", version, "-t", "unused", "-E"][..], &will].concat())
            .ok();
        broker.run(&["pub", "-t", &topic, "-m", "alive"]).ok();
        assert_eq!(heir.wait().ok().stdout(), "alive\n");
    }
}

#[test]
fn users_and_passwords() {
    let broker = Mosquitto::start_with(|dir| {
        let file = dir.write("passwords", b"alice:secret\n");
        let hash = crate::support::command::Running::start("mosquitto_passwd", &["-U", &file]);
        hash.wait().ok();
        format!("allow_anonymous false\npassword_file {file}\n")
    });
    let Some(broker) = broker else { return };
    for version in VERSIONS {
        let publish = ["pub", "-V", version, "-t", "a", "-m", "x", "-q", "1"];
        let run = |args: &[&str]| broker.run(&[&publish, args].concat());
        run(&["-u", "alice", "-P", "secret"]).ok();
        let line = run(&[]).failed(1);
        assert!(
            line.ends_with("Give a user name with --username and a password with --password-file.")
        );
        let line = run(&["-u", "alice"]).failed(1);
        assert!(
            line.ends_with("Give a password with --password-file."),
            "{line}"
        );
        let line = run(&["-u", "alice", "-P", "wrong"]).failed(1);
        assert!(
            line.ends_with("Check the user name and the password."),
            "{line}"
        );

        for (text, has_access) in [("secret", true), ("secret\r\n", true), ("secret \n", false)] {
            let file = broker.dir().write("password", text.as_bytes());
            let finished = run(&["-u", "alice", "--password-file", &file]);
            assert_eq!(finished.code, Some(i32::from(!has_access)), "{text:?}");
            let command = [&publish[..], &["-u", "alice", "--password-file", "-"]].concat();
            let finished = broker.mqtt(&command).with_input(text.as_bytes());
            assert_eq!(finished.code, Some(i32::from(!has_access)), "{text:?}");
        }

        let url = |pw| format!("mqtt://alice:{pw}@{}/a", broker.address());
        let run = |url: &str| {
            crate::support::command::mqtt(&["pub", "-V", version, "-L", url, "-m", "x"]).wait()
        };
        run(&url("secret")).ok();
        run(&url("%73ecret")).ok();
        run(&url("wrong")).failed(1);
    }
}

#[test]
fn large_messages() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let payload: Vec<u8> = (0..300_000_u32)
        .map(|n| n.wrapping_mul(0x9E37_79B1).to_le_bytes()[3])
        .collect();
    let file = broker.dir().write("large", &payload);
    for_each_version_and_level(|version, level| {
        let topic = unique("large");
        let common = ["-V", version, "-q", level, "-t", &topic];
        let publish = [&common[..], &["-f", &file]].concat();
        let one = ["-C", "1"];

        let theirs = broker.they_subscribed(&[&common[..], &one, &["-N"]].concat());
        let ours = broker.subscribed(&[&common[..], &one, &["-N"]].concat());
        let verbose = broker.subscribed(&[&common[..], &one, &["-v"]].concat());
        let formatted = ["-F", "%t %q %l\\t%p"];
        let formatted = broker.subscribed(&[&common[..], &one, &formatted].concat());
        broker.run(&[&["pub"], &publish[..]].concat()).ok();
        let topic = topic.as_bytes();
        assert!(theirs.wait().ok().stdout == payload);
        assert!(ours.wait().ok().stdout == payload);
        assert!(verbose.wait().ok().stdout == [topic, b" ", &payload, b"\n"].concat());
        let expected = [topic, b" ", level.as_bytes(), b" 300000\t", &payload, b"\n"].concat();
        assert!(formatted.wait().ok().stdout == expected);

        let ours = broker.subscribed(&[&common[..], &one, &["-N"]].concat());
        broker
            .theirs(&[&["mosquitto_pub"], &publish[..]].concat())
            .wait()
            .ok();
        assert!(ours.wait().ok().stdout == payload);
    });
    // Standard input as a whole.
    let ours = broker.subscribed(&["-t", "all", "-C", "1", "-N"]);
    broker
        .mqtt(&["pub", "-t", "all", "-s"])
        .with_input(&payload)
        .ok();
    assert!(ours.wait().ok().stdout == payload);
}

/// The file is read while it is sent; there is no room for all of it in memory.
#[cfg(target_os = "linux")]
#[test]
fn files_are_not_read_into_memory() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let file = broker.dir().path().join("huge");
    let size = 100 << 20;
    fs::File::create(&file).unwrap().set_len(size).unwrap();
    let id = unique("sub");
    let (program, port) = (env!("CARGO_BIN_EXE_mqtt"), broker.address().port());
    let limited = |args: &str| {
        let script = format!("ulimit -v 65536; exec {program} {args} -h 127.0.0.1 -p {port}");
        Running::start("sh", &["-c", &script])
    };
    let subscriber = limited(&format!("sub -i {id} -t a -C 1 --stats --output none"));
    broker.wait_for_log(&format!("Sending SUBACK to {id}"));
    let published = limited(&format!("pub -t a -q 1 -f {}", file.display())).wait();
    assert_eq!(published.ok().stderr, "");
    let counted = subscriber.wait().ok().stderr;
    assert!(
        counted.starts_with("1 messages, 100.00 MiB in "),
        "{counted}"
    );
}

#[test]
fn large_messages_again_and_again() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let payload = "0123456789".repeat(30_000);
    let file = broker.dir().write("large", payload.as_bytes());
    for level in LEVELS {
        let ours = broker.subscribed(&["-t", "a", "-q", level, "-C", "5"]);
        let publish = ["pub", "-t", "a", "-q", level, "-f", &file, "--repeat", "5"];
        broker.run(&publish).ok();
        assert!(ours.wait().ok().stdout() == format!("{payload}\n").repeat(5));
    }
}

#[test]
fn empty_messages() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let plain = broker.subscribed(&["-t", "empty", "-C", "2"]);
    let verbose = broker.subscribed(&["-t", "empty", "-C", "2", "-v"]);
    let theirs = broker.they_subscribed(&["-t", "empty", "-C", "2", "-v"]);
    broker.run(&["pub", "-t", "empty", "-n"]).ok();
    broker
        .theirs(&["mosquitto_pub", "-t", "empty", "-n"])
        .wait()
        .ok();
    assert_eq!(plain.wait().ok().stdout(), "\n\n");
    let verbose = verbose.wait().ok();
    assert_eq!(verbose.stdout(), "empty (null)\nempty (null)\n");
    assert_eq!(theirs.wait().ok().stdout(), verbose.stdout());
}

#[test]
fn lines_of_standard_input() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for_each_version_and_level(|version, level| {
        let topic = unique("lines");
        let common = ["-V", version, "-q", level, "-t", &topic];
        let ours = broker.subscribed(&[&common[..], &["-C", "300"]].concat());
        // In a burst of QoS 2, theirs counts more in flight than the 20 that it allows by itself.
        let room: &[_] = match version {
            "mqttv5" => &["-D", "connect", "receive-maximum", "1000"],
            _ => &[],
        };
        let theirs = broker.they_subscribed(&[&common[..], room, &["-C", "300"]].concat());
        let lines: Vec<_> = (0..300).map(|n| format!("line {n}\n")).collect();
        // The last one is not ended.
        let input = lines.concat();
        let input = input.trim_end().as_bytes();
        broker
            .mqtt(&[&["pub", "-l"], &common[..]].concat())
            .with_input(input)
            .ok();
        for subscriber in [ours, theirs] {
            assert_eq!(
                subscriber.wait().ok().stdout(),
                lines.concat(),
                "{version} {level}"
            );
        }
    });
}

/// A line is published when it is there, not when the input ends.
#[test]
fn lines_are_published_at_once() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for level in LEVELS {
        let topic = unique("typed");
        let mut typing = broker.mqtt(&["pub", "-l", "-t", &topic, "-q", level, "-k", "1"]);
        let mut stdin = typing.stdin();
        for line in ["one", "two", "three"] {
            let subscriber = broker.subscribed(&["-t", &topic, "-q", level, "-C", "1"]);
            stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
            assert_eq!(subscriber.wait().ok().stdout(), format!("{line}\n"));
        }
        drop(stdin);
        typing.wait().ok();
    }
}

#[test]
fn repeated_messages() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let theirs = broker.they_subscribed(&["-t", "again", "-C", "50"]);
    broker
        .run(&["pub", "-t", "again", "-m", "x", "--repeat", "47", "-q", "2"])
        .ok();
    let args = ["--repeat", "3", "--repeat-delay", "0.05"];
    broker
        .run(&[&["pub", "-t", "again", "-m", "x"][..], &args].concat())
        .ok();
    assert_eq!(theirs.wait().ok().stdout(), "x\n".repeat(50));
}

#[test]
fn several_topics() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    for version in VERSIONS {
        let base = unique("base");
        let [a, b, c, all] = ["a", "b/c", "d", "#"].map(|level| format!("{base}/{level}"));
        let plus = format!("{base}/+");
        let args = ["-V", version, "-v", "-C", "2"];
        let two = broker.subscribed(&[&args[..], &["-t", &a, "-t", &b]].concat());
        let out = broker.subscribed(&[&args[..], &["-t", &all, "-T", &plus, "-T", "x"]].concat());
        for (topic, message) in [(&c, "1"), (&a, "2"), (&b, "3"), (&b, "4")] {
            broker
                .run(&["pub", "-V", version, "-t", topic, "-m", message])
                .ok();
        }
        assert_eq!(two.wait().ok().stdout(), format!("{a} 2\n{b} 3\n"));
        assert_eq!(out.wait().ok().stdout(), format!("{b} 3\n{b} 4\n"));
    }
}

#[test]
fn kept_sessions() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    // At the same time, because some of it is waiting in vain.
    thread::scope(|scope| {
        for version in VERSIONS {
            for level in ["1", "2"] {
                let broker = &broker;
                scope.spawn(move || kept_session(broker, version, level));
            }
        }
    });
}

fn kept_session(broker: &Mosquitto, version: &str, level: &str) {
    let (id, topic) = (unique("me"), unique("topic"));
    let common = ["-V", version, "-q", level, "-t", &topic];
    let session = [&["sub", "-c", "-i", &id], &common[..]].concat();
    broker.run(&[&session[..], &["-E"]].concat()).ok();
    for message in ["a", "b", "c"] {
        broker
            .run(&[&["pub"], &common[..], &["-m", message]].concat())
            .ok();
    }
    // What was not printed is not acknowledged, and comes again.
    let first = broker.run(&[&session[..], &["-C", "1"]].concat()).ok();
    assert_eq!(first.stdout(), "a\n", "{version} {level}");
    let rest = broker.run(&[&session[..], &["-C", "2"]].concat()).ok();
    assert_eq!(rest.stdout(), "b\nc\n", "{version} {level}");

    let session = ["sub", "-V", version, "-c", "-i", &id];
    broker
        .run(&[&session[..], &["-U", &topic, "-E"]].concat())
        .ok();
    broker
        .run(&[&["pub"], &common[..], &["-m", "d"]].concat())
        .ok();
    let none = broker.run(&[&session[..], &["-t", "other", "-W", "1"]].concat());
    assert_eq!((none.code, none.stdout()), (Some(27), ""));
}

#[test]
fn properties() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let format = [
        "-V",
        "5",
        "-t",
        "p",
        "-C",
        "1",
        "-F",
        "%C|%R|%D|%E|%F|%P|%p",
    ];
    let (ours, theirs) = (broker.subscribed(&format), broker.they_subscribed(&format));
    let mut args = vec!["pub", "-V", "5", "-t", "p", "-m", "x"];
    for property in [
        "content-type text/plain",
        "response-topic r",
        "correlation-data 42",
        "message-expiry-interval 1000",
        "payload-format-indicator 1",
        "user-property a b",
    ] {
        args.extend(["-D", "publish"]);
        args.extend(property.split(' '));
    }
    broker.run(&args).ok();
    let ours = ours.wait().ok();
    assert_eq!(ours.stdout(), "text/plain|r|42|1000|1|a:b|x\n");
    assert_eq!(theirs.wait().ok().stdout(), ours.stdout());
}

#[test]
fn the_url_names_everything() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let url = format!("mqtt://{}/house/+/light%20switch", broker.address());
    let id = unique("sub");
    let subscriber = crate::support::command::mqtt(&["sub", "-i", &id, "-L", &url, "-C", "1"]);
    broker.wait_for_log(&format!("Sending SUBACK to {id}"));
    let url = format!("mqtt://{}/house/hall/light switch", broker.address());
    crate::support::command::mqtt(&["pub", "--url", &url, "-m", "on"])
        .wait()
        .ok();
    assert_eq!(subscriber.wait().ok().stdout(), "on\n");
}

/// Mosquitto would end the connections after one and a half seconds.
#[test]
fn silence_is_no_reason_to_leave() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let mut silent = broker.mqtt(&["pub", "-l", "-t", "late", "-k", "1"]);
    let stdin = silent.stdin();
    let patient = broker.subscribed(&["-t", "late", "-k", "1", "-W", "4", "-V", "5"]);
    assert_eq!(patient.wait().code, Some(27));
    let subscriber = broker.subscribed(&["-t", "late", "-C", "1"]);
    { stdin }.write_all(b"here").unwrap();
    silent.wait().ok();
    assert_eq!(subscriber.wait().ok().stdout(), "here\n");
}

#[test]
fn a_time_limit() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let subscriber = broker.subscribed(&["-t", "rare", "-W", "2", "-C", "2"]);
    broker.run(&["pub", "-t", "rare", "-m", "once"]).ok();
    let finished = subscriber.wait();
    assert_eq!((finished.code, finished.stdout()), (Some(27), "once\n"));
    assert_eq!(finished.stderr, "");
}

/// `mqtt sub | head -1`.
#[test]
fn a_reader_that_has_seen_enough() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let id = unique("sub");
    let port = broker.address().port().to_string();
    let args = ["sub", "-i", &id, "-p", &port, "-h", "127.0.0.1", "-t", "a"];
    let program = env!("CARGO_BIN_EXE_mqtt");
    let mut running = crate::support::command::Running::start_unread(program, &args);
    broker.wait_for_log(&format!("Sending SUBACK to {id}"));
    running.close_stdout();
    broker.run(&["pub", "-t", "a", "-m", "x"]).ok();
    assert_eq!(running.wait().ok().stderr, "");
}

#[test]
fn packets_are_shown() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let finished = broker
        .run(&["pub", "-d", "-t", "a", "-m", "x", "-q", "2", "-i", "me"])
        .ok();
    assert_eq!(
        finished.stderr,
        "sent CONNECT \"me\", MQTT 3.1.1, new session, keep-alive 60 s\n\
         received CONNACK success\n\
         sent PUBLISH #1 \"a\" QoS 2, 1 bytes\n\
         received PUBREC #1 success\n\
         sent PUBREL #1 success\n\
         received PUBCOMP #1 success\n\
         sent DISCONNECT success\n"
    );
}

#[test]
fn files_are_published_byte_for_byte() {
    let Some(broker) = Mosquitto::start() else {
        return;
    };
    let bytes: Vec<u8> = (0..=255).collect();
    let file = broker.dir().write("bytes", &bytes);
    let ours = broker.subscribed(&["-t", "a", "-C", "1", "-N"]);
    broker.run(&["pub", "-t", "a", "-f", &file]).ok();
    assert_eq!(ours.wait().ok().stdout, fs::read(file).unwrap());
}
