//! The folder of a persistent cluster: who may use it, where its data really are, and who runs its server now.

use crate::{Error, Report, account::RunAs, cluster::file, private, scratch};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    os::unix::{ffi::OsStrExt, fs::MetadataExt, net::UnixStream},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long the lock of an owner that is leaving may last.
const LEAVING: Duration = Duration::from_secs(2);
/// Where data go when the server's user cannot enter the folder that was asked for.
const ELSEWHERE: &str = "/var/lib/cairn";

/// A persistent folder and its parts.
pub(crate) struct Home {
    folder: PathBuf,
    /// The cluster's data.
    pub(crate) data: PathBuf,
}

/// What the owner of a running server tells others; no `Debug`, since the URL over TCP holds the password.
#[derive(Deserialize, Serialize)]
pub(crate) struct Running {
    pub(crate) owner: u32,
    pub(crate) url: String,
    pub(crate) tcp_url: Option<String>,
    pub(crate) socket: PathBuf,
}

impl Home {
    /// Makes the folder where there is none. Data stay where an earlier start has put them; new ones go elsewhere when
    /// the server's user cannot enter the folder.
    ///
    /// # Errors
    /// A folder that is a link or another user's, and data that the server's user cannot reach any more.
    pub(crate) fn open(folder: &Path, run_as: &RunAs) -> Result<Self, Error> {
        let folder = trusted(folder)?;
        let here = folder.join("postgres");
        let data = match run_as {
            RunAs::Ourselves(_) => here,
            RunAs::Other(account) => {
                let (away, can_enter) = (elsewhere(&folder), run_as.can_enter(&folder));
                if has_data(&away) || (!can_enter && !has_data(&here)) {
                    away
                } else if can_enter {
                    here
                } else {
                    return Err(Error::CannotEnter { path: folder, account: account.name.clone() });
                }
            }
        };
        Ok(Self { folder, data })
    }

    /// Makes the folder that the data folder goes into, and says where that is when it is not where it was asked for.
    pub(crate) fn prepare(&self, run_as: &RunAs, report: &Report) -> Result<(), Error> {
        let parent = self.data.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent).map_err(file("create", parent))?;
        if parent != self.folder {
            let (user, folder, data) = (&run_as.account().name, self.folder.display(), self.data.display());
            report(&if has_data(&self.data) {
                format!("the data of {folder} are in {data}, where an earlier start has put them")
            } else {
                format!("user {user} cannot enter {folder}: the data go to {data}")
            });
        }
        Ok(())
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("postgres.log")
    }

    /// Takes the folder for this process, until the file is dropped; `None` when another process has it.
    pub(crate) fn lock(&self) -> Result<Option<File>, Error> {
        let path = self.folder.join("lock");
        scratch::lock(&path).map_err(file("lock", &path))
    }

    /// The same, but waits a moment for an owner that is leaving: it has told that it is no more, and its lock ends a
    /// little later. A child that another thread is just starting holds every lock of this process until its `exec`.
    ///
    /// # Errors
    /// [`Error::InUse`] when the owner stays.
    pub(crate) fn lock_soon(&self) -> Result<File, Error> {
        let deadline = Instant::now() + LEAVING;
        loop {
            if let Some(lock) = self.lock()? {
                return Ok(lock);
            }
            if self.running().is_some() || Instant::now() >= deadline {
                return Err(Error::InUse { path: self.folder.clone(), owner: self.owner() });
            }
            thread::sleep(Duration::from_millis(5));
        }
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
        private::write(&path, &text).map_err(file("write", &path))
    }

    pub(crate) fn withdraw(&self) {
        let _ = fs::remove_file(self.record());
    }

    /// The superuser's password, made with the cluster and kept beside its data.
    pub(crate) fn password(&self) -> Result<String, Error> {
        let path = self.password_file();
        fs::read_to_string(&path)
            // Earlier releases kept it here, wherever the data were.
            .or_else(|error| fs::read_to_string(self.folder.join("password")).map_err(|_| error))
            .map_err(file("read", &path))
    }

    pub(crate) fn set_password(&self, password: &str) -> Result<(), Error> {
        let path = self.password_file();
        private::write(&path, password).map_err(file("write", &path))
    }

    fn password_file(&self) -> PathBuf {
        self.data.with_file_name("password")
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

/// The folder's real path, made where there is none. Others must not be able to say what is in it.
fn trusted(folder: &Path) -> Result<PathBuf, Error> {
    // Collected from its parts it has no slash at its end, which would follow a link.
    let folder: PathBuf = folder.components().collect();
    if fs::symlink_metadata(&folder).is_err() {
        fs::create_dir_all(&folder).map_err(file("create", &folder))?;
    }
    let data = fs::symlink_metadata(&folder).map_err(file("enter", &folder))?;
    if data.is_symlink() {
        return Err(Error::LinkedFolder { path: folder });
    }
    let uid = rustix::process::geteuid().as_raw();
    if data.uid() != uid {
        return Err(Error::ForeignFolder { path: folder, owner: data.uid(), uid });
    }
    folder.canonicalize().map_err(file("enter", &folder))
}

fn has_data(folder: &Path) -> bool {
    folder.join("PG_VERSION").exists()
}

/// A place of its own for the data of each folder that was asked for.
fn elsewhere(folder: &Path) -> PathBuf {
    // A hash that stays the same from one release to the next, or the data would be lost from sight.
    let digest = Sha256::digest(folder.as_os_str().as_bytes());
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    Path::new(ELSEWHERE).join(name).join("postgres")
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
