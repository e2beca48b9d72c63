//! How urgent a task is.

use crate::entity::ColumnType;
use db_query::{Arrays, Kind};
use serde::{Deserialize, Serialize};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type, encode::IsNull};
use std::fmt;

/// Urgency from 0, the lowest and the default, to 10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

/// A number that is no [`Priority`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("priority {value} is not between 0 and 10")]
pub struct PriorityError {
    /// The refused number.
    pub value: i64,
}

impl Priority {
    /// 0: done when nothing else waits.
    pub const LOWEST: Self = Self(0);
    /// 10: done before all else.
    pub const HIGHEST: Self = Self(10);

    /// A priority of this value.
    ///
    /// # Errors
    /// The value is above 10.
    pub const fn new(value: u8) -> Result<Self, PriorityError> {
        if value <= Self::HIGHEST.0 { Ok(Self(value)) } else { Err(PriorityError { value: value as i64 }) }
    }

    /// The value, 0 to 10.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u8> for Priority {
    type Error = PriorityError;

    fn try_from(value: u8) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

impl Type<Postgres> for Priority {
    fn type_info() -> PgTypeInfo {
        <i16 as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for Priority {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i16 as Encode<'_, Postgres>>::encode(i16::from(self.0), buffer)
    }
}

impl<'r> Decode<'r, Postgres> for Priority {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let value = <i16 as Decode<'r, Postgres>>::decode(value)?;
        let refused = PriorityError { value: value.into() };
        Ok(Self::new(u8::try_from(value).map_err(|_| refused)?)?)
    }
}

impl PgHasArrayType for Priority {
    fn array_type_info() -> PgTypeInfo {
        <i16 as PgHasArrayType>::array_type_info()
    }
}

impl ColumnType for Priority {
    const KIND: Kind = Kind::Int2;

    fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>) {
        arrays.column(name, values);
    }
}

#[cfg(test)]
mod tests {
    use super::Priority;

    #[test]
    fn takes_zero_to_ten() {
        for value in 0..=10 {
            assert_eq!(Priority::new(value).map(Priority::get), Ok(value));
        }
        assert!(Priority::new(11).is_err());
        assert!(serde_json::from_str::<Priority>("11").is_err());
    }
}
