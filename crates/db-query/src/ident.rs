//! Names of tables and columns: parsed once, always quoted.

use crate::BuildError;
use std::{fmt, str::FromStr};

/// PostgreSQL cuts longer names off in silence, so they are refused (`NAMEDATALEN` - 1).
const MAX_BYTES: usize = 63;

/// Schema, table, column.
const MAX_PARTS: usize = 3;

/// A name that PostgreSQL can have, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(String);

impl Ident {
    /// Accepts any text of 1 to 63 bytes without a NUL; quoting makes the rest harmless.
    ///
    /// # Errors
    /// [`BuildError::Ident`] with the reason.
    pub fn parse(name: &str) -> Result<Self, BuildError> {
        check(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The name without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(self.0.len() + 2);
        quote(&self.0, &mut text);
        f.write_str(&text)
    }
}

impl FromStr for Ident {
    type Err = BuildError;
    fn from_str(name: &str) -> Result<Self, BuildError> {
        Self::parse(name)
    }
}

/// What a dot in a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dots {
    /// It stands between a table and its column, or a schema and its table.
    Separate,
    /// It is a part of the name.
    Belong,
}

/// Writes a name in quotes. Plain names, and two of them with a dot between, are looked through once; the rest takes the
/// careful way. What is refused is written too, so that the text keeps its form until the error is told.
#[inline]
pub(crate) fn write(name: &str, dots: Dots, out: &mut String) -> Result<(), BuildError> {
    match look(name) {
        Look::Plain => {
            write_plain(name, out);
            Ok(())
        }
        Look::Dotted if dots == Dots::Separate => match name.split_once('.') {
            Some((table, column)) if !table.is_empty() && !column.is_empty() && !column.contains('.') => {
                write_plain(table, out);
                out.push('.');
                write_plain(column, out);
                Ok(())
            }
            _ => write_carefully(name, dots, out),
        },
        Look::Dotted | Look::Odd => write_carefully(name, dots, out),
    }
}

#[inline]
fn write_plain(name: &str, out: &mut String) {
    out.reserve(name.len() + 2);
    out.push('"');
    out.push_str(name);
    out.push('"');
}

/// What a first look at a name finds.
enum Look {
    /// 1 to 63 bytes of what needs no second look: no quote, no dot, no NUL.
    Plain,
    /// The same with a dot.
    Dotted,
    /// Anything else.
    Odd,
}

/// Eight bytes at a time, as names are too short for a search by vectors to pay.
#[inline]
fn look(name: &str) -> Look {
    let bytes = name.as_bytes();
    let (mut odd, mut dots) = (0, 0);
    match bytes.len() {
        0 => return Look::Odd,
        length if length > MAX_BYTES => return Look::Odd,
        length if length < 8 => {
            for byte in bytes {
                odd |= u64::from(matches!(byte, b'"' | 0));
                dots |= u64::from(*byte == b'.');
            }
        }
        length => {
            for word in bytes.chunks_exact(8) {
                odd |= odd_bytes(word);
                dots |= dot_bytes(word);
            }
            // The last eight, some of which were seen before.
            odd |= odd_bytes(&bytes[length - 8..]);
            dots |= dot_bytes(&bytes[length - 8..]);
        }
    }
    match (odd, dots) {
        (0, 0) => Look::Plain,
        (0, _) => Look::Dotted,
        _ => Look::Odd,
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// Not zero if one of eight bytes is zero (Mycroft's test).
#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & (ONES << 7)
}

/// Not zero if one of eight bytes is a quote or a NUL.
#[inline]
fn odd_bytes(word: &[u8]) -> u64 {
    let word = word.try_into().map_or(0, u64::from_le_bytes);
    zeros(word) | zeros(word ^ (ONES * b'"' as u64))
}

/// Not zero if one of eight bytes is a dot.
#[inline]
fn dot_bytes(word: &[u8]) -> u64 {
    zeros(word.try_into().map_or(0, u64::from_le_bytes) ^ (ONES * b'.' as u64))
}

#[cold]
#[inline(never)]
fn write_carefully(name: &str, dots: Dots, out: &mut String) -> Result<(), BuildError> {
    let mut outcome = Ok(());
    let mut write = |part: &str, out: &mut String| {
        if outcome.is_ok() {
            outcome = check(part);
        }
        quote(part, out);
    };
    match dots {
        Dots::Belong => write(name, out),
        Dots::Separate => {
            if name.split('.').nth(MAX_PARTS).is_some() {
                let reason = "it has more parts than schema, table and column";
                quote(name, out);
                return Err(BuildError::Ident { name: name.to_owned(), reason });
            }
            for (position, part) in name.split('.').enumerate() {
                if position > 0 {
                    out.push('.');
                }
                write(part, out);
            }
        }
    }
    outcome
}

pub(crate) fn check(name: &str) -> Result<(), BuildError> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.len() > MAX_BYTES {
        "it is longer than 63 bytes"
    } else if name.contains('\0') {
        "it holds a NUL"
    } else {
        return Ok(());
    };
    Err(BuildError::Ident { name: name.to_owned(), reason })
}

/// Writes a checked name in quotes, its own quotes doubled.
pub(crate) fn quote(name: &str, out: &mut String) {
    out.push('"');
    for part in name.split_inclusive('"') {
        out.push_str(part);
        if part.ends_with('"') {
            out.push('"');
        }
    }
    out.push('"');
}

/// The parts of a written name, without their quotes: `"a"."b""c"` gives `a` and `b"c`.
pub(crate) fn parts(written: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut inside = false;
    let mut chars = written.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if inside && chars.peek() == Some(&'"') => {
                part.push('"');
                chars.next();
            }
            '"' => {
                if inside {
                    parts.push(std::mem::take(&mut part));
                }
                inside = !inside;
            }
            '.' if !inside => {}
            other => part.push(other),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_what_it_is_given() {
        for (name, expected) in
            [("tasks", r#""tasks""#), (r#"a"b"#, r#""a""b""#), (r#"""#, r#""""""#), ("select", r#""select""#)]
        {
            assert_eq!(Ident::parse(name).expect(name).to_string(), expected);
        }
    }

    #[test]
    fn refuses_what_postgresql_cannot_have() {
        for name in ["", "a\0b", &"x".repeat(64)] {
            assert!(Ident::parse(name).is_err(), "{name:?}");
            assert!(write(name, Dots::Belong, &mut String::new()).is_err(), "{name:?}");
        }
        assert!(Ident::parse(&"x".repeat(63)).is_ok());
    }

    proptest! {
        /// Whatever the name, the quoted form is one token: every quote inside it is doubled.
        #[test]
        fn a_quoted_name_never_ends_early(name in "[^\0]{1,15}") {
            let quoted = Ident::parse(&name).expect("short and without NUL").to_string();
            let inside = &quoted[1..quoted.len() - 1];
            prop_assert_eq!(inside.replace("\"\"", "").matches('"').count(), 0);
            prop_assert_eq!(inside.replace("\"\"", "\""), name);
        }

        /// The quick way writes what the careful way writes, and what was written can be read back.
        #[test]
        fn the_quick_way_is_the_careful_way(name in "([a-c.\"]{1,9}|[a-zé]{6,30}[.\"]?[a-zé]{0,9})") {
            for dots in [Dots::Belong, Dots::Separate] {
                let (mut quick, mut careful) = (String::new(), String::new());
                prop_assert_eq!(write(&name, dots, &mut quick), write_carefully(&name, dots, &mut careful));
                prop_assert_eq!(&quick, &careful);
                let expected: Vec<&str> = match dots {
                    Dots::Belong => vec![&name],
                    // Refused, and kept as one.
                    Dots::Separate if name.split('.').count() > MAX_PARTS => vec![&name],
                    Dots::Separate => name.split('.').collect(),
                };
                prop_assert_eq!(parts(&quick), expected);
            }
        }
    }
}
