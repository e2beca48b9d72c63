//! What a column of a Rust type is in the database, and how many values of it travel at once.

use chrono::{DateTime, Utc};
use db_query::{Arrays, Field, Kind};
use serde_json::Value;
use sqlx::{Encode, Postgres, Type};
use std::fmt::Write as _;
use uuid::Uuid;

/// A type that a column can have.
///
/// A type of one's own that is stored as another has the other's kind; see the source of [`Priority`](crate::Priority).
pub trait ColumnType: for<'q> Encode<'q, Postgres> + Type<Postgres> + Sized + 'static {
    /// The kind of the column.
    const KIND: Kind;
    /// Whether the column may be NULL: true for `Option` only.
    const NULLABLE: bool = false;

    /// Adds a column of these values to an `unnest`.
    fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>);
}

/// The catalogue's entry for a column of this type.
#[must_use]
pub const fn field<T: ColumnType>(name: &'static str) -> Field {
    let field = Field::new(name, T::KIND);
    if T::NULLABLE { field.nullable() } else { field }
}

macro_rules! scalars {
    ($($type:ty => $kind:ident)+) => {$(
        impl ColumnType for $type {
            const KIND: Kind = Kind::$kind;

            fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>) {
                arrays.column(name, values);
            }
        }
    )+};
}

scalars! {
    bool => Bool
    i16 => Int2
    i32 => Int4
    i64 => Int8
    f64 => Float8
    String => Text
    Vec<u8> => Bytea
    Uuid => Uuid
    DateTime<Utc> => Timestamptz
    Value => Jsonb
}

impl<T: ColumnType> ColumnType for Option<T> {
    const KIND: Kind = T::KIND;
    const NULLABLE: bool = true;

    fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>) {
        T::write_array(
            name,
            values.into_iter().map(|value| value.and_then(Option::as_ref)).collect(),
            arrays,
        );
    }
}

/// Arrays of arrays are no arrays to PostgreSQL, so each goes as the text that PostgreSQL reads one from.
macro_rules! arrays {
    ($($element:ty => $kind:ident)+) => {$(
        impl ColumnType for Vec<$element> {
            const KIND: Kind = Kind::$kind;

            fn write_array(name: &str, values: Vec<Option<&Self>>, arrays: &mut Arrays<'_>) {
                let values: Vec<_> = values.into_iter().map(|value| value.map(|value| literal(value))).collect();
                arrays.column(name, values);
            }
        }
    )+};
}

arrays! {
    String => TextArray
    i16 => Int2Array
    Uuid => UuidArray
}

/// Every element in quotes, which any type may be, with what means something inside them escaped.
fn literal<T: std::fmt::Display>(values: &[T]) -> String {
    let mut text = String::from("{");
    for (position, value) in values.iter().enumerate() {
        let begin = if position == 0 { "\"" } else { ",\"" };
        let value = value.to_string().replace('\\', r"\\").replace('"', r#"\""#);
        // A String takes every write.
        let _ = write!(text, "{begin}{value}\"");
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn literals_are_quoted() {
        let check = |values: &[&str], expected| assert_eq!(literal(values), expected);
        check(&[], "{}");
        check(&["a", "", "NULL"], r#"{"a","","NULL"}"#);
        check(&[r#"a"b\c,{}"#], r#"{"a\"b\\c,{}"}"#);
        assert_eq!(literal(&[1, -2]), r#"{"1","-2"}"#);
    }
}
