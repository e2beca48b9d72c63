//! `tidy`: rules about files, which no compiler knows.

mod commands;
mod manifest;
mod pins;
mod secrets;
mod source;
mod tree;

use crate::{
    cargo,
    check::{self, Report},
    exit::{Exit, Failed},
    help,
};
use lexopt::{Arg, Parser};
use std::path::Path;

/// The folder of landed migrations, and the file in it that remembers them.
const MIGRATIONS: &str = "migrations";
const PINS: &str = "migrations/checksums.txt";

pub(crate) fn main(mut args: Parser) -> Result<Exit, Failed> {
    let mut pin = false;
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('h') | Arg::Long("help") => return Ok(help::show(help::TIDY)),
            Arg::Long("pin") => pin = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if pin { pin_new(cargo::root()) } else { check::answer(&check()?) }
}

/// Looks at every file of the tree.
pub(crate) fn check() -> Result<Report, Failed> {
    check_tree(cargo::root())
}

fn check_tree(root: &Path) -> Result<Report, Failed> {
    let mut report = Report::default();
    let files = tree::files(root)?;
    for path in &files {
        let read = |path: &str| tree::read(root, path);
        if path.ends_with(".rs") {
            source::check(path, &read(path)?, &mut report);
        }
        if path == "Cargo.toml" || path.ends_with("/Cargo.toml") {
            manifest::check(path, &read(path)?, &mut report.findings);
        }
        if path.ends_with(".md") {
            commands::check(path, &read(path)?, &mut report.findings);
        }
        if tree::is_text(path) {
            secrets::check(path, &read(path)?, &mut report.findings);
        }
    }
    let (pinned, landed) = migrations(root, &files)?;
    report.findings.extend(pins::compare(&pinned, &landed).iter().map(ToString::to_string));
    report.seen = format!("{} files", files.len());
    Ok(report)
}

fn migrations(root: &Path, files: &[String]) -> Result<(pins::Pins, pins::Pins), Failed> {
    let pinned = if files.iter().any(|path| path == PINS) {
        pins::parse(&tree::read(root, PINS)?).map_err(Failed::at(PINS))?
    } else {
        pins::Pins::new()
    };
    let mut landed = pins::Pins::new();
    for path in files {
        let inside = path.strip_prefix(MIGRATIONS).and_then(|path| path.strip_prefix('/'));
        if let Some(inside) = inside
            && path != PINS
        {
            landed.insert(inside.to_owned(), pins::checksum(&tree::bytes(root, path)?));
        }
    }
    Ok((pinned, landed))
}

/// Adds what is new to the pins, unless something that is pinned has changed.
fn pin_new(root: &Path) -> Result<Exit, Failed> {
    let files = tree::files(root)?;
    let (pinned, landed) = migrations(root, &files)?;
    let (refused, new): (Vec<_>, Vec<_>) =
        pins::compare(&pinned, &landed).into_iter().partition(|problem| !problem.is_new());
    if !refused.is_empty() {
        for problem in &refused {
            println!("{problem}");
        }
        println!("nothing is pinned");
        return Ok(Exit::No);
    }
    std::fs::write(root.join(PINS), pins::render(&landed)).map_err(Failed::at(PINS))?;
    println!("{} pinned, {} in all", new.len(), landed.len());
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::{PINS, check_tree, pin_new};
    use crate::exit::Exit;
    use std::{fs, path::Path};

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn findings(root: &Path) -> Vec<String> {
        check_tree(root).expect("it can be read").findings
    }

    #[test]
    fn every_kind_of_file_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "crates/a/src/lib.rs", "fn main() {}\n");
        write(root, "crates/a/Cargo.toml", "[package]\nname = \"a\"\n");
        write(root, "README.md", "`cargo xtask launch`\n");
        write(root, ".ci/run", concat!("KEY=AK", "IAABCDEFGHIJKLMNOP\n"));
        write(root, "target/debug/build/x.rs", "not ours\n");
        let found = findings(root).join("\n");
        for part in ["lib.rs:1", "crates/a/Cargo.toml", "README.md:1", ".ci/run:1"] {
            assert!(found.contains(part), "{part} in {found}");
        }
        assert!(!found.contains("target"), "{found}");
    }

    #[test]
    fn a_landed_migration_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "migrations/0001_a/up.sql", "SELECT 1;\n");
        assert!(findings(root)[0].contains("cargo xtask tidy --pin"));
        assert_eq!(pin_new(root).expect("pinned"), Exit::Done);
        assert!(findings(root).is_empty());

        write(root, "migrations/0001_a/up.sql", "SELECT 2;\n");
        write(root, "migrations/0002_b/up.sql", "SELECT 1;\n");
        let before = fs::read(root.join(PINS)).expect("read");
        assert_eq!(findings(root).len(), 2);
        assert_eq!(pin_new(root).expect("refused"), Exit::No);
        assert_eq!(fs::read(root.join(PINS)).expect("read"), before, "nothing is pinned");

        fs::remove_file(root.join("migrations/0001_a/up.sql")).expect("removed");
        assert!(findings(root)[0].contains("is gone"));
        write(root, "migrations/0001_a/up.sql", "SELECT 1;\n");
        assert_eq!(pin_new(root).expect("pinned"), Exit::Done);
        assert!(findings(root).is_empty());
    }
}
