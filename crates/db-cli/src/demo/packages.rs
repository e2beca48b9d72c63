//! The packages of a tree and how they depend on each other: from cargo where there is a `Cargo.toml`, else each
//! top-level folder is one, without dependencies.

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Holds the files that belong to no package.
pub const REST: &str = ".";

/// Packages, by the folder each lives in, and who needs whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packages {
    /// Name by folder below the root; the root itself is the empty path.
    folders: BTreeMap<PathBuf, String>,
    /// For each package, the packages of the same tree that it needs to be built.
    needs: BTreeMap<String, BTreeSet<String>>,
    /// Whether top-level folders are packages.
    by_folder: bool,
    /// Why cargo was not asked, or did not answer; empty when it did.
    pub note: String,
}

impl Packages {
    /// Reads the packages of the tree at `root`.
    #[must_use]
    pub fn read(root: &Path) -> Self {
        let manifest = root.join("Cargo.toml");
        if !manifest.is_file() {
            return Self::by_folder(
                "no Cargo.toml here, so each folder is a package and none depends on another",
            );
        }
        // Without dependencies cargo needs neither a network nor a lock file.
        match MetadataCommand::new().manifest_path(&manifest).no_deps().exec() {
            Ok(metadata) => Self::of_metadata(root, &metadata),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason.lines().next().unwrap_or_default();
                Self::by_folder(&format!("cargo cannot tell the packages ({reason}), so each folder is one"))
            }
        }
    }

    fn by_folder(note: &str) -> Self {
        Self { by_folder: true, note: note.to_owned(), ..Self::default() }
    }

    fn of_metadata(root: &Path, metadata: &cargo_metadata::Metadata) -> Self {
        let mut packages = Self::default();
        let folder = |manifest: &Path| {
            let folder = manifest.parent().unwrap_or(root);
            let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
            folder.strip_prefix(root).map(Path::to_owned).ok()
        };
        for package in &metadata.packages {
            if let Some(folder) = folder(package.manifest_path.as_std_path()) {
                packages.folders.insert(folder, package.name.to_string());
            }
        }
        let names: BTreeSet<String> = packages.folders.values().cloned().collect();
        for package in &metadata.packages {
            // What only tests need may form a circle, which cargo allows.
            let needed = package
                .dependencies
                .iter()
                .filter(|dependency| {
                    dependency.kind != DependencyKind::Development && dependency.path.is_some()
                })
                .map(|dependency| dependency.name.clone())
                .filter(|name| names.contains(name) && *name != *package.name);
            packages.needs.insert(package.name.to_string(), needed.collect());
        }
        packages
    }

    /// The package that a file belongs to: the one with the longest folder above it.
    #[must_use]
    pub fn of_file(&self, path: &Path) -> &str {
        let folders = path.ancestors().skip(1);
        folders.into_iter().find_map(|folder| self.folders.get(folder)).map_or(REST, String::as_str)
    }

    /// The package of a file where folders are packages, else that of [`Packages::of_file`].
    #[must_use]
    pub fn name_of(&self, path: &str) -> String {
        if self.by_folder {
            return path.split_once('/').map_or(REST, |(folder, _)| folder).to_owned();
        }
        self.of_file(Path::new(path)).to_owned()
    }

    /// What a package needs.
    pub fn needs(&self, package: &str) -> impl Iterator<Item = &str> {
        self.needs.get(package).into_iter().flatten().map(String::as_str)
    }

    /// A package and all that need it, directly or not.
    #[must_use]
    pub fn affected_by(&self, changed: &BTreeSet<String>) -> BTreeSet<String> {
        let mut affected = changed.clone();
        loop {
            let before = affected.len();
            for (package, needs) in &self.needs {
                if needs.iter().any(|need| affected.contains(need)) {
                    affected.insert(package.clone());
                }
            }
            if affected.len() == before {
                return affected;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Packages, REST};
    use std::{collections::BTreeSet, fs, path::Path};

    fn workspace(root: &Path) {
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        let package = |name: &str, rest: &str| {
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}")
        };
        write("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]\nresolver = \"3\"\n");
        write(
            "crates/base/Cargo.toml",
            &package("base", "[dev-dependencies]\ntop = { path = \"../top\" }\n"),
        );
        write(
            "crates/mid/Cargo.toml",
            &package("mid", "[dependencies]\nbase = { path = \"../base\" }\nserde = \"1\"\n"),
        );
        write(
            "crates/top/Cargo.toml",
            &package("top", "[build-dependencies]\nmid = { path = \"../mid\" }\n"),
        );
        for name in ["base", "mid", "top"] {
            write(&format!("crates/{name}/src/lib.rs"), "");
        }
    }

    #[test]
    fn cargo_tells_packages_and_their_needs_without_those_of_tests() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let root = folder.path().canonicalize().expect("there");
        workspace(&root);
        let packages = Packages::read(&root);
        assert_eq!(packages.note, "");
        assert_eq!(packages.name_of("crates/mid/src/lib.rs"), "mid");
        assert_eq!(packages.name_of("Cargo.toml"), REST);
        let needs = |name| packages.needs(name).collect::<Vec<_>>();
        assert_eq!((needs("base"), needs("mid"), needs("top")), (vec![], vec!["base"], vec!["mid"]));
        let changed = BTreeSet::from(["base".to_owned()]);
        assert_eq!(packages.affected_by(&changed).len(), 3);
        let changed = BTreeSet::from(["top".to_owned()]);
        assert_eq!(packages.affected_by(&changed), changed);
    }

    #[test]
    fn folders_are_packages_where_there_is_no_cargo() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let packages = Packages::read(folder.path());
        assert!(packages.note.contains("no Cargo.toml"));
        assert_eq!(packages.name_of("serde-1.0/src/lib.rs"), "serde-1.0");
        assert_eq!(packages.name_of("README"), REST);
        fs::write(folder.path().join("Cargo.toml"), "not toml [").expect("written");
        assert!(Packages::read(folder.path()).note.contains("cargo cannot tell"));
    }
}
