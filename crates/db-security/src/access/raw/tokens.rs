//! The text, read by the parser and once more by the server's own rules for tokens (manual, section 4.1): where the two
//! part, an attacker could hide a statement from the one that the other runs.

use super::{NotUnderstood, Understood, kept::keeps_all, refuse};
use sqlparser::{
    ast::Statement,
    dialect::PostgreSqlDialect,
    parser::{Parser, ParserError},
    tokenizer::{Token, TokenWithSpan, Tokenizer},
};

/// The longest text, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// The most tokens between two commas or parentheses: the parser makes a chain of them, as deep as it is long.
const MAX_CHAIN: usize = 1_000;

/// The most tokens in all.
const MAX_TOKENS: usize = 100_000;

/// Parses a text of which both readers think alike.
pub(super) fn parse(text: &str) -> Understood<Vec<Statement>> {
    if text.len() > MAX_TEXT {
        return refuse("a text of more than 1 MiB");
    }
    let chars: Vec<char> = text.chars().collect();
    let ours = Lexer::of(&chars).tokens()?;
    let theirs = Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location();
    let theirs = theirs.map_err(|error| {
        NotUnderstood::new("the parser cannot tell its tokens apart")
            .at((error.location.line, error.location.column))
    })?;
    agree(&chars, &ours, &theirs)?;
    let mut parser = Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(theirs.clone());
    let statements = parser.parse_statements().map_err(|error| match error {
        ParserError::RecursionLimitExceeded => NotUnderstood::new("too many parts within parts"),
        ParserError::TokenizerError(_) | ParserError::ParserError(_) => {
            let place = parser.peek_token().span.start;
            NotUnderstood::new("the parser does not know it").at((place.line, place.column))
        }
    })?;
    if statements.is_empty() {
        return refuse("no statement");
    }
    keeps_all(&theirs, &statements)?;
    Ok(statements)
}

/// What a token is, as far as it matters where it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Word,
    Quoted,
    Text,
    Number,
    Parameter,
    /// One character of punctuation or of an operator.
    Symbol,
}

/// A token, from one character of the text to another.
type Found = (usize, usize, Kind);

struct Lexer<'t> {
    chars: &'t [char],
    at: usize,
    found: Vec<Found>,
}

impl<'t> Lexer<'t> {
    fn of(chars: &'t [char]) -> Self {
        Self { chars, at: 0, found: Vec::new() }
    }

    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn tokens(mut self) -> Understood<Vec<Found>> {
        // Tokens since the last comma, by parentheses that are open.
        let mut chains = vec![0];
        while self.at < self.chars.len() {
            let start = self.at;
            let kind = self.next().map_err(|error| error.at(place(self.chars, start)))?;
            let Some(kind) = kind else { continue };
            match self.chars[start] {
                '(' | '[' => chains.push(0),
                ')' | ']' if chains.len() > 1 => drop(chains.pop()),
                ',' | ';' => *chains.last_mut().unwrap_or(&mut 0) = 0,
                _ => {}
            }
            let chain = chains.last_mut().map_or(0, |chain| {
                *chain += 1;
                *chain
            });
            if chain > MAX_CHAIN || self.found.len() == MAX_TOKENS {
                return Err(NotUnderstood::new("too many tokens in a row").at(place(self.chars, start)));
            }
            self.found.push((start, self.at, kind));
        }
        Ok(self.found)
    }

    /// Goes past the next token; `None` for white space and comments.
    fn next(&mut self) -> Understood<Option<Kind>> {
        let c = self.peek(0);
        let after = self.peek(1);
        match c {
            ' ' | '\n' | '\t' | '\x0c' => self.at += 1,
            // The server ends a comment at a lone carriage return as well.
            '\r' if after == '\n' => self.at += 2,
            '-' if after == '-' => {
                while self.at < self.chars.len() && self.peek(0) != '\n' {
                    if self.peek(0) == '\r' && self.peek(1) != '\n' {
                        return refuse("a carriage return without a line feed");
                    }
                    self.at += 1;
                }
            }
            '/' if after == '*' => self.comment()?,
            '\'' => return self.plain_text().map(Some),
            '"' => return self.quoted().map(Some),
            '$' => return self.dollar().map(Some),
            '0'..='9' => return self.number().map(Some),
            '.' if after.is_ascii_digit() => return self.number().map(Some),
            '_' | 'a'..='z' | 'A'..='Z' => return self.word().map(Some),
            '(' | ')' | '[' | ']' | ',' | ';' | ':' | '.' | '+' | '-' | '*' | '/' | '<' | '>' | '=' | '~'
            | '!' | '@' | '#' | '%' | '^' | '&' | '|' | '?' => {
                self.at += 1;
                return Ok(Some(Kind::Symbol));
            }
            '\\' => return refuse("a backslash outside of a string"),
            _ => return refuse("a character that is no SQL outside of quotes"),
        }
        Ok(None)
    }

    /// Comments hold comments.
    fn comment(&mut self) -> Understood<()> {
        let mut open = 0_usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => {
                    open += 1;
                    self.at += 2;
                }
                ('*', '/') => {
                    open -= 1;
                    self.at += 2;
                    if open == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        refuse("a comment without an end")
    }

    fn plain_text(&mut self) -> Understood<Kind> {
        self.at += 1;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('\'', '\'') => self.at += 2,
                ('\'', _) => {
                    self.at += 1;
                    return self.ended(Kind::Text);
                }
                // It is an escape where standard_conforming_strings is off.
                ('\\', _) => return refuse("a backslash in a plain string"),
                ('\0', _) => return refuse("a NUL"),
                _ => self.at += 1,
            }
        }
        refuse("a string without an end")
    }

    fn escaped_text(&mut self) -> Understood<Kind> {
        self.at += 2;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('\'', '\'') | ('\\', '\\' | '\'' | 'n' | 't' | 'r' | 'b' | 'f') => self.at += 2,
                ('\'', _) => {
                    self.at += 1;
                    return self.ended(Kind::Text);
                }
                ('\\', _) => return refuse("an escape by a number"),
                ('\0', _) => return refuse("a NUL"),
                _ => self.at += 1,
            }
        }
        refuse("a string without an end")
    }

    fn quoted(&mut self) -> Understood<Kind> {
        self.at += 1;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('"', '"') => self.at += 2,
                ('"', _) => {
                    self.at += 1;
                    return self.ended(Kind::Quoted);
                }
                ('\0', _) => return refuse("a NUL"),
                _ => self.at += 1,
            }
        }
        refuse("a quoted name without an end")
    }

    /// A parameter, or a string between dollars.
    fn dollar(&mut self) -> Understood<Kind> {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            while self.peek(0).is_ascii_digit() {
                self.at += 1;
            }
            return self.ended(Kind::Parameter);
        }
        while self.peek(0).is_ascii_alphanumeric() || self.peek(0) == '_' {
            self.at += 1;
        }
        if self.peek(0) != '$' {
            return refuse("a dollar that begins neither parameter nor string");
        }
        self.at += 1;
        let tag = &self.chars[start..self.at];
        while self.at < self.chars.len() {
            if self.chars[self.at..].starts_with(tag) {
                self.at += tag.len();
                return self.ended(Kind::Text);
            }
            if self.peek(0) == '\0' {
                return refuse("a NUL");
            }
            self.at += 1;
        }
        refuse("a string without an end")
    }

    fn number(&mut self) -> Understood<Kind> {
        let digits = |lexer: &mut Self| {
            while lexer.peek(0).is_ascii_digit() {
                lexer.at += 1;
            }
        };
        digits(self);
        if self.peek(0) == '.' {
            if self.peek(1) == '.' {
                return refuse("two dots after a number");
            }
            self.at += 1;
            digits(self);
        }
        let signed = usize::from(matches!(self.peek(1), '+' | '-'));
        if matches!(self.peek(0), 'e' | 'E') && self.peek(1 + signed).is_ascii_digit() {
            self.at += 1 + signed;
            digits(self);
        }
        // Before version 15 the server takes `1into` for two tokens.
        self.ended(Kind::Number)
    }

    fn word(&mut self) -> Understood<Kind> {
        if matches!((self.peek(0), self.peek(1)), ('e' | 'E', '\'')) {
            return self.escaped_text();
        }
        if matches!((self.peek(0), self.peek(1), self.peek(2)), ('u' | 'U', '&', '\'' | '"')) {
            return refuse("unicode escapes");
        }
        while self.peek(0).is_ascii_alphanumeric() || matches!(self.peek(0), '_' | '$') {
            self.at += 1;
        }
        self.ended(Kind::Word)
    }

    /// Nothing may follow without a gap that one of the readers could take for a part of it.
    fn ended(&self, kind: Kind) -> Understood<Kind> {
        let next = self.peek(0);
        if next.is_alphanumeric() || matches!(next, '_' | '$' | '\'' | '"') || !next.is_ascii() {
            return refuse("two tokens without a gap");
        }
        Ok(kind)
    }
}

fn place(chars: &[char], at: usize) -> (u64, u64) {
    let before = &chars[..at.min(chars.len())];
    let line = before.iter().filter(|c| **c == '\n').count();
    let column = before.iter().rev().take_while(|c| **c != '\n').count();
    (line as u64 + 1, column as u64 + 1)
}

/// Whether the parser's tokens begin and end where the server's do.
fn agree(chars: &[char], ours: &[Found], theirs: &[TokenWithSpan]) -> Understood<()> {
    let mut lines = vec![0];
    lines.extend(chars.iter().enumerate().filter(|(_, c)| **c == '\n').map(|(at, _)| at + 1));
    let offset = |line: u64, column: u64| {
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        Some(lines.get(line)? + usize::try_from(column).ok()?.checked_sub(1)?)
    };
    let mut found = Vec::with_capacity(ours.len());
    for TokenWithSpan { token, span } in theirs {
        let kind = match token {
            Token::Whitespace(_) | Token::EOF => continue,
            Token::Word(word) if word.quote_style.is_some() => Kind::Quoted,
            Token::Word(_) => Kind::Word,
            Token::Number(..) => Kind::Number,
            Token::Placeholder(_) => Kind::Parameter,
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::DollarQuotedString(_) => {
                Kind::Text
            }
            _ => Kind::Symbol,
        };
        let start = offset(span.start.line, span.start.column);
        let end = offset(span.end.line, span.end.column);
        let (Some(start), Some(end)) = (start, end) else { return refuse("a token that is nowhere") };
        if kind == Kind::Symbol {
            found.extend((start..end).map(|at| (at, at + 1, Kind::Symbol)));
        } else {
            found.push((start, end, kind));
        }
    }
    // Two plain strings one after the other are one to the server, if a line lies between them.
    if let Some(pair) = ours.windows(2).find(|pair| pair[0].2 == Kind::Text && pair[1].2 == Kind::Text) {
        return Err(NotUnderstood::new("two strings in a row").at(place(chars, pair[1].0)));
    }
    match ours.iter().zip(&found).find(|(ours, theirs)| ours != theirs) {
        Some((ours, _)) => {
            Err(NotUnderstood::new("parser and server would part it differently").at(place(chars, ours.0)))
        }
        None if ours.len() != found.len() => refuse("parser and server would part it differently"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Lexer, agree};
    use sqlparser::{
        dialect::PostgreSqlDialect,
        tokenizer::{TokenWithSpan, Tokenizer},
    };

    fn tokens(text: &str) -> Vec<TokenWithSpan> {
        Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location().expect("tokens")
    }

    #[test]
    fn tokens_that_end_elsewhere_are_refused() {
        for (ours, theirs, agreed) in [
            ("SELECT 'a', b", "SELECT 'a', b", true),
            ("SELECT 'a', b", "SELECT 'a  b'", false),
            ("SELECT a --b", "SELECT a", true),
            ("SELECT a --b", "SELECT a - b", false),
            ("SELECT a", "SELECT a, b", false),
        ] {
            let chars: Vec<char> = ours.chars().collect();
            let found = Lexer::of(&chars).tokens().expect("tokens");
            assert_eq!(agree(&chars, &found, &tokens(theirs)).is_ok(), agreed, "{ours} and {theirs}");
        }
    }
}
