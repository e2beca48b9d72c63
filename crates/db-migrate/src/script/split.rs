//! Finds the statements of a script.

use super::lex::{Lexer, Token, Unclosed};

/// One statement without its semicolon and without the comments before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The text to send.
    pub(crate) text: String,
    /// The line of the file on which it begins, from 1.
    pub(crate) line: usize,
    /// Its words outside of strings, in upper case, with the depth of parentheses around each.
    pub(super) words: Vec<(usize, String)>,
}

/// Something was opened and never closed, so where its statement ends is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unterminated {
    /// What was opened.
    pub(crate) what: &'static str,
    /// The line on which it was.
    pub(crate) line: usize,
}

/// The statements of a script, in order; empty ones are left out.
///
/// A semicolon ends a statement unless it stands in parentheses (`CREATE RULE .. DO (..; ..)`) or in the body of a
/// `CREATE FUNCTION .. BEGIN ATOMIC .. END`, as in psql.
pub(crate) fn split(script: &str) -> Result<Vec<Statement>, Unterminated> {
    let mut lexer = Lexer::new(script);
    let mut statements = Vec::new();
    let mut open = Open::default();
    while let Some((token, start, end)) = lexer.next().map_err(|unclosed| locate(script, unclosed))? {
        if token == Token::Symbol(b';') && open.may_end() {
            statements.extend(std::mem::take(&mut open).close(script));
        } else {
            open.take(token, start, end);
        }
    }
    statements.extend(open.close(script));
    Ok(statements)
}

/// The statement that is being read.
#[derive(Default)]
struct Open {
    range: Option<(usize, usize)>,
    words: Vec<(usize, String)>,
    parentheses: usize,
    blocks: usize,
}

impl Open {
    fn may_end(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn take(&mut self, token: Token<'_>, start: usize, end: usize) {
        self.range = Some((self.range.map_or(start, |(first, _)| first), end));
        match token {
            Token::Symbol(b'(') => self.parentheses += 1,
            Token::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Word(word) => {
                let word = word.to_ascii_uppercase();
                self.count_blocks(&word);
                self.words.push((self.parentheses, word));
            }
            Token::Literal | Token::Symbol(_) => {}
        }
    }

    fn count_blocks(&mut self, word: &str) {
        if self.parentheses > 0 || !self.makes_routine() {
            return;
        }
        match word {
            "BEGIN" => self.blocks += 1,
            "CASE" if self.blocks > 0 => self.blocks += 1,
            "END" => self.blocks = self.blocks.saturating_sub(1),
            _ => {}
        }
    }

    fn makes_routine(&self) -> bool {
        let mut words = self.words.iter().map(|(_, word)| word.as_str()).filter(|word| !is_or_replace(word));
        words.next() == Some("CREATE") && matches!(words.next(), Some("FUNCTION" | "PROCEDURE"))
    }

    fn close(self, script: &str) -> Option<Statement> {
        let (start, end) = self.range?;
        let text = script[start..end].to_owned();
        Some(Statement { text, line: line_of(script, start), words: self.words })
    }
}

fn is_or_replace(word: &str) -> bool {
    matches!(word, "OR" | "REPLACE")
}

fn locate(script: &str, unclosed: Unclosed) -> Unterminated {
    Unterminated { what: unclosed.what, line: line_of(script, unclosed.offset) }
}

fn line_of(script: &str, offset: usize) -> usize {
    1 + script.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
}

impl Statement {
    /// The line of the file that a position in this statement is on; positions count characters from 1, as the
    /// server's do.
    pub(crate) fn line_at(&self, position: usize) -> usize {
        self.line + self.text.chars().take(position.saturating_sub(1)).filter(|char| *char == '\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::{Unterminated, split};

    fn check(script: &str, expected: &[(usize, &str)]) {
        let found = split(script).expect("everything is closed");
        let found: Vec<_> = found.iter().map(|found| (found.line, found.text.as_str())).collect();
        assert_eq!(found, expected, "{script}");
    }

    #[test]
    fn a_semicolon_ends_a_statement() {
        check("SELECT 1; SELECT 2", &[(1, "SELECT 1"), (1, "SELECT 2")]);
        check("\n-- why\n SELECT 1\n;;\n;", &[(3, "SELECT 1")]);
        check(" -- nothing\n /* at all */ ", &[]);
    }

    #[test]
    fn a_semicolon_in_quotes_does_not() {
        for quoted in [
            "SELECT ';'",
            "SELECT 'it''s ;'",
            r"SELECT E'\';'",
            r"SELECT e'\\\';'",
            r#"SELECT ";" "#,
            r#"SELECT "a"";""#,
            "SELECT $$;$$",
            "SELECT $a$;$$;$b$;$a$",
            "SELECT $ü$;$ü$",
            "SELECT 1 /* ; /* ; */ ; */ + 1",
            "SELECT 1 -- ;\n + 1",
        ] {
            check(
                &format!("{quoted}; SELECT 2"),
                &[(1, quoted.trim_end()), (1 + quoted.matches('\n').count(), "SELECT 2")],
            );
        }
    }

    #[test]
    fn what_looks_like_a_quote_is_none() {
        check(r"SELECT '\'; SELECT 2", &[(1, r"SELECT '\'"), (1, "SELECT 2")]);
        check("SELECT $1; SELECT a$b$c; SELECT 3", &[(1, "SELECT $1"), (1, "SELECT a$b$c"), (1, "SELECT 3")]);
        check("SELECT 1 - -1; SELECT 4 / 2", &[(1, "SELECT 1 - -1"), (1, "SELECT 4 / 2")]);
    }

    #[test]
    fn bodies_hold_statements() {
        let rule = "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b)";
        let function = "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC \
                        SELECT CASE WHEN true THEN 1 END; SELECT 2; END";
        check(&format!("{rule}; {function}; SELECT 1"), &[(1, rule), (1, function), (1, "SELECT 1")]);
        check("BEGIN; SELECT 1; END", &[(1, "BEGIN"), (1, "SELECT 1"), (1, "END")]);
    }

    #[test]
    fn names_what_is_never_closed() {
        for (script, what) in [
            ("\nSELECT 'a;", "string"),
            ("\nSELECT \"a;", "quoted name"),
            ("\nSELECT $x$ a; $y$", "dollar-quoted string"),
            ("\n/* /* */", "comment"),
            ("\nSELECT E'\\", "string"),
        ] {
            assert_eq!(split(script), Err(Unterminated { what, line: 2 }), "{script}");
        }
    }

    #[test]
    fn a_position_has_a_line() {
        let statements = split("\n\nSELECT 'ü',\n  x").expect("everything is closed");
        assert_eq!(statements[0].line_at(8), 3);
        assert_eq!(statements[0].line_at(15), 4);
    }
}
