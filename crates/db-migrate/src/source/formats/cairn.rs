//! Our own folders: `0001_name` with `up.sql`, and where wanted `down.sql` and `meta.toml`; and the folder `hooks`.
//!
//! Scripts are handed over as they are: what else is wrong with them is said where all migrations are checked.

use super::builder::{Blank, Builder, Keyed};
use super::hook::{Hook, When};
use super::tree::{File, Tree};
use crate::source::draft::Draft;
use crate::{MigrationId, SourceProblem};

/// The folder of what runs before and after migrations.
pub(super) const HOOKS: &str = "hooks";

const HOOK_FILES: [(&str, When); 4] = [
    ("before.sql", When::BeforeAll),
    ("after.sql", When::AfterAll),
    ("before_each.sql", When::BeforeEach),
    ("after_each.sql", When::AfterEach),
];

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    let folders: Vec<_> = tree.root_folders().filter(|folder| *folder != HOOKS).collect();
    let found = folders.into_iter().filter_map(|folder| keyed(tree, folder, builder)).collect();
    builder.order(found);
    for file in tree.files.iter().filter(|file| file.folder() == HOOKS) {
        hook(file, builder);
    }
}

fn keyed(tree: &Tree, folder: &str, builder: &mut Builder<'_>) -> Option<Keyed<(usize, String)>> {
    let Some((id, name)) = MigrationId::parse_folder(folder) else {
        builder.problem(SourceProblem::FolderName { folder: folder.to_owned() });
        return None;
    };
    let file = |name: &str| tree.file(&format!("{folder}/{name}"));
    let draft = Draft {
        version: id.to_string(),
        name: name.to_owned(),
        label: folder.to_owned(),
        up: file("up.sql").map(|file| builder.whole(file, Blank::Allowed)),
        down: file("down.sql").map(|file| builder.whole(file, Blank::Allowed)),
        meta: Some(file("meta.toml").and_then(|file| builder.raw(file)).unwrap_or_default().to_owned()),
        ..Draft::default()
    };
    // The number of five digits comes after that of four.
    let key = (draft.version.len(), draft.version.clone());
    Some(Keyed { key, file: folder.to_owned(), draft })
}

fn hook(file: &File, builder: &mut Builder<'_>) {
    if !file.name().ends_with(".sql") {
        return;
    }
    match HOOK_FILES.iter().find(|(name, _)| *name == file.name()) {
        Some((_, when)) => {
            let text = builder.whole(file, Blank::Refused);
            builder.contents.hooks.push(Hook { when: *when, text });
        }
        None => {
            let known = HOOK_FILES.map(|(name, _)| name).join(", ");
            builder.settings(&file.path, format!("no hook has this name: known are {known}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_our_own() {
        check(
            Format::Cairn,
            &[
                ("0002_b/up.sql", "B"),
                ("0002_b/meta.toml", "x"),
                ("0001_a/up.sql", "A"),
                ("0001_a/down.sql", "D"),
                ("hooks/after_each.sql", "H"),
                ("hooks/README.md", ""),
            ],
            &[
                r#"0001|a|0001_a|0001_a/up.sql:1 "A"|0001_a/down.sql:1 "D""#,
                r#"0002|b|0002_b|0002_b/up.sql:1 "B"|-|meta x"#,
                r#"AfterEach hooks/after_each.sql:1 "H""#,
            ],
        );
    }

    #[test]
    fn says_what_is_wrong() {
        check(
            Format::Cairn,
            &[
                ("five/up.sql", "A"),
                ("0001_a/down.sql", "D"),
                ("0002_b/up.sql", ""),
                ("0002_c/up.sql", "C"),
                ("hooks/later.sql", "H"),
            ],
            &[
                r#"0001|a|0001_a|-|0001_a/down.sql:1 "D""#,
                r#"0002|b|0002_b|0002_b/up.sql:1 ""|-"#,
                "! five: name it like 0001_core_tables, at least four digits, an underscore, then lower-case letters, digits \
                 and underscores",
                "! 0002_b and 0002_c have the same number: give the newer one the next free number",
                "! hooks/later.sql: no hook has this name: known are before.sql, after.sql, before_each.sql, after_each.sql",
            ],
        );
    }
}
