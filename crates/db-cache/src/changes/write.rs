//! Writes down what a transaction makes untrue.

use super::{CHANNEL, whole};
use crate::cache::Cache;
use crate::clock;
use crate::inner::new_version;
use crate::record::Codec;
use crate::registry::is_whole;
use crate::{Error, KeyParts, Namespace};
use db_core::Put;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;
use std::time::Duration;
use tokio::time::Instant;

const WRITE: &str = "WITH made AS ( \
        INSERT INTO cache_invalidations (keys, marked_until) \
        VALUES ($1, clock_timestamp() + $2 * interval '1 second') RETURNING id, txid) \
    SELECT id, txid::text, pg_notify($3, '')::text FROM made";

/// For how long the shared store gives a key to nobody while a commit is under way; longer than a commit takes.
const UNDER_WAY: Duration = Duration::from_secs(5);
/// By how much less than that others rely on it.
const MARGIN: Duration = Duration::from_secs(1);

/// Keys that a transaction makes untrue once it commits, written down in it. Until then the shared store gives out none of
/// them, and takes none, for some seconds: a process that hears of the commit sooner than they are removed from there would
/// read them again. If this is dropped nothing is lost: every process hears of the commit.
///
/// ```no_run
/// # async fn example(users: db_cache::Namespace<String>, mut conn: sqlx::PgConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use sqlx::Connection;
///
/// let mut tx = conn.begin().await?;
/// sqlx::query("UPDATE users SET name = 'Ada' WHERE id = 7").execute(&mut *tx).await?;
/// // Last before the commit: others wait for the key from here on.
/// let change = users.change(&mut tx, [7]).await?;
/// tx.commit().await?;
/// let seen = change.committed().await?;
/// # let _ = seen; Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "call `committed` after the commit, or `rolled_back`: until then others wait for the keys"]
pub struct Change {
    cache: Cache,
    keys: Vec<String>,
    row: i64,
    seen: Seen,
}

/// A transaction whose changes somebody has seen: what they read from then on must not be older.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen(pub(super) u64);

impl Seen {
    /// This transaction, for whoever is to see what it has changed once it has committed. Gives it a number if it has none.
    ///
    /// # Errors
    /// The driver's.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn of(tx: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let txid: String = sqlx::query_scalar("SELECT pg_current_xact_id()::text").fetch_one(tx).await?;
        txid.parse().map(Self).map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }

    /// The transaction's number, to be passed on to another process.
    #[must_use]
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// What another process has passed on.
    #[must_use]
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

/// What a transaction makes untrue could not be written down; the transaction has failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// A key cannot be used.
    #[error(transparent)]
    Key(#[from] Error),
    /// The database refused, or did not answer.
    #[error("what the transaction makes untrue cannot be written down")]
    Database {
        /// The driver's error.
        #[from]
        source: sqlx::Error,
    },
}

impl<V> Namespace<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Makes keys untrue at the commit of this transaction, and not before: in every process that follows
    /// ([`Cache::follow`]), and in the store that they share. One statement, after a round trip to the store. To be called last
    /// before the commit: others wait for the keys from then on, for five seconds at most.
    ///
    /// # Errors
    /// [`ChangeError`]; then the transaction has failed.
    ///
    /// # Cancel safety
    /// Roll the transaction back.
    pub async fn change(
        &self,
        tx: &mut PgConnection,
        keys: impl IntoIterator<Item = impl KeyParts>,
    ) -> Result<Change, ChangeError> {
        let keys = keys.into_iter().map(|key| self.inner.key(&key)).collect::<Result<Vec<_>, _>>()?;
        written(&self.inner.cache, tx, keys).await
    }
}

impl Cache {
    /// The same with every value that has one of these tags, in all namespaces.
    ///
    /// # Errors
    /// [`ChangeError`]; then the transaction has failed.
    ///
    /// # Cancel safety
    /// Roll the transaction back.
    pub async fn change_tags(
        &self,
        tx: &mut PgConnection,
        tags: impl IntoIterator<Item = impl KeyParts>,
    ) -> Result<Change, ChangeError> {
        let keys = self.inner.tags.keys(tags)?;
        written(self, tx, keys).await
    }
}

pub(super) async fn written(
    cache: &Cache,
    tx: &mut PgConnection,
    keys: Vec<String>,
) -> Result<Change, ChangeError> {
    let began = Instant::now();
    let is_whole = keys.iter().any(|key| is_whole(key));
    let is_seen_to = is_whole || mark(cache, &keys).await;
    let left = (UNDER_WAY - MARGIN).saturating_sub(began.elapsed());
    let written = sqlx::query_as(WRITE)
        .bind(&keys)
        .bind(is_seen_to.then_some(left.as_secs_f64()))
        .bind(CHANNEL)
        .fetch_one(tx);
    let (row, txid, _): (i64, String, Option<String>) = written.await?;
    let seen = txid.parse().map(Seen).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Change { cache: cache.clone(), keys, row, seen })
}

/// Has the shared store give out none of these for a while, nor take one; tells whether it does.
async fn mark(cache: &Cache, keys: &[String]) -> bool {
    let Some(store) = cache.shared() else { return false };
    let mark = Codec::mark(clock::millis(Instant::now()).after(UNDER_WAY));
    let put = |key| Put { key, value: &mark, version: new_version(), ttl: UNDER_WAY };
    let puts: Vec<Put<'_>> = keys.iter().map(|key| put(key.as_str())).collect();
    let marked = store.set_multi(&puts).await;
    if let Err(error) = &marked {
        tracing::warn!(error = %error, "the shared store is not told of a commit that is under way");
    }
    marked.is_ok()
}

impl Change {
    /// The keys of values and tags.
    fn single(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str).filter(|key| !is_whole(key))
    }

    /// Those that stand for whole namespaces.
    fn whole(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str).filter(|key| is_whole(key))
    }

    /// This process and the shared store have them no more; tells how many the store had.
    async fn remove(&self) -> Result<u64, Error> {
        let registry = &self.cache.inner.registry;
        registry.spoil(self.keys.iter().map(String::as_str));
        let Some(store) = self.cache.shared() else { return Ok(0) };
        let single: Vec<&str> = self.single().collect();
        let removed = async {
            let removed = if single.is_empty() { 0 } else { store.delete_multi(&single).await? };
            Ok(removed + whole::cleared(&**store, self.whole()).await?)
        };
        let removed = removed.await;
        // Where the store had not been told before the commit, somebody may have read the old value there since.
        registry.spoil(self.keys.iter().map(String::as_str));
        removed.map_err(|source| Error::NotRemoved { source })
    }

    /// What it will have made untrue, should it commit.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// To be called after the commit: this process and the shared store have them no more when it is ready. Pass on what it
    /// answers with to whoever is told of the change, and they call [`Following::has_seen`](crate::Following::has_seen).
    ///
    /// # Errors
    /// [`Error::NotRemoved`] when the shared store does not answer; they are removed from there as soon as it does.
    ///
    /// # Cancel safety
    /// They are gone in this process, and will be in the others.
    pub async fn committed(self) -> Result<Seen, Error> {
        self.remove().await?;
        // Of whole namespaces those who follow see to the rest, as everybody is to be told again.
        if self.cache.shared().is_some() && self.whole().next().is_none() {
            self.cache.inner.changes.is_applied(self.row);
        }
        Ok(self.seen)
    }

    /// The same for whoever does not follow: notes over a connection that the shared store has them no more, so that nobody
    /// removes them again. Tells how many it had.
    ///
    /// # Errors
    /// [`ChangeError::Key`] with [`Error::NotRemoved`], [`ChangeError::Database`] when it cannot be noted; either way those
    /// who follow see to it.
    ///
    /// # Cancel safety
    /// That of [`committed`](Self::committed).
    pub async fn committed_on(self, conn: &mut PgConnection) -> Result<u64, ChangeError> {
        let removed = self.remove().await?;
        if self.cache.shared().is_some() {
            whole::told_again(conn, &[self.row]).await?;
        }
        Ok(removed)
    }

    /// To be called after a rollback, so that nobody waits for the keys any longer.
    ///
    /// # Cancel safety
    /// They are given out again after some seconds.
    pub async fn rolled_back(self) {
        if let Some(store) = self.cache.shared() {
            let keys: Vec<&str> = self.single().collect();
            // Where it does not answer, its marks end by themselves.
            let _ = store.delete_multi(&keys).await;
        }
    }
}
