//! Every target on its seeds, on what is near them, and on what fuzzing has left in `corpus`.

use std::fs;
use std::panic::{self, AssertUnwindSafe};

use targets::{TARGETS, Target, seeds};

/// Runs a target; a failure names the input.
fn run(target: &Target, bytes: &[u8], what: &str) {
    let result = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(bytes)));
    if result.is_err() {
        panic!("{}: {what}:\n{}", target.name, seeds::to_text(bytes));
    }
}

#[test]
fn seeds_hold() {
    for target in TARGETS {
        for seed in seeds::of(target.name).unwrap() {
            run(target, &seed.bytes, &seed.name);
        }
    }
}

/// Each byte of a seed lost, changed, and the last.
#[test]
fn what_is_near_seeds_holds() {
    for target in TARGETS {
        for seed in seeds::of(target.name).unwrap() {
            for at in 0..seed.bytes.len().min(200) {
                let mut bytes = seed.bytes.clone();
                bytes[at] ^= 0x01;
                run(target, &bytes, &seed.name);
                bytes[at] ^= 0x81;
                run(target, &bytes, &seed.name);
                bytes.remove(at);
                run(target, &bytes, &seed.name);
                run(target, &seed.bytes[..at], &seed.name);
            }
        }
    }
}

#[test]
fn no_bytes_hold() {
    for target in TARGETS {
        run(target, &[], "nothing");
        for byte in 0..=255 {
            run(target, &[byte], "one byte");
            run(target, &[byte; 40], "the same byte");
        }
    }
}

/// Nothing, where nobody has been fuzzing.
#[test]
fn corpus_holds() {
    for target in TARGETS {
        let folder = seeds::folder().join("../corpus").join(target.name);
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            run(target, &fs::read(&path).unwrap(), &path.to_string_lossy());
        }
    }
}

#[test]
fn every_target_is_run_and_described() {
    let manifest = include_str!("../../Cargo.toml");
    let readme = include_str!("../../README.md");
    for target in TARGETS {
        let name = target.name;
        let file = format!("path = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&file), "{name}: no program");
        let program = seeds::folder().join(format!("../fuzz_targets/{name}.rs"));
        let program = fs::read_to_string(program).unwrap();
        assert!(program.contains(&format!("targets::{name}(data)")));
        assert!(readme.contains(&format!("`{name}`")), "{name}: README");
        let seeds = seeds::of(name).unwrap();
        assert!(!seeds.is_empty(), "{name}: no seed");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    let folders = fs::read_dir(seeds::folder()).unwrap().count();
    assert_eq!(folders, TARGETS.len(), "seeds of no target");
}

#[test]
fn text_of_seeds() {
    let text = "# A name\n00 04 \"MQTT\" 05 # comment\nffFE\n";
    let (description, bytes) = seeds::parse(text).unwrap();
    assert_eq!(description, "A name");
    assert_eq!(bytes, b"\x00\x04MQTT\x05\xFF\xFE");
    let again = format!("# A name\n{}", seeds::to_text(&bytes));
    assert_eq!(seeds::parse(&again).unwrap().1, bytes);
    for bad in ["00", "#\n00", "# a\n0", "# a\n\"x", "# a\n0 0", "# a\nxy"] {
        assert!(seeds::parse(bad).is_err(), "{bad:?}");
    }
}
