//! The worlds that are explored.

use mqtt_core::wire::{QoS, Version};

use crate::scenario::Scenario;

use QoS::{AtLeastOnce as Q1, AtMostOnce as Q0, ExactlyOnce as Q2};

const RAM: Scenario = Scenario {
    name: "",
    version: Version::V5,
    outgoing: &[],
    incoming: &[],
    slots: 3,
    window: 2,
    inbound: 2,
    greedy: false,
    manual: false,
    refusals: false,
    durable: false,
    compact: false,
    parts: false,
    cuts: None,
    goodbyes: Some(0),
    losses: None,
    power_cuts: Some(0),
};

const DURABLE: Scenario = Scenario {
    durable: true,
    compact: true,
    power_cuts: None,
    ..RAM
};

/// What the ordinary tests explore: about a minute on two cores.
pub const QUICK: &[Scenario] = &[
    Scenario {
        name: "three_at_qos_1",
        outgoing: &[Q1, Q1, Q1],
        parts: true,
        ..RAM
    },
    Scenario {
        name: "three_at_qos_2",
        outgoing: &[Q2, Q2, Q2],
        ..RAM
    },
    Scenario {
        name: "both_qos_in_parts",
        outgoing: &[Q2, Q1, Q2],
        parts: true,
        ..RAM
    },
    Scenario {
        name: "window_of_one",
        outgoing: &[Q2, Q1, Q2],
        window: 1,
        parts: true,
        ..RAM
    },
    Scenario {
        name: "two_slots",
        outgoing: &[Q2, Q1, Q2],
        slots: 2,
        ..RAM
    },
    Scenario {
        name: "one_slot",
        outgoing: &[Q1, Q2, Q1],
        slots: 1,
        ..RAM
    },
    Scenario {
        name: "qos_0_between",
        outgoing: &[Q0, Q1, Q0],
        incoming: &[Q0],
        ..RAM
    },
    Scenario {
        name: "receiving",
        incoming: &[Q2, Q1, Q2],
        ..RAM
    },
    Scenario {
        name: "receiving_qos_2",
        incoming: &[Q2, Q2, Q2],
        ..RAM
    },
    Scenario {
        name: "receiving_one_at_a_time",
        incoming: &[Q2, Q0, Q1, Q2],
        inbound: 1,
        ..RAM
    },
    Scenario {
        name: "receiving_more_than_agreed",
        incoming: &[Q1, Q2, Q1],
        inbound: 1,
        greedy: true,
        manual: true,
        ..RAM
    },
    Scenario {
        name: "acknowledging_by_hand",
        incoming: &[Q2, Q1, Q2],
        manual: true,
        ..RAM
    },
    Scenario {
        name: "both_ways",
        outgoing: &[Q2],
        incoming: &[Q2, Q1],
        ..RAM
    },
    Scenario {
        name: "refused",
        outgoing: &[Q2, Q1, Q2],
        refusals: true,
        ..RAM
    },
    Scenario {
        name: "refusing",
        incoming: &[Q2, Q1],
        manual: true,
        refusals: true,
        ..RAM
    },
    Scenario {
        name: "v311_sending",
        version: Version::V311,
        outgoing: &[Q2, Q1, Q2],
        ..RAM
    },
    Scenario {
        name: "v311_receiving",
        version: Version::V311,
        incoming: &[Q2, Q1, Q2],
        ..RAM
    },
    Scenario {
        name: "goodbyes",
        outgoing: &[Q2, Q1, Q2],
        goodbyes: None,
        parts: true,
        ..RAM
    },
    Scenario {
        name: "goodbyes_receiving",
        incoming: &[Q2, Q1],
        goodbyes: None,
        ..RAM
    },
    Scenario {
        name: "durable_qos_1",
        outgoing: &[Q1],
        goodbyes: None,
        parts: true,
        ..DURABLE
    },
    Scenario {
        name: "durable_qos_2",
        outgoing: &[Q2],
        ..DURABLE
    },
    Scenario {
        name: "durable_receiving",
        incoming: &[Q2],
        ..DURABLE
    },
];

/// What takes longer.
pub const DEEP: &[Scenario] = &[
    Scenario {
        name: "deep_both_ways",
        outgoing: &[Q2, Q1],
        incoming: &[Q2, Q1],
        ..RAM
    },
    Scenario {
        name: "deep_both_ways_window_1",
        outgoing: &[Q2, Q1],
        incoming: &[Q2, Q1],
        window: 1,
        inbound: 1,
        ..RAM
    },
    Scenario {
        name: "deep_both_ways_parts",
        outgoing: &[Q2, Q1],
        incoming: &[Q2, Q1],
        parts: true,
        ..RAM
    },
    Scenario {
        name: "deep_222_parts",
        outgoing: &[Q2, Q2, Q2],
        parts: true,
        ..RAM
    },
    Scenario {
        name: "deep_2222",
        outgoing: &[Q2, Q2, Q2, Q2],
        window: 2,
        slots: 4,
        ..RAM
    },
    Scenario {
        name: "deep_by_hand",
        outgoing: &[Q2],
        incoming: &[Q2, Q1, Q2],
        manual: true,
        ..RAM
    },
    Scenario {
        name: "deep_durable_qos_1",
        outgoing: &[Q1, Q1],
        ..DURABLE
    },
    Scenario {
        name: "deep_durable_receiving",
        incoming: &[Q2, Q2],
        ..DURABLE
    },
    Scenario {
        name: "deep_durable_by_hand",
        incoming: &[Q2, Q1],
        manual: true,
        ..DURABLE
    },
    Scenario {
        name: "deep_durable_qos_2",
        outgoing: &[Q2, Q2],
        compact: false,
        ..DURABLE
    },
    Scenario {
        name: "deep_durable_both_ways",
        outgoing: &[Q2],
        incoming: &[Q2],
        ..DURABLE
    },
];
