//! Types of PostgreSQL, for casts and for what a catalogue knows of its columns.

use crate::{Ident, touch::Role, writer::Writer};

/// A type to cast to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqlType {
    /// `bool`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`
    Numeric,
    /// `text`
    Text,
    /// `bytea`
    Bytea,
    /// `uuid`
    Uuid,
    /// `timestamptz`
    Timestamptz,
    /// `date`
    Date,
    /// `interval`
    Interval,
    /// `jsonb`
    Jsonb,
    /// `jsonpath`
    Jsonpath,
    /// `tsvector`
    Tsvector,
    /// `tsquery`
    Tsquery,
    /// `regconfig`, the name of a text search configuration
    Regconfig,
    /// `regclass`, the name of a table
    Regclass,
    /// Any other type, by its name: an enum, a domain, an extension's type.
    Named(Ident),
    /// An array of a type.
    Array(Box<SqlType>),
}

impl SqlType {
    /// An array of this type.
    #[must_use]
    pub fn array(self) -> Self {
        Self::Array(Box::new(self))
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        let text = match self {
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Bytea => "bytea",
            Self::Uuid => "uuid",
            Self::Timestamptz => "timestamptz",
            Self::Date => "date",
            Self::Interval => "interval",
            Self::Jsonb => "jsonb",
            Self::Jsonpath => "jsonpath",
            Self::Tsvector => "tsvector",
            Self::Tsquery => "tsquery",
            Self::Regconfig => "regconfig",
            Self::Regclass => "regclass",
            Self::Named(name) => return writer.plain_name(name.as_str(), Role::Other),
            Self::Array(of) => {
                of.write(writer);
                "[]"
            }
        };
        writer.push(text);
    }
}
