//! The rules of our own: one file each, and a list of them all.

mod check_scans;
mod column_type;
mod concurrent_company;
mod concurrent_over_invalid;
mod default_rewrites;
mod dependents;
mod drop_column;
mod drop_many;
mod drop_table;
mod duplicate_index;
mod enum_rename;
mod enum_value;
mod existence;
mod foreign_key_index;
mod foreign_key_scans;
mod index_constraint;
mod index_locks;
mod lock_held;
mod lock_table;
mod many_locks;
mod not_null;
pub(crate) mod opaque;
mod refresh;
mod reindex;
mod rename_column;
mod rename_table;
mod repack;
mod required_column;
mod truncate;
mod unbatched;
mod validate;

use super::Severity;
use super::site::{Found, Site};

/// A rule of our own.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    /// How bad it is at its worst.
    pub(crate) severity: Severity,
    pub(crate) asked: Asked,
    /// What it is about, in one line.
    pub(crate) says: &'static str,
    /// What to do instead, in one line.
    pub(crate) instead: &'static str,
    /// The rules of squawk's that it stands for; ignoring one of them ignores it.
    pub(crate) stands_for: &'static [&'static str],
    pub(crate) check: fn(&Site<'_>) -> Option<Found>,
}

/// Whether a rule is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Unless it is switched off.
    ByDefault,
    /// Only when it is wanted.
    OnDemand,
}

/// All of them, those that fail first.
pub(crate) const RULES: &[&Rule] = &[
    &existence::MISSING,
    &existence::EXISTS,
    &dependents::RULE,
    &required_column::RULE,
    &enum_value::RULE,
    &concurrent_over_invalid::RULE,
    &drop_table::RULE,
    &drop_column::RULE,
    &drop_many::RULE,
    &truncate::RULE,
    &index_locks::RULE,
    &index_constraint::RULE,
    &foreign_key_scans::RULE,
    &foreign_key_index::RULE,
    &check_scans::RULE,
    &not_null::RULE,
    &validate::RULE,
    &column_type::RULE,
    &default_rewrites::RULE,
    &repack::RULE,
    &reindex::RULE,
    &refresh::RULE,
    &unbatched::RULE,
    &lock_held::RULE,
    &lock_table::RULE,
    &many_locks::RULE,
    &rename_table::RULE,
    &rename_column::RULE,
    &enum_rename::RULE,
    &concurrent_company::RULE,
    &opaque::RULE,
    &duplicate_index::RULE,
];
