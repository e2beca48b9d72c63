//! Files of goose: `00001_name.sql`, in two parts, after `-- +goose Up` and after `-- +goose Down`.
//!
//! As `internal/sqlparser/parser.go` reads them. Marks begin their line, in letters of either case. The statements
//! between `StatementBegin` and `StatementEnd` go to the server as one, whether or not a semicolon ends them; one is put
//! in place of the mark where there is none, since our own splitting goes by semicolons.

use super::Note;
use super::builder::{Builder, Keyed, unread, without_mark};
use super::goose_environment::expand;
use super::lines::{Line, Part, lines};
use super::name::{digits, meant};
use super::tree::{File, Tree};
use crate::source::draft::{Draft, Text};
use crate::source::template::Variables;
use crate::{SourceProblem, TransactionMode};
use std::collections::BTreeSet;

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let found = tree.at_root().filter_map(|file| keyed(file, builder)).collect();
    builder.order(found);
}

fn keyed(file: &File, builder: &mut Builder<'_>) -> Option<Keyed<i64>> {
    let Some(name) = parse(file.name()) else {
        if meant(file.name()) {
            builder.ignored(&file.path);
        }
        return None;
    };
    let version = match name.version.parse::<i64>() {
        Ok(version) if version > 0 => version,
        _ => {
            builder.out_of_range(&file.path, name.version, "numbers from 1 to 9223372036854775807");
            return None;
        }
    };
    if name.in_code {
        builder.problem(SourceProblem::InCode { file: file.path.clone() });
        return None;
    }
    let mut draft = Draft {
        version: version.to_string(),
        name: name.name.to_owned(),
        label: name.label.to_owned(),
        up: Some(unread(&file.path)),
        ..Draft::default()
    };
    let parts = builder.raw(file).and_then(|text| read(&file.path, text, builder));
    if let Some(parts) = parts {
        draft.mode = parts.mode;
        draft.up = parts.up.map(|part| text(&file.path, &part, builder));
        draft.down = parts.down.map(|part| text(&file.path, &part, builder));
    }
    Some(Keyed { key: version, file: file.path.clone(), draft })
}

fn text(file: &str, part: &Part, builder: &mut Builder<'_>) -> Text {
    builder.text(file, part.line, &part.raw, &part.made)
}

/// What a file's name says.
pub(super) struct Name<'n> {
    pub(super) label: &'n str,
    pub(super) version: &'n str,
    pub(super) name: &'n str,
    pub(super) in_code: bool,
}

pub(super) fn parse(file: &str) -> Option<Name<'_>> {
    let (label, in_code) = match file.rsplit_once('.')? {
        (label, "sql") => (label, false),
        (label, "go") if !label.ends_with("_test") => (label, true),
        _ => return None,
    };
    let (version, rest) = digits(label)?;
    Some(Name { label, version, name: rest.strip_prefix('_')?, in_code })
}

/// Whether the file has the mark that only goose understands.
pub(super) fn has_mark(file: &File) -> bool {
    file.text()
        .is_some_and(|text| lines(without_mark(text)).any(|line| matches!(mark(line), Some(Ok(Mark::Up)))))
}

/// Whether goose itself would take the line for a mark.
pub(super) fn is_mark(line: Line<'_>) -> bool {
    mark(line).is_some()
}

/// What the lines of a file have said up to now.
struct Reader<'a> {
    variables: &'a Variables,
    up: Option<Part>,
    down: Option<Part>,
    mode: TransactionMode,
    /// Whether `$NAME` means something.
    expands: bool,
    begun: Option<Begun>,
    /// Variables that the environment does not have.
    unset: BTreeSet<String>,
}

/// Between `StatementBegin` and `StatementEnd`.
struct Begun {
    line: usize,
    ended: bool,
}

fn read<'a>(file: &str, text: &str, builder: &mut Builder<'a>) -> Option<Reader<'a>> {
    let mut reader = Reader {
        variables: builder.variables(),
        up: None,
        down: None,
        mode: TransactionMode::Auto,
        expands: false,
        begun: None,
        unset: BTreeSet::new(),
    };
    for line in lines(without_mark(text)) {
        let taken = match mark(line) {
            Some(mark) => mark.and_then(|mark| reader.obey(mark, line)),
            None => reader.take(line),
        };
        if let Err(reason) = taken {
            builder.mark(file, line.number, reason);
            return None;
        }
    }
    if let Some((line, reason)) = reader.unfinished() {
        builder.mark(file, line, reason);
        return None;
    }
    for name in &reader.unset {
        let text = format!("{name} is not set, so nothing stands in its place, as in goose");
        builder.note(Note::new(file, text));
    }
    Some(reader)
}

impl Reader<'_> {
    fn obey(&mut self, mark: Mark, line: Line<'_>) -> Result<(), String> {
        match mark {
            Mark::Up if self.up.is_some() => return Err("a second -- +goose Up: goose takes one".to_owned()),
            Mark::Up => self.up = Some(Part::after(line)),
            Mark::Down if self.begun.is_some() => {
                return Err("-- +goose Down before -- +goose StatementEnd: end the statement".to_owned());
            }
            Mark::Down if self.up.is_none() || self.down.is_some() => {
                return Err("-- +goose Down must come once, after -- +goose Up".to_owned());
            }
            Mark::Down => self.down = Some(Part::after(line)),
            Mark::StatementBegin if self.up.is_none() || self.begun.is_some() => {
                return Err("-- +goose StatementBegin must come after -- +goose Up, and not twice".to_owned());
            }
            Mark::StatementBegin => {
                self.begun = Some(Begun { line: line.number, ended: true });
                self.push(line, line.whole);
            }
            Mark::StatementEnd => {
                let begun = self.begun.take();
                let begun = begun.ok_or("-- +goose StatementEnd without -- +goose StatementBegin")?;
                let end = format!(";{}", line.end());
                self.push(line, if begun.ended { line.whole } else { &end });
            }
            Mark::NoTransaction => {
                self.mode = TransactionMode::None;
                self.push(line, line.whole);
            }
            Mark::Expand(expands) => {
                self.expands = expands;
                self.push(line, line.whole);
            }
        }
        Ok(())
    }

    fn take(&mut self, line: Line<'_>) -> Result<(), String> {
        if self.up.is_none() && !line.is_idle() {
            return Err("goose takes nothing before -- +goose Up: put that mark above this line".to_owned());
        }
        if let Some(begun) = &mut self.begun
            && !line.is_idle()
        {
            begun.ended = ends(line.text());
        }
        if !self.expands || line.is_idle() {
            self.push(line, line.whole);
            return Ok(());
        }
        let made = expand(line.whole, self.variables, &mut self.unset)?;
        self.push(line, &made);
        Ok(())
    }

    fn push(&mut self, line: Line<'_>, made: &str) {
        if let Some(part) = self.down.as_mut().or(self.up.as_mut()) {
            part.push(line, made);
        }
    }

    fn unfinished(&self) -> Option<(usize, &'static str)> {
        match (&self.up, &self.begun) {
            (None, _) => Some((1, "-- +goose Up is missing: put it above the statements")),
            (_, Some(begun)) => Some((begun.line, "-- +goose StatementBegin has no -- +goose StatementEnd")),
            _ => None,
        }
    }
}

/// Whether a semicolon ends the line, but for a comment.
fn ends(text: &str) -> bool {
    text.split_whitespace()
        .take_while(|word| !word.starts_with("--"))
        .last()
        .is_some_and(|word| word.ends_with(';'))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Up,
    Down,
    StatementBegin,
    StatementEnd,
    NoTransaction,
    Expand(bool),
}

const MARKS: [(&str, Mark); 7] = [
    ("Up", Mark::Up),
    ("Down", Mark::Down),
    ("StatementBegin", Mark::StatementBegin),
    ("StatementEnd", Mark::StatementEnd),
    ("NO TRANSACTION", Mark::NoTransaction),
    ("ENVSUB ON", Mark::Expand(true)),
    ("ENVSUB OFF", Mark::Expand(false)),
];

fn mark(line: Line<'_>) -> Option<Result<Mark, String>> {
    let text = line.text();
    // A comment that only speaks of marks is none, as in the one that `goose init` writes.
    let said = text.trim_start().strip_prefix("--")?.trim_start().strip_prefix("+goose")?;
    if text.starts_with([' ', '\t']) {
        return Some(Err(
            "goose wants its marks at the beginning of the line: take the blanks away".to_owned()
        ));
    }
    let said = said.trim();
    let found = MARKS.iter().find(|(name, _)| name.eq_ignore_ascii_case(said));
    Some(found.map(|(_, mark)| *mark).ok_or_else(|| {
        let known = MARKS.map(|(name, _)| name).join(", ");
        format!("goose has no mark {said:?}: known are {known}")
    }))
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_goose_does() {
        check(
            Format::Goose,
            &[
                (
                    "20240101000000_c.sql",
                    "-- why\n-- +goose NO TRANSACTION\n--+goose up\nC;\n-- +goose Down\nD;",
                ),
                ("00002_b_b.sql", "-- +goose Up\r\nB ${name};\r\n"),
                ("1_a.sql", "-- +goose Up\n-- +goose Down\n"),
                ("main.go", ""),
                ("3_x_test.go", ""),
                ("0004.sql", "X"),
            ],
            &[
                r#"1|a|1_a|1_a.sql:2 ""|1_a.sql:3 """#,
                r#"2|b_b|00002_b_b|00002_b_b.sql:2 "B value;\r\n" from "B ${name};\r\n"|-"#,
                concat!(
                    r#"20240101000000|c|20240101000000_c|20240101000000_c.sql:4 "C;\n"|"#,
                    r#"20240101000000_c.sql:6 "D;"|None"#
                ),
                "? 0004.sql: ignored, as goose does: its names are like 00001_core_tables.sql",
            ],
        );
    }

    #[test]
    fn a_statement_between_marks_needs_no_semicolon() {
        for (body, made) in [
            ("F;\n-- done\n", None),
            ("F; -- done\n", None),
            ("F\n", Some(r#""-- +goose StatementBegin\nF\n;\nG;\n""#)),
        ] {
            let part = format!("-- +goose StatementBegin\n{body}-- +goose StatementEnd\nG;\n");
            let file = format!("-- +goose Up\n{part}");
            let text = made.map_or_else(|| format!("{part:?}"), |made| format!("{made} from {part:?}"));
            check(Format::Goose, &[("1_a.sql", &file)], &[&format!("1|a|1_a|1_a.sql:2 {text}|-")]);
        }
    }

    #[test]
    fn the_environment_is_for_its_own_lines() {
        check(
            Format::Goose,
            &[(
                "1_a.sql",
                "-- +goose Up\n$HOME;\n-- +goose ENVSUB ON\n-- $HOME\n$HOME $NO;\n-- +goose ENVSUB OFF\n$$;\n",
            )],
            &[
                concat!(
                    r#"1|a|1_a|1_a.sql:2 "$HOME;\n-- +goose ENVSUB ON\n-- $HOME\n/root ;\n-- +goose ENVSUB OFF\n$$;\n" "#,
                    r#"from "$HOME;\n-- +goose ENVSUB ON\n-- $HOME\n$HOME $NO;\n-- +goose ENVSUB OFF\n$$;\n"|-"#
                ),
                "? 1_a.sql: NO is not set, so nothing stands in its place, as in goose",
            ],
        );
    }

    #[test]
    fn says_what_goose_would_not_take() {
        for (text, expected) in [
            ("SELECT 1;", "1: goose takes nothing before -- +goose Up: put that mark above this line"),
            ("-- nothing", "1: -- +goose Up is missing: put it above the statements"),
            ("-- +goose Down\n-- +goose Up", "1: -- +goose Down must come once, after -- +goose Up"),
            ("-- +goose Up\n-- +goose Up", "2: a second -- +goose Up: goose takes one"),
            (
                "-- +goose Up\n\n-- +goose StatementBegin\nA;",
                "3: -- +goose StatementBegin has no -- +goose StatementEnd",
            ),
            (
                "-- +goose Up\n-- +goose StatementEnd",
                "2: -- +goose StatementEnd without -- +goose StatementBegin",
            ),
            (
                "-- +goose Up\n  -- +goose Down",
                "2: goose wants its marks at the beginning of the line: take the blanks away",
            ),
            (
                "-- +goose Upwards",
                "1: goose has no mark \"Upwards\": known are Up, Down, StatementBegin, StatementEnd, NO TRANSACTION, ENVSUB \
                 ON, ENVSUB OFF",
            ),
            (
                "-- +goose Up\n-- +goose ENVSUB ON\nA $1;",
                "3: a $ that no name follows: write $$ for a dollar while ENVSUB is ON",
            ),
        ] {
            check(
                Format::Goose,
                &[("1_a.sql", text)],
                &["1|a|1_a|unread|-", &format!("! 1_a.sql:{expected}")],
            );
        }
        check(
            Format::Goose,
            &[("00003_x.go", ""), ("0_a.sql", ""), ("1_b.sql", "-- +goose Up"), ("01_c.sql", "-- +goose Up")],
            &[
                r#"1|c|01_c|01_c.sql:2 ""|-"#,
                "! 00003_x.go is a migration in code: write it as SQL of the same version, or take it out and register it \
                 with the program that migrates",
                "! 0_a.sql: the version 0 is out of range: goose takes numbers from 1 to 9223372036854775807",
                "! 01_c.sql and 1_b.sql have the same number: give the newer one the next free number",
            ],
        );
    }
}
