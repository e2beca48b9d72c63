//! Embeds `migrations/` as `db_migrate::Embedded` items, so that a program carries its schema with it.
//!
//! Only the layout is looked at here; what the files say is checked when the set is loaded, and by a test.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("migrations");
    // Cargo follows the link and looks at every file below.
    println!("cargo::rerun-if-changed=migrations");

    let mut folders = Vec::new();
    for entry in fs::read_dir(&root)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();

    let mut code = String::from("&[\n");
    for folder in &folders {
        writeln!(code, "    {},", item(folder)).expect("a String takes every write");
    }
    code.push(']');
    fs::write(PathBuf::from(variable("OUT_DIR")).join("migrations.rs"), code)
}

fn item(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    let (up, down, meta) = (folder.join("up.sql"), folder.join("down.sql"), folder.join("meta.toml"));
    format!(
        "db_migrate::Embedded {{ folder: {name:?}, up: include_str!({up:?}), down: {}, meta: {} }}",
        optional(&down),
        optional(&meta),
    )
}

fn optional(file: &Path) -> String {
    if file.is_file() { format!("Some(include_str!({file:?}))") } else { "None".to_owned() }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is set by cargo"))
}
