//! What the caller wants: which mode, where, and what may be done to get there.

use crate::Search;
use db_core::Secret;
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

/// What becomes of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Thrown away at the end; written without fsync. For tests and benches.
    Ephemeral,
    /// Kept in this folder, and written durably.
    Persistent(PathBuf),
}

/// Whether a missing server may be installed by the platform's package manager. It is done only where no password is
/// needed: as root, or by `sudo -n`.
#[derive(Clone)]
pub enum InstallPolicy {
    /// Never.
    Refuse,
    /// Without asking; the report says what is run.
    Allow,
    /// When this answers yes to the command that would be run.
    Ask(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl InstallPolicy {
    pub(crate) fn permits(&self, command: &str) -> bool {
        match self {
            Self::Refuse => false,
            Self::Allow => true,
            Self::Ask(ask) => ask(command),
        }
    }
}

impl fmt::Debug for InstallPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "Refuse",
            Self::Allow => "Allow",
            Self::Ask(_) => "Ask",
        })
    }
}

/// Told, in one line, what is about to happen: an install, a download, a folder moved.
pub type Report = Arc<dyn Fn(&str) + Send + Sync>;

/// How to find or start a server.
#[derive(Clone)]
pub struct Options {
    pub(crate) mode: Mode,
    pub(crate) url: Option<Secret>,
    pub(crate) tcp: Tcp,
    pub(crate) start_timeout: Duration,
    pub(crate) search: Search,
    pub(crate) install: InstallPolicy,
    pub(crate) report: Report,
}

/// Whether the server listens on a TCP port of 127.0.0.1 besides its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tcp {
    Off,
    Free,
    Port(u16),
}

impl Options {
    /// In this mode, with the system's programs, 30 s to start, nothing installed, and a socket but no port.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self {
            mode,
            url: None,
            tcp: Tcp::Off,
            start_timeout: Duration::from_secs(30),
            search: Search::system(),
            install: InstallPolicy::Refuse,
            report: Arc::new(|line| tracing::info!("{line}")),
        }
    }

    /// Uses this server instead of starting one.
    #[must_use]
    pub fn url(mut self, url: Secret) -> Self {
        self.url = Some(url);
        self
    }

    /// Also listens on a free port of 127.0.0.1, with a password.
    #[must_use]
    pub fn any_port(mut self) -> Self {
        self.tcp = Tcp::Free;
        self
    }

    /// Also listens on this port of 127.0.0.1, with a password.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.tcp = Tcp::Port(port);
        self
    }

    /// How long the server may take to be ready.
    #[must_use]
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Where to look for programs.
    #[must_use]
    pub fn search(mut self, search: Search) -> Self {
        self.search = search;
        self
    }

    /// Whether a missing server may be installed.
    #[must_use]
    pub fn install(mut self, policy: InstallPolicy) -> Self {
        self.install = policy;
        self
    }

    /// Who is told what is about to happen; by default the `tracing` log.
    #[must_use]
    pub fn report(mut self, report: Report) -> Self {
        self.report = report;
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("mode", &self.mode)
            .field("url", &self.url)
            .field("tcp", &self.tcp)
            .field("start_timeout", &self.start_timeout)
            .field("install", &self.install)
            .finish_non_exhaustive()
    }
}
