//! A row on its way into a COPY: the count of its fields, then each field with its length, all big endian.
//!
//! Source: PostgreSQL documentation, COPY, "Binary Format". The pool has the same for its leases; a row must not need a
//! pool, so the few lines stand here again.

use super::ColumnType;
use sqlx::{Encode, encode::IsNull, error::BoxDynError, postgres::PgArgumentBuffer};

/// Takes the fields of a row, in the order of the columns.
pub struct Tuple<'b> {
    buffer: &'b mut PgArgumentBuffer,
}

impl<'b> Tuple<'b> {
    /// A row of so many fields.
    pub(crate) fn begin(buffer: &'b mut PgArgumentBuffer, fields: usize) -> Result<Self, BoxDynError> {
        buffer.extend_from_slice(&i16::try_from(fields)?.to_be_bytes());
        Ok(Self { buffer })
    }

    /// Writes the next field.
    ///
    /// # Errors
    /// What the type's `Encode` says, or a field of more than 2 GiB.
    pub fn push<T: ColumnType>(&mut self, value: &T) -> Result<&mut Self, BoxDynError> {
        let length_at = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 4]);
        let length = match Encode::encode_by_ref(value, self.buffer)? {
            IsNull::Yes => {
                self.buffer.truncate(length_at + 4);
                -1
            }
            IsNull::No => i32::try_from(self.buffer.len() - length_at - 4)?,
        };
        self.buffer[length_at..length_at + 4].copy_from_slice(&length.to_be_bytes());
        Ok(self)
    }
}

impl std::fmt::Debug for Tuple<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the values: they are the user's data.
        f.debug_struct("Tuple").field("bytes", &self.buffer.len()).finish_non_exhaustive()
    }
}
