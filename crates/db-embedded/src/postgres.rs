//! PostgreSQL: given, found, or started.

use crate::{
    Error, Mode, Options, Origin, Way,
    account::RunAs,
    binaries::{Binaries, OLDEST_MAJOR, Search},
    cluster::{self, Cluster, Durability},
    guardian::Guardian,
    home::{Home, Running},
    install,
    port::with_port,
    scratch::{self, Scratch},
};
use db_core::Secret;
use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// A server to run against. Dropping it stops what it started and waits for that; [`Postgres::stop`] does the same
/// without blocking a runtime's thread.
pub struct Postgres {
    url: Secret,
    tcp_url: Option<Secret>,
    origin: Origin,
    pid: Option<u32>,
    server: Option<Started>,
}

/// What keeps a server alive, in the order in which it is let go.
enum Started {
    Scratch {
        guardian: Guardian,
        folder: Scratch,
    },
    Kept {
        guardian: Guardian,
        home: Home,
        _socket: Scratch,
        _lock: File,
    },
    #[cfg(feature = "containers")]
    Container(Box<crate::container::Container>),
}

impl Postgres {
    /// Finds or starts a server.
    ///
    /// # Errors
    /// [`Error::NoServer`] when no way leads to one; else what kept the way that was taken from working. Nothing is
    /// left half-made.
    ///
    /// # Cancel safety
    /// A dropped future stops the server as soon as it is up.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(options: Options) -> Result<Self, Error> {
        match tokio::task::spawn_blocking(move || Self::start_blocking(&options)).await {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// The same for callers without a runtime; it blocks until the server is ready.
    ///
    /// # Errors
    /// Those of [`Postgres::start`].
    pub fn start_blocking(options: &Options) -> Result<Self, Error> {
        if let Some(url) = &options.url {
            return Ok(Self {
                url: url.clone(),
                tcp_url: None,
                origin: Origin::Given,
                pid: None,
                server: None,
            });
        }
        let missing = Way {
            name: "native binaries",
            why: format!("no PostgreSQL from {OLDEST_MAJOR} on PATH or in the distribution's folders"),
            fix: "install PostgreSQL from https://www.postgresql.org/download".to_owned(),
        };
        let find = || Some(options.search.postgres()).filter(|found| !found.is_empty());
        match install::find_or_install("PostgreSQL", missing, options, find) {
            Ok(found) => Self::native(options, &found),
            Err(closed) => {
                let given = Way {
                    name: "a given URL",
                    why: "none was given".to_owned(),
                    fix: "set DATABASE_URL=postgresql://user:password@host/database".to_owned(),
                };
                Self::elsewhere(options, std::iter::once(given).chain(closed).collect())
            }
        }
    }

    /// The URL over the socket of a started server, which holds no password, or the one that was given, which may.
    #[must_use]
    pub fn url(&self) -> &Secret {
        &self.url
    }

    /// The URL over TCP with its password, where a port was asked for.
    #[must_use]
    pub fn tcp_url(&self) -> Option<&Secret> {
        self.tcp_url.as_ref()
    }

    /// Where the server comes from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The server's process, where this handle started it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Stops the server, if this handle started it. After [`Mode::Ephemeral`] the data are gone.
    ///
    /// # Cancel safety
    /// The server stops also when the future is dropped.
    pub async fn stop(self) {
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }

    /// Stops an ephemeral server and leaves its folder behind, for a person to look at; `None` for any other server.
    #[must_use]
    pub fn stop_and_keep(mut self) -> Option<PathBuf> {
        match self.server.take() {
            Some(Started::Scratch { guardian, folder }) => {
                drop(guardian);
                Some(folder.keep())
            }
            other => {
                self.server = other;
                None
            }
        }
    }

    /// Removes the data of a persistent folder, so that the next start is from nothing.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process uses them.
    pub fn wipe(folder: &Path) -> Result<(), Error> {
        if !folder.exists() {
            return Ok(());
        }
        let home = Home::open(folder, &RunAs::detect()?)?;
        let _lock = home.lock_soon()?;
        home.withdraw();
        cluster::remove(&home.data)
    }

    fn native(options: &Options, found: &[Binaries]) -> Result<Self, Error> {
        let run_as = RunAs::detect()?;
        clear_abandoned(&found[0], &run_as, &options.search);
        match &options.mode {
            Mode::Ephemeral => Self::ephemeral(options, &found[0], &run_as),
            Mode::Persistent(folder) => Self::persistent(options, found, &run_as, folder),
        }
    }

    fn ephemeral(options: &Options, binaries: &Binaries, run_as: &RunAs) -> Result<Self, Error> {
        let folder = Scratch::new(run_as)?;
        let path = folder.path().to_owned();
        let (data, log) = (path.join("data"), path.join("postgres.log"));
        let password = cluster::new_password();
        let (guardian, port) = with_port(options.tcp, |port| {
            let cluster = Cluster {
                binaries,
                run_as,
                data: &data,
                socket: &path,
                log: &log,
                durability: Durability::ThrownAway,
                search: &options.search,
                port,
            };
            if !data.exists() {
                cluster.init(&password)?;
            }
            cluster.start(options.start_timeout)
        })?;
        Ok(Self {
            url: Secret::new(cluster::socket_url(&path, port)),
            tcp_url: port.map(|port| Secret::new(cluster::tcp_url(&password, port))),
            origin: Origin::Native { major: binaries.major, folder: binaries.folder.clone() },
            pid: Some(guardian.pid),
            server: Some(Started::Scratch { guardian, folder }),
        })
    }

    fn persistent(
        options: &Options,
        found: &[Binaries],
        run_as: &RunAs,
        folder: &Path,
    ) -> Result<Self, Error> {
        let home = Home::open(folder, run_as)?;
        let deadline = Instant::now() + options.start_timeout;
        let lock = loop {
            if let Some(lock) = home.lock()? {
                break lock;
            }
            if let Some(running) = home.running() {
                return Ok(Self {
                    url: Secret::new(running.url),
                    tcp_url: running.tcp_url.map(Secret::new),
                    origin: Origin::Joined { owner: running.owner },
                    pid: None,
                    server: None,
                });
            }
            if Instant::now() >= deadline {
                return Err(Error::InUse { path: folder.to_owned(), owner: home.owner() });
            }
            thread::sleep(Duration::from_millis(20));
        };
        home.withdraw();
        let binaries = choose(found, home.data_version(run_as)?.as_deref(), &home.data)?;
        home.prepare(run_as, &options.report)?;
        let socket = Scratch::new(run_as)?;
        let log = home.log();
        let (guardian, port) = with_port(options.tcp, |port| {
            let cluster = Cluster {
                binaries,
                run_as,
                data: &home.data,
                socket: socket.path(),
                log: &log,
                durability: Durability::Kept,
                search: &options.search,
                port,
            };
            if home.data.exists() {
                cluster.clear_unfinished()?;
                cluster.stop_leftover();
            } else {
                let password = cluster::new_password();
                home.set_password(&password)?;
                cluster.init(&password)?;
            }
            cluster.start(options.start_timeout)
        })?;
        let url = cluster::socket_url(socket.path(), port);
        let tcp_url = match port {
            Some(port) => Some(cluster::tcp_url(&home.password()?, port)),
            None => None,
        };
        home.announce(&Running {
            owner: std::process::id(),
            url: url.clone(),
            tcp_url: tcp_url.clone(),
            socket: socket.path().join(format!(".s.PGSQL.{}", port.unwrap_or(5432))),
        })?;
        Ok(Self {
            url: Secret::new(url),
            tcp_url: tcp_url.map(Secret::new),
            origin: Origin::Native { major: binaries.major, folder: binaries.folder.clone() },
            pid: Some(guardian.pid),
            server: Some(Started::Kept { guardian, home, _socket: socket, _lock: lock }),
        })
    }

    /// The ways that need no native binaries on this machine.
    fn elsewhere(options: &Options, mut ways: Vec<Way>) -> Result<Self, Error> {
        #[cfg(feature = "containers")]
        match crate::container::postgres(options) {
            Ok(container) => {
                return Ok(Self {
                    url: Secret::new(container.url.clone()),
                    tcp_url: Some(Secret::new(container.url.clone())),
                    origin: Origin::Container { image: container.image.clone() },
                    pid: None,
                    server: Some(Started::Container(Box::new(container))),
                });
            }
            Err(way) => ways.push(way),
        }
        #[cfg(not(feature = "containers"))]
        ways.push(Way {
            name: "a container engine",
            why: "this build does not use one".to_owned(),
            fix: "build with --features containers".to_owned(),
        });
        #[cfg(feature = "download")]
        match crate::download::postgres(options) {
            Ok(binaries) => return Self::native(options, &[binaries]),
            Err(way) => ways.push(way),
        }
        #[cfg(not(feature = "download"))]
        ways.push(Way {
            name: "a downloaded build",
            why: "this build does not fetch one".to_owned(),
            fix: "build with --features download".to_owned(),
        });
        let _ = options;
        Err(Error::NoServer { server: "PostgreSQL", ways })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        match self.server.take() {
            // First the server, then its folders: it writes to them until it has ended.
            Some(Started::Scratch { guardian, folder }) => {
                drop(guardian);
                drop(folder);
            }
            Some(Started::Kept { guardian, home, .. }) => {
                home.withdraw();
                drop(guardian);
            }
            #[cfg(feature = "containers")]
            Some(Started::Container(container)) => drop(container),
            None => {}
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("origin", &self.origin)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// The newest binaries for new data, the same major version for old.
fn choose<'a>(found: &'a [Binaries], version: Option<&str>, data: &Path) -> Result<&'a Binaries, Error> {
    let Some(version) = version else { return Ok(&found[0]) };
    found.iter().find(|binaries| binaries.major.to_string() == version).ok_or_else(|| Error::OtherMajor {
        path: data.to_owned(),
        found: version.to_owned(),
        have: found.iter().map(|binaries| binaries.major).collect(),
    })
}

/// Stops the servers and removes the folders that killed processes have left behind.
fn clear_abandoned(binaries: &Binaries, run_as: &RunAs, search: &Search) {
    for folder in scratch::abandoned(run_as) {
        let data = folder.path.join("data");
        let cluster = Cluster {
            binaries,
            run_as,
            data: &data,
            socket: &folder.path,
            log: &folder.path,
            durability: Durability::ThrownAway,
            search,
            port: None,
        };
        cluster.stop_leftover();
        tracing::debug!(path = %folder.path.display(), "cleared away after a killed process");
        folder.remove();
    }
}
