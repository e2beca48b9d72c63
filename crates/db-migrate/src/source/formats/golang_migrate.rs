//! Files of golang-migrate: `{version}_{title}.up.sql` and `{version}_{title}.down.sql`.
//!
//! As its `source/parse.go` has it, `^([0-9]+)_(.*)\.(down|up)\.(.*)$`, only in the directory itself and by number. A
//! blank file is a migration that does nothing, and so is a version that has only a way back.

use super::Note;
use super::builder::{Blank, Builder};
use super::name::{digits, meant};
use super::pair::{Direction, Half, Pair, pairs};
use super::tree::{File, Tree};
use crate::source::draft::{Draft, Text};

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let halves: Vec<_> = tree.at_root().filter_map(|file| half(file, builder)).collect();
    for (version, pair) in pairs(halves, builder) {
        if let Some(draft) = draft(version, pair, builder) {
            builder.contents.drafts.push(draft);
        }
    }
}

fn draft(version: u64, pair: Pair<'_>, builder: &mut Builder<'_>) -> Option<Draft> {
    let up = pair.up.as_ref().map(|up| builder.whole(up.file, Blank::Allowed));
    let down = pair.down.as_ref().map(|down| builder.whole(down.file, Blank::Allowed));
    let half = pair.up.or(pair.down)?;
    let up = up.unwrap_or_else(|| {
        let text = "there is no .up.sql for it, so this version does nothing, as in golang-migrate";
        builder.note(Note::new(&half.file.path, text));
        Text { file: half.file.path.clone(), line: 1, ..Text::default() }
    });
    let version = version.to_string();
    let up = Some(up);
    Some(Draft { version, name: half.name, label: half.label, up, down, ..Draft::default() })
}

fn half<'f>(file: &'f File, builder: &mut Builder<'_>) -> Option<(u64, Half<'f>)> {
    let name = file.name();
    let Some((version, title, direction)) = parse(name) else {
        if meant(name) || parse(&format!("{name}.sql")).is_some() {
            builder.ignored(name);
        }
        return None;
    };
    let Ok(number) = version.parse() else {
        builder.out_of_range(name, version, "numbers up to 18446744073709551615");
        return None;
    };
    let label = format!("{version}_{title}");
    Some((number, Half { direction, name: title.replace('_', " "), label, file }))
}

/// Version, title and direction of a name.
pub(super) fn parse(name: &str) -> Option<(&str, &str, Direction)> {
    let (version, rest) = digits(name)?;
    let rest = rest.strip_prefix('_')?.strip_suffix(".sql")?;
    match rest.rsplit_once('.')? {
        (title, "up") => Some((version, title, Direction::Up)),
        (title, "down") => Some((version, title, Direction::Down)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_golang_migrate_does() {
        check(
            Format::GolangMigrate,
            &[
                ("000002_b.up.sql", " \n"),
                ("000002_b.down.sql", "D"),
                ("10_c.d.up.sql", "C"),
                ("1_.up.sql", "A"),
                ("5_e.down.sql", "E"),
                ("18446744073709551616_f.up.sql", "F"),
                ("3_plain.sql", "P"),
                ("000010_again.up.sql", "C2"),
            ],
            &[
                r#"1||1_|1_.up.sql:1 "A"|-"#,
                r#"2|b|000002_b|000002_b.up.sql:1 " \n"|000002_b.down.sql:1 "D""#,
                r#"5|e|5_e|5_e.down.sql:1 ""|5_e.down.sql:1 "E""#,
                r#"10|again|000010_again|000010_again.up.sql:1 "C2"|-"#,
                "! 18446744073709551616_f.up.sql: the version 18446744073709551616 is out of range: golang-migrate takes \
                 numbers up to 18446744073709551615",
                "! 000010_again.up.sql and 10_c.d.up.sql have the same number: give the newer one the next free number",
                "? 3_plain.sql: ignored, as golang-migrate does: its names are like 000001_core_tables.up.sql",
                "? 5_e.down.sql: there is no .up.sql for it, so this version does nothing, as in golang-migrate",
            ],
        );
    }
}
