//! Which tests there are: read from the source, with no help of the compiler, so that the tests of
//! other crates can be looked up, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The tests of the crate with this root, each as the path of its function. Files that no `mod`
/// declares by its place are not read, and tests that are ignored do not count.
pub(super) fn tests(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    read(root, root.parent().unwrap(), "", &mut found);
    found
}

/// Reads one file, whose modules lie in `dir`, and those modules.
fn read(file: &Path, dir: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    let source = fs::read_to_string(file)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
    for item in items(&source) {
        match item {
            Item::Test(path) => assert!(found.insert(format!("{prefix}{path}"))),
            Item::File(path) => {
                let dir = dir.join(path.replace("::", "/"));
                let name = [dir.with_extension("rs"), dir.join("mod.rs")];
                let file = name.iter().find(|file| file.exists());
                let file = file.unwrap_or_else(|| panic!("no file for {prefix}{path}"));
                read(file, &dir, &format!("{prefix}{path}::"), found);
            }
        }
    }
}

#[derive(Debug, PartialEq)]
enum Item {
    /// A test.
    Test(String),
    /// A module in a file of its own.
    File(String),
}

/// What a file declares, as paths from this file on.
fn items(source: &str) -> Vec<Item> {
    let code = without_text(source);
    let mut tokens = tokens(&code).into_iter().peekable();
    let mut found = Vec::new();
    // The modules that the scan is in, and how many braces were open before each.
    let mut modules: Vec<(&str, usize)> = Vec::new();
    let mut depth = 0;
    let mut is_test = false;
    let mut is_ignored = false;
    let mut is_elsewhere = false;
    while let Some(token) = tokens.next() {
        let path = |modules: &[(&str, usize)], name: &str| {
            let modules = modules.iter().map(|&(name, _)| name);
            modules.chain([name]).collect::<Vec<_>>().join("::")
        };
        match token {
            "#" if tokens.next_if_eq(&"[").is_some() => {
                let mut open = 1;
                let mut words = Vec::new();
                while open > 0 {
                    let token = tokens.next().expect("the end of an attribute");
                    match token {
                        "[" => open += 1,
                        "]" => open -= 1,
                        _ => {}
                    }
                    words.push(token);
                }
                // `#[test]`, or another attribute of this name, such as `#[tokio::test]`.
                let end = words.iter().position(|word| ["(", "=", "]"].contains(word));
                is_test |= end.is_some_and(|end| words[..end].last() == Some(&"test"));
                is_ignored |= words[0] == "ignore";
                is_elsewhere |= words[0] == "path";
                continue;
            }
            "mod" => {
                let name = tokens.next().expect("the name of a module");
                match tokens.next() {
                    Some("{") => {
                        modules.push((name, depth));
                        depth += 1;
                    }
                    _ if is_elsewhere => {}
                    _ => found.push(Item::File(path(&modules, name))),
                }
            }
            "fn" => {
                // Or else it is a type.
                if let Some(name) = tokens.next_if(|name| name.starts_with(is_word)) {
                    if is_test && !is_ignored {
                        found.push(Item::Test(path(&modules, name)));
                    }
                }
            }
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if modules.last().is_some_and(|&(_, before)| before == depth) {
                    modules.pop();
                }
            }
            ";" => {}
            // Whatever else stands between an attribute and its item.
            _ => continue,
        }
        (is_test, is_ignored, is_elsewhere) = (false, false, false);
    }
    found
}

const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Words, and every other character on its own.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(len);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// The source without comments, and with nothing in its strings and characters.
fn without_text(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_word = code.ends_with(is_word);
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment_len(rest)
        } else if let Some(len) = raw_string_len(rest).filter(|_| !after_word) {
            code.push_str("\"\"");
            len
        } else if first == '"' {
            code.push_str("\"\"");
            1 + quoted_len(&rest[1..], '"')
        } else if let Some(len) = character_len(rest) {
            code.push_str("''");
            len
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[len..];
    }
    code
}

/// The length up to and with the closing quote.
fn quoted_len(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return at + c.len_utf8();
        }
        if c == '\\' {
            let _ = chars.next();
        }
    }
    text.len()
}

/// The length of a comment that may have others in it.
fn comment_len(text: &str) -> usize {
    let mut open = 0;
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            open += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            open -= 1;
            at += 2;
            if open == 0 {
                return at;
            }
        } else {
            match rest.chars().next() {
                Some(c) => at += c.len_utf8(),
                None => return at,
            }
        }
    }
}

/// The length of `r"..."`, `r#"..."#` and the like, with `b` or `c` before or without.
fn raw_string_len(text: &str) -> Option<usize> {
    let begin = text.strip_prefix(['b', 'c']).unwrap_or(text);
    let begin = begin.strip_prefix('r')?;
    let hashes = begin.len() - begin.trim_start_matches('#').len();
    let body = begin[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + len)
}

/// The length of a character literal; a lifetime is none.
fn character_len(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('\'')?;
    let mut chars = rest.chars();
    let first = chars.next()?;
    if first == '\\' {
        Some(1 + quoted_len(rest, '\''))
    } else if chars.next() == Some('\'') {
        Some(first.len_utf8() + 2)
    } else {
        None
    }
}

#[test]
fn tests_are_found() {
    let source = r##"
        mod here { #[test] fn one() { let x = "}"; } mod deeper { #[test] fn two() {} } }
        mod elsewhere;
        /// Not a #[test] fn at_all().
        #[test]
        #[should_panic(expected = "[")]
        pub(crate) fn three<'a>() { let brace = '{'; let quote = '\''; }
        #[expect(clippy::print_stdout)]
        #[test]
        fn four() {}
        #[tokio::test(flavor = "current_thread")]
        async fn five() {}
        proptest! {
            #![proptest_config(ProptestConfig::default())]
            #[test]
            fn six(x in 0..9) { }
        }
    "##;
    let test = |path: &str| Item::Test(path.to_owned());
    assert_eq!(
        items(source),
        [
            test("here::one"),
            test("here::deeper::two"),
            Item::File("elsewhere".to_owned()),
            test("three"),
            test("four"),
            test("five"),
            test("six"),
        ]
    );
}

#[test]
fn what_is_no_test() {
    let sources = [
        "fn helper() {}",
        "#[test] #[ignore] fn later() {}",
        "#[test] #[ignore = \"slow\"] fn later() {}",
        "#[cfg(test)] fn helper() {}",
        "#[path = \"x.rs\"] mod elsewhere;",
        "#[test] const F: fn(u8) = g; fn g(_: u8) {}",
        "// #[test]\nfn commented() {}",
        "/* /* */ #[test] */ fn commented() {}",
        "const TEXT: &str = \"#[test] fn quoted() {}\";",
        "const TEXT: &str = r#\"\"#[test] fn quoted() {}\"#;",
        "const TEXT: &[u8] = br\"#[test] fn quoted() {}\\\";",
    ];
    for source in sources {
        assert_eq!(items(source), [], "{source}");
    }
}
