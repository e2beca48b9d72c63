//! Values of one type and one meaning.

use crate::cache::Cache;
use crate::clock;
use crate::flight::Flights;
use crate::key::{KeyParts, KeyWriter};
use crate::local::{Kept, Local, Ticket};
use crate::record::{Codec, Content, Head, Record, UnixMillis};
#[cfg(feature = "postgres")]
use crate::registry::Spoil;
use crate::stats::{Answer, Counters, add, count};
use crate::suspects::Suspects;
use crate::{Error, Policy, Stats};
use db_core::{KeyValue, KeyValueError, Put, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// What an entry costs beside its key and value.
const OVERHEAD_BYTES: usize = 96;

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

pub(crate) struct Inner<V> {
    pub(crate) cache: Cache,
    /// What its keys begin with.
    pub(crate) prefix: String,
    pub(crate) name: String,
    pub(crate) policy: Policy,
    pub(crate) codec: Codec,
    pub(crate) local: Local<V>,
    pub(crate) flights: Arc<Flights<V>>,
    pub(crate) counters: Counters,
    /// Keys that the shared store may have something untrue under.
    pub(crate) suspects: Suspects,
    weigh: OnceLock<fn(&V) -> usize>,
}

/// A record that was found in the shared store and is worth something.
pub(crate) struct Found<V> {
    pub(crate) head: Head,
    pub(crate) value: Option<Arc<V>>,
    pub(crate) bytes: usize,
}

impl<V> Namespace<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn new(cache: Cache, name: &str, policy: Policy) -> Self {
        let shared = cache.inner.shared.as_deref();
        let codec = Codec {
            encoding: policy.encoding,
            schema: policy.schema,
            compress_from_bytes: policy.compress_from_bytes,
            most_bytes: shared.map_or(usize::MAX, |store| store.limits().value_bytes.saturating_mul(8)),
        };
        let inner = Inner {
            prefix: format!("{}:{name}", cache.inner.prefix),
            name: name.to_owned(),
            local: Local::new(policy.local_bytes),
            flights: Flights::new(policy.max_loads),
            counters: Counters::default(),
            suspects: Suspects::default(),
            weigh: OnceLock::new(),
            cache,
            policy,
            codec,
        };
        let inner = Arc::new(inner);
        #[cfg(feature = "postgres")]
        inner
            .cache
            .inner
            .registry
            .add(&inner.prefix, Arc::downgrade(&(Arc::clone(&inner) as Arc<dyn Spoil>)));
        Self { inner }
    }

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
        let inner = &*self.inner;
        let mut written = Vec::new();
        for (key, value) in entries {
            let (key, value) = (inner.key(&key)?, Arc::new(value));
            let record = inner.written(Some(&value), Duration::ZERO)?;
            written.push((key, value, record));
        }
        let now = Instant::now();
        for (key, ..) in &written {
            inner.spoil(key, now);
        }
        let tickets: Vec<Ticket> = written.iter().map(|(key, ..)| inner.local.ticket(key)).collect();
        if let Some(store) = inner.shared() {
            let ttl = inner.policy.ttl + inner.policy.stale();
            let puts: Vec<Put<'_>> = written
                .iter()
                .map(|(key, _, (_, bytes))| Put { key, value: bytes, version: new_version(), ttl })
                .collect();
            add(&inner.counters.bytes_written, puts.iter().map(|put| put.value.len()).sum());
            // Until it is known to be there, what was there before may be. A dropped future leaves it so.
            let stamp = inner.suspects.add(puts.iter().map(|put| put.key));
            store.set_multi(&puts).await.map_err(|source| inner.not_removed(source))?;
            inner.suspects.clear(puts.iter().map(|put| put.key), stamp);
        }
        for ((key, value, (head, bytes)), ticket) in written.into_iter().zip(tickets) {
            let found = Found { head, value: Some(value), bytes: bytes.len() };
            inner.keep(ticket, &key, &found, Instant::now());
        }
        Ok(())
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
        let now = Instant::now();
        for key in &keys {
            inner.spoil(key, now);
        }
        let Some(store) = inner.shared() else { return Ok(()) };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        // Until it is known to be gone. A dropped future leaves it so.
        let stamp = inner.suspects.add(keys.iter().copied());
        store.delete_multi(&keys).await.map_err(|source| inner.not_removed(source))?;
        inner.suspects.clear(keys.iter().copied(), stamp);
        Ok(())
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
        inner.local.spoil_all(Instant::now());
        inner.flights.forget_all();
        let Some(store) = inner.shared() else { return Ok(0) };
        let stamp = inner.suspects.add_all();
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
}

impl<V> Inner<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    pub(crate) fn key(&self, parts: &impl KeyParts) -> Result<String, Error> {
        let mut writer = KeyWriter::new(&self.prefix);
        parts.write_to(&mut writer);
        writer.finish()
    }

    pub(crate) fn shared(&self) -> Option<&dyn KeyValue> {
        self.cache.inner.shared.as_deref()
    }

    /// Makes a key untrue in this process.
    pub(crate) fn spoil(&self, key: &str, now: Instant) {
        count(&self.counters.invalidations);
        self.local.spoil(key, now);
        self.flights.forget(key);
    }

    /// Whether it is fresh and known to be true.
    pub(crate) fn may_give_out(&self, kept: &Kept<V>, now: Instant) -> bool {
        now < kept.fresh_until && self.cache.inner.trust.is_good(kept.ask_after, now)
    }

    /// Counts a question by what answered it.
    pub(crate) fn answered(&self, answer: Answer) {
        let (counter, result) = match answer {
            Answer::Local => (&self.counters.local_hits, "local"),
            Answer::Shared => (&self.counters.shared_hits, "shared"),
            Answer::Stale => (&self.counters.stale_hits, "stale"),
            Answer::Miss => (&self.counters.misses, "miss"),
        };
        count(counter);
        let labels = [("cache.namespace", &*self.name), ("cache.result", result)];
        self.cache.inner.recorder.count("cache.requests", &labels, 1);
    }

    fn not_removed(&self, source: KeyValueError) -> Error {
        count(&self.counters.shared_failures);
        tracing::warn!(namespace = self.name, error = %source, "the shared store may still have what is untrue");
        Error::NotRemoved { source }
    }

    /// What the shared store has under a key, and its mark; `None` where there is no store. Nothing that may be untrue.
    pub(crate) async fn ask(&self, key: &str) -> Result<Option<(Version, Option<Found<V>>)>, KeyValueError> {
        Ok(self.ask_all(&[key]).await?.pop().flatten())
    }

    async fn ask_all(
        &self,
        keys: &[&str],
    ) -> Result<Vec<Option<(Version, Option<Found<V>>)>>, KeyValueError> {
        let Some(store) = self.shared() else { return Ok(Vec::new()) };
        let asked = async {
            self.clear_suspects(store, keys).await?;
            store.get_multi(keys).await
        };
        let stored = asked.await.inspect_err(|_| count(&self.counters.shared_failures))?;
        let read = |bytes: Vec<u8>| {
            add(&self.counters.bytes_read, bytes.len());
            let found = self.codec.read(&bytes).and_then(|record| self.found(&record, bytes.len()));
            if found.is_none() {
                count(&self.counters.unreadable);
            }
            found
        };
        Ok(stored
            .into_iter()
            .map(|stored| stored.map(|stored| (stored.version, read(stored.value))))
            .collect())
    }

    fn found(&self, record: &Record<'_>, bytes: usize) -> Option<Found<V>> {
        let value = match record.head.content {
            Content::Nothing | Content::Absent => None,
            Content::Value(_) => Some(Arc::new(self.codec.decode(record)?)),
        };
        Some(Found { head: record.head, value, bytes })
    }

    /// Removes from the shared store what could not be removed before.
    async fn clear_suspects(&self, store: &dyn KeyValue, keys: &[&str]) -> Result<(), KeyValueError> {
        if self.suspects.is_empty() {
            return Ok(());
        }
        let stamp = self.suspects.now();
        if self.suspects.are_all() {
            store.clear(&format!("{}:", self.prefix)).await?;
            self.suspects.clear_all(stamp);
            return Ok(());
        }
        let among: Vec<&str> = keys.iter().copied().filter(|key| self.suspects.contains(key)).collect();
        if !among.is_empty() {
            store.delete_multi(&among).await?;
            self.suspects.clear(among.into_iter(), stamp);
        }
        Ok(())
    }

    /// The record of a value that was loaded just now in this time, and its head.
    pub(crate) fn written(
        &self,
        value: Option<&Arc<V>>,
        load_time: Duration,
    ) -> Result<(Head, Vec<u8>), Error> {
        let now = clock::millis(Instant::now());
        let ttl = match value {
            Some(_) => self.policy.ttl,
            None => self.policy.negative_ttl.unwrap_or(Duration::from_millis(1)),
        };
        let head = Head {
            content: value.map_or(Content::Absent, |_| Content::Value(self.policy.encoding)),
            schema: self.policy.schema,
            loaded_at: now,
            fresh_until: now.after(self.policy.jittered(ttl, rand::random())),
            leased_until: UnixMillis::default(),
            load_time,
        };
        let bytes = match (value, self.shared()) {
            (Some(value), Some(_)) => self.codec.encode(&**value)?,
            _ => Vec::new(),
        };
        Ok((head, self.codec.write(head, &bytes)))
    }

    /// Keeps in this process what was found or loaded, unless it was made untrue since; tells whether it was not.
    pub(crate) fn keep(&self, ticket: Ticket, key: &str, found: &Found<V>, now: Instant) -> bool {
        let fresh_until = clock::instant(now, found.head.fresh_until);
        let until = clock::instant(now, found.head.fresh_until.after(self.policy.stale()));
        let ask_after = if self.shared().is_some() { now + self.policy.local_ttl } else { until };
        let load_time = found.head.load_time;
        let kept = Kept { value: found.value.clone(), fresh_until, ask_after, load_time };
        let size = match (&found.value, self.weigh.get()) {
            (Some(value), Some(weigh)) => weigh(value),
            _ if self.shared().is_some() => found.bytes,
            _ => size_of::<V>(),
        };
        let good = self.local.fill(ticket, key, kept, size + key.len() + OVERHEAD_BYTES, until, now);
        if !good {
            count(&self.counters.refused_fills);
        }
        good
    }
}

#[cfg(feature = "postgres")]
impl<V> Spoil for Inner<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    fn spoil(&self, key: &str) {
        Self::spoil(self, key, Instant::now());
    }

    fn spoil_all(&self) {
        self.local.spoil_all(Instant::now());
        self.flights.forget_all();
    }
}

impl<V> Found<V> {
    pub(crate) fn is_fresh(&self, now: UnixMillis) -> bool {
        self.head.content != Content::Nothing && now < self.head.fresh_until
    }
}

/// A mark that nobody else draws.
pub(crate) fn new_version() -> Version {
    Version(rand::random())
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
