//! Whom a server runs as: PostgreSQL refuses root, so root steps down to an unprivileged user.

use crate::Error;
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, lchown},
        process::CommandExt,
    },
    path::Path,
    process::Command,
};

/// A user to run a server as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Who the server will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunAs {
    /// We are nobody special: the server runs as we do.
    Ourselves(Account),
    /// We are root: it runs as somebody else.
    Other(Account),
}

impl RunAs {
    /// Decides for this process.
    pub(crate) fn detect() -> Result<Self, Error> {
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        Self::choose(rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw(), &users)
    }

    /// `postgres` before `nobody`, for root; else whoever we are.
    fn choose(uid: u32, gid: u32, passwd: &str) -> Result<Self, Error> {
        if uid != 0 {
            let name = find(passwd, |account| account.uid == uid).map(|account| account.name);
            return Ok(Self::Ourselves(Account { name: name.unwrap_or_else(|| uid.to_string()), uid, gid }));
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| find(passwd, |account| account.name == name && account.uid != 0))
            .map(Self::Other)
            .ok_or(Error::NoAccount)
    }

    pub(crate) fn account(&self) -> &Account {
        match self {
            Self::Ourselves(account) | Self::Other(account) => account,
        }
    }

    /// Makes the command run as this user.
    pub(crate) fn apply(&self, command: &mut Command) {
        if let Self::Other(account) = self {
            command.uid(account.uid).gid(account.gid);
        }
    }

    /// Whether this user can reach the folder: every folder above it lets others pass.
    pub(crate) fn can_enter(&self, folder: &Path) -> bool {
        let Self::Other(account) = self else { return true };
        folder.ancestors().all(|ancestor| {
            fs::metadata(ancestor).is_ok_and(|data| {
                let mode = data.permissions().mode();
                mode & 0o001 != 0 || (data.uid() == account.uid && mode & 0o100 != 0)
            })
        })
    }

    /// Gives a file or folder to this user; of a link, the link itself.
    pub(crate) fn give(&self, path: &Path) -> Result<(), Error> {
        let Self::Other(account) = self else { return Ok(()) };
        lchown(path, Some(account.uid), Some(account.gid)).map_err(|source| Error::File {
            action: "change the owner of",
            path: path.to_owned(),
            source,
        })
    }
}

fn find(passwd: &str, wanted: impl Fn(&Account) -> bool) -> Option<Account> {
    passwd
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            Some(Account { name, uid, gid })
        })
        .find(wanted)
}

#[cfg(test)]
mod tests {
    use super::{Account, RunAs};

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\nann:x:1000:1000::/:/bin/sh\n";

    #[test]
    fn root_steps_down_and_others_stay() {
        let nobody = Account { name: "nobody".to_owned(), uid: 65534, gid: 65534 };
        assert_eq!(RunAs::choose(0, 0, PASSWD).expect("nobody is there"), RunAs::Other(nobody));

        let with_postgres = format!("{PASSWD}postgres:x:101:104::/var/lib/postgresql:/bin/bash\n");
        assert_eq!(RunAs::choose(0, 0, &with_postgres).expect("there").account().uid, 101);

        let ann = RunAs::choose(1000, 1000, PASSWD).expect("herself");
        assert_eq!(ann, RunAs::Ourselves(Account { name: "ann".to_owned(), uid: 1000, gid: 1000 }));

        assert!(RunAs::choose(0, 0, "root:x:0:0::/root:/bin/bash\n").is_err());
    }
}
