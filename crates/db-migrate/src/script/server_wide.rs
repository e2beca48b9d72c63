//! Statements that act on the whole server, so that a scratch database keeps nothing of them in.

use super::lex::{Lexer, Token};

/// Objects that all databases of a server share.
const SHARED: [&str; 6] = ["DATABASE", "TABLESPACE", "ROLE", "USER", "GROUP", "SUBSCRIPTION"];

/// Whether a statement changes what other databases see: databases, tablespaces, roles and their members, settings of
/// the server, subscriptions, and what a role owns anywhere. What a `DO` block or a function does cannot be seen.
pub(crate) fn is_server_wide(statement: &str) -> bool {
    let words = outer_words(statement);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        // A user mapping is of one database.
        ["CREATE" | "ALTER" | "DROP", "USER", "MAPPING", ..] => false,
        ["CREATE" | "ALTER" | "DROP", object, ..] if SHARED.contains(object) => true,
        ["ALTER", "SYSTEM", ..] | ["DROP" | "REASSIGN", "OWNED", ..] => true,
        ["COMMENT", "ON", object, ..] => SHARED.contains(object),
        ["SECURITY", "LABEL", rest @ ..] => on(rest).is_some_and(|object| SHARED.contains(&object)),
        ["GRANT" | "REVOKE", rest @ ..] => match on(rest) {
            Some(object) => matches!(object, "DATABASE" | "TABLESPACE" | "PARAMETER"),
            // Privileges are on something; without that it makes a member of a role.
            None => true,
        },
        _ => false,
    }
}

/// The word after `ON`.
fn on<'a>(words: &[&'a str]) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == "ON")?;
    // A quoted name is no word.
    Some(words.get(at + 1).copied().unwrap_or_default())
}

/// Words outside of parentheses, in upper case; quoted names are none. None where no rule begins with the first.
fn outer_words(statement: &str) -> Vec<String> {
    let (mut lexer, mut words, mut depth) = (Lexer::new(statement), Vec::new(), 0_usize);
    while let Ok(Some((token, _, _))) = lexer.next() {
        match token {
            Token::Symbol(b'(') => depth += 1,
            Token::Symbol(b')') => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 => words.push(word.to_ascii_uppercase()),
            Token::Word(_) | Token::Literal | Token::Symbol(_) => {}
        }
        if words.first().is_some_and(|first| !FIRST.contains(&first.as_str())) {
            return Vec::new();
        }
    }
    words
}

/// Most statements are told by their first word, without looking at the others.
const FIRST: [&str; 8] = ["CREATE", "ALTER", "DROP", "REASSIGN", "COMMENT", "SECURITY", "GRANT", "REVOKE"];

#[cfg(test)]
mod tests {
    use super::is_server_wide;

    #[test]
    fn what_databases_share_is_told_from_what_is_in_one() {
        for sql in [
            "CREATE DATABASE d",
            "drop /* now */ database if exists d",
            "ALTER DATABASE d SET work_mem = '4MB'",
            "CREATE TABLESPACE s LOCATION '/s'",
            "ALTER SYSTEM SET work_mem = '4MB'",
            "CREATE ROLE r",
            "CREATE USER \"r\" PASSWORD 'x'",
            "ALTER GROUP g ADD USER u",
            "DROP ROLE r",
            "GRANT a TO b",
            "GRANT \"a\", b TO c WITH ADMIN OPTION",
            "REVOKE ADMIN OPTION FOR a FROM b",
            "GRANT CONNECT ON DATABASE d TO r",
            "GRANT SET ON PARAMETER work_mem TO r",
            "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
            "DROP SUBSCRIPTION s",
            "DROP OWNED BY r",
            "REASSIGN OWNED BY a TO b",
            "COMMENT ON ROLE r IS 'x'",
            "SECURITY LABEL FOR p ON DATABASE d IS 'x'",
        ] {
            assert!(is_server_wide(sql), "{sql}");
        }
        for sql in [
            "CREATE TABLE role (a int)",
            "CREATE USER MAPPING FOR r SERVER s",
            "DROP TABLE database",
            "GRANT SELECT ON t TO r",
            "GRANT SELECT (a), UPDATE (a) ON \"database\" TO r",
            "REVOKE ALL ON ALL TABLES IN SCHEMA s FROM r",
            "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO r",
            "ALTER TABLE t OWNER TO r",
            "COMMENT ON TABLE t IS 'a role'",
            "CREATE PUBLICATION p FOR ALL TABLES",
            "SELECT 'DROP DATABASE d'",
            "DO $$ BEGIN CREATE ROLE r; END $$",
        ] {
            assert!(!is_server_wide(sql), "{sql}");
        }
    }
}
