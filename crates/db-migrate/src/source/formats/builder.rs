//! Collects what a format makes of its files: drafts, hooks, problems and notes.

use super::hook::Hook;
use super::tree::{Content, File};
use super::{Format, Note};
use crate::SourceProblem;
use crate::source::draft::{Draft, Text};
use crate::source::template::{Marks, Missing, Variables};
use std::collections::BTreeMap;

/// What there is in a directory, once its format is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// In the order in which the tool applies them.
    pub(crate) drafts: Vec<Draft>,
    pub(crate) hooks: Vec<Hook>,
    pub(crate) problems: Vec<SourceProblem>,
    pub(crate) notes: Vec<Note>,
}

/// A draft with what it is ordered by.
pub(super) struct Keyed<K> {
    pub(super) key: K,
    /// What is named when another one has the same key.
    pub(super) file: String,
    pub(super) draft: Draft,
}

/// Builds the contents of one directory.
pub(super) struct Builder<'a> {
    format: Format,
    variables: &'a Variables,
    pub(super) contents: Contents,
}

/// Whether a script without anything in it is a mistake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    Refused,
    Allowed,
}

impl<'a> Builder<'a> {
    pub(super) fn new(format: Format, variables: &'a Variables) -> Self {
        Self { format, variables, contents: Contents::default() }
    }

    pub(super) fn problem(&mut self, problem: SourceProblem) {
        self.contents.problems.push(problem);
    }

    pub(super) fn note(&mut self, note: Note) {
        self.contents.notes.push(note);
    }

    pub(super) fn ignored(&mut self, file: &str) {
        self.note(Note::ignored(file, self.format));
    }

    pub(super) fn misnamed(&mut self, file: &str) {
        self.problem(SourceProblem::Misnamed { file: file.to_owned(), format: self.format });
    }

    pub(super) fn out_of_range(&mut self, file: &str, version: &str, range: &'static str) {
        let (file, version, format) = (file.to_owned(), version.to_owned(), self.format);
        self.problem(SourceProblem::VersionRange { file, version, format, range });
    }

    pub(super) fn mark(&mut self, file: &str, line: usize, reason: impl Into<String>) {
        self.problem(SourceProblem::Mark { file: file.to_owned(), line, reason: reason.into() });
    }

    pub(super) fn settings(&mut self, file: &str, reason: impl Into<String>) {
        self.problem(SourceProblem::Settings { file: file.to_owned(), reason: reason.into() });
    }

    /// The text of a file as it is; `None` after a problem that says why there is none.
    pub(super) fn raw<'f>(&mut self, file: &'f File) -> Option<&'f str> {
        match &file.content {
            Content::Text(text) => Some(text),
            Content::Bad(problem) => {
                self.problem(problem.clone());
                None
            }
            Content::Unread => None,
        }
    }

    /// A file that is SQL from beginning to end.
    pub(super) fn whole(&mut self, file: &File, blank: Blank) -> Text {
        self.unblank(file, blank).map_or_else(|| unread(&file.path), |raw| self.text(&file.path, 1, raw, raw))
    }

    /// The same with every `$` left alone.
    pub(super) fn whole_as_it_is(&mut self, file: &File, blank: Blank) -> Text {
        let made = |raw: &str| text(&file.path, 1, raw, without_mark(raw).to_owned());
        self.unblank(file, blank).map_or_else(|| unread(&file.path), made)
    }

    /// A script of Flyway's, of which every placeholder needs a value.
    pub(super) fn filled_wholly(&mut self, file: &File, marks: &Marks, known: &BTreeMap<&str, &str>) -> Text {
        let Some(raw) = self.raw(file) else { return unread(&file.path) };
        match self.variables.fill_all(without_mark(raw), marks, known) {
            Ok(sql) => text(&file.path, 1, raw, sql.into_owned()),
            Err(missing) => {
                for Missing { name, line } in missing {
                    let written = format!("{}{name}{}", marks.prefix, marks.suffix);
                    self.problem(SourceProblem::Placeholder { file: file.path.clone(), line, written, name });
                }
                unread(&file.path)
            }
        }
    }

    /// A part of a file: as it is there, and what the format's own rules made of it.
    pub(super) fn text(&self, file: &str, line: usize, raw: &str, made: &str) -> Text {
        text(file, line, raw, self.variables.fill(without_mark(made)).into_owned())
    }

    fn unblank<'f>(&mut self, file: &'f File, blank: Blank) -> Option<&'f str> {
        let raw = self.raw(file)?;
        if blank == Blank::Refused && without_mark(raw).trim().is_empty() {
            self.problem(SourceProblem::Empty { file: file.path.clone() });
            return None;
        }
        Some(raw)
    }

    pub(super) fn variables(&self) -> &'a Variables {
        self.variables
    }

    /// Takes drafts over in the order of their keys; of two with the same key only the first.
    pub(super) fn order<K: Ord>(&mut self, mut found: Vec<Keyed<K>>) {
        found.sort_by(|a, b| a.key.cmp(&b.key).then_with(|| a.file.cmp(&b.file)));
        let mut last: Option<(K, String)> = None;
        for Keyed { key, file, draft } in found {
            if let Some((_, first)) = last.as_ref().filter(|(of, _)| *of == key) {
                let (first, second) = (first.clone(), file);
                self.problem(SourceProblem::Duplicate { first, second });
                continue;
            }
            last = Some((key, file));
            self.contents.drafts.push(draft);
        }
    }
}

/// Some editors put a byte order mark in front; the server would take it for a name.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Stands for a script that there is a problem with, lest it is called missing too; never run.
pub(super) const UNREAD: &str = "SELECT";

pub(super) fn unread(file: &str) -> Text {
    Text { file: file.to_owned(), line: 1, sql: UNREAD.to_owned(), original: None }
}

fn text(file: &str, line: usize, raw: &str, sql: String) -> Text {
    let original = (sql != raw).then(|| raw.to_owned());
    Text { file: file.to_owned(), line, sql, original }
}
