//! Why a JSON value is no filter.

use crate::{BuildError, Nearest};

/// Why a JSON value is no filter; `at` is the place in it, as in `$or[1].priority.$gt`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It is no JSON.
    #[error("the filter is no JSON: {reason}")]
    Json {
        /// What the reader says.
        reason: String,
    },
    /// Something else stands where this should.
    #[error("{at}: {found} where there should be {expected}")]
    Shape {
        /// The place.
        at: String,
        /// What should be there.
        expected: &'static str,
        /// What is there, cut short.
        found: String,
    },
    /// An operator that there is not, or not there.
    #[error("{at}: there is no operator {operator:?} here{nearest}")]
    UnknownOperator {
        /// The place.
        at: String,
        /// The operator as it was given.
        operator: String,
        /// The operator that may be meant.
        nearest: Nearest,
    },
    /// A column that the table does not have.
    #[error("{at}: {source}")]
    Column {
        /// The place.
        at: String,
        /// Which one, and the nearest that there is.
        source: Box<BuildError>,
    },
    /// A path into a column that holds no JSON.
    #[error("{at}: column {column:?} holds no JSON that a path could go into")]
    NoPath {
        /// The place.
        at: String,
        /// The column.
        column: &'static str,
    },
    /// An operator that the column's type does not have.
    #[error("{at}: {operator} does not go with column {column:?}, which holds {kind}")]
    OperatorForKind {
        /// The place.
        at: String,
        /// The operator.
        operator: &'static str,
        /// The column.
        column: &'static str,
        /// What it holds.
        kind: &'static str,
    },
    /// A value that the column cannot hold.
    #[error("{at}: {value} is no value of column {column:?}, which holds {kind}{nearest}")]
    Value {
        /// The place.
        at: String,
        /// The value as it was given, cut short.
        value: String,
        /// The column.
        column: &'static str,
        /// What it holds.
        kind: &'static str,
        /// The value that may be meant, where there are only some.
        nearest: Nearest,
    },
    /// A regular expression that the server would refuse, or that could keep it busy.
    #[error("{at}: {pattern:?} is no regular expression that is taken here: {reason}")]
    Regex {
        /// The place.
        at: String,
        /// The pattern; no longer than its limit.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More of something than is allowed.
    #[error("{at}: more than {max} {what}")]
    TooMuch {
        /// The place.
        at: String,
        /// The limit.
        max: usize,
        /// Of what.
        what: &'static str,
    },
}
