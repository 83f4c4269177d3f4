//! Fixed figures make fixed pages.
//!
//! `UPDATE_GOLDEN=1` writes what is made to `tests/golden`, to be looked at before it is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use report::catalogue::{BarPlot, Brief, Catalogue, LinePlot, Page};
use report::goals::{Against, Goal};
use report::grid::figure;
use report::{pages, read};

const TABLE: &str = "e2e/null";
const RATE: &str = "messages/s";

const GOAL: Goal = Goal {
    what: "publish QoS 0 at 4 times rumqttc",
    table: TABLE,
    cases: &["publish QoS 0"],
    but: &[],
    version: "5.0",
    client: "mqtt-client tokio",
    measure: RATE,
    against: Against::Named(&["rumqttc"]),
    wanted: 4.0,
    because: "",
};

const CATALOGUE: Catalogue = Catalogue {
    pages: &[
        Page {
            file: "engine",
            title: "Engine",
            tables: &["engine"],
            about: "What it costs without a network.",
            not: "system calls.",
        },
        Page {
            file: "end-to-end",
            title: "End to end",
            tables: &["e2e/"],
            about: "What it costs with one.",
            not: "",
        },
        Page {
            file: "never",
            title: "What was not run",
            tables: &["many/"],
            about: "",
            not: "",
        },
    ],
    tables: &[(TABLE, "To the null broker", "It does nothing.")],
    measures: &[
        (RATE, "Messages a second", "More is better."),
        (read::TIME, "Nanoseconds", "Less is better."),
    ],
    bars: &[BarPlot {
        file: "publish",
        page: "end-to-end",
        title: "Publishing, messages/s",
        table: TABLE,
        measure: RATE,
        columns: &[
            ("QoS 0", "publish QoS 0, 64 B", "5.0"),
            ("QoS 1", "publish QoS 1, 64 B, window 100", "5.0"),
        ],
    }],
    lines: &[LinePlot {
        file: "window",
        page: "engine",
        title: "Publishing, ns a message",
        table: "engine",
        measure: read::TIME,
        over: "messages in flight",
        cases: ("publish QoS 1, 64 B, window ", ""),
        version: "5.0",
    }],
    briefs: &[Brief {
        what: "publishing on tokio",
        table: TABLE,
        case: "publish QoS 0, 64 B",
        version: "5.0",
        client: "mqtt-client tokio",
        others: &["rumqttc", "libmosquitto"],
        measure: RATE,
    }],
    brief_plots: &["publish"],
    goals: &[
        GOAL,
        Goal {
            what: "engine at or ahead of all others",
            table: "engine",
            cases: &[],
            but: &[],
            version: "",
            client: "mqtt-core",
            measure: read::TIME,
            against: Against::Best,
            wanted: 1.0,
            because: "the fixture says so.",
        },
        Goal {
            what: "something else",
            table: "never",
            ..GOAL
        },
    ],
};

fn made() -> BTreeMap<String, String> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture");
    let found = read::read(&fixture, &["engine", "e2e", "many"]).unwrap();
    let pages = pages::write(&CATALOGUE, &found, "benches/results").unwrap();
    let mut files = pages.files;
    files.insert("brief.md".to_owned(), pages.brief);
    files
}

#[test]
fn the_same_figures_make_the_same_pages() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let made = made();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(&golden).unwrap();
        for (name, text) in &made {
            fs::write(golden.join(name), text).unwrap();
        }
    }
    for entry in fs::read_dir(&golden).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(made.contains_key(&name), "{name} is not made any more");
    }
    for (name, text) in &made {
        let expected = fs::read_to_string(golden.join(name)).unwrap();
        assert_eq!(
            *text, expected,
            "{name} is another: UPDATE_GOLDEN=1 writes it anew"
        );
    }
}

#[test]
fn a_goal_that_is_missed_without_a_reason_is_told() {
    const MISSED: Goal = Goal {
        what: "publish QoS 0 at 1,000 times rumqttc",
        wanted: 1000.0,
        ..GOAL
    };
    const EXCUSED: Goal = Goal {
        because: "nobody can.",
        ..MISSED
    };
    const MET: Goal = Goal {
        wanted: 0.001,
        ..GOAL
    };
    const NOT_MEASURED: Goal = Goal {
        table: "never",
        ..GOAL
    };
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture");
    let found = read::read(&fixture, &["engine", "e2e"]).unwrap();
    let catalogue = Catalogue {
        goals: &[MISSED, EXCUSED, MET, NOT_MEASURED],
        ..CATALOGUE
    };
    let pages = pages::write(&catalogue, &found, "benches/results").unwrap();
    assert_eq!(pages.unexplained, [MISSED.what]);
}

#[test]
fn criterion_s_newest_figures_are_taken_in_the_order_of_their_numbers() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixture");
    let rows = &read::read(&fixture, &["engine"]).unwrap()["engine"].rows;
    let ours = rows.iter().filter(|row| row.client == "mqtt-core");
    let read: Vec<_> = ours
        .map(|row| {
            let time = figure(read::TIME, row.values[read::TIME]);
            format!("{}, {}: {time}", row.case, row.version)
        })
        .collect();
    let expected = [
        "publish QoS 1, 64 B, window 16, 5.0: 60",
        "publish QoS 1, 64 B, window 1,024, 5.0: 61.5",
        "publish QoS 1, 64 B, window 65,535, 5.0: 64",
        "receive QoS 1, 64 B, window 16, 3.1.1: 250",
    ];
    assert_eq!(read, expected);
}
