//! What is rehearsed, and whether it can be in a transaction. Pure.

use crate::migration::{Body, Script};
use crate::run::Direction;
use crate::script::{Segment, Segmented};
use crate::{Error, Migration};
use std::collections::BTreeSet;

/// One migration to rehearse.
#[derive(Clone, Copy, Debug)]
pub(super) struct Todo<'m> {
    pub(super) migration: &'m Migration,
    pub(super) action: Action<'m>,
}

/// What is done with it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action<'m> {
    Run(Direction, &'m Script),
    /// What it replaces was applied.
    Record,
}

impl<'m> Todo<'m> {
    pub(super) fn up(migration: &'m Migration) -> Self {
        Self { migration, action: Action::Run(Direction::Up, &migration.up) }
    }

    pub(super) fn record(migration: &'m Migration) -> Self {
        Self { migration, action: Action::Record }
    }

    pub(super) fn down(migration: &'m Migration) -> Result<Self, Error> {
        let none = || Error::NoDown { labels: vec![migration.label.clone()] };
        let down = migration.down.as_ref().ok_or_else(none)?;
        Ok(Self { migration, action: Action::Run(Direction::Down, down) })
    }

    pub(super) fn script(&self) -> Option<&'m Script> {
        match self.action {
            Action::Run(_, script) => Some(script),
            Action::Record => None,
        }
    }
}

/// The parts of a script.
pub(super) fn parts(script: &Script, learned: &BTreeSet<usize>) -> Result<Vec<Segment>, Error> {
    if let Body::Code(_) = script.body {
        return Ok(vec![Segment::Together { range: 0..0, begin: None }]);
    }
    let Segmented { segments, unsound } = script.segments(learned);
    match unsound.first() {
        Some(at) => Err(Error::Unsound { file: script.file.clone(), what: format!("{at:?}") }),
        None => Ok(segments),
    }
}

/// Why these cannot be rehearsed in a transaction; `None` where nothing is known that they could not.
pub(super) fn needs_copy(todos: &[Todo<'_>]) -> Result<Option<String>, Error> {
    for script in todos.iter().filter_map(Todo::script) {
        for part in parts(script, &BTreeSet::new())? {
            let Segment::Alone(at) = part else { continue };
            let statement = &script.statements()[at];
            let (file, line) = (&script.file, statement.line);
            return Ok(Some(format!("{file}:{line}: {} runs in no transaction", statement.summary())));
        }
    }
    Ok(None)
}

/// Why an error of a rehearsal in one transaction may be none of a real run, which has several.
pub(super) fn is_of_the_transaction(error: &Error) -> Option<String> {
    let Error::Statement(error) = error else { return None };
    let why = match error.sqlstate.as_str() {
        "25001" | "2D000" => "the server refuses it in a transaction",
        "55P04" => "a value of an enum is used in the transaction that adds it",
        "55006" => "the transaction has changed the table already",
        _ => return None,
    };
    Some(format!("{}:{}: {}: {why}", error.file, error.line, error.summary))
}

#[cfg(test)]
mod tests {
    use super::{Todo, needs_copy};
    use crate::{Embedded, Migrations};

    fn check(up: &'static str, expected: Option<&str>) {
        let item = Embedded { folder: "0001_a", up, down: None, meta: None };
        let all = Migrations::embedded(&[item]).expect("sound");
        let found = needs_copy(&[Todo::up(&all.as_slice()[0])]).expect("sound");
        assert_eq!(found.as_deref(), expected, "{up}");
    }

    #[test]
    fn only_what_runs_in_no_transaction_needs_a_copy() {
        check("SELECT 1; UPDATE t SET a = 1;", None);
        check(
            "SELECT 1;\nCREATE INDEX CONCURRENTLY i ON t (a);",
            Some("0001_a/up.sql:2: CREATE INDEX CONCURRENTLY i ON runs in no transaction"),
        );
    }
}
