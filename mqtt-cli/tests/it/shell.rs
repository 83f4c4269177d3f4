//! Completions and manual pages.

use std::fs;

use crate::support::TempDir;
use crate::support::command::{Running, mqtt};

const COMMANDS: [&str; 6] = ["pub", "sub", "bench", "demo", "completions", "man"];

#[test]
fn completions() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let finished = mqtt(&["completions", shell]).wait().ok();
        for word in COMMANDS.iter().chain(&["stdin-line", "subscribers"]) {
            assert!(finished.stdout().contains(word), "{word} for {shell}");
        }
    }
    mqtt(&["completions", "csh"]).wait().failed(2);
}

#[test]
fn bash_understands_its_completions() {
    let dir = TempDir::new();
    let script = mqtt(&["completions", "bash"]).wait().ok();
    let file = dir.write("mqtt.bash", &script.stdout);
    Running::start("bash", &["-n", &file]).wait().ok();
    let complete = format!(
        "source {file}; COMP_WORDS=(mqtt sub --no-n); COMP_CWORD=2; _mqtt mqtt --no-n sub; \
         echo ${{COMPREPLY[@]}}"
    );
    let completed = Running::start("bash", &["-c", &complete]).wait().ok();
    assert_eq!(completed.stdout(), "--no-newline\n");
}

#[test]
fn manual_pages() {
    let page = mqtt(&["man"]).wait().ok();
    assert!(page.stdout().contains(".SH \"EXIT STATUS\""), "{page:?}");
    for command in COMMANDS {
        let page = mqtt(&["man", command]).wait().ok();
        let page = page.stdout();
        assert!(page.contains(&format!(".TH mqtt-{command} 1")), "{page}");
        assert!(page.contains(".SH \"EXIT STATUS\""), "{page}");
    }
    let dir = TempDir::new();
    let pages = dir.path().join("man1");
    mqtt(&["man", "--out", pages.to_str().unwrap()]).wait().ok();
    for command in COMMANDS {
        let file = fs::read(pages.join(format!("mqtt-{command}.1"))).unwrap();
        assert_eq!(file, mqtt(&["man", command]).wait().ok().stdout);
    }
    assert!(pages.join("mqtt.1").is_file());
    mqtt(&["man", "plub"]).wait().failed(2);
    let none = dir.write("file", b"");
    mqtt(&["man", "--out", &none]).wait().failed(1);
}
