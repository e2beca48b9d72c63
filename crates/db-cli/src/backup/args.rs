//! The command line of `db backup`.

use crate::args::DatabaseArgs;
use clap::{Args, Subcommand, ValueEnum};
use db_migrate::backup::{Compression, CreateOptions, RestoreOptions, ToolSearch};
use std::{num::NonZeroU32, path::PathBuf, time::Duration};

pub(crate) const HELP: &str = "Examples:\n  db backup create --verify\n  db backup verify\n  \
    db backup restore app_20260102T030405678Z --into app_yesterday\n  db backup restore latest --replace --yes\n  \
    db backup prune --keep-last 7 --keep-days 30\n\nA backup is a folder: what pg_dump wrote, and a manifest with the rows and a \
    hash of each table and the SHA-256 of each file. It is proved by restoring it into a scratch database and comparing.\n\n\
    Exit codes: 0 done; 1 failed; 2 usage; 3 the answer is no (verify: the backup is damaged or not what was backed up; \
    list: there is none that could be restored); 130 stopped by Ctrl-C.";

#[derive(Args, Clone, Debug)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    pub(crate) action: BackupAction,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BackupAction {
    /// Make a backup of the database
    Create(CreateArgs),
    /// Show the backups; exit code 3 when none could be restored
    List(FolderArgs),
    /// Prove a backup: restore it into a scratch database, and compare; exit code 3 when it is not what was backed up
    Verify(VerifyArgs),
    /// Restore a backup into a new database, prove that, and put it in the place of the old one where that is asked for
    Restore(RestoreArgs),
    /// Remove backups that need not be kept
    Prune(PruneArgs),
}

/// Where the backups are.
#[derive(Args, Clone, Debug)]
pub(crate) struct FolderArgs {
    /// Folder of the backups
    #[arg(long, value_name = "DIR", default_value = "backups")]
    pub(crate) dir: PathBuf,
}

/// By which programs.
#[derive(Args, Clone, Debug)]
pub(crate) struct ToolArgs {
    /// Processes and sessions at once; as many as there are processors, at most 8, unless given
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroU32>,
    /// Folder of PostgreSQL's programs; where distributions keep them unless given
    #[arg(long, value_name = "DIR")]
    tools: Option<PathBuf>,
}

impl ToolArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.jobs.is_some() || self.tools.is_some()
    }

    fn search(&self) -> ToolSearch {
        self.tools.as_ref().map_or_else(ToolSearch::default, |folder| ToolSearch::only(vec![folder.clone()]))
    }

    pub(crate) fn restore_options(&self) -> RestoreOptions {
        let mut options = RestoreOptions::default();
        options.tools = self.search();
        options.jobs = self.jobs.unwrap_or(options.jobs);
        options
    }

    pub(crate) fn create_options(&self) -> CreateOptions {
        let mut options = CreateOptions::default();
        options.tools = self.search();
        options.jobs = self.jobs.unwrap_or(options.jobs);
        options
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
    /// Time or space
    #[arg(long, value_enum, default_value = "fast")]
    compression: Level,
    /// Table whose rows are left out, as in public.events; its definition is saved
    #[arg(long = "exclude-table-data", value_name = "TABLE")]
    exclude: Vec<String>,
    /// How long to wait for a table whose definition somebody changes
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = crate::args::duration)]
    lock_timeout: Duration,
    /// Restore it into a scratch database at once, and compare
    #[arg(long)]
    pub(crate) verify: bool,
}

impl CreateArgs {
    pub(crate) fn options(&self) -> CreateOptions {
        let mut options = self.tools.create_options();
        options.compression = match self.compression {
            Level::None => Compression::None,
            Level::Fast => Compression::Fast,
            Level::Small => Compression::Small,
        };
        options.exclude_table_data.clone_from(&self.exclude);
        options.lock_timeout = self.lock_timeout;
        options
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    None,
    Fast,
    Small,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct VerifyArgs {
    /// Name of the backup, or `latest`
    #[arg(default_value = "latest")]
    pub(crate) backup: String,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
    /// Only see that the files are as they were written; asks no server
    #[arg(long)]
    pub(crate) files_only: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RestoreArgs {
    /// Name of the backup, or `latest`
    pub(crate) backup: String,
    #[command(flatten)]
    pub(crate) to: PlaceArgs,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
    /// End the sessions of the database that is replaced
    #[arg(long, requires = "replace")]
    pub(crate) end_sessions: bool,
    /// Do not ask
    #[arg(long, short, requires = "replace")]
    pub(crate) yes: bool,
}

/// Where a backup goes.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct PlaceArgs {
    /// A new database of this name
    #[arg(long, value_name = "DATABASE")]
    pub(crate) into: Option<String>,
    /// The place of the configured database, which is kept under another name
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    pub(crate) folder: FolderArgs,
    /// Keep so many of the newest that could be restored
    #[arg(long, value_name = "N", default_value = "7")]
    pub(crate) keep_last: NonZeroU32,
    /// Keep what is not older than so many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    pub(crate) keep_days: u32,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
