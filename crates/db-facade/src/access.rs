//! Access rules of a handle: from the file that the configuration names to a guard on the pool.

use crate::{Database, Error};
use db_config::{AccessMode, Config};
use db_core::AuditSink;
use db_pool::Pool;
use db_security::access::{
    Error as RulesError, Guard, GuardError, GuardOptions, Guarded, Mode, Rules, Subject,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// The rules that are in force, and where they come from.
#[derive(Debug)]
pub(crate) struct Access {
    guard: Guard,
    path: PathBuf,
}

impl Access {
    /// `None` where the mode is off.
    pub(crate) async fn open(
        config: &Config,
        pool: &Pool,
        sink: Option<Arc<dyn AuditSink>>,
    ) -> Result<Option<Self>, Error> {
        let mode = match config.access.mode {
            AccessMode::Off => return Ok(None),
            AccessMode::Observe => Mode::Observe,
            // The strictest, also for a mode that a later version may add.
            _ => Mode::Enforce,
        };
        let path = access_source(config).ok_or(Error::NoAccess)?.to_owned();
        let mut options = GuardOptions::new(mode);
        if let Some(sink) = sink {
            options.sink = sink;
        }
        let rules = read(&path).await?;
        let opened = Guard::open(pool, options, &rules).await;
        let guard = opened.map_err(|error| unfit(&path, error))?;
        Ok(Some(Self { guard, path }))
    }
}

/// The file of access rules that the configuration names.
#[must_use]
pub fn access_source(config: &Config) -> Option<&Path> {
    config.access.rules.as_deref()
}

/// Reads a file of access rules: JSON where its name ends in `.json`, else TOML.
///
/// # Errors
/// [`Error::AccessFile`] where it cannot be read, [`Error::Access`] where it holds no rules.
pub fn access_rules(path: &Path) -> Result<Rules, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::AccessFile { path: path.to_owned(), source })?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let read = if is_json { Rules::from_json(&text) } else { Rules::from_toml(&text) };
    read.map_err(|error: RulesError| unfit(path, error.into()))
}

async fn read(path: &Path) -> Result<Rules, Error> {
    let path = path.to_owned();
    let at = path.clone();
    match tokio::task::spawn_blocking(move || access_rules(&at)).await {
        Ok(rules) => rules,
        Err(error) => Err(Error::AccessFile { path, source: std::io::Error::other(error) }),
    }
}

fn unfit(path: &Path, source: GuardError) -> Error {
    match source {
        GuardError::Pool(error) => Error::Pool(error),
        source => Error::Access { path: path.to_owned(), source: Box::new(source) },
    }
}

impl Database {
    /// The guard of the access rules; `None` where `access.mode` is off.
    #[must_use]
    pub fn guard(&self) -> Option<&Guard> {
        self.access.as_ref().map(|access| &access.guard)
    }

    /// A handle that runs statements on behalf of a subject, held to the access rules.
    ///
    /// ```no_run
    /// # async fn example(db: &db_facade::Database) -> Result<(), Box<dyn std::error::Error>> {
    /// use db_facade::{db_query::{Select, col}, db_security::access::Subject};
    ///
    /// let ann = db.as_subject(&Subject::new("agent").with("tenant", "acme")?)?.actor("ann")?;
    /// let open = Select::from("tasks").columns(["title"]).filter(col("status").eq("pending")).build()?;
    /// let titles: Vec<(String,)> = ann.run(&open).all().await?;
    /// # drop(titles); Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoAccess`] where the mode is off, so that nobody takes a handle without rules for one with them;
    /// [`Error::Pool`] for what no session can carry.
    pub fn as_subject(&self, subject: &Subject) -> Result<Guarded, Error> {
        let access = self.access.as_ref().ok_or(Error::NoAccess)?;
        access.guard.subject(subject).map_err(|error| unfit(&access.path, error))
    }

    /// Reads the file of access rules and the tables of the database anew: after either has changed. After an error the
    /// rules count that did before.
    ///
    /// # Errors
    /// [`Error::NoAccess`] where the mode is off; [`Error::AccessFile`] and [`Error::Access`] as when the handle was built.
    ///
    /// # Cancel safety
    /// Dropped, it has changed nothing.
    pub async fn reload_access(&self) -> Result<(), Error> {
        let access = self.access.as_ref().ok_or(Error::NoAccess)?;
        let rules = read(&access.path).await?;
        access.guard.reload(&rules).await.map_err(|error| unfit(&access.path, error))
    }
}
