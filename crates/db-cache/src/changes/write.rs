//! Writes down what a transaction makes untrue.

use super::CHANNEL;
use crate::cache::Cache;
use crate::{Error, KeyParts, Namespace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::PgConnection;

const WRITE: &str = "WITH made AS ( \
        INSERT INTO cache_invalidations (keys, applied_at) \
        VALUES ($1, CASE WHEN $2 THEN NULL ELSE clock_timestamp() END) RETURNING id, txid) \
    SELECT id, txid::text, pg_notify($3, '')::text FROM made";

/// Keys that a transaction makes untrue once it commits.
///
/// If this is dropped, every process hears of it all the same, a little later.
#[derive(Debug)]
#[must_use = "call `committed` after the commit, so that this process does not read what it has just made untrue"]
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
    /// ([`Cache::follow`]), and in the store that they share. One statement.
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
        let inner = &self.inner;
        let keys = keys.into_iter().map(|key| inner.key(&key)).collect::<Result<Vec<_>, _>>()?;
        let (row, txid, _): (i64, String, Option<String>) = sqlx::query_as(WRITE)
            .bind(&keys)
            .bind(inner.shared().is_some())
            .bind(CHANNEL)
            .fetch_one(tx)
            .await?;
        let seen = txid.parse().map(Seen).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok(Change { cache: inner.cache.clone(), keys, row, seen })
    }
}

impl Change {
    /// To be called after the commit: this process and the shared store have it no more when it is ready. Pass on what it
    /// answers with to whoever is told of the change, and they call [`Following::has_seen`].
    ///
    /// # Errors
    /// [`Error::NotRemoved`] when the shared store does not answer; it is removed from there as soon as that does.
    ///
    /// # Cancel safety
    /// It is gone in this process, and will be in the others.
    pub async fn committed(self) -> Result<Seen, Error> {
        let Self { cache, keys, row, seen } = self;
        cache.inner.registry.spoil(&keys);
        if let Some(store) = cache.shared() {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            store.delete_multi(&keys).await.map_err(|source| Error::NotRemoved { source })?;
            cache.inner.changes.is_applied(row);
        }
        Ok(seen)
    }

    /// What it will have made untrue, should it commit.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen
    }
}
