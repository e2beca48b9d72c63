//! The files of a directory as they were read, before anything is understood of them.

use super::is_clue;
use crate::SourceProblem;

/// Everything below a directory, and what stands around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Every folder, relative and separated by `/`, in order.
    pub(crate) folders: Vec<String>,
    /// Every file, in the order of the paths, by which one is found.
    pub(crate) files: Vec<File>,
    /// Files of the folders above that tell which tools the project uses, the nearest first.
    pub(crate) around: Vec<Nearby>,
    /// When and from where they were read.
    pub(crate) occasion: Occasion,
}

/// When and from where files are read, which those of Flyway's may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occasion {
    /// As `2026-01-02 03:04:05`, local.
    pub(crate) timestamp: String,
    /// The folder that the process is in.
    pub(crate) directory: String,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Relative to the directory, separated by `/`.
    pub(crate) path: String,
    pub(crate) content: Content,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Text(String),
    /// No format looks into such a file.
    Unread,
    /// A problem only where the file turns out to be a migration.
    Bad(SourceProblem),
}

/// A file of a folder above.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nearby {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Tree {
    /// The files directly in the directory.
    pub(crate) fn at_root(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.folder().is_empty())
    }

    /// The folders directly in the directory.
    pub(crate) fn root_folders(&self) -> impl Iterator<Item = &str> {
        self.folders.iter().map(String::as_str).filter(|folder| !folder.contains('/'))
    }

    /// The file at a path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        Some(&self.files[at])
    }

    /// The same as seen from one of its folders.
    pub(crate) fn below(&self, folder: &str) -> Self {
        let inner = |path: &str| Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned());
        Self {
            folders: self.folders.iter().filter_map(|path| inner(path)).collect(),
            files: self
                .files
                .iter()
                .filter_map(|file| Some(File { path: inner(&file.path)?, content: file.content.clone() }))
                .collect(),
            around: self.between(folder).chain(self.around.iter().cloned()).collect(),
            occasion: self.occasion.clone(),
        }
    }

    /// The signs in the folders that a folder is in, the nearest first.
    fn between<'t>(&'t self, folder: &'t str) -> impl Iterator<Item = Nearby> + 't {
        let outer = std::iter::successors(parent(folder), |folder| parent(folder));
        let signs =
            |outer| self.files.iter().filter(move |file| file.folder() == outer && is_clue(file.name()));
        outer.flat_map(signs).map(|file| Nearby {
            name: file.name().to_owned(),
            text: file.text().unwrap_or_default().to_owned(),
        })
    }
}

impl File {
    /// Its name without the folders.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }

    /// The folder it is in; empty for the directory itself.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Its text, where there is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            Content::Unread | Content::Bad(_) => None,
        }
    }
}

/// The folder around one; empty for the directory itself.
fn parent(folder: &str) -> Option<&str> {
    match folder.rsplit_once('/') {
        Some((parent, _)) => Some(parent),
        None => (!folder.is_empty()).then_some(""),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Content, File, Tree};

    /// A tree of these files, with the folders that they need; a path that ends in `/` is a folder alone.
    pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, text) in files {
            for (at, _) in path.match_indices('/') {
                tree.folders.push(path[..at].to_owned());
            }
            if !path.ends_with('/') {
                let content = match path.rsplit_once('.') {
                    Some((_, "sql" | "toml" | "conf")) => Content::Text((*text).to_owned()),
                    _ => Content::Unread,
                };
                tree.files.push(File { path: (*path).to_owned(), content });
            }
        }
        tree.folders.sort();
        tree.folders.dedup();
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        tree
    }
}
