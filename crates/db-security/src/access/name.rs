//! Names that rules may have: parsed once, quoted wherever they reach SQL.

use crate::access::Problem;
use db_query::Ident;
use std::fmt;

/// A rule's name is part of the names of its policies, which have 63 bytes.
const RULE_BYTES: usize = 40;

/// A setting's name is `cairn.subject.` and this.
const ATTRIBUTE_BYTES: usize = 40;

/// A table or view with its schema.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    schema: String,
    table: String,
}

impl TableName {
    /// Reads `table` or `schema.table`; the first is of the given schema.
    ///
    /// # Errors
    /// [`Problem::Name`] for what PostgreSQL cannot have, and for names that hold dots themselves.
    pub fn parse(name: &str, default_schema: &str) -> Result<Self, Problem> {
        let (schema, table) = name.split_once('.').unwrap_or((default_schema, name));
        match [schema, table].into_iter().find_map(name_fault) {
            Some(reason) => Err(Problem::Name { name: name.to_owned(), reason }),
            None => Ok(Self::of(schema.to_owned(), table.to_owned())),
        }
    }

    /// A name that the server has.
    pub(crate) const fn of(schema: String, table: String) -> Self {
        Self { schema, table }
    }

    /// Whether rules can name it: neither part holds a dot.
    pub(crate) fn can_be_named(&self) -> bool {
        name_fault(&self.schema).or(name_fault(&self.table)).is_none()
    }

    /// Its schema.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Its name in the schema.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// In quotes.
    pub(crate) fn sql(&self) -> String {
        format!("{}.{}", quoted(self.schema()), quoted(self.table()))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// What is wrong with a name of a schema, table or column, if something is.
pub(crate) fn name_fault(name: &str) -> Option<&'static str> {
    match name {
        "" => Some("a part of it is empty"),
        name if name.len() > 63 => Some("a part of it is longer than 63 bytes"),
        name if name.contains('\0') => Some("it holds a NUL"),
        name if name.contains('.') => Some("it has more parts than schema and table"),
        _ => None,
    }
}

/// A name in quotes. Only for names that came from the server or through a constructor of this file.
pub(crate) fn quoted(name: &str) -> String {
    // A name that PostgreSQL cannot have never got here; quotes are doubled whatever it is.
    Ident::parse(name).map_or_else(
        |_| format!("\"{}\"", name.replace('"', "\"\"").replace('\0', "")),
        |ident| ident.to_string(),
    )
}

/// The name of an attribute of a subject: `[a-z_][a-z0-9_]*`, at most 40 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeName(String);

impl AttributeName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Problem::Name`] with the reason.
    pub fn parse(name: &str) -> Result<Self, Problem> {
        let is_first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let is_fit = name.bytes().all(|byte| is_first(byte) || byte.is_ascii_digit());
        if is_fit && name.bytes().next().is_some_and(is_first) && name.len() <= ATTRIBUTE_BYTES {
            return Ok(Self(name.to_owned()));
        }
        let reason = "an attribute has 1 to 40 of a-z, 0-9 and _, and no digit first";
        Err(Problem::Name { name: name.to_owned(), reason })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The setting of a session that carries the attribute.
    #[must_use]
    pub fn setting(&self) -> String {
        format!("cairn.subject.{}", self.0)
    }
}

/// The name of a rule: `[a-z][a-z0-9_-]*`, at most 40 bytes.
///
/// # Errors
/// [`Problem::Name`] with the reason.
pub(crate) fn check_rule_name(name: &str) -> Result<(), Problem> {
    let is_fit = name
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
    if is_fit && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= RULE_BYTES {
        return Ok(());
    }
    let reason = "a rule has 1 to 40 of a-z, 0-9, _ and -, and a letter first";
    Err(Problem::Name { name: name.to_owned(), reason })
}

/// The name of a role: what PostgreSQL takes, and none that it keeps for itself.
///
/// # Errors
/// [`Problem::Name`] with the reason.
pub(crate) fn check_role_name(name: &str) -> Result<(), Problem> {
    let reserved = name.starts_with("pg_")
        || matches!(name, "public" | "none" | "current_user" | "session_user" | "current_role");
    let reason = if reserved { Some("PostgreSQL keeps it for itself") } else { name_fault(name) };
    reason.map_or(Ok(()), |reason| Err(Problem::Name { name: name.to_owned(), reason }))
}
