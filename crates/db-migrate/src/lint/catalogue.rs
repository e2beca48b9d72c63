//! What a database has, as far as the rules ask.

use super::change::{Column, Constraint};
use super::name::Name;
use std::collections::{BTreeMap, BTreeSet};

/// What a database has: tables with their estimated sizes, columns, constraints, indexes, and what depends on them.
///
/// Read by [`read_catalogue`](super::read_catalogue); it knows no row's content.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    /// The server's major version.
    pub(crate) version: u32,
    /// The schemas in which names without one are looked for; the first takes what is made.
    pub(crate) search_path: Vec<String>,
    pub(crate) schemas: BTreeSet<String>,
    pub(crate) relations: BTreeMap<Name, Relation>,
    pub(crate) enums: BTreeMap<Name, Vec<String>>,
}

impl Catalogue {
    /// How many tables and views it has.
    #[must_use]
    pub fn relations(&self) -> usize {
        self.relations.len()
    }

    /// The server's major version.
    #[must_use]
    pub const fn server_version(&self) -> u32 {
        self.version
    }

    /// The same with names looked for in these schemas.
    #[must_use]
    pub fn with_search_path(self, schemas: Vec<String>) -> Self {
        Self { search_path: schemas, ..self }
    }
}

/// A table, or what is used like one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Relation {
    pub(crate) kind: RelationKind,
    pub(crate) size: Size,
    pub(crate) columns: Vec<Column>,
    /// Whether these are all its columns.
    pub(crate) complete: bool,
    pub(crate) constraints: Vec<Constraint>,
    pub(crate) indexes: Vec<Index>,
    pub(crate) dependents: Vec<Dependent>,
    pub(crate) partition_of: Option<Name>,
    /// Whether a migration that makes it puts rows from elsewhere into it.
    pub(crate) filled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelationKind {
    Table,
    Partitioned,
    View,
    MaterializedView,
    Foreign,
}

/// How much is in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// It is made by what is being deployed: nobody uses it yet.
    New,
    /// Nobody has said.
    Unknown,
    /// By the server's own estimate.
    About { rows: u64, bytes: u64 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    /// Its key columns in order; `None` for an expression.
    pub(crate) columns: Vec<Option<String>>,
    pub(crate) unique: bool,
    pub(crate) valid: bool,
    pub(crate) method: String,
    pub(crate) cover: Cover,
}

/// What an index has besides its columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cover {
    /// Nothing.
    Plain,
    /// An order, an operator class, a collation, more columns.
    Special,
    /// A predicate: it is on a part of the table only.
    Partial,
}

/// A view or a function that stops working without the relation, or without one of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependent {
    pub(crate) what: String,
    pub(crate) column: Option<String>,
}

impl Relation {
    pub(crate) fn new(kind: RelationKind, size: Size) -> Self {
        Self {
            kind,
            size,
            columns: Vec::new(),
            complete: false,
            constraints: Vec::new(),
            indexes: Vec::new(),
            dependents: Vec::new(),
            partition_of: None,
            filled: false,
        }
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(crate) fn constraint(&self, name: &str) -> Option<&Constraint> {
        self.constraints.iter().find(|constraint| constraint.name.as_deref() == Some(name))
    }

    pub(crate) fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|index| index.name == name)
    }
}
