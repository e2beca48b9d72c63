//! What becomes of each rule of squawk's, and why.

mod asked;
mod demand;
mod instead;

use super::Severity;
use squawk_linter::Rule;

/// A rule of squawk's.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) rule: Rule,
    pub(crate) name: &'static str,
    pub(crate) treatment: Treatment,
    /// What it is about; of one that is not asked here, what stands for it.
    pub(crate) says: &'static str,
    /// Why it is treated so.
    pub(crate) why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    On(Severity),
    /// Where the size of the statement's table matters.
    Sized(Severity),
    /// Only on demand.
    Off(Severity),
    /// A rule of ours says it, and knows more.
    Replaced,
    /// The engine sees to it.
    Moot,
}

const fn known(
    rule: Rule,
    name: &'static str,
    treatment: Treatment,
    says: &'static str,
    why: &'static str,
) -> Known {
    Known { rule, name, treatment, says, why }
}

/// All rules of squawk 2.68.
pub(crate) fn table() -> impl Iterator<Item = &'static Known> {
    [asked::ASKED, instead::INSTEAD, demand::DEMAND].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::{Treatment, table};
    use squawk_linter::Rule;

    #[test]
    fn every_rule_of_squawks_is_judged_once() {
        for known in table() {
            // It has no name that squawk would read: comments are what it is about.
            if known.rule != Rule::UnusedIgnore {
                assert_eq!(Rule::try_from(known.name), Ok(known.rule), "{}", known.name);
            }
            assert_eq!(table().filter(|other| other.rule == known.rule).count(), 1, "{}", known.name);
            let is_said = known.says.is_empty() == (known.treatment == Treatment::Moot);
            assert!(is_said && !known.why.is_empty(), "{}", known.name);
        }
        // With a new version of squawk's, look what it has added.
        assert_eq!(table().count(), 78);
    }
}
