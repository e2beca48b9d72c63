//! Files of sqlx: `<VERSION>_<DESCRIPTION>.sql`, or the same with `.up.sql` and `.down.sql`.
//!
//! As `sqlx-core`'s `migrate/source.rs` reads them: only the directory itself, by number, every name with an underscore
//! and `.sql` must begin with one. A file may be simple or one of a pair, and both may stand in one directory.

use super::builder::{Blank, Builder, without_mark};
use super::name::{digits, meant};
use super::pair::{Direction, Half, pairs};
use super::tree::{File, Tree};
use crate::source::draft::Draft;
use crate::{SourceProblem, TransactionMode};

/// What the first line of a file says that must not run in a transaction; only at the very beginning, as in sqlx.
pub(super) const NO_TRANSACTION: &str = "-- no-transaction";

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let halves: Vec<_> = tree.at_root().filter_map(|file| half(file, builder)).collect();
    for (version, pair) in pairs(halves, builder) {
        let Some(up) = pair.up else {
            let Some(down) = pair.down else { continue };
            let missing = format!("{}.up.sql", down.label);
            builder.problem(SourceProblem::OnlyDown { file: down.file.path.clone(), missing });
            continue;
        };
        let text = builder.whole(up.file, Blank::Refused);
        let outside = text.sql.starts_with(NO_TRANSACTION);
        let draft = Draft {
            version: version.to_string(),
            name: up.name,
            label: up.label,
            mode: if outside { TransactionMode::None } else { TransactionMode::Auto },
            up: Some(text),
            down: pair.down.map(|down| builder.whole(down.file, Blank::Allowed)),
            ..Draft::default()
        };
        builder.contents.drafts.push(draft);
    }
}

fn half<'f>(file: &'f File, builder: &mut Builder<'_>) -> Option<(i64, Half<'f>)> {
    let name = file.name();
    let Some((version, rest)) = name.split_once('_').filter(|(_, rest)| rest.ends_with(".sql")) else {
        if meant(name) {
            builder.ignored(name);
        }
        return None;
    };
    let Ok(number) = version.parse() else {
        match digits(version) {
            Some((_, "")) => builder.out_of_range(name, version, "numbers up to 9223372036854775807"),
            _ => builder.misnamed(name),
        }
        return None;
    };
    let (direction, suffix) = match rest {
        rest if rest.ends_with(".up.sql") => (Direction::Up, ".up.sql"),
        rest if rest.ends_with(".down.sql") => (Direction::Down, ".down.sql"),
        _ => (Direction::Up, ".sql"),
    };
    let label = name.strip_suffix(suffix).unwrap_or(name).to_owned();
    let name = rest.trim_end_matches(suffix).replace('_', " ");
    Some((number, Half { direction, name, label, file }))
}

/// Whether a file says what only sqlx understands.
pub(super) fn has_mark(file: &File) -> bool {
    file.text().is_some_and(|text| without_mark(text).starts_with(NO_TRANSACTION))
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_sqlx_does() {
        check(
            Format::Sqlx,
            &[
                ("2_b.up.sql", "-- no-transaction\nB"),
                ("2_b.down.sql", ""),
                ("10_c_d.sql", "\u{feff}C ${name} ${other}\r\n"),
                ("01_a.sql", "A"),
                ("schema.sql", "S"),
                ("README_1.md", ""),
                ("sub/3_x.sql", "X"),
            ],
            &[
                r#"1|a|01_a|01_a.sql:1 "A"|-"#,
                r#"2|b|2_b|2_b.up.sql:1 "-- no-transaction\nB"|2_b.down.sql:1 ""|None"#,
                concat!(
                    r#"10|c d|10_c_d|10_c_d.sql:1 "C value ${other}\r\n" "#,
                    r#"from "\u{feff}C ${name} ${other}\r\n"|-"#
                ),
            ],
        );
    }

    #[test]
    fn says_what_sqlx_would_not_take() {
        check(
            Format::Sqlx,
            &[
                ("1_a.sql", "A"),
                ("01_b.up.sql", "B"),
                ("2_c.sql", " \n"),
                ("3_d.down.sql", "D"),
                ("99999999999999999999_e.sql", "E"),
                ("seed_f.sql", "F"),
                ("0004-g.sql", "G"),
            ],
            &[
                r#"1|b|01_b|01_b.up.sql:1 "B"|-"#,
                "2|c|2_c|unread|-",
                "! 99999999999999999999_e.sql: the version 99999999999999999999 is out of range: sqlx takes numbers up to \
                 9223372036854775807",
                "! seed_f.sql: sqlx wants names like 20240101120000_core_tables.sql",
                "! 01_b.up.sql and 1_a.sql have the same number: give the newer one the next free number",
                "! 2_c.sql has no statement: write one, or remove the file",
                "! 3_d.down.sql undoes what no file does: add 3_d.up.sql",
                "? 0004-g.sql: ignored, as sqlx does: its names are like 20240101120000_core_tables.sql",
            ],
        );
    }
}
