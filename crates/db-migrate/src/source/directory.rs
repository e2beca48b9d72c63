//! Reads the files; understands nothing of them.

use super::SourceProblem;
use super::check::Folder;
use std::fs;
use std::io;
use std::path::Path;

/// Every folder that can be read, and what cannot.
pub(super) fn read(directory: &Path) -> (Vec<Folder>, Vec<SourceProblem>) {
    let mut problems = Vec::new();
    let mut folders = Vec::new();
    match names(directory) {
        Ok(names) => {
            for name in names {
                let mut file = |file: &str, instead: Option<&str>| {
                    read_file(directory, &name, file).unwrap_or_else(|problem| {
                        problems.push(problem);
                        instead.map(str::to_owned)
                    })
                };
                let (up, down, meta) =
                    (file("up.sql", Some(UNREAD)), file("down.sql", None), file("meta.toml", None));
                folders.push(Folder { name, up, down, meta });
            }
        }
        Err(error) => problems.push(unreadable(directory, &error)),
    }
    (folders, problems)
}

/// Stands for an `up.sql` that could not be read, lest it is called missing too; never run, as there is a problem.
const UNREAD: &str = "SELECT";

fn names(directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn read_file(directory: &Path, folder: &str, file: &str) -> Result<Option<String>, SourceProblem> {
    let path = directory.join(folder).join(file);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(&path, &error)),
    };
    String::from_utf8(bytes).map(Some).map_err(|error| SourceProblem::NotUtf8 {
        path: path.display().to_string(),
        offset: error.utf8_error().valid_up_to(),
    })
}

fn unreadable(path: &Path, error: &io::Error) -> SourceProblem {
    SourceProblem::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}
