//! Runs the statements of one transaction, and writes down what each did.

use super::constraints;
use super::locks::{Before, Existing, taken};
use super::probe::{Seen, look};
use super::report::{Rewritten, StatementCost};
use crate::migration::{Body, Script};
use crate::run::Direction;
use crate::run::send::send_one;
use crate::script::Class;
use crate::{Error, Left};
use sqlx::PgConnection;
use std::ops::Range;
use std::time::{Duration, Instant};

/// What was known when the transaction began, and what has come of it.
#[derive(Debug)]
pub(super) struct Measure<'m> {
    pub(super) script: &'m Script,
    pub(super) existing: &'m mut Existing,
    pub(super) costs: &'m mut Vec<StatementCost>,
    /// What the constraints are that a migration declares as deferred.
    pub(super) constraints: Constraints,
}

/// How the constraints are that were declared as deferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constraints {
    /// As in a new transaction.
    AsDeclared,
    /// An earlier migration of the same transaction had them checked, so that a new one is not deferred by itself.
    WereChecked,
}

impl Measure<'_> {
    /// Runs these statements in the transaction that is open, or the code. What they did is in `costs` also where one
    /// failed.
    pub(super) async fn run(
        &mut self,
        conn: &mut PgConnection,
        direction: Direction,
        range: Range<usize>,
        mut seen: Seen,
    ) -> Result<(), Error> {
        let mut before =
            Before { inherited: seen.held.clone(), held: seen.held.clone(), ..Before::default() };
        if let Body::Code(code) = &self.script.body {
            let start = Instant::now();
            let done = match direction {
                Direction::Up => code.up(conn).await,
                Direction::Down => code.down(conn).await,
            };
            let execution = start.elapsed();
            done.map_err(|source| Error::Code { label: self.script.file.clone(), source })?;
            seen = self.note(conn, None, execution, None, &mut before, &seen).await?;
        }
        for at in range {
            let statement = &self.script.statements()[at];
            if matches!(statement.class, Class::Begin | Class::Commit | Class::Meta) {
                continue;
            }
            let start = Instant::now();
            let rows = send_one(conn, self.script, at, Left::Nothing).await?;
            let execution = start.elapsed();
            seen = self.note(conn, Some(at), execution, Some(rows), &mut before, &seen).await?;
            if self.constraints == Constraints::WereChecked && constraints::may_declare(&statement.text) {
                constraints::defer_again(conn).await?;
            }
        }
        Ok(())
    }

    async fn note(
        &mut self,
        conn: &mut PgConnection,
        at: Option<usize>,
        execution: Duration,
        rows: Option<u64>,
        before: &mut Before,
        was: &Seen,
    ) -> Result<Seen, Error> {
        let now = look(conn).await?;
        let mut cost = blank(self.script, at, execution, rows);
        if now.transaction != was.transaction {
            return Err(Error::Escaped { file: cost.file, line: cost.line });
        }
        let text = at.map_or("", |at| &*self.script.statements()[at].text);
        cost.wal_bytes = now.wal.saturating_sub(was.wal);
        for (oid, lock) in taken(before, &now.held, self.existing, text) {
            before.told.insert(oid);
            cost.locks.push(lock);
        }
        before.held.clone_from(&now.held);
        cost.rewritten = rewritten(self.existing, &now, text);
        self.costs.push(cost);
        Ok(now)
    }
}

/// A statement of which nothing is known but what it is.
pub(super) fn blank(
    script: &Script,
    at: Option<usize>,
    execution: Duration,
    rows: Option<u64>,
) -> StatementCost {
    let statement = at.map(|at| &script.statements()[at]);
    StatementCost {
        file: script.file.clone(),
        line: statement.map_or(1, |statement| statement.line),
        number: at.map_or(1, |at| at + 1),
        summary: statement.map_or_else(|| "Rust".to_owned(), |statement| statement.summary()),
        execution,
        rows,
        wal_bytes: 0,
        locks: Vec::new(),
        rewritten: Vec::new(),
    }
}

/// A lock is held from the statement that takes it to the end of the transaction, which takes `ending` more.
pub(super) fn hold(costs: &mut [StatementCost], ending: Duration) {
    let mut rest = ending;
    for cost in costs.iter_mut().rev() {
        rest += cost.execution;
        for lock in &mut cost.locks {
            lock.held = rest;
        }
    }
}

/// The tables that have another file than before; which they have now is remembered.
fn rewritten(existing: &mut Existing, now: &Seen, statement: &str) -> Vec<Rewritten> {
    // A table that is emptied gets a new file, too, which costs nothing.
    let empties = statement.trim_start().get(..8).is_some_and(|word| word.eq_ignore_ascii_case("truncate"));
    let mut found = Vec::new();
    for (oid, file) in &now.files {
        let Some(relation) = existing.get_mut(oid) else { continue };
        let Some(known) = relation.file.as_mut().filter(|known| **known != *file) else { continue };
        *known = *file;
        if !empties {
            found.push(Rewritten { relation: relation.name.clone(), rows: relation.rows });
        }
    }
    found
}
