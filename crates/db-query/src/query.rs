//! Statements inside statements.

use crate::{
    Delete, Insert, Select, Update, catalogue::Table, projection::Projection, source::Source, writer::Writer,
};

/// A statement that can stand inside another: in a subquery or, if it changes something, in a common table expression.
pub trait Query: sealed::Sealed {
    /// Puts the clauses in order.
    #[doc(hidden)]
    fn finish(self) -> Writer;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// Where a statement inside another starts. It shares the parameters of the one around it.
#[derive(Debug)]
#[must_use = "a query inside another needs to be written"]
pub struct Start {
    writer: Writer,
}

impl Start {
    pub(crate) fn new(writer: Writer) -> Self {
        Self { writer }
    }

    /// A SELECT from a table or another source.
    pub fn from(self, source: impl Source) -> Select {
        Select::begin(self.writer).and_from(source)
    }

    /// A SELECT from nothing: of expressions.
    pub fn select(self, columns: impl Projection) -> Select {
        Select::begin(self.writer).columns(columns)
    }

    /// An INSERT, for a common table expression.
    pub fn insert_into(self, table: &str, columns: &[&str]) -> Insert {
        Insert::begin(self.writer, table, columns)
    }

    /// An UPDATE, for a common table expression.
    pub fn update(self, table: &str) -> Update {
        Update::begin(self.writer, table)
    }

    /// A DELETE, for a common table expression.
    pub fn delete_from(self, table: &str) -> Delete {
        Delete::begin(self.writer, table)
    }
}

/// A name of a table: as text, or from the catalogue.
impl<'a> From<&'a Table> for &'a str {
    fn from(table: &'a Table) -> Self {
        table.name()
    }
}
