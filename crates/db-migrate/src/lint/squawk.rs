//! Asks squawk what it has to say, and takes of it what matters here.

use super::squawk_table::{Known, Treatment, table};
use super::{Asked, Edit, Fix, LintOptions, Severity};
use crate::lint::layout::Layout;
use squawk_linter::{Linter, Version, Violation};
use squawk_syntax::{Parse, SourceFile};
use std::ops::Range;

/// A finding of squawk's.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) rule: &'static Known,
    pub(crate) severity: Severity,
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    pub(crate) fix: Option<Fix>,
}

/// The rules of squawk's that are asked.
pub(crate) fn asked(options: &LintOptions) -> Vec<&'static Known> {
    table()
        .filter(|known| match known.treatment {
            Treatment::On(_) | Treatment::Sized(_) => options.asks(known.name, Asked::ByDefault),
            Treatment::Off(_) => options.asks(known.name, Asked::OnDemand),
            Treatment::Replaced | Treatment::Moot => false,
        })
        .collect()
}

/// What they say of a script, in the order of its text.
pub(crate) fn ask(
    rules: &[&'static Known],
    version: u32,
    transaction: InTransaction,
    parsed: &Parse<SourceFile>,
    layout: &Layout,
) -> Vec<Said> {
    if rules.is_empty() {
        return Vec::new();
    }
    // It keeps what it found, so that there is one for each file.
    let mut linter = Linter::from(rules.iter().map(|known| known.rule));
    linter.settings.assume_in_transaction = transaction == InTransaction::Yes;
    if let Ok(version) = version.to_string().parse::<Version>() {
        linter.settings.pg_version = version;
    }
    let violations = linter.lint(parsed, &layout.text);
    violations.into_iter().filter_map(|violation| said(rules, violation, layout)).collect()
}

/// Whether the script runs in one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InTransaction {
    Yes,
    No,
}

fn said(rules: &[&'static Known], violation: Violation, layout: &Layout) -> Option<Said> {
    let rule = rules.iter().find(|known| known.rule == violation.code)?;
    let severity = match rule.treatment {
        Treatment::On(severity) | Treatment::Sized(severity) | Treatment::Off(severity) => severity,
        Treatment::Replaced | Treatment::Moot => return None,
    };
    let edit = |edit: &squawk_linter::Edit| Edit {
        span: layout.span(&edit.text_range.into()),
        text: edit.text.clone().unwrap_or_default(),
    };
    let fix = violation.fix.map(|fix| Fix { edits: fix.edits.iter().map(edit).collect(), title: fix.title });
    Some(Said {
        rule,
        severity,
        at: violation.text_range.into(),
        message: plain(&violation.message),
        help: violation.help.as_deref().map(plain),
        fix,
    })
}

/// As our messages are: one line, without a full stop.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_end_matches('.').to_owned()
}
