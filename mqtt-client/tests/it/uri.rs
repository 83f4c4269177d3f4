//! What is made of URIs.

use mqtt_client::uri::{Endpoint, ParseError, Scheme};
use proptest::prelude::*;

fn parse(text: &str) -> Endpoint {
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn schemes_and_their_ports() {
    for (text, scheme, port) in [
        ("mqtt://h", Scheme::Mqtt, 1883),
        ("tcp://h", Scheme::Mqtt, 1883),
        ("mqtts://h", Scheme::Mqtts, 8883),
        ("ssl://h", Scheme::Mqtts, 8883),
        ("tls://h", Scheme::Mqtts, 8883),
        ("ws://h", Scheme::Ws, 80),
        ("wss://h", Scheme::Wss, 443),
        ("MQTTs://h", Scheme::Mqtts, 8883),
        ("mqtt://h:", Scheme::Mqtt, 1883),
        // Default ports of other schemes are ports like any other.
        ("mqtt://h:80", Scheme::Mqtt, 80),
        ("mqtts://h:443", Scheme::Mqtts, 443),
        ("ws://h:443", Scheme::Ws, 443),
        ("ws://h:80", Scheme::Ws, 80),
        ("wss://h:65535", Scheme::Wss, 65535),
        (" \tmqtt://h\n", Scheme::Mqtt, 1883),
    ] {
        let endpoint = parse(text);
        assert_eq!((endpoint.scheme, endpoint.port), (scheme, port), "{text}");
        assert_eq!(endpoint.host, "h", "{text}");
    }
    assert!(Scheme::Wss.is_tls() && Scheme::Wss.is_ws());
    assert!(!Scheme::Mqtt.is_tls() && !Scheme::Mqtt.is_ws());
    assert_eq!(format!("{:>6}", Scheme::Mqtts), " mqtts");
}

/// In the same way for all schemes.
#[test]
fn hosts() {
    for (text, host) in [
        ("EXAMPLE.com", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("a_b.example", "a_b.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("[::ffff:192.0.2.1]", "::ffff:192.0.2.1"),
        ("h.", "h."),
    ] {
        for scheme in ["mqtt", "mqtts", "ws", "wss"] {
            for after in ["", ":1234", "/", ":1234/a"] {
                let endpoint = parse(&format!("{scheme}://{text}{after}"));
                assert_eq!(endpoint.host, host, "{scheme} {text} {after}");
            }
        }
    }
}

#[test]
fn users() {
    for (text, username, password) in [
        ("", None, None),
        ("@", None, None),
        (":@", None, None),
        ("me@", Some("me"), None),
        // Those who write this have no password.
        ("me:@", Some("me"), None),
        // Without a user name: 5.0 allows that.
        (":secret@", None, Some(&b"secret"[..])),
        ("me:s:3:cret@", Some("me"), Some(b"s:3:cret")),
        ("m%C3%A9:%2F%3F%23%40%5B@", Some("mé"), Some(b"/?#@[")),
        ("me:a@b@", Some("me"), Some(b"a@b")),
        ("me:%00%FF%zz@", Some("me"), Some(b"\0\xFF%zz")),
        ("mé:ü@", Some("mé"), Some("ü".as_bytes())),
    ] {
        for scheme in ["mqtt", "wss"] {
            let endpoint = parse(&format!("{scheme}://{text}h:1/p"));
            assert_eq!(endpoint.username.as_deref(), username, "{text}");
            assert_eq!(endpoint.password.as_deref(), password, "{text}");
            assert_eq!((&*endpoint.host, &*endpoint.path), ("h", "/p"), "{text}");
            let config = endpoint.config("id");
            assert_eq!((config.username, config.password), (username, password));
            assert_eq!(config.client_id, "id");
        }
    }
}

#[test]
fn paths() {
    for (text, path) in [
        ("mqtt://h", ""),
        ("mqtt://h/", "/"),
        // To a topic, nothing of this is special.
        ("mqtt://h/a/+/b c/#", "/a/+/b c/#"),
        ("mqtts://h//a//../b?c\\d", "//a//../b?c\\d"),
        ("mqtt://h/%C3%BC/50%/%23", "/ü/50%/#"),
        ("ws://h", "/mqtt"),
        ("ws://h/", "/"),
        ("ws://h/a/../b//c", "/b//c"),
        (
            "wss://h/a b/ü/%20?x=1&y=ü",
            "/a%20b/%C3%BC/%20?x=1&y=%C3%BC",
        ),
        ("wss://h?x=1", "/mqtt?x=1"),
        ("ws://h/a%23b?c/d", "/a%23b?c/d"),
    ] {
        assert_eq!(parse(text).path, path, "{text}");
    }
}

#[test]
fn what_is_no_uri() {
    let unknown = |scheme: &str| {
        format!("{scheme}:// is unknown: there are mqtt://, mqtts://, ws:// and wss://")
    };
    let missing =
        |guess: &str| format!("a scheme is missing at the beginning: did you mean mqtt://{guess}?");
    let port = "a port is a number from 1 to 65535";
    let slash = "a slash is missing between the host and ? or #";
    for (text, why) in [
        ("", &*missing("localhost")),
        ("localhost", &missing("localhost")),
        ("localhost:1883", &missing("localhost:1883")),
        ("//h/a", &missing("h/a")),
        ("me:secret@h", &missing("h")),
        ("me:secret@h/a://b", &missing("h/a://b")),
        ("mqtt:h", &missing("mqtt:h")),
        ("://h", &missing("h")),
        ("[::1]:1883", &missing("[::1]:1883")),
        ("http://h", &unknown("http")),
        ("mqttss://h", &unknown("mqttss")),
        ("mqtt://", "there is no host after ://"),
        ("mqtt:///a", "there is no host after ://"),
        ("ws:///a", "there is no host after ://"),
        ("mqtt://:1883", "there is no host after ://"),
        ("wss://me:secret@", "there is no host after ://"),
        ("mqtt://me@:1883", "there is no host after ://"),
        ("mqtt://h:99999/a", port),
        ("ws://h:0", port),
        ("mqtt://h:-1", port),
        ("mqtt://h:18a83", port),
        (
            "mqtt://::1",
            "an IPv6 address belongs in brackets, as in [::1]",
        ),
        (
            "ws://me@2001:db8::1/a",
            "an IPv6 address belongs in brackets, as in [::1]",
        ),
        ("mqtt://[::1", "the host is not valid: invalid IPv6 address"),
        (
            "mqtt://[fe80::1%25eth0]",
            "the host is not valid: invalid IPv6 address",
        ),
        (
            "mqtt://1.2.3.999",
            "the host is not valid: invalid IPv4 address",
        ),
        (
            "ws://1.2.3.999",
            "the host is not valid: invalid IPv4 address",
        ),
        (
            "ws://a b/",
            "the host is not valid: invalid domain character",
        ),
        (
            "mqtt://%FF",
            "the host is not valid: invalid international domain name",
        ),
        ("mqtt://h#a", slash),
        ("mqtt://h?a", slash),
        (
            "ws://h/#",
            "with ws:// and wss:// there is no #: write %23 if you mean it",
        ),
        (
            "ws://h#",
            "with ws:// and wss:// there is no #: write %23 if you mean it",
        ),
        ("mqtt://h/%FF", "the path is not UTF-8"),
        ("mqtt://%FF@h", "the user name is not UTF-8"),
        (
            "mqtt://h/a\nb",
            "there is a line break or another control character",
        ),
        (
            "ws://h\r\nX: y",
            "there is a line break or another control character",
        ),
    ] {
        match Endpoint::try_from(text) {
            Err(error) => assert_eq!(error.to_string(), why, "{text}"),
            Ok(endpoint) => panic!("{text} is {endpoint:?}"),
        }
    }
    assert_eq!(Endpoint::try_from("ws://h:70000"), Err(ParseError::Port));
}

#[test]
fn passwords_are_not_shown() {
    let endpoint = parse("wss://me%20too:secret@[::1]/a?b");
    assert_eq!(endpoint.to_string(), "wss://me%20too@[::1]:443/a?b");
    let debug = format!("{endpoint:?} {endpoint:#?}");
    assert!(
        debug.contains("hidden") && !debug.contains("secret"),
        "{debug}"
    );
    // Nor as a list of numbers.
    assert!(!debug.contains("115"), "{debug}");
}

fn escaped(bytes: &[u8]) -> String {
    percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9]{0,10}(\\.[a-z][a-z0-9]{0,10}){0,3}",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| format!("[{address}]")),
    ]
}

proptest! {
    #[test]
    fn parts_come_back(
        scheme in prop_oneof![
            Just(Scheme::Mqtt), Just(Scheme::Mqtts), Just(Scheme::Ws), Just(Scheme::Wss)
        ],
        host in host(),
        port in 1..=u16::MAX,
        username in proptest::option::of("\\PC+"),
        password in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..20)),
        path in ".*",
    ) {
        let mut text = format!("{scheme}://");
        if username.is_some() || password.is_some() {
            text += &escaped(username.as_deref().unwrap_or_default().as_bytes());
            if let Some(password) = &password {
                text += &format!(":{}", escaped(password));
            }
            text += "@";
        }
        let escaped_path = escaped(path.as_bytes());
        text += &format!("{host}:{port}/{escaped_path}");

        let endpoint: Endpoint = text.parse().unwrap();
        prop_assert_eq!(endpoint.scheme, scheme);
        prop_assert_eq!(endpoint.port, port);
        prop_assert_eq!(&endpoint.username, &username);
        prop_assert_eq!(&endpoint.password, &password);
        if scheme.is_ws() {
            // A segment of dots is a step, with escapes or without.
            if path != "." && path != ".." {
                prop_assert_eq!(&endpoint.path, &format!("/{escaped_path}"));
            }
        } else {
            prop_assert_eq!(&endpoint.path, &format!("/{path}"));
        }

        let again: Endpoint = endpoint.to_string().parse().unwrap();
        prop_assert_eq!(again, Endpoint { password: None, ..endpoint });
    }

    /// Whatever it is, it does not panic, and what is a URI can be printed and read again.
    #[test]
    fn any_text(text in "((mqtts?|wss?|x)://)?\\PC{0,40}") {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            let again: Endpoint = endpoint.to_string().parse().unwrap();
            prop_assert_eq!(again, Endpoint { password: None, ..endpoint });
        }
    }
}
