//! Spans of time, as the summaries have them.

use crate::entity::ColumnType;
use db_query::{Arrays, Kind};
use serde::{Deserialize, Serialize};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::PgInterval;
use sqlx::postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type, encode::IsNull};

const DAY: f64 = 86_400.0;

/// A span of time in seconds, read from an `interval`. A month in it, which a difference of times never has, counts as 30
/// days.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(pub f64);

impl Type<Postgres> for Seconds {
    fn type_info() -> PgTypeInfo {
        <PgInterval as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Seconds {
    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a century fit into the 52 bits of a float"
    )]
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let PgInterval { months, days, microseconds } = <PgInterval as Decode<'r, Postgres>>::decode(value)?;
        let days = f64::from(months) * 30.0 + f64::from(days);
        Ok(Self(days * DAY + microseconds as f64 / 1e6))
    }
}

impl Encode<'_, Postgres> for Seconds {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let microseconds = (self.0 * 1e6).round();
        // What is beyond would be cut off without a word by `as`.
        if microseconds.is_nan() || microseconds.abs() >= 9e18 {
            return Err(format!("{} seconds are no interval", self.0).into());
        }
        #[expect(clippy::cast_possible_truncation, reason = "the range was looked at")]
        let interval = PgInterval { months: 0, days: 0, microseconds: microseconds as i64 };
        <PgInterval as Encode<'_, Postgres>>::encode_by_ref(&interval, buffer)
    }
}

impl ColumnType for Seconds {
    const KIND: Kind = Kind::Interval;

    fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>) {
        arrays.column(name, values);
    }
}

impl sqlx::postgres::PgHasArrayType for Seconds {
    fn array_type_info() -> PgTypeInfo {
        <PgInterval as sqlx::postgres::PgHasArrayType>::array_type_info()
    }
}
