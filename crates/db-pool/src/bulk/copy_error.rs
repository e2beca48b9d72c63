//! What can go wrong between the rows of a program and the columns of a COPY.

use db_core::BoxError;

/// An error of COPY that is not the server's. No row that it concerns was sent, or none was taken for another.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The name of a table or a column cannot be one.
    #[error("not a name of PostgreSQL's: {reason}")]
    Identifier {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The rows of a COPY have more or fewer fields than it has columns.
    #[error("a row of {fields} fields for {columns} columns")]
    Width {
        /// Fields in the program's row.
        fields: usize,
        /// Columns of the COPY.
        columns: usize,
    },
    /// A field's type and its column's are not the same in COPY's binary format, which converts nothing.
    #[error("column {column} is {column_type}, which a binary COPY cannot exchange with {field_type}")]
    Type {
        /// The column.
        column: String,
        /// Its type in the database.
        column_type: String,
        /// The type that the field's Rust type stands for.
        field_type: String,
    },
    /// A field could not be encoded; its row was not sent.
    #[error("the field for column {column} cannot be encoded")]
    Encode {
        /// The column.
        column: String,
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// A field could not be decoded.
    #[error("column {column} of row {row} cannot be decoded")]
    Decode {
        /// The column.
        column: String,
        /// The row, from 1.
        row: u64,
        /// Why not.
        #[source]
        source: BoxError,
    },
    /// What arrived is not COPY's binary format.
    #[error("not a binary COPY: {reason}")]
    Stream {
        /// What is wrong with it.
        reason: &'static str,
    },
}
