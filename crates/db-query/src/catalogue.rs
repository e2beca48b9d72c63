//! What tables there are and what their columns are: checked when the program is compiled, asked when names come from
//! outside.

use crate::{
    BuildError, SqlType,
    touch::{Named, Touch},
};

/// What kind of values a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `bool`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `double precision`
    Float8,
    /// `text`
    Text,
    /// `text` of which only these values are legal.
    OneOf(&'static [&'static str]),
    /// `bytea`
    Bytea,
    /// `uuid`
    Uuid,
    /// `timestamptz`
    Timestamptz,
    /// `jsonb`
    Jsonb,
    /// `text[]`
    TextArray,
    /// `uuid[]`
    UuidArray,
    /// `smallint[]`
    Int2Array,
    /// `tsvector`
    Tsvector,
    /// `interval`
    Interval,
}

impl Kind {
    /// The type as PostgreSQL has it.
    #[must_use]
    pub fn sql_type(self) -> SqlType {
        match self {
            Self::Bool => SqlType::Bool,
            Self::Int2 => SqlType::Int2,
            Self::Int4 => SqlType::Int4,
            Self::Int8 => SqlType::Int8,
            Self::Float8 => SqlType::Float8,
            Self::Text | Self::OneOf(_) => SqlType::Text,
            Self::Bytea => SqlType::Bytea,
            Self::Uuid => SqlType::Uuid,
            Self::Timestamptz => SqlType::Timestamptz,
            Self::Jsonb => SqlType::Jsonb,
            Self::TextArray => SqlType::Text.array(),
            Self::UuidArray => SqlType::Uuid.array(),
            Self::Int2Array => SqlType::Int2.array(),
            Self::Tsvector => SqlType::Tsvector,
            Self::Interval => SqlType::Interval,
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    name: &'static str,
    kind: Kind,
    nullable: bool,
}

impl Field {
    /// A column that is never NULL.
    ///
    /// # Panics
    /// For a name that PostgreSQL cannot have, or with a quote or a dot; in a constant, the compiler says so.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        assert!(is_plain(name), "a column's name is 1 to 63 bytes without quote, dot and NUL");
        Self { name, kind, nullable: false }
    }

    /// The same column, which may be NULL.
    #[must_use]
    pub const fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it holds.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it may be NULL.
    #[must_use]
    pub const fn is_nullable(&self) -> bool {
        self.nullable
    }
}

/// A table with its columns, as a constant of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Table {
    name: &'static str,
    fields: &'static [Field],
}

impl Table {
    /// A table that the search path finds.
    ///
    /// # Panics
    /// For a name that PostgreSQL cannot have, or with a quote or a dot; in a constant, the compiler says so.
    #[must_use]
    pub const fn new(name: &'static str, fields: &'static [Field]) -> Self {
        assert!(is_plain(name), "a table's name is 1 to 63 bytes without quote, dot and NUL");
        Self { name, fields }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Its columns.
    #[must_use]
    pub const fn fields(&self) -> &'static [Field] {
        self.fields
    }

    /// The column of this name.
    ///
    /// # Errors
    /// [`BuildError::UnknownColumn`] with the nearest name that there is.
    pub fn field(&self, name: &str) -> Result<&'static Field, BuildError> {
        self.fields.iter().find(|field| field.name == name).ok_or_else(|| BuildError::UnknownColumn {
            table: self.name.to_owned(),
            column: name.to_owned(),
            nearest: nearest(name, self.fields.iter().map(|field| field.name)),
        })
    }
}

/// Whether every table and column is there. A column that may be of a subquery is left to the server.
pub(crate) fn check(touches: &[Touch], named: &[Named], catalogue: &[&Table]) -> Result<(), BuildError> {
    // A schema is not a part of the catalogue: the same tables may stand in several.
    let find = |name: &str| {
        let bare = name.rsplit('.').next().unwrap_or_default();
        catalogue.iter().find(|table| table.name == bare).ok_or_else(|| BuildError::UnknownTable {
            table: name.to_owned(),
            nearest: nearest(bare, catalogue.iter().map(|table| table.name)),
        })
    };
    for touch in touches {
        find(&touch.table)?;
    }
    for name in named.iter().filter(|name| !name.open) {
        let mut first = None;
        let mut is_known = false;
        for table in &name.tables {
            match find(table)?.field(&name.column) {
                Ok(_) => is_known = true,
                Err(error) => first = first.or(Some(error)),
            }
        }
        if let Some(error) = first.filter(|_| !is_known) {
            return Err(error);
        }
    }
    Ok(())
}

/// The known name that somebody may have meant: more alike than not.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Nearest {
    let lower = name.to_lowercase();
    let best = known
        .map(|known| (strsim::jaro_winkler(&lower, &known.to_lowercase()), known))
        .max_by(|left, right| left.0.total_cmp(&right.0));
    Nearest(best.filter(|&(likeness, _)| likeness > 0.75).map(|(_, known)| known.to_owned()))
}

/// A name that somebody may have meant, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nearest(Option<String>);

impl Nearest {
    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl std::fmt::Display for Nearest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "; did you mean {name:?}?"),
            None => Ok(()),
        }
    }
}

const fn is_plain(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > 63 {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], b'"' | b'.' | 0) {
            return false;
        }
        at += 1;
    }
    true
}
