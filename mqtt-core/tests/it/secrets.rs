//! What `Debug` does not show.

use std::fmt::Debug;

use mqtt_core::wire::{Auth, Connect, List, Packet, Property, QoS, ReasonCode, Version, Will};
use mqtt_core::{Buffers, Client, Config, Inbound, Instant, Message, RxBuf, Slot, Storage};

const PASSWORD: &[u8] = b"pencil";
const PROOF: &[u8] = b"eraser";
const LETTER: &[u8] = b"dearest";

/// Neither as text nor as a list of numbers, in no format.
#[track_caller]
fn assert_hidden(value: &impl Debug) -> String {
    let shown = format!("{value:?}");
    for secret in [PASSWORD, PROOF, LETTER] {
        let text = std::str::from_utf8(secret).unwrap();
        for form in [shown.clone(), format!("{value:#?}"), format!("{value:x?}")] {
            let flat: String = form.split_whitespace().collect();
            let decimal: Vec<_> = secret.iter().map(u8::to_string).collect();
            let hexadecimal: Vec<_> = secret.iter().map(|byte| format!("{byte:x}")).collect();
            for secret in [text, &decimal.join(","), &hexadecimal.join(",")] {
                assert!(!flat.contains(secret), "{form}");
            }
        }
    }
    shown
}

const PROPERTIES: &[Property<'static>] = &[
    Property::AuthenticationMethod("plain"),
    Property::UserProperty("unit", "K"),
];

fn config() -> Config<'static> {
    Config {
        username: Some("user"),
        password: Some(PASSWORD),
        will: Some(Will::new("gone", b"")),
        properties: PROPERTIES,
        max_whole: 4096,
        ..Config::new("sensor-7")
    }
}

#[test]
fn passwords_of_configurations() {
    let shown = assert_hidden(&config());
    assert_eq!(
        shown,
        "Config { version: V5, client_id: \"sensor-7\", clean_start: true, session_expiry: 0, \
         keep_alive: 60, username: Some(\"user\"), password: Some((hidden)), \
         will: Some(Will { topic: \"gone\", payload: [], qos: AtMostOnce, retain: false, \
         properties: [] }), topic_alias_maximum: 0, automatic_topic_aliases: false, \
         properties: [AuthenticationMethod(\"plain\"), UserProperty(\"unit\", \"K\")], \
         acknowledgement: Automatic, durability: Ram, connect_timeout: 10s, ping_timeout: 10s, \
         max_whole: 4096 }"
    );
    assert!(format!("{:?}", Config::new("a")).contains("password: None"));
}

#[test]
fn passwords_and_authentication_data_of_packets() {
    let begin = [PROPERTIES, &[Property::AuthenticationData(PROOF)]].concat();
    let connect = Connect {
        version: Version::V5,
        clean_start: true,
        keep_alive: 60,
        properties: List::from(&*begin),
        client_id: "sensor-7",
        will: None,
        username: Some("user"),
        password: Some(PASSWORD),
    };
    let shown = assert_hidden(&connect);
    assert_eq!(
        shown,
        "Connect { version: V5, clean_start: true, keep_alive: 60, \
         properties: [AuthenticationMethod(\"plain\"), UserProperty(\"unit\", \"K\"), \
         AuthenticationData((hidden))], client_id: \"sensor-7\", will: None, \
         username: Some(\"user\"), password: Some((hidden)) }"
    );

    // As they are received, too.
    let auth = Auth {
        code: ReasonCode::ContinueAuthentication,
        properties: connect.properties,
    };
    for packet in [Packet::from(connect), auth.into()] {
        let mut bytes = [0; 128];
        let n = packet.encode(Version::V5, &mut bytes).unwrap();
        let (read, _) = Packet::decode(&bytes[..n], Version::V5).unwrap().unwrap();
        assert_eq!(read, packet);
        assert_hidden(&read);
    }
}

#[test]
fn what_a_client_holds() {
    let (mut rx, mut tx) = ([0; 64], [0; 512]);
    let (mut slots, mut inbound) = ([Slot::EMPTY; 2], [Inbound::EMPTY; 2]);
    let mut rx = RxBuf::new(&mut rx);
    rx.space()[..LETTER.len()].copy_from_slice(LETTER);
    rx.filled(LETTER.len());
    assert_hidden(&rx);

    let mut client = Client::new(config(), Buffers::new(&mut tx, &mut slots, &mut inbound));
    let message = Message::new("a", LETTER).qos(QoS::AtLeastOnce);
    client.publish(&message).unwrap();
    client.connect_with(PROOF, Instant::default()).unwrap();
    let sent = client.transmit();
    for secret in [PASSWORD, PROOF] {
        assert!(sent.windows(secret.len()).any(|bytes| bytes == secret));
    }
    assert_hidden(&client);

    // They stay in memory that is lent again.
    let buffers = Buffers::new(&mut tx, &mut slots, &mut inbound);
    assert!(
        buffers
            .tx
            .windows(PASSWORD.len())
            .any(|bytes| bytes == PASSWORD)
    );
    assert_hidden(&buffers);
}

#[test]
fn what_storage_holds() {
    let mut storage = Storage::<64, 512, 2>::new();
    let (mut rx, buffers) = storage.split();
    rx.space()[..LETTER.len()].copy_from_slice(LETTER);
    let mut client = Client::new(config(), buffers);
    client.connect(Instant::default()).unwrap();
    let shown = assert_hidden(&storage);
    assert_eq!(
        shown,
        "Storage { rx: 64, tx: 512, slots: 2, inbound: 2, .. }"
    );

    #[cfg(feature = "alloc")]
    {
        let mut storage = mqtt_core::HeapStorage::new(64, 512, 2);
        let mut client = Client::new(config(), storage.split().1);
        client.connect(Instant::default()).unwrap();
        let shown = assert_hidden(&storage);
        assert_eq!(
            shown,
            "HeapStorage { rx: 64, tx: 512, slots: 2, inbound: 2, .. }"
        );
    }
}
