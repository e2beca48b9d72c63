//! Where migrations come from: a folder, or the program itself.

mod check;
mod directory;
pub(crate) mod embedded;
mod meta;
mod problem;

pub use problem::SourceProblem;

use crate::{Embedded, Error, HistoryTable, Migration};
use check::Folder;
use std::path::Path;

/// Migrations that fit together: numbered from 1 without a gap, each after what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrations {
    ordered: Vec<Migration>,
    history: HistoryTable,
}

impl Migrations {
    /// Reads the folders below `directory`. Files next to them and hidden entries are not looked at.
    ///
    /// # Errors
    /// [`Error::Source`] with everything that is wrong with the folders.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let (folders, mut problems) = directory::read(directory);
        match check::check(&folders) {
            Ok(ordered) if problems.is_empty() => Ok(Self::of(ordered)),
            Ok(_) => Err(Error::Source { from: directory.display().to_string(), problems }),
            Err(more) => {
                problems.extend(more);
                Err(Error::Source { from: directory.display().to_string(), problems })
            }
        }
    }

    /// Takes migrations that were compiled in.
    ///
    /// # Errors
    /// [`Error::Source`] with everything that is wrong with them.
    pub fn embedded(items: &[Embedded]) -> Result<Self, Error> {
        let folders: Vec<Folder> = items.iter().map(Folder::from).collect();
        match check::check(&folders) {
            Ok(ordered) => Ok(Self::of(ordered)),
            Err(problems) => Err(Error::Source { from: "the program".to_owned(), problems }),
        }
    }

    fn of(ordered: Vec<Migration>) -> Self {
        Self { ordered, history: HistoryTable::default() }
    }

    /// The same migrations, recorded in another table.
    #[must_use]
    pub fn recorded_in(self, history: HistoryTable) -> Self {
        Self { history, ..self }
    }

    /// The table that records them; `public.db_migrations` unless told.
    #[must_use]
    pub const fn history(&self) -> &HistoryTable {
        &self.history
    }

    /// The migrations, each after what it depends on.
    pub fn iter(&self) -> std::slice::Iter<'_, Migration> {
        self.ordered.iter()
    }

    /// The migrations, each after what it depends on.
    #[must_use]
    pub fn as_slice(&self) -> &[Migration] {
        &self.ordered
    }
}

impl<'a> IntoIterator for &'a Migrations {
    type Item = &'a Migration;
    type IntoIter = std::slice::Iter<'a, Migration>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
