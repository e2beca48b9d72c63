//! What the deployer asks of a plan.

use super::Problem;
use crate::Migration;
use std::collections::BTreeSet;

/// What a run may apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// What happens with a migration that is older than what was applied last.
    pub out_of_order: OutOfOrder,
    /// The environment; migrations of others are left out, and so are those of any where this is `None`.
    pub environment: Option<String>,
    /// Only migrations that have one of these tags; all where it is empty.
    pub tags: BTreeSet<String>,
    /// The last migration to apply, by version or label.
    pub to: Option<String>,
    /// How many at most.
    pub count: Option<usize>,
}

/// What happens with a migration that is older than what was applied last: two branches were merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutOfOrder {
    /// Nothing is applied.
    #[default]
    Refuse,
    /// It is applied, and said.
    Warn,
    /// It is applied.
    Apply,
}

impl Rules {
    /// Whether a migration is of this environment and has one of the tags.
    pub(super) fn select(&self, file: &Migration) -> bool {
        let about = &file.about;
        let here = about.environments.is_empty()
            || self.environment.as_ref().is_some_and(|name| about.environments.contains(name));
        here && (self.tags.is_empty() || !self.tags.is_disjoint(&about.tags))
    }

    /// Tags that no migration has: a misspelt one would apply nothing and look like success. An environment that none has
    /// may well be one for which nothing is special.
    pub(super) fn unknown_words(&self, files: &[Migration]) -> Vec<Problem> {
        let tags: BTreeSet<&String> = files.iter().flat_map(|file| &file.about.tags).collect();
        let unknown = self.tags.iter().filter(|tag| !tags.contains(tag));
        unknown
            .map(|tag| Problem::UnknownTag {
                tag: tag.clone(),
                known: tags.iter().map(|tag| (*tag).clone()).collect(),
            })
            .collect()
    }
}
