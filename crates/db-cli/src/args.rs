//! The command line.

use crate::{demo, output::Format};
use clap::{Args, Parser, Subcommand};
use db_core::Secret;
use std::{num::NonZeroU32, path::PathBuf, thread, time::Duration};

/// A data layer for autonomous services: servers, migrations, health, and a demonstration on your own source tree.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "db",
    version,
    after_help = "Exit codes: 0 done; 1 failed; 2 the command line or configuration cannot be used; 3 the answer is no \
                  (health: unhealthy; migrate status: something is pending; cache get: a miss; access: the \
                  database stands apart from the rules, or they refuse; audit verify: a flaw); 130 stopped by Ctrl-C.\n\nThe database is the one that DATABASE_URL, \
                  DB_HOST and the like, .env or --config name; where none does, the one in the data folder (--data)."
)]
pub struct Cli {
    /// Print one JSON object on standard output instead of tables
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Text }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Start PostgreSQL and Redis, and keep them up until Ctrl-C or for as long as COMMAND runs
    #[command(
        after_help = "Examples:\n  db up\n  db up --port 5432 --json\n  db up --ephemeral -- cargo nextest run"
    )]
    Up(UpArgs),
    /// Analyse a source tree through the whole data layer, and show what it measured
    #[command(
        after_help = "Examples:\n  db demo\n  db demo ~/.cargo/registry/src --workers 4\n  db demo --fresh --json\n\n\
                            Files are measured once: a second run looks only at what has changed."
    )]
    Demo(DemoArgs),
    /// Apply, revert, recover and judge schema migrations, this system's own or any project's
    #[command(after_help = crate::migrate::args::HELP)]
    Migrate(Box<crate::migrate::args::MigrateArgs>),
    /// Make, prove, restore and prune backups of the database
    #[command(after_help = crate::backup::args::HELP)]
    Backup(Box<crate::backup::args::BackupArgs>),
    /// Look into the cache that services share, clear it, and have tables tell it of their changes
    #[command(after_help = crate::cache::args::HELP)]
    Cache(Box<crate::cache::args::CacheArgs>),
    /// Bring access rules into the database, find where it stands apart from them, and explain what they say
    #[command(after_help = crate::access::args::HELP)]
    Access(Box<crate::access::args::AccessArgs>),
    /// Search, export, prove and verify the audit log, and look after it
    #[command(after_help = crate::audit::args::HELP)]
    Audit(Box<crate::audit::args::AuditArgs>),
    /// Ask every part how it is; exit code 3 when one is unhealthy
    Health(HealthArgs),
    /// Show the configuration
    Config(ConfigArgs),
}

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub(crate) struct SettingsArgs {
    /// Configuration file, YAML or TOML
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// Where the database is.
#[derive(Args, Clone, Debug)]
pub struct DatabaseArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// The database, in place of the configured one; better in `DATABASE_URL`, as others see command lines
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<Secret>,
    /// Folder of the embedded database, used where no other is configured
    #[arg(long, value_name = "DIR", default_value = ".db")]
    pub(crate) data: PathBuf,
    /// Do not install a missing server with the platform's package manager
    #[arg(long)]
    pub(crate) no_install: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Throw the data away at the end; faster, for tests
    #[arg(long)]
    pub(crate) ephemeral: bool,
    /// Port of 127.0.0.1 for PostgreSQL; a free one unless given
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Do not start Redis
    #[arg(long)]
    pub(crate) no_redis: bool,
    /// Server to hand to COMMAND
    #[arg(
        long,
        value_name = "URL",
        requires = "command",
        conflicts_with_all = ["ephemeral", "port"],
        help = "Server to hand to COMMAND instead of starting one, as a superuser's URL; DB_TEST_POSTGRES_URL does the same"
    )]
    pub(crate) url: Option<Secret>,
    /// Command to run while the servers are up
    #[arg(
        last = true,
        value_name = "COMMAND",
        help = "Command to run with DATABASE_URL, REDIS_URL, DB_TEST_POSTGRES_URL and DB_TEST_REDIS_URL set"
    )]
    pub(crate) command: Vec<std::ffi::OsString>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// The source tree
    #[arg(default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Files measured at once; one more than there are processors unless given
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroU32>,
    /// Forget what an earlier run has stored in the data folder
    #[arg(long)]
    pub(crate) fresh: bool,
    /// Larger files are not read; bytes
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    max_file_size: u64,
    /// Rows of the table of most complex files
    #[arg(long, value_name = "N", default_value_t = 15)]
    top: u32,
}

impl DemoArgs {
    pub(crate) fn options(&self) -> demo::Options {
        demo::Options {
            path: self.path.clone(),
            own_data: self.database.data.clone(),
            workers: self.workers(),
            max_file_size: self.max_file_size,
            top: self.top,
        }
    }

    /// One for each worker, and one each for claiming, settling, extending leases and the demonstration's own lock.
    pub(crate) fn connections(&self) -> u32 {
        self.workers().get().saturating_add(4)
    }

    fn workers(&self) -> NonZeroU32 {
        let processors = thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        self.workers.or(NonZeroU32::new(processors + 1)).unwrap_or(NonZeroU32::MIN)
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Folder of the migrations that should be applied; this system's own unless given
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print each setting with its value and where the value comes from; secrets are masked
    Explain(SettingsArgs),
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    db_migrate::duration(text)
        .ok_or_else(|| "write a duration with its unit, as in 250ms, 30s, 5m or 2h".to_owned())
}
