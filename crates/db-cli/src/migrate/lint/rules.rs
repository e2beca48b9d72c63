//! The list of rules.

use super::args::Output;
use crate::output;
use db_migrate::lint::{Asked, lint_rules};
use serde_json::{Value, json};
use std::fmt::Write;

pub(super) fn print(output: Output) {
    let rules = lint_rules();
    if output != Output::Text {
        let rules: Vec<Value> = rules
            .iter()
            .map(|rule| {
                json!({
                    "rule": rule.name,
                    "severity": rule.severity.as_str(),
                    "by_default": rule.asked == Asked::ByDefault,
                    "says": rule.says,
                    "instead": rule.instead,
                    "why": rule.why,
                    "stands_for": rule.stands_for,
                })
            })
            .collect();
        return output::print_text(&json!({ "rules": rules }).to_string());
    }
    let mut text = String::new();
    for rule in &rules {
        let asked = if rule.asked == Asked::ByDefault { rule.severity.as_str() } else { "off" };
        let _ = writeln!(text, "{:42} {asked:8} {}", rule.name, rule.says);
    }
    output::print_text(&text);
}
