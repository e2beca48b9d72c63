//! Which locks a statement took, told by those that its session has before and after. Pure.

use super::report::{Certainty, Lock};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// A mode of PostgreSQL's locks on tables, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// Of `SELECT`.
    AccessShare,
    /// Of `SELECT .. FOR UPDATE` and its like.
    RowShare,
    /// Of `INSERT`, `UPDATE` and `DELETE`.
    RowExclusive,
    /// Of `CREATE INDEX CONCURRENTLY`, `VACUUM`, `VALIDATE CONSTRAINT`.
    ShareUpdateExclusive,
    /// Of `CREATE INDEX`.
    Share,
    /// Of `CREATE TRIGGER` and foreign keys.
    ShareRowExclusive,
    /// Of `REFRESH MATERIALIZED VIEW CONCURRENTLY`.
    Exclusive,
    /// Of most of `ALTER TABLE`, `DROP TABLE`, `TRUNCATE`.
    AccessExclusive,
}

impl LockMode {
    const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// As `pg_locks` writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessShare => "AccessShareLock",
            Self::RowShare => "RowShareLock",
            Self::RowExclusive => "RowExclusiveLock",
            Self::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            Self::Share => "ShareLock",
            Self::ShareRowExclusive => "ShareRowExclusiveLock",
            Self::Exclusive => "ExclusiveLock",
            Self::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// Who has to wait while it is held, of those that read and write rows.
    #[must_use]
    pub const fn keeps_out(self) -> &'static str {
        match self {
            Self::AccessShare | Self::RowShare | Self::RowExclusive | Self::ShareUpdateExclusive => "nobody",
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => "writers",
            Self::AccessExclusive => "readers and writers",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Number of a relation in the catalogue.
pub(super) type Oid = i64;

/// The locks that a session has.
pub(super) type Held = BTreeSet<(Oid, LockMode)>;

/// A relation that was there before the rehearsal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    /// Qualified, and quoted where SQL needs it.
    pub(super) name: String,
    /// Without its schema and quotes.
    pub(super) bare: String,
    pub(super) is_index: bool,
    /// The file that its rows are in, if it has one.
    pub(super) file: Option<i64>,
    /// An estimate of its rows.
    pub(super) rows: Option<u64>,
}

/// By number.
pub(super) type Existing = BTreeMap<Oid, Relation>;

/// What the session of a rehearsal had when a statement began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Before {
    /// Since the beginning of the transaction that a real run has here: of an earlier one the locks would be gone, while
    /// the rehearsal has them still.
    pub(super) inherited: Held,
    /// Everything.
    pub(super) held: Held,
    /// Relations of which this transaction's statements have been said to take a lock.
    pub(super) told: BTreeSet<Oid>,
}

/// The locks that a statement took, of each relation the strongest.
pub(super) fn taken(before: &Before, after: &Held, existing: &Existing, statement: &str) -> Vec<(Oid, Lock)> {
    let mut found: BTreeMap<Oid, (LockMode, Certainty)> = BTreeMap::new();
    // In the order of modes, so the strongest comes last.
    for (oid, mode) in after.difference(&before.held) {
        found.insert(*oid, (*mode, Certainty::Seen));
    }
    for (oid, mode) in &before.inherited {
        let named = existing.get(oid).is_some_and(|relation| names(statement, &relation.bare));
        let is_told = before.told.contains(oid)
            || found.get(oid).is_some_and(|(_, certainty)| *certainty == Certainty::Seen);
        if named && !is_told {
            found.insert(*oid, (*mode, Certainty::Assumed));
        }
    }
    let lock = |(oid, (mode, certainty)): (Oid, (LockMode, Certainty))| {
        let relation = existing.get(&oid)?;
        // Whoever reads a table reads its indexes.
        let matters = !relation.is_index || mode >= LockMode::ShareUpdateExclusive;
        let relation = relation.name.clone();
        matters.then_some((oid, Lock { relation, mode, held: Duration::ZERO, certainty }))
    };
    found.into_iter().filter_map(lock).collect()
}

/// Whether a statement has this name among its words, quoted or not.
fn names(statement: &str, bare: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    statement.split(|c| !is_part(c)).any(|word| word.eq_ignore_ascii_case(bare))
        || statement.contains(&crate::shape::quoted(bare))
}

#[cfg(test)]
mod tests {
    use super::{Before, Certainty, Existing, Held, LockMode, Relation, taken};
    use LockMode::{AccessExclusive, AccessShare, RowExclusive, Share};
    use std::collections::BTreeSet;

    fn existing() -> Existing {
        let relation = |oid, bare: &str| {
            let relation = Relation {
                name: format!("public.{bare}"),
                bare: bare.to_owned(),
                is_index: bare.ends_with("idx"),
                file: None,
                rows: None,
            };
            (oid, relation)
        };
        [relation(1, "t"), relation(2, "u"), relation(3, "t_idx")].into()
    }

    fn check(
        inherited: &[(i64, LockMode)],
        told: &[i64],
        after: &[(i64, LockMode)],
        statement: &str,
        expected: &[(&str, LockMode, Certainty)],
    ) {
        let inherited: Held = inherited.iter().copied().collect();
        let told: BTreeSet<i64> = told.iter().copied().collect();
        let before = Before { held: inherited.clone(), inherited: inherited.clone(), told };
        let after = after.iter().copied().chain(inherited).collect();
        let found = taken(&before, &after, &existing(), statement);
        let found: Vec<_> =
            found.iter().map(|(_, lock)| (lock.relation.as_str(), lock.mode, lock.certainty)).collect();
        assert_eq!(found, expected, "{statement}");
    }

    #[test]
    fn the_strongest_new_lock_of_each_relation_is_told() {
        let (seen, update) = (Certainty::Seen, "UPDATE t SET a = 1 FROM u");
        check(
            &[],
            &[],
            &[(1, AccessShare), (1, RowExclusive), (2, AccessShare), (3, RowExclusive), (9, AccessExclusive)],
            update,
            &[("public.t", RowExclusive, seen), ("public.u", AccessShare, seen)],
        );
        check(
            &[],
            &[],
            &[(3, AccessExclusive)],
            "DROP INDEX t_idx",
            &[("public.t_idx", AccessExclusive, seen)],
        );
    }

    #[test]
    fn what_an_earlier_migration_left_locked_is_told_again_where_it_is_named() {
        let held = [(1, RowExclusive), (1, AccessExclusive), (2, Share)];
        let again = ("public.t", AccessExclusive, Certainty::Assumed);
        check(&held, &[], &[], "ALTER TABLE T ADD b int", &[again]);
        check(&held, &[], &[], "ALTER TABLE public.\"t\" ADD b int", &[again]);
        check(&held, &[], &[], "ALTER TABLE tt ADD b int", &[]);
        check(&held, &[1], &[], "ALTER TABLE t ADD b int", &[]);
        check(
            &held,
            &[],
            &[(1, AccessShare)],
            "SELECT * FROM t",
            &[("public.t", AccessShare, Certainty::Seen)],
        );
    }

    #[test]
    fn every_mode_is_read_as_it_is_written() {
        for mode in LockMode::ALL {
            assert_eq!(LockMode::parse(mode.as_str()), Some(mode));
        }
        assert!(LockMode::ALL.is_sorted());
    }
}
