//! A password in a file, such as an engine mounts for a container's secret.

use super::{LONGEST, from_output};
use crate::{Error, FileAccess};
use async_trait::async_trait;
use db_core::{BoxError, PasswordProvider, Secret};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where container engines mount secrets, with permissions that nobody can choose.
const MOUNTS: [&str; 3] = ["/run/secrets/", "/var/run/secrets/", "/var/run/secrets-store/"];

/// Reads the file each time it is asked, so a rotated password is used for the next connection.
///
/// A file that others than its owner and group may read, or that anyone but its owner may write, is refused, except with
/// [`FileAccess::Any`]. Under `/run/secrets` and `/var/run/secrets` it may be readable, since engines mount it so.
/// The read blocks for the moment that a small regular file takes; anything but a regular file is refused.
#[derive(Clone, Debug)]
pub struct FilePassword {
    path: PathBuf,
    access: FileAccess,
    /// Whether a setting could allow others to have access too.
    is_negotiable: bool,
}

impl FilePassword {
    /// The file need not exist yet.
    pub fn new(path: impl Into<PathBuf>, access: FileAccess) -> Self {
        Self { path: path.into(), access, is_negotiable: true }
    }

    /// One that others may not read, whatever is configured.
    pub(super) fn private(path: PathBuf) -> Self {
        Self { path, access: FileAccess::Private, is_negotiable: false }
    }

    fn read(&self) -> Result<Secret, Error> {
        let unreadable = |source| Error::PasswordFile { path: self.path.clone(), source };
        // Opening a FIFO would block, so its kind is asked first.
        let metadata = std::fs::metadata(&self.path).map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(self.refused("not a regular file"));
        }
        if let Some(why) = too_open(&self.path, mode_of(&metadata), self.access) {
            let or = if self.is_negotiable { ", or set database.password_file_access to any" } else { "" };
            return Err(self.refused(&format!("{why}{or}")));
        }
        let file = File::open(&self.path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(LONGEST as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        from_output(bytes).map_err(|why| self.refused(why))
    }

    fn refused(&self, why: &str) -> Error {
        Error::PasswordFileRefused { path: self.path.clone(), why: why.to_owned() }
    }
}

#[async_trait]
impl PasswordProvider for FilePassword {
    async fn password(&self) -> Result<Option<Secret>, BoxError> {
        Ok(Some(self.read()?))
    }
}

/// Why permissions are too wide, if they are.
fn too_open(path: &Path, mode: u32, access: FileAccess) -> Option<&'static str> {
    if access == FileAccess::Any {
        return None;
    }
    let mounted = MOUNTS.iter().any(|mount| path.starts_with(mount));
    if mode & 0o022 != 0 {
        Some("others may write it; chmod 0600 it")
    } else if mode & 0o004 != 0 && !mounted {
        Some("others may read it; chmod 0600 or 0640 it")
    } else {
        None
    }
}

#[cfg(unix)]
fn mode_of(metadata: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode()
}

/// Elsewhere permissions are not bits, and are not checked.
#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> u32 {
    0o600
}

#[cfg(test)]
mod tests {
    use super::too_open;
    use crate::FileAccess;
    use std::path::Path;

    #[test]
    fn permissions() {
        for (path, mode, access, refused) in [
            ("/etc/pw", 0o100_600, FileAccess::Private, false),
            ("/etc/pw", 0o100_640, FileAccess::Private, false),
            ("/etc/pw", 0o100_644, FileAccess::Private, true),
            ("/etc/pw", 0o100_620, FileAccess::Private, true),
            ("/etc/pw", 0o100_666, FileAccess::Any, false),
            ("/run/secrets/pw", 0o100_444, FileAccess::Private, false),
            ("/run/secrets/pw", 0o100_666, FileAccess::Private, true),
            ("/run/secretsx/pw", 0o100_444, FileAccess::Private, true),
        ] {
            assert_eq!(too_open(Path::new(path), mode, access).is_some(), refused, "{path} {mode:o}");
        }
    }
}
