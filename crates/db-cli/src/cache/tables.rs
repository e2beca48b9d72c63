//! `db cache watch`, `unwatch` and `tables`.

use super::{NOT_MIGRATED, args::TablesArgs, with_target};
use crate::{
    Exit, Failed,
    args::DatabaseArgs,
    database::Target,
    output::{self, Format},
    stop::unless_stopped,
};
use db_facade::db_cache::TableError;
use serde_json::json;
use sqlx::{Connection, PgConnection};

/// What is done to tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Watched,
    Unwatched,
}

/// Writers of the table wait behind us meanwhile.
const SET_LOCK_TIMEOUT: &str = "SET LOCAL lock_timeout = '2s'";
const LOCK_NOT_AVAILABLE: &str = "55P03";
const TRIES: u32 = 4;
/// Between two tries, those pass who had to wait.
const PAUSE_SECONDS: u64 = 1;

const HAS_FUNCTION: &str = "SELECT to_regproc('cache_table_changed') IS NOT NULL";

/// Who has a lock on one of these.
const HOLDERS: &str = "SELECT DISTINCT held.pid, coalesce(who.usename, '?')::text, \
        coalesce(nullif(who.application_name, ''), '?'), coalesce(who.state, '?'), \
        coalesce(extract(epoch FROM clock_timestamp() - who.xact_start), 0)::float8, held.relation::regclass::text \
    FROM pg_locks AS held LEFT JOIN pg_stat_activity AS who ON who.pid = held.pid \
    WHERE held.granted AND held.pid <> pg_backend_pid() \
        AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
        AND held.relation IN (SELECT to_regclass(name)::oid FROM unnest($1::text[]) AS name) \
    ORDER BY 5 DESC LIMIT 5";

type Holder = (i32, String, String, String, f64, String);

pub(super) async fn change(args: &TablesArgs, to: To, format: Format) -> Result<Exit, Failed> {
    let work = with_target(&args.database, async |target| change_all(target, &args.tables, to).await);
    let Some(tables) = unless_stopped("nothing was changed", Box::pin(work)).await? else {
        return Ok(Exit::Interrupted);
    };
    let tables = tables?;
    let (field, verb) = match to {
        To::Watched => ("watched", "tell of every change from now on"),
        To::Unwatched => ("unwatched", "tell of no change any more"),
    };
    output::print(format, &json!({ field: tables }), || format!("{}: {verb}", tables.join(", ")));
    Ok(Exit::Done)
}

pub(super) async fn list(args: &DatabaseArgs, format: Format) -> Result<Exit, Failed> {
    let tables = with_target(args, async |target| {
        let mut lease = target.database.pool().acquire().await?;
        check_migrated(&mut lease).await?;
        Ok(target.database.cache().watched_tables(&mut lease).await?.tables)
    })
    .await?;
    output::print(format, &json!({ "tables": tables }), || match tables.as_slice() {
        [] => "no table tells of its changes; see `db cache watch`".to_owned(),
        tables => tables.join("\n"),
    });
    Ok(Exit::Done)
}

async fn check_migrated(conn: &mut PgConnection) -> Result<(), Failed> {
    let is_migrated: bool = sqlx::query_scalar(HAS_FUNCTION).fetch_one(conn).await?;
    if is_migrated { Ok(()) } else { Err(Failed::new(NOT_MIGRATED)) }
}

async fn change_all(target: &Target, tables: &[String], to: To) -> Result<Vec<String>, Failed> {
    let mut lease = target.database.pool().acquire().await?;
    check_migrated(&mut lease).await?;
    for tried in 1.. {
        match try_once(target, &mut lease, tables, to).await {
            Err(TableError::Database { source }) if is_locked(&source) => {
                let holders = holders(&mut lease, tables).await;
                if tried == TRIES {
                    return Err(Failed::new(format!(
                        "no lock on the tables in {TRIES} tries of 2 s: {holders}; end what holds them, or run it again later"
                    )));
                }
                output::tell(&format!("waiting for a lock ({tried} of {TRIES}): {holders}"));
                tokio::time::sleep(std::time::Duration::from_secs(PAUSE_SECONDS)).await;
            }
            done => return Ok(done?),
        }
    }
    Ok(Vec::new())
}

async fn try_once(
    target: &Target,
    conn: &mut PgConnection,
    tables: &[String],
    to: To,
) -> Result<Vec<String>, TableError> {
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let cache = target.database.cache();
    let mut tx = conn.begin().await?;
    sqlx::raw_sql(SET_LOCK_TIMEOUT).execute(&mut *tx).await?;
    let seen_to = match to {
        To::Watched => cache.watch_tables(&mut tx, &tables).await,
        To::Unwatched => cache.unwatch_tables(&mut tx, &tables).await,
    };
    match seen_to {
        Ok(seen_to) => {
            tx.commit().await?;
            Ok(seen_to.tables)
        }
        Err(error) => {
            // Its own error would hide the first one.
            let _ = tx.rollback().await;
            Err(error)
        }
    }
}

fn is_locked(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(|error| error.code()).is_some_and(|code| code == LOCK_NOT_AVAILABLE)
}

async fn holders(conn: &mut PgConnection, tables: &[String]) -> String {
    let holders: Result<Vec<Holder>, _> = sqlx::query_as(HOLDERS).bind(tables).fetch_all(conn).await;
    let holders = holders.unwrap_or_default();
    if holders.is_empty() {
        return "whoever held them is gone, or cannot be seen".to_owned();
    }
    let tell = |(pid, user, program, state, seconds, table): &Holder| {
        format!("process {pid} ({user}, {program}, {state} for {seconds:.0} s) holds {table}")
    };
    holders.iter().map(tell).collect::<Vec<_>>().join("; ")
}
