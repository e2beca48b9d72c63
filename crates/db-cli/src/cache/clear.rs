//! `db cache clear`.

use super::{NO_STORE, NOT_MIGRATED, args::ClearArgs, is_not_there, place, with_target};
use crate::{
    Exit, Failed,
    confirm::agreed,
    database::Target,
    output::{self, Format},
    stop::unless_stopped,
};
use db_facade::db_cache::{ChangeError, Scope};
use serde_json::json;
use sqlx::Connection;

const UNASKED: &str = "clearing has everything loaded anew from its source: say --yes";

/// What came of it.
struct Cleared {
    /// Entries that the shared store had; `None` where there is no store.
    removed: Option<u64>,
    /// Whether processes that follow were told.
    is_told: bool,
}

pub(super) async fn run(args: &ClearArgs, format: Format) -> Result<Exit, Failed> {
    let names: Vec<&str> = args.namespaces.iter().map(String::as_str).collect();
    let what = if args.all { "everything of the application".to_owned() } else { names.join(", ") };
    if !args.yes && !agreed(&format!("Make {what} untrue, so that it is loaded anew?"), UNASKED)? {
        output::print(format, &json!({ "cleared": false }), || "nothing was cleared".to_owned());
        return Ok(Exit::Done);
    }
    let scope = if args.all { Scope::Everything } else { Scope::Namespaces(&names) };
    let work = with_target(&args.database, async |target| clear(target, scope).await);
    let left = "those who follow the database clear what is left, if it had come so far; else run it again";
    let Some(cleared) = unless_stopped(left, Box::pin(work)).await? else { return Ok(Exit::Interrupted) };
    let cleared = cleared?;
    let object = json!({
        "cleared": true,
        "namespaces": if args.all { None } else { Some(&names) },
        "removed": cleared.removed,
        "processes_told": cleared.is_told,
    });
    output::print(format, &object, || {
        let removed = cleared.removed.map_or_else(
            || "no store is shared".to_owned(),
            |removed| format!("the shared store had {removed} entries"),
        );
        let told = if cleared.is_told {
            "processes that follow the database drop their own copies now"
        } else {
            "processes keep their own copies for their local_ttl, as the database has no table to tell them by"
        };
        format!("{what}: cleared; {removed}; {told}")
    });
    if !cleared.is_told {
        output::tell(NOT_MIGRATED);
    }
    Ok(Exit::Done)
}

async fn clear(target: &Target, scope: Scope<'_>) -> Result<Cleared, Failed> {
    let cache = target.database.cache();
    let has_store = place(target).is_some();
    let mut lease = target.database.pool().acquire().await?;
    let mut tx = lease.begin().await?;
    let change = match cache.change_all(&mut tx, scope).await {
        Ok(change) => change,
        Err(ChangeError::Database { source }) if is_not_there(&source) => {
            tx.rollback().await?;
            if !has_store {
                return Err(Failed::usage(format!("nothing can be cleared: {NO_STORE}; {NOT_MIGRATED}")));
            }
            return Ok(Cleared { removed: Some(cache.clear(scope).await?), is_told: false });
        }
        Err(ChangeError::Key(error)) => return Err(Failed::usage(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let change = change;
    tx.commit().await?;
    match change.committed_on(&mut lease).await {
        Ok(removed) => Ok(Cleared { removed: has_store.then_some(removed), is_told: true }),
        Err(error) => Err(Failed::new(format!(
            "{}; processes that follow the database were told to drop their own copies, and clear the store when it answers",
            db_core::with_causes(&error)
        ))),
    }
}
