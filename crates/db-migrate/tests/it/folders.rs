//! Migrations read from a folder; no server.

use db_migrate::{Error, Migrations, TransactionMode};
use std::fs;
use std::path::Path;

fn write(root: &Path, file: &str, content: impl AsRef<[u8]>) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, content).expect("a file");
}

#[test]
fn reads_what_is_there() {
    let root = tempfile::tempdir().expect("a folder");
    write(root.path(), "README.md", "not looked at");
    write(root.path(), ".git/x", "not looked at");
    write(root.path(), "0002_b/up.sql", "VACUUM;");
    write(root.path(), "0002_b/meta.toml", "description = 'second'\ndepends_on = [1]\ntransaction = false");
    write(root.path(), "0001_a/up.sql", "SELECT 1;\r\n");
    write(root.path(), "0001_a/down.sql", "SELECT 2;");

    let found = Migrations::read(root.path()).expect("sound");
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((first.label(), first.is_reversible()), ("0001_a", true));
    assert_eq!((second.description(), second.mode()), ("second", TransactionMode::None));
    assert_eq!(second.depends_on(), [first.id().clone()]);
}

#[test]
fn names_everything_that_is_wrong() {
    let root = tempfile::tempdir().expect("a folder");
    write(root.path(), "0001_a/up.sql", b"SELECT '\xff'");
    write(root.path(), "0002_b/down.sql", "SELECT 1");
    write(root.path(), "0002_c/up.sql", "-- nothing");
    write(root.path(), "0004_d/up.sql", "");
    write(root.path(), "0004_d/meta.toml", "transactional = true");
    write(root.path(), "five/up.sql", "SELECT 1");

    let error = Migrations::read(root.path()).expect_err("nothing is right");
    let text = error.to_string();
    let at = root.path().display();
    for expected in [
        format!("the migrations of {at} cannot be used:\n"),
        format!("- {at}/0001_a/up.sql is not UTF-8 from byte 8 on"),
        "- 0002_b and 0002_c have the same number".to_owned(),
        "- 0002_b: the way there is missing".to_owned(),
        "- 0003 is missing before 0004_d".to_owned(),
        "- 0004_d/up.sql has no statement".to_owned(),
        "- 0004_d/meta.toml: unknown key \"transactional\", did you mean \"transaction\"?".to_owned(),
        "- five: name it like 0001_core_tables".to_owned(),
    ] {
        assert!(text.contains(&expected), "{expected} is not in {text}");
    }
    assert_eq!(text.matches("\n- ").count(), 7, "{text}");
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = Migrations::read(Path::new("/nowhere/at/all")).expect_err("no such folder");
    let Error::Source { problems, .. } = &error else { panic!("{error}") };
    assert_eq!(problems.len(), 1);
    assert!(problems[0].to_string().starts_with("/nowhere/at/all cannot be read: "), "{error}");
}
