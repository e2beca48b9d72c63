//! Files of refinery: `V1__name.sql` and `U1__name.sql`, in the directory and every folder below.
//!
//! As `refinery_core`'s `util.rs` reads them: `^([U|V])(\d+(?:\.\d+)?)__(\w+)\.(rs|sql)$`, whose version must then be
//! a whole number. `U` is "unversioned", one that may come late, and not an undo; it shares its numbers with `V`.

use super::Note;
use super::builder::{Blank, Builder, Keyed};
use super::name::meant;
use super::tree::{File, Tree};
use crate::SourceProblem;
use crate::source::draft::Draft;

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let found = tree.files.iter().filter_map(|file| draft(file, builder)).collect();
    builder.order(found);
}

fn draft(file: &File, builder: &mut Builder<'_>) -> Option<Keyed<i64>> {
    let Some(name) = parse(file.name()) else {
        if meant(file.name()) {
            builder.ignored(&file.path);
        }
        return None;
    };
    let Ok(version) = name.version.parse::<i64>() else {
        builder.out_of_range(&file.path, name.version, "whole numbers up to 9223372036854775807");
        return None;
    };
    if name.language == Language::Rust {
        builder.problem(SourceProblem::InCode { file: file.path.clone() });
        return None;
    }
    if name.late {
        let text = "refinery applies it whenever it comes, also after later versions; here it is one like all others";
        builder.note(Note::new(&file.path, text));
    }
    let draft = Draft {
        version: version.to_string(),
        name: name.name.to_owned(),
        label: file.path.strip_suffix(".sql").unwrap_or(&file.path).to_owned(),
        up: Some(builder.whole(file, Blank::Allowed)),
        ..Draft::default()
    };
    Some(Keyed { key: version, file: file.path.clone(), draft })
}

/// What a file's name says.
pub(super) struct Name<'n> {
    /// `U` rather than `V`.
    pub(super) late: bool,
    pub(super) version: &'n str,
    pub(super) name: &'n str,
    pub(super) language: Language,
}

/// What a migration is written in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    Sql,
    Rust,
}

pub(super) fn parse(name: &str) -> Option<Name<'_>> {
    let (stem, language) = match name.rsplit_once('.')? {
        (stem, "sql") => (stem, Language::Sql),
        (stem, "rs") => (stem, Language::Rust),
        _ => return None,
    };
    let (late, rest) = match stem.strip_prefix('U') {
        Some(rest) => (true, rest),
        None => (false, stem.strip_prefix('V')?),
    };
    let (version, name) = rest.split_once("__")?;
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let versioned = match version.split_once('.') {
        Some((whole, part)) => number(whole) && number(part),
        None => number(version),
    };
    let word = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    (versioned && word).then_some(Name { late, version, name, language })
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_refinery_does() {
        check(
            Format::Refinery,
            &[
                ("V10__c.sql", "C"),
                ("V2__b_b.sql", "B"),
                ("V4__blank.sql", " \n"),
                ("sub/U3__late.sql", "L"),
                ("V01__ä.sql", "A"),
                ("mod.rs", ""),
                ("V4__dash-dash.sql", "D"),
                ("v5__x.sql", "X"),
            ],
            &[
                r#"1|ä|V01__ä|V01__ä.sql:1 "A"|-"#,
                r#"2|b_b|V2__b_b|V2__b_b.sql:1 "B"|-"#,
                r#"3|late|sub/U3__late|sub/U3__late.sql:1 "L"|-"#,
                r#"4|blank|V4__blank|V4__blank.sql:1 " \n"|-"#,
                r#"10|c|V10__c|V10__c.sql:1 "C"|-"#,
                "? V4__dash-dash.sql: ignored, as refinery does: its names are like V1__core_tables.sql",
                "? sub/U3__late.sql: refinery applies it whenever it comes, also after later versions; here it is one like \
                 all others",
                "? v5__x.sql: ignored, as refinery does: its names are like V1__core_tables.sql",
            ],
        );
    }

    #[test]
    fn says_what_refinery_would_not_take() {
        check(
            Format::Refinery,
            &[("V1__a.sql", "A"), ("U1__b.sql", "B"), ("V1.2__c.sql", "C"), ("V3__d.rs", "fn")],
            &[
                r#"1|b|U1__b|U1__b.sql:1 "B"|-"#,
                "! V1.2__c.sql: the version 1.2 is out of range: refinery takes whole numbers up to 9223372036854775807",
                "! V3__d.rs is a migration in code: write it as SQL of the same version, or take it out and register it \
                 with the program that migrates",
                "! U1__b.sql and V1__a.sql have the same number: give the newer one the next free number",
                "? U1__b.sql: refinery applies it whenever it comes, also after later versions; here it is one like all \
                 others",
            ],
        );
    }
}
