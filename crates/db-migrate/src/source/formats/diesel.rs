//! Folders of Diesel: `2024-01-01-120000_name` with `up.sql`, `down.sql` and `metadata.toml`.
//!
//! As `migrations_internals` and `diesel_migrations` read them: only the folders of the directory itself; what comes
//! before the first underscore, without its dashes, is the version; versions are ordered as text.

use super::Note;
use super::builder::{Blank, Builder, Keyed};
use super::tree::Tree;
use crate::TransactionMode;
use crate::source::draft::Draft;
use toml::{Table, Value};

/// The one key of `metadata.toml`.
const KEY: &str = "run_in_transaction";

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let found = tree.root_folders().filter_map(|folder| keyed(tree, folder, builder)).collect();
    builder.order(found);
}

fn keyed(tree: &Tree, folder: &str, builder: &mut Builder<'_>) -> Option<Keyed<String>> {
    let file = |name: &str| tree.file(&format!("{folder}/{name}"));
    let (up, down) = (file("up.sql"), file("down.sql"));
    let meta = file("metadata.toml");
    if up.is_none() && down.is_none() && meta.is_none() {
        if tree.files.iter().any(|file| file.folder() == folder) {
            builder.ignored(folder);
        }
        return None;
    }
    let version = version(folder);
    let draft = Draft {
        version: version.clone(),
        name: folder.split_once('_').map_or(folder, |(_, name)| name).to_owned(),
        label: folder.to_owned(),
        single_by: "run_in_transaction = true out of metadata.toml",
        up: up.map(|file| builder.whole(file, Blank::Refused)),
        down: down.map(|file| builder.whole(file, Blank::Allowed)),
        mode: meta.map(|file| (file, builder.raw(file))).map_or(TransactionMode::Auto, |(file, text)| {
            text.map_or(TransactionMode::Auto, |text| mode(&file.path, text, builder))
        }),
        ..Draft::default()
    };
    Some(Keyed { key: version, file: folder.to_owned(), draft })
}

/// What Diesel's own history writes.
pub(super) fn version(folder: &str) -> String {
    folder.split('_').next().unwrap_or_default().replace('-', "")
}

fn mode(file: &str, text: &str, builder: &mut Builder<'_>) -> TransactionMode {
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            builder.settings(file, error.message());
            return TransactionMode::Auto;
        }
    };
    for key in table.keys().filter(|key| *key != KEY) {
        let hint = if strsim::jaro_winkler(key, KEY) > 0.7 { "did you mean" } else { "known is" };
        builder.settings(file, format!("unknown key {key:?}: {hint} {KEY:?}"));
    }
    match table.get(KEY) {
        Some(Value::Boolean(true)) => TransactionMode::Single,
        Some(Value::Boolean(false)) => TransactionMode::None,
        Some(_) => {
            builder.settings(file, format!("{KEY} must be true or false"));
            TransactionMode::Auto
        }
        // serde's default of a bool: a file that says nothing says no.
        None => {
            let text = format!("without {KEY} Diesel runs it outside a transaction; write which it is to be");
            builder.note(Note::new(file, text));
            TransactionMode::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_diesel_does() {
        check(
            Format::Diesel,
            &[
                ("2024-01-02-000000_b_b/up.sql", "B"),
                ("2024-01-02-000000_b_b/metadata.toml", "run_in_transaction = false"),
                ("20240101000000_a/up.sql", "A"),
                ("20240101000000_a/down.sql", "D"),
                ("00000000000000_diesel_initial_setup/up.sql", "I"),
                ("3_c/up.sql", "C"),
                ("3_c/metadata.toml", "run_in_transaction = true"),
                ("empty/", ""),
                (".keep", ""),
            ],
            &[
                concat!(
                    "00000000000000|diesel_initial_setup|00000000000000_diesel_initial_setup|",
                    r#"00000000000000_diesel_initial_setup/up.sql:1 "I"|-"#
                ),
                concat!(
                    r#"20240101000000|a|20240101000000_a|20240101000000_a/up.sql:1 "A"|"#,
                    r#"20240101000000_a/down.sql:1 "D""#
                ),
                concat!(
                    "20240102000000|b_b|2024-01-02-000000_b_b|",
                    r#"2024-01-02-000000_b_b/up.sql:1 "B"|-|None"#
                ),
                r#"3|c|3_c|3_c/up.sql:1 "C"|-|Single"#,
            ],
        );
    }

    #[test]
    fn says_what_is_wrong() {
        check(
            Format::Diesel,
            &[
                ("1_a/down.sql", "D"),
                ("2-0_b/up.sql", "B"),
                ("20_c/up.sql", "C"),
                ("3_d/up.sql", "D"),
                ("3_d/metadata.toml", "run_in_transactions = true"),
            ],
            &[
                r#"1|a|1_a|-|1_a/down.sql:1 "D""#,
                r#"20|b|2-0_b|2-0_b/up.sql:1 "B"|-"#,
                r#"3|d|3_d|3_d/up.sql:1 "D"|-|None"#,
                "! 3_d/metadata.toml: unknown key \"run_in_transactions\": did you mean \"run_in_transaction\"",
                "! 2-0_b and 20_c have the same number: give the newer one the next free number",
                "? 3_d/metadata.toml: without run_in_transaction Diesel runs it outside a transaction; write which it is \
                 to be",
            ],
        );
    }
}
