//! Why there is no server, and what would get one.

use db_core::{Classify, Retry};
use std::{fmt, io, path::PathBuf, time::Duration};

/// A way to a server that was tried or could be: why it is closed, and the command that opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What it is: "native binaries", "container engine" …
    pub name: &'static str,
    /// Why it did not lead to a server.
    pub why: String,
    /// The command or setting that would open it.
    pub fix: String,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.name, self.why, self.fix)
    }
}

/// An error of finding or starting a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No way leads to a server on this machine.
    #[error("no {server} to run against{}", list(ways))]
    NoServer {
        /// `PostgreSQL` or `Redis`.
        server: &'static str,
        /// Each way, in the order in which they were tried.
        ways: Vec<Way>,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was to be done: "create", "read" …
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A program could not be started.
    #[error("cannot run {}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A program that prepares a server failed.
    #[error("{program} failed with {status}:\n{output}")]
    Failed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// What it wrote last.
        output: String,
    },
    /// The server ended while it was starting.
    #[error("{server} ended while starting ({status}); its log says:\n{log}")]
    Ended {
        /// `PostgreSQL` or `Redis`.
        server: &'static str,
        /// How it ended.
        status: String,
        /// The last lines of its log.
        log: String,
    },
    /// The server was not ready by the deadline.
    #[error("{server} was not ready within {waited:?}; its log says:\n{log}")]
    NotReady {
        /// `PostgreSQL` or `Redis`.
        server: &'static str,
        /// The deadline that passed.
        waited: Duration,
        /// The last lines of its log.
        log: String,
    },
    /// Something else listens on the port.
    #[error(
        "port {port} on 127.0.0.1 is taken by another program; choose another with --port, or stop that one"
    )]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// The data were written by another major version.
    #[error(
        "{} holds data of PostgreSQL {found}, and this machine has {}; install postgresql-{found}, or move that folder away to start anew",
        path.display(),
        versions(have)
    )]
    OtherMajor {
        /// The data folder.
        path: PathBuf,
        /// Its version.
        found: String,
        /// The versions at hand.
        have: Vec<u32>,
    },
    /// The data belong to another user.
    #[error(
        "{} belongs to user id {owner}, and the server would run as {account} (user id {uid}); run as its owner, or choose another folder with --data",
        path.display()
    )]
    ForeignOwner {
        /// The data folder.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Whom the server would run as.
        account: String,
        /// That user's id.
        uid: u32,
    },
    /// The folder is there, but holds something else than a cluster.
    #[error("{} is not empty and holds no PostgreSQL data; choose another folder with --data", path.display())]
    NotACluster {
        /// The folder.
        path: PathBuf,
    },
    /// Another process uses the data.
    #[error("{} is in use by process {owner}; stop it first, or choose another folder with --data", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process, where it left its id.
        owner: String,
    },
    /// The machine has no unprivileged user to run PostgreSQL as.
    #[error(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as; create one: useradd --system postgres"
    )]
    NoAccount,
    /// Our user id has no name, and PostgreSQL wants one.
    #[error(
        "PostgreSQL cannot run as user id {uid}, which has no entry in /etc/passwd; add one (useradd --uid {uid} cairn), or set DATABASE_URL to a running server"
    )]
    NoUserName {
        /// The user id.
        uid: u32,
    },
    /// The persistent folder is a symbolic link, so somebody else may say where the data go.
    #[error("{} is a symbolic link; name the folder that it points to with --data", path.display())]
    LinkedFolder {
        /// The link.
        path: PathBuf,
    },
    /// The persistent folder belongs to somebody who could replace its files.
    #[error(
        "{} belongs to user id {owner}, and this process runs as user id {uid}; run as its owner, or choose another folder with --data",
        path.display()
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Whom this process runs as.
        uid: u32,
    },
    /// There are data that the server's user cannot reach any more.
    #[error(
        "{} holds data, and user {account} cannot enter it; let others pass: chmod o+x on it and the folders above it",
        path.display()
    )]
    CannotEnter {
        /// The folder.
        path: PathBuf,
        /// Whom the server would run as.
        account: String,
    },
}

impl Classify for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotReady { .. } => Retry::Safe,
            _ => Retry::Never,
        }
    }
}

fn list(ways: &[Way]) -> String {
    ways.iter().map(|way| format!("\n  - {way}")).collect()
}

fn versions(have: &[u32]) -> String {
    if have.is_empty() {
        return "none".to_owned();
    }
    have.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
