//! The versions of those that are compared, from the lock file, and the clients in C, where their
//! libraries are installed.

use std::path::Path;
use std::{env, fs};

/// The packages that clients are named after.
const PACKAGES: &[&str] = &[
    "flowsdk",
    "mqtt-protocol-core",
    "mqtt5",
    "rumqttc",
    "rumqttc-v5-next",
];

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

    println!("cargo::rerun-if-changed=src/c");
    compile("mosquitto", "mosquitto", "/usr/include/mosquitto.h");
    compile("paho", "paho-mqtt3a", "/usr/include/MQTTAsync.h");
}

/// Compiles a client in C and links it to its program, if there is its library: an optional one is
/// no reason not to compare the others.
fn compile(name: &str, library: &str, header: &str) {
    println!("cargo::rustc-check-cfg=cfg(has_{name})");
    println!("cargo::rerun-if-changed={header}");
    let objects = format!("bench_{name}");
    let compiled = cc::Build::new()
        .file(format!("src/c/{name}.c"))
        .file("src/c/run.c")
        .cargo_metadata(false)
        .cargo_warnings(Path::new(header).exists())
        .try_compile(&objects);
    if let Err(error) = compiled {
        if Path::new(header).exists() {
            println!("cargo::warning={name}: {error}");
        }
        return;
    }
    let folder = env::var("OUT_DIR").expect("cargo says where");
    println!("cargo::rustc-cfg=has_{name}");
    for argument in [format!("{folder}/lib{objects}.a"), format!("-l{library}")] {
        println!("cargo::rustc-link-arg-bin=client-{name}={argument}");
    }
}
