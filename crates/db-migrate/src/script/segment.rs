//! Which statements of a script share a transaction. Pure.

use super::{Class, Statement};
use crate::TransactionMode;
use std::collections::BTreeSet;
use std::ops::Range;

/// A part of a script that happens wholly or not at all, as far as the server lets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// In one transaction.
    Together {
        /// Its statements.
        range: Range<usize>,
        /// The file's own `BEGIN`, with its isolation level.
        begin: Option<usize>,
    },
    /// In a transaction that the file itself rolls back: a trial, a test. It is run as the file has it, and leaves nothing.
    Undone {
        /// Its statements.
        range: Range<usize>,
        /// The file's own `BEGIN`.
        begin: usize,
    },
    /// One statement by itself, since the server refuses it in a transaction.
    Alone(usize),
}

/// A script in parts, and what cannot be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segmented {
    pub(crate) segments: Vec<Segment>,
    pub(crate) unsound: Vec<Unsound>,
}

/// A statement, by its index, that would leave no way to say what was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsound {
    /// The server refuses it in the transaction that it stands in.
    OutsideTransaction(usize),
    /// It undoes what is not in a transaction of the file's own, or splits that.
    Rollback(usize),
    /// Its rows are nowhere.
    CopyFromClient(usize),
    /// Only psql understands it.
    Meta(usize),
}

impl Segment {
    /// Whether nothing of it stays.
    pub(crate) const fn is_undone(&self) -> bool {
        matches!(self, Self::Undone { .. })
    }

    /// Its statements.
    pub(crate) fn range(&self) -> Range<usize> {
        match self {
            Self::Together { range, .. } | Self::Undone { range, .. } => range.clone(),
            Self::Alone(at) => *at..at + 1,
        }
    }
}

/// Takes a script apart. Of `learned` the server said that it refuses them in a transaction.
pub(crate) fn segments(
    statements: &[Statement],
    mode: TransactionMode,
    learned: &BTreeSet<usize>,
) -> Segmented {
    let mut builder = Builder { mode, ..Builder::default() };
    for (at, statement) in statements.iter().enumerate() {
        let class = if learned.contains(&at) { Class::Outside } else { statement.class };
        builder.take(at, class, statement);
    }
    builder.end(statements.len());
    builder.made
}

#[derive(Default)]
struct Builder {
    mode: TransactionMode,
    made: Segmented,
    /// Where the open part began.
    start: Option<usize>,
    /// The `BEGIN` that opened it.
    begin: Option<usize>,
    /// Whether something since the last end of a transaction stands before any `BEGIN`. Tools that send a file as one
    /// message, or in their own transaction, roll that back with what follows the `BEGIN`; others do not.
    is_mixed: bool,
}

impl Builder {
    fn take(&mut self, at: usize, class: Class, statement: &Statement) {
        match class {
            Class::Begin if self.begin.is_none() => {
                self.close(at);
                (self.begin, self.start) = (Some(at), Some(at + 1));
            }
            Class::Commit => self.end(at),
            Class::Rollback if self.mode != TransactionMode::Single && !self.is_mixed => self.undo(at),
            Class::Outside if self.begin.is_some() || self.mode == TransactionMode::Single => {
                self.made.unsound.push(Unsound::OutsideTransaction(at));
            }
            Class::Outside => {
                self.end(at);
                self.made.segments.push(Segment::Alone(at));
            }
            Class::Rollback | Class::Split => self.made.unsound.push(Unsound::Rollback(at)),
            Class::CopyFromClient => self.made.unsound.push(Unsound::CopyFromClient(at)),
            Class::Meta if !is_harmless(&statement.text) => self.made.unsound.push(Unsound::Meta(at)),
            // A second BEGIN is one that the server only warns of.
            Class::Begin | Class::Meta => {}
            Class::Plain | Class::CopyIn | Class::Session | Class::Temporary => {
                self.start.get_or_insert(at);
                self.is_mixed |= self.begin.is_none();
                if self.mode == TransactionMode::None && self.begin.is_none() {
                    self.close(at + 1);
                }
            }
        }
    }

    /// Ends a transaction for whoever runs the file.
    fn end(&mut self, at: usize) {
        self.close(at);
        self.is_mixed = false;
    }

    fn undo(&mut self, at: usize) {
        let (start, begin) = (self.start.take(), self.begin.take());
        match begin.zip(start) {
            Some((begin, start)) if start < at => {
                self.made.segments.push(Segment::Undone { range: start..at, begin });
            }
            Some(_) => {}
            None => self.made.unsound.push(Unsound::Rollback(at)),
        }
    }

    fn close(&mut self, at: usize) {
        if let Some(start) = self.start.take()
            && start < at
        {
            self.made.segments.push(Segment::Together { range: start..at, begin: self.begin });
        }
        self.begin = None;
    }
}

/// What `pg_dump` and people put there for psql alone, and that changes nothing.
fn is_harmless(command: &str) -> bool {
    let name = command.trim_start_matches('\\').split_whitespace().next().unwrap_or_default();
    matches!(
        name,
        "restrict"
            | "unrestrict"
            | "echo"
            | "qecho"
            | "set"
            | "unset"
            | "timing"
            | "pset"
            | "encoding"
            | "x"
            | "a"
            | "t"
            | "."
            | "conninfo"
    )
}

#[cfg(test)]
mod tests {
    use super::{Segment, Unsound, segments};
    use crate::TransactionMode::{self, Auto, None, Single};
    use crate::script::split;

    fn check(mode: TransactionMode, sql: &str, expected: &[&str]) {
        let statements = split(sql, 1).expect("closed");
        let found = segments(&statements, mode, &Default::default());
        assert_eq!(found.unsound, [], "{sql}");
        let show = |segment: &Segment| match segment {
            Segment::Together { range, begin: Option::None } => format!("{range:?}"),
            Segment::Together { range, begin: Some(begin) } => format!("{begin}:{range:?}"),
            Segment::Undone { range, begin } => format!("{begin}:{range:?} undone"),
            Segment::Alone(at) => format!("{at}"),
        };
        assert_eq!(found.segments.iter().map(show).collect::<Vec<_>>(), expected, "{sql}");
    }

    fn refuses(mode: TransactionMode, sql: &str, expected: Unsound) {
        let statements = split(sql, 1).expect("closed");
        assert_eq!(segments(&statements, mode, &Default::default()).unsound, [expected], "{sql}");
    }

    const CONCURRENTLY: &str = "CREATE INDEX CONCURRENTLY i ON t (a)";

    #[test]
    fn what_can_share_a_transaction_does() {
        check(Auto, "", &[]);
        check(Auto, "SELECT 1; SELECT 2", &["0..2"]);
        check(Single, "SELECT 1; SELECT 2", &["0..2"]);
        check(None, "SELECT 1; SELECT 2", &["0..1", "1..2"]);
        check(Auto, &format!("SELECT 1; SELECT 2; {CONCURRENTLY}; SELECT 3"), &["0..2", "2", "3..4"]);
        check(None, &format!("{CONCURRENTLY}; SELECT 3"), &["0", "1..2"]);
    }

    #[test]
    fn the_transactions_of_the_file_are_kept() {
        for mode in [Auto, None] {
            check(mode, "BEGIN; SELECT 1; SELECT 2; COMMIT;", &["0:1..3"]);
            check(mode, "BEGIN; SELECT 1; END; START TRANSACTION; SELECT 2; COMMIT", &["0:1..2", "3:4..5"]);
        }
        check(Auto, "SELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3", &["0..1", "1:2..3", "4..5"]);
        check(Auto, "BEGIN; SELECT 1; SELECT 2", &["0:1..3"]);
        check(Auto, "SELECT 1; COMMIT; SELECT 2", &["0..1", "2..3"]);
        check(Auto, "BEGIN; COMMIT", &[]);
    }

    #[test]
    fn what_the_file_rolls_back_leaves_nothing() {
        for mode in [Auto, None] {
            check(mode, "BEGIN; SELECT 1; ROLLBACK; SELECT 2", &["0:1..2 undone", "3..4"]);
            check(mode, "BEGIN; SELECT 1; ROLLBACK TO s; ABORT; BEGIN; ROLLBACK", &["0:1..3 undone"]);
            let after = format!("{CONCURRENTLY}; BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; ROLLBACK");
            check(mode, &after, &["0", "1:2..3", "4:5..6 undone"]);
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        refuses(Single, CONCURRENTLY, Unsound::OutsideTransaction(0));
        refuses(Auto, &format!("BEGIN; {CONCURRENTLY}; COMMIT"), Unsound::OutsideTransaction(1));
        refuses(Single, "BEGIN; SELECT 1; ROLLBACK", Unsound::Rollback(2));
        for mode in [Auto, None] {
            refuses(mode, "SELECT 1; ROLLBACK", Unsound::Rollback(1));
            refuses(mode, "BEGIN; SELECT 1; ROLLBACK AND CHAIN; COMMIT", Unsound::Rollback(2));
            refuses(mode, "BEGIN; SELECT 1; COMMIT; ROLLBACK PREPARED 'x'", Unsound::Rollback(3));
            // Some tools would roll back the first one, too.
            refuses(mode, "SELECT 1; BEGIN; SELECT 2; ROLLBACK", Unsound::Rollback(3));
        }
        refuses(Auto, "COPY t FROM STDIN", Unsound::CopyFromClient(0));
        refuses(Auto, "\\connect other", Unsound::Meta(0));
        check(Auto, "\\restrict x\nSELECT 1;\n\\unrestrict x", &["1..3"]);
    }

    #[test]
    fn what_the_server_refused_stands_alone() {
        let statements = split("SELECT 1; CALL p(); SELECT 2", 1).expect("closed");
        let found = segments(&statements, Auto, &[1].into());
        assert_eq!(found.segments.len(), 3);
        assert_eq!(found.segments[1], Segment::Alone(1));
    }
}
