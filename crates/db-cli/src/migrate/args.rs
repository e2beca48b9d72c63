//! The command line of `db migrate`.

use super::{
    rehearse::DryArgs,
    schema::{DriftArgs, SnapshotArgs},
    server_wide::ServerWideArgs,
    verify::VerifyArgs,
};
use crate::Failed;
use crate::args::{DatabaseArgs, duration};
use crate::backup::args::ToolArgs;
use clap::{Args, Subcommand, ValueEnum};
use db_migrate::{Format, Risk};
use std::{path::PathBuf, time::Duration};

pub(crate) const HELP: &str = "Examples:\n  db migrate up\n  db migrate status --dir db/migrations --json\n  \
    db migrate down --count 2 --yes\n  db migrate up --dry-run\n  db migrate verify --dir \
    db/migrations\n  db migrate recover\n\nThe folder may be of any format that is known: cairn \
    (0001_name/up.sql), sqlx, refinery, flyway, golang-migrate, dbmate, goose, diesel, prisma. It is recognised by its files; \
    --format says it.\n\nExit codes: 0 done; 1 failed; 2 usage; 3 the answer is no (status, plan: something is pending or \
    wrong; validate: the files cannot be used; lint: unsafe; verify: a way back is wrong; drift: the schemas differ).";

#[derive(Args, Clone, Debug)]
pub(crate) struct MigrateArgs {
    #[command(subcommand)]
    pub(crate) action: MigrateAction,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum MigrateAction {
    /// Apply what is pending
    Up(UpArgs),
    /// Revert what was applied last
    Down(DownArgs),
    /// Apply or revert until this migration is the last that is applied
    To(GoArgs),
    /// Show what `up` would do; exit code 3 when that is anything
    Plan(RunArgs),
    /// Show what is applied and what is pending; exit code 3 when something is
    Status(RunArgs),
    /// Read the files and say what is wrong with them; asks no server
    Validate(ValidateArgs),
    /// Finish or undo what was half done, and rebuild invalid indexes
    Recover(RecoverArgs),
    /// Run every migration up, down and up again on a scratch database, and compare the schemas; exit code 3 when a way
    /// back is wrong
    Verify(VerifyArgs),
    /// Write the schema of the database, or that which the migrations make
    Snapshot(SnapshotArgs),
    /// Compare the database's schema with what its migrations make, or with a snapshot; exit code 3 when they differ
    Drift(DriftArgs),
    /// Accept files that were edited or removed after they were applied
    Repair(RepairArgs),
    /// Take a database that was there before its migrations as migrated up to one of them
    Baseline(ToArgs),
    /// Take a database over that another tool has migrated, by its own history; runs nothing
    Adopt(AdoptArgs),
    /// Say what would hurt those who use the database meanwhile; exit code 3 when something would
    Lint(super::lint::LintArgs),
    /// Make one migration of the first ones: what they leave in an empty database, proved to be the same
    Squash(SquashArgs),
    /// Write the files of a new migration, as the folder's format has them
    New(NewArgs),
}

/// Which files.
#[derive(Args, Clone, Debug)]
pub(crate) struct FilesArgs {
    /// Folder of migrations; this system's own migrations unless given
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Their format: auto, cairn, sqlx, refinery, flyway, golang-migrate, dbmate, goose, diesel, prisma
    #[arg(long, default_value = "auto", value_parser = format)]
    pub(crate) format: Wanted,
    /// Value that ${KEY} stands for in the files; Flyway's may have other marks, and know flyway:user and flyway:database
    /// of the configured database
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) set: Vec<(String, String)>,
    /// Make this tool's own history table before the first migration, for migrations that take it for granted
    #[arg(long, value_name = "TOOL")]
    pub(crate) create_table: Option<Format>,
    /// Schema of the history table
    #[arg(long, value_name = "SCHEMA", default_value = "public")]
    pub(crate) history_schema: String,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// File with the checksums of the migrations that have landed: tells which were edited since
    #[arg(long, value_name = "FILE")]
    pub(crate) pins: Option<PathBuf>,
    /// Add what is new to that file
    #[arg(long, requires = "pins")]
    pub(crate) pin: bool,
}

/// A format, or whichever fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Auto,
    Only(Format),
}

/// Which files, which database, by which rules.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) files: FilesArgs,
    /// Environment whose migrations are due, besides those of all
    #[arg(long, value_name = "NAME")]
    pub(crate) environment: Option<String>,
    /// Only migrations with one of these tags
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    #[arg(
        long,
        value_enum,
        value_name = "refuse|warn|apply",
        help = "What to do with a migration that is older than what was applied last: refuse unless given"
    )]
    out_of_order: Option<Order>,
    /// Schemas in which names without one are looked for, as in app,public
    #[arg(long, value_name = "SCHEMAS")]
    pub(crate) search_path: Option<String>,
    /// How long a statement may wait for a lock before it lets others pass and tries again
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration)]
    pub(crate) lock_timeout: Duration,
    /// How long a migration may try to get its locks
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub(crate) lock_deadline: Duration,
    /// How long a statement may run; without limit unless given
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) statement_timeout: Option<Duration>,
    /// How long to wait for another deployment
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
    pub(crate) deploy_lock_timeout: Duration,
    /// A pooler such as PgBouncer hands out sessions by the transaction: hold the deploy lock in a transaction of a second
    /// connection, and set what a migration needs in each of its own; what cannot be had that way is refused
    #[arg(long)]
    pub(crate) pooler: bool,
}

impl RunArgs {
    pub(crate) fn out_of_order(&self) -> Order {
        self.out_of_order.unwrap_or(Order::Refuse)
    }

    /// What a command does with what is applied is not for these to say.
    pub(crate) fn refuse_rules(&self, command: &str) -> Result<(), Failed> {
        let given = [
            ("--environment", self.environment.is_some()),
            ("--tag", !self.tags.is_empty()),
            ("--out-of-order", self.out_of_order.is_some()),
        ];
        match given.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(Failed::usage(format!(
                "{option} selects what is to be applied, and `db migrate {command}` applies nothing new: leave it out"
            ))),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Refuse,
    Warn,
    Apply,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Back the database up, and prove the backup, before anything is applied that is of high risk, or that the lint
    /// cannot look into (DO, CALL, code)
    #[arg(long)]
    pub(crate) before_risky: bool,
    /// Folder of the backups
    #[arg(long, value_name = "DIR", default_value = "backups", requires = "before_risky")]
    pub(crate) backup_dir: PathBuf,
    #[command(flatten)]
    pub(crate) tools: ToolArgs,
    /// At most this many
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<usize>,
    #[command(flatten)]
    pub(crate) dry: DryArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DownArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "all")]
    pub(crate) count: usize,
    /// All of them
    #[arg(long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) dry: DryArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ToArgs {
    /// The migration, by its version or the name of its folder or file
    pub(crate) migration: String,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct GoArgs {
    #[command(flatten)]
    pub(crate) to: ToArgs,
    #[command(flatten)]
    pub(crate) dry: DryArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Undo what was half applied, in place of finishing it
    #[arg(long)]
    pub(crate) undo: bool,
    /// Whether the statement that was under way ran, where the database does not tell
    #[arg(long, value_enum)]
    pub(crate) statement_ran: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    Yes,
    No,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The tool's history table, where it is not the usual one
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct NewArgs {
    /// What it does, in lower-case words joined by underscores
    pub(crate) name: String,
    /// Folder of migrations
    #[arg(long, value_name = "DIR", default_value = "migrations")]
    pub(crate) dir: PathBuf,
    /// Their format: auto, cairn, sqlx, refinery, flyway, golang-migrate, dbmate, goose, diesel, prisma
    #[arg(long, default_value = "auto", value_parser = format)]
    pub(crate) format: Wanted,
    /// What it may cost those who use the database meanwhile: low, medium, high
    #[arg(long, value_parser = risk)]
    pub(crate) risk: Option<Risk>,
    /// How long it takes, as in 30s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) estimate: Option<Duration>,
    /// Run it statement by statement
    #[arg(long)]
    pub(crate) no_transaction: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct SquashArgs {
    /// What the new migration is called, in lower-case words joined by underscores
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The last one that it stands for; all unless given
    #[arg(long, value_name = "MIGRATION")]
    pub(crate) to: Option<String>,
    /// Print it, and write no file
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) server_wide: ServerWideArgs,
    /// Folder of PostgreSQL's programs; where distributions keep them unless given
    #[arg(long, value_name = "DIR")]
    pub(crate) tools: Option<PathBuf>,
}

fn format(text: &str) -> Result<Wanted, String> {
    if text == "auto" {
        return Ok(Wanted::Auto);
    }
    text.parse().map(Wanted::Only).map_err(|error: db_migrate::UnknownFormat| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    if key.is_empty() { Err("the key is empty".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

fn risk(text: &str) -> Result<Risk, String> {
    Risk::parse(text).ok_or_else(|| "write low, medium or high".to_owned())
}
