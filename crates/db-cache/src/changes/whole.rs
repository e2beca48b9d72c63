//! Makes whole namespaces untrue.
//!
//! In the table a key without a second colon stands for all that begin so: `app:name` for a namespace, `app` for everything
//! of the application. No mark keeps others from reading the store while it is cleared, so they are told twice: at the
//! commit, and again when the store is clear; what was read from there in between is dropped then.

use super::{CHANNEL, Change, ChangeError, write};
use crate::Error;
use crate::cache::{Cache, checked};
use crate::registry::is_whole;
use db_core::{KeyValue, KeyValueError};
use parking_lot::Mutex;
use sqlx::{PgConnection, PgExecutor};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What is made untrue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All keys of these namespaces.
    Namespaces(&'a [&'a str]),
    /// Everything of the application: all namespaces, tags and numbers.
    Everything,
}

/// Rows whose keys are cleared in the shared store, and tells it once more to all.
const CLEARED: &str = "WITH done AS ( \
        UPDATE cache_invalidations SET applied_at = clock_timestamp() WHERE id = ANY($1) AND applied_at IS NULL \
        RETURNING keys), \
    told AS ( \
        INSERT INTO cache_invalidations (keys, applied_at) SELECT keys, clock_timestamp() FROM done RETURNING id) \
    SELECT count(*), max(pg_notify($2, '')::text) FROM told";

impl Cache {
    /// Makes everything in there untrue at the commit of this transaction, in every process that follows, and in the store
    /// that they share. Call [`Change::committed_on`](super::Change::committed_on) after the commit; where nobody does, those
    /// who follow clear the store some seconds later.
    ///
    /// # Errors
    /// [`ChangeError`]; then the transaction has failed.
    ///
    /// # Cancel safety
    /// Roll the transaction back.
    pub async fn change_all(&self, tx: &mut PgConnection, scope: Scope<'_>) -> Result<Change, ChangeError> {
        let keys = self.whole(scope)?;
        write::written(self, tx, keys).await
    }

    /// Makes everything in there untrue in this process and in the shared store, and tells nobody; tells how many entries the
    /// store had. Other processes give out what they keep for their `local_ttl`.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::NotRemoved`].
    ///
    /// # Cancel safety
    /// All are gone in this process, and some may be in the shared store.
    pub async fn clear(&self, scope: Scope<'_>) -> Result<u64, Error> {
        let keys = self.whole(scope)?;
        self.inner.registry.spoil(keys.iter().map(String::as_str));
        let Some(store) = self.inner.shared.as_deref() else { return Ok(0) };
        let cleared = cleared(store, keys.iter().map(String::as_str)).await;
        // What was read from there meanwhile may have been of before.
        self.inner.registry.spoil(keys.iter().map(String::as_str));
        cleared.map_err(|source| Error::NotRemoved { source })
    }

    fn whole(&self, scope: Scope<'_>) -> Result<Vec<String>, Error> {
        let prefix = &self.inner.prefix;
        match scope {
            Scope::Everything => Ok(vec![prefix.clone()]),
            Scope::Namespaces(names) => {
                names.iter().map(|name| checked(name).map(|()| format!("{prefix}:{name}"))).collect()
            }
        }
    }
}

/// The task that clears whole namespaces of the shared store for others, if there is one: that takes longer than a server
/// may be silent. It ends when this is dropped.
#[derive(Default)]
pub(super) struct Clearing {
    /// It answers with the rows that it has seen to.
    task: Mutex<JoinSet<Vec<i64>>>,
}

impl Clearing {
    /// The rows that were seen to since this was asked last.
    pub(super) fn done(&self) -> Vec<i64> {
        let mut task = self.task.lock();
        std::iter::from_fn(|| task.try_join_next()).flat_map(Result::unwrap_or_default).collect()
    }

    /// Begins with these, unless it is at others; those that are left are found again at the next look.
    pub(super) fn begin(&self, store: &Arc<dyn KeyValue>, rows: Vec<(i64, Vec<String>)>) {
        let mut task = self.task.lock();
        if rows.is_empty() || !task.is_empty() {
            return;
        }
        let store = Arc::clone(store);
        task.spawn(async move {
            let keys: BTreeSet<&str> = rows.iter().flat_map(|(_, keys)| keys).map(String::as_str).collect();
            let (whole, single): (Vec<&str>, Vec<&str>) = keys.into_iter().partition(|key| is_whole(key));
            let cleared = async {
                store.delete_multi(&single).await?;
                cleared(&*store, whole.into_iter()).await
            };
            match cleared.await {
                Ok(_) => rows.iter().map(|(id, _)| *id).collect(),
                // It is tried again at the next look.
                Err(_) => Vec::new(),
            }
        });
    }
}

/// Removes everything that these stand for.
pub(super) async fn cleared<'k>(
    store: &dyn KeyValue,
    whole: impl Iterator<Item = &'k str> + Send,
) -> Result<u64, KeyValueError> {
    let mut removed = 0;
    for key in whole {
        removed += store.clear(&format!("{key}:")).await?;
    }
    Ok(removed)
}

/// Notes that the shared store is clear of what these rows stand for, and has everybody drop it once more.
pub(super) async fn told_again<'c>(conn: impl PgExecutor<'c>, rows: &[i64]) -> Result<u64, sqlx::Error> {
    let (told, _): (i64, Option<String>) =
        sqlx::query_as(CLEARED).bind(rows).bind(CHANNEL).fetch_one(conn).await?;
    Ok(told.unsigned_abs())
}
