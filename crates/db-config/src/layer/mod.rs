//! The places that values come from, each read into the same form.

pub(crate) mod code;
pub(crate) mod dotenv;
#[cfg(feature = "file")]
pub(crate) mod file;
pub(crate) mod variables;

use crate::Source;
use crate::error::{Problem, ProblemKind};
use crate::parse::{self, Part, Raw};
use crate::schema::Key;
use crate::span::Bare;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The longest file that is read.
const LONGEST_FILE: u64 = 1 << 20;

/// One layer: its values, not yet checked against each other, and what is wrong with the others.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    pub(crate) given: Vec<(Part, Source)>,
    pub(crate) problems: Vec<Problem>,
}

impl Layer {
    /// Parses what was found under one name.
    fn take(&mut self, key: &'static Key, bare: Bare, raw: &Raw, source: &Source) {
        match parse::parse(key, bare, raw) {
            Ok(parts) => self.given.extend(parts.into_iter().map(|part| (part, source.clone()))),
            Err(problems) => {
                let placed = |problem: Problem| problem.key(key.name).at(source.clone());
                self.problems.extend(problems.into_iter().map(placed));
            }
        }
    }
}

/// Reads a text file of bounded size; a byte order mark is dropped.
pub(crate) fn read_text(path: &Path) -> Result<String, Problem> {
    let refused = |what: String, fix: &str| Err(Problem::new(ProblemKind::Unreadable, what, fix));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes));
    match read {
        // The kind and not the error's own text: it is the same on every platform.
        Err(error) => {
            refused(format!("cannot be read: {}", error.kind()), "check the path and its permissions")
        }
        Ok(length) if length as u64 > LONGEST_FILE => {
            refused(format!("longer than {LONGEST_FILE} bytes"), "is it the right file?")
        }
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
            Err(_) => refused("not UTF-8".to_owned(), "save it as UTF-8"),
        },
    }
}

/// Names that are passed over although they look like ours: exact, or with `*` at the end.
pub(crate) fn is_passed_over(name: &str, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    })
}
