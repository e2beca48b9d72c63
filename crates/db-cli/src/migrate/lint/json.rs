//! Findings as one JSON object.

use super::{Shown, counts};
use db_migrate::lint::{Finding, Fix, LintReport, Severity, Sizes, Span};
use serde_json::{Value, json};

pub(super) fn render(shown: &Shown, fail_on: Severity) -> String {
    let report = &shown.report;
    let migrations: Vec<Value> = report
        .migrations
        .iter()
        .map(|migration| {
            json!({
                "migration": migration.label,
                "file": shown.path(&migration.file),
                "risk": migration.risk.as_str(),
                "declared_risk": migration.declared.map(|risk| risk.as_str()),
                "ignored": migration.ignored,
                "findings": migration.findings.iter().map(|one| finding(shown, one)).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "safe": is_safe(report, fail_on),
        "sizes_known": report.sizes == Sizes::Known,
        "counts": counts(report).into_iter().map(|(severity, count)| (severity.as_str().to_owned(), json!(count)))
            .collect::<serde_json::Map<_, _>>(),
        "migrations": migrations,
    })
    .to_string()
}

fn is_safe(report: &LintReport, fail_on: Severity) -> bool {
    report.worst().is_none_or(|worst| worst < fail_on)
}

fn finding(shown: &Shown, finding: &Finding) -> Value {
    json!({
        "rule": finding.rule,
        "severity": finding.severity.as_str(),
        "file": shown.path(&finding.file),
        "span": span(finding.span),
        "message": finding.message,
        "help": finding.help,
        "fix": finding.fix.as_ref().map(fix),
    })
}

fn span(span: Span) -> Value {
    json!({ "line": span.line, "column": span.column, "end_line": span.end_line, "end_column": span.end_column })
}

fn fix(fix: &Fix) -> Value {
    let edits = fix.edits.iter().map(|edit| json!({ "span": span(edit.span), "text": edit.text }));
    json!({ "title": fix.title, "edits": edits.collect::<Vec<_>>() })
}
