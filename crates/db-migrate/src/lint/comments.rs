//! What is wrong with the comments that ignore something.

use super::examine::Examiner;
use super::ignore::{self, Extent, Form, Ignore};
use super::registry::{self, LintRule, NO_REASON, UNCLEAR, UNUSED};
use super::{Finding, Severity};
use crate::Migration;
use std::collections::HashSet;

impl Examiner<'_> {
    /// What is wrong with the comments themselves.
    pub(super) fn comments(
        &self,
        migration: &Migration,
        ignores: &[Ignore],
        unclear: &[ignore::Unclear],
        would: &HashSet<(&'static str, usize)>,
    ) -> Vec<Finding> {
        let at = |rule: &LintRule, severity: Severity, line: usize, width: usize, message: String| Finding {
            rule: rule.name,
            severity,
            migration: migration.label().to_owned(),
            file: migration.up.file.clone(),
            span: super::Span { line, column: 1, end_line: line, end_column: width + 1 },
            message,
            help: (!rule.instead.is_empty()).then(|| rule.instead.to_owned()),
            fix: None,
        };
        let mut found: Vec<Finding> = unclear
            .iter()
            .map(|one| {
                at(
                    &UNCLEAR,
                    UNCLEAR.severity,
                    one.line,
                    0,
                    format!("this comment is not understood: {}", one.why),
                )
            })
            .collect();
        for ignore in ignores {
            for rule in ignore.rules.iter().filter(|rule| !registry::is_known(rule)) {
                let message = format!("there is no rule {rule:?}: `db migrate lint --rules` lists them");
                found.push(at(&UNCLEAR, UNCLEAR.severity, ignore.line, ignore.width, message));
            }
            if ignore.reason.is_none() {
                let severity = if ignore.form == Form::Own { NO_REASON.severity } else { Severity::Hint };
                let message = "nobody says why this is ignored".to_owned();
                found.push(at(&NO_REASON, severity, ignore.line, ignore.width, message));
            }
            if self.is_unused(ignore, would) {
                let message = format!("there is nothing to ignore for {}", ignore.rules.join(", "));
                found.push(at(&UNUSED, UNUSED.severity, ignore.line, ignore.width, message));
            }
        }
        found.retain(|finding| {
            let rule = [&NO_REASON, &UNUSED, &UNCLEAR].into_iter().find(|rule| rule.name == finding.rule);
            rule.is_some_and(|rule| self.options.asks(rule.name, rule.asked))
        });
        found
    }

    /// A rule that is not asked may well have something to say.
    fn is_unused(&self, ignore: &Ignore, would: &HashSet<(&'static str, usize)>) -> bool {
        let here = |at: usize| ignore.of == Extent::File || ignore.of == Extent::Statement(at);
        let meant = |name: &str, stands_for: &[&str]| {
            ignore.rules.iter().any(|rule| rule == name || stands_for.contains(&rule.as_str()))
        };
        let own = self.rules.iter().filter(|rule| meant(rule.name, rule.stands_for)).map(|rule| rule.name);
        let asked: Vec<&str> = own
            .chain(self.squawk.iter().filter(|known| meant(known.name, &[])).map(|known| known.name))
            .collect();
        !asked.is_empty() && !would.iter().any(|(rule, at)| here(*at) && asked.contains(rule))
    }
}
