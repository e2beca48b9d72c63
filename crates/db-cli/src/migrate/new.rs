//! `db migrate new`: writes the files of a migration as the folder's format has them.

use super::args::{NewArgs, Wanted};
use crate::{Exit, Failed, output};
use chrono::Utc;
use db_migrate::{Migrations, NewFile, NewMigration, Project, TransactionMode};
use serde_json::json;
use std::{fs, io, io::Write, path::Path, time::Duration};

pub(super) fn run(args: &NewArgs, format: output::Format) -> Result<Exit, Failed> {
    check_name(&args.name)?;
    let project = project(&args.dir, args.format)?;
    let new = NewMigration {
        name: args.name.clone(),
        up: "-- The way there.\n".to_owned(),
        down: Some("-- The way back: it undoes all of the way there.\n".to_owned()),
        meta: meta(args),
        mode: if args.no_transaction { TransactionMode::None } else { TransactionMode::Auto },
    };
    let written = write(&args.dir, &new.files(&project, Utc::now()))?;
    output::print(format, &json!({ "created": written, "format": project.format().to_string() }), || {
        format!("{}\nwrite them, then `db migrate up --dir {}`", written.join("\n"), args.dir.display())
    });
    Ok(Exit::Done)
}

pub(super) fn check_name(name: &str) -> Result<(), Failed> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        return Err(Failed::usage(format!(
            "{name:?} is no name for a migration: use lower-case letters, digits and underscores, as in add_tags"
        )));
    }
    Ok(())
}

/// Writes files that are not there yet, all or none; answers with their paths.
pub(super) fn write(folder: &Path, files: &[NewFile]) -> Result<Vec<String>, Failed> {
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        if let Err(error) = create(&path, text) {
            // What was written before is of no use without it.
            written.iter().for_each(|path| drop(fs::remove_file(path)));
            return Err(Failed::new(format!("cannot write {}: {error}", path.display())));
        }
        written.push(path.display().to_string());
    }
    Ok(written)
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::File::create_new(path)?.write_all(text.as_bytes())
}

/// What is in the folder, and in which format; where nothing is, in our own unless told.
fn project(folder: &Path, wanted: Wanted) -> Result<Project, Failed> {
    let told = match wanted {
        Wanted::Auto => None,
        Wanted::Only(format) => Some(format),
    };
    let empty = fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
    if empty { Ok(Project::empty(told.unwrap_or_default())) } else { Ok(Migrations::look(folder, told)?) }
}

fn meta(args: &NewArgs) -> Vec<String> {
    let mut meta = vec![format!("description = \"{}\"", args.name.replace('_', " "))];
    meta.extend(args.risk.map(|risk| format!("risk = \"{risk}\"")));
    meta.extend(args.estimate.map(|estimate| format!("estimate = \"{}\"", in_words(estimate))));
    meta
}

fn in_words(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}
