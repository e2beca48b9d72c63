//! The files of a source tree: every regular file below the root but those that git ignores, `.git` itself, and the
//! folder that holds this demonstration's own data. Links are not followed, so no loop can be.

use super::path_text;
use ignore::WalkBuilder;
use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// A file, or a folder that cannot be entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Below the root, as text that [`path_text::from_text`] turns back.
    pub path: String,
    /// Size in bytes; 0 where it is not known.
    pub size: u64,
    /// Time of last change, nanoseconds since 1970; 0 where it is not known.
    pub modified_ns: i64,
    /// What it is.
    pub kind: Kind,
    /// Why it cannot be looked at.
    pub problem: Option<String>,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder that cannot be entered; it stands for all that is in it.
    ClosedFolder,
}

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// It is not there, or may not be entered.
    #[error("{} cannot be analysed; name a folder that exists: db demo PATH", path.display())]
    Root {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// It is no folder.
    #[error("{} is no folder; name the folder of a source tree: db demo PATH", path.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
    },
    /// There is nothing in it.
    #[error("{} has no files; name the folder of a source tree: db demo PATH", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
}

/// The root as it is really called, once it is sure that it can be walked.
///
/// # Errors
/// [`TreeError::Root`] or [`TreeError::NoFolder`].
pub fn root(path: &Path) -> Result<PathBuf, TreeError> {
    let refuse = |source| TreeError::Root { path: path.to_owned(), source };
    let root = path.canonicalize().map_err(refuse)?;
    if !root.is_dir() {
        return Err(TreeError::NoFolder { path: path.to_owned() });
    }
    root.read_dir().map_err(refuse)?;
    Ok(root)
}

/// The files below `root`, sorted by path. `own_data` is passed over.
///
/// # Errors
/// [`TreeError::Empty`] when there are none.
pub fn walk(root: &Path, own_data: &Path) -> Result<Vec<Found>, TreeError> {
    let own_data = own_data.canonicalize().unwrap_or_else(|_| own_data.to_owned());
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .git_global(false)
        .follow_links(false)
        .filter_entry(move |entry| entry.file_name() != ".git" && entry.path() != own_data)
        .build();
    let mut found: Vec<Found> = walk.filter_map(|entry| look(root, entry)).collect();
    if found.is_empty() {
        return Err(TreeError::Empty { path: root.to_owned() });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn look(root: &Path, entry: Result<ignore::DirEntry, ignore::Error>) -> Option<Found> {
    let entry = match entry {
        Ok(entry) => entry,
        Err(error) => return unreadable(root, &error),
    };
    if !entry.file_type().is_some_and(|kind| kind.is_file()) {
        return None;
    }
    let path = below(root, entry.path());
    Some(match entry.metadata() {
        Ok(metadata) => Found {
            path,
            size: metadata.len(),
            modified_ns: modified_ns(&metadata),
            kind: Kind::File,
            problem: None,
        },
        Err(error) => {
            Found { path, size: 0, modified_ns: 0, kind: Kind::File, problem: Some(error.to_string()) }
        }
    })
}

fn unreadable(root: &Path, error: &ignore::Error) -> Option<Found> {
    let path = path_of(error)?;
    Some(Found {
        path: below(root, path),
        size: 0,
        modified_ns: 0,
        kind: Kind::ClosedFolder,
        problem: Some(error.to_string()),
    })
}

fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        // A faulty .gitignore is no file that cannot be read.
        _ => None,
    }
}

fn below(root: &Path, path: &Path) -> String {
    path_text::to_text(path.strip_prefix(root).unwrap_or(path))
}

fn modified_ns(metadata: &Metadata) -> i64 {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{TreeError, root, walk};
    use std::{
        ffi::OsStr,
        fs,
        os::unix::{ffi::OsStrExt, fs::symlink},
        path::Path,
    };

    fn paths(root: &Path) -> Vec<String> {
        walk(root, &root.join(".db")).expect("files").into_iter().map(|found| found.path).collect()
    }

    #[test]
    fn every_regular_file_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let at = |path: &str| folder.path().join(path);
        for path in [".git/config", ".db/postgres.log", "src/.hidden"] {
            fs::create_dir_all(at(path).parent().expect("a parent")).expect("made");
            fs::write(at(path), "x").expect("written");
        }
        fs::write(folder.path().join(OsStr::from_bytes(b"caf\xe9.rs")), "x").expect("written");
        symlink(folder.path(), at("loop")).expect("linked");
        symlink(at("src/.hidden"), at("link")).expect("linked");
        assert_eq!(paths(folder.path()), ["caf\\xe9.rs", "src/.hidden"]);
    }

    #[test]
    fn what_git_ignores_is_passed_over_in_a_repository_only() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        fs::write(folder.path().join(".gitignore"), "made\n").expect("written");
        fs::write(folder.path().join("made"), "x").expect("written");
        assert_eq!(paths(folder.path()), [".gitignore", "made"]);
        fs::create_dir(folder.path().join(".git")).expect("made");
        assert_eq!(paths(folder.path()), [".gitignore"]);
    }

    #[test]
    fn no_tree_is_told() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        assert!(matches!(walk(folder.path(), Path::new("/x")), Err(TreeError::Empty { .. })));
        assert!(matches!(root(&folder.path().join("none")), Err(TreeError::Root { .. })));
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("written");
        assert!(matches!(root(&file), Err(TreeError::NoFolder { .. })));
    }
}
