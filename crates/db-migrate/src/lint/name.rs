//! Names of the database's objects, as PostgreSQL reads them.

use std::fmt;

/// The name of a relation, a type or a function, folded and without its quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// `None` where the statement leaves it to the search path.
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

/// PostgreSQL cuts longer names off.
const MAX_BYTES: usize = 63;

impl Name {
    pub(crate) fn new(schema: &str, name: &str) -> Self {
        Self { schema: Some(schema.to_owned()), name: name.to_owned() }
    }

    /// Reads `a`, `"A"."b"` or `db.a.b`; `None` when nothing is there.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = parts(text);
        let name = parts.pop().filter(|name| !name.is_empty())?;
        Some(Self { schema: parts.pop().filter(|schema| !schema.is_empty()), name })
    }

    /// The same in this schema, unless it says one.
    pub(crate) fn within(&self, schema: &str) -> Self {
        Self {
            schema: Some(self.schema.clone().unwrap_or_else(|| schema.to_owned())),
            name: self.name.clone(),
        }
    }

    /// The same with a name beside it, as `ALTER .. RENAME TO` gives it.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        Self { schema: self.schema.clone(), name: name.to_owned() }
    }

    /// As SQL, quoted where it has to be.
    pub(crate) fn sql(&self) -> String {
        let name = identifier(&self.name);
        self.schema.as_deref().map_or(name.clone(), |schema| format!("{}.{name}", identifier(schema)))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sql())
    }
}

/// One identifier: folded to lower case unless it is quoted.
pub(crate) fn folded(text: &str) -> String {
    parts(text).pop().unwrap_or_default()
}

/// A name as SQL, quoted where it has to be.
pub(crate) fn identifier(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if starts && name.bytes().all(plain) { name.to_owned() } else { crate::shape::quoted(name) }
}

fn parts(text: &str) -> Vec<String> {
    let (mut parts, mut part, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                part.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(std::mem::take(&mut part)),
            _ if quoted => part.push(character),
            _ if character.is_whitespace() => {}
            _ => part.extend(character.to_lowercase()),
        }
    }
    parts.push(part);
    for part in &mut parts {
        part.truncate(part.floor_char_boundary(MAX_BYTES));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::{Name, folded};

    #[test]
    fn is_read_as_postgresql_does() {
        for (text, schema, name) in [
            ("Orders", None, "orders"),
            ("\"Orders\"", None, "Orders"),
            ("app . Orders", Some("app"), "orders"),
            ("\"A.b\".\"c\"\"d\"", Some("A.b"), "c\"d"),
            ("db.app.t", Some("app"), "t"),
        ] {
            let found = Name::parse(text).expect("a name");
            assert_eq!((found.schema.as_deref(), found.name.as_str()), (schema, name), "{text}");
        }
        assert_eq!(Name::parse(""), None);
        assert_eq!(folded(&"x".repeat(70)).len(), 63);
    }

    #[test]
    fn is_written_with_the_quotes_that_it_needs() {
        assert_eq!(Name::new("public", "Orders").to_string(), "public.\"Orders\"");
        assert_eq!(Name::new("app", "t_1").to_string(), "app.t_1");
        assert_eq!(Name::new("app", "1t").to_string(), "app.\"1t\"");
    }
}
