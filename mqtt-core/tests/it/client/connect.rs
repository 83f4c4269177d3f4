//! The handshake, and the end of a connection.

use core::time::Duration;

use mqtt_core::wire::{
    Auth, ConnAck, DecodeError, EncodeError, List, Packet, Property, ReasonCode, Will,
};
use mqtt_core::{Config, PeerError, Timeout, UsageError};

use super::pair::say::*;
use super::pair::{Setup, V5, V31, V311, each, run};
use super::text::qos;

const SETUP: Setup = Setup::new();

/// `[MQTT-3.1.0-1]`, `[MQTT-2.2.2-1]`.
#[test]
fn connect_is_the_first_packet() {
    run(&[V31, V311, V5], SETUP, |p| {
        assert!(p.client.transmit().is_empty());
        assert!(!p.client.is_connected());
        assert_eq!(p.client.connect(p.now()), Ok(()));
        p.sends(&[match p.version {
            V31 => "CONNECT 3.1 'c' keep 0",
            V311 => "CONNECT 3.1.1 'c' keep 0",
            V5 => "CONNECT 5.0 'c' keep 0 [ReceiveMaximum(8)]",
        }]);
        assert!(!p.client.is_connected());
        p.server(connack());
        p.reports(&["Connected"]);
        assert!(p.client.is_connected());
        assert!(!p.client.is_closed());
    });
}

/// `[MQTT-3.1.3-1]`, `[MQTT-3.1.2-9]`, `[MQTT-3.1.2-17]`, `[MQTT-3.1.2-19]`.
#[test]
fn connect_with_all_there_is_before_5() {
    const CONFIG: Config<'_> = Config {
        clean_start: true,
        username: Some("user"),
        password: Some(b"secret"),
        will: Some(Will {
            qos: qos(2),
            retain: true,
            ..Will::new("gone", b"c")
        }),
        ..Config::new("sensor-7")
    };
    run(&[V31, V311], SETUP.config(CONFIG), |p| {
        p.client.connect(p.now()).unwrap();
        p.sends(&[&format!(
            "CONNECT {} 'sensor-7' clean keep 60 \
             will q2 retain gone 'c' user user password 'secret'",
            p.version
        )]);
        p.server(connack());
        p.reports(&["Connected"]);
    });
}

/// Also `[MQTT-3.1.2-18]`: in 5.0 a password needs no user name.
#[test]
fn connect_with_all_properties() {
    const WILL: &[Property<'_>] = &[
        Property::WillDelayInterval(5),
        Property::PayloadFormatIndicator(true),
        Property::MessageExpiryInterval(60),
        Property::ContentType("text/plain"),
        Property::ResponseTopic("r"),
        Property::CorrelationData(b"1"),
        Property::UserProperty("k", "v"),
    ];
    const CONFIG: Config<'_> = Config {
        clean_start: true,
        session_expiry: 3600,
        password: Some(b"token"),
        will: Some(Will {
            properties: List::joined(WILL, &[]),
            ..Will::new("gone", b"c")
        }),
        properties: &[
            Property::MaximumPacketSize(4096),
            Property::RequestResponseInformation(true),
            Property::RequestProblemInformation(false),
            Property::UserProperty("a", "b"),
            Property::UserProperty("a", "b"),
            Property::AuthenticationMethod("m"),
            Property::AuthenticationData(b"d"),
        ],
        ..Config::new("")
    };
    run(&[V5], SETUP.config(CONFIG), |p| {
        p.client.connect(p.now()).unwrap();
        p.sends(&["CONNECT 5.0 '' clean keep 60 will q0 gone 'c' \
             [WillDelayInterval(5), PayloadFormatIndicator(true), MessageExpiryInterval(60), \
             ContentType(\"text/plain\"), ResponseTopic(\"r\"), CorrelationData([49]), \
             UserProperty(\"k\", \"v\")] password 'token' \
             [ReceiveMaximum(8), SessionExpiryInterval(3600), MaximumPacketSize(4096), \
             RequestResponseInformation(true), RequestProblemInformation(false), \
             UserProperty(\"a\", \"b\"), UserProperty(\"a\", \"b\"), \
             AuthenticationMethod(\"m\"), AuthenticationData([100])]"]);
        p.server(connack_with(&[
            Property::AssignedClientIdentifier("x"),
            Property::AuthenticationMethod("m"),
        ]));
        p.reports(&["Connected [AssignedClientIdentifier(\"x\"), AuthenticationMethod(\"m\")]"]);
    });
}

#[test]
fn properties_that_the_client_sets_itself_are_refused() {
    const ALL: [&[Property<'_>]; 3] = [
        &[Property::ReceiveMaximum(1)],
        &[Property::SessionExpiryInterval(1)],
        &[Property::TopicAliasMaximum(1)],
    ];
    for properties in ALL {
        let config = Config {
            properties,
            ..Config::new("c")
        };
        run(&[V5], SETUP.config(config), |p| {
            let now = p.now();
            p.refuses(UsageError::Property, |client| client.connect(now));
        });
    }
}

#[test]
fn a_connect_that_cannot_be_written_changes_nothing() {
    let config = Config {
        password: Some(b"secret"),
        ..Config::new("c")
    };
    run(&[V31, V311], SETUP.config(config), |p| {
        let now = p.now();
        let error = UsageError::Encode(EncodeError::PasswordWithoutUsername);
        p.refuses(error, |client| client.connect(now));
        let config = Config {
            properties: &[Property::UserProperty("", "")],
            ..p.config()
        };
        p.client
            .reconfigure(Config {
                username: Some("u"),
                ..config
            })
            .unwrap();
        p.refuses(UsageError::Encode(EncodeError::Version), |client| {
            client.connect(now)
        });
        p.client
            .reconfigure(Config {
                username: Some("u"),
                ..p.config()
            })
            .unwrap();
        p.online();
    });
}

#[test]
fn a_configuration_whose_connect_has_no_room_is_refused() {
    const LONG: &[u8] = &[b'x'; 300];
    each(SETUP, |p| {
        let config = Config {
            username: Some("u"),
            password: Some(LONG),
            ..p.config()
        };
        let error = UsageError::BufferTooSmall;
        p.refuses(error, |client| client.reconfigure(config));
        p.online();
    });
}

#[test]
fn connect_during_a_connection_is_refused() {
    each(SETUP, |p| {
        let now = p.now();
        p.connect();
        p.refuses(UsageError::AlreadyConnected, |client| client.connect(now));
        p.server(connack());
        p.reports(&["Connected"]);
        p.refuses(UsageError::AlreadyConnected, |client| client.connect(now));
        let config = p.config();
        p.refuses(UsageError::AlreadyConnected, |client| {
            client.reconfigure(config)
        });
        p.client.disconnect().unwrap();
        p.refuses(UsageError::AlreadyConnected, |client| client.connect(now));
        p.sends(&["DISCONNECT"]);
        p.refuses(UsageError::AlreadyConnected, |client| client.connect(now));
        p.lose();
        p.online();
    });
}

#[test]
fn commands_without_a_connection_are_refused() {
    each(SETUP, |p| {
        for _ in 0..2 {
            let error = UsageError::NotConnected;
            p.refuses(error, |client| {
                client.publish(&mqtt_core::Message::new("t", b""))
            });
            p.refuses(error, |client| client.unsubscribe(&["t"]));
            p.refuses(error, |client| client.disconnect());
            p.refuses(error, |client| {
                client.subscribe(&[mqtt_core::wire::Filter::new("t", qos(0))])
            });
            // The same until CONNACK.
            if p.client.poll_timeout().is_none() {
                p.connect();
            }
        }
        p.server(connack());
        p.reports(&["Connected"]);
    });
}

/// `[3.1.1 MQTT-3.2.2-5]`, `[MQTT-3.2.2-7]`.
#[test]
fn refused() {
    run(&[V31, V311, V5], SETUP, |p| {
        p.connect();
        p.server(ConnAck::new(false, ReasonCode::NotAuthorized));
        p.bytes(b"whatever follows");
        p.reports(&["Refused 0x87"]);
        p.sends(&[]);
        assert!(p.client.is_closed());
        assert_eq!(p.client.poll_timeout(), None);
        p.lose();
        p.online();
    });
    run(&[V5], SETUP, |p| {
        p.connect();
        let properties = [Property::ServerReference("b.example")];
        p.server(ConnAck {
            code: ReasonCode::UseAnotherServer,
            ..connack_with(&properties)
        });
        p.reports(&["Refused 0x9c [ServerReference(\"b.example\")]"]);
    });
}

/// What another client's session would make of them: it would deliver them again.
#[test]
fn received_identifiers_tie_the_client_to_its_session() {
    each(SETUP, |p| {
        p.online();
        p.server(publish(2, 1, "t", "x"));
        p.reports(&["Publish q2 #1 t 'x'"]);
        p.sends(&["PUBREC #1"]);
        p.lose();
        let other = Config {
            client_id: "other",
            ..p.config()
        };
        p.refuses(UsageError::InFlight, |client| client.reconfigure(other));
        p.resume();
        p.server(pubrel(1));
        p.sends(&["PUBCOMP #1"]);
        p.lose();
        p.client.reconfigure(other).unwrap();
        p.online();
    });
}

/// A server of 3.1.1 answers CONNECT of 5.0 in its own way: return code 1.
#[test]
fn refused_by_a_server_of_3_1_1() {
    run(&[V5], SETUP, |p| {
        p.connect();
        p.bytes(&[0x20, 2, 0, 1]);
        p.reports(&["Refused 0x84"]);
        p.lose();
        p.client
            .reconfigure(Config {
                version: V311,
                ..p.config()
            })
            .unwrap();
        p.version = V311;
        p.online();
    });
}

#[test]
fn messages_in_flight_tie_the_client_to_its_version() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        p.lose();
        let config = Config {
            version: V311,
            ..p.config()
        };
        p.refuses(UsageError::InFlight, |client| client.reconfigure(config));
        p.resume();
        p.sends(&["PUBLISH q1 #1 dup t 'x'"]);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        p.lose();
        p.client.reconfigure(config).unwrap();
        p.version = V311;
        p.online();
    });
}

#[test]
fn connect_timeout() {
    let config = Config {
        connect_timeout: Duration::from_millis(2500),
        ..SETUP.config
    };
    each(SETUP.config(config), |p| {
        p.connect();
        let bytes = p.encode(connack());
        p.bytes(&bytes[..bytes.len() - 1]);
        p.reports(&[]);
        assert_eq!(p.wait_for_deadline(), 2500);
        p.wait(0);
        p.reports(&["! Timeout(Connect)"]);
        p.sends(&[]);
        assert!(p.client.is_closed());
        assert_eq!(p.client.poll_timeout(), None);
        p.lose();
        p.online();
        assert_eq!(p.client.poll_timeout(), None);
        assert_eq!(mqtt_core::Error::from(Timeout::Connect).code(), 0x0601);
    });
}

/// The time that CONNECT waits in the buffer counts, too.
#[test]
fn connect_timeout_before_anything_is_sent() {
    each(SETUP, |p| {
        p.stall(true);
        p.client.connect(p.now()).unwrap();
        assert_eq!(p.wait_for_deadline(), 10_000);
        p.reports(&["! Timeout(Connect)"]);
        p.lose();
        assert!(p.client.transmit().is_empty());
    });
}

/// `[MQTT-3.2.2-2]`.
#[test]
fn session_present_after_clean_start() {
    each(SETUP.clean(), |p| {
        p.connect();
        p.server(session());
        p.fails(PeerError::SessionPresent, 0x82);
    });
}

/// `[MQTT-3.2.0-1]`, `[MQTT-3.14.0-1]`.
#[test]
fn anything_but_connack_comes_first() {
    each(SETUP, |p| {
        let packets = [
            Packet::from(publish(0, 0, "t", "")),
            Packet::from(publish(1, 1, "t", "")),
            puback(1),
            pubrec(1),
            pubrel(1),
            pubcomp(1),
            suback(1, &[ReasonCode::Success]).into(),
            unsuback(1, p.version, &[ReasonCode::Success]).into(),
            Packet::PingResp,
            disconnect(ReasonCode::Success).into(),
        ];
        for packet in packets {
            p.connect();
            p.server(packet);
            p.fails(PeerError::UnexpectedPacket(packet.packet_type()), 0x82);
        }
    });
}

/// `[MQTT-3.1.0-1]`: a server that does not even wait for CONNECT gets no DISCONNECT before it.
#[test]
fn garbage_before_connect_is_sent() {
    each(SETUP, |p| {
        p.stall(true);
        p.client.connect(p.now()).unwrap();
        p.bytes(&[0]);
        let error = PeerError::Malformed(DecodeError::PacketType);
        p.reports(&[&format!("! {:?}", mqtt_core::Error::from(error))]);
        assert!(p.client.is_closed());
        p.stall(false);
        p.sends(&[]);
        p.lose();
    });
}

/// CONNECT that is sent in part is finished, so that DISCONNECT can follow.
#[test]
fn garbage_after_a_part_of_connect() {
    each(SETUP, |p| {
        p.stall(true);
        p.client.connect(p.now()).unwrap();
        p.take(5);
        p.bytes(&[0]);
        p.run();
        assert_eq!(p.take_reported().len(), 1);
        p.stall(false);
        p.run();
        let sent = p.take_sent();
        assert!(sent[0].starts_with("CONNECT"));
        assert_eq!(
            sent[1..],
            if p.is_v5() {
                vec!["DISCONNECT 0x81"]
            } else {
                vec![]
            }
        );
        assert!(p.client.is_closed());
        p.lose();
    });
}

/// `[MQTT-3.2.0-2]`.
#[test]
fn second_connack() {
    each(SETUP, |p| {
        p.online();
        p.server(connack());
        p.fails(
            PeerError::UnexpectedPacket(mqtt_core::wire::PacketType::ConnAck),
            0x82,
        );
    });
}

/// `[MQTT-3.14.4-1]`, `[3.1.1 MQTT-3.14.4-2]`: all that was handed over goes first, nothing goes
/// after.
#[test]
fn disconnect_comes_last() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(0, "t", "0", 0);
        p.publish(1, "t", "1", 1);
        p.subscribe("t", 0, 2);
        p.publish(2, "t", "2", 3);
        p.client.disconnect().unwrap();
        assert!(!p.client.is_connected());
        assert!(!p.client.is_closed());
        p.refuses(UsageError::NotConnected, |client| {
            client.publish(&mqtt_core::Message::new("t", b"").qos(qos(1)))
        });
        p.refuses(UsageError::NotConnected, |client| client.disconnect());
        p.stall(false);
        p.run();
        let sent = p.take_sent();
        assert_eq!(sent.last().unwrap(), "DISCONNECT");
        for packet in [
            "PUBLISH q0 t '0'",
            "PUBLISH q1 #1 t '1'",
            "SUBSCRIBE #2 t q0",
        ] {
            assert!(sent.iter().any(|sent| sent == packet), "{packet}");
        }
        assert_eq!(sent.len(), 5);
        assert!(p.client.is_closed());
        // What the server had to say does not matter any more.
        p.server(publish(1, 1, "t", ""));
        p.server(puback(1));
        p.sends(&[]);
        p.reports(&[]);
        p.lose();
        p.reports(&["Lost #2"]);
        assert_eq!(p.client.in_flight(), 2);
    });
}

/// `[MQTT-3.14.4-1]`: the same when a packet other than PUBLISH was sent in part.
#[test]
fn disconnect_comes_last_after_a_part_of_a_request() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.subscribe("t", 0, 1);
        p.take(1);
        p.publish(1, "t", "x", 2);
        p.client.disconnect().unwrap();
        p.stall(false);
        p.sends(&["SUBSCRIBE #1 t q0", "PUBLISH q1 #2 t 'x'", "DISCONNECT"]);
        p.lose();
        p.reports(&["Lost #1"]);
    });
}

/// `[MQTT-3.14.4-1]`: a window that opens after the first byte of DISCONNECT opens too late.
#[test]
fn disconnect_comes_last_when_the_window_opens() {
    run(&[V5], SETUP, |p| {
        p.publish(1, "t", "a", 1);
        p.publish(1, "t", "b", 2);
        p.connect();
        p.server(connack_with(&[Property::ReceiveMaximum(1)]));
        p.reports(&["Connected [ReceiveMaximum(1)]"]);
        p.sends(&["PUBLISH q1 #1 t 'a'"]);
        p.stall(true);
        p.client.disconnect().unwrap();
        p.take(1);
        p.server(puback(1));
        p.reports(&["Published #1"]);
        p.stall(false);
        p.sends(&["DISCONNECT"]);
        assert!(p.client.is_closed());
        p.lose();
        p.resume();
        p.sends(&["PUBLISH q1 #2 t 'b'"]);
    });
}

/// What arrives while the last messages leave still counts, but nothing is said to it.
#[test]
fn packets_received_while_disconnecting() {
    each(SETUP, |p| {
        p.online();
        p.publish(1, "t", "1", 1);
        p.sends(&["PUBLISH q1 #1 t '1'"]);
        p.stall(true);
        p.client.disconnect().unwrap();
        p.server(puback(1));
        p.server(publish(1, 9, "t", "x"));
        p.server(publish(2, 8, "t", "y"));
        p.server(pubrel(7));
        p.reports(&["Published #1", "Publish q1 #9 t 'x'", "Publish q2 #8 t 'y'"]);
        p.stall(false);
        p.sends(&["DISCONNECT"]);
        p.lose();
    });
}

/// A message that was delivered during the goodbye is recognised on the next connection.
#[test]
fn qos_2_received_while_disconnecting() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.client.disconnect().unwrap();
        p.server(publish(2, 8, "t", "y"));
        p.reports(&["Publish q2 #8 t 'y'"]);
        p.stall(false);
        p.sends(&["DISCONNECT"]);
        p.lose();
        p.resume();
        p.server(dup(publish(2, 8, "t", "y")));
        p.sends(&["PUBREC #8"]);
        p.server(pubrel(8));
        p.sends(&["PUBCOMP #8"]);
    });
}

#[test]
fn disconnect_with_a_reason() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::ReasonString("bye")];
        let mut packet = disconnect(ReasonCode::DisconnectWithWill);
        packet.properties = List::from(&properties);
        p.client.disconnect_with(&packet).unwrap();
        p.sends(&["DISCONNECT 0x04 [ReasonString(\"bye\")]"]);
        assert!(p.client.is_closed());
    });
    run(&[V311], SETUP, |p| {
        p.online();
        p.refuses(UsageError::Encode(EncodeError::ReasonCode), |client| {
            client.disconnect_with(&disconnect(ReasonCode::DisconnectWithWill))
        });
        p.sends(&[]);
        assert!(p.client.is_connected());
    });
}

/// What is queued stays behind, however much that is.
#[test]
fn abort_sends_nothing_but_why() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", "x", 1);
        p.subscribe("t", 0, 2);
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.stall(false);
        p.sends(&["DISCONNECT 0x80"]);
        assert!(p.client.is_closed());
        p.refuses(UsageError::NotConnected, |client| {
            client.abort(ReasonCode::UnspecifiedError)
        });
        p.lose();
        p.reports(&["Lost #2"]);
        p.resume();
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
    });
    // Before 5.0 a DISCONNECT would say that all is well.
    run(&[V31, V311], SETUP, |p| {
        p.online();
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.sends(&[]);
        assert!(p.client.is_closed());
    });
}

#[test]
fn abort_finishes_a_packet_sent_in_part() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.publish(1, "t", "x", 1);
        p.publish(1, "t", "y", 2);
        p.take(1);
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.stall(false);
        if p.is_v5() {
            p.sends(&["PUBLISH q1 #1 t 'x'", "DISCONNECT 0x80"]);
        } else {
            // Nobody waits for the rest.
            p.sends(&[]);
            p.lose();
        }
        assert!(p.client.transmit().is_empty());
    });
}

#[test]
fn abort_with_a_reason_that_only_servers_have() {
    run(&[V5], SETUP, |p| {
        p.online();
        for code in [ReasonCode::ServerShuttingDown, ReasonCode::GrantedQoS1] {
            p.refuses(UsageError::Encode(EncodeError::ReasonCode), |client| {
                client.abort(code)
            });
        }
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.sends(&["DISCONNECT 0x80"]);
    });
}

#[test]
fn abort_while_connecting_or_disconnecting_just_closes() {
    each(SETUP, |p| {
        p.refuses(UsageError::NotConnected, |client| {
            client.abort(ReasonCode::UnspecifiedError)
        });
        p.connect();
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.sends(&[]);
        assert!(p.client.is_closed());
        p.lose();
        p.online();
        p.stall(true);
        p.client.disconnect().unwrap();
        p.client.abort(ReasonCode::UnspecifiedError).unwrap();
        p.stall(false);
        p.sends(&[]);
        assert!(p.client.is_closed());
    });
}

#[test]
fn abort_with_a_code_that_disconnect_has_not() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.refuses(UsageError::Encode(EncodeError::ReasonCode), |client| {
            client.abort(ReasonCode::GrantedQoS1)
        });
        assert!(p.client.is_connected());
    });
}

/// `[MQTT-3.14.4-1]`: nothing follows DISCONNECT, not even another one.
#[test]
fn garbage_after_a_part_of_disconnect() {
    each(SETUP, |p| {
        p.online();
        p.stall(true);
        p.client.disconnect().unwrap();
        p.take(1);
        p.bytes(&[0]);
        p.run();
        assert_eq!(p.take_reported().len(), 1);
        p.stall(false);
        p.sends(&["DISCONNECT"]);
    });
}

/// `[MQTT-4.13.2-1]`.
#[test]
fn the_server_disconnects() {
    run(&[V5], SETUP, |p| {
        p.online();
        p.publish(1, "t", "x", 1);
        p.sends(&["PUBLISH q1 #1 t 'x'"]);
        p.server(disconnect(ReasonCode::ServerShuttingDown));
        p.server(puback(1));
        p.reports(&["Disconnected 0x8b"]);
        p.sends(&[]);
        assert!(p.client.is_closed());
        assert_eq!(p.client.poll_timeout(), None);
        assert_eq!(p.client.in_flight(), 1);
        p.lose();
        p.resume();
        p.sends(&["PUBLISH q1 #1 dup t 'x'"]);
    });
    run(&[V31, V311], SETUP, |p| {
        p.online();
        p.server(disconnect(ReasonCode::Success));
        p.fails(
            PeerError::UnexpectedPacket(mqtt_core::wire::PacketType::Disconnect),
            0,
        );
    });
}

const AUTH: Config<'_> = Config {
    properties: &[Property::AuthenticationMethod("m")],
    ..SETUP.config
};

fn auth(code: ReasonCode) -> Auth<'static> {
    Auth {
        code,
        properties: List::joined(&[Property::AuthenticationMethod("m")], &[]),
    }
}

/// `[MQTT-4.12.0-2]`, `[MQTT-4.12.0-3]`, and again later 4.12.1.
#[test]
fn extended_authentication() {
    run(&[V5], SETUP.config(AUTH), |p| {
        assert_eq!(p.client.authentication_method(), Some("m"));
        p.connect();
        p.server(auth(ReasonCode::ContinueAuthentication));
        p.reports(&["Auth 0x18 [AuthenticationMethod(\"m\")]"]);
        p.client
            .authenticate(&auth(ReasonCode::ContinueAuthentication))
            .unwrap();
        p.sends(&["AUTH 0x18 [AuthenticationMethod(\"m\")]"]);
        p.server(connack());
        p.reports(&["Connected"]);
        p.client
            .authenticate(&auth(ReasonCode::ReAuthenticate))
            .unwrap();
        p.sends(&["AUTH 0x19 [AuthenticationMethod(\"m\")]"]);
        p.server(auth(ReasonCode::Success));
        p.reports(&["Auth [AuthenticationMethod(\"m\")]"]);
    });
}

/// `[MQTT-4.12.0-6]`.
#[test]
fn auth_from_a_server_that_was_not_asked() {
    run(&[V5], SETUP, |p| {
        let error = PeerError::UnexpectedPacket(mqtt_core::wire::PacketType::Auth);
        p.connect();
        p.server(auth(ReasonCode::ContinueAuthentication));
        p.fails(error, 0x82);
        p.online();
        p.server(auth(ReasonCode::Success));
        p.fails(error, 0x82);
    });
}

/// `[MQTT-4.12.0-7]`: without a method in CONNECT, AUTH is never sent.
#[test]
fn auth_without_a_method_in_connect_is_refused() {
    run(&[V5], SETUP, |p| {
        p.online();
        let auth = auth(ReasonCode::ReAuthenticate);
        let result = p.client.authenticate(&auth);
        assert!(
            matches!(result, Err(mqtt_core::Error::Usage(_))),
            "{result:?}"
        );
    });
}

/// `[MQTT-4.12.1-1]`: re-authentication only begins after CONNACK.
#[test]
fn re_authentication_before_connack_is_refused() {
    run(&[V5], SETUP.config(AUTH), |p| {
        p.connect();
        let result = p.client.authenticate(&auth(ReasonCode::ReAuthenticate));
        assert!(
            matches!(result, Err(mqtt_core::Error::Usage(_))),
            "{result:?}"
        );
    });
}

/// 3.14.2.2.2: if the session was to end with the connection, DISCONNECT must not prolong it.
#[test]
fn disconnect_cannot_prolong_a_session_that_has_no_expiry() {
    run(&[V5], SETUP, |p| {
        p.online();
        let properties = [Property::SessionExpiryInterval(60)];
        let mut packet = disconnect(ReasonCode::Success);
        packet.properties = List::from(&properties);
        let result = p.client.disconnect_with(&packet);
        assert!(
            matches!(result, Err(mqtt_core::Error::Usage(_))),
            "{result:?}"
        );
    });
}
