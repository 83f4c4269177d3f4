//! What no broker does on demand, from a script.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use mqtt_core::wire::{Packet, Version};

use crate::support::command::{Finished, Running, mqtt};
use crate::support::{TempDir, program};

/// A server that answers the first packet with the first of `answers` and so on, and then closes.
fn against(answers: &'static [&'static [u8]], args: &[&str]) -> Running {
    let port = serve(answers);
    mqtt(&[&args[..1], &["-h", "127.0.0.1", "-p", &port], &args[1..]].concat())
}

/// Starts such a server, and returns its port.
fn serve(answers: &'static [&'static [u8]]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in answers {
            // All packets here are shorter than a segment.
            let n = stream.read(&mut [0; 1000]).unwrap();
            assert_ne!(n, 0);
            stream.write_all(answer).unwrap();
        }
        // What was written may otherwise be lost with a reset.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    port
}

fn run(answers: &'static [&'static [u8]], args: &[&str]) -> Finished {
    against(answers, args).wait()
}

const SUB: [&str; 3] = ["sub", "-t", "a"];
const PUB: [&str; 5] = ["pub", "-t", "a", "-m", "x"];

#[track_caller]
fn fails(answers: &'static [&'static [u8]], args: &[&str], expected: &str) {
    let line = run(answers, args).failed(1);
    assert!(line.contains(expected), "{line}");
}

#[test]
fn refusals() {
    let v5 = [&SUB[..], &["-V", "5"]].concat();
    let user = [&SUB[..], &["-u", "me"]].concat();
    let password = [&user[..], &["-P", "x"]].concat();
    fails(
        &[b"\x20\x02\0\x01"],
        &SUB,
        "It does not speak MQTT 3.1.1: choose another version",
    );
    fails(
        &[b"\x20\x02\0\x01"],
        &v5,
        "It does not speak MQTT 5.0: choose another version",
    );
    fails(&[b"\x20\x02\0\x02"], &SUB, "choose another with --id.");
    fails(&[b"\x20\x02\0\x03"], &SUB, "server unavailable. Try later.");
    fails(
        &[b"\x20\x02\0\x04"],
        &SUB,
        "Give a user name with --username and a password",
    );
    fails(
        &[b"\x20\x02\0\x05"],
        &user,
        "Give a password with --password-file.",
    );
    fails(
        &[b"\x20\x02\0\x05"],
        &password,
        "Check the user name and the password.",
    );
    fails(
        &[b"\x20\x0A\0\x9D\x07\x1C\0\x04moon"],
        &v5,
        "refuses the connection: server moved, use moon.",
    );
    fails(
        &[b"\x20\x0A\0\x97\x07\x1F\0\x04full"],
        &v5,
        "refuses the connection: quota exceeded (full).",
    );
}

#[test]
fn servers_that_are_no_brokers() {
    fails(
        &[b"SSH-2.0-OpenSSH_9.2\r\n"],
        &SUB,
        "does not speak MQTT as it should",
    );
    fails(
        &[b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        &SUB,
        "the server speaks HTTP. Connect by WebSocket with --ws, or with ws:// in --url.",
    );
    fails(
        &[b"\x15\x03\x01\0\x02\x02\x46"],
        &SUB,
        "the server speaks TLS. Connect with TLS by --cafile or --tls-use-os-certs, or by",
    );
    fails(
        &[b""],
        &SUB,
        "has closed the connection in place of an answer",
    );
}

#[test]
fn servers_that_have_no_websocket() {
    let sub = [&SUB[..], &["--ws"]].concat();
    for (answer, expected) in [
        (
            &b"HTTP/1.1 404 Not Found\r\n\r\n"[..],
            "the server answered HTTP 404 Not Found instead of 101. \
             Choose another path with --ws-path, or in --url.",
        ),
        (
            b"HTTP/1.1 401 Unauthorized\r\n\r\n",
            "instead of 101. Give a user name and a password, and --ws-basic-auth.",
        ),
        (
            b"HTTP/1.1 200 OK\r\n\r\n",
            "the server answered HTTP 200 OK instead of 101.",
        ),
        (
            b"\x20\x02\0\0",
            "the server does not speak HTTP on this port. Is this port for WebSockets?",
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
              Connection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
            "the server's Sec-WebSocket-Accept does not belong to our key.",
        ),
        (b"", "Is this port for WebSockets?"),
    ] {
        // It lives as long as the process, which is not long.
        let answers: &'static [&'static [u8]] = Box::leak(Box::new([answer]));
        fails(answers, &sub, expected);
    }
}

/// What a web server is asked for.
#[test]
fn requests_of_websockets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let at = [
        "-h",
        "127.0.0.1",
        "-p",
        &port,
        "--ws",
        "--ws-path",
        "/a?b=c",
    ];
    let headers = ["--ws-header", "X-Token: 1234", "--ws-basic-auth"];
    let user = ["-u", "me", "-P", "secret"];
    let running = mqtt(&[&SUB[..], &at, &headers, &user].concat());
    let (mut stream, _) = listener.accept().unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    drop(stream);
    running.wait().failed(1);
    let request = String::from_utf8(request).unwrap();
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    for line in [
        "Sec-WebSocket-Protocol: mqtt",
        "X-Token: 1234",
        "Authorization: Basic bWU6c2VjcmV0",
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
    }
}

#[test]
fn proxies_that_are_none() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let nobody = format!("http://127.0.0.1:{port}");
    let line = mqtt(&[&SUB[..], &["--proxy", &nobody]].concat())
        .wait()
        .failed(1);
    assert!(line.contains(": no proxy: "), "{line}");
    assert!(line.ends_with(" Check --proxy."), "{line}");

    for (answer, expected) in [
        (
            &b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..],
            "Give them in --proxy, before the host: http://user:password@host.",
        ),
        (
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
            "with status 502. Check --proxy.",
        ),
        (b"\x20\x02\0\0", "Check --proxy."),
        (b"", "Check --proxy."),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0);
            stream.write_all(answer).unwrap();
        });
        let line = mqtt(&[&SUB[..], &["--proxy", &proxy]].concat())
            .wait()
            .failed(1);
        assert!(line.ends_with(expected), "{line}");
        serving.join().unwrap();
    }
}

/// Whoever accepts a connection and then says nothing is not waited for without end.
#[test]
fn silent_servers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let cases = [
        (&[][..], "but does not answer. Is it an MQTT broker?"),
        (
            &["--insecure"],
            "in the TLS handshake. Is this port for TLS?",
        ),
        (
            &["--ws"],
            "in the WebSocket handshake. Is this port for WebSockets?",
        ),
    ];
    let running = cases.map(|(args, expected)| {
        let args = [&SUB[..], &["-h", "127.0.0.1", "-p", &port], args].concat();
        (mqtt(&args), expected)
    });
    for (running, expected) in running {
        let line = running.wait().failed(1);
        assert!(line.ends_with(expected), "{line}");
    }
    for args in [&[][..], &["--insecure"], &["--ws"]] {
        let args = [&SUB[..], &["-h", "127.0.0.1", "-p", &port, "-W", "1"], args].concat();
        let finished = mqtt(&args).wait();
        assert_eq!(
            (finished.code, &*finished.stderr),
            (Some(27), ""),
            "{args:?}"
        );
    }
}

#[test]
fn subscriptions_refused() {
    fails(
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\x80"],
        &SUB,
        "The broker refuses the subscription to a.",
    );
    fails(
        &[b"\x20\x03\0\0\0", b"\x90\x05\0\x01\0\0\x87"],
        &["sub", "-V", "5", "-t", "a", "-t", "b"],
        "The broker refuses the subscription to b: not authorized.",
    );
}

#[test]
fn messages_refused() {
    fails(
        &[b"\x20\x03\0\0\0", b"\x40\x04\0\x01\x97\0"],
        &[&PUB[..], &["-q", "1", "-V", "5"]].concat(),
        "The broker did not accept the message: quota exceeded.",
    );
    fails(
        &[b"\x20\x05\0\0\x02\x24\0"],
        &[&PUB[..], &["-q", "1", "-V", "5"]].concat(),
        "the server does not support this QoS. Choose a lower one with --qos.",
    );
    fails(
        &[b"\x20\x05\0\0\x02\x25\0"],
        &[&PUB[..], &["-r", "-V", "5"]].concat(),
        "Leave out --retain.",
    );
    fails(
        &[b"\x20\x08\0\0\x05\x27\0\0\0\x06"],
        &[&PUB[..], &["-V", "5"]].concat(),
        "the packet is larger than the server accepts. Send it in smaller pieces.",
    );
}

#[test]
fn connections_that_end() {
    fails(
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\0"],
        &SUB,
        "The broker at 127.0.0.1 port",
    );
    fails(
        &[b"\x20\x03\0\0\0", b"\x90\x04\0\x01\0\0\xE0\x02\x8B\0"],
        &["sub", "-V", "5", "-t", "a"],
        "The broker has closed the connection: server shutting down.",
    );
    fails(
        &[b"\x20\x02\0\0", b""],
        &[&PUB[..], &["-q", "1"]].concat(),
        "has closed",
    );
}

#[test]
fn what_came_before_the_end_is_printed() {
    let finished = run(
        &[b"\x20\x02\0\0", b"\x90\x03\0\x01\0\x30\x05\0\x01a\xFFb"],
        &["sub", "-t", "a", "-v"],
    );
    assert_eq!(finished.stdout, b"a \xFFb\n");
    finished.failed(1);
}

#[test]
fn nothing_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let finished = mqtt(&["sub", "-t", "a", "-h", "127.0.0.1", "-p", &port, "-W", "1"]).wait();
    assert_eq!((finished.code, &*finished.stderr), (Some(27), ""));
    let line = mqtt(&["sub", "-t", "a", "-h", "127.0.0.1", "-p", &port])
        .wait()
        .failed(1);
    assert!(
        line.ends_with("does not answer. Is it an MQTT broker?"),
        "{line}"
    );
}

/// After DISCONNECT, the WebSocket is closed in order, too.
#[test]
fn websockets_are_closed() {
    use tungstenite::Message;
    use tungstenite::handshake::server::{Request, Response};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let running = mqtt(&[&PUB[..], &["-h", "127.0.0.1", "-p", &port, "--ws"]].concat());
    let (stream, _) = listener.accept().unwrap();
    #[expect(clippy::result_large_err, reason = "tungstenite wants it so")]
    let agree = |_: &Request, mut response: Response| {
        let protocol = "mqtt".parse().unwrap();
        response
            .headers_mut()
            .insert("Sec-WebSocket-Protocol", protocol);
        Ok(response)
    };
    let mut server = tungstenite::accept_hdr(stream, agree).unwrap();
    assert_eq!(server.read().unwrap().into_data()[0], 0x10);
    server.send(Message::binary(&b"\x20\x02\0\0"[..])).unwrap();
    let mut received = Vec::new();
    loop {
        match server.read().unwrap() {
            Message::Close(frame) => break assert_eq!(u16::from(frame.unwrap().code), 1000),
            message => received.extend(message.into_data()),
        }
    }
    assert_eq!(received, b"\x30\x04\0\x01ax\xE0\0");
    drop(server);
    running.wait().ok();
}

/// What the command shows a server as its password, and all that it prints.
fn shown(args: &[&str], environment: Option<&str>) -> (Option<String>, Finished) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let args: Vec<_> = args.iter().map(|arg| arg.replace("PORT", &port)).collect();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 1000];
        let n = stream.read(&mut bytes).unwrap();
        stream.write_all(b"\x20\x02\0\x05").unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        match Packet::decode(&bytes[..n], Version::V5) {
            Ok(Some((Packet::Connect(connect), _))) => {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                connect.password.map(text)
            }
            other => panic!("{other:?}"),
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
    command.args(&args).env_remove("MQTT_PASSWORD");
    if let Some(password) = environment {
        command.env("MQTT_PASSWORD", password);
    }
    let finished = Running::spawn(&mut command).wait();
    (server.join().unwrap(), finished)
}

#[test]
fn a_password_of_the_environment_is_the_last_resort() {
    let dir = TempDir::new();
    let file = dir.write("password", b"of the file\n");
    let user = [
        "sub",
        "-h",
        "127.0.0.1",
        "-p",
        "PORT",
        "-t",
        "a",
        "-u",
        "me",
    ];
    let of = |url, password| ["sub", "-L", url, "-t", "a", "-u", password];
    for (args, expected) in [
        (&user[..], Some("of the environment")),
        (&[&user[..], &["-P", "argument"]].concat(), Some("argument")),
        (
            &[&user[..], &["--password-file", &file]].concat(),
            Some("of the file"),
        ),
        (
            &of("mqtt://127.0.0.1:PORT", "me"),
            Some("of the environment"),
        ),
        (&of("mqtt://me:url@127.0.0.1:PORT", "me"), Some("url")),
        // It is nobody's without a user name.
        (&user[..7], None),
    ] {
        let (password, finished) = shown(args, Some("of the environment"));
        assert_eq!(password.as_deref(), expected, "{args:?}");
        assert!(!format!("{finished:?}").contains("of the"), "{finished:?}");
    }
    assert_eq!(shown(&user, None).0, None);
    assert_eq!(shown(&user, Some("")).0, None);
}

#[test]
fn help_does_not_show_the_password_of_the_environment() {
    for help in [&["sub", "--help"][..], &["man", "sub"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mqtt"));
        command.args(help).env("MQTT_PASSWORD", "pencil");
        let finished = Running::spawn(&mut command).wait().ok();
        assert!(finished.stdout().contains("MQTT_PASSWORD"), "{finished:?}");
        assert!(!finished.stdout().contains("pencil"), "{finished:?}");
    }
}

/// A message that clears the screen, in its topic and its payload, and by each code for that.
const CLEAR: &[&[u8]] = &[
    b"\x20\x02\0\0",
    b"\x90\x03\0\x01\0\x30\x12\0\x06a\x1B[2J\nb\xC2\x9B2J\xFF\rc\td",
];

/// What `mqtt sub` prints of it on a terminal, whose lines end as they do there.
fn on_a_terminal(args: &str) -> Option<String> {
    let script = program("script")?;
    let port = serve(CLEAR);
    let command = format!(
        "{} sub -h 127.0.0.1 -p {port} -t '#' -C 1 {args}",
        env!("CARGO_BIN_EXE_mqtt")
    );
    let script = script.to_str().unwrap();
    let finished = Running::start(script, &["-qec", &command, "/dev/null"]).wait();
    Some(String::from_utf8_lossy(&finished.ok().stdout).into_owned())
}

#[test]
fn control_characters_do_not_reach_a_terminal() {
    let Some(plain) = on_a_terminal("-v") else {
        return;
    };
    assert_eq!(plain, "a\\u{1b}[2J\\n b\\u{9b}2J\\xff\\rc\td\r\n");
    let with_format = on_a_terminal("-F '\\e[1m%t\\e[m %p'").unwrap();
    assert_eq!(
        with_format,
        "\x1B[1ma\\u{1b}[2J\\n\x1B[m b\\u{9b}2J\\xff\\rc\td\r\n",
    );
    let raw = on_a_terminal("-v --raw").unwrap();
    assert_eq!(raw, "a\x1B[2J\r\n b\u{9b}2J\u{FFFD}\rc\td\r\n");
}

#[test]
fn control_characters_reach_a_pipe() {
    for args in [&["-v"][..], &["-F", "%t %p"]] {
        let args = [&["sub", "-t", "#", "-C", "1"], args].concat();
        assert_eq!(
            run(CLEAR, &args).ok().stdout,
            b"a\x1B[2J\n b\xC2\x9B2J\xFF\rc\td\n"
        );
    }
}
