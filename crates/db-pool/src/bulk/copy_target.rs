//! The table and columns that a COPY fills, by names that were parsed and are quoted here.

use crate::{CopyError, Error};

/// PostgreSQL's longest name; a longer one would be cut off without a word.
const NAME_BYTES: usize = 63;

/// A table and some of its columns. Names are taken literally: upper case stays upper case, and nothing in a name can
/// leave its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyTarget {
    table: String,
    columns: String,
}

impl CopyTarget {
    /// A table on the search path.
    ///
    /// # Errors
    /// [`CopyError::Identifier`] when a name is empty, longer than 63 bytes or holds a NUL, or when no column is named.
    pub fn new(table: &str, columns: &[&str]) -> Result<Self, Error> {
        Ok(Self { table: quote_ident(table)?, columns: quote_list(columns)? })
    }

    /// A table of this schema.
    ///
    /// # Errors
    /// Those of [`CopyTarget::new`].
    pub fn in_schema(schema: &str, table: &str, columns: &[&str]) -> Result<Self, Error> {
        let table = format!("{}.{}", quote_ident(schema)?, quote_ident(table)?);
        Ok(Self { table, columns: quote_list(columns)? })
    }

    /// Only ever prepared: it tells the columns' types.
    pub(crate) fn describing(&self) -> String {
        format!("SELECT {} FROM {}", self.columns, self.table)
    }

    pub(crate) fn copying(&self) -> String {
        format!("COPY {} ({}) FROM STDIN (FORMAT binary)", self.table, self.columns)
    }
}

fn quote_list(names: &[&str]) -> Result<String, Error> {
    if names.is_empty() {
        return Err(Error::Copy(CopyError::Identifier { reason: "no column is named" }));
    }
    let quoted: Result<Vec<_>, _> = names.iter().map(|name| quote_ident(name)).collect();
    Ok(quoted?.join(", "))
}

fn quote_ident(name: &str) -> Result<String, Error> {
    let reason = match name {
        "" => "it is empty",
        _ if name.len() > NAME_BYTES => "it is longer than 63 bytes",
        _ if name.contains('\0') => "it holds a NUL",
        _ => return Ok(format!("\"{}\"", name.replace('"', "\"\""))),
    };
    Err(Error::Copy(CopyError::Identifier { reason }))
}

#[cfg(test)]
mod tests {
    use super::{CopyTarget, quote_ident};

    #[test]
    fn names_cannot_leave_their_quotes() {
        for (name, quoted) in [
            ("tasks", "\"tasks\""),
            ("Tasks", "\"Tasks\""),
            ("a\"; DROP TABLE b; --", "\"a\"\"; DROP TABLE b; --\""),
            ("größe", "\"größe\""),
        ] {
            assert_eq!(quote_ident(name).expect("a name"), quoted);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "a\0b", &"x".repeat(64)] {
            assert!(quote_ident(name).is_err(), "{name:?}");
        }
        assert!(quote_ident(&"x".repeat(63)).is_ok());
        assert!(CopyTarget::new("t", &[]).is_err());
    }

    #[test]
    fn the_statements_name_the_schema() {
        let target = CopyTarget::in_schema("s", "t", &["a", "b"]).expect("names");
        assert_eq!(target.copying(), "COPY \"s\".\"t\" (\"a\", \"b\") FROM STDIN (FORMAT binary)");
        assert_eq!(target.describing(), "SELECT \"a\", \"b\" FROM \"s\".\"t\"");
    }
}
