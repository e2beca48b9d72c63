//! Getting a missing server from the platform's package manager.

use crate::{Options, Report, Search, Way};
use std::{
    env, fmt,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Debian's packages ask questions and start the service that they install; in runlevel 1 they leave it alone.
const ENVIRONMENT: [&str; 2] = ["DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"];

/// A package manager that this crate knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageManager {
    /// Debian, Ubuntu.
    Apt,
    /// Fedora, Red Hat.
    Dnf,
    /// Alpine.
    Apk,
    /// Arch.
    Pacman,
    /// macOS.
    Brew,
}

impl PackageManager {
    const ALL: [Self; 5] = [Self::Apt, Self::Dnf, Self::Apk, Self::Pacman, Self::Brew];

    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Apk => "apk",
            Self::Pacman => "pacman",
            Self::Brew => "brew",
        }
    }

    fn package(self, server: &str) -> &'static str {
        match (self, server) {
            (Self::Apt, "Redis") => "redis-server",
            (_, "Redis") => "redis",
            (Self::Dnf, _) => "postgresql-server",
            (Self::Brew, _) => "postgresql@17",
            _ => "postgresql",
        }
    }

    /// What to run, one after the other.
    fn commands(self, server: &str) -> Vec<Vec<&'static str>> {
        let package = self.package(server);
        match self {
            Self::Apt => {
                vec![
                    vec!["apt-get", "update"],
                    vec!["apt-get", "install", "-y", "--no-install-recommends", package],
                ]
            }
            Self::Dnf => vec![vec!["dnf", "install", "-y", package]],
            Self::Apk => vec![vec!["apk", "add", package]],
            Self::Pacman => vec![vec!["pacman", "-Sy", "--noconfirm", package]],
            Self::Brew => vec![vec!["brew", "install", package]],
        }
    }
}

/// How a missing server would be installed here; its `Display` is the command for a person to type.
#[derive(Clone, Debug)]
pub struct Install {
    server: &'static str,
    manager: PackageManager,
    by: By,
}

/// With whose rights.
#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    /// Ours are enough.
    Ourselves,
    /// `sudo`, which may ask a person for a password.
    Sudo(PathBuf),
    /// Only root can, and we have no way to be root.
    Root,
}

impl Install {
    /// The platform's way to get `PostgreSQL` or `Redis`; `None` where no known package manager is found.
    #[must_use]
    pub fn of(server: &'static str, search: &Search) -> Option<Self> {
        let manager =
            PackageManager::ALL.into_iter().find(|manager| search.program(manager.program()).is_some())?;
        let by = if manager == PackageManager::Brew || rustix::process::geteuid().is_root() {
            By::Ourselves
        } else {
            search.program("sudo").map_or(By::Root, By::Sudo)
        };
        Some(Self { server, manager, by })
    }

    /// Says what it does, then does it. It never asks for a password: `sudo -n` fails where one is needed.
    ///
    /// # Errors
    /// Why it could not be done, and the command for a person to type.
    pub fn run(&self, report: &Report) -> Result<(), Way> {
        let fail = |why: String| Way { name: "the package manager", why, fix: format!("run: {self}") };
        report(&format!("{} is missing; installing it: {self}", self.server));
        for words in self.manager.commands(self.server) {
            let mut command = match &self.by {
                By::Ourselves => Command::new("env"),
                By::Sudo(sudo) => {
                    let mut command = Command::new(sudo);
                    // `sudo` drops our environment, so that what it runs sets its own.
                    command.args(["-n", "env"]);
                    command
                }
                By::Root => return Err(fail("only root can install packages".to_owned())),
            };
            command
                .args(ENVIRONMENT)
                .args(&words)
                .env("PATH", path_with_sbin())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let output =
                command.output().map_err(|error| fail(format!("{} cannot be run: {error}", words[0])))?;
            if !output.status.success() {
                let errors = String::from_utf8_lossy(&output.stderr);
                let last =
                    errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
                return Err(fail(format!("{} failed: {last}", words.join(" "))));
            }
        }
        Ok(())
    }
}

/// What is to be told when a server's binary is not there, after trying to install it where the options allow that.
/// Looks again with `find` after an install; `Err` holds the ways that stayed closed.
pub(crate) fn find_or_install<T>(
    server: &'static str,
    missing: Way,
    options: &Options,
    find: impl Fn() -> Option<T>,
) -> Result<T, Vec<Way>> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let Some(install) = Install::of(server, &options.search) else { return Err(vec![missing]) };
    let mut ways = vec![Way { fix: format!("run: {install}"), ..missing }];
    if options.install.permits(&install.to_string()) {
        match install.run(&options.report) {
            Ok(()) => return find().ok_or(ways),
            Err(way) => ways.push(way),
        }
    }
    Err(ways)
}

impl fmt::Display for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.by == By::Ourselves { "" } else { "sudo " };
        let commands = self.manager.commands(self.server);
        let shown: Vec<String> =
            commands.iter().map(|words| format!("{prefix}{}", words.join(" "))).collect();
        f.write_str(&shown.join(" && "))
    }
}

/// dpkg refuses to run without these folders.
fn path_with_sbin() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{By, Install, PackageManager};
    use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

    #[test]
    fn the_environment_passes_sudo() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (sudo, seen) = (folder.path().join("sudo"), folder.path().join("seen"));
        fs::write(&sudo, format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> {}\n", seen.display()))
            .expect("written");
        fs::set_permissions(&sudo, fs::Permissions::from_mode(0o755)).expect("chmod");
        let install = Install { server: "Redis", manager: PackageManager::Apt, by: By::Sudo(sudo) };
        install.run(&(Arc::new(|_: &str| {}) as crate::Report)).expect("it is a sham");
        let seen = fs::read_to_string(seen).expect("run");
        for line in seen.lines() {
            let start = "-n env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get ";
            assert!(line.starts_with(start), "{line}");
        }
        assert_eq!(seen.lines().count(), 2);
    }

    #[test]
    fn shows_the_command_a_person_would_type() {
        for (manager, server, by, expected) in [
            (
                PackageManager::Apt,
                "PostgreSQL",
                By::Ourselves,
                "apt-get update && apt-get install -y --no-install-recommends postgresql",
            ),
            (PackageManager::Dnf, "PostgreSQL", By::Root, "sudo dnf install -y postgresql-server"),
            (PackageManager::Apk, "Redis", By::Sudo("/usr/bin/sudo".into()), "sudo apk add redis"),
            (PackageManager::Brew, "PostgreSQL", By::Ourselves, "brew install postgresql@17"),
        ] {
            let install =
                Install { server: if server == "Redis" { "Redis" } else { "PostgreSQL" }, manager, by };
            assert_eq!(install.to_string(), expected);
        }
    }
}
