//! What a statement is about, as far as its words tell: enough to know whether a way back undoes what was done.

use super::lex::{Lexer, Token};

/// What a statement does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It makes it.
    Makes,
    /// It removes it.
    Removes,
    /// It changes it, or its rows.
    Changes,
}

/// A deed and the object's name, without its schema and in the case in which the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) deed: Deed,
    pub(crate) name: String,
}

/// Words between a verb and the name of its object.
const BETWEEN: [&str; 34] = [
    "TABLE",
    "INDEX",
    "VIEW",
    "MATERIALIZED",
    "SEQUENCE",
    "TYPE",
    "DOMAIN",
    "SCHEMA",
    "FUNCTION",
    "PROCEDURE",
    "AGGREGATE",
    "ROUTINE",
    "EXTENSION",
    "UNIQUE",
    "CONCURRENTLY",
    "IF",
    "NOT",
    "EXISTS",
    "OR",
    "REPLACE",
    "UNLOGGED",
    "RECURSIVE",
    "FOREIGN",
    "ONLY",
    "INTO",
    "FROM",
    "COLLATION",
    "STATISTICS",
    "PUBLICATION",
    "SERVER",
    "EVENT",
    "TRIGGER",
    "RULE",
    "POLICY",
];

/// What the statement is about; `None` where its words do not tell.
pub(crate) fn aim(statement: &str) -> Option<Aim> {
    let mut words = words(statement);
    let verb = words.next()?.0;
    let deed = match verb.to_ascii_uppercase().as_str() {
        "CREATE" => Deed::Makes,
        "DROP" => Deed::Removes,
        "ALTER" | "INSERT" | "UPDATE" | "DELETE" | "TRUNCATE" | "COMMENT" | "REINDEX" | "CLUSTER"
        | "VACUUM" => Deed::Changes,
        _ => return None,
    };
    let is_between = |word: &str| BETWEEN.contains(&word.to_ascii_uppercase().as_str());
    let (word, mut qualified) = words.find(|(word, _)| !is_between(word))?;
    let mut name = word;
    // Of `app.users` the last part.
    while qualified {
        (name, qualified) = words.next()?;
    }
    Some(Aim { deed, name: kept(&name) })
}

/// The words and quoted names, and whether a dot comes after each.
fn words(statement: &str) -> impl Iterator<Item = (String, bool)> + '_ {
    let mut lexer = Lexer::new(statement);
    let mut tokens = std::iter::from_fn(move || lexer.next().ok().flatten()).peekable();
    std::iter::from_fn(move || {
        loop {
            let (token, start, end) = tokens.next()?;
            let text = &statement[start..end];
            let is_name = matches!(token, Token::Word(_)) || text.starts_with('"');
            if is_name {
                let dot = tokens.peek().is_some_and(|(next, ..)| *next == Token::Symbol(b'.'));
                return Some((text.to_owned(), dot));
            }
        }
    })
}

fn kept(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => name.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Aim, Deed, aim};

    #[test]
    fn the_words_tell_the_object() {
        for (sql, expected) in [
            ("CREATE TABLE IF NOT EXISTS app.Users (id int)", Some((Deed::Makes, "users"))),
            ("create unique index concurrently \"I x\" on t (a)", Some((Deed::Makes, "I x"))),
            ("CREATE OR REPLACE FUNCTION f() RETURNS int", Some((Deed::Makes, "f"))),
            ("DROP TABLE IF EXISTS \"app\".\"Us\"\"ers\" CASCADE", Some((Deed::Removes, "Us\"ers"))),
            ("ALTER TABLE ONLY users RENAME TO old", Some((Deed::Changes, "users"))),
            ("INSERT INTO users VALUES (1)", Some((Deed::Changes, "users"))),
            ("DELETE FROM users", Some((Deed::Changes, "users"))),
            ("TRUNCATE users", Some((Deed::Changes, "users"))),
            ("DO $$ BEGIN END $$", None),
            ("SELECT 1", None),
        ] {
            let expected = expected.map(|(deed, name)| Aim { deed, name: name.to_owned() });
            assert_eq!(aim(sql), expected, "{sql}");
        }
    }
}
