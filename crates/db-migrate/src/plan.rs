//! Decides what to apply; never touches the database.

use crate::{Applied, Migration, MigrationId};
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::fmt;

/// What to apply, in order: each after what it depends on, otherwise by number.
///
/// # Errors
/// [`PlanError`] with every way in which the files and the history contradict each other.
pub fn plan<'a>(files: &'a [Migration], applied: &[Applied]) -> Result<Vec<&'a Migration>, PlanError> {
    let problems = problems(files, applied);
    if problems.is_empty() { Ok(pending(files, applied)) } else { Err(PlanError { problems }) }
}

/// What was never applied, whatever else is wrong.
pub(crate) fn pending<'a>(files: &'a [Migration], applied: &[Applied]) -> Vec<&'a Migration> {
    files.iter().filter(|file| !applied.iter().any(|applied| applied.id == file.id)).collect()
}

/// Every way in which the files and the history contradict each other.
pub(crate) fn problems(files: &[Migration], applied: &[Applied]) -> Vec<Problem> {
    let by_id: BTreeMap<MigrationId, &Migration> = files.iter().map(|file| (file.id, file)).collect();
    let mut problems = Vec::new();
    for row in applied {
        let name = || row.folder();
        if row.applied_at.is_none() {
            problems.push(Problem::HalfApplied {
                folder: name(),
                id: row.id,
                table: row.table.clone(),
                finished: row.statements_done,
                statements: row.statements,
                started_at: row.started_at,
                applied_by: row.applied_by.clone(),
            });
        }
        match by_id.get(&row.id) {
            None => problems.push(Problem::Missing { folder: name() }),
            Some(file) if file.checksum != row.checksum => {
                problems.push(Problem::Edited { folder: file.folder() });
            }
            Some(_) => {}
        }
    }
    let Some(last) = applied.iter().max_by_key(|row| row.id) else { return problems };
    for file in pending(files, applied) {
        if file.id < last.id {
            problems.push(Problem::OutOfOrder { folder: file.folder(), last: last.folder() });
        }
    }
    problems
}

/// The files and the history contradict each other; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// Every contradiction.
    pub problems: Vec<Problem>,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the migrations do not fit what was applied:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

/// A contradiction between the files and the history, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// `up.sql` is not what it was when it was applied.
    #[error(
        "{folder}/up.sql was edited after it was applied: restore it, and put the change into a new migration"
    )]
    Edited {
        /// The folder.
        folder: String,
    },
    /// What was applied is not among the files.
    #[error("{folder} was applied but is not among the files: restore it, or deploy the newer program")]
    Missing {
        /// The folder it was in.
        folder: String,
    },
    /// A file is older than what was applied last.
    #[error("{folder} was never applied and is older than {last}, which was: give it the next free number")]
    OutOfOrder {
        /// The folder.
        folder: String,
        /// What was applied last.
        last: String,
    },
    /// A migration without a transaction began and did not finish.
    #[error(
        "{folder} is half applied: {applied_by} began it at {started_at}, {finished} of {statements} statements \
         finished, the next may have left something behind; look at the database, then either complete the rest by \
         hand and run `UPDATE {table} SET applied_at = now() WHERE id = {}`, or undo it by hand and run `DELETE FROM \
         {table} WHERE id = {}`",
        id.get(), id.get()
    )]
    HalfApplied {
        /// The folder.
        folder: String,
        /// Its number.
        id: MigrationId,
        /// The history table, quoted.
        table: String,
        /// Statements that are known to have finished.
        finished: usize,
        /// Statements of its `up.sql`.
        statements: usize,
        /// When it began.
        started_at: DateTime<Utc>,
        /// The database role that began it.
        applied_by: String,
    },
}

#[cfg(test)]
mod tests {
    use super::{PlanError, Problem, plan};
    use crate::{Applied, Checksum, Migration, MigrationId, TransactionMode};
    use chrono::DateTime;

    fn id(number: u32) -> MigrationId {
        MigrationId::new(number).expect("not 0")
    }

    fn file(number: u32, text: &str) -> Migration {
        Migration {
            id: id(number),
            name: "m".into(),
            description: String::new(),
            depends_on: Vec::new(),
            mode: TransactionMode::Single,
            checksum: Checksum::of(text),
            up: Vec::new(),
            down: None,
        }
    }

    fn applied(number: u32, text: &str) -> Applied {
        Applied {
            id: id(number),
            name: "m".into(),
            checksum: Checksum::of(text),
            started_at: DateTime::UNIX_EPOCH,
            applied_at: Some(DateTime::UNIX_EPOCH),
            execution: None,
            applied_by: "ci".into(),
            statements: 3,
            statements_done: 1,
            table: "public.db_migrations".into(),
        }
    }

    fn check(files: &[Migration], applied: &[Applied], expected: Result<&[u32], Vec<Problem>>) {
        let found =
            plan(files, applied).map(|steps| steps.iter().map(|step| step.id.get()).collect::<Vec<_>>());
        assert_eq!(found, expected.map(<[u32]>::to_vec).map_err(|problems| PlanError { problems }));
    }

    #[test]
    fn applies_what_is_not_applied() {
        check(&[], &[], Ok(&[]));
        check(&[file(1, "a"), file(2, "b")], &[], Ok(&[1, 2]));
        check(&[file(1, "a"), file(2, "b")], &[applied(1, "a")], Ok(&[2]));
        check(&[file(1, "a")], &[applied(1, "a")], Ok(&[]));
    }

    #[test]
    fn refuses_an_edited_file() {
        let problem = Problem::Edited { folder: "0001_m".into() };
        check(&[file(1, "b"), file(2, "c")], &[applied(1, "a")], Err(vec![problem]));
    }

    #[test]
    fn refuses_a_missing_file() {
        let problem = Problem::Missing { folder: "0002_m".into() };
        check(&[file(1, "a")], &[applied(1, "a"), applied(2, "b")], Err(vec![problem]));
    }

    #[test]
    fn refuses_a_file_older_than_the_last_applied() {
        let problem = Problem::OutOfOrder { folder: "0001_m".into(), last: "0002_m".into() };
        check(&[file(1, "a"), file(2, "b"), file(3, "c")], &[applied(2, "b")], Err(vec![problem]));
    }

    #[test]
    fn refuses_a_half_applied_one_and_says_how_to_mend_it() {
        let half = Applied { applied_at: None, ..applied(1, "a") };
        let error = plan(&[file(1, "a"), file(2, "b")], &[half]).expect_err("half applied");
        assert_eq!(
            error.to_string(),
            "the migrations do not fit what was applied:\n- 0001_m is half applied: ci began it at 1970-01-01 \
             00:00:00 UTC, 1 of 3 statements finished, the next may have left something behind; look at the database, \
             then either complete the rest by hand and run `UPDATE public.db_migrations SET applied_at = now() WHERE \
             id = 1`, or undo it by hand and run `DELETE FROM public.db_migrations WHERE id = 1`"
        );
    }

    #[test]
    fn says_everything_at_once() {
        check(
            &[file(1, "x"), file(2, "b")],
            &[applied(1, "a"), applied(3, "c")],
            Err(vec![
                Problem::Edited { folder: "0001_m".into() },
                Problem::Missing { folder: "0003_m".into() },
                Problem::OutOfOrder { folder: "0002_m".into(), last: "0003_m".into() },
            ]),
        );
    }
}
