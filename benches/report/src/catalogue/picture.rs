//! What is shown.

use super::{BarPlot, Brief, LinePlot};
use crate::read;

const RATE: &str = "messages/s";
const PROCESSOR: &str = "µs processor/message";
const TCP: &str = "e2e/tcp";

const PUBLISH_0: &str = "publish QoS 0, 64 B";
const PUBLISH_1: &str = "publish QoS 1, 64 B, window 100";
const PUBLISH_2: &str = "publish QoS 2, 64 B, window 100";
const RECEIVE_0: &str = "receive QoS 0, 64 B";
const RECEIVE_1: &str = "receive QoS 1, 64 B, window 1,000";
const RECEIVE_2: &str = "receive QoS 2, 64 B, window 1,000";

const PUBLISH: &[(&str, &str, &str)] = &[
    ("QoS 0", PUBLISH_0, "5.0"),
    ("QoS 1, 100 in flight", PUBLISH_1, "5.0"),
    ("QoS 2, 100 in flight", PUBLISH_2, "5.0"),
];

const RECEIVE: &[(&str, &str, &str)] = &[
    ("QoS 0", RECEIVE_0, "5.0"),
    ("QoS 1", RECEIVE_1, "5.0"),
    ("QoS 2", RECEIVE_2, "5.0"),
];

pub(super) const BARS: &[BarPlot] = &[
    BarPlot {
        file: "publish",
        page: "end-to-end",
        title: "Publishing 64 B over loopback, messages a second (more is better)",
        table: TCP,
        measure: RATE,
        columns: PUBLISH,
    },
    BarPlot {
        file: "publish-processor",
        page: "end-to-end",
        title: "Publishing 64 B over loopback, µs of processor time a message (less is better)",
        table: TCP,
        measure: PROCESSOR,
        columns: PUBLISH,
    },
    BarPlot {
        file: "receive",
        page: "end-to-end",
        title: "Receiving 64 B over loopback, messages a second (more is better)",
        table: TCP,
        measure: RATE,
        columns: RECEIVE,
    },
    BarPlot {
        file: "receive-processor",
        page: "end-to-end",
        title: "Receiving 64 B over loopback, µs of processor time a message (less is better)",
        table: TCP,
        measure: PROCESSOR,
        columns: RECEIVE,
    },
    BarPlot {
        file: "codec",
        page: "codec",
        title: "PUBLISH at QoS 1 with 64 B, ns (less is better)",
        table: "codec",
        measure: read::TIME,
        columns: &[
            ("encode", "encode PUBLISH QoS 1, 64 B, short topic", "5.0"),
            ("decode", "decode PUBLISH QoS 1, 64 B, short topic", "5.0"),
        ],
    },
    BarPlot {
        file: "memory",
        page: "many",
        title: "An idle connection of a thousand, KiB (less is better)",
        table: "many/memory",
        measure: "KiB resident/connection",
        columns: &[("resident", "idle, 1,000 connections", "5.0")],
    },
];

pub(super) const LINES: &[LinePlot] = &[
    LinePlot {
        file: "engine-window",
        page: "engine",
        title: "Engine: publish 64 B at QoS 1 and take the PUBACK, ns a message",
        table: "engine",
        measure: read::TIME,
        over: "messages in flight",
        cases: ("publish QoS 1, 64 B, window ", ""),
        version: "5.0",
    },
    LinePlot {
        file: "window-processor",
        page: "end-to-end",
        title: "Publishing 64 B at QoS 1 over loopback, µs of processor time a message",
        table: "e2e/window",
        measure: PROCESSOR,
        over: "messages in flight",
        cases: ("publish QoS 1, 64 B, window ", ""),
        version: "5.0",
    },
    LinePlot {
        file: "window",
        page: "end-to-end",
        title: "Publishing 64 B at QoS 1 over loopback, messages a second",
        table: "e2e/window",
        measure: RATE,
        over: "messages in flight",
        cases: ("publish QoS 1, 64 B, window ", ""),
        version: "5.0",
    },
];

/// What runs on tokio, as an application uses it.
const ON_TOKIO: &[&str] = &["rumqttc", "mqtt5", "mqtt-endpoint-tokio"];

const BRIEF: Brief = Brief {
    what: "",
    table: TCP,
    case: "",
    version: "5.0",
    client: "mqtt-client blocking",
    others: &[],
    measure: RATE,
};

pub(super) const BRIEFS: &[Brief] = &[
    Brief {
        what: "publish at QoS 0, on a thread",
        case: PUBLISH_0,
        ..BRIEF
    },
    Brief {
        what: "publish at QoS 0, on tokio",
        case: PUBLISH_0,
        client: "mqtt-client tokio",
        others: ON_TOKIO,
        ..BRIEF
    },
    Brief {
        what: "publish at QoS 1, 100 in flight, on tokio",
        case: PUBLISH_1,
        client: "mqtt-client tokio",
        others: ON_TOKIO,
        ..BRIEF
    },
    Brief {
        what: "receive at QoS 1, on tokio",
        case: RECEIVE_1,
        client: "mqtt-client tokio",
        others: ON_TOKIO,
        ..BRIEF
    },
    Brief {
        what: "publish at QoS 1 to mosquitto, on tokio",
        table: "e2e/mosquitto",
        case: PUBLISH_1,
        client: "mqtt-client tokio",
        others: ON_TOKIO,
        ..BRIEF
    },
    Brief {
        what: "engine: publish at QoS 1 and take the PUBACK",
        table: "engine",
        case: "publish QoS 1, 64 B, window 16",
        client: "mqtt-core",
        measure: read::TIME,
        ..BRIEF
    },
    Brief {
        what: "codec: decode PUBLISH at QoS 1",
        table: "codec",
        case: "decode PUBLISH QoS 1, 64 B, short topic",
        client: "mqtt-core",
        measure: read::TIME,
        ..BRIEF
    },
    Brief {
        what: "an idle connection of a thousand",
        table: "many/memory",
        case: "idle, 1,000 connections",
        client: "mqtt-client tokio",
        measure: "KiB resident/connection",
        ..BRIEF
    },
];

pub(super) const BRIEF_PLOTS: &[&str] = &["publish", "engine-window"];
