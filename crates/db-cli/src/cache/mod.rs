//! `db cache`.

pub(crate) mod args;
mod clear;
mod get;
mod stats;
mod tables;

use crate::{
    Exit, Failed,
    args::DatabaseArgs,
    database::{Missing, Target},
    output::Format,
};
use args::{CacheAction, CacheArgs};

/// What to set for a store that processes share.
const NO_STORE: &str = "no store is shared, so each process caches by itself: set REDIS_URL, or DB_CACHE_STORE=postgres for \
    a table of the database";

const NOT_MIGRATED: &str =
    "the tables by which caches hear of changes are not there: run `db migrate up` on this database first";

pub(crate) async fn run(args: &CacheArgs, format: Format) -> Result<Exit, Failed> {
    match &args.action {
        CacheAction::Stats(args) => stats::run(args, format).await,
        CacheAction::Get(args) => get::run(args, format).await,
        CacheAction::Clear(args) => clear::run(args, format).await,
        CacheAction::Watch(args) => tables::change(args, tables::To::Watched, format).await,
        CacheAction::Unwatch(args) => tables::change(args, tables::To::Unwatched, format).await,
        CacheAction::Tables(args) => tables::list(args, format).await,
    }
}

/// Does the work with the configured database, and disconnects whatever comes of it.
async fn with_target<T>(
    args: &DatabaseArgs,
    work: impl AsyncFnOnce(&Target) -> Result<T, Failed>,
) -> Result<T, Failed> {
    let target = Target::open(args, Missing::Refuse, None).await?;
    let outcome = work(&target).await;
    target.close().await;
    outcome
}

/// The store that processes share, by its name and where it is.
fn place(target: &Target) -> Option<(&str, &str)> {
    let name = target.database.cache().shared()?.name();
    let place = if name == "redis" { target.redis.as_deref().unwrap_or_default() } else { &target.server };
    Some((name, place))
}

/// Whether the database has no such table or function.
fn is_not_there(error: &sqlx::Error) -> bool {
    const UNDEFINED: [&str; 3] = ["42P01", "42883", "3F000"];
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| UNDEFINED.contains(&&*code))
}
