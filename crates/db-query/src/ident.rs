//! Names of tables and columns: parsed once, always quoted.

use crate::BuildError;
use std::{fmt, str::FromStr};

/// PostgreSQL cuts longer names off in silence, so they are refused (`NAMEDATALEN` - 1).
const MAX_BYTES: usize = 63;

/// A name that PostgreSQL can have, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(String);

impl Ident {
    /// Accepts any text of 1 to 63 bytes without a NUL; quoting makes the rest harmless.
    ///
    /// # Errors
    /// [`BuildError::Ident`] with the reason.
    pub fn parse(name: &str) -> Result<Self, BuildError> {
        check(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The name without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len() + 2);
        quote(&self.0, &mut text);
        f.write_str(&text)
    }
}

impl FromStr for Ident {
    type Err = BuildError;
    fn from_str(name: &str) -> Result<Self, BuildError> {
        Self::parse(name)
    }
}

pub(crate) fn check(name: &str) -> Result<(), BuildError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_BYTES {
        "it is longer than 63 bytes"
    } else if name.contains('\0') {
        "it holds a NUL"
    } else {
        return Ok(());
    };
    Err(BuildError::Ident { name: name.to_owned(), reason })
}

/// Writes a checked name in quotes, its own quotes doubled.
pub(crate) fn quote(name: &str, out: &mut String) {
    out.push('"');
    for part in name.split_inclusive('"') {
        out.push_str(part);
        if part.ends_with('"') {
            out.push('"');
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::Ident;
    use proptest::prelude::*;

    #[test]
    fn quotes_what_it_is_given() {
        for (name, expected) in
            [("tasks", r#""tasks""#), (r#"a"b"#, r#""a""b""#), (r#"""#, r#""""""#), ("select", r#""select""#)]
        {
            assert_eq!(Ident::parse(name).expect(name).to_string(), expected);
        }
    }

    #[test]
    fn refuses_what_postgresql_cannot_have() {
        for name in ["", "a\0b", &"x".repeat(64)] {
            assert!(Ident::parse(name).is_err(), "{name:?}");
        }
        assert!(Ident::parse(&"x".repeat(63)).is_ok());
    }

    proptest! {
        /// Whatever the name, the quoted form is one token: every quote inside it is doubled.
        #[test]
        fn a_quoted_name_never_ends_early(name in "[^\0]{1,15}") {
            let quoted = Ident::parse(&name).expect("short and without NUL").to_string();
            let inside = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inside.replace("\"\"", "").matches('"').count(), 0);
            prop_assert_eq!(inside.replace("\"\"", "\""), name);
        }
    }
}
