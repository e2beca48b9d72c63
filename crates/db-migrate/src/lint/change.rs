//! What a statement does to the database, as far as the rules care.

use super::catalogue::Cover;
use super::name::Name;

/// One action of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    CreateTable(Box<NewTable>),
    DropTable {
        table: Name,
        presence: Presence,
        cascade: Cascade,
    },
    RenameTable {
        table: Name,
        to: String,
    },
    MoveTable {
        table: Name,
        schema: String,
    },
    AddColumn {
        table: Name,
        column: Box<Column>,
        presence: Presence,
    },
    DropColumn {
        table: Name,
        column: String,
        presence: Presence,
        cascade: Cascade,
    },
    RenameColumn {
        table: Name,
        column: String,
        to: String,
    },
    SetType {
        table: Name,
        column: String,
        to: String,
        using: Option<String>,
    },
    SetNotNull {
        table: Name,
        column: String,
    },
    DropNotNull {
        table: Name,
        column: String,
    },
    AddConstraint {
        table: Name,
        constraint: Box<Constraint>,
    },
    DropConstraint {
        table: Name,
        name: String,
        presence: Presence,
    },
    Validate {
        table: Name,
        name: String,
    },
    AttachPartition {
        table: Name,
        partition: Name,
    },
    DetachPartition {
        table: Name,
        partition: Name,
        how: How,
    },
    /// `SET LOGGED`, `SET UNLOGGED`, `SET ACCESS METHOD`, `SET TABLESPACE`.
    RewriteTable {
        table: Name,
        by: &'static str,
    },
    /// Any other `ALTER TABLE`.
    AlterTable {
        table: Name,
    },
    CreateIndex(Box<NewIndex>),
    DropIndex {
        index: Name,
        presence: Presence,
        how: How,
    },
    RenameIndex {
        index: Name,
        to: String,
    },
    Reindex {
        target: ReindexTarget,
        how: How,
    },
    CreateView {
        view: Name,
    },
    DropView {
        view: Name,
        presence: Presence,
        cascade: Cascade,
    },
    Refresh {
        view: Name,
        how: How,
    },
    CreateTrigger {
        table: Name,
    },
    CreateEnum {
        name: Name,
        values: Vec<String>,
    },
    AddEnumValue {
        name: Name,
        value: String,
        presence: Presence,
    },
    RenameEnumValue {
        name: Name,
        from: String,
    },
    Truncate {
        table: Name,
        cascade: Cascade,
    },
    Write {
        table: Name,
        what: Write,
        from: Vec<Name>,
    },
    Lock {
        table: Name,
        mode: Lock,
    },
    /// `VACUUM FULL` and `CLUSTER`.
    Repack {
        table: Option<Name>,
        by: &'static str,
    },
    DropSchema {
        schema: String,
        cascade: Cascade,
    },
    /// Everything that a role owns in the database.
    DropOwned,
    /// A type, a domain or an extension, with the columns that are of it.
    DropKind {
        what: &'static str,
    },
    /// `ALTER INDEX .. SET TABLESPACE`.
    MoveIndex {
        index: Name,
    },
    SearchPath(Vec<String>),
    /// What cannot be looked into, and is there to do something: `DO`, `CALL`, a migration in Rust.
    Opaque(&'static str),
    /// A program, an extension: it may do anything.
    Anything,
    /// Nothing that a rule is about.
    Other,
}

/// What a statement says of things that are there already, or are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It fails.
    Demanded,
    /// `IF EXISTS` or `IF NOT EXISTS`.
    Lenient,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cascade {
    Restrict,
    Cascade,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Blocking,
    Concurrently,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    Insert,
    Update(Rows),
    Delete(Rows),
}

/// Which rows a write is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// There is no `WHERE`.
    All,
    Some,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReindexTarget {
    Table(Name),
    Index(Name),
    Everything,
}

/// The lock modes that matter here, the stronger the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    AccessExclusive,
}

impl Lock {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// Who waits for it.
    pub(crate) const fn stops(self) -> &'static str {
        match self {
            Self::RowExclusive | Self::ShareUpdateExclusive => "other schema changes",
            Self::Share | Self::ShareRowExclusive => "writes",
            Self::AccessExclusive => "reads and writes",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewTable {
    pub(crate) name: Name,
    pub(crate) presence: Presence,
    pub(crate) columns: Vec<Column>,
    pub(crate) constraints: Vec<Constraint>,
    /// Whether all its columns are written in the statement.
    pub(crate) complete: bool,
    pub(crate) partition_of: Option<Name>,
    pub(crate) partitioned: bool,
    /// Whether it has rows at once.
    pub(crate) filled: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As written, or as `format_type` says it; `None` where nobody says.
    pub(crate) kind: Option<String>,
    pub(crate) not_null: bool,
    /// The expression of its default.
    pub(crate) default: Option<String>,
    /// Whether it is generated or an identity, which fills the rows there are.
    pub(crate) filled_by: Option<&'static str>,
    /// What else the column's definition asks for.
    pub(crate) constraints: Vec<Constraint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Constraint {
    pub(crate) name: Option<String>,
    pub(crate) kind: ConstraintKind,
    pub(crate) columns: Vec<String>,
    pub(crate) valid: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConstraintKind {
    PrimaryKey {
        using_index: Option<String>,
    },
    Unique {
        using_index: Option<String>,
    },
    Exclude,
    Check {
        expression: String,
    },
    /// `NOT NULL` with a name, from PostgreSQL 18 on.
    NotNull,
    ForeignKey {
        to: Name,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewIndex {
    /// `None` where the server chooses.
    pub(crate) name: Option<String>,
    pub(crate) table: Name,
    pub(crate) unique: bool,
    pub(crate) how: How,
    pub(crate) presence: Presence,
    pub(crate) method: String,
    /// Its key columns in order; `None` for an expression.
    pub(crate) columns: Vec<Option<String>>,
    pub(crate) cover: Cover,
    /// The statement as one would write it safely.
    pub(crate) concurrently: String,
}

impl Change {
    /// The table that it is about.
    pub(crate) fn table(&self) -> Option<&Name> {
        match self {
            Self::CreateTable(table) => Some(&table.name),
            Self::DropTable { table, .. }
            | Self::RenameTable { table, .. }
            | Self::MoveTable { table, .. }
            | Self::AddColumn { table, .. }
            | Self::DropColumn { table, .. }
            | Self::RenameColumn { table, .. }
            | Self::SetType { table, .. }
            | Self::SetNotNull { table, .. }
            | Self::DropNotNull { table, .. }
            | Self::AddConstraint { table, .. }
            | Self::DropConstraint { table, .. }
            | Self::Validate { table, .. }
            | Self::AttachPartition { table, .. }
            | Self::DetachPartition { table, .. }
            | Self::RewriteTable { table, .. }
            | Self::AlterTable { table }
            | Self::CreateTrigger { table }
            | Self::Truncate { table, .. }
            | Self::Write { table, .. }
            | Self::Lock { table, .. }
            | Self::Reindex { target: ReindexTarget::Table(table), .. } => Some(table),
            Self::CreateIndex(index) => Some(&index.table),
            Self::Repack { table, .. } => table.as_ref(),
            _ => None,
        }
    }

    /// The column that it is about.
    pub(crate) fn column(&self) -> Option<&str> {
        match self {
            Self::DropColumn { column, .. }
            | Self::RenameColumn { column, .. }
            | Self::SetType { column, .. }
            | Self::SetNotNull { column, .. }
            | Self::DropNotNull { column, .. } => Some(column),
            _ => None,
        }
    }
}
