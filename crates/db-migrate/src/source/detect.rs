//! Which format a directory has, and why. Pure: the files were read before.

use super::SourceProblem;
use super::formats::tree::Tree;
use super::formats::{Claim, Format, claims, other_tool};

/// The format that a directory has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The format.
    pub format: Format,
    /// What tells, in words, as in `0001_a has a meta.toml`.
    pub because: String,
}

/// How many files are named that are no migrations.
const STRAYS: usize = 3;

/// The one format that fits.
pub(crate) fn detect(tree: &Tree) -> Result<Detected, SourceProblem> {
    if let Some(problem) = other_tool(tree) {
        return Err(problem);
    }
    let mut found = claims(tree);
    found.sort_by_key(|claim| std::cmp::Reverse(claim.files));
    match found.as_slice() {
        [] if is_empty(tree) => {
            Ok(Detected { format: Format::Cairn, because: "there is nothing in it yet".to_owned() })
        }
        [] => Err(none(tree)),
        // A few strays of another kind are told as what they are by the format that has nearly all.
        [first, rest @ ..] if rest.iter().all(|other| other.files * 4 <= first.files) => {
            Ok(Detected { format: first.format, because: first.because.clone() })
        }
        _ => {
            let found = found.into_iter().map(|Claim { format, because, .. }| (format, because)).collect();
            Err(SourceProblem::Ambiguous { found })
        }
    }
}

/// Whether there is nothing that anybody could take for a migration.
fn is_empty(tree: &Tree) -> bool {
    tree.folders.is_empty() && tree.files.iter().all(|file| !file.name().ends_with(".sql"))
}

fn none(tree: &Tree) -> SourceProblem {
    let mut below: Vec<(String, Format)> = Vec::new();
    for folder in &tree.folders {
        // What is in a folder of migrations is not looked at for others.
        if below.iter().any(|(outer, _)| folder.starts_with(&format!("{outer}/"))) {
            continue;
        }
        let best = claims(&tree.below(folder)).into_iter().max_by_key(|claim| claim.files);
        below.extend(best.map(|best| (folder.clone(), best.format)));
    }
    let strays = tree.files.iter().filter(|file| file.name().ends_with(".sql")).take(STRAYS);
    SourceProblem::NoFormat { below, strays: strays.map(|file| file.path.clone()).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::formats::tree::tests::tree;
    use super::super::formats::tree::{Nearby, Tree};
    use super::{Detected, Format, SourceProblem, detect};

    fn around(tree: Tree, name: &str, text: &str) -> Tree {
        Tree { around: vec![Nearby { name: name.to_owned(), text: text.to_owned() }], ..tree }
    }

    fn is(tree: &Tree, format: Format, because: &str) {
        assert_eq!(detect(tree), Ok(Detected { format, because: because.to_owned() }));
    }

    const GOOSE: &str = "-- +goose Up\nSELECT 1;\n-- +goose Down\n";
    const DBMATE: &str = "-- migrate:up\nSELECT 1;\n-- migrate:down\n";

    #[test]
    fn tells_formats_by_names() {
        for (files, format, because) in [
            (
                &[("0001_a/up.sql", ""), ("0001_a/down.sql", "")][..],
                Format::Cairn,
                "0001_a begins with four digits",
            ),
            (&[("12345_a/up.sql", ""), ("12345_a/meta.toml", "")], Format::Cairn, "12345_a has a meta.toml"),
            (
                &[("2019-01-01-000000_a/up.sql", ""), ("2019-01-01-000000_a/down.sql", "")],
                Format::Diesel,
                "2019-01-01-000000_a begins with a date and has an up.sql",
            ),
            (
                &[("00000000000000_diesel_initial_setup/up.sql", "")],
                Format::Diesel,
                "00000000000000_diesel_initial_setup begins with a date and has an up.sql",
            ),
            (
                &[("0001_a/up.sql", ""), ("0001_a/metadata.toml", "")],
                Format::Diesel,
                "0001_a has a metadata.toml",
            ),
            (&[("1_init/up.sql", "")], Format::Diesel, "1_init has an up.sql and begins with a number"),
            (
                &[("20240101120000_a/migration.sql", ""), ("migration_lock.toml", "")],
                Format::Prisma,
                "20240101120000_a has a migration.sql",
            ),
            (&[("V1__a.sql", ""), ("V2__b.sql", "")], Format::Flyway, "V1__a.sql is named like Flyway's"),
            (
                &[("V1__a.sql", ""), ("U1__a.sql", "")],
                Format::Flyway,
                "V1__a.sql is named like Flyway's, and U1__a.sql undoes it",
            ),
            (
                &[("V1__a.sql", ""), ("sub/R__v.sql", "")],
                Format::Flyway,
                "sub/R__v.sql is a repeatable migration of flyway's",
            ),
            (&[("V1_1__a.sql", "")], Format::Flyway, "V1_1__a.sql has a version of several numbers"),
            (
                &[("a/V1__a.sql", ""), ("b/V2__b.sql", "")],
                Format::Flyway,
                "a/V1__a.sql is named like Flyway's",
            ),
            (&[("V1__a.rs", ""), ("V2__b.sql", "")], Format::Refinery, "V1__a.rs is a migration in Rust"),
            (
                &[("1_a.sql", ""), ("README.md", "")],
                Format::Sqlx,
                "1_a.sql is named by a number and is not one of a pair",
            ),
            (
                &[("1_a.up.sql", "-- no-transaction\n"), ("1_a.down.sql", "")],
                Format::Sqlx,
                "1_a.up.sql begins with -- no-transaction",
            ),
            (
                &[("1_a.up.sql", ""), ("1_a.down.sql", "")],
                Format::GolangMigrate,
                "1_a.down.sql is one of a pair, and nothing here is written in Rust",
            ),
            (
                &[
                    ("000001_a.up.sql", ""),
                    ("000001_a.down.sql", ""),
                    ("000001_seed_data.sql", ""),
                    ("000002_b.up.sql", ""),
                    ("000002_b.down.sql", ""),
                ],
                Format::GolangMigrate,
                "000001_a.down.sql is one of a pair, and nothing here is written in Rust",
            ),
            (
                &[("1_a.up.sql", ""), ("1_a.down.sql", ""), ("2_b.sql", "")],
                Format::Sqlx,
                "2_b.sql is named by a number and is not one of a pair",
            ),
            (&[("V1.sql", ""), ("V2.sql", "")], Format::Flyway, "V1.sql is named like Flyway's"),
            (&[("20240101_a.sql", DBMATE)], Format::Dbmate, "20240101_a.sql has the mark -- migrate:up"),
            (
                &[("00001_a.sql", GOOSE), ("2_b.go", "")],
                Format::Goose,
                "00001_a.sql has the mark -- +goose Up",
            ),
            (&[("00001_a.sql", "--+goose up\r\n")], Format::Goose, "00001_a.sql has the mark -- +goose Up"),
            (&[("00001_a.go", "")], Format::Goose, "00001_a.go is a migration in Go"),
            (&[(".gitkeep", "")], Format::Cairn, "there is nothing in it yet"),
        ] {
            is(&tree(files), format, because);
        }
    }

    #[test]
    fn the_project_decides_between_twins() {
        let pair = || tree(&[("1_a.down.sql", ""), ("1_a.up.sql", "")]);
        let letters = || tree(&[("V1__a.sql", "")]);
        for (tree, format, because) in [
            (
                around(pair(), ".sqlx", ""),
                Format::Sqlx,
                "1_a.down.sql is one of a pair, and there is a .sqlx above",
            ),
            (
                around(pair(), "Cargo.toml", ""),
                Format::Sqlx,
                "1_a.down.sql is one of a pair, and there is a Cargo.toml above",
            ),
            (
                around(pair(), "go.mod", "require github.com/golang-migrate/migrate/v4"),
                Format::GolangMigrate,
                "1_a.down.sql is one of a pair, and go.mod above has golang-migrate/migrate",
            ),
            (
                around(letters(), "Cargo.toml", "refinery = 1"),
                Format::Refinery,
                "Cargo.toml above has refinery",
            ),
            (
                around(letters(), "Cargo.toml", ""),
                Format::Refinery,
                "V1__a.sql is named like refinery's, and there is a Cargo.toml above",
            ),
            (
                around(tree(&[("V1.sql", "")]), "Cargo.toml", ""),
                Format::Flyway,
                "V1.sql is named like Flyway's",
            ),
            (
                around(
                    tree(&[("1_a.down.sql", ""), ("1_a.up.sql", ""), ("2_b.up.sql", ""), ("3_c.sql", "")]),
                    "Cargo.toml",
                    "",
                ),
                Format::Sqlx,
                "3_c.sql is named by a number and is not one of a pair",
            ),
            (around(letters(), "pom.xml", "flyway-core"), Format::Flyway, "pom.xml above has flyway"),
        ] {
            is(&tree, format, because);
        }
    }

    #[test]
    fn two_that_fit_are_both_named() {
        for (tree, expected) in [
            (
                tree(&[("0001_a/up.sql", ""), ("0001_a/meta.toml", ""), ("2019-01-01_b/up.sql", "")]),
                "cairn: 0001_a has a meta.toml\n  diesel: 2019-01-01_b begins with a date and has an up.sql",
            ),
            (
                tree(&[("V1.1__a.sql", ""), ("mod.rs", "")]),
                "flyway: V1.1__a.sql has a version of several numbers\n  refinery: mod.rs makes a Rust module of the folder",
            ),
            (
                tree(&[("1_a.sql", DBMATE), ("2_b.sql", GOOSE)]),
                "goose: 2_b.sql has the mark -- +goose Up\n  dbmate: 1_a.sql has the mark -- migrate:up",
            ),
            (
                around(tree(&[("0001_a/up.sql", "")]), "diesel.toml", ""),
                "cairn: 0001_a begins with four digits\n  diesel: there is a diesel.toml above",
            ),
        ] {
            let error = detect(&tree).expect_err("two fit").to_string();
            assert_eq!(error, format!("more than one format fits, say --format NAME:\n  {expected}"));
        }
    }

    #[test]
    fn a_few_strays_do_not_make_a_second_format() {
        let names: Vec<_> = (1..9).map(|number| format!("{number}_a.sql")).collect();
        let mut files: Vec<_> = names.iter().map(|name| (name.as_str(), DBMATE)).collect();
        files.extend([("9_a.sql", ""), ("V1__old.sql", "")]);
        assert_eq!(detect(&tree(&files)).map(|found| found.format), Ok(Format::Dbmate));
    }

    #[test]
    fn says_where_to_look_instead() {
        for (files, expected) in [
            (
                &[("migrations/0001_a/up.sql", ""), ("migrations/0001_a/down.sql", "")][..],
                "no migrations found: migrations below looks like cairn's; give that folder",
            ),
            (
                &[("db/migrations/1_a.sql", DBMATE), ("db/schema.sql", "")],
                "no migrations found: db/migrations below looks like dbmate's; give that folder",
            ),
            (
                &[("schema.sql", ""), ("init.sql", "")],
                "no migrations found: init.sql, schema.sql are not named like a migration of any format that is known; \
                 say --format NAME to hear what it wants",
            ),
            (
                &[("0000_a.sql", ""), ("meta/_journal.json", "")],
                "these look like drizzle's migrations, since there is meta/_journal.json: say --format sqlx to apply \
                 its files by their numbers",
            ),
            (
                &[("1_a.sql", "\n-- +migrate Up\n")],
                "these look like sql-migrate's migrations, since there is -- +migrate Up at 1_a.sql:2: write +goose for +migrate, which \
                 means the same, and they are goose's",
            ),
            (
                &[(
                    "1_a.sql",
                    "-- my first\n--+migrate up\nCREATE TABLE a ();\n-- +migrate Down\nDROP TABLE a;",
                )],
                "these look like sql-migrate's migrations, since there is --+migrate up at 1_a.sql:2: write +goose for \
                 +migrate, which means the same, and they are goose's",
            ),
            (
                &[("1_a.sql", "-- (c) us\n--liquibase formatted sql\n")],
                "these look like Liquibase's migrations, since there is --liquibase formatted sql at 1_a.sql:2: they have \
                 marks for each change that only it understands; split them into files",
            ),
        ] {
            assert_eq!(detect(&tree(files)).map_err(|error| error.to_string()), Err(expected.to_owned()));
        }
        assert!(matches!(detect(&tree(&[("x/", "")])), Err(SourceProblem::NoFormat { .. })));
    }
}
