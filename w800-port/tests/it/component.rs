//! The component as the SDK builds it: put in place of the SDK's own, configured by Kconfig, with the
//! examples as projects. `../component` stands for the SDK.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use testkit::machine::{TempDir, missing, program};

use crate::rig;

/// An SDK with the component in it, as README.md says, and a copy of the examples.
struct Sdk {
    dir: TempDir,
    cmake: PathBuf,
    python: PathBuf,
    flags: String,
}

impl Sdk {
    fn new() -> Option<Self> {
        let cmake = program("cmake")?;
        program("make")?;
        let python = python_with_kconfiglib()?;
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let dir = TempDir::new();
        let sdk = dir.path().join("sdk");
        let component = sdk.join("components/mqtt");
        copy(&here.join("tests/component/Kconfig"), &sdk.join("Kconfig"));
        copy(
            &here.join("tests/component/kconfig.py"),
            &sdk.join("kconfig.py"),
        );
        copy(
            &here.join("tests/component/project.cmake"),
            &sdk.join("tools/cmake/project.cmake"),
        );
        for part in ["CMakeLists.txt", "Kconfig", "include", "port"] {
            copy(&here.join(part), &component.join(part));
        }
        fs::create_dir_all(component.join("lib")).unwrap();
        fs::write(component.join("lib/libw800_port.a"), "!<arch>\n").unwrap();
        copy(&here.join("examples"), &dir.path().join("examples"));

        let lwip = rig::source("bookworm", "lwip", "2.1.3")?;
        let mbedtls = rig::source("trixie", "mbedtls", "3.6")?;
        let rig = here.join("tests/rig");
        let rig = rig.display();
        let flags = format!(
            "-I{rig}/sdk -I{rig} -I{rig}/lwip -isystem {lwip}/src/include -isystem {mbedtls}/include"
        );
        Some(Self {
            dir,
            cmake,
            python,
            flags,
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self, example: &str) -> Output {
        let at = |name: &str| self.file(name).display().to_string();
        Command::new(&self.cmake)
            .args(["-S", &at(&format!("examples/{example}"))])
            .args(["-B", &at(&format!("build/{example}"))])
            .arg(format!("-DSDK_PATH={}", at("sdk")))
            .arg(format!("-DPYTHON={}", self.python.display()))
            .arg(format!("-DFLAGS={}", self.flags))
            .output()
            .unwrap()
    }

    /// Configures and builds it; all there is in its folder after that.
    #[track_caller]
    fn build(&self, example: &str) -> Built {
        let configured = self.configure(example);
        assert!(configured.status.success(), "{}", said(&configured));
        let dir = self.file(&format!("build/{example}"));
        let built = Command::new(&self.cmake)
            .arg("--build")
            .arg(&dir)
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", said(&built));
        Built(dir)
    }
}

struct Built(PathBuf);

impl Built {
    fn has_option(&self, line: &str) -> bool {
        let header = fs::read_to_string(self.0.join("config/wmsdk_config.h")).unwrap();
        header.lines().any(|there| there == line)
    }

    fn has_object(&self, source: &str) -> bool {
        self.0
            .join("components/mqtt/CMakeFiles/mqtt.dir/port")
            .join(format!("{source}.o"))
            .exists()
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn python_with_kconfiglib() -> Option<PathBuf> {
    ["/usr/bin/python3", "python3"]
        .into_iter()
        .map(PathBuf::from)
        .find(|python| {
            Command::new(python)
                .args(["-c", "import kconfiglib"])
                .output()
                .is_ok_and(|output| output.status.success())
        })
        .or_else(|| missing("Python's kconfiglib is (package python3-kconfiglib)"))
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}

#[test]
fn every_example_builds_with_the_component() {
    let Some(sdk) = Sdk::new() else { return };
    for example in ["tcp", "ssl", "ws", "wss"] {
        let built = sdk.build(example);
        // What the component needs of the SDK, and what applications may rely on.
        for component in ["EVENT", "LWIP", "DRIVER_RNG", "MBEDTLS", "POSIX"] {
            let line = format!("#define CONFIG_COMPONENT_{component}_ENABLED 1");
            assert!(built.has_option(&line), "{line}");
        }
        assert!(built.has_object("tls_mbedtls.c"));
        assert!(!built.has_object("tls_none.c"));
    }
}

#[test]
fn options_reach_the_port() {
    let Some(sdk) = Sdk::new() else { return };
    let project = sdk.file("examples/tcp/prj.config");
    let options = "CONFIG_WM_MQTT_RX_SIZE=512\n\
                   CONFIG_WM_MQTT_TX_SIZE=1024\n\
                   CONFIG_WM_MQTT_WINDOW=2\n\
                   CONFIG_WM_MQTT_TASK_STACK=6144\n\
                   CONFIG_WM_MQTT_TASK_PRIORITY=3\n\
                   CONFIG_WM_MQTT_LOG_ERROR=y\n\
                   # CONFIG_WM_MQTT_TLS is not set\n\
                   # CONFIG_COMPONENT_POSIX_ENABLED is not set\n";
    let stated = fs::read_to_string(&project).unwrap();
    fs::write(&project, stated + options).unwrap();
    let built = sdk.build("tcp");
    for line in [
        "#define CONFIG_WM_MQTT_RX_SIZE 512",
        "#define CONFIG_WM_MQTT_TX_SIZE 1024",
        "#define CONFIG_WM_MQTT_WINDOW 2",
        "#define CONFIG_WM_MQTT_TASK_STACK 6144",
        "#define CONFIG_WM_MQTT_TASK_PRIORITY 3",
        "#define CONFIG_WM_MQTT_LOG_LEVEL 0",
    ] {
        assert!(built.has_option(line), "{line}");
    }
    assert!(!built.has_option("#define CONFIG_WM_MQTT_TLS 1"));
    assert!(!built.has_option("#define CONFIG_COMPONENT_POSIX_ENABLED 1"));
    assert!(!built.has_option("#define CONFIG_COMPONENT_MBEDTLS_ENABLED 1"));
    assert!(built.has_object("tls_none.c"));
    assert!(!built.has_object("tls_mbedtls.c"));
}

#[test]
fn component_that_is_off_is_not_there() {
    let Some(sdk) = Sdk::new() else { return };
    let project = sdk.file("examples/tcp/prj.config");
    let stated = fs::read_to_string(&project).unwrap();
    let off = stated.replace("CONFIG_COMPONENT_MQTT_ENABLED=y\n", "");
    assert_ne!(off, stated);
    fs::write(&project, off).unwrap();
    let configured = sdk.configure("tcp");
    assert!(configured.status.success(), "{}", said(&configured));
    assert!(
        !sdk.file("build/tcp/components/mqtt/CMakeFiles/mqtt.dir")
            .exists()
    );
}

#[test]
fn missing_library_is_told() {
    let Some(sdk) = Sdk::new() else { return };
    fs::remove_file(sdk.file("sdk/components/mqtt/lib/libw800_port.a")).unwrap();
    let configured = sdk.configure("tcp");
    assert!(!configured.status.success());
    let said = said(&configured);
    assert!(said.contains("README.md says how to get it"), "{said}");
}
