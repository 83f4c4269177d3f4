//! Servers that mean harm, over real sockets, and each driver.
//!
//! Whatever they send costs bounded memory (a counting allocator says how much), bounded time and
//! processor time, and ends, if it is against the rules, with the right reason on the wire and an
//! error that the application understands.
//!
//! What such servers do to the protocol alone is in `mqtt-core/tests/it/client/violations.rs` and
//! `hostile.rs` there; handshakes that stall are in `mqtt-client/tests/it/faults.rs`.

mod drivers;
mod floods;
mod moments;
mod server;
mod tls;
mod trickles;
mod websocket;

/// `docs/THREATS.md` names tests as `path/to/file.rs::name`.
#[test]
fn the_tests_of_the_threat_model_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/THREATS.md")).unwrap();
    let named: Vec<_> = text
        .split('`')
        .filter_map(|name| name.split_once(".rs::"))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    for (file, name) in named {
        let source = std::fs::read_to_string(root.join(format!("{file}.rs")));
        let is_there = source.is_ok_and(|source| source.contains(&format!("fn {name}(")));
        assert!(is_there, "{file}.rs has no test {name}");
    }
}

#[global_allocator]
static HEAP: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);
