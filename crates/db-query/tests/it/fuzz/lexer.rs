//! PostgreSQL's lexical rules, written from its manual (chapter 4.1) and apart from the builder: what the server's scanner
//! would make of a text, with `standard_conforming_strings` on.

/// A token, as a part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a name without quotes.
    Word(&'a str),
    /// A name in quotes: what stands between them, its own quotes still doubled.
    Quoted(&'a str),
    /// A string: what stands between the quotes, as it stands there.
    Text(&'a str),
    /// The same of the form `E'…'`.
    Escaped(&'a str),
    /// `$1`
    Parameter(usize),
    Number(&'a str),
    /// An operator or punctuation.
    Sign(&'a str),
    /// `/* … */` without its ends.
    Comment(&'a str),
    /// `-- …`
    LineComment(&'a str),
    /// `$tag$ … $tag$`
    Dollar(&'a str),
    /// What the server would refuse, or a form that no builder writes (`U&""`, `B''`, `X''`, `N''`).
    Wrong(&'a str),
}

/// The tokens of a text, as long as a list can be.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0 };
    let mut tokens = Vec::with_capacity(64);
    while let Some(token) = lexer.next_token() {
        tokens.push(token);
    }
    tokens
}

/// Whether a name in quotes, or a string, means this: each doubled `quote` in it is one, and after a backslash, if those
/// escape, each character is itself (the builder writes no other escape).
pub(super) fn means(inside: &str, quote: char, escapes: bool, expected: &str) -> bool {
    if inside.len() == expected.len() {
        // Nothing is doubled, then.
        return inside == expected && !inside.contains(quote) && !(escapes && inside.contains('\\'));
    }
    let mut plain = String::with_capacity(inside.len());
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        if char == quote || (escapes && char == '\\') {
            plain.extend(chars.next());
        } else {
            plain.push(char);
        }
    }
    plain == expected
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

const fn starts_word(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80..)
}

const fn goes_on_word(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. | b'0'..=b'9' | b'$')
}

const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        // NUL stands for the end; in a text it is wrong anyway.
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn while_byte(&mut self, mut holds: impl FnMut(u8) -> bool) {
        while self.at < self.bytes.len() && holds(self.bytes[self.at]) {
            self.at += 1;
        }
    }

    fn next_token(&mut self) -> Option<Token<'a>> {
        self.while_byte(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c));
        let start = self.at;
        if start == self.bytes.len() {
            return None;
        }
        Some(match (self.peek(0), self.peek(1)) {
            (b'"', _) => self.delimited(b'"', false).map_or_else(|| self.rest(start), Token::Quoted),
            (b'\'', _) => self.delimited(b'\'', false).map_or_else(|| self.rest(start), Token::Text),
            (b'e' | b'E', b'\'') => {
                self.at += 1;
                self.delimited(b'\'', true).map_or_else(|| self.rest(start), Token::Escaped)
            }
            (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'') | (b'u' | b'U', b'&') => self.rest(start),
            (b'-', b'-') => {
                self.while_byte(|byte| !matches!(byte, b'\n' | b'\r'));
                Token::LineComment(&self.text[start..self.at])
            }
            (b'/', b'*') => self.comment(),
            (b'$', next) if next.is_ascii_digit() => self.parameter(),
            (b'$', _) => self.dollar(),
            (byte, _) if starts_word(byte) => {
                self.while_byte(goes_on_word);
                Token::Word(&self.text[start..self.at])
            }
            (byte, _) if byte.is_ascii_digit() => self.number(),
            (b'.', byte) if byte.is_ascii_digit() => self.number(),
            (b':', b':' | b'=') => self.sign(2),
            (b',' | b'(' | b')' | b'[' | b']' | b'.' | b';' | b':', _) => self.sign(1),
            (byte, _) if is_operator(byte) => self.operator(),
            _ => self.rest(start),
        })
    }

    /// All from here, when it cannot be read.
    fn rest(&mut self, start: usize) -> Token<'a> {
        self.at = self.bytes.len();
        Token::Wrong(&self.text[start..])
    }

    fn sign(&mut self, length: usize) -> Token<'a> {
        self.at += length;
        Token::Sign(&self.text[self.at - length..self.at])
    }

    /// From one quote to the next that stands alone.
    fn delimited(&mut self, quote: u8, escapes: bool) -> Option<&'a str> {
        self.at += 1;
        let start = self.at;
        while self.at < self.bytes.len() {
            let byte = self.bytes[self.at];
            if byte == quote && self.peek(1) != quote {
                self.at += 1;
                return Some(&self.text[start..self.at - 1]);
            }
            if byte == 0 {
                return None;
            }
            self.at += if byte == quote || (escapes && byte == b'\\') { 2 } else { 1 };
        }
        None
    }

    /// Comments of this kind stand in one another.
    fn comment(&mut self) -> Token<'a> {
        let start = self.at;
        let mut depth = 0;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Token::Comment(&self.text[start + 2..self.at - 2]);
                    }
                }
                _ => self.at += 1,
            }
        }
        self.rest(start)
    }

    fn parameter(&mut self) -> Token<'a> {
        let start = self.at;
        self.at += 1;
        self.while_byte(|byte| byte.is_ascii_digit());
        if starts_word(self.peek(0)) {
            return self.rest(start);
        }
        self.text[start + 1..self.at].parse().map_or_else(|_| self.rest(start), Token::Parameter)
    }

    fn dollar(&mut self) -> Token<'a> {
        let start = self.at;
        self.at += 1;
        if starts_word(self.peek(0)) {
            self.while_byte(|byte| goes_on_word(byte) && byte != b'$');
        }
        if self.peek(0) != b'$' {
            return self.rest(start);
        }
        self.at += 1;
        let tag = &self.text[start..self.at];
        match self.text[self.at..].find(tag) {
            Some(length) => {
                self.at += length + tag.len();
                Token::Dollar(&self.text[start..self.at])
            }
            None => self.rest(start),
        }
    }

    fn number(&mut self) -> Token<'a> {
        let start = self.at;
        self.while_byte(|byte| byte.is_ascii_digit() || byte == b'.');
        if starts_word(self.peek(0)) { self.rest(start) } else { Token::Number(&self.text[start..self.at]) }
    }

    /// The longest run of operator characters, up to where a comment begins; `+` and `-` end one only together with some
    /// that arithmetic does not use.
    fn operator(&mut self) -> Token<'a> {
        let start = self.at;
        while is_operator(self.peek(0))
            && !matches!((self.peek(0), self.peek(1)), (b'-', b'-') | (b'/', b'*'))
        {
            self.at += 1;
        }
        let run = &self.bytes[start..self.at];
        let keeps =
            |byte: &u8| matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%');
        if !run.iter().any(keeps) {
            while self.at - start > 1 && matches!(self.bytes[self.at - 1], b'+' | b'-') {
                self.at -= 1;
            }
        }
        Token::Sign(&self.text[start..self.at])
    }
}

#[cfg(test)]
mod tests {
    use super::{Token::*, means, tokens};

    #[test]
    fn of_every_kind() {
        assert_eq!(
            tokens(r#"SELECT "a""b".x, E'\'\\', 'it''s' /*+ /* n */ m */ FROM t1$ WHERE a->>-1>=$12::int"#),
            [
                Word("SELECT"),
                Quoted(r#"a""b"#),
                Sign("."),
                Word("x"),
                Sign(","),
                Escaped(r"\'\\"),
                Sign(","),
                Text("it''s"),
                Comment("+ /* n */ m "),
                Word("FROM"),
                Word("t1$"),
                Word("WHERE"),
                Word("a"),
                Sign("->>"),
                Sign("-"),
                Number("1"),
                Sign(">="),
                Parameter(12),
                Sign("::"),
                Word("int"),
            ]
        );
        assert_eq!(
            tokens("1.5 $a$;$a$ $$'$$ -- x\n;"),
            [Number("1.5"), Dollar("$a$;$a$"), Dollar("$$'$$"), LineComment("-- x"), Sign(";"),]
        );
        assert_eq!(tokens("a @- b*-c"), [Word("a"), Sign("@-"), Word("b"), Sign("*"), Sign("-"), Word("c")]);
    }

    #[test]
    fn that_end_nowhere_are_wrong() {
        for text in [
            "\"a", "'a", "E'a\\'", "/* /* */", "$a$ $b$", "$a", "$1a", "1a", "U&\"a\"", "x'1'", "\0",
            "\"a\0\"",
        ] {
            assert_eq!(tokens(text), [Wrong(text)], "{text:?}");
        }
    }

    #[test]
    fn mean_what_was_doubled() {
        assert!(means(r#"a""b"#, '"', false, r#"a"b"#));
        assert!(means(r"a\\b''c", '\'', true, r"a\b'c"));
        assert!(means(r"a\b", '\'', false, r"a\b"));
        assert!(!means(r"a\b", '\'', true, r"a\b"));
        assert!(!means("a''b", '\'', false, "a''b"));
    }
}
