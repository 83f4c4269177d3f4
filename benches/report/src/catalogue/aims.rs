//! What is aimed at.

use crate::goals::{Against, Goal};
use crate::read;

const RATE: &str = "messages/s";
const PROCESSOR: &str = "µs processor/message";

const CORE: &str = "mqtt-core";
const BLOCKING: &str = "mqtt-client blocking";
const TOKIO: &str = "mqtt-client tokio";

const CODEC: Goal = Goal {
    what: "",
    table: "codec",
    cases: &[],
    but: &[],
    version: "",
    client: CORE,
    measure: read::TIME,
    against: Against::Best,
    wanted: 1.0,
    because: "",
};

const CODEC_BECAUSE: &str = "most of those that are faster do less: rusty_rtos_mqtt-core takes \
     topics, filters and texts as bytes in which it looks for nothing, mqttrs and minimq do not look \
     for wildcards or U+0000, and minimq leaves received properties as they are; the others are \
     faster since one type for all packets, of 160 bytes, takes time to return. `benches/README.md` \
     says it by packets";

const ENGINE: Goal = Goal {
    table: "engine",
    version: "5.0",
    against: Against::Nothing,
    ..CODEC
};

const TCP: Goal = Goal {
    table: "e2e/tcp",
    version: "5.0",
    measure: RATE,
    ..CODEC
};

/// For cases that are not themselves variants.
const PLAIN: &[&str] = &["TCP_NODELAY"];

pub(super) const GOALS: &[Goal] = &[
    Goal {
        what: "codec at or ahead of the fastest of the others in each case, by time",
        because: CODEC_BECAUSE,
        ..CODEC
    },
    Goal {
        what: "codec at or ahead of the fastest of the others in each case, by instructions",
        measure: "instructions",
        because: CODEC_BECAUSE,
        ..CODEC
    },
    Goal {
        what: "codec without allocations",
        measure: "allocations",
        against: Against::Nothing,
        wanted: 0.0,
        ..CODEC
    },
    Goal {
        what: "decoding 1 MiB takes no longer than 64 B, within a tenth",
        cases: &["decode PUBLISH", "1 MiB"],
        against: Against::Case("1 MiB", "64 B"),
        wanted: 1.0 / 1.1,
        because: "a Remaining Length of one byte is read in one step, a longer one byte by byte, which is \
                  42 of 332 instructions more; from 4 KiB to 1 MiB it is 4, and the payload is not touched",
        ..CODEC
    },
    Goal {
        what: "engine: publish 64 B at QoS 1 and take the PUBACK in under 100 ns",
        cases: &["publish QoS 1, 64 B"],
        wanted: 100.0,
        because: "one message at a time pays alone for the write and the read around it, a third of its \
                  instructions, which 16 messages share",
        ..ENGINE
    },
    Goal {
        what: "engine: receive 64 B at QoS 1 and acknowledge in under 70 ns",
        cases: &["receive QoS 1, 64 B"],
        wanted: 70.0,
        because: "one message at a time pays alone for the read and the write around it, a third of its \
                  instructions, which 16 messages share; and a tenth are the checks of its topic",
        ..ENGINE
    },
    Goal {
        what: "engine without allocations",
        version: "",
        measure: "allocations",
        wanted: 0.0,
        ..ENGINE
    },
    Goal {
        what: "engine: with 65,535 in flight as with 16, within a tenth",
        cases: &["QoS 1, 64 B, window 65,535"],
        but: &["resume"],
        against: Against::Case("65,535", "16"),
        wanted: 1.0 / 1.1,
        ..ENGINE
    },
    Goal {
        what: "on a thread: publish at QoS 0, 2.4 times mqtt-protocol-core",
        cases: &["publish QoS 0, 64 B"],
        but: PLAIN,
        client: BLOCKING,
        against: Against::Named(&["mqtt-protocol-core"]),
        wanted: 2.4,
        ..TCP
    },
    Goal {
        what: "on a thread: publish at QoS 1 with 100 in flight, 0.85 of raw",
        because: "raw and broker mostly wait for each other to wake up; ours adds the time to encode \
                  100 messages and to take 100 acknowledgements, in which nothing is under way.",
        cases: &["publish QoS 1, 64 B, window 100"],
        but: PLAIN,
        client: BLOCKING,
        against: Against::Named(&["raw"]),
        wanted: 0.85,
        ..TCP
    },
    Goal {
        what: "on a thread: publish at QoS 1 with 1,000 in flight, 3 times the best",
        table: "e2e/window",
        cases: &["window 1,000"],
        client: BLOCKING,
        wanted: 3.0,
        ..TCP
    },
    Goal {
        what: "on a thread: receive at QoS 0, 2.5 times the best",
        cases: &["receive QoS 0, 64 B"],
        client: BLOCKING,
        wanted: 2.5,
        ..TCP
    },
    Goal {
        what: "on a thread: receive at QoS 1 and 2, 2 times the best",
        cases: &["receive QoS", "64 B, window"],
        client: BLOCKING,
        wanted: 2.0,
        ..TCP
    },
    Goal {
        what: "on tokio: publish at QoS 0, 4 times rumqttc",
        cases: &["publish QoS 0, 64 B"],
        but: PLAIN,
        client: TOKIO,
        against: Against::Named(&["rumqttc "]),
        wanted: 4.0,
        ..TCP
    },
    Goal {
        what: "on tokio: publish at QoS 1 with 100 in flight, 2.5 times rumqttc",
        cases: &["publish QoS 1, 64 B, window 100"],
        but: PLAIN,
        client: TOKIO,
        against: Against::Named(&["rumqttc "]),
        wanted: 2.5,
        ..TCP
    },
    Goal {
        what: "on tokio: receive, 2 times rumqttc",
        cases: &["receive QoS", "64 B"],
        client: TOKIO,
        against: Against::Named(&["rumqttc "]),
        wanted: 2.0,
        ..TCP
    },
    Goal {
        what: "on a thread: TCP_NODELAY costs under a tenth",
        cases: &["TCP_NODELAY on"],
        client: BLOCKING,
        against: Against::Case("TCP_NODELAY on", "TCP_NODELAY off"),
        wanted: 0.9,
        ..TCP
    },
    Goal {
        what: "on tokio: TCP_NODELAY costs under a tenth",
        cases: &["TCP_NODELAY on"],
        client: TOKIO,
        against: Against::Case("TCP_NODELAY on", "TCP_NODELAY off"),
        wanted: 0.9,
        ..TCP
    },
    Goal {
        what: "on a thread: at most 0.02 writes a message with 100 in flight",
        cases: &["publish QoS 1, 64 B, window 100"],
        but: PLAIN,
        client: BLOCKING,
        measure: "writes/message",
        against: Against::Nothing,
        wanted: 0.02,
        ..TCP
    },
    Goal {
        what: "on tokio: at most 0.02 writes a message with 100 in flight",
        cases: &["publish QoS 1, 64 B, window 100"],
        but: PLAIN,
        client: TOKIO,
        measure: "writes/message",
        against: Against::Nothing,
        wanted: 0.02,
        ..TCP
    },
    Goal {
        what: "on a thread: processor time with 65,535 in flight at most 1.2 times that with 100",
        table: "e2e/window",
        cases: &["window 65,535"],
        client: BLOCKING,
        measure: PROCESSOR,
        against: Against::Case("65,535", "100"),
        wanted: 1.0 / 1.2,
        ..TCP
    },
    Goal {
        what: "on tokio: processor time with 65,535 in flight at most 1.2 times that with 100",
        table: "e2e/window",
        cases: &["window 65,535"],
        client: TOKIO,
        measure: PROCESSOR,
        against: Against::Case("65,535", "100"),
        wanted: 1.0 / 1.2,
        ..TCP
    },
    Goal {
        what: "memory bounded with a slow application: no more after three times as long, within a \
            tenth",
        table: "e2e/slow",
        cases: &["three times as long"],
        client: TOKIO,
        measure: "peak MiB",
        against: Against::Case(", three times as long", ""),
        wanted: 1.0 / 1.1,
        ..TCP
    },
    Goal {
        what: "on a thread: ahead of libmosquitto and Paho C in each case",
        cases: &[],
        but: PLAIN,
        client: BLOCKING,
        against: Against::Named(&["libmosquitto", "Paho C"]),
        wanted: 1.0,
        ..TCP
    },
    Goal {
        what: "on tokio: ahead of libmosquitto and Paho C in each case",
        cases: &[],
        but: PLAIN,
        client: TOKIO,
        against: Against::Named(&["libmosquitto", "Paho C"]),
        wanted: 1.0,
        ..TCP
    },
    Goal {
        what: "on a thread: to mosquitto no slower than the best",
        because: "mosquitto acknowledges each message with a write. A loop that publishes after \
                  each read, as ours and raw, is woken for one or two of them and writes as many \
                  messages; who comes later reads more at once, and has fewer calls to make for \
                  each, as the reads and writes a message show.",
        table: "e2e/mosquitto",
        client: BLOCKING,
        ..TCP
    },
    Goal {
        what: "on tokio: to mosquitto no slower than the best",
        because: "where each message wakes the client, tokio makes three system calls for it \
                  (epoll_wait, recv, send), a loop that blocks makes two.",
        table: "e2e/mosquitto",
        client: TOKIO,
        ..TCP
    },
    Goal {
        what: "an idle client on tokio in under 8 KiB, its smallest buffers included",
        table: "many/memory",
        client: "mqtt-client tokio, smallest buffers",
        measure: "KiB of heap/connection",
        against: Against::Nothing,
        wanted: 8.0,
        ..CODEC
    },
    Goal {
        what: "an idle client on a thread in under 8 KiB, its smallest buffers included",
        table: "many/memory",
        client: "mqtt-client blocking, smallest buffers",
        measure: "KiB of heap/connection",
        against: Against::Nothing,
        wanted: 8.0,
        ..CODEC
    },
    Goal {
        what: "1,000 clients on tokio, with their defaults, in under 32 MiB",
        table: "many/memory",
        cases: &["1,000 connections"],
        because: "each has a transmit buffer of 16 KiB and tables for 256 messages each way by default, \
            which are in memory as soon as they are made; `Options` makes them smaller.",
        client: TOKIO,
        measure: "MiB resident",
        against: Against::Nothing,
        wanted: 32.0,
        ..CODEC
    },
];
