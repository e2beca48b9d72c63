//! Findings for people: where, what, the line with a mark under it, and what to do.

use super::{Shown, counts};
use db_migrate::lint::{Finding, Linted};
use std::fmt::Write;

/// Longer lines are cut around the mark.
const WIDTH: usize = 110;

pub(super) fn render(shown: &Shown) -> String {
    let mut text = String::new();
    for finding in shown.report.findings() {
        one(&mut text, shown, finding);
    }
    for migration in &shown.report.migrations {
        if migration.findings.is_empty() && migration.ignored == 0 {
            continue;
        }
        let _ = writeln!(text, "{}: {}", migration.label, risk(migration));
    }
    let linted = super::super::render::count(shown.report.migrations.len());
    let found: Vec<String> = counts(&shown.report)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}{}", if count == 1 { "" } else { "s" }))
        .collect();
    let found = if found.is_empty() { "nothing to complain of".to_owned() } else { found.join(", ") };
    let _ = writeln!(text, "{linted} linted: {found}");
    text
}

fn one(text: &mut String, shown: &Shown, finding: &Finding) {
    let (path, span) = (shown.path(&finding.file), finding.span);
    let _ = writeln!(
        text,
        "{path}:{}:{}: {} [{}] {}",
        span.line, span.column, finding.severity, finding.rule, finding.message
    );
    if let Some(line) = shown.line(&finding.file, span.line) {
        let end = if span.end_line == span.line { span.end_column } else { usize::MAX };
        let (line, before, length) = cut(line, span.column, end);
        let number = span.line.to_string();
        let _ = writeln!(text, "  {number} | {line}");
        let _ =
            writeln!(text, "  {} | {}{}", " ".repeat(number.len()), " ".repeat(before), "^".repeat(length));
    }
    if let Some(help) = &finding.help {
        let _ = writeln!(text, "  help: {help}");
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(text, "  fix: {}", fix.title);
    }
    text.push('\n');
}

/// The part of a line that is shown, the blanks before the mark, and how long the mark is.
fn cut(line: &str, column: usize, end_column: usize) -> (String, usize, usize) {
    let characters: Vec<char> =
        line.trim_end().chars().map(|one| if one == '\t' { ' ' } else { one }).collect();
    let start = (column - 1).min(characters.len());
    let end = end_column.saturating_sub(1).clamp(start, characters.len());
    let from = if end <= WIDTH { 0 } else { start.min(characters.len().saturating_sub(WIDTH)) };
    let to = characters.len().min(from + WIDTH);
    let length = end.min(to).saturating_sub(start).max(1);
    (characters[from..to].iter().collect(), start - from, length)
}

fn risk(migration: &Linted) -> String {
    let declared = match migration.declared {
        Some(declared) if declared != migration.risk => format!(", declared {declared}"),
        _ => String::new(),
    };
    let ignored = match migration.ignored {
        0 => String::new(),
        1 => ", 1 finding ignored".to_owned(),
        many => format!(", {many} findings ignored"),
    };
    format!("risk {}{declared}{ignored}", migration.risk)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        assert_eq!(cut("DROP TABLE t;", 1, 13), ("DROP TABLE t;".into(), 0, 12));
        assert_eq!(cut("\tDROP", 2, usize::MAX), (" DROP".into(), 1, 4));
        assert_eq!(cut("", 1, 1), (String::new(), 0, 1));
        let long = format!("{}x", "-".repeat(300));
        let (line, before, length) = cut(&long, 301, 302);
        assert_eq!((line.len(), before, length), (110, 109, 1));
    }
}
