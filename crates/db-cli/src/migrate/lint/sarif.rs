//! Findings as SARIF 2.1.0 (OASIS, 2020), which code scanning reads.

use super::Shown;
use db_migrate::lint::{Asked, Finding, Fix, LintRule, Severity, Span, lint_rules};
use serde_json::{Value, json};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What the locks stop that our rules are about; docs/lint.md, which says more, is at no address of its own.
const LOCKS: &str = "https://www.postgresql.org/docs/current/explicit-locking.html";
const SQUAWK: &str = "https://squawkhq.com/docs/";

pub(super) fn render(shown: &Shown) -> String {
    let rules = lint_rules();
    let results: Vec<Value> = shown.report.findings().map(|finding| result(shown, finding, &rules)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "db migrate lint",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(rule).collect::<Vec<_>>(),
            } },
            // Ours count characters.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
    .to_string()
}

fn rule(rule: &LintRule) -> Value {
    let uri = match rule.origin {
        db_migrate::lint::Origin::Own => LOCKS.to_owned(),
        db_migrate::lint::Origin::Squawk => format!("{SQUAWK}{}", rule.name),
    };
    let mut object = json!({
        "id": rule.name,
        "shortDescription": { "text": rule.says },
        "helpUri": uri,
        "defaultConfiguration": { "level": level(rule.severity), "enabled": rule.asked == Asked::ByDefault },
    });
    if !rule.instead.is_empty() {
        object["help"] = json!({ "text": format!("instead: {}", rule.instead) });
    }
    object
}

fn result(shown: &Shown, finding: &Finding, rules: &[LintRule]) -> Value {
    let uri = uri(shown.path(&finding.file));
    let text = match &finding.help {
        Some(help) => format!("{}\n\nInstead: {help}", finding.message),
        None => finding.message.clone(),
    };
    let mut object = json!({
        "ruleId": finding.rule,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": region(finding.span) } }],
    });
    if let Some(index) = rules.iter().position(|rule| rule.name == finding.rule) {
        object["ruleIndex"] = json!(index);
    }
    if let Some(fix) = &finding.fix {
        object["fixes"] = json!([fixed(fix, &uri)]);
    }
    object
}

fn fixed(fix: &Fix, uri: &str) -> Value {
    let replacements = fix
        .edits
        .iter()
        .map(|edit| json!({ "deletedRegion": region(edit.span), "insertedContent": { "text": edit.text } }));
    json!({
        "description": { "text": fix.title },
        "artifactChanges": [{ "artifactLocation": { "uri": uri }, "replacements": replacements.collect::<Vec<_>>() }],
    })
}

fn region(span: Span) -> Value {
    json!({
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "note",
    }
}

/// A relative reference of RFC 3986: what is no letter, digit or mark is written by its bytes.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn a_path_is_a_reference() {
        assert_eq!(uri("db/0001_a/up.sql"), "db/0001_a/up.sql");
        assert_eq!(uri("my db/a#ü.sql"), "my%20db/a%23%C3%BC.sql");
    }
}
