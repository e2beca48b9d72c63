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
        if let Err(error) = create(&path, |file| file.write_all(text.as_bytes())) {
            // What was written before is of no use without it, nor is a folder of it alone.
            written.iter().for_each(|path| drop(fs::remove_file(path)));
            for (name, _) in files {
                let parent =
                    folder.join(name).parent().filter(|parent| *parent != folder).map(Path::to_owned);
                parent.map(fs::remove_dir);
            }
            return Err(Failed::new(format!("cannot write {}: {error}", path.display())));
        }
        written.push(path.display().to_string());
    }
    Ok(written)
}

/// Makes a file that is there wholly or not at all; one that was there stays as it is.
fn create(path: &Path, write: impl FnOnce(&mut fs::File) -> io::Result<()>) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let mut file = fs::File::create_new(path)?;
    // A full disk may be told of as late as this.
    let written = write(&mut file).and_then(|()| file.sync_all());
    if written.is_err() {
        drop(fs::remove_file(path));
    }
    written
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

#[cfg(test)]
mod tests {
    use super::{create, write};
    use std::{fs, io, io::Write};

    #[test]
    fn a_file_that_cannot_be_written_to_its_end_is_not_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("0001_a/up.sql");
        let full = create(&path, |file| {
            file.write_all(b"CREATE TABLE hal")?;
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(full.expect_err("the disk is full").kind(), io::ErrorKind::StorageFull);
        assert!(!path.exists());
    }

    #[test]
    fn all_files_are_written_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("down.sql"), "mine").expect("written");
        let files = [("0001_a/up.sql".to_owned(), "x".to_owned()), ("down.sql".to_owned(), "y".to_owned())];
        write(folder.path(), &files).expect_err("the second is there already");
        assert!(!folder.path().join("0001_a").exists());
        assert_eq!(fs::read_to_string(folder.path().join("down.sql")).expect("it is there"), "mine");
    }
}
