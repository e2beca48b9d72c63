//! Findings as annotations of GitHub Actions: its documentation, "Workflow commands for GitHub Actions".

use super::Shown;
use db_migrate::lint::{Finding, Severity};

pub(super) fn render(shown: &Shown) -> String {
    shown
        .report
        .findings()
        .map(|finding| format!("{}\n", command(shown.path(&finding.file), finding)))
        .collect()
}

fn command(path: &str, finding: &Finding) -> String {
    let name = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "notice",
    };
    let span = finding.span;
    // Columns are for one line; over several, GitHub marks the lines.
    let columns = match span.end_line == span.line {
        true => format!(",col={},endColumn={}", span.column, span.end_column),
        false => format!(",col={}", span.column),
    };
    let help = finding.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    format!(
        "::{name} file={},line={},endLine={}{columns},title={}::{}",
        property(path),
        span.line,
        span.end_line,
        property(finding.rule),
        data(&format!("{}{help}", finding.message))
    )
}

/// As the toolkit's `escapeData` does it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As the toolkit's `escapeProperty` does it.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::command;
    use db_migrate::lint::{Finding, Severity, Span};

    #[test]
    fn what_would_end_the_command_is_escaped() {
        let finding = Finding {
            rule: "drop-table",
            severity: Severity::Hint,
            migration: "0001_a".into(),
            file: "0001_a/up.sql".into(),
            span: Span { line: 3, column: 1, end_line: 3, end_column: 9 },
            message: "100 %: gone,\r\nall of it".into(),
            help: Some("keep it".into()),
            fix: None,
        };
        assert_eq!(
            command("a,b:c/up.sql", &finding),
            "::notice file=a%2Cb%3Ac/up.sql,line=3,endLine=3,col=1,endColumn=9,title=drop-table::100 %25: gone,%0D%0Aall of \
             it%0Ahelp: keep it"
        );
    }
}
