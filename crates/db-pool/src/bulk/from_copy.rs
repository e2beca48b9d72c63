//! Rows on their way out: values from the bytes of a binary COPY. sqlx's `Decode` cannot be used, since only sqlx can
//! make the reference that it decodes from.

use super::{copy_tuples::next_field, copy_types::CopyTypes};
use db_core::BoxError;
use sqlx::{Postgres, Type};

/// A value that a COPY can give. Its `Type` says which columns it may come from.
pub trait FromCopy: Type<Postgres> + Sized {
    /// Decodes a value from its binary form; `None` is NULL. Called for each field of each row.
    ///
    /// # Errors
    /// Why the bytes are no such value. The row is lost, the COPY goes on.
    fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError>;
}

/// A row that a COPY can give. Tuples of one to sixteen values are rows; a struct of one's own names its fields twice,
/// as with [`CopyRow`](crate::CopyRow).
pub trait FromCopyRow: Sized {
    /// Names the fields' types in their order. Called once, before the COPY begins.
    fn describe(types: &mut CopyTypes<'_>);

    /// Takes the fields in the same order.
    ///
    /// # Errors
    /// Why a field is no such value. The row is lost, the COPY goes on.
    fn decode(values: &mut CopyValues<'_>) -> Result<Self, BoxError>;
}

/// Gives the fields of one row.
#[derive(Debug)]
pub struct CopyValues<'t> {
    bytes: &'t [u8],
    taken: usize,
}

impl<'t> CopyValues<'t> {
    pub(crate) fn new(bytes: &'t [u8]) -> Self {
        Self { bytes, taken: 0 }
    }

    /// Takes the next field.
    ///
    /// # Errors
    /// What the type's [`FromCopy`] says, or that there is no further field.
    pub fn take<T: FromCopy>(&mut self) -> Result<T, BoxError> {
        let value = T::from_copy(next_field(&mut self.bytes)?)?;
        self.taken += 1;
        Ok(value)
    }

    /// The next field as the COPY has it, in its type's binary form; `None` is NULL. For rows that need no value of it.
    ///
    /// # Errors
    /// That there is no further field.
    pub fn take_bytes(&mut self) -> Result<Option<&'t [u8]>, BoxError> {
        let field = next_field(&mut self.bytes)?;
        self.taken += 1;
        Ok(field)
    }

    /// How many fields were taken, which is the place of the one that could not be.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }
}

impl<T: FromCopy> FromCopy for Option<T> {
    #[inline]
    fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
        bytes.map(|bytes| T::from_copy(Some(bytes))).transpose()
    }
}

impl FromCopy for bool {
    #[inline]
    fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
        let [byte] = exactly(bytes)?;
        Ok(byte != 0)
    }
}

impl FromCopy for String {
    fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
        Ok(std::str::from_utf8(not_null(bytes)?)?.to_owned())
    }
}

impl FromCopy for Vec<u8> {
    fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
        not_null(bytes).map(<[u8]>::to_vec)
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl FromCopy for $number {
            #[inline]
            fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
                exactly(bytes).map(<$number>::from_be_bytes)
            }
        }
    )+};
}

numbers!(i16, i32, i64, f32, f64);

#[cfg(feature = "uuid")]
impl FromCopy for sqlx::types::Uuid {
    fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
        exactly(bytes).map(Self::from_bytes)
    }
}

#[cfg(feature = "json")]
impl FromCopy for sqlx::types::JsonValue {
    fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
        let bytes = not_null(bytes)?;
        // jsonb puts its version before the text, json does not; no JSON text begins with a control character.
        let text = bytes.strip_prefix(&[1]).unwrap_or(bytes);
        Ok(std::str::from_utf8(text)?.parse()?)
    }
}

#[cfg(feature = "chrono")]
mod chrono {
    //! PostgreSQL counts from the beginning of 2000, in UTC.

    use super::{FromCopy, exactly};
    use db_core::BoxError;
    use sqlx::types::chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

    const EPOCH_MICROS: i64 = 946_684_800_000_000;
    const EPOCH_SECONDS: i64 = 946_684_800;
    const DAY_SECONDS: i64 = 86_400;

    impl FromCopy for DateTime<Utc> {
        fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
            let micros = exactly(bytes).map(i64::from_be_bytes)?;
            let instant = micros.checked_add(EPOCH_MICROS).and_then(Self::from_timestamp_micros);
            instant.ok_or_else(|| out_of_range("a timestamp"))
        }
    }

    impl FromCopy for NaiveDateTime {
        fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
            DateTime::<Utc>::from_copy(bytes).map(|instant| instant.naive_utc())
        }
    }

    impl FromCopy for NaiveDate {
        fn from_copy(bytes: Option<&[u8]>) -> Result<Self, BoxError> {
            let days = exactly(bytes).map(i32::from_be_bytes)?;
            let midnight = i64::from(days) * DAY_SECONDS + EPOCH_SECONDS;
            let date = DateTime::<Utc>::from_timestamp(midnight, 0).map(|instant| instant.date_naive());
            date.ok_or_else(|| out_of_range("a date"))
        }
    }

    /// Infinity among them.
    fn out_of_range(what: &str) -> BoxError {
        format!("{what} beyond what chrono holds").into()
    }

    #[cfg(test)]
    mod tests {
        use super::{DateTime, FromCopy, NaiveDate, Utc};

        #[test]
        fn the_epoch_and_the_edges() {
            let date = |days: i32| NaiveDate::from_copy(Some(&days.to_be_bytes()));
            assert_eq!(date(0).expect("a date").to_string(), "2000-01-01");
            assert_eq!(date(-1).expect("a date").to_string(), "1999-12-31");
            assert!(date(i32::MAX).is_err() && date(i32::MIN).is_err(), "infinity");
            let instant = |micros: i64| DateTime::<Utc>::from_copy(Some(&micros.to_be_bytes()));
            assert_eq!(instant(-1).expect("an instant").to_string(), "1999-12-31 23:59:59.999999 UTC");
            assert!(instant(i64::MAX).is_err() && instant(i64::MIN).is_err(), "infinity");
        }
    }
}

fn not_null(bytes: Option<&[u8]>) -> Result<&[u8], BoxError> {
    bytes.ok_or_else(|| "it is NULL, and the field is no Option".into())
}

fn exactly<const N: usize>(bytes: Option<&[u8]>) -> Result<[u8; N], BoxError> {
    let bytes = not_null(bytes)?;
    bytes.try_into().map_err(|_| format!("{} bytes where {N} are due", bytes.len()).into())
}

macro_rules! tuple_rows {
    ($($($field:ident),+;)+) => {$(
        impl<$($field: FromCopy),+> FromCopyRow for ($($field,)+) {
            fn describe(types: &mut CopyTypes<'_>) {
                $(types.push::<$field>();)+
            }

            #[inline]
            fn decode(values: &mut CopyValues<'_>) -> Result<Self, BoxError> {
                Ok(($(values.take::<$field>()?,)+))
            }
        }
    )+};
}

tuple_rows! {
    A;
    A, B;
    A, B, C;
    A, B, C, D;
    A, B, C, D, E;
    A, B, C, D, E, F;
    A, B, C, D, E, F, G;
    A, B, C, D, E, F, G, H;
    A, B, C, D, E, F, G, H, I;
    A, B, C, D, E, F, G, H, I, J;
    A, B, C, D, E, F, G, H, I, J, K;
    A, B, C, D, E, F, G, H, I, J, K, L;
    A, B, C, D, E, F, G, H, I, J, K, L, M;
    A, B, C, D, E, F, G, H, I, J, K, L, M, N;
    A, B, C, D, E, F, G, H, I, J, K, L, M, N, O;
    A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P;
}
