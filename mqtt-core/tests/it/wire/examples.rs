//! Data types, messages and subscriptions: the standards' examples, both ways.

use mqtt_core::wire::{
    Ack, ConnAck, EncodeError, Filter, FixedHeader, List, MAX_REMAINING_LENGTH, Packet, PacketType,
    Properties, Property, Publish, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, UnsubAck,
    Unsubscribe, Version,
};

use super::{ALL, BEFORE_5, both_ways, bytes, decode, encode, id, reads};

/// Table 2.4 of 3.1.1, table 1-1 of 5.0: the smallest and largest value of each length.
const VARIABLE_BYTE_INTEGERS: [(u32, &str); 8] = [
    (0, "00"),
    (127, "7F"),
    (128, "80 01"),
    (16_383, "FF 7F"),
    (16_384, "80 80 01"),
    (2_097_151, "FF FF 7F"),
    (2_097_152, "80 80 80 01"),
    (268_435_455, "FF FF FF 7F"),
];

#[test]
fn remaining_length_is_read() {
    assert_eq!(MAX_REMAINING_LENGTH, 268_435_455);
    for (value, figure) in VARIABLE_BYTE_INTEGERS {
        let input = bytes(&format!("30 {figure}"));
        let header = FixedHeader {
            packet_type: PacketType::Publish,
            flags: 0,
            len: input.len(),
            remaining: value as usize,
        };
        for &version in ALL {
            assert_eq!(FixedHeader::decode(&input, version), Ok(Some(header)));
            let cut = &input[..input.len() - 1];
            assert_eq!(FixedHeader::decode(cut, version), Ok(None));
        }
        assert_eq!(header.packet_len(), input.len() + value as usize);
    }
}

#[test]
fn remaining_length_is_written() {
    let zeros = vec![0; 2_097_152];
    for (value, figure) in VARIABLE_BYTE_INTEGERS {
        // Three bytes of it are the topic.
        let Some(payload) = value.checked_sub(3).and_then(|n| zeros.get(..n as usize)) else {
            continue;
        };
        let bytes = bytes(&format!("30 {figure} 0001 't'"));
        let mut buffer = vec![0xA5; bytes.len() + payload.len()];
        let publish = Packet::from(Publish::new("t", payload));
        let len = publish.encode(Version::V311, &mut buffer);
        assert_eq!(len, Ok(buffer.len()));
        assert!(buffer.starts_with(&bytes));
        let decoded = Packet::decode(&buffer, Version::V311);
        assert_eq!(decoded, Ok(Some((publish, buffer.len()))));
    }
}

/// A subscription identifier is the one variable byte integer whose value the user chooses.
#[test]
fn variable_byte_integer_as_property() {
    for (value, figure) in VARIABLE_BYTE_INTEGERS.into_iter().skip(1) {
        let property = format!("0B {figure}");
        let len = bytes(&property).len();
        both_ways(
            Version::V5,
            Publish {
                properties: List::from(&[Property::SubscriptionIdentifier(value)]),
                ..Publish::new("t", b"")
            },
            &format!("30 {:02X} 0001 't' {len:02X} {property}", len + 4),
        );
    }
}

/// Figures 1.1 of 3.1.1 and 1-1 of 5.0: a Latin A and U+2A6D4.
#[test]
fn string_example() {
    let publish = Publish::new("A\u{2A6D4}", b"");
    for &version in BEFORE_5 {
        both_ways(version, publish, "30 07 0005 41 F0AA9B94");
    }
    both_ways(Version::V5, publish, "30 08 0005 41 F0AA9B94 00");
}

/// Of what a string may hold, nothing is changed or stripped.
#[test]
fn strings_are_kept_as_they_are() {
    let texts = [
        // EF BB BF is U+FEFF wherever it stands, not a mark to drop [MQTT-1.5.4-3].
        ("\u{FEFF}", "0003 EFBBBF"),
        ("\u{FEFF}a\u{FEFF}", "0007 EFBBBF 'a' EFBBBF"),
        // Control characters and noncharacters may be refused (1.5.4), but need not be.
        ("\u{1}\u{7F}\u{9F}", "0004 01 7F C29F"),
        ("\u{FFFF}\u{FDD0}", "0006 EFBFBF EFB790"),
        // The borders of UTF-8's lengths and around the surrogates.
        ("\u{80}\u{7FF}\u{800}", "0007 C280 DFBF E0A080"),
        ("\u{D7FF}\u{E000}", "0006 ED9FBF EE8080"),
        ("\u{10000}\u{10FFFF}", "0008 F0908080 F48FBFBF"),
        // Composed or not [MQTT-4.7.3-4].
        ("\u{E9}e\u{301}", "0005 C3A9 'e' CC81"),
        ("$SYS/a//b", "0009 '$SYS/a//b'"),
        ("/", "0001 '/'"),
    ];
    for (text, figure) in texts {
        let publish = Publish::new(text, b"");
        let len = bytes(figure).len();
        for &version in BEFORE_5 {
            both_ways(version, publish, &format!("30 {len:02X} {figure}"));
        }
        let figure = format!("30 {:02X} {figure} 00", len + 1);
        both_ways(Version::V5, publish, &figure);
    }
}

#[test]
fn strings_of_up_to_65_535_bytes() {
    let long = "ü".repeat(32_767) + "x";
    let name = [Property::UserProperty(&long, &long)];
    let publish = Packet::from(Publish {
        properties: List::from(&name),
        ..Publish::new(&long, b"")
    });
    let bytes = encode(Version::V5, &publish).unwrap();
    assert_eq!(bytes.len(), 4 + 65_537 + 3 + 1 + 2 * 65_537);
    assert_eq!(decode(Version::V5, &bytes), Ok(publish));
}

/// Table 3.3 of 3.1.1, figure 3-9 of 5.0: topic `a/b`, packet identifier 10.
#[test]
fn publish_example() {
    let publish = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(10)),
        ..Publish::new("a/b", b"")
    };
    for &version in BEFORE_5 {
        both_ways(version, publish, "32 07 0003 'a/b' 000A");
    }
    both_ways(Version::V5, publish, "32 08 0003 'a/b' 000A 00");
}

#[test]
fn publish_flags() {
    let new = Publish::new("t", b"hi");
    let one = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(0xFFFF)),
        ..new
    };
    let two = Publish {
        qos: QoS::ExactlyOnce,
        ..one
    };
    let dup = |publish| Publish {
        dup: true,
        ..publish
    };
    let retain = |publish| Publish {
        retain: true,
        ..publish
    };
    let packets = [
        ("30", new),
        ("31", retain(new)),
        ("32", one),
        ("33", retain(one)),
        ("34", two),
        ("35", retain(two)),
        ("3A", dup(one)),
        ("3B", dup(retain(one))),
        ("3C", dup(two)),
        ("3D", dup(retain(two))),
    ];
    for (first, publish) in packets {
        let id = if publish.qos == QoS::AtMostOnce {
            ""
        } else {
            "FFFF"
        };
        let len = 5 + id.len() / 2;
        for &version in BEFORE_5 {
            let figure = format!("{first} {len:02X} 0001 't' {id} 'hi'");
            both_ways(version, publish, &figure);
        }
        let figure = format!("{first} {:02X} 0001 't' {id} 00 'hi'", len + 1);
        both_ways(Version::V5, publish, &figure);
    }
}

#[test]
fn publish_with_properties() {
    both_ways(
        Version::V5,
        Publish {
            properties: List::from(&[
                Property::PayloadFormatIndicator(true),
                Property::MessageExpiryInterval(60),
                Property::UserProperty("k", "v"),
                Property::SubscriptionIdentifier(1),
                Property::UserProperty("k", "v"),
                Property::SubscriptionIdentifier(200),
            ]),
            ..Publish::new("t", b"hi")
        },
        "30 20 0001 't' 1A 01 01 02 0000003C 26 0001 'k' 0001 'v' 0B 01 26 0001 'k' 0001 'v' \
         0B C801 'hi'",
    );
    // An alias may come with its topic or stand for it (3.3.2.3.4).
    let aliased = |topic| Publish {
        properties: List::from(&[Property::TopicAlias(1)]),
        ..Publish::new(topic, b"hi")
    };
    both_ways(Version::V5, aliased("t"), "30 09 0001 't' 03 23 0001 'hi'");
    both_ways(Version::V5, aliased(""), "30 08 0000 03 23 0001 'hi'");
}

type AckKind = fn(Ack<'static>) -> Packet<'static>;

const ACKS: [(AckKind, &str); 4] = [
    (Packet::PubAck, "40"),
    (Packet::PubRec, "50"),
    (Packet::PubRel, "62"),
    (Packet::PubComp, "70"),
];

#[test]
fn acknowledgements_in_every_version() {
    for (packet, first) in ACKS {
        for &version in ALL {
            both_ways(
                version,
                packet(Ack::new(id(10))),
                &format!("{first} 02 000A"),
            );
        }
    }
}

/// A Remaining Length of 2 is success without properties, of 3 a reason code without properties
/// (3.4.2.1, 3.4.2.2.1).
#[test]
fn acknowledgements_of_5_0_leave_out_what_they_can() {
    for (packet, first) in ACKS {
        let (code, number) = match first {
            "40" | "50" => (ReasonCode::NoMatchingSubscribers, "10"),
            _ => (ReasonCode::PacketIdentifierNotFound, "92"),
        };
        let success = Ack::new(id(10));
        let ack = Ack { code, ..success };
        reads(Version::V5, &format!("{first} 03 000A 00"), packet(success));
        reads(
            Version::V5,
            &format!("{first} 04 000A 00 00"),
            packet(success),
        );
        both_ways(
            Version::V5,
            packet(ack),
            &format!("{first} 03 000A {number}"),
        );
        reads(
            Version::V5,
            &format!("{first} 04 000A {number} 00"),
            packet(ack),
        );
        let with_reason = |ack| Ack {
            properties: List::from(&[Property::ReasonString("no")]),
            ..ack
        };
        for (ack, number) in [(success, "00"), (ack, number)] {
            both_ways(
                Version::V5,
                packet(with_reason(ack)),
                &format!("{first} 09 000A {number} 05 1F 0002 'no'"),
            );
        }
    }
}

/// Figures 3.21 to 3.23 of 3.1.1, 3-20 and 3-21 of 5.0.
#[test]
fn subscribe_example() {
    let filters = [
        Filter::new("a/b", QoS::AtLeastOnce),
        Filter::new("c/d", QoS::ExactlyOnce),
    ];
    let subscribe = Subscribe {
        packet_id: id(10),
        properties: Properties::EMPTY,
        filters: List::from(&filters),
    };
    for &version in BEFORE_5 {
        both_ways(version, subscribe, "82 0E 000A 0003 'a/b' 01 0003 'c/d' 02");
    }
    both_ways(
        Version::V5,
        subscribe,
        "82 0F 000A 00 0003 'a/b' 01 0003 'c/d' 02",
    );
    both_ways(
        Version::V5,
        Subscribe {
            properties: List::from(&[
                Property::SubscriptionIdentifier(1),
                Property::UserProperty("", ""),
            ]),
            ..subscribe
        },
        "82 16 000A 07 0B 01 26 0000 0000 0003 'a/b' 01 0003 'c/d' 02",
    );
}

#[test]
fn subscription_options() {
    let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
    let handling = [
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ];
    for options in 0..0x30_u8 {
        let Some(&qos) = qos.get(usize::from(options & 0b11)) else {
            continue;
        };
        let filter = Filter {
            no_local: options & 0b0100 != 0,
            retain_as_published: options & 0b1000 != 0,
            retain_handling: handling[usize::from(options >> 4)],
            ..Filter::new("#", qos)
        };
        both_ways(
            Version::V5,
            Subscribe {
                packet_id: id(1),
                properties: Properties::EMPTY,
                filters: List::from(&[filter]),
            },
            &format!("82 07 0001 00 0001 '#' {options:02X}"),
        );
    }
}

#[test]
fn shared_subscription() {
    // Only "$share/" makes one, so that No Local is allowed on the second.
    let filters = [
        Filter::new("$share/g/+", QoS::AtLeastOnce),
        Filter {
            no_local: true,
            ..Filter::new("$shared/g", QoS::AtMostOnce)
        },
    ];
    both_ways(
        Version::V5,
        Subscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            filters: List::from(&filters),
        },
        "82 1C 0001 00 000A '$share/g/+' 01 0009 '$shared/g' 04",
    );
}

/// Figures 3.26 of 3.1.1 and 3-25 of 5.0: QoS 0, QoS 2 and a failure.
#[test]
fn suback_example() {
    let suback = SubAck {
        packet_id: id(10),
        properties: Properties::EMPTY,
        codes: List::from(&[
            ReasonCode::Success,
            ReasonCode::GrantedQoS2,
            ReasonCode::UnspecifiedError,
        ]),
    };
    both_ways(Version::V311, suback, "90 05 000A 00 02 80");
    both_ways(Version::V5, suback, "90 06 000A 00 00 02 80");
    both_ways(
        Version::V31,
        SubAck {
            codes: List::from(&[ReasonCode::Success, ReasonCode::GrantedQoS1]),
            ..suback
        },
        "90 04 000A 00 01",
    );
    both_ways(
        Version::V5,
        SubAck {
            properties: List::from(&[Property::ReasonString("")]),
            ..suback
        },
        "90 09 000A 03 1F 0000 00 02 80",
    );
}

/// Figures 3.29 and 3.30 of 3.1.1, 3-29 of 5.0.
#[test]
fn unsubscribe_example() {
    let unsubscribe = Unsubscribe {
        packet_id: id(10),
        properties: Properties::EMPTY,
        filters: List::from(&["a/b", "c/d"]),
    };
    for &version in BEFORE_5 {
        both_ways(version, unsubscribe, "A2 0C 000A 0003 'a/b' 0003 'c/d'");
    }
    both_ways(
        Version::V5,
        unsubscribe,
        "A2 0D 000A 00 0003 'a/b' 0003 'c/d'",
    );
    both_ways(
        Version::V5,
        Unsubscribe {
            properties: List::from(&[Property::UserProperty("k", "v")]),
            ..unsubscribe
        },
        "A2 14 000A 07 26 0001 'k' 0001 'v' 0003 'a/b' 0003 'c/d'",
    );
}

#[test]
fn unsuback() {
    let unsuback = UnsubAck {
        packet_id: id(10),
        properties: Properties::EMPTY,
        codes: List::EMPTY,
    };
    for &version in BEFORE_5 {
        both_ways(version, unsuback, "B0 02 000A");
    }
    both_ways(
        Version::V5,
        UnsubAck {
            codes: List::from(&[ReasonCode::Success, ReasonCode::NoSubscriptionExisted]),
            ..unsuback
        },
        "B0 05 000A 00 00 11",
    );
}

/// 3.1 knows DUP on the packets that it sends at QoS 1 (its section 2.1); it says nothing that
/// the packet would not.
#[test]
fn dup_of_3_1_is_read_over() {
    reads(
        Version::V31,
        "8A 06 000A 0001 'a' 00",
        Subscribe {
            packet_id: id(10),
            properties: Properties::EMPTY,
            filters: List::from(&[Filter::new("a", QoS::AtMostOnce)]),
        },
    );
    reads(
        Version::V31,
        "AA 05 000A 0001 'a'",
        Unsubscribe {
            packet_id: id(10),
            properties: Properties::EMPTY,
            filters: List::from(&["a"]),
        },
    );
    reads(Version::V31, "6A 02 000A", Packet::PubRel(Ack::new(id(10))));
    reads(
        Version::V31,
        "38 03 0001 't'",
        Publish {
            dup: true,
            ..Publish::new("t", b"")
        },
    );
}

/// Only 5.0 asks for the shortest form [MQTT-1.5.5-1].
#[test]
fn longer_lengths_than_needed_before_5_0() {
    for &version in BEFORE_5 {
        for figure in ["C0 80 00", "C0 80 80 00", "C0 80 80 80 00"] {
            reads(version, figure, Packet::PingReq);
        }
        reads(version, "40 82 00 000A", Packet::PubAck(Ack::new(id(10))));
    }
}

#[test]
fn lists_compare_by_their_elements() {
    let bytes = bytes("A2 0C 000A 0003 'a/b' 0003 'c/d'");
    let Ok(Packet::Unsubscribe(received)) = decode(Version::V311, &bytes) else {
        panic!("not an UNSUBSCRIBE");
    };
    assert_eq!(received.filters, List::from(&["a/b", "c/d"]));
    assert_eq!(received.filters, List::joined(&["a/b"], &["c/d"]));
    assert_eq!(received.filters, List::joined(&[], &["a/b", "c/d"]));
    assert_ne!(received.filters, List::from(&["a/b"]));
    assert_ne!(received.filters, List::from(&["c/d", "a/b"]));
    assert_ne!(received.filters, List::from(&["a/b", "c/d", "e"]));
    assert!(!received.filters.is_empty());
    assert!(List::<&str>::default().is_empty());
    assert!(List::<&str>::joined(&[], &[]).is_empty());
    assert_eq!(format!("{:?}", received.filters), r#"["a/b", "c/d"]"#);
    let mut filters = received.filters.iter();
    assert_eq!(filters.by_ref().collect::<Vec<_>>(), ["a/b", "c/d"]);
    assert_eq!(filters.next(), None);
}

/// Without `Packet`, for programs that are to be small.
#[test]
fn one_packet_alone() {
    let mut buffer = [0; 16];
    let publish = Publish::new("a/b", b"x");
    let len = publish.encode(Version::V311, &mut buffer).unwrap();
    assert_eq!(buffer[..len], bytes("30 06 0003 'a/b' 'x'"));
    let short = publish.encode(Version::V311, &mut buffer[..len - 1]);
    assert_eq!(short, Err(EncodeError::BufferTooSmall));

    let header = FixedHeader::decode(&buffer, Version::V311)
        .unwrap()
        .unwrap();
    let body = &buffer[header.len..header.packet_len()];
    let decoded = Publish::decode(header.flags, body, Version::V311);
    assert_eq!(decoded, Ok(publish));
    assert_eq!(
        ConnAck::decode(&[0, 5], Version::V311),
        Ok(ConnAck::new(false, ReasonCode::NotAuthorized))
    );
}
