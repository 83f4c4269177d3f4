//! What is aimed at, and what was measured, from one run.

use record::Row;

use crate::clients::{RAW, is_c, is_peer};
use crate::table::{PEAK, PROCESSOR, RATE, WRITES};

/// Rows of 5.0 of a run.
struct Rows<'a>(&'a [Row]);

/// Whom a figure is compared with.
type Whom = fn(&str) -> bool;

impl Rows<'_> {
    /// The figures in a case, of these clients.
    fn all(&self, table: &str, case: &str, whom: impl Fn(&str) -> bool, name: &str) -> Vec<f64> {
        let rows = self.0.iter();
        rows.filter(|row| row.table == table && row.case == case && row.version == "5.0")
            .filter(|row| whom(&row.client))
            .filter_map(|row| row.values.get(name).copied())
            .collect()
    }

    fn of(&self, table: &str, case: &str, client: &str, name: &str) -> Option<f64> {
        let figures = self.all(table, case, |it| it == client, name);
        figures.first().copied()
    }

    fn best(&self, table: &str, case: &str, whom: Whom, name: &str) -> Option<f64> {
        let figures = self.all(table, case, whom, name);
        let better = if name == RATE { f64::max } else { f64::min };
        figures.into_iter().reduce(better)
    }

    /// How many times as fast a client is as the best of others, and how many times less of a
    /// processor it takes than the one that takes least.
    fn times(&self, table: &str, case: &str, client: &str, whom: Whom) -> Option<(f64, f64)> {
        let rate = self.of(table, case, client, RATE)? / self.best(table, case, whom, RATE)?;
        let processor =
            self.best(table, case, whom, PROCESSOR)? / self.of(table, case, client, PROCESSOR)?;
        Some((rate, processor))
    }
}

/// Whether more is better.
#[derive(Clone, Copy)]
enum Aim {
    AtLeast(f64),
    AtMost(f64),
}

struct Goal {
    what: String,
    client: &'static str,
    aim: Aim,
    measured: Option<f64>,
    /// The same by processor time, which other programs on the machine disturb less.
    by_processor: Option<f64>,
}

const LOOPS: [&str; 2] = ["mqtt-core", "mqtt-client blocking"];
const TOKIO: &str = "mqtt-client tokio";
const OURS: [&str; 3] = ["mqtt-core", "mqtt-client blocking", TOKIO];

fn is_raw(name: &str) -> bool {
    name == RAW
}

fn is_protocol_core(name: &str) -> bool {
    name.starts_with("mqtt-protocol-core")
}

fn is_rumqttc(name: &str) -> bool {
    name.starts_with("rumqttc ")
}

fn goals(rows: &Rows<'_>) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut times = |client, table, case: &str, whom: Whom, whose: &str, aim| {
        let found = rows.times(table, case, client, whom);
        goals.push(Goal {
            what: format!("{case}: times {whose}"),
            client,
            aim: Aim::AtLeast(aim),
            measured: found.map(|found| found.0),
            by_processor: found.map(|found| found.1),
        });
    };
    for client in LOOPS {
        let tcp = "e2e/tcp";
        let best = "the best peer";
        let case = "publish QoS 0, 64 B";
        times(
            client,
            tcp,
            case,
            is_protocol_core,
            "mqtt-protocol-core",
            2.4,
        );
        times(
            client,
            tcp,
            "publish QoS 1, 64 B, window 100",
            is_raw,
            "raw",
            0.85,
        );
        let case = "publish QoS 1, 64 B, window 1,000";
        times(client, "e2e/window", case, is_peer, best, 3.0);
        times(client, tcp, "receive QoS 0, 64 B", is_peer, best, 2.5);
        times(
            client,
            tcp,
            "receive QoS 1, 64 B, window 1,000",
            is_peer,
            best,
            2.0,
        );
        times(
            client,
            tcp,
            "receive QoS 2, 64 B, window 1,000",
            is_peer,
            best,
            2.0,
        );
    }
    for (case, aim) in [
        ("publish QoS 0, 64 B", 4.0),
        ("publish QoS 1, 64 B, window 100", 2.5),
        ("receive QoS 0, 64 B", 2.0),
        ("receive QoS 1, 64 B, window 1,000", 2.0),
        ("receive QoS 2, 64 B, window 1,000", 2.0),
    ] {
        times(TOKIO, "e2e/tcp", case, is_rumqttc, "rumqttc", aim);
    }
    for client in OURS {
        let case = "publish QoS 1, 64 B, window 100";
        times(
            client,
            "e2e/mosquitto",
            case,
            is_peer,
            "the best peer, to mosquitto",
            1.0,
        );
    }

    for client in OURS {
        let mut push = |what: &str, aim, measured: Option<f64>, by_processor: Option<f64>| {
            goals.push(Goal {
                what: what.to_owned(),
                client,
                aim,
                measured,
                by_processor,
            });
        };
        let nodelay = |case: &str, name| {
            let of = |state| {
                rows.of(
                    "e2e/tcp",
                    &format!("{case}, TCP_NODELAY {state}"),
                    client,
                    name,
                )
            };
            Some(of("on")? / of("off")?)
        };
        for (qos, case) in [
            ("QoS 0", "publish QoS 0, 64 B"),
            ("QoS 1", "publish QoS 1, 64 B, window 100"),
        ] {
            let what = format!("with TCP_NODELAY, of the rate without, {qos}");
            let processor = nodelay(case, PROCESSOR).map(|times| 1.0 / times);
            push(&what, Aim::AtLeast(0.9), nodelay(case, RATE), processor);
        }
        let case = "publish QoS 1, 64 B, window 100";
        let writes = rows.of("e2e/tcp", case, client, WRITES);
        push(
            "writes for a message at window 100",
            Aim::AtMost(0.02),
            writes,
            None,
        );
        let processor = |window: &str| {
            let case = format!("publish QoS 1, 64 B, window {window}");
            rows.of("e2e/window", &case, client, PROCESSOR)
        };
        let growth = processor("65,535")
            .zip(processor("100"))
            .map(|(all, some)| all / some);
        let what = "processor time at window 65,535, of that at 100";
        push(what, Aim::AtMost(1.2), growth, None);
        let peak = |suffix: &str| {
            let case = format!("receive QoS 0, 4 KiB, 1 ms each{suffix}");
            rows.of("e2e/slow", &case, client, PEAK)
        };
        let growth = peak(", three times as long")
            .zip(peak(""))
            .map(|(long, short)| long / short);
        let what = "slow application: peak of memory after 3 times as long, of that before";
        push(what, Aim::AtMost(1.1), growth, None);
        let (rate, processor) = ahead_of_c(rows, client).unzip();
        let what = "least of all cases: times the best client in C";
        push(what, Aim::AtLeast(1.0), rate, processor);
    }
    goals
}

/// The least of how many times as fast a client is as the best client in C, over all cases in which
/// there is both; and the same by processor time.
fn ahead_of_c(rows: &Rows<'_>, client: &str) -> Option<(f64, f64)> {
    let mine = rows.0.iter().filter(|row| row.client == client);
    mine.filter(|row| row.version == "5.0" && row.table != "e2e/mosquitto")
        .filter_map(|row| rows.times(&row.table, &row.case, client, is_c))
        .reduce(|a, b| (a.0.min(b.0), a.1.min(b.1)))
}

/// Prints the goals, and returns their rows.
pub(crate) fn show(rows: &[Row]) -> Vec<Row> {
    let goals = goals(&Rows(rows));
    let mut results = Vec::new();
    if goals.iter().any(|goal| goal.measured.is_some()) {
        let title = "goals, 5.0";
        println!(
            "\n{title:96} {:>8} {:>8} {:>8}",
            "goal", "measured", "by cpu"
        );
    }
    for goal in goals {
        let Some(measured) = goal.measured else {
            continue;
        };
        let (aim, is_met, sign) = match goal.aim {
            Aim::AtLeast(aim) => (aim, measured >= aim, "≥"),
            Aim::AtMost(aim) => (aim, measured <= aim, "≤"),
        };
        let by_processor = goal
            .by_processor
            .map_or(String::new(), |it| format!("{it:.2}"));
        let aimed = format!("{sign} {aim:.2}");
        let met = if is_met { "met" } else { "missed" };
        let (client, what) = (goal.client, goal.what);
        println!("{client:21} {what:74} {aimed:>8} {measured:>8.3} {by_processor:>8} {met}");
        let mut values = vec![("goal".to_owned(), aim), ("measured".to_owned(), measured)];
        values.extend(
            goal.by_processor
                .map(|it| ("by processor time".to_owned(), it)),
        );
        results.push(Row {
            table: "e2e/goals".to_owned(),
            case: format!("{what} ({sign})"),
            version: "5.0".to_owned(),
            client: client.to_owned(),
            values: values.into_iter().collect(),
        });
    }
    results
}
