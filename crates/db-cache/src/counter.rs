//! Numbers that several processes add to.

use crate::Error;
use crate::cache::Cache;
use crate::key::{KeyParts, KeyWriter};
use std::fmt;
use std::time::Duration;

/// Numbers of one meaning, each kept for a time from its beginning on, as for limits by the minute: see [`Cache::counter`].
/// Cloning it is cheap.
#[derive(Clone)]
pub struct Counter {
    cache: Cache,
    prefix: String,
    ttl: Duration,
}

impl Counter {
    pub(crate) fn new(cache: Cache, name: &str, ttl: Duration) -> Self {
        let prefix = format!("{}:{name}", cache.inner.prefix);
        Self { cache, prefix, ttl }
    }

    /// Adds to the number under a key, which begins at 0; tells the sum. Where a store is shared it is that of all
    /// processes, and nothing is added twice.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Store`] where the store does not answer, something else is under the key, or the sum
    /// would not fit.
    ///
    /// # Cancel safety
    /// It may have been added.
    pub async fn add(&self, key: impl KeyParts, by: i64) -> Result<i64, Error> {
        let key = self.key(&key)?;
        let sum = self.cache.inner.numbers().increment(&key, by, self.ttl).await;
        sum.map_err(|source| Error::Store { source })
    }

    /// The number under a key; 0 where nothing was added in its time.
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn get(&self, key: impl KeyParts) -> Result<i64, Error> {
        self.add(key, 0).await
    }

    /// Begins anew at 0.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Store`].
    ///
    /// # Cancel safety
    /// It may have begun anew.
    pub async fn reset(&self, key: impl KeyParts) -> Result<(), Error> {
        let key = self.key(&key)?;
        let deleted = self.cache.inner.numbers().delete_multi(&[&key]).await;
        deleted.map(|_| ()).map_err(|source| Error::Store { source })
    }

    fn key(&self, parts: &impl KeyParts) -> Result<String, Error> {
        let mut writer = KeyWriter::new(&self.prefix);
        parts.write_to(&mut writer);
        writer.finish()
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter")
            .field("prefix", &self.prefix)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
