//! The document lists the rules that there are.

use super::squawk_table::{Treatment, table};
use super::{Asked, LintRule, Origin, lint_rules};

const DOCUMENT: &str = include_str!("../../../../docs/lint.md");

#[test]
fn the_document_and_the_rules_agree() {
    for (heading, table) in
        [("## Rules", own()), ("## Rules of squawk's", squawk()), ("## What stands for", replaced())]
    {
        assert!(DOCUMENT.contains(heading), "docs/lint.md has no {heading:?}");
        assert!(DOCUMENT.contains(&table), "docs/lint.md wants, after {heading:?}:\n{table}");
    }
}

fn own() -> String {
    let rows = lint_rules().into_iter().filter(|rule| rule.origin == Origin::Own).map(|rule| {
        format!("| `{}` | {} | {} | {} |\n", rule.name, default(&rule), cell(rule.says), cell(rule.instead))
    });
    format!("| Rule | Default | What it says | Instead |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

fn squawk() -> String {
    let rows = lint_rules().into_iter().filter(|rule| rule.origin == Origin::Squawk).map(|rule| {
        format!("| `{}` | {} | {} | {} |\n", rule.name, default(&rule), cell(rule.says), cell(rule.why))
    });
    format!("| Rule | Default | What it says | Why so |\n|---|---|---|---|\n{}", rows.collect::<String>())
}

fn replaced() -> String {
    let rows = table().filter_map(|known| match known.treatment {
        Treatment::Replaced => {
            Some(format!("| `{}` | {}: {} |\n", known.name, cell(known.says), cell(known.why)))
        }
        Treatment::Moot => Some(format!("| `{}` | not asked: {} |\n", known.name, cell(known.why))),
        _ => None,
    });
    format!("| Rule of squawk's | What stands for it |\n|---|---|\n{}", rows.collect::<String>())
}

fn default(rule: &LintRule) -> String {
    match rule.asked {
        Asked::ByDefault => rule.severity.to_string(),
        Asked::OnDemand => format!("off ({})", rule.severity),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
