//! How many statements a text holds, as far as a batch has to know. Pure; it errs on the side of "cannot tell".
//!
//! Source: PostgreSQL documentation, "Lexical Structure".

/// What a batch needs to know of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Whether the text is one statement for certain, so that others may stand beside it in one message.
    pub(crate) is_single: bool,
    /// The first word of each statement, in lower case.
    pub(crate) words: Vec<String>,
}

/// Reads a text.
pub(crate) fn shape(text: &str) -> Shape {
    let mut scan = Scan { rest: text.as_bytes(), sure: true };
    let mut words: Vec<String> = Vec::new();
    let (mut statements, mut fresh, mut last) = (0, true, String::new());
    while let Some(token) = scan.token() {
        match token {
            Token::End => {
                fresh = true;
                last.clear();
            }
            Token::Other => {
                statements += usize::from(fresh);
                fresh = false;
                last.clear();
            }
            Token::Word(word) => {
                let word = String::from_utf8_lossy(word).to_ascii_lowercase();
                if fresh {
                    words.push(word.clone());
                }
                statements += usize::from(fresh);
                fresh = false;
                if last == "begin" && word == "atomic" {
                    // The body of a function in SQL's own syntax: its semicolons end no statement.
                    return Shape { is_single: false, words };
                }
                last = word;
            }
        }
    }
    Shape { is_single: scan.sure && statements == 1, words }
}

enum Token<'t> {
    /// A semicolon.
    End,
    /// A keyword or a name without quotes.
    Word(&'t [u8]),
    /// Anything else that is part of a statement.
    Other,
}

struct Scan<'t> {
    rest: &'t [u8],
    /// Falls when a quote or a comment has no end, or when only the server's settings tell where it ends.
    sure: bool,
}

impl<'t> Scan<'t> {
    fn token(&mut self) -> Option<Token<'t>> {
        loop {
            let first = *self.rest.first()?;
            match first {
                _ if first.is_ascii_whitespace() => self.skip(1),
                b'-' if self.rest.starts_with(b"--") => {
                    let end = self.rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
                    self.skip(end.unwrap_or(self.rest.len()));
                }
                b'/' if self.rest.starts_with(b"/*") => self.comment(),
                b';' => {
                    self.skip(1);
                    return Some(Token::End);
                }
                b'\'' => return Some(self.quoted(b'\'', Backslash::Doubtful)),
                b'"' => return Some(self.quoted(b'"', Backslash::Plain)),
                b'e' | b'E' if self.rest.get(1) == Some(&b'\'') => {
                    self.skip(1);
                    return Some(self.quoted(b'\'', Backslash::Escapes));
                }
                b'$' => return Some(self.dollar()),
                _ if is_word_start(first) => {
                    let end = self.rest.iter().position(|byte| !is_word(*byte)).unwrap_or(self.rest.len());
                    let word = &self.rest[..end];
                    self.skip(end);
                    return Some(Token::Word(word));
                }
                _ => {
                    self.skip(1);
                    return Some(Token::Other);
                }
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    /// Comments nest.
    fn comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            if self.rest.starts_with(b"/*") {
                depth += 1;
                self.skip(2);
            } else if self.rest.starts_with(b"*/") {
                depth -= 1;
                self.skip(2);
            } else {
                self.skip(1);
            }
            if depth == 0 {
                return;
            }
            if self.rest.is_empty() {
                self.sure = false;
                return;
            }
        }
    }

    /// A doubled quote ends one literal and begins the next, which comes to the same.
    fn quoted(&mut self, quote: u8, backslash: Backslash) -> Token<'t> {
        self.skip(1);
        loop {
            let Some(at) = self.rest.iter().position(|byte| *byte == quote || *byte == b'\\') else {
                self.sure = false;
                self.rest = &[];
                return Token::Other;
            };
            let is_quote = self.rest[at] == quote;
            self.skip(at + 1);
            match (is_quote, backslash) {
                (true, Backslash::Escapes) if self.rest.first() == Some(&quote) => self.skip(1),
                (true, _) => return Token::Other,
                (false, Backslash::Escapes) => self.skip(1),
                // Without standard_conforming_strings it would escape what follows.
                (false, Backslash::Doubtful) => self.sure = false,
                (false, Backslash::Plain) => {}
            }
        }
    }

    /// `$1`, or a literal in dollar quotes.
    fn dollar(&mut self) -> Token<'t> {
        let tag = self.rest[1..].iter().position(|byte| *byte == b'$' || !is_word(*byte));
        let end = tag.map(|end| end + 1).filter(|end| self.rest[*end] == b'$');
        let Some(end) = end.filter(|_| !self.rest[1].is_ascii_digit()) else {
            self.skip(1);
            return Token::Other;
        };
        let (tag, body) = self.rest.split_at(end + 1);
        match body.windows(tag.len()).position(|window| window == tag) {
            Some(at) => self.rest = &body[at + tag.len()..],
            None => {
                self.sure = false;
                self.rest = &[];
            }
        }
        Token::Other
    }
}

#[derive(Clone, Copy)]
enum Backslash {
    Escapes,
    Doubtful,
    Plain,
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests {
    use super::shape;

    fn check(text: &str, is_single: bool, words: &[&str]) {
        let shape = shape(text);
        assert_eq!(
            (shape.is_single, shape.words.as_slice()),
            (is_single, words.map_words().as_slice()),
            "{text}"
        );
    }

    trait MapWords {
        fn map_words(&self) -> Vec<String>;
    }

    impl MapWords for [&str] {
        fn map_words(&self) -> Vec<String> {
            self.iter().map(|&word| word.to_owned()).collect()
        }
    }

    #[test]
    fn single_statements() {
        for text in [
            "SELECT 1",
            "SELECT 1;",
            " ;; SELECT 1 ; -- done; really",
            "SELECT ';'",
            "SELECT 'it''s;'",
            "SELECT E'\\';'",
            "SELECT E'''\\';'",
            "SELECT \";\"",
            "SELECT \"a\\\"",
            "SELECT $$;$$",
            "SELECT $a$ ; $$ ; $b$ ; $a$",
            "SELECT $1",
            "SELECT a$b$c",
            "SELECT 1 /* ; /* ; */ ; */",
        ] {
            check(text, true, &["select"]);
        }
    }

    #[test]
    fn what_is_not_one_statement_for_certain() {
        check("", false, &[]);
        check("-- nothing", false, &[]);
        check("SELECT 1; update t SET a = 1", false, &["select", "update"]);
        check("SELECT 'open", false, &["select"]);
        check("SELECT \"open", false, &["select"]);
        check("SELECT $a$ open $b$", false, &["select"]);
        check("SELECT /* open", false, &["select"]);
        check("SELECT /*/", false, &["select"]);
        check("SELECT '\\'", false, &["select"]);
        check("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END", false, &["create"]);
        check("SELECT 1; COMMIT", false, &["select", "commit"]);
    }
}
