//! Pins: the SHA-256 of every landed migration file, in the form that `sha256sum -c` reads.

use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, fmt, fmt::Write as _};

/// Checksum by path, from the folder of migrations.
pub(crate) type Pins = BTreeMap<String, String>;

/// A difference between what is pinned and what is there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// There, and not pinned yet.
    New(String),
    /// Not what was pinned.
    Changed(String),
    /// Pinned, and not there.
    Gone(String),
}

impl Problem {
    pub(crate) fn is_new(&self) -> bool {
        matches!(self, Self::New(_))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(path) => {
                write!(f, "migrations/{path} is not pinned; when it is final: cargo xtask tidy --pin")
            }
            Self::Changed(path) => write!(
                f,
                "migrations/{path} has been changed since it landed, and databases remember it as it was: restore it \
                 (git checkout -- migrations/{path}) and write a new migration"
            ),
            Self::Gone(path) => write!(
                f,
                "migrations/{path} is gone, and databases remember it: restore it (git checkout -- migrations/{path})"
            ),
        }
    }
}

pub(crate) fn compare(pinned: &Pins, landed: &Pins) -> Vec<Problem> {
    let changed = pinned.iter().filter_map(|(path, checksum)| match landed.get(path) {
        None => Some(Problem::Gone(path.clone())),
        Some(now) => (now != checksum).then(|| Problem::Changed(path.clone())),
    });
    let new = landed.keys().filter(|path| !pinned.contains_key(*path)).cloned().map(Problem::New);
    changed.chain(new).collect()
}

pub(crate) fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every write");
        text
    })
}

pub(crate) fn parse(text: &str) -> Result<Pins, String> {
    let mut pins = Pins::new();
    for (index, line) in text.lines().enumerate() {
        let pin = line.split_once("  ").filter(|(sum, path)| sum.len() == 64 && !path.is_empty());
        let (sum, path) = pin.ok_or_else(|| format!("line {}: not `SHA-256  path`", index + 1))?;
        if pins.insert(path.to_owned(), sum.to_owned()).is_some() {
            return Err(format!("line {}: {path} is pinned twice", index + 1));
        }
    }
    Ok(pins)
}

pub(crate) fn render(pins: &Pins) -> String {
    pins.iter().map(|(path, sum)| format!("{sum}  {path}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Pins, Problem, checksum, compare, parse, render};

    fn pins(of: &[(&str, &str)]) -> Pins {
        of.iter().map(|(path, text)| ((*path).to_owned(), checksum(text.as_bytes()))).collect()
    }

    #[test]
    fn every_difference_is_a_problem() {
        let pinned = pins(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let landed = pins(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let expected = [Problem::Changed("b".into()), Problem::Gone("c".into()), Problem::New("d".into())];
        assert_eq!(compare(&pinned, &landed), expected);
        assert_eq!(compare(&landed, &landed), []);
    }

    #[test]
    fn the_file_is_that_of_sha256sum() {
        let pinned = pins(&[("0001_a/up.sql", "abc")]);
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  0001_a/up.sql\n";
        assert_eq!(render(&pinned), text);
        assert_eq!(parse(text), Ok(pinned));
        assert!(parse("abc  a\n").is_err());
        assert!(parse(&format!("{text}{text}")).is_err());
    }
}
