//! Where migrations come from: a folder, or the program itself.

mod check;
pub(crate) mod detect;
pub(crate) mod draft;
pub(crate) mod embedded;
pub(crate) mod formats;
mod graph;
pub(crate) mod meta;
mod order;
mod problem;
mod read;
pub(crate) mod template;

pub use problem::SourceProblem;

use crate::adopt::{ForeignError, create_statements};
use crate::migration::{About, Body, Script};
use crate::{Code, Embedded, Error, HistoryTable, Hooks, Migration, MigrationId, TransactionMode};
use check::Numbering;
use detect::Detected;
use draft::{Draft, Kind, Text};
use formats::hook::{Hook, When};
use formats::{Format, Note, Present, Project};
use std::path::Path;
use std::sync::Arc;
use template::Variables;

/// What was seen of a directory, besides its migrations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its format, and what tells.
    pub detected: Detected,
    /// What is worth knowing and stops nothing.
    pub notes: Vec<Note>,
}

/// Migrations that fit together: each after what it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrations {
    ordered: Vec<Migration>,
    history: HistoryTable,
    hooks: Hooks,
}

impl Migrations {
    /// Reads a directory in whatever format it has.
    ///
    /// # Errors
    /// [`Error::Source`] with everything that is wrong with its files.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        Self::read_as(directory, None, &Variables::default()).map(|(migrations, _)| migrations)
    }

    /// Reads a directory in a format, or in the one that fits, with values for the names in its files; tells what it saw.
    ///
    /// # Errors
    /// [`Error::Source`] with everything that is wrong with its files.
    pub fn read_as(
        directory: &Path,
        format: Option<Format>,
        variables: &Variables,
    ) -> Result<(Self, Seen), Error> {
        Self::understood(read::read(directory, format, variables), &directory.display().to_string())
    }

    /// Takes migrations of any format that were compiled in: each file's path below the directory, with `/`, and its text,
    /// as `include_dir` or a build script gives them. Without a format it is recognised by the files.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// ```
    /// # use db_migrate::{Format, Migrations, Variables};
    /// let files = [("V1__notes.sql", "CREATE TABLE notes (id int);"), ("R__view.sql", "CREATE OR REPLACE VIEW v AS TABLE notes;")];
    /// let (migrations, _) = Migrations::from_files(&files, Some(Format::Flyway), &Variables::default())?;
    /// assert_eq!(migrations.iter().count(), 2);
    /// # Ok::<(), db_migrate::Error>(())
    /// ```
    pub fn from_files(
        files: &[(&str, &str)],
        format: Option<Format>,
        variables: &Variables,
    ) -> Result<(Self, Seen), Error> {
        Self::understood(read::compiled_in(files, format, variables), "the program")
    }

    fn understood(reading: read::Reading, from: &str) -> Result<(Self, Seen), Error> {
        let Some(detected) = reading.detected else {
            return Err(Error::Source { from: from.to_owned(), problems: reading.problems });
        };
        let numbering = match detected.format {
            Format::Cairn => Numbering::Strict,
            _ => Numbering::Foreign,
        };
        let hooks = check::hooks(reading.hooks);
        let migrations = Self::of(reading.drafts, numbering, hooks, reading.problems, from)?;
        Ok((migrations, Seen { detected, notes: reading.notes }))
    }

    /// Looks at what a directory has by the names of its files, so that one more can be written; what is in them need not
    /// be finished.
    ///
    /// # Errors
    /// [`Error::Source`] when it cannot be read, or is of no format or more than one.
    pub fn look(directory: &Path, format: Option<Format>) -> Result<Project, Error> {
        let reading = read::read(directory, format, &Variables::default());
        let Some(detected) = reading.detected else {
            return Err(Error::Source { from: directory.display().to_string(), problems: reading.problems });
        };
        let present = |draft: Draft| Present {
            version: draft.version,
            label: draft.label,
            kind: draft.kind,
            is_reversible: draft.down.is_some(),
        };
        Ok(Project { format: detected.format, present: reading.drafts.into_iter().map(present).collect() })
    }

    /// Takes migrations that were compiled in.
    ///
    /// # Errors
    /// [`Error::Source`] with everything that is wrong with them.
    pub fn embedded(items: &[Embedded]) -> Result<Self, Error> {
        let (mut drafts, mut problems) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items {
            match item.draft() {
                Some(draft) => drafts.push(draft),
                None => problems.push(SourceProblem::FolderName { folder: item.folder.to_owned() }),
            }
        }
        // The number of five digits comes after that of four.
        drafts.sort_by(|a, b| (a.version.len(), &a.version).cmp(&(b.version.len(), &b.version)));
        Self::of(drafts, Numbering::Strict, Ok(Hooks::default()), problems, "the program")
    }

    /// One script, as it is.
    #[cfg(feature = "backup")]
    pub(crate) fn single(label: &str, sql: &str) -> Result<Self, Error> {
        let up = Text { file: label.to_owned(), line: 1, sql: sql.to_owned(), original: None };
        let draft = Draft {
            version: "1".to_owned(),
            name: label.to_owned(),
            label: label.to_owned(),
            up: Some(up),
            ..Draft::default()
        };
        Self::of(vec![draft], Numbering::Foreign, Ok(Hooks::default()), Vec::new(), label)
    }

    fn of(
        drafts: Vec<Draft>,
        numbering: Numbering,
        hooks: Result<Hooks, Vec<SourceProblem>>,
        mut problems: Vec<SourceProblem>,
        from: &str,
    ) -> Result<Self, Error> {
        match (check::check(drafts, numbering), hooks) {
            (Ok(ordered), Ok(hooks)) if problems.is_empty() => {
                Ok(Self { ordered, history: HistoryTable::default(), hooks })
            }
            (checked, hooks) => {
                problems.extend(checked.err().into_iter().chain(hooks.err()).flatten());
                Err(Error::Source { from: from.to_owned(), problems })
            }
        }
    }

    /// Adds a migration that is written in Rust, after those whose version is smaller.
    ///
    /// # Errors
    /// [`Error::Source`] when there is one of this number already.
    pub fn with_code(mut self, number: u32, name: &str, code: &Arc<dyn Code>) -> Result<Self, Error> {
        let id = MigrationId::numbered(number);
        let label = format!("{id}_{name}");
        if let Some(first) = self.ordered.iter().find(|other| other.id == id) {
            let problem = SourceProblem::Duplicate { first: first.label.clone(), second: label };
            return Err(Error::Source { from: "the program".to_owned(), problems: vec![problem] });
        }
        let script = |direction: &str| Script {
            file: format!("{label} ({direction}, in Rust)"),
            line: 1,
            text: code.revision().into(),
            mode: TransactionMode::Single,
            body: Body::Code(Arc::clone(code)),
        };
        let migration = Migration {
            name: name.to_owned(),
            kind: Kind::Versioned,
            depends_on: Vec::new(),
            replaces: Vec::new(),
            about: About::default(),
            up: script("up"),
            down: code.is_reversible().then(|| script("down")),
            label: label.clone(),
            id,
        };
        let later = |other: &Migration| {
            other.kind == Kind::Repeatable || other.id.number().is_none_or(|other| other > number)
        };
        let at = self.ordered.iter().position(later).unwrap_or(self.ordered.len());
        self.ordered.insert(at, migration);
        Ok(self)
    }

    /// The same migrations for a database in which the tool they were written for has never been: its history table is
    /// made before the first of them, where it is not there, as migrations that grant on it or alter it expect.
    ///
    /// # Errors
    /// [`Error::Foreign`] for our own format, whose table is made anyway.
    pub fn with_table_of(mut self, tool: Format) -> Result<Self, Error> {
        if tool == Format::Cairn {
            return Err(ForeignError::Own { format: tool }.into());
        }
        let text = Text {
            file: format!("the history table of {tool}"),
            line: 1,
            sql: create_statements(tool).to_owned(),
            original: None,
        };
        let hooks = check::hooks(vec![Hook { when: When::BeforeAll, text }])
            .map_err(|problems| Error::Source { from: "the program".to_owned(), problems })?;
        self.hooks.before_all.splice(0..0, hooks.before_all);
        Ok(self)
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

    /// What is run around them.
    pub(crate) const fn hooks(&self) -> &Hooks {
        &self.hooks
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
