//! Checksums of landed migrations, kept beside them: a test tells an edit before a database does.

use crate::{Checksum, Kind, Migrations};
use std::collections::BTreeMap;
use std::fmt;

/// The checksum of each file of a set of migrations, as `sha256sum` writes it but for line ends. Repeatable migrations are
/// made to be edited, and have none.
///
/// ```
/// # use db_migrate::{Embedded, Migrations, Pins};
/// # let migrations = Migrations::embedded(&[Embedded { folder: "0001_a", up: "SELECT 1;", down: None, meta: None }])?;
/// // In a test: `include_str!("../migrations/pins.txt")`, which `db migrate validate --pins FILE --pin` writes.
/// let pins = "17db4fd369edb9244b9f91d9aeed145c3d04ad8ba6e95d06247f07a63527d11a  0001_a/up.sql\n";
/// Pins::parse(pins)?.check(&migrations)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(BTreeMap<String, String>);

/// How files differ from what is pinned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the files are not those that are pinned:{}", problems.iter().map(|problem| format!("\n- {problem}")).collect::<String>())]
pub struct PinError {
    /// Each difference, by file.
    pub problems: Vec<PinProblem>,
}

/// How a file differs from what is pinned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PinProblem {
    /// Databases have applied another text.
    #[error("{file} was edited after it landed: restore it, and make the change in a new migration")]
    Edited {
        /// Relative to the directory.
        file: String,
    },
    /// It is pinned and not there.
    #[error(
        "{file} landed and is gone: restore it, or drop its line where a squashed migration stands for it"
    )]
    Missing {
        /// Relative to the directory.
        file: String,
    },
    /// It is there and not pinned.
    #[error("{file} is not pinned yet: pin it in the commit that lands it")]
    Unpinned {
        /// Relative to the directory.
        file: String,
    },
    /// A line is not of the form `checksum  file`.
    #[error("line {line} is not a checksum of 64 digits, two spaces and a file")]
    Line {
        /// From 1.
        line: usize,
    },
}

impl Pins {
    /// The checksums that these migrations have now.
    #[must_use]
    pub fn of(migrations: &Migrations) -> Self {
        let landed = migrations.iter().filter(|migration| migration.kind != Kind::Repeatable);
        let scripts = landed.flat_map(|migration| [Some(&migration.up), migration.down.as_ref()]).flatten();
        let files: BTreeMap<String, &str> =
            scripts.map(|script| (script.file.clone(), &*script.text)).collect();
        Self(files.into_iter().map(|(file, text)| (file, Checksum::of(text).to_string())).collect())
    }

    /// Reads what was written before; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// [`PinError`] with the lines that are none.
    pub fn parse(text: &str) -> Result<Self, PinError> {
        let (mut pins, mut problems) = (BTreeMap::new(), Vec::new());
        for (at, line) in text.lines().enumerate() {
            let is_checksum =
                |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            match line.split_once("  ") {
                _ if line.trim().is_empty() || line.starts_with('#') => {}
                Some((checksum, file)) if is_checksum(checksum) && !file.is_empty() => {
                    pins.insert(file.to_owned(), checksum.to_ascii_lowercase());
                }
                _ => problems.push(PinProblem::Line { line: at + 1 }),
            }
        }
        if problems.is_empty() { Ok(Self(pins)) } else { Err(PinError { problems }) }
    }

    /// Compares the migrations with what is pinned.
    ///
    /// # Errors
    /// [`PinError`] with every difference.
    pub fn check(&self, migrations: &Migrations) -> Result<(), PinError> {
        let now = Self::of(migrations);
        let problems = self.problems(&now);
        if problems.is_empty() { Ok(()) } else { Err(PinError { problems }) }
    }

    /// The same with what is new; nothing that is pinned changes.
    ///
    /// # Errors
    /// [`PinError`] with what was edited or is gone.
    pub fn with_new(mut self, migrations: &Migrations) -> Result<Self, PinError> {
        let now = Self::of(migrations);
        let mut problems = self.problems(&now);
        problems.retain(|problem| !matches!(problem, PinProblem::Unpinned { .. }));
        if !problems.is_empty() {
            return Err(PinError { problems });
        }
        self.0.extend(now.0);
        Ok(self)
    }

    fn problems(&self, now: &Self) -> Vec<PinProblem> {
        let gone = |(file, checksum): (&String, &String)| match now.0.get(file) {
            None => Some(PinProblem::Missing { file: file.clone() }),
            Some(now) if now != checksum => Some(PinProblem::Edited { file: file.clone() }),
            Some(_) => None,
        };
        let new = now.0.keys().filter(|file| !self.0.contains_key(*file));
        let new = new.map(|file| PinProblem::Unpinned { file: file.clone() });
        self.0.iter().filter_map(gone).chain(new).collect()
    }
}

impl fmt::Display for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(file, checksum)| writeln!(f, "{checksum}  {file}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{PinProblem, Pins};
    use crate::{Embedded, Migrations};

    const A: Embedded = Embedded { folder: "0001_a", up: "SELECT 1;", down: Some("SELECT 2;"), meta: None };
    const B: Embedded = Embedded { folder: "0002_b", up: "SELECT 3;", down: None, meta: None };

    fn set(items: &[Embedded]) -> Migrations {
        Migrations::embedded(items).expect("sound")
    }

    fn check(pinned: &[Embedded], now: &[Embedded], expected: &[PinProblem]) {
        let problems =
            Pins::of(&set(pinned)).check(&set(now)).err().map_or_else(Vec::new, |error| error.problems);
        assert_eq!(problems, expected);
    }

    #[test]
    fn an_edit_is_told_from_what_is_new_and_what_is_gone() {
        check(&[A, B], &[A, B], &[]);
        check(
            &[A],
            &[Embedded { up: "SELECT 1;\r", ..A }],
            &[PinProblem::Edited { file: "0001_a/up.sql".into() }],
        );
        check(&[A], &[A, B], &[PinProblem::Unpinned { file: "0002_b/up.sql".into() }]);
        check(
            &[A],
            &[Embedded { down: None, ..A }],
            &[PinProblem::Missing { file: "0001_a/down.sql".into() }],
        );
        let again = Embedded { meta: Some("repeatable = true"), up: "SELECT 4;", ..B };
        check(&[A], &[A, again], &[]);
    }

    #[test]
    fn what_is_new_is_added_and_nothing_else_changes() {
        let pins = Pins::of(&set(&[A]));
        let more = pins.clone().with_new(&set(&[A, B])).expect("only new ones");
        assert_eq!(more, Pins::of(&set(&[A, B])));
        pins.with_new(&set(&[Embedded { up: "SELECT 9;", ..A }, B])).expect_err("one was edited");
    }

    #[test]
    fn comes_back_from_its_text() {
        let pins = Pins::of(&set(&[A, B]));
        assert_eq!(Pins::parse(&format!("# landed\n\n{pins}")), Ok(pins));
        let error = Pins::parse("0001_a/up.sql\n").expect_err("no checksum");
        assert_eq!(error.problems, [PinProblem::Line { line: 1 }]);
    }
}
