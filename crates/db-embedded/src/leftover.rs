//! Whether the process that a data folder's `postmaster.pid` names is really a server over that folder.
//!
//! After a power cut the file is still there and its number may belong to any process, so the number alone proves
//! nothing. PostgreSQL works in its data folder, which `/proc` shows.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

/// Who has the number in a pid file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A server over these data.
    Server,
    /// Some other process; nothing runs over these data.
    Foreign,
    /// Nobody, or it cannot be told: PostgreSQL has checks of its own when it starts.
    Unknown,
}

/// Looks the pid file's process up.
pub(crate) fn holder(data: &Path, pid_file: &str) -> Holder {
    let named = pid_file.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    let Some(pid) = named else {
        // A power cut can leave an empty file, over which PostgreSQL never starts.
        return if pid_file.trim().is_empty() { Holder::Foreign } else { Holder::Unknown };
    };
    match works_in(&format!("/proc/{pid}"), data) {
        Ok(true) => Holder::Server,
        // A server's children may outlive it for a moment; PostgreSQL finds them by what the pid file says.
        Ok(false) if any_works_in(data) => Holder::Unknown,
        Ok(false) => Holder::Foreign,
        // No /proc, or one that hides other users' processes.
        Err(_) if socket(pid_file).is_some_and(|path| UnixStream::connect(path).is_ok()) => Holder::Server,
        Err(_) => Holder::Unknown,
    }
}

/// Whether a process is PostgreSQL and works in the folder.
fn works_in(process: &str, data: &Path) -> io::Result<bool> {
    if fs::read_to_string(format!("{process}/comm"))?.trim() != "postgres" {
        return Ok(false);
    }
    Ok(fs::read_link(format!("{process}/cwd"))? == data.canonicalize()?)
}

fn any_works_in(data: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes.flatten().any(|process| works_in(&process.path().display().to_string(), data).unwrap_or(false))
}

/// The socket: the port is on the pid file's fourth line and the folder on its fifth.
fn socket(pid_file: &str) -> Option<PathBuf> {
    let mut lines = pid_file.lines().skip(3).map(str::trim);
    let (port, folder) = (lines.next()?, lines.next()?);
    folder.starts_with('/').then(|| Path::new(folder).join(format!(".s.PGSQL.{port}")))
}

#[cfg(test)]
mod tests {
    use super::{Holder, holder, socket};
    use std::path::{Path, PathBuf};

    #[test]
    fn a_number_alone_proves_nothing() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let ours = std::process::id();
        for (pid_file, expected) in [
            (String::new(), Holder::Foreign),
            (format!("{ours}\n{}\n", folder.path().display()), Holder::Foreign),
            // Beyond the largest number that Linux gives.
            ("4194305\n".to_owned(), Holder::Unknown),
            ("-7\n".to_owned(), Holder::Unknown),
        ] {
            let found = holder(folder.path(), &pid_file);
            // Without /proc nothing is known about a number.
            let known = Path::new("/proc/self/comm").exists() || pid_file.is_empty();
            assert_eq!(found, if known { expected } else { Holder::Unknown }, "{pid_file:?}");
        }
    }

    #[test]
    fn finds_the_socket_as_postgres_writes_it() {
        let text = "12\n/data\n1700000000\n5432\n/tmp/cairn-x\n\n  1 2\nready   \n";
        assert_eq!(socket(text), Some(PathBuf::from("/tmp/cairn-x/.s.PGSQL.5432")));
        assert_eq!(socket("12\n/data\n1\n5432\n\n"), None);
        assert_eq!(socket(""), None);
    }
}
