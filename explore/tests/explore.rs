//! The real client in every history of small worlds. `README.md` says what that shows.

use explore::{explore, scenarios};

/// One test for each scenario, so that they run side by side.
macro_rules! explored {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            let mut all = scenarios::QUICK.iter();
            let scenario = all.find(|scenario| scenario.name == stringify!($name));
            let report = explore(scenario.expect("a scenario of this name"), 1);
            if let Some(fault) = report.fault {
                panic!("{fault}");
            }
        })*

        #[test]
        fn all_scenarios_have_a_test() {
            let names: Vec<_> = scenarios::QUICK.iter().map(|scenario| scenario.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

explored! {
    three_at_qos_1
    three_at_qos_2
    both_qos_in_parts
    window_of_one
    two_slots
    one_slot
    qos_0_between
    receiving
    receiving_qos_2
    receiving_one_at_a_time
    receiving_more_than_agreed
    acknowledging_by_hand
    both_ways
    refused
    refusing
    v311_sending
    v311_receiving
    goodbyes
    goodbyes_receiving
    durable_qos_1
    durable_qos_2
    durable_receiving
}
