//! Statements about CONNECT, CONNACK, AUTH and DISCONNECT that no other test shows.

use mqtt_core::wire::{
    Auth, ConnAck, DecodeError, EncodeError, List, Packet, PacketType, Property, QoS, ReasonCode,
    Will,
};
use mqtt_core::{Config, Message, PeerError, UsageError};

use super::pair::say::*;
use super::pair::{Pair, Setup, V5, V31, V311, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

const METHOD: &[Property<'_>] = &[Property::AuthenticationMethod("m")];

/// Asks for extended authentication.
const AUTH: Setup = {
    let mut setup = SETUP;
    setup.config.properties = METHOD;
    setup
};

fn auth<'a>(code: ReasonCode, properties: &'a [Property<'a>]) -> Auth<'a> {
    Auth {
        code,
        properties: List::from(properties),
    }
}

/// `[MQTT-3.1.4-6]`, `[3.1.1 MQTT-3.1.4-5]`: a server that refuses has nothing to ignore.
#[test]
fn nothing_follows_connect_before_connack() {
    run(&[V31, V311, V5], SETUP.keep_alive(1), |p| {
        p.publish(1, "t", "before", 1);
        p.connect();
        p.publish(2, "t", "meanwhile", 2);
        p.wait(5_000);
        p.sends(&[]);
        p.server(connack());
        p.reports(&["Connected"]);
        p.sends(&[
            "PINGREQ",
            "PUBLISH q1 #1 t 'before'",
            "PUBLISH q2 #2 t 'meanwhile'",
        ]);
    });
}

/// `[MQTT-3.1.2-30]`: during an extended authentication only AUTH is sent.
#[test]
fn nothing_but_auth_follows_connect_before_connack() {
    run(&[V5], AUTH.keep_alive(1), |p| {
        p.connect();
        p.publish(1, "t", "x", 1);
        p.server(auth(ReasonCode::ContinueAuthentication, METHOD));
        p.reports(&["Auth 0x18 [AuthenticationMethod(\"m\")]"]);
        p.client
            .authenticate(&auth(ReasonCode::ContinueAuthentication, METHOD))
            .unwrap();
        p.wait(5_000);
        p.refuses(UsageError::NotConnected, |client| {
            client.unsubscribe(&["t"])
        });
        p.refuses(UsageError::NotConnected, |client| {
            client.publish(&Message::new("t", b""))
        });
        p.sends(&["AUTH 0x18 [AuthenticationMethod(\"m\")]"]);
    });
}

/// `[MQTT-3.2.2-7]`, `[MQTT-3.2.2-8]`, `[MQTT-4.13.2-1]`, and whatever a server refuses for:
/// `[MQTT-3.1.2-2]`, `[MQTT-3.1.3-8]`, `[MQTT-3.2.2-12]`, `[MQTT-3.2.2-13]`, `[MQTT-4.12.0-1]`.
#[test]
fn every_refusal_is_reported_and_ends_the_connection() {
    let codes = (0x80..=u8::MAX).filter_map(ReasonCode::from_u8);
    for code in codes {
        for version in [V31, V311, V5] {
            let refusal = Packet::from(ConnAck::new(false, code));
            // A code that this version has.
            if refusal.encoded_len(version).is_err() {
                continue;
            }
            run(&[version], SETUP, |p| {
                p.publish(1, "t", "x", 1);
                p.connect();
                p.server(refusal);
                p.server(publish(0, 0, "t", ""));
                p.reports(&[&format!("Refused {:#04x}", code as u8)]);
                p.sends(&[]);
                assert!(p.client.is_closed());
                p.lose();
                p.resume();
                p.sends(&["PUBLISH q1 #1 t 'x'"]);
            });
        }
    }
}

/// `[MQTT-3.1.2-28]`, `[MQTT-3.2.2-16]`: the application reads what concerns it.
#[test]
fn every_property_of_connack_is_passed_on() {
    run(&[V5], SETUP, |p| {
        let properties = [
            Property::SessionExpiryInterval(7),
            Property::ReceiveMaximum(6),
            Property::MaximumQoS(QoS::AtLeastOnce),
            Property::RetainAvailable(true),
            Property::MaximumPacketSize(99),
            Property::AssignedClientIdentifier("given"),
            Property::TopicAliasMaximum(0),
            Property::ReasonString("r"),
            Property::UserProperty("k", "1"),
            Property::UserProperty("k", "2"),
            Property::WildcardSubscriptionAvailable(true),
            Property::SubscriptionIdentifierAvailable(true),
            Property::SharedSubscriptionAvailable(true),
            Property::ServerKeepAlive(0),
            Property::ResponseInformation("i"),
            Property::ServerReference("s"),
        ];
        p.connect();
        p.server(connack_with(&properties));
        p.reports(&[&format!("Connected {properties:?}")]);
    });
}

/// What CONNACK may not say, 3.2.2.3, and the reason that the server is given.
#[test]
fn properties_of_connack_that_are_wrong() {
    use DecodeError as D;
    let all: &[(&[u8], D, u8)] = &[
        // Receive Maximum and Maximum Packet Size of 0.
        (&[33, 0, 0], D::PropertyValue, 0x82),
        (&[39, 0, 0, 0, 0], D::PropertyValue, 0x82),
        // Maximum QoS is 0 or 1.
        (&[36, 2], D::PropertyValue, 0x82),
        // Neither true nor false.
        (&[37, 2], D::PropertyValue, 0x82),
        (&[40, 2], D::PropertyValue, 0x82),
        (&[41, 255], D::PropertyValue, 0x82),
        (&[42, 2], D::PropertyValue, 0x82),
        // Twice.
        (&[19, 0, 9, 19, 0, 9], D::PropertyRepeated, 0x82),
        (&[18, 0, 1, b'a', 18, 0, 1, b'a'], D::PropertyRepeated, 0x82),
        // Authentication data without a method.
        (&[22, 0, 0], D::AuthenticationMethod, 0x82),
        // Of other packets, and of none.
        (&[35, 0, 1], D::PropertyNotAllowed, 0x81),
        (&[25, 1], D::PropertyNotAllowed, 0x81),
        (&[7, 1], D::PropertyNotAllowed, 0x81),
        // Cut off, and a string that is none.
        (&[19, 0], D::Truncated, 0x81),
        (&[31, 0, 1, 0xFF], D::Utf8, 0x81),
    ];
    run(&[V5], SETUP, |p| {
        for &(properties, error, code) in all {
            p.connect();
            let len = u8::try_from(properties.len()).unwrap();
            p.bytes(&[&[0x20, 3 + len, 0, 0, len], properties].concat());
            p.fails(PeerError::Malformed(error), code);
        }
    });
}

/// What CONNECT may not say is refused before anything is sent, 3.1.2.11.
#[test]
fn properties_of_connect_that_are_wrong() {
    use EncodeError as E;
    const ALL: &[(&[Property<'_>], EncodeError)] = &[
        (&[Property::MaximumPacketSize(0)], E::PropertyValue),
        (
            &[Property::AuthenticationData(b"d")],
            E::AuthenticationMethod,
        ),
        (&[Property::WillDelayInterval(1)], E::PropertyNotAllowed),
        (&[Property::ServerKeepAlive(1)], E::PropertyNotAllowed),
        (
            &[
                Property::RequestProblemInformation(true),
                Property::RequestProblemInformation(true),
            ],
            E::PropertyRepeated,
        ),
        (&[Property::UserProperty("\0", "")], E::NulCharacter),
    ];
    for &(properties, error) in ALL {
        let config = Config {
            properties,
            ..SETUP.config
        };
        run(&[V5], SETUP.config(config), |p| {
            let now = p.now();
            p.refuses(UsageError::Encode(error), |client| client.connect(now));
        });
    }
}

/// 3.1.2.11.2: left out it is 0, and the largest is for ever.
#[test]
fn session_expiry_of_connect() {
    for (seconds, text) in [
        (0, ""),
        (1, ", SessionExpiryInterval(1)"),
        (u32::MAX, ", SessionExpiryInterval(4294967295)"),
    ] {
        let mut setup = SETUP;
        setup.config.session_expiry = seconds;
        run(&[V5], setup, |p| {
            p.client.connect(p.now()).unwrap();
            p.sends(&[&format!("CONNECT 5.0 'c' keep 0 [ReceiveMaximum(8){text}]")]);
        });
        // Before 5.0 there is no such thing.
        run(&[V311], setup, |p| {
            p.client.connect(p.now()).unwrap();
            p.sends(&["CONNECT 3.1.1 'c' keep 0"]);
        });
    }
}

/// 4.12: data for this connection alone follow the method.
#[test]
fn authentication_data_of_one_connect() {
    run(&[V5], AUTH, |p| {
        for data in ["first", "second"] {
            p.client.connect_with(data.as_bytes(), p.now()).unwrap();
            p.run();
            let sent = p.take_sent();
            let property = format!("AuthenticationData({:?})", data.as_bytes());
            assert!(sent[0].contains(&property), "{sent:?}");
            assert!(sent[0].contains("AuthenticationMethod(\"m\")"), "{sent:?}");
            p.lose();
        }
        p.client.connect(p.now()).unwrap();
        p.run();
        assert!(!p.take_sent()[0].contains("AuthenticationData"));
    });
    run(&[V5], SETUP, |p| {
        let now = p.now();
        p.refuses(UsageError::Authentication, |client| {
            client.connect_with(b"d", now)
        });
    });
}

/// `[MQTT-4.12.0-5]`: all of it is one method, ours.
#[test]
fn another_authentication_method() {
    const OTHER: &[Property<'_>] = &[Property::AuthenticationMethod("M")];
    run(&[V5], AUTH, |p| {
        p.connect();
        p.server(auth(ReasonCode::ContinueAuthentication, OTHER));
        p.fails(PeerError::UnexpectedProperty, 0x82);
        p.connect();
        p.server(connack_with(OTHER));
        p.fails(PeerError::UnexpectedProperty, 0x82);
        p.connect();
        p.server(connack_with(METHOD));
        p.reports(&["Connected [AuthenticationMethod(\"m\")]"]);
        // [MQTT-4.12.1-1].
        p.refuses(UsageError::Property, |client| {
            client.authenticate(&auth(ReasonCode::ReAuthenticate, OTHER))
        });
        p.sends(&[]);
        p.server(auth(ReasonCode::Success, OTHER));
        p.fails(PeerError::UnexpectedProperty, 0x82);
    });
}

/// `[MQTT-4.12.0-6]`: in AUTH and CONNACK alike.
#[test]
fn a_method_that_was_not_asked_for() {
    run(&[V5], SETUP, |p| {
        p.connect();
        p.server(connack_with(METHOD));
        p.fails(PeerError::UnexpectedProperty, 0x82);
        p.connect();
        p.server(auth(ReasonCode::ContinueAuthentication, METHOD));
        p.fails(PeerError::UnexpectedPacket(PacketType::Auth), 0x82);
    });
}

/// `[MQTT-4.12.0-4]`.
#[test]
fn an_authentication_that_is_refused() {
    run(&[V5], AUTH, |p| {
        p.connect();
        p.server(auth(ReasonCode::ContinueAuthentication, METHOD));
        p.reports(&["Auth 0x18 [AuthenticationMethod(\"m\")]"]);
        p.client
            .authenticate(&auth(ReasonCode::ContinueAuthentication, METHOD))
            .unwrap();
        p.sends(&["AUTH 0x18 [AuthenticationMethod(\"m\")]"]);
        p.server(ConnAck::new(false, ReasonCode::NotAuthorized));
        p.reports(&["Refused 0x87"]);
        assert!(p.client.is_closed());
        p.sends(&[]);
    });
}

/// `[MQTT-4.12.1-2]`: either side may end a re-authentication.
#[test]
fn a_re_authentication_that_fails() {
    fn begun(p: &mut Pair<'_>) {
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        p.client
            .authenticate(&auth(ReasonCode::ReAuthenticate, METHOD))
            .unwrap();
        p.sends(&["AUTH 0x19 [AuthenticationMethod(\"m\")]"]);
    }
    run(&[V5], AUTH, |p| {
        begun(p);
        p.server(disconnect(ReasonCode::NotAuthorized));
        p.reports(&["Disconnected 0x87"]);
        assert!(p.client.is_closed());
        p.lose();
        begun(p);
        p.server(auth(ReasonCode::ContinueAuthentication, METHOD));
        p.reports(&["Auth 0x18 [AuthenticationMethod(\"m\")]"]);
        p.client
            .disconnect_with(&disconnect(ReasonCode::UnspecifiedError))
            .unwrap();
        p.sends(&["DISCONNECT 0x80"]);
        assert!(p.client.is_closed());
    });
}

/// `[MQTT-3.15.2-1]`: of the three codes a client sends two.
#[test]
fn auth_codes_of_a_client() {
    run(&[V5], AUTH, |p| {
        p.connect();
        p.server(connack());
        p.reports(&["Connected"]);
        for code in (0..=u8::MAX).filter_map(ReasonCode::from_u8) {
            use ReasonCode::{ContinueAuthentication, ReAuthenticate};
            if matches!(code, ContinueAuthentication | ReAuthenticate) {
                p.client.authenticate(&auth(code, METHOD)).unwrap();
                p.sends(&[&format!(
                    "AUTH {:#04x} [AuthenticationMethod(\"m\")]",
                    code as u8
                )]);
            } else {
                p.refuses(UsageError::Authentication, |client| {
                    client.authenticate(&auth(code, METHOD))
                });
            }
        }
    });
}

/// `[MQTT-3.15.2-2]`, `[MQTT-3.15.2-3]`, `[MQTT-3.14.2-3]`, `[MQTT-3.14.2-4]`: refused whole, so
/// that the application decides what to leave out.
#[test]
fn reasons_above_the_packet_size_of_the_server() {
    const LIMIT: Property<'_> = Property::MaximumPacketSize(20);
    const LONG: [Property<'_>; 2] = [
        Property::ReasonString("a reason that is too long"),
        Property::UserProperty("a name that is too long", ""),
    ];
    run(&[V5], AUTH, |p| {
        p.connect();
        p.server(connack_with(&[LIMIT]));
        p.reports(&["Connected [MaximumPacketSize(20)]"]);
        for property in LONG {
            p.refuses(UsageError::MaximumPacketSize, |client| {
                let properties = [METHOD[0], property];
                client.authenticate(&auth(ReasonCode::ReAuthenticate, &properties))
            });
            p.refuses(UsageError::MaximumPacketSize, |client| {
                let properties = [property];
                let mut packet = disconnect(ReasonCode::Success);
                packet.properties = List::from(&properties);
                client.disconnect_with(&packet)
            });
        }
        p.client
            .authenticate(&auth(ReasonCode::ReAuthenticate, METHOD))
            .unwrap();
        p.sends(&["AUTH 0x19 [AuthenticationMethod(\"m\")]"]);
    });
}

/// `[MQTT-4.13.2-1]`, `[MQTT-3.1.4-3]`: whatever the reason, the connection is over.
#[test]
fn every_disconnect_of_a_server_is_reported() {
    for code in (0x80..=u8::MAX).filter_map(ReasonCode::from_u8) {
        let packet = Packet::from(disconnect(code));
        if packet.encoded_len(V5).is_err() {
            continue;
        }
        run(&[V5], SETUP, |p| {
            p.online();
            p.server(packet);
            p.server(publish(1, 1, "t", ""));
            p.reports(&[&format!("Disconnected {:#04x}", code as u8)]);
            p.sends(&[]);
            assert!(p.client.is_closed());
            assert!(!p.client.is_connected());
        });
    }
}

/// 3.14.2.2.5, 4.11: where to go instead.
#[test]
fn the_server_has_moved() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::ServerReference("b"), Property::ReasonString("r")];
        let mut packet = disconnect(ReasonCode::ServerMoved);
        packet.properties = List::from(&properties);
        p.server(packet);
        p.reports(&["Disconnected 0x9d [ServerReference(\"b\"), ReasonString(\"r\")]"]);
        assert!(p.client.is_closed());
    });
}

/// 3.14.2.2.2: DISCONNECT may change an expiry that was not 0, in either direction.
#[test]
fn disconnect_changes_the_session_expiry() {
    let mut setup = SETUP;
    setup.config.session_expiry = 60;
    for seconds in [0, 61, u32::MAX] {
        run(&[V5], setup, |p| {
            p.online();
            let properties = [Property::SessionExpiryInterval(seconds)];
            let mut packet = disconnect(ReasonCode::Success);
            packet.properties = List::from(&properties);
            p.client.disconnect_with(&packet).unwrap();
            p.sends(&[&format!("DISCONNECT [SessionExpiryInterval({seconds})]")]);
        });
    }
    // 0 is what it was.
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::SessionExpiryInterval(0)];
        let mut packet = disconnect(ReasonCode::Success);
        packet.properties = List::from(&properties);
        p.client.disconnect_with(&packet).unwrap();
        p.sends(&["DISCONNECT [SessionExpiryInterval(0)]"]);
    });
}

/// Table 3-11: only a client begins to re-authenticate.
#[test]
fn a_server_that_re_authenticates() {
    run(&[V5], AUTH, |p| {
        p.online();
        p.server(auth(ReasonCode::ReAuthenticate, METHOD));
        p.run();
        let reported = p.take_reported();
        assert!(reported[0].starts_with("! Peer"), "{reported:?}");
        p.sends(&["DISCONNECT 0x82"]);
    });
}

/// Table 3-10: codes that only a server sends.
#[test]
fn disconnect_codes_of_a_server_are_refused() {
    use ReasonCode as R;
    run(&[V5], SETUP, |p| {
        p.online();
        for code in [
            R::NotAuthorized,
            R::ServerBusy,
            R::ServerShuttingDown,
            R::KeepAliveTimeout,
            R::SessionTakenOver,
            R::TopicFilterInvalid,
            R::UseAnotherServer,
            R::WildcardSubscriptionsNotSupported,
        ] {
            let result = p.client.disconnect_with(&disconnect(code));
            let is_refused = matches!(result, Err(mqtt_core::Error::Usage(_)));
            assert!(is_refused, "{code:?}: {result:?}");
        }
    });
}

/// `[MQTT-3.1.3-2]`: the session of one identifier is not resumed under another.
#[test]
fn another_identifier_is_another_session() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        p.server(publish(2, 5, "t", "y"));
        p.reports(&["Publish q2 #5 t 'y'"]);
        p.sends(&["PUBREC #5"]);
        p.lose();
        let other = Config {
            client_id: "other",
            ..p.config()
        };
        if p.client.reconfigure(other).is_err() {
            return;
        }
        // The server has a session of this name, which is not the one from before.
        p.connect();
        p.server(session());
        p.server(publish(2, 5, "t", "of the other session"));
        p.run();
        let sent = p.take_sent();
        assert!(!sent.iter().any(|sent| sent.contains(" dup ")), "{sent:?}");
        let reported = p.take_reported();
        let message = "Publish q2 #5 t 'of the other session'".to_owned();
        assert!(reported.contains(&message), "{reported:?}");
    });
}

/// `[MQTT-3.1.2-10]`: the server forgets the will, so each CONNECT has it.
#[test]
fn the_will_goes_with_every_connect() {
    const CONFIG: Config<'_> = Config {
        will: Some(Will {
            qos: qos(1),
            retain: true,
            ..Will::new("gone", b"c")
        }),
        ..SETUP.config
    };
    each(SETUP.config(CONFIG), |p| {
        for _ in 0..3 {
            p.client.connect(p.now()).unwrap();
            p.run();
            let sent = p.take_sent();
            assert_eq!(sent.len(), 1);
            assert!(sent[0].contains(" will q1 retain gone 'c'"), "{sent:?}");
            p.server(connack());
            p.reports(&["Connected"]);
            p.lose();
        }
    });
}
