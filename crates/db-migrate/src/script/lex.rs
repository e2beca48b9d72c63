//! The tokens of SQL text, as far as finding the end of a statement needs them.
//!
//! Source: PostgreSQL documentation, 4.1 "Lexical Structure"; `standard_conforming_strings` is taken to be on.

/// A piece of text; comments and white space are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A key word or an unquoted name.
    Word(&'a str),
    /// A string of any kind, a quoted name, a number.
    Literal,
    /// Any other character.
    Symbol(u8),
}

/// What was opened and never closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unclosed {
    pub(super) what: &'static str,
    pub(super) offset: usize,
}

/// Walks over the tokens of a text.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token with its start and end, or `None` at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<(Token<'a>, usize, usize)>, Unclosed> {
        self.skip_blanks()?;
        let start = self.at;
        let Some(first) = self.peek(0) else { return Ok(None) };
        let token = match first {
            b'\'' => self.quoted(b'\'', "string", Escapes::Doubled)?,
            b'"' => self.quoted(b'"', "quoted name", Escapes::Doubled)?,
            b'$' => self.dollar()?,
            b'0'..=b'9' => {
                self.skip_while(|byte| is_name(byte) || byte == b'.');
                Token::Literal
            }
            byte if is_name_start(byte) => self.word()?,
            byte => {
                self.at += 1;
                Token::Symbol(byte)
            }
        };
        Ok(Some((token, start, self.at)))
    }

    /// How far it has read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on to the end of the line.
    pub(super) fn skip_line(&mut self) {
        self.skip_while(|byte| byte != b'\n' && byte != b'\r');
    }

    /// The lines from the next one to that of a lone `\.`, which it goes past; `None` where there is no such line, or
    /// something else on this one.
    pub(super) fn rows(&mut self) -> Option<&'a str> {
        let rest = &self.text[self.at..];
        let first = rest.find('\n').filter(|end| rest[..*end].trim().is_empty())? + 1;
        let mut offset = first;
        for line in rest[first..].split_inclusive('\n') {
            if line.trim_end_matches(['\n', '\r']) == "\\." {
                self.at += offset + line.len();
                return Some(&rest[first..offset]);
            }
            offset += line.len();
        }
        None
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek(0).is_some_and(&accept) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) -> Result<(), Unclosed> {
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(byte), _) if byte.is_ascii_whitespace() || byte == 0x0b => self.at += 1,
                (Some(b'-'), Some(b'-')) => self.skip_while(|byte| byte != b'\n' && byte != b'\r'),
                (Some(b'/'), Some(b'*')) => self.skip_comment()?,
                _ => return Ok(()),
            }
        }
    }

    /// Comments nest, other than in C.
    fn skip_comment(&mut self) -> Result<(), Unclosed> {
        let offset = self.at;
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some(b'/'), Some(b'*')) => (depth, self.at) = (depth + 1, self.at + 2),
                (Some(b'*'), Some(b'/')) => (depth, self.at) = (depth - 1, self.at + 2),
                (Some(_), _) => self.at += 1,
                (None, _) => return Err(Unclosed { what: "comment", offset }),
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Result<Token<'a>, Unclosed> {
        let start = self.at;
        self.skip_while(is_name);
        let word = &self.text[start..self.at];
        if word.eq_ignore_ascii_case("e") && self.peek(0) == Some(b'\'') {
            return self.quoted(b'\'', "string", Escapes::Backslash);
        }
        Ok(Token::Word(word))
    }

    fn quoted(&mut self, quote: u8, what: &'static str, escapes: Escapes) -> Result<Token<'a>, Unclosed> {
        let offset = self.at;
        self.at += 1;
        while let Some(byte) = self.peek(0) {
            self.at += 1;
            if byte == b'\\' && escapes == Escapes::Backslash {
                self.at += 1;
            } else if byte == quote {
                if self.peek(0) != Some(quote) {
                    return Ok(Token::Literal);
                }
                self.at += 1;
            }
        }
        Err(Unclosed { what, offset })
    }

    /// A dollar quote such as `$tag$`, or a lone dollar as in `$1`.
    fn dollar(&mut self) -> Result<Token<'a>, Unclosed> {
        let offset = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(is_name_start) {
            self.skip_while(|byte| is_name(byte) && byte != b'$');
        }
        if self.peek(0) != Some(b'$') {
            return Ok(Token::Symbol(b'$'));
        }
        self.at += 1;
        let tag = &self.text[offset..self.at];
        let Some(length) = self.text[self.at..].find(tag) else {
            return Err(Unclosed { what: "dollar-quoted string", offset });
        };
        self.at += length + tag.len();
        Ok(Token::Literal)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Doubled,
    Backslash,
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn is_name(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}
