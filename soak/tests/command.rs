//! The command.

use std::process::Command;

fn soak(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_soak"))
        .args(arguments)
        .output()
        .unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn what_it_does_not_know_is_refused() {
    let (code, said) = soak(&["--driver", "pigeon"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("possible values: blocking, journal, tokio, embedded"),
        "{said}"
    );
    let (code, said) = soak(&["--time", "soon"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("a number and s, m or h"), "{said}");
}
