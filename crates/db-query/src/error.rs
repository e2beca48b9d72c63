//! Why a statement cannot be built.

use crate::catalogue::Nearest;

/// A mistake that a builder kept until `build`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// A name that PostgreSQL cannot have.
    #[error("{name:?} is no name for a table or column: {reason}")]
    Ident {
        /// The name as it was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A table that the catalogue does not have.
    #[error("there is no table {table:?}{nearest}")]
    UnknownTable {
        /// The name as it was given.
        table: String,
        /// The table that may be meant.
        nearest: Nearest,
    },
    /// A column that the table does not have.
    #[error("table {table:?} has no column {column:?}{nearest}")]
    UnknownColumn {
        /// The table.
        table: String,
        /// The name as it was given.
        column: String,
        /// The column that may be meant.
        nearest: Nearest,
    },
    /// An operator that is not in the list.
    #[error("{op:?} is no operator that compares a column with a value{nearest}")]
    UnknownOp {
        /// The operator as it was given.
        op: String,
        /// The operator that may be meant.
        nearest: Nearest,
    },
    /// A setting that is not in the list.
    #[error("{name:?} is no setting that a statement can have{nearest}")]
    UnknownSetting {
        /// The name as it was given.
        name: String,
        /// The setting that may be meant.
        nearest: Nearest,
    },
    /// A value that sqlx cannot encode.
    #[error("value of parameter ${position} cannot be encoded: {reason}")]
    Value {
        /// The parameter's number, from 1.
        position: usize,
        /// The encoder's reason.
        reason: String,
    },
    /// More parameters than the protocol has room for.
    #[error("more than {max} parameters; bind a list as one array instead")]
    TooManyParameters {
        /// The protocol's limit.
        max: usize,
    },
    /// More queries inside queries than are kept apart.
    #[error("more than {max} queries in one statement")]
    TooManyQueries {
        /// The limit.
        max: usize,
    },
    /// An UPDATE or DELETE without a condition.
    #[error("an UPDATE or DELETE without a filter changes every row; add a filter, or say .all_rows()")]
    Unbounded,
    /// Nothing to select, insert or set.
    #[error("the statement names no columns")]
    NoColumns,
    /// An INSERT or VALUES without a row, or a MERGE without a branch.
    #[error("the statement has no {missing}")]
    Incomplete {
        /// What it needs.
        missing: &'static str,
    },
    /// A clause that can stand once only was said again.
    #[error("{clause} was said twice")]
    Twice {
        /// The clause.
        clause: &'static str,
    },
    /// A column that a keyset cannot go by.
    #[error("{column:?} of table {table:?} is no key for pages: {reason}")]
    NoKey {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Why not.
        reason: &'static str,
    },
    /// A page of no rows, or of too many.
    #[error("a page of {rows} rows: it may have 1 to {max}")]
    PageSize {
        /// How many were asked for.
        rows: u16,
        /// The most that there may be.
        max: u16,
    },
    /// A clause where it cannot stand.
    #[error("misplaced: {clause}")]
    Misplaced {
        /// The clause, and what to do instead.
        clause: &'static str,
    },
    /// A page that was requested of another list, or in another order.
    #[error("the page was requested of another list or in another order")]
    OtherPages,
    /// A row whose values do not match the columns.
    #[error("row {row} has {values} values for {columns} columns")]
    RowLength {
        /// The row's number, from 1.
        row: usize,
        /// How many values it has.
        values: usize,
        /// How many columns the statement has.
        columns: usize,
    },
}
