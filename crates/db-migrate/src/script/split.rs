//! Finds the statements of a script.

use super::class::{Class, Words, classify};
use super::lex::{Lexer, Token, Unclosed};

/// One statement without its semicolon and without the comments before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Statement {
    /// The text to send.
    pub(crate) text: Box<str>,
    /// The line of the file on which it begins, from 1.
    pub(crate) line: usize,
    /// How it must be sent.
    pub(crate) class: Class,
    /// The rows that follow a `COPY .. FROM STDIN`.
    pub(crate) data: Option<Box<str>>,
}

/// Something was opened and never closed, so where its statement ends is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unterminated {
    /// What was opened.
    pub(crate) what: &'static str,
    /// The line on which it was.
    pub(crate) line: usize,
}

/// The statements of a script that begins on this line of its file, in order; empty ones are left out.
///
/// A semicolon ends a statement unless it stands in parentheses (`CREATE RULE .. DO (..; ..)`) or in the body of a
/// `CREATE FUNCTION .. BEGIN ATOMIC .. END`, as in psql. A line that begins with a backslash where a statement might is
/// a command of psql's; the lines after a `COPY .. FROM STDIN;` are its rows.
pub(crate) fn split(script: &str, first_line: usize) -> Result<Vec<Statement>, Unterminated> {
    let mut reader = Reader { script, lines: Lines { script, at: 0, line: first_line }, found: Vec::new() };
    reader.read()?;
    Ok(reader.found)
}

struct Reader<'a> {
    script: &'a str,
    lines: Lines<'a>,
    found: Vec<Statement>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Unterminated> {
        let mut lexer = Lexer::new(self.script);
        let mut open = Open::default();
        loop {
            let next = lexer.next().map_err(|unclosed| self.locate(unclosed))?;
            let Some((token, start, end)) = next else { break };
            if token == Token::Symbol(b'\\') && open.range.is_none() {
                lexer.skip_line();
                open.range = Some((start, lexer.at()));
                self.close(&mut open, Class::Meta);
            } else if token == Token::Symbol(b';') && open.may_end() {
                let class = classify(&open.words(self.script));
                let copies = class == Class::CopyFromClient;
                self.close(&mut open, class);
                if copies && let Some(rows) = lexer.rows() {
                    self.take_rows(rows);
                }
            } else {
                open.take(self.script, token, start, end);
            }
        }
        let class = classify(&open.words(self.script));
        self.close(&mut open, class);
        Ok(())
    }

    fn close(&mut self, open: &mut Open, class: Class) {
        if let Some((start, end)) = std::mem::take(open).range {
            let (text, line) = (self.script[start..end].trim_end().into(), self.lines.of(start));
            self.found.push(Statement { text, line, class, data: None });
        }
    }

    fn take_rows(&mut self, rows: &str) {
        if let Some(copy) = self.found.last_mut() {
            copy.class = Class::CopyIn;
            copy.data = Some(rows.into());
        }
    }

    fn locate(&mut self, unclosed: Unclosed) -> Unterminated {
        Unterminated { what: unclosed.what, line: self.lines.of(unclosed.offset) }
    }
}

/// Counts lines as it goes on; offsets come in rising order.
struct Lines<'a> {
    script: &'a str,
    at: usize,
    line: usize,
}

impl Lines<'_> {
    fn of(&mut self, offset: usize) -> usize {
        let from = self.at.min(offset);
        self.line += self.script.as_bytes()[from..offset].iter().filter(|byte| **byte == b'\n').count();
        self.at = offset;
        self.line
    }
}

/// More words than any rule looks at.
const WORDS: usize = 32;

/// The statement that is being read.
#[derive(Default)]
struct Open {
    range: Option<(usize, usize)>,
    /// Where its first words are, and whether outside of parentheses.
    words: Vec<(usize, usize, bool)>,
    parentheses: usize,
    blocks: usize,
    after_begin: bool,
    makes_routine: bool,
}

impl Open {
    fn may_end(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn words<'a>(&self, script: &'a str) -> Words<'a> {
        Words::new(self.words.iter().map(|(start, end, outer)| (&script[*start..*end], *outer)).collect())
    }

    fn take(&mut self, script: &str, token: Token<'_>, start: usize, end: usize) {
        self.range = Some((self.range.map_or(start, |(first, _)| first), end));
        match token {
            Token::Symbol(b'(') => self.parentheses += 1,
            Token::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Word(word) => {
                if self.words.len() < WORDS {
                    self.words.push((start, end, self.parentheses == 0));
                    self.makes_routine |= self.words.len() <= 4 && self.words(script).makes_routine();
                }
                self.count_blocks(word);
            }
            Token::Literal | Token::Symbol(_) => {}
        }
    }

    fn count_blocks(&mut self, word: &str) {
        if !self.makes_routine || self.parentheses > 0 {
            return;
        }
        // A function may be called `begin`; a body in SQL begins by two words.
        let begins = self.after_begin && word.eq_ignore_ascii_case("ATOMIC");
        self.after_begin = word.eq_ignore_ascii_case("BEGIN");
        if begins || (self.blocks > 0 && word.eq_ignore_ascii_case("CASE")) {
            self.blocks += 1;
        } else if word.eq_ignore_ascii_case("END") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }
}

impl Statement {
    /// The line of the file that a position in this statement is on; positions count characters from 1, as the
    /// server's do.
    pub(crate) fn line_at(&self, position: usize) -> usize {
        self.line + self.text.chars().take(position.saturating_sub(1)).filter(|char| *char == '\n').count()
    }

    /// The column there, from 1.
    pub(crate) fn column_at(&self, position: usize) -> usize {
        let before: String = self.text.chars().take(position.saturating_sub(1)).collect();
        before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1
    }

    /// Its first words, for messages: no literal among them, which may be somebody's password.
    pub(crate) fn summary(&self) -> String {
        let mut lexer = Lexer::new(&self.text);
        let mut words = Vec::new();
        while let Ok(Some((token, _, _))) = lexer.next() {
            match token {
                Token::Word(word) if words.len() < 5 => words.push(word),
                Token::Word(_) => break,
                Token::Literal | Token::Symbol(_) => {}
            }
        }
        if words.is_empty() { self.text.chars().take(20).collect() } else { words.join(" ") }
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Unterminated, split};

    fn check(script: &str, expected: &[(usize, &str)]) {
        let found = split(script, 1).expect("everything is closed");
        let found: Vec<_> = found.iter().map(|found| (found.line, &*found.text)).collect();
        assert_eq!(found, expected, "{script}");
    }

    #[test]
    fn a_semicolon_ends_a_statement() {
        check("SELECT 1; SELECT 2", &[(1, "SELECT 1"), (1, "SELECT 2")]);
        check("\n-- why\n SELECT 1\n;;\n;", &[(3, "SELECT 1")]);
        check(" -- nothing\n /* at all */ ", &[]);
    }

    #[test]
    fn a_function_may_be_called_begin() {
        let function = "CREATE FUNCTION begin() RETURNS int LANGUAGE sql RETURN 1";
        check(&format!("{function}; COMMIT"), &[(1, function), (1, "COMMIT")]);
        let body =
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END";
        check(&format!("{body}; COMMIT"), &[(1, body), (1, "COMMIT")]);
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
    fn rows_follow_a_copy() {
        let script = "COPY t (a) FROM stdin;\n1\tit's; \"x\"\n\\N\n\\.\n\nSELECT 2;";
        let found = split(script, 1).expect("everything is closed");
        assert_eq!(found[0].data.as_deref(), Some("1\tit's; \"x\"\n\\N\n"));
        assert_eq!((found[0].class, found[1].class), (Class::CopyIn, Class::Plain));
        assert_eq!((&*found[1].text, found[1].line), ("SELECT 2", 6));
        let none = split("COPY t FROM STDIN;\r\n\\.\r\nSELECT 2", 1).expect("everything is closed");
        assert_eq!((none[0].data.as_deref(), none[1].line), (Some(""), 3));
        let open = split("COPY t FROM STDIN;\nSELECT 2;", 1).expect("everything is closed");
        assert_eq!((open[0].class, open.len()), (Class::CopyFromClient, 2), "nothing ends its rows");
    }

    #[test]
    fn a_backslash_is_for_psql() {
        let found = split("\\restrict abc\nSELECT 1;\n\\connect other -- x\nSELECT 2", 1).expect("closed");
        let classes: Vec<_> = found.iter().map(|found| (found.line, found.class)).collect();
        assert_eq!(classes, [(1, Class::Meta), (2, Class::Plain), (3, Class::Meta), (4, Class::Plain)]);
        assert_eq!(&*found[2].text, "\\connect other -- x");
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
            assert_eq!(split(script, 1), Err(Unterminated { what, line: 2 }), "{script}");
        }
    }

    #[test]
    fn a_position_has_a_line_and_a_column() {
        let statements = split("\n\nSELECT 'ü',\n  x", 10).expect("everything is closed");
        assert_eq!((statements[0].line_at(8), statements[0].column_at(8)), (12, 8));
        assert_eq!((statements[0].line_at(15), statements[0].column_at(15)), (13, 3));
    }

    #[test]
    fn a_summary_has_no_literal() {
        let statements = split("CREATE ROLE r LOGIN PASSWORD 'secret' VALID", 1).expect("closed");
        assert_eq!(statements[0].summary(), "CREATE ROLE r LOGIN PASSWORD");
    }
}
