//! Files of dbmate: `20240101120000_name.sql`, in two parts, after `-- migrate:up` and after `-- migrate:down`.
//!
//! As `pkg/dbmate/migration.go` reads them: names are `^(\d+).*\.sql$`, in the order of the names; a mark begins its
//! line; only blank lines and comments may come before the first; newer releases take several pairs of parts in one file.

use super::builder::{Builder, Keyed, unread, without_mark};
use super::lines::{Line, Part, lines};
use super::name::digits;
use super::tree::{File, Tree};
use crate::TransactionMode;
use crate::source::draft::Draft;

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let found: Vec<_> = tree.at_root().filter_map(|file| keyed(file, builder)).collect();
    builder.order(found);
    builder.contents.drafts.sort_by(|a, b| a.label.cmp(&b.label));
}

fn keyed(file: &File, builder: &mut Builder<'_>) -> Option<Keyed<String>> {
    let (label, version, name) = parse(file.name())?;
    let mut draft = Draft {
        version: version.to_owned(),
        name: name.to_owned(),
        label: label.to_owned(),
        up: Some(unread(&file.path)),
        single_by: "transaction:true out of its mark",
        ..Draft::default()
    };
    let parts = builder.raw(file).and_then(|text| parts(&file.path, text, builder));
    if let Some(parts) = parts {
        let text = |part: Part| builder.text(&file.path, part.line, &part.raw, &part.made);
        draft.mode = parts.mode;
        draft.up = Some(text(parts.up));
        draft.down = parts.down.map(text);
    }
    Some(Keyed { key: version.to_owned(), file: file.path.clone(), draft })
}

/// The name without its suffix, the version, and the rest.
pub(super) fn parse(name: &str) -> Option<(&str, &str, &str)> {
    let label = name.strip_suffix(".sql")?;
    let (version, rest) = digits(label)?;
    Some((label, version, rest.trim_start_matches(['_', '-'])))
}

struct Parts {
    up: Part,
    down: Option<Part>,
    mode: TransactionMode,
    /// The part that the next line belongs to.
    way: Way,
}

fn parts(file: &str, text: &str, builder: &mut Builder<'_>) -> Option<Parts> {
    let mut found: Option<Parts> = None;
    for line in lines(without_mark(text)) {
        let refused = match (&mut found, mark(line)) {
            (Some(parts), Some((way, mode))) => parts.enter(way, mode, line),
            (Some(parts), None) => parts.push(line),
            (None, Some((Way::Up, mode))) => {
                found = Some(Parts { up: Part::after(line), down: None, mode, way: Way::Up });
                Ok(())
            }
            (None, Some((Way::Down, _))) => Err("-- migrate:down comes before any -- migrate:up: swap them"),
            (None, None) if line.is_idle() => Ok(()),
            (None, None) => Err("dbmate takes nothing before -- migrate:up: put that mark above this line"),
        };
        if let Err(reason) = refused {
            builder.mark(file, line.number, reason);
            return None;
        }
    }
    if found.is_none() {
        builder.mark(file, 1, "-- migrate:up is missing: put it above the statements");
    }
    found
}

impl Parts {
    fn enter(&mut self, way: Way, mode: TransactionMode, mark: Line<'_>) -> Result<(), &'static str> {
        match way {
            Way::Up if mode != self.mode => {
                return Err(
                    "the transaction option differs from that of the first part: make two files of it",
                );
            }
            Way::Down if self.down.is_none() => self.down = Some(Part::after(mark)),
            Way::Down if self.way == Way::Down => {
                return Err("a second -- migrate:down without a -- migrate:up between: make one of the two");
            }
            Way::Up | Way::Down => {}
        }
        self.way = way;
        self.push(mark)
    }

    /// The line in the part that it belongs to, and an empty one in the other, so that both keep their numbers.
    fn push(&mut self, line: Line<'_>) -> Result<(), &'static str> {
        match (self.way, &mut self.down) {
            (Way::Up, down) => {
                self.up.push(line, line.whole);
                down.iter_mut().for_each(|down| down.skip(line));
            }
            (Way::Down, down) => {
                self.up.skip(line);
                // The mark itself comes before the first line of the part.
                down.iter_mut()
                    .filter(|down| down.line <= line.number)
                    .for_each(|down| down.push(line, line.whole));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

fn mark(line: Line<'_>) -> Option<(Way, TransactionMode)> {
    let text = line.text().strip_prefix("--")?.trim_start();
    let (way, options) = match text.strip_prefix("migrate:up") {
        Some(options) => (Way::Up, options),
        None => (Way::Down, text.strip_prefix("migrate:down")?),
    };
    if !options.is_empty() && !options.starts_with(char::is_whitespace) {
        return None;
    }
    let mode = options.split_whitespace().filter_map(|option| option.split_once(':')).fold(
        TransactionMode::Auto,
        |mode, option| match option {
            ("transaction", "false") => TransactionMode::None,
            ("transaction", "true") => TransactionMode::Single,
            _ => mode,
        },
    );
    Some((way, mode))
}

/// Whether dbmate itself would take the line for a mark.
pub(super) fn is_mark(line: Line<'_>) -> bool {
    mark(line).is_some()
}

/// Whether the file has the mark that only dbmate understands.
pub(super) fn has_mark(file: &File) -> bool {
    file.text().is_some_and(|text| {
        lines(without_mark(text)).any(|line| mark(line).is_some_and(|(way, _)| way == Way::Up))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_dbmate_does() {
        check(
            Format::Dbmate,
            &[
                (
                    "20240102_b.sql",
                    "\u{feff}\n-- why\n--  migrate:up transaction:false\nB ${name}\n--migrate:down\r\n\r\nD\r\n",
                ),
                ("20240101-a.sql", "-- migrate:up\n-- migrate:down transaction:false"),
                ("3.sql", "-- migrate:up\nC\n-- migrate:downs\n"),
                ("schema.sql", "S"),
                ("sub/4_x.sql", "X"),
            ],
            &[
                r#"20240101|a|20240101-a|20240101-a.sql:2 ""|20240101-a.sql:3 """#,
                concat!(
                    r#"20240102|b|20240102_b|20240102_b.sql:4 "B value\n" from "B ${name}\n"|"#,
                    r#"20240102_b.sql:6 "\r\nD\r\n"|None"#
                ),
                r#"3||3|3.sql:2 "C\n-- migrate:downs\n"|-"#,
            ],
        );
    }

    #[test]
    fn several_parts_of_a_kind_keep_their_lines() {
        check(
            Format::Dbmate,
            &[("1_a.sql", "-- migrate:up\nA\n-- migrate:down\nX\n-- migrate:up\nB\n-- migrate:down\nY\n")],
            &[concat!(
                r#"1|a|1_a|1_a.sql:2 "A\n\n\n-- migrate:up\nB\n" from "A\n-- migrate:up\nB\n"|"#,
                r#"1_a.sql:4 "X\n\n\n-- migrate:down\nY\n" from "X\n-- migrate:down\nY\n""#
            )],
        );
    }

    #[test]
    fn says_what_dbmate_would_not_take() {
        for (text, expected) in [
            ("SELECT 1;", "1: dbmate takes nothing before -- migrate:up: put that mark above this line"),
            ("-- nothing", "1: -- migrate:up is missing: put it above the statements"),
            (
                "\n-- migrate:down\n-- migrate:up",
                "2: -- migrate:down comes before any -- migrate:up: swap them",
            ),
            (
                "-- migrate:up\n-- migrate:down\n-- migrate:up transaction:false",
                "3: the transaction option differs from that of the first part: make two files of it",
            ),
            (
                "-- migrate:up\n-- migrate:down\n-- migrate:down",
                "3: a second -- migrate:down without a -- migrate:up between: make one of the two",
            ),
        ] {
            check(
                Format::Dbmate,
                &[("1_a.sql", text)],
                &["1|a|1_a|unread|-", &format!("! 1_a.sql:{expected}")],
            );
        }
        check(
            Format::Dbmate,
            &[("1_a.sql", "-- migrate:up\nA"), ("1_b.sql", "-- migrate:up\nB")],
            &[
                r#"1|a|1_a|1_a.sql:2 "A"|-"#,
                "! 1_a.sql and 1_b.sql have the same number: give the newer one the next free number",
            ],
        );
    }
}
