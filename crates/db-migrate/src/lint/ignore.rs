//! Comments that say what is known and accepted.
//!
//! `-- cairn: ignore = "rule, rule: reason"` is for the statement that it stands before or in;
//! `-- cairn: ignore_file = ".."`, before the first statement, is for the file. Those of squawk's users are understood:
//! `-- squawk-ignore rule, rule -- reason`, `-- squawk-ignore-file rule`.

use super::layout::Layout;
use crate::migration::Script;
use toml::Table;

/// A comment, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignore {
    pub(crate) of: Extent,
    /// Names of rules; none means all.
    pub(crate) rules: Vec<String>,
    pub(crate) reason: Option<String>,
    pub(crate) form: Form,
    /// The line of the file, from 1.
    pub(crate) line: usize,
    /// How long that line is.
    pub(crate) width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    File,
    /// By its index.
    Statement(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Own,
    Squawk,
}

/// A comment that cannot be understood, by its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unclear {
    pub(crate) line: usize,
    pub(crate) why: &'static str,
}

/// The comments of a script.
pub(crate) fn find(script: &Script, layout: &Layout) -> (Vec<Ignore>, Vec<Unclear>) {
    let (mut found, mut unclear) = (Vec::new(), Vec::new());
    if !script.text.contains("ignore") {
        return (found, unclear);
    }
    let ends: Vec<usize> = layout.statements.iter().map(|range| layout.span(range).end_line).collect();
    let first = layout.statements.first().map_or(usize::MAX, |range| layout.span(range).line);
    for (at, text) in script.text.lines().enumerate() {
        let line = script.line + at;
        let next = Extent::Statement(ends.partition_point(|end| *end < line));
        match read(text) {
            Ok(None) => {}
            Ok(Some((Reach::File, ..))) if line > first => {
                unclear.push(Unclear { line, why: "what is for the file stands before its first statement" });
            }
            Ok(Some((reach, form, rules, reason))) => {
                let of = if reach == Reach::File { Extent::File } else { next };
                found.push(Ignore { of, rules, reason, form, line, width: text.chars().count() });
            }
            Err(why) => unclear.push(Unclear { line, why }),
        }
    }
    (found, unclear)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Next,
    File,
}

type Read = (Reach, Form, Vec<String>, Option<String>);

fn read(line: &str) -> Result<Option<Read>, &'static str> {
    let comment = |marker: &str| {
        let at = line.find(marker)?;
        let before = line[..at].trim_end();
        (before.ends_with("--") || before.ends_with("/*"))
            .then(|| line[at + marker.len()..].trim().trim_end_matches("*/").trim())
    };
    if let Some(rest) = comment("cairn:").filter(|rest| rest.starts_with("ignore")) {
        return own(rest).map(Some);
    }
    let Some(rest) = comment("squawk-ignore") else { return Ok(None) };
    let (reach, rest) = match rest.strip_prefix("-file") {
        Some(rest) => (Reach::File, rest),
        None => (Reach::Next, rest),
    };
    if reach == Reach::Next && rest.is_empty() {
        return Err("it names no rule");
    }
    let end = ["--", ":", "("].iter().filter_map(|mark| rest.find(mark)).min().unwrap_or(rest.len());
    let reason =
        rest[end..].trim_matches(|end: char| matches!(end, '-' | ':' | '(' | ')') || end.is_whitespace());
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    Ok(Some((reach, Form::Squawk, names(&rest[..end]), reason)))
}

fn own(text: &str) -> Result<Read, &'static str> {
    const FORM: &str = "write -- cairn: ignore = \"rule: reason\"";
    let table: Table = text.parse().map_err(|_| FORM)?;
    let (key, value) = table.iter().next().ok_or(FORM)?;
    let reach = match key.as_str() {
        "ignore" => Reach::Next,
        "ignore_file" => Reach::File,
        _ => return Err(FORM),
    };
    let value = value.as_str().ok_or(FORM)?;
    let (rules, reason) = value.split_once(':').map_or((value, ""), |(rules, reason)| (rules, reason.trim()));
    let rules = names(rules);
    if rules.is_empty() {
        return Err("it names no rule");
    }
    Ok((reach, Form::Own, rules, (!reason.is_empty()).then(|| reason.to_owned())))
}

fn names(text: &str) -> Vec<String> {
    let names = text.split([',', ' ']).map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Extent, Form, Unclear, find};
    use crate::TransactionMode;
    use crate::lint::layout::Layout;
    use crate::migration::{Body, Script};
    use crate::script::split;

    fn script(sql: &str) -> Script {
        let body = Body::Sql(split(sql, 1).expect("closed"));
        Script { file: "f".into(), line: 1, text: sql.into(), mode: TransactionMode::Auto, body }
    }

    fn check(sql: &str, expected: &[(Extent, &[&str], Option<&str>, Form)]) {
        let script = script(sql);
        let (found, unclear) = find(&script, &Layout::of(&script));
        assert_eq!(unclear, [], "{sql}");
        let found: Vec<_> = found
            .iter()
            .map(|one| {
                (one.of, one.rules.iter().map(String::as_str).collect(), one.reason.as_deref(), one.form)
            })
            .collect();
        let expected: Vec<(_, Vec<&str>, _, _)> =
            expected.iter().map(|one| (one.0, one.1.to_vec(), one.2, one.3)).collect();
        assert_eq!(found, expected, "{sql}");
    }

    #[test]
    fn a_comment_is_for_what_follows_or_surrounds_it() {
        let (next, second) = (Extent::Statement(0), Extent::Statement(1));
        check("-- cairn: ignore = \"a: why\"\nSELECT 1;", &[(next, &["a"], Some("why"), Form::Own)]);
        check("SELECT 1;\n\n-- cairn: ignore = 'a, b'\nSELECT 2;", &[(second, &["a", "b"], None, Form::Own)]);
        check(
            "-- cairn: ignore_file = 'a: why: so'\nSELECT 1;",
            &[(Extent::File, &["a"], Some("why: so"), Form::Own)],
        );
        check("SELECT 1,\n-- squawk-ignore a\n2;", &[(next, &["a"], None, Form::Squawk)]);
        check(
            "SELECT 1; -- squawk-ignore a, b -- why\nSELECT 2;",
            &[(next, &["a", "b"], Some("why"), Form::Squawk)],
        );
        check("/* squawk-ignore a (why) */\nSELECT 2;", &[(next, &["a"], Some("why"), Form::Squawk)]);
        check("-- squawk-ignore-file\nSELECT 2;", &[(Extent::File, &[], None, Form::Squawk)]);
        check("-- nothing to ignore\nSELECT 'cairn: ignore';", &[]);
    }

    #[test]
    fn what_is_not_understood_is_told() {
        let form = "write -- cairn: ignore = \"rule: reason\"";
        for (sql, line, why) in [
            ("-- cairn: ignore a\nSELECT 1", 1, form),
            ("-- cairn: ignore = 1\nSELECT 1", 1, form),
            ("-- cairn: ignore = \": why\"\nSELECT 1", 1, "it names no rule"),
            ("SELECT 1;\n-- squawk-ignore\nSELECT 1", 2, "it names no rule"),
            (
                "SELECT 1;\n-- cairn: ignore_file = 'a: b'",
                2,
                "what is for the file stands before its first statement",
            ),
        ] {
            let script = script(sql);
            assert_eq!(find(&script, &Layout::of(&script)).1, [Unclear { line, why }], "{sql}");
        }
    }
}
