//! Marks that divide a file into a way there and a way back for a tool whose format this is not.
//!
//! To every other tool such a mark is a comment, so that both ways would run one after the other, and what the first has
//! made the second would drop. What goes by lines at the tool goes by lines here, also within a string.

use super::builder::Contents;
use super::lines::lines;
use super::pair::Direction;
use super::{Format, dbmate, goose};
use crate::SourceProblem;
use crate::source::draft::Text;

/// How much of the line is shown.
const SHOWN: usize = 60;

/// The first mark of another tool in each script that would be run as the way that it is not.
pub(super) fn foreign_marks(format: Format, contents: &Contents) -> Vec<SourceProblem> {
    let ups = contents.drafts.iter().filter_map(|draft| draft.up.as_ref());
    let downs = contents.drafts.iter().filter_map(|draft| draft.down.as_ref());
    let hooks = contents.hooks.iter().map(|hook| &hook.text);
    let against_ups = ups.chain(hooks).filter_map(|text| first(format, text, Direction::Down));
    let against_downs = downs.filter_map(|text| first(format, text, Direction::Up));
    against_ups.chain(against_downs).collect()
}

/// The first mark that begins a part of that way.
fn first(format: Format, text: &Text, way: Direction) -> Option<SourceProblem> {
    let own = |line| match format {
        Format::Goose => goose::is_mark(line),
        Format::Dbmate => dbmate::is_mark(line),
        _ => false,
    };
    let titled = lines(&text.sql).any(|line| mark(line.text()).is_some_and(|mark| mark.way != way));
    let (line, found) = lines(&text.sql).find_map(|line| {
        let found = mark(line.text()).filter(|found| found.way == way && !own(line))?;
        let counts = match found.kind {
            Kind::Mark => true,
            Kind::Title => runs_after(&text.sql, line.number),
            Kind::Sentence => titled && runs_after(&text.sql, line.number),
        };
        counts.then_some((line, found))
    })?;
    Some(SourceProblem::ForeignMark {
        file: text.file.clone(),
        line: text.line.max(1) + line.number - 1,
        mark: line.text().trim().chars().take(SHOWN).collect(),
        tool: found.tool,
        format,
        instead: found.instead(),
    })
}

/// Whether the server has anything to do after a line.
fn runs_after(sql: &str, number: usize) -> bool {
    lines(sql).skip(number).any(|line| !line.is_idle())
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    tool: &'static str,
    way: Direction,
    kind: Kind,
}

/// How sure it is that a comment is meant for a tool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nobody writes it otherwise.
    Mark,
    /// A heading that may also be a person's; it matters where statements follow.
    Title,
    /// The beginning of a sentence, which a tool takes for a mark all the same; it matters where the other way has one too.
    Sentence,
}

impl Mark {
    fn instead(self) -> &'static str {
        match self.tool {
            "goose" => "say --format goose where the files are goose's, with marks like -- +goose Down",
            "dbmate" => "say --format dbmate where the files are dbmate's, with marks like -- migrate:down",
            "sql-migrate" => "write +goose for +migrate, which means the same, and they are goose's",
            _ => "put the two parts into files of their own, or reword the comment where it is none",
        }
    }
}

/// What a line is to another tool, if it is a comment that divides files.
fn mark(line: &str) -> Option<Mark> {
    let text = line.trim_start().trim_start_matches('\u{feff}').strip_prefix("--")?;
    let body = text.trim_start_matches(['-', ' ', '\t']).to_lowercase();
    let words: Vec<&str> =
        body.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let way = |word: &str| match word {
        "up" => Some(Direction::Up),
        "down" | "undo" => Some(Direction::Down),
        _ => None,
    };
    let made = |tool, kind| move |way| Mark { tool, way, kind };
    let plus = body.strip_prefix('+').is_some_and(|rest| rest.trim_start().starts_with(char::is_alphabetic));
    match words.as_slice() {
        ["goose", word, ..] if plus => way(word).map(made("goose", Kind::Mark)),
        ["migrate", word, ..] if plus => way(word).map(made("sql-migrate", Kind::Mark)),
        ["micrate", word, ..] if plus => way(word).map(made("micrate", Kind::Mark)),
        ["migrate", word, ..] if divides(&body) => way(word).map(made("dbmate", Kind::Mark)),
        ["rambler", word, ..] => way(word).map(made("rambler", Kind::Mark)),
        ["create", "above", "drop", "below", ..] => Some(made("tern", Kind::Mark)(Direction::Down)),
        ["undo", ..] if body.trim_start_matches(['/', ' ']).starts_with('@') => {
            Some(made("MyBatis", Kind::Mark)(Direction::Down))
        }
        ["ups"] if body.starts_with('!') => Some(made("Play", Kind::Mark)(Direction::Up)),
        ["downs"] if body.starts_with('!') => Some(made("Play", Kind::Mark)(Direction::Down)),
        ["up" | "down", "migration"] => way(words[0]).map(made("node-pg-migrate", Kind::Title)),
        ["up" | "down", "migration", ..] => way(words[0]).map(made("node-pg-migrate", Kind::Sentence)),
        ["up" | "down" | "undo"] => way(words[0]).map(made("a tool that divides files by it", Kind::Title)),
        _ => None,
    }
}

/// Whether `migrate` has its colon, wherever the blanks are.
fn divides(body: &str) -> bool {
    body.strip_prefix("migrate").is_some_and(|rest| rest.trim_start().starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::super::shown::variables;
    use super::super::tree::tests::tree;
    use super::super::{Format, understand};
    use crate::SourceProblem;

    /// The line and the tool of each mark that stops a file, which is run as one way.
    fn stops(format: Format, file: &str, text: &str) -> Vec<(usize, &'static str)> {
        let problems = understand(format, &tree(&[(file, text)]), &variables()).problems;
        let found = problems.into_iter().map(|problem| match problem {
            SourceProblem::ForeignMark { line, tool, .. } => (line, tool),
            other => panic!("{other}"),
        });
        found.collect()
    }

    #[test]
    fn a_way_back_is_not_run_as_the_way_there() {
        for (mark, tool) in [
            ("-- +migrate Down", "sql-migrate"),
            ("-- +migrate Down notransaction", "sql-migrate"),
            ("--+goose down", "goose"),
            ("--- +goose Down", "goose"),
            ("  -- +goose Down\r", "goose"),
            ("-- +micrate Down", "micrate"),
            ("-- migrate:down", "dbmate"),
            ("-- Migrate:Down", "dbmate"),
            ("-- migrate: down", "dbmate"),
            ("\t--migrate:down transaction:false", "dbmate"),
            ("-- //@UNDO", "MyBatis"),
            ("--//  @undo", "MyBatis"),
            ("-- @UNDO", "MyBatis"),
            ("---- create above / drop below ----", "tern"),
            ("-- rambler down", "rambler"),
            ("-- !Downs", "Play"),
            ("--- !Downs", "Play"),
            ("-- Down Migration", "node-pg-migrate"),
            ("-- DOWN", "a tool that divides files by it"),
        ] {
            let text = format!("-- my first\nCREATE TABLE a (i int);\n{mark}\nDROP TABLE a;\n");
            for (format, file) in [
                (Format::Sqlx, "1_a.sql"),
                (Format::Refinery, "V1__a.sql"),
                (Format::Flyway, "V1__a.sql"),
                (Format::Prisma, "20240101120000_a/migration.sql"),
                (Format::Diesel, "2024-01-01-000000_a/up.sql"),
                (Format::GolangMigrate, "1_a.up.sql"),
                (Format::Cairn, "0001_a/up.sql"),
            ] {
                assert_eq!(stops(format, file, &text), [(3, tool)], "{format} {mark}");
            }
        }
    }

    #[test]
    fn comments_that_divide_nothing_stop_nothing() {
        for text in [
            "SELECT 1;\n-- Down migration:\n-- DROP TABLE a;\n",
            "-- Down migration is not possible, rows are merged\nSELECT 1;",
            "-- down or bottom-up in one\nSELECT 1;\n-- undo anything in up\n-- Attribute push-down\nSELECT 2;",
            "-- migrate downs\n-- migrate:downs\n-- goose down\n-- +migrated down\nSELECT 1;",
            "-- +goose Up\nSELECT 1;",
            "-- Up Migration\nSELECT 1;",
        ] {
            assert_eq!(stops(Format::Sqlx, "1_a.sql", text), [], "{text}");
        }
        let both = "-- Up migration of a\nSELECT 1;\n-- Down migration of a\nSELECT 2;";
        assert_eq!(stops(Format::Sqlx, "1_a.sql", both), [(3, "node-pg-migrate")]);
    }

    #[test]
    fn a_file_of_one_way_may_say_which_it_is() {
        let files =
            [("1_a.up.sql", "-- +goose Up\nSELECT 1;"), ("1_a.down.sql", "-- +goose Down\nSELECT 2;")];
        for format in [Format::Sqlx, Format::GolangMigrate] {
            assert_eq!(understand(format, &tree(&files), &variables()).problems, []);
        }
        let swapped =
            [("1_a.up.sql", "SELECT 1;"), ("1_a.down.sql", "DROP TABLE a;\n-- +goose Up\nSELECT 2;")];
        assert_eq!(understand(Format::Sqlx, &tree(&swapped), &variables()).problems.len(), 1);
    }

    #[test]
    fn a_format_knows_its_own_marks_and_not_what_only_looks_like_them() {
        let goose = "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n";
        assert_eq!(stops(Format::Goose, "1_a.sql", goose), []);
        let text = "-- +goose Up\nSELECT 1;\n--- +goose Down\nSELECT 2;\n";
        assert_eq!(stops(Format::Goose, "1_a.sql", text), [(3, "goose")]);
        let dbmate = "-- migrate:up\nA\n-- migrate:down\nX\n-- migrate:up\nB\n-- migrate:down\nY\n";
        assert_eq!(stops(Format::Dbmate, "1_a.sql", dbmate), []);
        for down in ["  -- migrate:down", "-- Migrate:Down", "-- migrate: down"] {
            let text = format!("-- migrate:up\nA\n{down}\nX\n");
            assert_eq!(stops(Format::Dbmate, "1_a.sql", &text), [(3, "dbmate")], "{down}");
        }
    }
}
