//! Values of JSON as values of columns: each kind of column takes what it can hold, and nothing is rounded or cut.

use crate::{Kind, Nearest, catalogue::nearest, writer::Writer};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

/// A value, typed as a column is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Bool(bool),
    Int2(i16),
    Int4(i32),
    Int8(i64),
    Float8(f64),
    Text(String),
    Uuid(Uuid),
    Time(DateTime<Utc>),
    Json(Value),
}

/// A list of values of one column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum List {
    Bool(Vec<bool>),
    Int2(Vec<i16>),
    Int4(Vec<i32>),
    Int8(Vec<i64>),
    Float8(Vec<f64>),
    Text(Vec<String>),
    Uuid(Vec<Uuid>),
    Time(Vec<DateTime<Utc>>),
    Json(Vec<Json<Value>>),
}

/// What a kind is called in errors.
pub(super) fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Int2 => "integers from -32768 to 32767",
        Kind::Int4 => "integers of 32 bits",
        Kind::Int8 => "integers of 64 bits",
        Kind::Float8 => "numbers",
        Kind::Text => "texts",
        Kind::OneOf(_) => "one of a few texts",
        Kind::Bytea => "bytes",
        Kind::Uuid => "UUIDs",
        Kind::Timestamptz => "times as in RFC 3339",
        Kind::Jsonb => "JSON",
        Kind::TextArray => "lists of texts",
        Kind::UuidArray => "lists of UUIDs",
        Kind::Int2Array => "lists of integers from -32768 to 32767",
        Kind::Tsvector => "words to search",
        Kind::Interval => "spans of time",
    }
}

/// Why a value is none of the column's; with the one that may be meant.
pub(super) struct NoValue(pub(super) Nearest);

/// A JSON value as one of a column of this kind.
pub(super) fn scalar(kind: Kind, value: &Value) -> Result<Scalar, NoValue> {
    let found = match (kind, value) {
        (Kind::Bool, Value::Bool(flag)) => Some(Scalar::Bool(*flag)),
        (Kind::Int2, Value::Number(number)) => {
            number.as_i64().and_then(|number| number.try_into().ok()).map(Scalar::Int2)
        }
        (Kind::Int4, Value::Number(number)) => {
            number.as_i64().and_then(|number| number.try_into().ok()).map(Scalar::Int4)
        }
        (Kind::Int8, Value::Number(number)) => number.as_i64().map(Scalar::Int8),
        (Kind::Float8, Value::Number(number)) => number.as_f64().map(Scalar::Float8),
        (Kind::OneOf(known), Value::String(text)) => {
            if !known.contains(&text.as_str()) {
                return Err(NoValue(nearest(text, known.iter().copied())));
            }
            Some(Scalar::Text(text.clone()))
        }
        // PostgreSQL's texts hold no NUL.
        (Kind::Text, Value::String(text)) if !text.contains('\0') => Some(Scalar::Text(text.clone())),
        (Kind::Uuid, Value::String(text)) => Uuid::try_parse(text).ok().map(Scalar::Uuid),
        (Kind::Timestamptz, Value::String(text)) => {
            DateTime::parse_from_rfc3339(text).ok().map(|time| Scalar::Time(time.to_utc()))
        }
        (Kind::Jsonb, value) if holds_no_nul(value) => Some(Scalar::Json(value.clone())),
        _ => None,
    };
    found.ok_or_else(|| NoValue(Nearest::default()))
}

/// Neither jsonb's texts nor its keys hold one.
fn holds_no_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(items) => items.iter().all(holds_no_nul),
        Value::Object(members) => {
            members.iter().all(|(key, value)| !key.contains('\0') && holds_no_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

impl Scalar {
    pub(super) fn bind(self, writer: &mut Writer) {
        match self {
            Self::Bool(value) => writer.bind(value),
            Self::Int2(value) => writer.bind(value),
            Self::Int4(value) => writer.bind(value),
            Self::Int8(value) => writer.bind(value),
            Self::Float8(value) => writer.bind(value),
            Self::Text(value) => writer.bind(value),
            Self::Uuid(value) => writer.bind(value),
            Self::Time(value) => writer.bind(value),
            Self::Json(value) => writer.bind(Json(value)),
        }
    }
}

impl List {
    /// Of values that are all of this kind.
    pub(super) fn new(kind: Kind, scalars: Vec<Scalar>) -> Self {
        macro_rules! all {
            ($variant:ident) => {
                Self::$variant(
                    scalars
                        .into_iter()
                        .filter_map(|scalar| match scalar {
                            Scalar::$variant(value) => Some(value.into()),
                            _ => None,
                        })
                        .collect(),
                )
            };
        }
        match kind {
            Kind::Bool => all!(Bool),
            Kind::Int2 | Kind::Int2Array => all!(Int2),
            Kind::Int4 => all!(Int4),
            Kind::Int8 => all!(Int8),
            Kind::Float8 => all!(Float8),
            Kind::Uuid | Kind::UuidArray => all!(Uuid),
            Kind::Timestamptz => all!(Time),
            Kind::Jsonb => Self::Json(
                scalars
                    .into_iter()
                    .filter_map(|scalar| match scalar {
                        Scalar::Json(value) => Some(Json(value)),
                        _ => None,
                    })
                    .collect(),
            ),
            Kind::Text | Kind::OneOf(_) | Kind::TextArray | Kind::Bytea | Kind::Tsvector | Kind::Interval => {
                all!(Text)
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Bool(values) => values.is_empty(),
            Self::Int2(values) => values.is_empty(),
            Self::Int4(values) => values.is_empty(),
            Self::Int8(values) => values.is_empty(),
            Self::Float8(values) => values.is_empty(),
            Self::Text(values) => values.is_empty(),
            Self::Uuid(values) => values.is_empty(),
            Self::Time(values) => values.is_empty(),
            Self::Json(values) => values.is_empty(),
        }
    }

    pub(super) fn bind(self, writer: &mut Writer) {
        match self {
            Self::Bool(values) => writer.bind(values),
            Self::Int2(values) => writer.bind(values),
            Self::Int4(values) => writer.bind(values),
            Self::Int8(values) => writer.bind(values),
            Self::Float8(values) => writer.bind(values),
            Self::Text(values) => writer.bind(values),
            Self::Uuid(values) => writer.bind(values),
            Self::Time(values) => writer.bind(values),
            Self::Json(values) => writer.bind(values),
        }
    }
}
