//! All contenders do what they are to be measured with.

use layers::{Contender, package, tls, ws};

fn all(message: &'static [u8], size: &str) -> Vec<Contender> {
    let mut all = ws::contenders(message, size);
    all.extend(tls::contenders(message, size));
    all
}

#[test]
fn messages_come_out_as_they_went_in() {
    // Less than a frame or a record, and several.
    for (len, size) in [(1, "1 B"), (100_000, "100 kB")] {
        let message: Vec<_> = (0..len).map(|at| (at % 251) as u8).collect();
        for mut contender in all(message.leak(), size) {
            contender.run(3);
        }
    }
}

#[test]
fn each_case_has_ours_and_another() {
    let all = all(b"message", "7 B");
    for contender in &all {
        let same = || all.iter().filter(|it| it.case == contender.case);
        let is_ours = |it: &&Contender| it.client.starts_with("transport-");
        assert!(same().any(|it| is_ours(&it)), "{}", contender.case);
        assert!(same().any(|it| !is_ours(&it)), "{}", contender.case);
    }
}

#[test]
fn versions_are_those_of_the_lock_file() {
    let version = package("rustls");
    assert!(version.starts_with("rustls 0.23."), "{version}");
}
