//! The command line of `db cache`.

use crate::args::DatabaseArgs;
use clap::{Args, Subcommand};

pub(crate) const HELP: &str = "Examples:\n  db cache stats\n  db cache get price eur 7\n  db cache clear price --yes\n  \
    db cache watch items public.orders\n  db cache tables --json\n\nThe cache is the one that the services of this \
    configuration share: REDIS_URL, or DB_CACHE_STORE=postgres for a table of the database; its keys begin with \
    DB_CACHE_APPLICATION.\n\nExit codes: 0 done; 1 failed; 2 usage, or no store is shared where one is needed; 3 the answer \
    is no (get: nothing is there, or nothing that can be read); 130 stopped by Ctrl-C.";

#[derive(Args, Clone, Debug)]
pub(crate) struct CacheArgs {
    #[command(subcommand)]
    pub(crate) action: CacheAction,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CacheAction {
    /// Show what takes the shared store's room, how its server does, and which changes wait
    #[command(
        after_help = "Examples:\n  db cache stats\n  db cache stats price --json\n\nExit codes: 0 shown; 1 the \
                            store or the database does not answer; 2 usage."
    )]
    Stats(StatsArgs),
    /// Show what the shared store has under a key; exit code 3 when that is nothing
    #[command(
        after_help = "Examples:\n  db cache get price eur 7\n  db cache get session 3f2a --json\n\nExit codes: 0 \
                            there, be it fresh or not; 1 the store does not answer; 2 no store is shared; 3 nothing is \
                            there, or nothing that can be read."
    )]
    Get(GetArgs),
    /// Make whole namespaces untrue, in the shared store and in every process that follows
    #[command(
        after_help = "Examples:\n  db cache clear price\n  db cache clear price stock --yes\n  db cache clear --all \
                            --yes\n\nValues are loaded anew when they are asked for: the source has more to do for a \
                            while.\n\nExit codes: 0 cleared, or not agreed to; 1 the store does not answer, those who \
                            follow clear it then; 2 usage, or --yes is missing where nobody can be asked."
    )]
    Clear(ClearArgs),
    /// Have tables tell caches of every change, by whatever program
    #[command(
        after_help = "Examples:\n  db cache watch items\n  db cache watch public.orders archive.orders\n\nTakes a \
                            lock on each table that its writers wait for, for 2 seconds at most.\n\nExit codes: 0 done; 1 \
                            failed, and nothing is changed; 2 usage."
    )]
    Watch(TablesArgs),
    /// End what `watch` has begun; what is cached of the tables' rows hears of no change any more
    #[command(
        after_help = "Examples:\n  db cache unwatch items\n\nExit codes: 0 done; 1 failed, and nothing is changed; \
                            2 usage."
    )]
    Unwatch(TablesArgs),
    /// List the tables that tell of their changes
    #[command(
        after_help = "Examples:\n  db cache tables\n  db cache tables --json\n\nExit codes: 0 listed; 1 failed; 2 \
                            usage."
    )]
    Tables(DatabaseArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StatsArgs {
    /// Only this namespace, by the first part of its keys
    pub(crate) namespace: Option<String>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct GetArgs {
    /// The namespace
    pub(crate) namespace: String,
    /// The parts of the key; numbers and text are the same text
    #[arg(required = true)]
    pub(crate) key: Vec<String>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ClearArgs {
    /// The namespaces
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) namespaces: Vec<String>,
    /// Everything of the application: all namespaces, tags and numbers
    #[arg(long)]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TablesArgs {
    /// The tables, with their schemas where those are not on the search path
    #[arg(required = true, value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
}
