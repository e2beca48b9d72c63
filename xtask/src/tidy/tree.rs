//! The files of the workspace, as paths from its root.

use crate::exit::Failed;
use std::{fs, path::Path};

/// Made by tools, and none of ours.
const NOT_OURS: &[&str] = &["target", ".git", ".db"];

/// All files, in order. Links are not followed: what they lead to is met where it is.
pub(crate) fn files(root: &Path) -> Result<Vec<String>, Failed> {
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort();
    Ok(files)
}

fn walk(root: &Path, folder: &str, files: &mut Vec<String>) -> Result<(), Failed> {
    let entries = fs::read_dir(root.join(folder)).map_err(Failed::at(folder))?;
    for entry in entries {
        let entry = entry.map_err(Failed::at(folder))?;
        let kind = entry.file_type().map_err(Failed::at(folder))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
        if kind.is_dir() && !NOT_OURS.contains(&name) {
            walk(root, &path, files)?;
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

pub(crate) fn bytes(root: &Path, path: &str) -> Result<Vec<u8>, Failed> {
    fs::read(root.join(path)).map_err(Failed::at(path))
}

/// Its text; what is not UTF-8 is replaced.
pub(crate) fn read(root: &Path, path: &str) -> Result<String, Failed> {
    Ok(String::from_utf8_lossy(&bytes(root, path)?).into_owned())
}

/// Whether people write such files.
pub(crate) fn is_text(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    matches!(ending, "rs" | "toml" | "md" | "sql" | "txt" | "yaml" | "yml" | "json" | "sh" | "env")
        || name == "run"
}
