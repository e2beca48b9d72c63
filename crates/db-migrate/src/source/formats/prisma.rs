//! Folders of Prisma: `20240101120000_name/migration.sql`, in the order of their names.
//!
//! `migration_lock.toml` next to them says which database they were written for. The whole name of a folder is its
//! version. Prisma has no way back; where a folder has a `down.sql` it is taken for one.

use super::builder::{Blank, Builder, Keyed, unread};
use super::name::digits;
use super::tree::Tree;
use crate::SourceProblem;
use crate::source::draft::Draft;

/// The databases whose SQL this is.
const PROVIDERS: [&str; 3] = ["postgresql", "postgres", "cockroachdb"];

pub(super) fn understand(tree: &Tree, builder: &mut Builder<'_>) {
    check_provider(tree, builder);
    let found = tree.root_folders().map(|folder| keyed(tree, folder, builder)).collect();
    builder.order(found);
}

fn keyed(tree: &Tree, folder: &str, builder: &mut Builder<'_>) -> Keyed<String> {
    let path = format!("{folder}/migration.sql");
    let up = match tree.file(&path) {
        Some(file) => builder.whole(file, Blank::Refused),
        None => {
            let reason = "Prisma wants a migration.sql in every folder: add it, or remove the folder";
            builder.settings(folder, reason);
            unread(&path)
        }
    };
    let down = tree.file(&format!("{folder}/down.sql"));
    let draft = Draft {
        version: folder.to_owned(),
        name: name(folder).to_owned(),
        label: folder.to_owned(),
        up: Some(up),
        down: down.map(|file| builder.whole(file, Blank::Allowed)),
        ..Draft::default()
    };
    Keyed { key: folder.to_owned(), file: path, draft }
}

fn name(folder: &str) -> &str {
    digits(folder)
        .and_then(|(_, rest)| rest.strip_prefix('_'))
        .filter(|name| !name.is_empty())
        .unwrap_or(folder)
}

fn check_provider(tree: &Tree, builder: &mut Builder<'_>) {
    const FILE: &str = "migration_lock.toml";
    let Some(text) = tree.file(FILE).and_then(|file| builder.raw(file)) else { return };
    let provider = match text.parse::<toml::Table>() {
        Ok(table) => table.get("provider").and_then(|value| value.as_str()).map(str::to_owned),
        Err(error) => return builder.settings(FILE, error.message()),
    };
    if let Some(provider) = provider.filter(|provider| !PROVIDERS.contains(&provider.as_str())) {
        let reason = format!("these migrations are for {provider:?}: only those for postgresql can run here");
        builder.problem(SourceProblem::Settings { file: FILE.to_owned(), reason });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::shown::check;

    #[test]
    fn reads_as_prisma_does() {
        check(
            Format::Prisma,
            &[
                ("migration_lock.toml", "# no edits\nprovider = \"postgresql\"\n"),
                ("20240102000000_b/migration.sql", "B"),
                ("20240102000000_b/down.sql", "D"),
                ("20240101000000_a_a/migration.sql", "A"),
                ("0_init/migration.sql", "I"),
            ],
            &[
                r#"0_init|init|0_init|0_init/migration.sql:1 "I"|-"#,
                r#"20240101000000_a_a|a_a|20240101000000_a_a|20240101000000_a_a/migration.sql:1 "A"|-"#,
                concat!(
                    r#"20240102000000_b|b|20240102000000_b|20240102000000_b/migration.sql:1 "B"|"#,
                    r#"20240102000000_b/down.sql:1 "D""#
                ),
            ],
        );
        check(
            Format::Prisma,
            &[("migration_lock.toml", "provider = \"mysql\""), ("1_a/", "")],
            &[
                "1_a|a|1_a|unread|-",
                "! migration_lock.toml: these migrations are for \"mysql\": only those for postgresql can run here",
                "! 1_a: Prisma wants a migration.sql in every folder: add it, or remove the folder",
            ],
        );
    }
}
