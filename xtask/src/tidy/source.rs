//! Rules about Rust files: they open with what they are for, leave nothing unfinished, and stay small.

use crate::check::Report;

/// Files of more lines are reported.
const LONG: usize = 400;
/// Files of more lines are refused.
const TOO_LONG: usize = 800;

/// Macros that do not land, and why. The names are cut in two so that this file may hold them.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("todo", "!("), "it panics where a reader expects a feature"),
    (concat!("unimplemented", "!("), "it panics where a reader expects a feature"),
    (concat!("dbg", "!("), "it prints for its author alone"),
];

/// The one file whose business is waiting.
const WAITS: &str = "crates/db-testkit/src/time.rs";

/// Looks at one file.
pub(crate) fn check(path: &str, text: &str, report: &mut Report) {
    let lines: Vec<&str> = text.lines().collect();
    let found = &mut report.findings;
    if !lines.first().is_some_and(|line| line.starts_with("//! ")) {
        found.push(format!("{path}:1: the first line is `//! ` and says what the file is for"));
    }
    let mut testing = path.starts_with("tests/") || path.contains("/tests/");
    for (index, line) in lines.iter().enumerate() {
        let number = index + 1;
        let code = code(line);
        testing |= code.trim() == "#[cfg(test)]";
        for (word, why) in UNFINISHED {
            if code.contains(word) {
                found.push(format!("{path}:{number}: `{word}`: {why}"));
            }
        }
        if code.trim_start().starts_with("#[ignore") {
            found.push(format!(
                "{path}:{number}: `#[ignore]`: a test that never runs tells nothing; a missing server is a failure"
            ));
        }
        if testing && path != WAITS && sleeps(code) && !polls(&lines, index) {
            found.push(format!(
                "{path}:{number}: a test waits for a state, not for a time: db_testkit::eventually, or a paused clock"
            ));
        }
    }
    match lines.len() {
        count if count > TOO_LONG => {
            found.push(format!("{path}: {count} lines, more than {TOO_LONG}: split it, one noun a file"));
        }
        count if count > LONG => report.notes.push(format!("{path}: {count} lines, more than {LONG}")),
        _ => {}
    }
}

/// The line without its comment; a `//` in a string cuts too much, which finds too little and never too much.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn sleeps(code: &str) -> bool {
    code.match_indices("sleep(").any(|(at, _)| !code[..at].ends_with(['"', '_']))
}

/// Whether the block around this line is a loop, which asks again and again. The formatter's indentation tells.
fn polls(lines: &[&str], index: usize) -> bool {
    let depth = |line: &str| line.len() - line.trim_start().len();
    let here = depth(lines[index]);
    let outer = lines[..index]
        .iter()
        .rev()
        .find(|line| !line.trim().is_empty() && depth(line) < here)
        .map(|line| line.trim());
    outer.is_some_and(|line| {
        line.starts_with("while ") || line.starts_with("loop ") || line.starts_with("for ")
    })
}

#[cfg(test)]
mod tests {
    use super::{LONG, TOO_LONG, check};
    use crate::check::Report;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let mut report = Report::default();
        check(path, text, &mut report);
        report.findings
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert!(findings("a.rs", "//! Reads.\nfn a() {}").is_empty());
        for text in ["", "fn a() {}", "//!", "// Reads.", "\n//! Reads."] {
            assert_eq!(findings("a.rs", text).len(), 1, "{text:?}");
        }
    }

    #[test]
    fn nothing_unfinished_lands() {
        let with = |line: &str| format!("//! Reads.\n{line}\n");
        for line in [
            concat!("    todo", "!()"),
            concat!("unimplemented", "!(\"later\")"),
            concat!("let a = dbg", "!(b);"),
            "#[ignore]",
            "    #[ignore = \"slow\"]",
        ] {
            assert_eq!(findings("a.rs", &with(line)).len(), 1, "{line}");
        }
        for line in [concat!("// todo", "!() was here"), "let todo = list.ignore(1);", "say(\"#[ignore]\");"]
        {
            assert!(findings("a.rs", &with(line)).is_empty(), "{line}");
        }
    }

    #[test]
    fn tests_do_not_sleep() {
        // Cut in two, as this is a test too.
        let nap = concat!("thread::sle", "ep(TIME);");
        let once = format!("//! Tests.\nfn a() {{\n    {nap}\n}}\n");
        assert_eq!(findings("crates/a/tests/it/b.rs", &once).len(), 1);
        assert_eq!(findings("tests/tests/b.rs", &once).len(), 1);
        assert!(findings("crates/a/src/b.rs", &once).is_empty());
        let unit = format!("{once}#[cfg(test)]\nmod tests {{\n    {nap}\n}}\n");
        assert_eq!(findings("crates/a/src/b.rs", &unit).len(), 1);
        let poll =
            format!("//! Tests.\nfn a() {{\n    while !b() {{\n        c();\n\n        {nap}\n    }}\n}}\n");
        assert!(findings("tests/tests/b.rs", &poll).is_empty());
        let sql = "//! Tests.\nconst SLOW: &str = \"SELECT pg_sleep(9)\";\n";
        assert!(findings("tests/tests/b.rs", sql).is_empty());
    }

    #[test]
    fn a_file_stays_small() {
        let lines = |count: usize| "//! Reads.\n".repeat(count);
        let mut report = Report::default();
        check("a.rs", &lines(LONG), &mut report);
        assert_eq!(report, Report::default());
        check("a.rs", &lines(LONG + 1), &mut report);
        assert_eq!((report.findings.len(), report.notes.len()), (0, 1));
        check("a.rs", &lines(TOO_LONG + 1), &mut report);
        assert_eq!((report.findings.len(), report.notes.len()), (1, 1));
    }
}
