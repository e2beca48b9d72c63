//! The folder of a persistent cluster: who may use it, where its data really are, and who runs its server now.

use crate::{
    Error,
    account::RunAs,
    cluster::{file, write_private},
    scratch,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

/// Where data go when the server's user cannot enter the folder that was asked for.
const ELSEWHERE: &str = "/var/lib/cairn";

/// A persistent folder and its parts.
pub(crate) struct Home {
    folder: PathBuf,
    /// The cluster's data.
    pub(crate) data: PathBuf,
}

/// What the owner of a running server tells others.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Running {
    pub(crate) owner: u32,
    pub(crate) url: String,
    pub(crate) tcp_url: Option<String>,
    pub(crate) socket: PathBuf,
}

impl Home {
    /// Makes the folder where there is none.
    pub(crate) fn open(folder: &Path, run_as: &RunAs) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(file("create", folder))?;
        let folder = folder.canonicalize().map_err(file("enter", folder))?;
        let here = folder.join("postgres");
        let data = if can_enter(&folder, run_as) { here } else { elsewhere(&folder)? };
        Ok(Self { folder, data })
    }

    /// Whether the data are not under the folder that was asked for.
    pub(crate) fn is_elsewhere(&self) -> bool {
        !self.data.starts_with(&self.folder)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// Takes the folder for this process, until the file is dropped; `None` when another process has it.
    pub(crate) fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.folder.join("lock");
        scratch::lock(&path).map_err(file("lock", &path))
    }

    /// What the process that has the folder says, once its server answers.
    pub(crate) fn running(&self) -> Option<Running> {
        let text = fs::read_to_string(self.record()).ok()?;
        let running: Running = serde_json::from_str(&text).ok()?;
        UnixStream::connect(&running.socket).ok()?;
        Some(running)
    }

    /// Who has the folder, as far as is known.
    pub(crate) fn owner(&self) -> String {
        let text = fs::read_to_string(self.record()).ok();
        let running: Option<Running> = text.and_then(|text| serde_json::from_str(&text).ok());
        running.map_or_else(|| "unknown".to_owned(), |running| running.owner.to_string())
    }

    pub(crate) fn announce(&self, running: &Running) -> Result<(), Error> {
        let path = self.record();
        let text = serde_json::to_string_pretty(running).unwrap_or_default();
        let unnamed = path.with_extension("new");
        write_private(&unnamed, &text)
            .and_then(|()| fs::rename(&unnamed, &path))
            .map_err(file("write", &path))
    }

    pub(crate) fn withdraw(&self) {
        let _ = fs::remove_file(self.record());
    }

    /// The superuser's password, made with the cluster.
    pub(crate) fn password(&self) -> Result<String, Error> {
        let path = self.folder.join("password");
        fs::read_to_string(&path).map_err(file("read", &path))
    }

    pub(crate) fn set_password(&self, password: &str) -> Result<(), Error> {
        let path = self.folder.join("password");
        write_private(&path, password).map_err(file("write", &path))
    }

    /// The data's major version; `None` when there are no data yet.
    ///
    /// # Errors
    /// A folder of another user, or one that is no cluster.
    pub(crate) fn data_version(&self, run_as: &RunAs) -> Result<Option<String>, Error> {
        let Ok(metadata) = fs::metadata(&self.data) else { return Ok(None) };
        let account = run_as.account();
        if metadata.uid() != account.uid {
            return Err(Error::ForeignOwner {
                path: self.data.clone(),
                owner: metadata.uid(),
                account: account.name.clone(),
                uid: account.uid,
            });
        }
        match fs::read_to_string(self.data.join("PG_VERSION")) {
            Ok(version) => Ok(Some(version.trim().to_owned())),
            Err(_) => Err(Error::NotACluster { path: self.data.clone() }),
        }
    }

    fn record(&self) -> PathBuf {
        self.folder.join("server.json")
    }
}

/// Whether the server's user can reach the folder: every folder above it lets others pass.
fn can_enter(folder: &Path, run_as: &RunAs) -> bool {
    let RunAs::Other(account) = run_as else { return true };
    folder.ancestors().all(|ancestor| {
        fs::metadata(ancestor).is_ok_and(|data| {
            let mode = data.permissions().mode();
            mode & 0o001 != 0 || (data.uid() == account.uid && mode & 0o100 != 0)
        })
    })
}

/// A folder of its own for each folder that was asked for.
fn elsewhere(folder: &Path) -> Result<PathBuf, Error> {
    // A hash that stays the same from one release to the next, or the data would be lost from sight.
    let digest = Sha256::digest(folder.as_os_str().as_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let parent = Path::new(ELSEWHERE).join(name);
    fs::create_dir_all(&parent).map_err(file("create", &parent))?;
    Ok(parent.join("postgres"))
}

#[cfg(test)]
mod tests {
    use super::Home;
    use crate::{
        Error,
        account::{Account, RunAs},
    };

    fn us() -> Account {
        RunAs::Ourselves(Account { name: "us".to_owned(), uid: rustix::process::geteuid().as_raw(), gid: 0 })
            .account()
            .clone()
    }

    #[test]
    fn data_of_another_user_are_refused() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let ours = RunAs::Ourselves(us());
        let home = Home::open(folder.path(), &ours).expect("opened");
        assert!(matches!(home.data_version(&ours), Ok(None)));
        std::fs::create_dir(&home.data).expect("made");
        assert!(matches!(home.data_version(&ours), Err(Error::NotACluster { .. })));
        let other = RunAs::Ourselves(Account { uid: us().uid + 1, ..us() });
        assert!(matches!(home.data_version(&other), Err(Error::ForeignOwner { .. })));
    }

    #[test]
    fn a_folder_has_one_owner() {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let home = Home::open(folder.path(), &RunAs::Ourselves(us())).expect("opened");
        let lock = home.lock().expect("a lock file");
        assert!(lock.is_some());
        assert!(home.lock().expect("a lock file").is_none());
        drop(lock);
        assert!(home.lock().expect("a lock file").is_some());
    }
}
