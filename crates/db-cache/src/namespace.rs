//! Values of one type and one meaning: how they are read, put and made untrue.

use crate::clock;
use crate::inner::{Found, Inner, new_version};
use crate::key::KeyParts;
use crate::local::Ticket;
use crate::stats::{Answer, count};
use crate::tagged::Tagged;
use crate::{Error, Policy, Stats};
use db_core::Put;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Values of one type and one meaning. Cloning it is cheap, and every clone is the same.
///
/// Reading it never fails because a store does: then there is no value, and the source is asked.
pub struct Namespace<V> {
    pub(crate) inner: Arc<Inner<V>>,
}

impl<V> Clone for Namespace<V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<V> Namespace<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The same, whose values are taken to be as large as this tells, in bytes, where they are kept in this process. Without
    /// it they are as large as they are written, or, where no store is shared, as their type is by itself.
    ///
    #[must_use]
    pub fn weighed_by(self, weigh: fn(&V) -> usize) -> Self {
        let _ = self.inner.weigh.set(weigh);
        self
    }

    /// The fresh value under a key.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn get(&self, key: impl KeyParts) -> Result<Option<Arc<V>>, Error> {
        let key = self.inner.key(&key)?;
        let now = Instant::now();
        if let Some(kept) = self.inner.local.get(&key, now)
            && self.inner.may_give_out(&kept, now)
        {
            self.inner.answered(Answer::Local);
            return Ok(kept.value);
        }
        let ticket = self.inner.local.ticket(&key);
        let found = self.inner.ask(&key).await.ok().flatten().and_then(|(_, found)| found);
        let now = Instant::now();
        let fresh = found.filter(|found| found.is_fresh(clock::millis(now)));
        let Some(found) = fresh else {
            self.inner.answered(Answer::Miss);
            return Ok(None);
        };
        self.inner.answered(Answer::Shared);
        self.inner.keep(ticket, &key, &found, now);
        Ok(found.value)
    }

    /// The fresh values under these keys, in their order; one round trip for those that this process does not have.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn get_multi(
        &self,
        keys: impl IntoIterator<Item = impl KeyParts>,
    ) -> Result<Vec<Option<Arc<V>>>, Error> {
        let inner = &*self.inner;
        let keys = keys.into_iter().map(|key| inner.key(&key)).collect::<Result<Vec<_>, _>>()?;
        let now = Instant::now();
        let mut values = vec![None; keys.len()];
        let mut missing = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            match inner.local.get(key, now) {
                Some(kept) if inner.may_give_out(&kept, now) => {
                    inner.answered(Answer::Local);
                    values[at] = kept.value;
                }
                _ => missing.push((at, inner.local.ticket(key))),
            }
        }
        if missing.is_empty() {
            return Ok(values);
        }
        let asked: Vec<&str> = missing.iter().map(|(at, _)| keys[*at].as_str()).collect();
        let found = inner.ask_all(&asked).await.unwrap_or_default();
        let now = Instant::now();
        let mut found = found.into_iter();
        for (at, ticket) in missing {
            let found = found.next().flatten().and_then(|(_, found)| found);
            match found.filter(|found| found.is_fresh(clock::millis(now))) {
                Some(found) => {
                    inner.answered(Answer::Shared);
                    inner.keep(ticket, &keys[at], &found, now);
                    values[at] = found.value;
                }
                None => inner.answered(Answer::Miss),
            }
        }
        Ok(values)
    }

    /// The same, whose values have these tags when they are put or loaded: see
    /// [`Cache::delete_tags`](crate::Cache::delete_tags). Tags are those of the whole cache.
    ///
    /// # Errors
    /// [`Error::TooManyTags`] for more than 32, [`Error::KeyTooLong`].
    pub fn tagged(&self, tags: impl IntoIterator<Item = impl KeyParts>) -> Result<Tagged<V>, Error> {
        Ok(Tagged::new(self.clone(), self.inner.cache.inner.tags.keys_of_value(tags)?))
    }

    /// Puts a value under a key, whatever is there or on its way.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Encode`], [`Error::NotRemoved`] when the shared store may still have what was there.
    ///
    /// # Cancel safety
    /// It may be in the shared store; what was there before is in this process no more.
    pub async fn set(&self, key: impl KeyParts, value: V) -> Result<(), Error> {
        self.set_multi([(key, value)]).await
    }

    /// Puts each value under its key, in one round trip. Of several some may be there without the others.
    ///
    /// # Errors
    /// Those of [`set`](Self::set).
    ///
    /// # Cancel safety
    /// That of [`set`](Self::set).
    pub async fn set_multi<K: KeyParts>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), Error> {
        self.put_all(entries, &[]).await
    }

    /// Makes a key untrue: nothing that was loaded before is given out any more, nor kept when it arrives later.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::NotRemoved`] when the shared store may still have it: this process does not give it
    /// out, others may.
    ///
    /// # Cancel safety
    /// It is gone in this process, and may be in the shared store.
    pub async fn delete(&self, key: impl KeyParts) -> Result<(), Error> {
        self.delete_multi([key]).await
    }

    /// The same with several, in one round trip.
    ///
    /// # Errors
    /// Those of [`delete`](Self::delete).
    ///
    /// # Cancel safety
    /// That of [`delete`](Self::delete).
    pub async fn delete_multi(&self, keys: impl IntoIterator<Item = impl KeyParts>) -> Result<(), Error> {
        let inner = &*self.inner;
        let keys = keys.into_iter().map(|key| inner.key(&key)).collect::<Result<Vec<_>, _>>()?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let now = Instant::now();
        let Some(store) = inner.shared() else {
            keys.iter().for_each(|key| inner.spoil(key, now));
            return Ok(());
        };
        let removing = async {
            // After they are suspects: whoever fetches one from now on is not to find what was there.
            keys.iter().for_each(|key| inner.spoil(key, now));
            store.delete_multi(&keys).await
        };
        let removed = inner.suspects.while_removing(&keys, removing).await;
        removed.map(|_| ()).map_err(|source| inner.not_removed(source))
    }

    /// Makes every key of the namespace untrue; tells how many the shared store had.
    ///
    /// # Errors
    /// [`Error::NotRemoved`] when the shared store may still have some.
    ///
    /// # Cancel safety
    /// All are gone in this process, and some may be in the shared store.
    pub async fn clear(&self) -> Result<u64, Error> {
        let inner = &*self.inner;
        let stamp = inner.shared().map(|_| inner.suspects.add_all());
        inner.local.spoil_all(Instant::now());
        inner.flights.forget_all();
        let (Some(store), Some(stamp)) = (inner.shared(), stamp) else { return Ok(0) };
        let cleared = store.clear(&format!("{}:", inner.prefix)).await;
        let cleared = cleared.map_err(|source| inner.not_removed(source))?;
        inner.suspects.clear_all(stamp);
        Ok(cleared)
    }

    /// What has happened since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.counters.read()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How its values are kept.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    pub(crate) async fn put_all<K: KeyParts>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
        tags: &[String],
    ) -> Result<(), Error> {
        let inner = &*self.inner;
        let entry = |(key, value)| Ok((inner.key(&key)?, Arc::new(value)));
        let entries = entries.into_iter().map(entry).collect::<Result<Vec<_>, Error>>()?;
        let keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
        let marked = inner.cache.inner.tags.marked(inner.asking(), tags).await;
        // Where no mark can be had it is not kept, and what was there is removed all the same.
        let marked = marked.inspect_err(|_| count(&inner.counters.shared_failures)).ok().flatten();
        let tags = marked.clone().flatten();
        let written = entries.iter().map(|(_, value)| inner.written(Some(value), &tags, Duration::ZERO));
        let written = written.collect::<Result<Vec<_>, _>>()?;
        let mut tickets: Vec<Ticket> = Vec::new();
        let mut spoil = || {
            let now = Instant::now();
            keys.iter().for_each(|key| inner.spoil(key, now));
            tickets.extend(keys.iter().map(|key| inner.local.ticket(key)));
        };
        if let Some(store) = inner.shared() {
            let puts: Vec<Put<'_>> = keys
                .iter()
                .zip(&written)
                .map(|(key, (head, bytes))| inner.put(key, *head, bytes, new_version()))
                .collect();
            let putting = async {
                // After they are suspects, as in `delete`.
                spoil();
                match marked {
                    Some(_) => store.set_multi(&puts).await,
                    None => store.delete_multi(&keys).await.map(|_| ()),
                }
            };
            // What was there before may be until it is known to be gone.
            let put = inner.suspects.while_removing(&keys, putting).await;
            put.map_err(|source| inner.not_removed(source))?;
        } else {
            spoil();
        }
        if marked.is_none() {
            return Ok(());
        }
        for (((key, value), (head, bytes)), ticket) in entries.iter().zip(&written).zip(tickets) {
            let (value, tags) = (Some(Arc::clone(value)), tags.clone());
            let found = Found { head: *head, value, tags, bytes: bytes.len() };
            inner.keep(ticket, key, &found, Instant::now());
        }
        Ok(())
    }
}

impl<V> fmt::Debug for Namespace<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = self.inner.local.size();
        f.debug_struct("Namespace")
            .field("name", &self.inner.name)
            .field("local_entries", &entries)
            .field("local_bytes", &bytes)
            .finish_non_exhaustive()
    }
}
