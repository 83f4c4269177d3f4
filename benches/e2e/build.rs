//! Tells the program the versions of those that are compared, from the lock file.

use std::fs;

/// The packages that clients are named after.
const PACKAGES: &[&str] = &["mqtt-protocol-core", "rumqttc"];

fn main() {
    let path = "../Cargo.lock";
    println!("cargo::rerun-if-changed={path}");
    let lock = fs::read_to_string(path).expect("the workspace has a lock file");
    for package in PACKAGES {
        let start = format!("name = \"{package}\"\nversion = \"");
        let version = lock
            .split_once(&start)
            .and_then(|(_, rest)| rest.split_once('"'))
            .unwrap_or_else(|| panic!("no {package} in {path}"))
            .0;
        let name = package.replace('-', "_").to_uppercase();
        println!("cargo::rustc-env=VERSION_{name}={version}");
    }
}
