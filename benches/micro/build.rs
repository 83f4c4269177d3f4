//! What the figures are of: the compiler, and the versions of the packages that are compared.

use std::process::Command;
use std::{env, fs};

fn main() {
    let rustc = env::var_os("RUSTC").expect("cargo says which compiler it uses");
    let output = Command::new(rustc)
        .arg("--version")
        .output()
        .expect("it runs");
    let version = String::from_utf8(output.stdout).expect("its version is text");
    println!("cargo::rustc-env=RUSTC_VERSION={}", version.trim());

    // `VERSION_OF_MQTTRS=0.4.1` and so on, from the lock file.
    // Asked now and not when this was compiled: a folder of builds may serve several checkouts.
    let here = env::var("CARGO_MANIFEST_DIR").expect("cargo says where the package is");
    let lock = format!("{here}/../Cargo.lock");
    println!("cargo::rerun-if-changed={lock}");
    println!("cargo::rerun-if-changed=build.rs");
    let lock = fs::read_to_string(&lock).expect("the workspace has a lock file");
    let mut name = String::new();
    for line in lock.lines() {
        let value = |key| {
            let quoted = line.strip_prefix(key)?.strip_prefix(" = \"")?;
            quoted.strip_suffix('"')
        };
        if let Some(found) = value("name") {
            name = found.to_uppercase().replace('-', "_");
        } else if let Some(version) = value("version") {
            println!("cargo::rustc-env=VERSION_OF_{name}={version}");
        }
    }
}
