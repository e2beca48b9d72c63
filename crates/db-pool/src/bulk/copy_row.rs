//! Rows on their way in: a COPY tuple is a count, then each field with its length, all big endian.
//!
//! Source: PostgreSQL documentation, COPY, "Binary Format".

use super::copy_types::CopyTypes;
use db_core::BoxError;
use sqlx::{Encode, Postgres, Type, encode::IsNull, postgres::PgArgumentBuffer};
use std::{fmt, mem};

/// A row that a COPY can send. Tuples of one to sixteen fields are rows when sqlx can encode each field; NULL is
/// `None`. The lifetime is that of sqlx's `Encode`: a row may hold borrowed fields. A struct of one's own is one by naming its fields twice:
/// ```
/// use db_core::BoxError;
/// use db_pool::{CopyFields, CopyRow, CopyTypes};
///
/// struct Task {
///     id: i64,
///     title: Option<String>,
/// }
///
/// impl CopyRow<'_> for Task {
///     fn describe(types: &mut CopyTypes<'_>) {
///         types.push::<i64>().push::<Option<String>>();
///     }
///     fn encode(&self, fields: &mut CopyFields<'_>) -> Result<(), BoxError> {
///         fields.push(&self.id)?.push(&self.title)?;
///         Ok(())
///     }
/// }
/// ```
pub trait CopyRow<'q> {
    /// Names the fields' types in their order. Called before the first row of this type is sent, and not for each row.
    fn describe(types: &mut CopyTypes<'_>);

    /// Writes the fields in the same order. Called for each row, on the caller's task.
    ///
    /// # Errors
    /// Why a field cannot be written; the row is not sent, and the COPY goes on.
    fn encode(&self, fields: &mut CopyFields<'_>) -> Result<(), BoxError>;
}

/// Takes the fields of one row.
pub struct CopyFields<'b> {
    buffer: &'b mut PgArgumentBuffer,
    count: usize,
}

impl CopyFields<'_> {
    /// Writes the next field.
    ///
    /// # Errors
    /// What the type's `Encode` says.
    pub fn push<'q, T: Encode<'q, Postgres>>(&mut self, value: &T) -> Result<&mut Self, BoxError> {
        let length_at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        let length = match value.encode_by_ref(self.buffer)? {
            IsNull::Yes => {
                self.buffer.truncate(length_at + 4);
                -1
            }
            IsNull::No => i32::try_from(self.buffer.len() - length_at - 4)?,
        };
        self.buffer[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        self.count += 1;
        Ok(self)
    }
}

impl fmt::Debug for CopyFields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CopyFields").field("count", &self.count).finish_non_exhaustive()
    }
}

/// Why a row was not written.
pub(crate) enum RowError {
    /// The field at this place cannot be encoded.
    Field(usize, BoxError),
    /// Its `encode` wrote another number of fields than its `describe` named.
    Width(usize),
}

/// Appends one tuple, or leaves the buffer as it was.
pub(crate) fn append<'q, R: CopyRow<'q>>(
    buffer: &mut PgArgumentBuffer,
    row: &R,
    columns: usize,
) -> Result<(), RowError> {
    let start = buffer.len();
    let width = i16::try_from(columns).map_err(|_| RowError::Width(columns))?;
    buffer.extend_from_slice(&width.to_be_bytes());
    let mut fields = CopyFields { buffer, count: 0 };
    let result = row.encode(&mut fields);
    let count = fields.count;
    let error = match result {
        Ok(()) if count == columns => return Ok(()),
        Ok(()) => RowError::Width(count),
        Err(error) => RowError::Field(count, error),
    };
    buffer.truncate(start);
    Err(error)
}

/// Empties the buffer without giving up its memory. sqlx notes in it what to fill in when parameters are bound, which
/// a COPY never does; kept, those notes would grow with every row.
pub(crate) fn reuse(buffer: &mut PgArgumentBuffer, mut bytes: Vec<u8>) {
    bytes.clear();
    *buffer = PgArgumentBuffer::default();
    let _ = mem::replace(&mut **buffer, bytes);
}

macro_rules! tuple_rows {
    ($($($field:ident $at:tt),+;)+) => {$(
        impl<'q, $($field),+> CopyRow<'q> for ($($field,)+)
        where
            $($field: Encode<'q, Postgres> + Type<Postgres>,)+
        {
            fn describe(types: &mut CopyTypes<'_>) {
                $(types.push::<$field>();)+
            }

            #[inline]
            fn encode(&self, fields: &mut CopyFields<'_>) -> Result<(), BoxError> {
                $(fields.push(&self.$at)?;)+
                Ok(())
            }
        }
    )+};
}

tuple_rows! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14;
    A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11, M 12, N 13, O 14, P 15;
}
