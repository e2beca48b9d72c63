//! Why a statement cannot be built.

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
    /// An operator that is not in the list.
    #[error("{op:?} is no comparison operator; known are = <> < <= > >= like ilike ~ @> <@ ? &&")]
    Op {
        /// The operator as it was given.
        op: String,
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
    /// An UPDATE or DELETE without a condition.
    #[error("an UPDATE or DELETE without a filter changes every row; add a filter, or say .all_rows()")]
    Unbounded,
    /// Nothing to select, insert or set.
    #[error("the statement names no columns")]
    NoColumns,
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
