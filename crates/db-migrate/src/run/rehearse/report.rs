//! What a rehearsal tells.

use super::locks::LockMode;
use crate::run::Blocker;
use crate::{Error, MigrationId, Problem};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a rehearsal did, and what the real run would cost; nothing of it was kept.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rehearsal {
    /// Where it ran.
    pub place: Place,
    /// Why on a copy, where that was not asked for.
    pub because: Option<String>,
    /// What ran, in order; the last one in part where it failed.
    pub migrations: Vec<Rehearsed>,
    /// What the rules let pass.
    pub warnings: Vec<Problem>,
    /// How long other deployments kept it waiting.
    pub waited: Duration,
    /// How often it began: once, and once more for each time that it did not get a lock.
    pub attempts: u32,
    /// Who was in the way, each once, as last seen.
    pub blockers: Vec<Blocker>,
    /// What stopped it, as it would stop the real run.
    pub failed: Option<Error>,
}

/// Where a rehearsal ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the database itself, in one transaction that was rolled back.
    Here,
    /// On a scratch copy, which is gone.
    Copy(Rows),
}

/// What a copy held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Everything.
    Copied,
    /// The schema and the history: durations and rows are those of empty tables, and what fails because of rows does
    /// not fail there.
    None,
}

/// A migration that was rehearsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsed {
    /// Its version.
    pub id: MigrationId,
    /// Its folder or file.
    pub label: String,
    /// How long it took, without the questions asked between its statements.
    pub execution: Duration,
    /// What its statements did, in order.
    pub statements: Vec<StatementCost>,
}

/// What a statement did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatementCost {
    /// Its file.
    pub file: String,
    /// Its first line there, from 1.
    pub line: usize,
    /// Which of the file it is, from 1.
    pub number: usize,
    /// Its first words.
    pub summary: String,
    /// How long it took, the wait for its locks included.
    pub execution: Duration,
    /// Rows that it touched, as the server counts them; `None` for a migration in Rust.
    pub rows: Option<u64>,
    /// Bytes that the whole server wrote to its log meanwhile: others' are among them.
    pub wal_bytes: u64,
    /// Locks that it took on relations that were there before the rehearsal, of each relation the strongest.
    pub locks: Vec<Lock>,
    /// Tables that it wrote anew.
    pub rewritten: Vec<Rewritten>,
}

/// A lock that a statement took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The relation, qualified, and quoted where SQL needs it.
    pub relation: String,
    /// Its mode.
    pub mode: LockMode,
    /// From the beginning of the statement to the end of the transaction that it has in a real run.
    pub held: Duration,
    /// Whether it was seen.
    pub certainty: Certainty,
}

/// How a lock is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It was among the session's locks after the statement, and not before.
    Seen,
    /// The rehearsal held it already, from an earlier migration, and the statement names the table; or the statement
    /// runs by itself, and lets go of its locks before they can be seen.
    Assumed,
}

/// A table that was written anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The table.
    pub relation: String,
    /// The server's estimate of its rows before; `None` for a table that was never analysed.
    pub rows: Option<u64>,
}

/// For how long the strongest lock on a table would be held, all in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableLock {
    /// The table.
    pub relation: String,
    /// The strongest mode.
    pub mode: LockMode,
    /// The sum over all migrations.
    pub held: Duration,
}

impl Rehearsal {
    /// For each relation the strongest lock, the worst first.
    #[must_use]
    pub fn strongest(&self) -> Vec<TableLock> {
        let mut found: BTreeMap<&str, TableLock> = BTreeMap::new();
        for migration in &self.migrations {
            let locks = migration.statements.iter().flat_map(|statement| &statement.locks);
            for lock in locks {
                let new = TableLock { relation: lock.relation.clone(), mode: lock.mode, held: lock.held };
                found
                    .entry(&lock.relation)
                    .and_modify(|known| {
                        // Within a migration a mode is listed once for each of its transactions.
                        if known.mode == lock.mode {
                            known.held += lock.held;
                        } else if known.mode < lock.mode {
                            *known = new.clone();
                        }
                    })
                    .or_insert(new);
            }
        }
        let mut locks: Vec<TableLock> = found.into_values().collect();
        locks.sort_by_key(|lock| Reverse((lock.mode, lock.held)));
        locks
    }
}

#[cfg(test)]
mod tests {
    use super::{Certainty, Lock, LockMode, Place, Rehearsal, Rehearsed, StatementCost};
    use crate::MigrationId;
    use std::time::Duration;

    fn migration(locks: &[(&str, LockMode, u64)]) -> Rehearsed {
        let lock = |(relation, mode, millis): &(&str, LockMode, u64)| Lock {
            relation: (*relation).to_owned(),
            mode: *mode,
            held: Duration::from_millis(*millis),
            certainty: Certainty::Seen,
        };
        let statement = StatementCost {
            file: String::new(),
            line: 1,
            number: 1,
            summary: String::new(),
            execution: Duration::ZERO,
            rows: None,
            wal_bytes: 0,
            locks: locks.iter().map(lock).collect(),
            rewritten: Vec::new(),
        };
        Rehearsed {
            id: MigrationId::numbered(1),
            label: String::new(),
            execution: Duration::ZERO,
            statements: vec![statement],
        }
    }

    #[test]
    fn the_strongest_lock_of_each_table_is_summed_up() {
        use LockMode::{AccessExclusive, RowExclusive, Share};
        let rehearsal = Rehearsal {
            place: Place::Here,
            because: None,
            migrations: vec![
                migration(&[("t", RowExclusive, 100), ("u", Share, 5)]),
                migration(&[("t", AccessExclusive, 3)]),
                migration(&[("t", RowExclusive, 50), ("t", AccessExclusive, 4), ("u", Share, 6)]),
            ],
            warnings: Vec::new(),
            waited: Duration::ZERO,
            attempts: 1,
            blockers: Vec::new(),
            failed: None,
        };
        let found: Vec<_> = rehearsal
            .strongest()
            .into_iter()
            .map(|lock| (lock.relation, lock.mode, lock.held.as_millis()))
            .collect();
        assert_eq!(found, [("t".to_owned(), AccessExclusive, 7), ("u".to_owned(), Share, 11)]);
    }
}
