//! Futures that are dropped at each point where they wait.

use super::conversation::{VERSIONS, hold, world};

/// The bytes on the wire and the events of the conversation, byte by byte, with futures dropped
/// after the polls that `drops` says; and how many polls there were.
fn disturbed(
    version: mqtt_client::Version,
    drops: impl FnMut(usize) -> bool + 'static,
) -> (Vec<u8>, Vec<String>, usize) {
    let world = world(version);
    world.crawl();
    world.drop_when(drops);
    let told = hold(&world, version);
    world.serve();
    let sent = world.sent.borrow().clone();
    (sent, told, world.polls.get())
}

#[test]
fn a_future_dropped_at_any_point_loses_nothing() {
    for version in VERSIONS {
        let (sent, told, polls) = disturbed(version, |_| false);
        assert!(polls > 2 * sent.len());
        for at in 1..polls {
            let (sent_now, told_now, _) = disturbed(version, move |polls| polls == at);
            assert_eq!(told_now, told, "{version:?}, poll {at}");
            assert_eq!(sent_now, sent, "{version:?}, poll {at}");
        }
    }
}

#[test]
fn futures_that_are_dropped_again_and_again_lose_nothing() {
    for version in VERSIONS {
        let (sent, told, _) = disturbed(version, |_| false);
        for nth in 1..20 {
            let (sent_now, told_now, _) = disturbed(version, move |polls| polls % nth == 0);
            assert_eq!(told_now, told, "{version:?}, each poll {nth}");
            assert_eq!(sent_now, sent, "{version:?}, each poll {nth}");
        }
    }
}
