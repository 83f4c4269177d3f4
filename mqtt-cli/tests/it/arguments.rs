//! Wrong options end with exit code 2 and one line that says what is wrong.

use std::net::TcpListener;

use crate::support::TempDir;
use crate::support::command::mqtt;

#[test]
fn wrong_options() {
    for (args, sentence) in [
        ("pub -t a/+ -m x", "invalid value 'a/+' for --topic: "),
        ("pub -t a/# -m x", "invalid value 'a/#' for --topic: "),
        ("sub -t a/#/b", "invalid value 'a/#/b' for --topic: "),
        ("sub -t $share/a", "invalid value '$share/a' for --topic: "),
        (
            "pub -t a -m x -q 3",
            "invalid value '3' for --qos: a QoS is 0, 1 or 2",
        ),
        (
            "sub -t a -q x",
            "invalid value 'x' for --qos: a QoS is 0, 1 or 2",
        ),
        ("pub -t a -m x -p 0", "invalid value '0' for --port: "),
        (
            "pub -t a -m x -p 65536",
            "invalid value '65536' for --port: ",
        ),
        ("sub -t a --port x", "invalid value 'x' for --port: "),
        (
            "sub --url localhost/a",
            "invalid value 'localhost/a' for --url: ",
        ),
        (
            "sub --url http://h/a",
            "invalid value 'http://h/a' for --url: http:// is unknown: there are mqtt://",
        ),
        (
            "sub --url ws://h/a#b",
            "invalid value 'ws://h/a#b' for --url: ",
        ),
        ("sub --url ws://h/a", "there is no topic: "),
        (
            "sub -h mqtt://h -t a",
            "invalid value 'mqtt://h' for --host: it is a name or an address",
        ),
        (
            "sub -L ws://h/a -t a --ws",
            "the argument '--url <URL>' cannot be used with '--ws'",
        ),
        (
            "sub -t a --ws-path /a",
            "the following required arguments were not provided: --ws",
        ),
        (
            "sub -t a --ws --ws-path a",
            "invalid value 'a' for --ws-path: it begins with a slash",
        ),
        (
            "sub -t a --ws --ws-header x",
            "invalid value 'x' for --ws-header: a header is a name, a colon",
        ),
        (
            "sub -t a --ws-header a:b",
            "--ws-header and --ws-basic-auth need a WebSocket",
        ),
        (
            "sub -t a --proxy ftp://h",
            "invalid value 'ftp://h' for --proxy: ftp:// is unknown",
        ),
        (
            "sub -t a --cert a",
            "the following required arguments were not provided: --key",
        ),
        ("sub -t a --pin x", "invalid value 'x' for --pin: "),
        (
            "sub -t a --insecure --dangerously-skip-verification",
            "the argument '--insecure' cannot be used with",
        ),
        (
            "sub -t a --tls-keylog",
            "--tls-keylog needs a file named by the environment variable",
        ),
        (
            "sub --url mqtt://h:0/a",
            "invalid value 'mqtt://h:0/a' for --url: a port is",
        ),
        ("pub --url mqtt://h/a/+ -m x", "invalid topic in --url: "),
        ("sub --url mqtt://h/a/#/b", "invalid topic in --url: "),
        ("pub --url mqtt://h/a -t b -m x", "there are two topics"),
        (
            "pub -L mqtt://h/a -h h -m x",
            "the argument '--url <URL>' cannot be used with",
        ),
        ("pub -m x", "there is no topic: "),
        ("sub", "there is no topic: "),
        ("pub -t a", "there is nothing to publish: "),
        (
            "pub -t a -m x -n",
            "the argument '--message <MESSAGE>' cannot be used with",
        ),
        (
            "pub -t a -l --repeat 2",
            "the argument '--stdin-line' cannot be used with",
        ),
        (
            "sub -t a -V 4",
            "invalid value '4' for --protocol-version: ",
        ),
        ("sub -t a -c", "--disable-clean-session needs an identifier"),
        ("sub -t a -P x", "a password needs a user name"),
        (
            "sub -t a -P x --password-file x",
            "the argument '--pw <PASSWORD>' cannot be used with '--password-file <FILE>'",
        ),
        (
            "pub -t a -l -u me --password-file -",
            "standard input cannot be both the password and what to publish",
        ),
        (
            "pub -t a -s -u me --password-file -",
            "standard input cannot be both the password and what to publish",
        ),
        ("sub -L mqtt://:x@h/a", "a password needs a user name"),
        ("sub -t a -x 60", "--session-expiry-interval needs MQTT 5.0"),
        (
            "sub -t a -i x -I y",
            "the argument '--id <ID>' cannot be used with",
        ),
        (
            "sub -t a --will-qos 1",
            "the following required arguments were not provided: --will-t",
        ),
        (
            "sub -t a --will-topic +",
            "invalid value '+' for --will-topic: ",
        ),
        ("sub -t a -C 0", "invalid value '0' for --count: "),
        ("sub -t a -W 0", "invalid value '0' for --timeout: "),
        (
            "sub -t a -k 65536",
            "invalid value '65536' for --keepalive: ",
        ),
        (
            "sub -t a -F %z",
            "invalid value '%z' for --format: %z means nothing",
        ),
        (
            "sub -t a -v -F %t",
            "the argument '--verbose' cannot be used with",
        ),
        (
            "sub -t a -D connect user-property a b",
            "--property needs MQTT 5.0",
        ),
        (
            "sub -t a -V 5 -D connect color red",
            "--property connect color red: ",
        ),
        ("sub -t a --colour", "unexpected argument '--colour' found"),
        ("sub -t a -h", "a value is required for '--host <HOST>'"),
        (
            "sub -t a --json -F %t",
            "the argument '--json' cannot be used with",
        ),
        (
            "sub -t a --json --output hex",
            "the argument '--json' cannot be used with",
        ),
        (
            "sub -t a --json -v",
            "the argument '--json' cannot be used with",
        ),
        (
            "sub -t a --output xml",
            "invalid value 'xml' for '--output <OUTPUT>' [possible values: ",
        ),
        ("sub -t a --stats=0", "invalid value '0' for --stats: "),
        ("bench --size 7", "invalid value '7' for --size: "),
        (
            "bench --rate 0",
            "invalid value '0' for --rate: it is a number",
        ),
        ("bench --count 0", "invalid value '0' for --count: "),
        ("bench -t a/+", "invalid value 'a/+' for --topic: "),
        (
            "bench --publishers 0",
            "invalid value '0' for --publishers: ",
        ),
        (
            "bench -V 31",
            "the embedded broker does not speak MQTT 3.1: name another",
        ),
        ("completions csh", "invalid value 'csh' for '<SHELL>'"),
        (
            "man --out a pub",
            "the argument '--out <DIRECTORY>' cannot be",
        ),
        ("plub", "unrecognized subcommand 'plub'"),
        ("demo --count 0", "invalid value '0' for --count: "),
        (
            "demo --versions 31",
            "the embedded broker does not speak MQTT 3.1",
        ),
    ] {
        let is_embedded = ["demo --versions 31", "bench -V 31"].contains(&args);
        if cfg!(not(feature = "demo")) && is_embedded {
            continue;
        }
        let args: Vec<_> = args.split(' ').collect();
        let finished = mqtt(&args).wait();
        assert_eq!(finished.stdout(), "", "{args:?}");
        let line = finished.failed(2);
        assert!(line.starts_with(sentence), "{args:?}: {line}");
    }
}

#[test]
fn no_command() {
    let finished = mqtt(&[]).wait();
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("Usage: mqtt <COMMAND>"),
        "{}",
        finished.stderr
    );
}

#[test]
fn help_and_version() {
    for command in ["pub", "sub", "bench", "demo"] {
        let help = mqtt(&[command, "--help"]).wait().ok();
        assert!(help.stdout().contains("Exit codes:"));
        assert!(help.stdout().contains("-h, --host"));
    }
    for (args, name) in [
        (&["--version"][..], "mqtt"),
        (&["-V"], "mqtt"),
        (&["pub", "--version"], "mqtt-pub"),
        (&["bench", "--version"], "mqtt-bench"),
    ] {
        let version = mqtt(args).wait().ok();
        let expected = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(version.stdout(), expected);
    }
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    for args in [&["pub", "-t", "a", "-m", "x"][..], &["sub", "-t", "a"]] {
        let line = mqtt(&[args, &["-h", "127.0.0.1", "-p", &port]].concat())
            .wait()
            .failed(1);
        assert_eq!(
            line,
            format!(
                "Could not connect to 127.0.0.1 port {port}: connection refused. \
                 Is a broker running there? Choose another with --host and --port."
            )
        );
        let url = format!("mqtt://127.0.0.1:{port}");
        let line = mqtt(&[args, &["--url", &url]].concat()).wait().failed(1);
        assert!(line.ends_with("Choose another in --url."), "{line}");

        let finished = mqtt(&[args, &["--url", &url, "--quiet"]].concat()).wait();
        assert_eq!((finished.code, &*finished.stderr), (Some(1), ""));
    }
}

#[test]
fn no_such_host() {
    let line = mqtt(&["sub", "-t", "a", "-h", "nobody.invalid"])
        .wait()
        .failed(1);
    assert!(
        line.starts_with("Could not find the host nobody.invalid: "),
        "{line}"
    );
}

#[test]
fn no_such_file() {
    let dir = TempDir::new();
    let path = dir.path().join("none");
    let line = mqtt(&["pub", "-t", "a", "-f", path.to_str().unwrap()])
        .wait()
        .failed(1);
    assert!(line.starts_with("Could not read the file "), "{line}");
}
