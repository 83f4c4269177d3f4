//! The headers and the examples, by themselves: they are C of every standard, and C++, and the
//! layouts are those of the chip.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use testkit::machine::{missing, program};

const STRICT: &[&str] = &["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"];

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A compiler that knows where the headers are, and the stand-ins of the SDK's.
fn compiler(compiler: &Path) -> Command {
    let mut command = Command::new(compiler);
    command.current_dir(folder()).args(STRICT);
    for include in ["include", "tests/rig/sdk", "tests/rig/config", "tests/rig"] {
        command.arg("-I").arg(include);
    }
    command
}

/// Compiles this source, from standard input.
#[track_caller]
fn compiles(mut command: Command, source: &str) {
    let mut child = command
        .arg("-")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(source.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

fn include(name: &str) -> String {
    format!("#include \"{name}\"\n")
}

#[test]
fn each_header_is_c_by_itself() {
    let Some(gcc) = program("gcc") else { return };
    for standard in ["c99", "gnu99", "c11", "gnu17"] {
        for name in ["wm_mqtt_client.h", "wm_mqtt_port.h"] {
            let mut command = compiler(&gcc);
            command.args([&format!("-std={standard}"), "-xc"]);
            compiles(command, &include(name));
        }
    }
}

#[test]
fn each_header_is_cplusplus_by_itself() {
    let Some(gcc) = program("g++") else { return };
    for standard in ["c++98", "c++11", "c++17"] {
        for name in [
            "wm_mqtt_client.h",
            "wm_mqtt_port.h",
            "../tests/c/header.cpp",
        ] {
            let mut command = compiler(&gcc);
            command.args([&format!("-std={standard}"), "-xc++"]);
            compiles(command, &include(name));
        }
    }
}

/// A compiler for 32 bits, with `enum`s of 32 bits as the chip's: for this machine, or another.
fn compiler_for_32_bits() -> Option<Command> {
    let gcc = program("gcc")?;
    let mut probe = Command::new(&gcc);
    let probed = probe
        .args([
            "-m32",
            "-fsyntax-only",
            "-include",
            "stdint.h",
            "-xc",
            "/dev/null",
        ])
        .stderr(Stdio::null())
        .status();
    if probed.unwrap().success() {
        let mut command = compiler(&gcc);
        command.arg("-m32");
        return Some(command);
    }
    let other = ["/usr/bin", "/usr/local/bin"]
        .map(|bin| PathBuf::from(bin).join("arm-none-eabi-gcc"))
        .into_iter()
        .find(|path| path.exists());
    match other {
        Some(arm) => {
            let mut command = compiler(&arm);
            command.arg("-fno-short-enums");
            Some(command)
        }
        None => missing("a C compiler for 32 bits is (packages gcc-multilib or gcc-arm-none-eabi)"),
    }
}

#[test]
fn layouts_are_the_chips() {
    let Some(mut command) = compiler_for_32_bits() else {
        return;
    };
    command.args(["-std=c99", "-xc"]);
    // Or there would be nothing to be seen.
    let is_32 = "typedef char narrow[sizeof(void *) == 4 ? 1 : -1];\n";
    compiles(
        command,
        &(is_32.to_owned() + &include("../tests/c/header.c")),
    );
}

#[test]
fn examples_are_c99() {
    let Some(gcc) = program("gcc") else { return };
    for file in [
        "common/board.c",
        "tcp/main/src/main.c",
        "ssl/main/src/main.c",
        "ws/main/src/main.c",
        "wss/main/src/main.c",
    ] {
        let mut command = compiler(&gcc);
        command.args(["-std=c99", "-xc", "-I", "examples/common"]);
        command.args([
            "-DCONFIG_EXAMPLE_WIFI_SSID=\"ssid\"",
            "-DCONFIG_EXAMPLE_BROKER_URI=\"uri\"",
        ]);
        compiles(command, &include(&format!("../examples/{file}")));
    }
}
