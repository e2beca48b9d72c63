//! Which files another tool's history means. Pure: the history was read before.

use super::checksum::{Agreement, agreement};
use super::{ForeignRow, ForeignState};
use crate::source::formats::flyway_name::Version;
use crate::{Format, Kind, Note};
use chrono::{DateTime, Utc};
use std::cmp::Ordering;

/// What is known of a migration that may have been applied by another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    pub(crate) version: &'a str,
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) kind: Kind,
    /// The text as it is in the file; of a repeatable one, with values in it where the file has names.
    pub(crate) original: &'a str,
}

/// What a takeover comes to. The numbers are places in the list of candidates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Adoption {
    /// Applied there, and when.
    pub(crate) adopted: Vec<(usize, Option<DateTime<Utc>>)>,
    /// Not applied there.
    pub(crate) pending: Vec<usize>,
    /// What keeps the takeover from being right.
    pub(crate) problems: Vec<AdoptProblem>,
    pub(crate) notes: Vec<Note>,
}

/// Something that keeps a database from being taken over as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptProblem {
    /// The file of an applied migration is not there.
    #[error("{version} is applied{}, and there is no file of it: bring the file back, or give the directory that has it", named(name.as_deref()))]
    NoFile {
        /// Its version there.
        version: String,
        /// Its name there.
        name: Option<String>,
    },
    /// The file is not the one that was applied.
    #[error("{label} was edited after it was applied{}: bring the applied text back", since(applied_at.as_ref()))]
    Edited {
        /// The file.
        label: String,
        /// When it was applied.
        applied_at: Option<DateTime<Utc>>,
    },
    /// It failed there, and nobody has said what became of it.
    #[error("{version} failed there ({why}): mend what it left and tell the tool, then take over")]
    Failed {
        /// Its version there.
        version: String,
        /// What the tool knows of it.
        why: String,
    },
}

/// What each candidate was to the other tool. `candidates` are in the order in which they are applied.
pub(crate) fn match_up(format: Format, candidates: &[Candidate<'_>], rows: &[ForeignRow]) -> Adoption {
    let mut matcher = Matcher { format, candidates, rows, adoption: Adoption::default() };
    for at in 0..candidates.len() {
        matcher.place(at);
    }
    matcher.find_strays();
    matcher.find_gaps();
    matcher.adoption
}

struct Matcher<'a> {
    format: Format,
    candidates: &'a [Candidate<'a>],
    rows: &'a [ForeignRow],
    adoption: Adoption,
}

impl Matcher<'_> {
    fn place(&mut self, at: usize) {
        let candidate = &self.candidates[at];
        let row = self.rows.iter().find(|row| self.means(row, candidate));
        match row.map(|row| (row, &row.state)) {
            Some((row, ForeignState::Applied)) if candidate.kind != Kind::Baseline => self.compare(at, row),
            Some((row, ForeignState::Failed { why })) => {
                let (version, why) = (row.version.clone(), why.clone());
                self.adoption.problems.push(AdoptProblem::Failed { version, why });
            }
            Some((row, ForeignState::RolledBack)) => {
                let text =
                    format!("{} was applied and undone there, so it is to be applied again", row.version);
                self.adoption.notes.push(Note::new(candidate.label, text));
                self.adoption.pending.push(at);
            }
            Some((row, ForeignState::Applied | ForeignState::Baseline)) => {
                self.adoption.adopted.push((at, row.applied_at));
            }
            None => self.place_by_later(at),
        }
    }

    /// A migration that the history does not name: one below a baseline, or below golang-migrate's only row, is applied.
    fn place_by_later(&mut self, at: usize) {
        let candidate = &self.candidates[at];
        let covers = |row: &&ForeignRow| {
            let covers = row.state == ForeignState::Baseline || self.format == Format::GolangMigrate;
            covers && self.order(candidate.version, &row.version) == Some(Ordering::Less)
        };
        let row = self.rows.iter().find(covers).filter(|_| candidate.kind != Kind::Repeatable);
        match (row, candidate.kind) {
            (Some(row), _) => self.adoption.adopted.push((at, row.applied_at)),
            // It stands for what others have done here, and has never been run nor ever will be.
            (None, Kind::Baseline) if !self.rows.is_empty() => {}
            (None, _) => self.adoption.pending.push(at),
        }
    }

    fn compare(&mut self, at: usize, row: &ForeignRow) {
        let candidate = &self.candidates[at];
        let agreement =
            row.checksum.as_ref().map_or(Agreement::Same, |checksum| agreement(checksum, candidate));
        match agreement {
            Agreement::Same => self.adoption.adopted.push((at, row.applied_at)),
            Agreement::ButForLineEnds => {
                let text = "its line ends are not those that it was applied with; nothing else differs";
                self.adoption.notes.push(Note::new(candidate.label, text));
                self.adoption.adopted.push((at, row.applied_at));
            }
            Agreement::Different if candidate.kind == Kind::Repeatable => self.adoption.pending.push(at),
            Agreement::Different => {
                let (label, applied_at) = (candidate.label.to_owned(), row.applied_at);
                self.adoption.problems.push(AdoptProblem::Edited { label, applied_at });
            }
        }
    }

    fn find_strays(&mut self) {
        for row in self.rows {
            let known = self.candidates.iter().any(|candidate| self.means(row, candidate));
            let expected = matches!(row.state, ForeignState::Applied | ForeignState::Failed { .. });
            if known || !expected {
                continue;
            }
            let (version, name) = (row.version.clone(), row.name.clone());
            match &row.state {
                ForeignState::Failed { why } => {
                    self.adoption.problems.push(AdoptProblem::Failed { version, why: why.clone() });
                }
                _ if version.starts_with("R__") => {
                    let text = format!("{version} was applied there and has no file; what it made stays");
                    self.adoption.notes.push(Note::new("", text));
                }
                _ => self.adoption.problems.push(AdoptProblem::NoFile { version, name }),
            }
        }
    }

    fn find_gaps(&mut self) {
        let versioned = |at: &usize| self.candidates[*at].kind == Kind::Versioned;
        let adopted = self.adoption.adopted.iter().map(|(at, _)| *at).filter(|at| versioned(at));
        let Some(last) = adopted.max() else { return };
        let undone = |label: &str| self.adoption.notes.iter().any(|note| note.file == label);
        let gaps: Vec<_> = self
            .adoption
            .pending
            .iter()
            .filter(|at| **at < last && versioned(at) && !undone(self.candidates[**at].label))
            .map(|at| {
                let text = format!(
                    "it was never applied, though {} after it was: it is pending, and out of order",
                    self.candidates[last].label
                );
                Note::new(self.candidates[*at].label, text)
            })
            .collect();
        self.adoption.notes.extend(gaps);
    }

    /// Whether a row is of a candidate.
    fn means(&self, row: &ForeignRow, candidate: &Candidate<'_>) -> bool {
        if candidate.kind == Kind::Repeatable {
            return row.version.starts_with("R__") && row.name.as_deref() == Some(candidate.name);
        }
        let same = self.order(&row.version, candidate.version) == Some(Ordering::Equal);
        same && (candidate.kind != Kind::Baseline || row.state == ForeignState::Baseline)
    }

    /// How versions stand to each other; text only where a tool takes them for text.
    fn order(&self, one: &str, other: &str) -> Option<Ordering> {
        match self.format {
            Format::Dbmate | Format::Diesel | Format::Prisma | Format::Cairn => Some(one.cmp(other)),
            _ => Some(Version::parse(one)?.cmp(&Version::parse(other)?)),
        }
    }
}

fn named(name: Option<&str>) -> String {
    name.map(|name| format!(" ({name})")).unwrap_or_default()
}

fn since(applied_at: Option<&DateTime<Utc>>) -> String {
    applied_at.map(|at| format!(" on {}", at.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::ForeignChecksum;
    use super::{Adoption, Candidate, ForeignRow, ForeignState, Format, Kind, match_up};
    use chrono::DateTime;

    fn file(version: &'static str) -> Candidate<'static> {
        Candidate { version, name: "a b", label: version, kind: Kind::Versioned, original: "SELECT 1;\n" }
    }

    fn row(version: &str) -> ForeignRow {
        ForeignRow {
            version: version.to_owned(),
            name: None,
            checksum: None,
            applied_at: DateTime::from_timestamp(0, 0),
            state: ForeignState::Applied,
        }
    }

    fn with(version: &str, state: ForeignState) -> ForeignRow {
        ForeignRow { state, ..row(version) }
    }

    fn check(format: Format, files: &[Candidate<'_>], rows: &[ForeignRow], expected: &[&str]) {
        let Adoption { adopted, pending, problems, notes } = match_up(format, files, rows);
        let mut found: Vec<_> =
            adopted.iter().map(|(at, _)| format!("{} adopted", files[*at].label)).collect();
        found.extend(pending.iter().map(|at| format!("{} pending", files[*at].label)));
        found.extend(problems.iter().map(|problem| format!("! {problem}")));
        found.extend(notes.iter().map(|note| format!("? {note}")));
        assert_eq!(found, expected);
    }

    #[test]
    fn versions_are_compared_as_the_tool_does() {
        for (format, version, written) in [
            (Format::Sqlx, "1", "1"),
            (Format::Flyway, "1.2", "1_02.0"),
            (Format::Goose, "1", "00001"),
            (Format::Dbmate, "001", "001"),
            (Format::Prisma, "20240101_a", "20240101_a"),
            (Format::Diesel, "00000000000000", "00000000000000"),
        ] {
            check(format, &[file(version)], &[row(written)], &[&format!("{version} adopted")]);
        }
        let expected = [
            "1 pending",
            "! 01 is applied, and there is no file of it: bring the file back, or give the \
                         directory that has it",
        ];
        check(Format::Dbmate, &[file("1")], &[row("01")], &expected);
    }

    #[test]
    fn the_state_decides() {
        check(
            Format::Goose,
            &[file("1"), file("2"), file("3"), file("4"), file("5")],
            &[
                row("1"),
                with("2", ForeignState::RolledBack),
                row("4"),
                with("5", ForeignState::Failed { why: "why".to_owned() }),
                with("6", ForeignState::RolledBack),
                with("7", ForeignState::Failed { why: "why".to_owned() }),
            ],
            &[
                "1 adopted",
                "4 adopted",
                "2 pending",
                "3 pending",
                "! 5 failed there (why): mend what it left and tell the tool, then take over",
                "! 7 failed there (why): mend what it left and tell the tool, then take over",
                "? 2: 2 was applied and undone there, so it is to be applied again",
                "? 3: it was never applied, though 4 after it was: it is pending, and out of order",
            ],
        );
    }

    #[test]
    fn one_row_of_golang_migrates_stands_for_all_before_it() {
        let files = [file("1"), file("2"), file("10"), file("11")];
        let expected = ["1 adopted", "2 adopted", "10 adopted", "11 pending"];
        check(Format::GolangMigrate, &files, &[row("10")], &expected);
        let why = "dirty".to_owned();
        check(
            Format::GolangMigrate,
            &files[..2],
            &[with("2", ForeignState::Failed { why })],
            &["1 adopted", "! 2 failed there (dirty): mend what it left and tell the tool, then take over"],
        );
        check(Format::GolangMigrate, &files[..1], &[], &["1 pending"]);
    }

    #[test]
    fn a_baseline_stands_for_all_up_to_it() {
        let base = Candidate { kind: Kind::Baseline, label: "B2", ..file("2") };
        let files = [file("1"), file("2"), base, file("3")];
        let baseline = [with("2", ForeignState::Baseline)];
        check(Format::Flyway, &files, &baseline, &["1 adopted", "2 adopted", "B2 adopted", "3 pending"]);
        check(Format::Flyway, &files, &[row("1"), row("2")], &["1 adopted", "2 adopted", "3 pending"]);
        check(Format::Flyway, &files, &[], &["1 pending", "2 pending", "B2 pending", "3 pending"]);
    }

    #[test]
    fn repeatable_ones_go_by_their_names() {
        let views = |original| Candidate { kind: Kind::Repeatable, label: "R", original, ..file("R__a_b") };
        let crc32 = crc32fast::hash(b"SELECT 1;").cast_signed();
        let applied = |name: &str| ForeignRow {
            name: Some(name.to_owned()),
            checksum: Some(ForeignChecksum::Crc32(crc32)),
            ..row("R__a_b")
        };
        check(Format::Flyway, &[views("SELECT 1;\n")], &[applied("a b")], &["R adopted"]);
        check(Format::Flyway, &[views("SELECT 2;\n")], &[applied("a b")], &["R pending"]);
        let expected = ["R pending", "? R__a_b was applied there and has no file; what it made stays"];
        check(Format::Flyway, &[views("SELECT 1;\n")], &[applied("c")], &expected);
    }

    #[test]
    fn an_edited_file_is_not_adopted() {
        let checksum = |text: &str| ForeignRow {
            checksum: Some(ForeignChecksum::Crc32(crc32fast::hash(text.as_bytes()).cast_signed())),
            ..row("1")
        };
        check(Format::Flyway, &[file("1")], &[checksum("SELECT 1;")], &["1 adopted"]);
        let expected =
            "! 1 was edited after it was applied on 1970-01-01 00:00 UTC: bring the applied text back";
        check(Format::Flyway, &[file("1")], &[checksum("SELECT 2;")], &[expected]);
    }
}
