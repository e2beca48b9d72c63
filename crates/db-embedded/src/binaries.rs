//! Where the native servers are: PATH, then the folders in which distributions put them.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The oldest major version that is supported.
pub(crate) const OLDEST_MAJOR: u32 = 13;

/// Where to look for programs.
#[derive(Clone, Debug)]
pub struct Search {
    folders: Vec<PathBuf>,
    versioned: Vec<PathBuf>,
}

impl Search {
    /// This process's `PATH`, then the folders of Debian, Fedora, Homebrew and others.
    #[must_use]
    pub fn system() -> Self {
        let path: OsString = env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> =
            env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
        folders.extend(
            ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/usr/local/pgsql/bin"].map(PathBuf::from),
        );
        let versioned =
            ["/usr/lib/postgresql", "/usr", "/opt/homebrew/opt", "/usr/local/opt", "/usr/libexec"];
        Self { folders, versioned: versioned.map(PathBuf::from).to_vec() }
    }

    /// Only the given folders; for tests, and for those who keep their binaries elsewhere.
    #[must_use]
    pub fn only(folders: Vec<PathBuf>) -> Self {
        Self { folders, versioned: Vec::new() }
    }

    /// The first program of this name.
    pub(crate) fn program(&self, name: &str) -> Option<PathBuf> {
        self.folders.iter().map(|folder| folder.join(name)).find(|path| is_program(path))
    }

    /// Every PostgreSQL that can be run, newest first.
    pub(crate) fn postgres(&self) -> Vec<Binaries> {
        let mut found: Vec<Binaries> = Vec::new();
        for folder in self.folders.iter().cloned().chain(self.versioned_folders()) {
            // Debian's /usr/bin has wrappers for clients only; a server folder has both of these.
            if !is_program(&folder.join("postgres")) || !is_program(&folder.join("initdb")) {
                continue;
            }
            let Some(major) = major_version(&folder.join("postgres")) else { continue };
            if major >= OLDEST_MAJOR && !found.iter().any(|other| other.major == major) {
                found.push(Binaries { folder, major });
            }
        }
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        found
    }

    fn versioned_folders(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        for parent in &self.versioned {
            let Ok(entries) = fs::read_dir(parent) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let versioned = name.parse::<u32>().is_ok()
                    || name.starts_with("pgsql-")
                    || name.starts_with("postgresql");
                if versioned {
                    folders.push(entry.path().join("bin"));
                }
            }
        }
        folders
    }
}

impl Default for Search {
    fn default() -> Self {
        Self::system()
    }
}

/// A folder with `postgres`, `initdb` and `pg_ctl` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binaries {
    pub(crate) folder: PathBuf,
    pub(crate) major: u32,
}

impl Binaries {
    /// Takes a folder as it is, asking its `postgres` for the version.
    #[cfg(feature = "download")]
    pub(crate) fn at(folder: PathBuf) -> Option<Self> {
        let major = major_version(&folder.join("postgres"))?;
        Some(Self { folder, major })
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

fn major_version(postgres: &Path) -> Option<u32> {
    let output =
        Command::new(postgres).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

/// Reads "postgres (PostgreSQL) 15.18 (Debian …)", "… 17devel", "… 18beta1".
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL)").nth(1)?.trim_start();
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Search, parse_major};
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    #[test]
    fn reads_versions_as_postgres_writes_them() {
        for (text, expected) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 17devel", Some(17)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("redis-server v=7.0", None),
            ("", None),
        ] {
            assert_eq!(parse_major(text), expected, "{text}");
        }
    }

    fn plant(folder: &Path, version: &str) {
        fs::create_dir_all(folder).expect("scratch folder");
        for name in ["postgres", "initdb"] {
            let path = folder.join(name);
            fs::write(&path, format!("#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")).expect("write");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
        }
    }

    #[test]
    fn finds_every_supported_version_newest_first() {
        let root = tempfile::tempdir().expect("scratch folder");
        plant(&root.path().join("path"), "14.2");
        plant(&root.path().join("lib/12/bin"), "12.9");
        plant(&root.path().join("lib/16/bin"), "16.1");
        fs::create_dir_all(root.path().join("lib/17/bin")).expect("an empty version folder");
        let search =
            Search { folders: vec![root.path().join("path")], versioned: vec![root.path().join("lib")] };
        let majors: Vec<u32> = search.postgres().iter().map(|binaries| binaries.major).collect();
        assert_eq!(majors, [16, 14]);
        assert!(search.program("postgres").is_some_and(|path| path.ends_with("path/postgres")));
        assert!(search.program("redis-server").is_none());
    }
}
