//! Explores every history of small worlds, with the real [`mqtt_core::Client`] in them.
//!
//! `README.md` says what is explored, what it shows, and what not.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

mod broker;
mod canonical;
mod host;
mod journal;
mod ledger;
mod model;
mod progress;
mod rules;
mod scenario;
pub mod scenarios;

pub use model::Action;
pub use rules::{Rule, Violation};
pub use scenario::{Limit, Scenario};

use model::{AN_END, Exploration, State};
use progress::Progress;

/// What an exploration has found.
#[derive(Debug)]
pub struct Report {
    /// How many ways there are from one state to another.
    pub transitions: usize,
    /// How many states there are.
    pub states: usize,
    /// How many steps it takes to come to the last of them.
    pub depth: usize,
    /// How long it took.
    pub time: Duration,
    /// What was found wrong, and how to come to it.
    pub fault: Option<Fault>,
}

/// A rule that was broken.
#[derive(Debug)]
pub struct Fault {
    /// The name of the property.
    pub property: &'static str,
    /// What happened.
    pub what: String,
    /// How to come to it.
    pub actions: Vec<Action>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.property, self.what)?;
        self.actions
            .iter()
            .enumerate()
            .try_for_each(|(n, action)| writeln!(f, "{:4}  {action:?}", n + 1))
    }
}

fn search(scenario: &Scenario, progress: &Arc<Progress>, threads: usize) -> Report {
    let start = Instant::now();
    let exploration = Exploration {
        scenario: *scenario,
        progress: Arc::clone(progress),
    };
    let checker = exploration
        .checker()
        .threads(threads)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_bfs()
        .join();
    let mut discoveries = checker.discoveries();
    let has_end = discoveries.remove(AN_END).is_some();
    let fault = discoveries.into_iter().next();
    assert!(has_end || fault.is_some(), "nothing was ever done");
    Report {
        transitions: checker.state_count(),
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        time: start.elapsed(),
        fault: fault.map(|(property, path)| Fault {
            property,
            what: what(path.last_state()),
            actions: path.into_actions(),
        }),
    }
}

fn what(state: &State) -> String {
    match state.violation() {
        Some(violation) => violation.what.clone(),
        None => "a run without faults may come back here, again and again".into(),
    }
}

/// Explores a scenario to its end, or to the first fault.
///
/// # Panics
/// If the exploration itself is not right.
#[must_use]
pub fn explore(scenario: &Scenario, threads: usize) -> Report {
    let start = Instant::now();
    let progress = Arc::default();
    let mut report = search(scenario, &progress, threads);
    let is_done = report.fault.is_none();
    if let Some(key) = is_done.then(|| progress.cycle()).flatten() {
        // How to come there is found by looking for it.
        progress.look_for(key);
        report.fault = search(scenario, &progress, threads).fault;
        assert!(report.fault.is_some(), "a cycle that is not found again");
    }
    report.time = start.elapsed();
    report
}
