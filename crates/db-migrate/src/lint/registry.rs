//! The list of all rules, for those who choose among them and those who read about them.

use super::rules::RULES;
use super::squawk_table::{Treatment, table};
use super::{Asked, Severity};

/// A rule, as it is told about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LintRule {
    /// Its name, as it is ignored and switched.
    pub name: &'static str,
    /// How bad it is at its worst; less for a smaller table.
    pub severity: Severity,
    /// Whether it is asked unless somebody says so.
    pub asked: Asked,
    /// What it is about.
    pub says: &'static str,
    /// What to do instead; empty where the rule is squawk's, whose findings say it.
    pub instead: &'static str,
    /// The rules of squawk's that it stands for.
    pub stands_for: &'static [&'static str],
    /// Whose it is.
    pub origin: Origin,
    /// Why one of squawk's is asked by default or is not; empty for ours.
    pub why: &'static str,
}

/// Whose a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Ours, which reads the catalogue.
    Own,
    /// Squawk's.
    Squawk,
}

const fn notice(
    name: &'static str,
    severity: Severity,
    asked: Asked,
    says: &'static str,
    instead: &'static str,
) -> LintRule {
    LintRule { name, severity, asked, says, instead, stands_for: &[], origin: Origin::Own, why: "" }
}

pub(crate) const RISK: LintRule = notice(
    "risk-understated",
    Severity::Warning,
    Asked::ByDefault,
    "the findings amount to a higher risk than meta.toml declares",
    "the risk as it is, or less of it",
);
pub(crate) const NO_DOWN: LintRule = notice(
    "missing-down",
    Severity::Hint,
    Asked::OnDemand,
    "there is no way back",
    "a down script, however rough",
);
pub(crate) const LOSSY_DOWN: LintRule = notice(
    "down-loses-data",
    Severity::Hint,
    Asked::OnDemand,
    "the way back drops tables or columns",
    "a backup before going back",
);
pub(crate) const NOT_PARSED: LintRule = notice(
    "not-parsed",
    Severity::Hint,
    Asked::ByDefault,
    "the linter does not understand the statement; PostgreSQL may",
    "nothing, where the statement is right",
);
pub(crate) const NO_REASON: LintRule = notice(
    "ignore-without-reason",
    Severity::Warning,
    Asked::ByDefault,
    "something is ignored and nobody says why; a hint where the comment is in squawk's form",
    "-- cairn: ignore = \"rule: reason\"",
);
pub(crate) const UNUSED: LintRule = notice(
    "unused-ignore",
    Severity::Hint,
    Asked::ByDefault,
    "a comment ignores what is not there, however big the tables are",
    "no comment",
);
pub(crate) const UNCLEAR: LintRule = notice(
    "unclear-ignore",
    Severity::Warning,
    Asked::ByDefault,
    "a comment that is meant to ignore something cannot be understood, or names a rule that there is not",
    "-- cairn: ignore = \"rule: reason\"",
);

/// All rules that can be asked: ours, and those of squawk's that ours do not stand for.
#[must_use]
pub fn lint_rules() -> Vec<LintRule> {
    let own = RULES.iter().map(|rule| LintRule {
        name: rule.name,
        severity: rule.severity,
        asked: rule.asked,
        says: rule.says,
        instead: rule.instead,
        stands_for: rule.stands_for,
        origin: Origin::Own,
        why: "",
    });
    let notices = [RISK, NO_DOWN, LOSSY_DOWN, NOT_PARSED, NO_REASON, UNUSED, UNCLEAR];
    let squawk = table().filter_map(|known| {
        let (severity, asked) = match known.treatment {
            Treatment::On(severity) | Treatment::Sized(severity) => (severity, Asked::ByDefault),
            Treatment::Off(severity) => (severity, Asked::OnDemand),
            Treatment::Replaced | Treatment::Moot => return None,
        };
        let (name, says, why) = (known.name, known.says, known.why);
        Some(LintRule {
            name,
            severity,
            asked,
            says,
            instead: "",
            stands_for: &[],
            origin: Origin::Squawk,
            why,
        })
    });
    own.chain(notices).chain(squawk).collect()
}

/// Whether a name is that of a rule, of ours or of any of squawk's.
pub(crate) fn is_known(name: &str) -> bool {
    table().any(|known| known.name == name)
        || name == "prefer-timestamptz"
        || lint_rules().iter().any(|rule| rule.name == name)
}
