//! `docs/CONFORMANCE.md` is complete, and the tests that it names exist.

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use source::tests;

/// The parts of the ledger with the statements of each, in order: identifier and who is bound.
const PARTS: [(&str, Option<&str>); 3] = [
    ("MQTT 3.1.1", Some(include_str!("ledger/v311.txt"))),
    ("MQTT 5.0", Some(include_str!("ledger/v5.txt"))),
    ("Rules without a number", None),
];

/// The sources of tests and how `cargo nextest list` prefixes them. Those of this binary have no
/// prefix.
const SOURCES: [(&str, &str); 5] = [
    ("", "mqtt-core/tests/it/main.rs"),
    ("mqtt-core ", "mqtt-core/src/lib.rs"),
    ("mqtt-client::it ", "mqtt-client/tests/it/main.rs"),
    ("mqtt-cli::it ", "mqtt-cli/tests/it/main.rs"),
    ("transport-tcp::it ", "transport-tcp/tests/it/main.rs"),
];

#[test]
fn the_ledger_is_complete() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut existing = BTreeSet::new();
    for (prefix, root) in SOURCES {
        let found = tests(&workspace.join(root));
        assert!(!found.is_empty(), "no tests in {root}");
        existing.extend(found.into_iter().map(|test| format!("{prefix}{test}")));
    }
    let text = fs::read_to_string(workspace.join("docs/CONFORMANCE.md")).expect("the ledger");
    let faults = faults(&text, &PARTS, &existing);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A row: identifier, who is bound, what it says, what we do, what shows it.
struct Row<'a> {
    part: &'a str,
    cells: [&'a str; 5],
}

/// All that is wrong with the ledger.
fn faults(text: &str, parts: &[(&str, Option<&str>)], existing: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let rows = rows(text, &mut faults);
    for row in &rows {
        if !parts.iter().any(|&(name, _)| name == row.part) {
            faults.push(format!("{}: not in a part of the ledger", row.cells[0]));
        }
        check_row(row, existing, &mut faults);
    }
    for &(part, statements) in parts {
        let ids: Vec<_> = rows
            .iter()
            .filter(|row| row.part == part)
            .map(|row| (row.cells[0], row.cells[1]))
            .collect();
        let mut seen = BTreeSet::new();
        for (id, _) in &ids {
            if !seen.insert(id) {
                faults.push(format!("{part}: {id} stands twice"));
            }
        }
        match statements {
            Some(statements) => check_statements(part, statements, &ids, &mut faults),
            None => {
                let is_ours = |id: &str| {
                    let number = id.strip_prefix("R-").and_then(|n| n.parse::<u16>().ok());
                    number.is_some_and(|number| number > 0)
                };
                for (id, _) in ids.iter().filter(|(id, _)| !is_ours(id)) {
                    faults.push(format!("{part}: {id} is no identifier of ours"));
                }
            }
        }
    }
    faults
}

/// The rows of all tables. A table begins with a header and a line of dashes.
fn rows<'a>(text: &'a str, faults: &mut Vec<String>) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut part = "";
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            part = name.trim();
        }
        let Some(line) = line.strip_prefix('|') else {
            continue;
        };
        let is_rule = |line: &str| line.contains("---") && !line.contains(char::is_alphanumeric);
        if is_rule(line) || lines.peek().is_some_and(|next| is_rule(next)) {
            continue;
        }
        let cells: Vec<_> = line
            .trim_end()
            .trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        match cells.try_into() {
            Ok(cells) => rows.push(Row { part, cells }),
            Err(cells) => faults.push(format!("{}: not five cells", cells[0])),
        }
    }
    rows
}

fn check_row(row: &Row<'_>, existing: &BTreeSet<String>, faults: &mut Vec<String>) {
    const NOT: &str = "Does not apply: ";
    let [id, bound, statement, action, shown] = row.cells;
    let part = row.part;
    let mut fault = |text: &str| faults.push(format!("{part}: {id} {text}"));
    if !["client", "both", "server"].contains(&bound) {
        fault("does not say who is bound");
    }
    if statement.is_empty() || action.is_empty() {
        fault("has an empty cell");
    }
    if shown == "–" {
        if action.strip_prefix(NOT).is_none_or(str::is_empty) {
            fault("has neither a test nor a reason");
        }
        return;
    }
    if action.starts_with(NOT.trim_end()) {
        fault("has both a test and a reason for none");
    }
    for name in shown.split(',').map(str::trim) {
        let name = name
            .strip_prefix('`')
            .and_then(|name| name.strip_suffix('`'));
        match name {
            Some(name) if existing.contains(name) => {}
            Some(name) => fault(&format!("names a test that does not exist: {name}")),
            None => fault("has neither a test nor a reason"),
        }
    }
}

/// Compares rows with the statements of a standard.
fn check_statements(part: &str, statements: &str, rows: &[(&str, &str)], faults: &mut Vec<String>) {
    let statements: Vec<_> = statements
        .lines()
        .map(|line| {
            line.split_once(' ')
                .expect("an identifier and who is bound")
        })
        .collect();
    for (id, bound) in &statements {
        match rows.iter().find(|(row, _)| row == id) {
            None => faults.push(format!("{part}: {id} is missing")),
            Some((_, row)) if row != bound => {
                faults.push(format!("{part}: {id} binds {bound}, not {row}"));
            }
            Some(_) => {}
        }
    }
    for (id, _) in rows {
        if !statements.iter().any(|(statement, _)| statement == id) {
            faults.push(format!("{part}: {id} is no statement"));
        }
    }
    if faults.is_empty() && !rows.iter().eq(&statements) {
        faults.push(format!("{part}: not in the order of the standard"));
    }
}

// The checker itself, on ledgers with one mistake each.

const SMALL_PARTS: [(&str, Option<&str>); 2] = [
    ("V", Some("V-1 client\nV-2 server\nV-3 both")),
    ("Ours", None),
];

const SMALL: &str = "\
# Conformance

## V

### 1

| Statement | Binds | In short | What we do | Shown by |
| --- | --- | --- | --- | --- |
| V-1 | client | say so | Say so. | `a::b` |
| V-2 | server | hear | Does not apply: nobody hears it. | – |

### 2

| Statement | Binds | In short | What we do | Shown by |
| --- | --- | --- | --- | --- |
| V-3 | both | say and hear | Both. | `a::c`, `other::it d` |

## Ours

| Rule | Binds | In short | What we do | Shown by |
| --- | --- | --- | --- | --- |
| R-1 | client | think | Think. | `other::it e` |
";

/// The faults of the small ledger with `from` replaced by `to`.
#[track_caller]
fn altered(from: &str, to: &str) -> Vec<String> {
    assert_eq!(SMALL.matches(from).count(), 1, "{from}");
    let existing = ["a::b", "a::c", "other::it d", "other::it e"];
    let existing = existing.map(str::to_owned).into();
    faults(&SMALL.replace(from, to), &SMALL_PARTS, &existing)
}

#[test]
fn nothing_is_wrong_with_the_small_ledger() {
    assert_eq!(altered("# Conformance\n", ""), [""; 0]);
}

#[test]
fn a_statement_is_missing() {
    let row = "| V-2 | server | hear | Does not apply: nobody hears it. | – |\n";
    assert_eq!(altered(row, ""), ["V: V-2 is missing"]);
}

#[test]
fn a_statement_stands_twice() {
    let row = "| V-1 | client | say so | Say so. | `a::b` |\n";
    assert_eq!(altered(row, &row.repeat(2)), ["V: V-1 stands twice"]);
    let row = "| R-1 | client | think | Think. | `other::it e` |\n";
    assert_eq!(altered(row, &row.repeat(2)), ["Ours: R-1 stands twice"]);
}

#[test]
fn a_statement_that_the_standard_does_not_have() {
    assert_eq!(
        altered("| V-2 ", "| V-4 "),
        ["V: V-2 is missing", "V: V-4 is no statement"]
    );
    assert_eq!(
        altered("| R-1 ", "| R-x "),
        ["Ours: R-x is no identifier of ours"]
    );
    assert_eq!(
        altered("| R-1 ", "| V-1 "),
        ["Ours: V-1 is no identifier of ours"]
    );
}

#[test]
fn a_statement_in_another_place() {
    let first = "| V-1 | client | say so | Say so. | `a::b` |\n";
    let moved = "| V-2 | server | hear | Does not apply: nobody hears it. | – |\n";
    assert_eq!(
        altered(&format!("{first}{moved}"), &format!("{moved}{first}")),
        ["V: not in the order of the standard"]
    );
    assert_eq!(
        altered("## Ours", "## Theirs"),
        ["R-1: not in a part of the ledger"]
    );
}

#[test]
fn somebody_else_is_bound() {
    assert_eq!(
        altered("| V-1 | client |", "| V-1 | both |"),
        ["V: V-1 binds client, not both"]
    );
    assert_eq!(
        altered("| R-1 | client |", "| R-1 | all |"),
        ["Ours: R-1 does not say who is bound"]
    );
}

#[test]
fn a_test_that_does_not_exist() {
    let fault = |name: &str| format!("V: V-3 names a test that does not exist: {name}");
    for name in [
        "a::d",
        "a::c2",
        "c",
        "::a::c",
        "a::*",
        "client::other::*",
        "",
    ] {
        assert_eq!(altered("`a::c`", &format!("`{name}`")), [fault(name)]);
    }
    for name in ["d", "other d", "other::it f"] {
        assert_eq!(
            altered("`other::it d`", &format!("`{name}`")),
            [fault(name)]
        );
    }
}

#[test]
fn a_row_with_neither_a_test_nor_a_reason() {
    let fault = ["V: V-1 has neither a test nor a reason"];
    for cell in ["–", "", "a::b", "`a::b", "later"] {
        assert_eq!(altered("`a::b`", cell), fault, "{cell}");
    }
    let fault = ["V: V-2 has neither a test nor a reason"];
    assert_eq!(altered("Does not apply: nobody hears it.", "Hear."), fault);
    assert_eq!(
        altered("Does not apply: nobody hears it.", "Does not apply:"),
        fault
    );
    assert_eq!(
        altered("Say so.", "Does not apply: too hard."),
        ["V: V-1 has both a test and a reason for none"]
    );
    assert_eq!(altered("Think.", ""), ["Ours: R-1 has an empty cell"]);
}

#[test]
fn a_row_with_too_few_or_too_many_cells() {
    assert_eq!(
        altered("| think | Think. |", "| Think. |"),
        ["R-1: not five cells"]
    );
    assert_eq!(
        altered("| think |", "| think | or not |"),
        ["R-1: not five cells"]
    );
}
