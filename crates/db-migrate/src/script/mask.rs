//! A statement as it may be told to others: without its literals, which may be somebody's data.

use super::lex::{Lexer, Token};

/// The statement in one line of at most so many characters. Strings of every kind and numbers become `…`, comments go,
/// and so does all that follows what is opened and never closed, as where the server has cut it off.
pub(crate) fn masked(statement: &str, most_chars: usize) -> String {
    let (mut lexer, mut told, mut end) = (Lexer::new(statement), String::new(), 0);
    loop {
        let (token, start, next) = match lexer.next() {
            Ok(Some(found)) => found,
            Ok(None) => break,
            Err(_unclosed) => {
                told.push_str(" …");
                break;
            }
        };
        if start > end && !told.is_empty() {
            told.push(' ');
        }
        end = next;
        let text = &statement[start..next];
        match token {
            // A name is no data.
            Token::Literal if !text.starts_with('"') => told.push('…'),
            Token::Literal | Token::Word(_) | Token::Symbol(_) => told.push_str(text),
        }
    }
    let cut = told.char_indices().nth(most_chars).map_or(told.len(), |(at, _)| at);
    told.truncate(cut);
    told
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn no_literal_is_told() {
        for (statement, expected) in [
            ("UPDATE t SET a = 'secret', b = 'it''s'", "UPDATE t SET a = …, b = …"),
            ("SELECT $$secret$$, $q$sec$$ret$q$", "SELECT …, …"),
            (r"SELECT E'it\'s secret', x'00'", "SELECT …, x…"),
            (
                r#"SELECT "a name" FROM "s"."T" WHERE card = 4929123412341234"#,
                r#"SELECT "a name" FROM "s"."T" WHERE card = …"#,
            ),
            ("SELECT  1 -- secret\n  + 2 /* secret */;", "SELECT … + … ;"),
            // As the server cuts them.
            ("INSERT INTO t VALUES ('secr", "INSERT INTO t VALUES ( …"),
            ("INSERT INTO t VALUES ($$secr", "INSERT INTO t VALUES ( …"),
            ("SELECT 1 /* secr", "SELECT … …"),
            ("<insufficient privilege>", "<insufficient privilege>"),
            ("", ""),
        ] {
            assert_eq!(masked(statement, 200), expected, "{statement}");
        }
    }

    #[test]
    fn it_is_cut_after_it_was_masked() {
        assert_eq!(masked("SELECT 'secret' FROM ü", 12), "SELECT … FRO");
        assert_eq!(masked(&format!("SELECT '{}', 'b'", "x".repeat(300)), 20), "SELECT …, …");
    }
}
