//! Common table expressions: `WITH name AS (…)`.

use crate::{
    Query, Start,
    clause::{Clause, Frame},
    touch::{Cte as Mark, Role},
    writer::Writer,
};

/// Whether the server works a common table expression out once, or as a part of the query that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Materialize {
    Unsaid,
    Yes,
    No,
}

/// A common table expression: its name, and how the server is to treat it.
#[derive(Clone, Copy, Debug)]
pub struct Cte<'a> {
    name: &'a str,
    columns: &'a [&'a str],
    recursive: bool,
    materialize: Materialize,
}

/// Names a common table expression.
#[must_use]
pub const fn cte(name: &str) -> Cte<'_> {
    Cte { name, columns: &[], recursive: false, materialize: Materialize::Unsaid }
}

impl<'a> Cte<'a> {
    /// Names its columns.
    #[must_use]
    pub const fn columns(self, columns: &'a [&'a str]) -> Self {
        Self { columns, ..self }
    }

    /// It may name itself: `WITH RECURSIVE`.
    #[must_use]
    pub const fn recursive(self) -> Self {
        Self { recursive: true, ..self }
    }

    pub(crate) const fn is_recursive(&self) -> bool {
        self.recursive
    }

    /// The server works it out once, whatever the query does with it: a fence for the planner.
    #[must_use]
    pub const fn materialized(self) -> Self {
        Self { materialize: Materialize::Yes, ..self }
    }

    /// The server may merge it into the query, even if that names it twice.
    #[must_use]
    pub const fn not_materialized(self) -> Self {
        Self { materialize: Materialize::No, ..self }
    }
}

impl<'a> From<&'a str> for Cte<'a> {
    fn from(name: &'a str) -> Self {
        cte(name)
    }
}

/// Writes `WITH name AS (…)`, or what continues it.
pub(crate) fn write<Q: Query>(
    writer: &mut Writer,
    frame: &mut Frame,
    cte: Cte<'_>,
    build: impl FnOnce(Start) -> Q,
) {
    if !frame.has(Clause::With) {
        frame.clause(writer, Clause::With, "WITH ", "");
        frame.clause(writer, Clause::AfterCtes, " ", "");
    }
    if cte.recursive && !frame.has(Clause::Recursive) {
        frame.clause(writer, Clause::Recursive, "RECURSIVE ", "");
    }
    frame.clause(writer, Clause::Ctes, "", ", ");
    writer.plain_name(cte.name, Role::Other);
    for (position, column) in cte.columns.iter().enumerate() {
        writer.push(if position == 0 { " (" } else { ", " });
        writer.plain_name(column, Role::Other);
    }
    if !cte.columns.is_empty() {
        writer.push(")");
    }
    writer.push(match cte.materialize {
        Materialize::Unsaid => " AS (",
        Materialize::Yes => " AS MATERIALIZED (",
        Materialize::No => " AS NOT MATERIALIZED (",
    });
    let state = writer.state();
    // The body is the next scope to be opened.
    let body = u8::try_from(state.parents.len()).unwrap_or(u8::MAX);
    let mark = Mark {
        name: cte.name.to_owned(),
        scope: state.scope,
        body,
        recursive: cte.recursive,
        columns: cte.columns.iter().map(|column| (*column).to_owned()).collect(),
    };
    state.ctes.push(mark);
    writer.nested(build);
    writer.push(")");
}
