//! What the handles of a namespace share: its two tiers, and what may be given out of them.

use crate::cache::Cache;
use crate::clock;
use crate::flight::Flights;
use crate::key::{KeyParts, KeyWriter};
use crate::local::{Fill, Kept, Local, Ticket};
use crate::record::{Codec, Content, Head, Record, Tag, UnixMillis};
#[cfg(any(feature = "postgres", feature = "redis"))]
use crate::registry::Spoil;
use crate::stats::{Answer, Counters, add, count};
#[cfg(feature = "postgres")]
use crate::suspects::Stamp;
use crate::suspects::Suspects;
use crate::tags::{Asking, Marked};
use crate::{Error, Policy};
use db_core::{KeyValue, KeyValueError, Put, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// What an entry costs beside its key and value.
pub(crate) const OVERHEAD_BYTES: usize = 96;

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
    pub(crate) weigh: OnceLock<fn(&V) -> usize>,
}

/// A record that was found in the shared store and is worth something.
pub(crate) struct Found<V> {
    pub(crate) head: Head,
    pub(crate) value: Option<Arc<V>>,
    pub(crate) tags: Marked,
    pub(crate) bytes: usize,
}

/// What the shared store has under a key: the mark of whoever wrote it, and what of it is worth something.
pub(crate) type Asked<V> = Option<(Version, Option<Found<V>>)>;

impl<V> Inner<V>
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
        Self {
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
        }
    }

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
        now < kept.fresh_until
            && self.cache.inner.trust.is_good(kept.ask_after, now)
            && self.cache.inner.tags.are_good(&kept.tags, self.asking(), now)
    }

    pub(crate) fn asking(&self) -> Asking<'_> {
        Asking { cache: &self.cache.inner, local_ttl: self.policy.local_ttl }
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

    pub(crate) fn not_removed(&self, source: KeyValueError) -> Error {
        count(&self.counters.shared_failures);
        tracing::warn!(namespace = self.name, error = %source, "the shared store may still have what is untrue");
        Error::NotRemoved { source }
    }

    /// What the shared store has under a key; `None` where there is no store. Nothing that may be untrue.
    pub(crate) async fn ask(&self, key: &str) -> Result<Asked<V>, KeyValueError> {
        Ok(self.ask_all(&[key]).await?.pop().flatten())
    }

    /// The same of several, one round trip; one more where they have tags whose marks are not known here.
    pub(crate) async fn ask_all(&self, keys: &[&str]) -> Result<Vec<Asked<V>>, KeyValueError> {
        let Some(store) = self.shared() else { return Ok(Vec::new()) };
        let asked = async {
            self.suspects.remove_among(store, keys, &self.prefix).await?;
            store.get_multi(keys).await
        };
        let stored = asked.await.inspect_err(|_| count(&self.counters.shared_failures))?;
        let mut asked: Vec<Asked<V>> = stored
            .into_iter()
            .map(|stored| stored.map(|stored| (stored.version, self.read(&stored.value))))
            .collect();
        self.drop_those_of_other_marks(&mut asked).await;
        Ok(asked)
    }

    fn read(&self, bytes: &[u8]) -> Option<Found<V>> {
        add(&self.counters.bytes_read, bytes.len());
        let found = self.codec.read(bytes).and_then(|record| self.found(&record, bytes.len()));
        if found.is_none() {
            count(&self.counters.unreadable);
        }
        found
    }

    fn found(&self, record: &Record<'_>, bytes: usize) -> Option<Found<V>> {
        let value = match record.head.content {
            Content::Nothing | Content::Absent => None,
            Content::Value(_) => Some(Arc::new(self.codec.decode(record)?)),
        };
        let tags = self.cache.inner.tags.of_record(&record.tags()?);
        Some(Found { head: record.head, value, tags, bytes })
    }

    /// What has a tag that was made untrue since is nothing.
    async fn drop_those_of_other_marks(&self, asked: &mut [Asked<V>]) {
        let found = |asked: &Asked<V>| asked.as_ref().and_then(|(_, found)| found.as_ref()?.tags.clone());
        let tagged: Vec<Arc<[Tag]>> = asked.iter().filter_map(found).collect();
        if tagged.is_empty() {
            return;
        }
        let hold = self.cache.inner.tags.hold(self.asking(), &tagged).await;
        let hold = hold.inspect_err(|_| count(&self.counters.shared_failures));
        // What nobody can tell of is not given out.
        let mut hold = hold.unwrap_or_else(|_| vec![false; tagged.len()]).into_iter();
        for (_, found) in asked.iter_mut().flatten() {
            if found.as_ref().is_some_and(|found| found.tags.is_some()) && hold.next() != Some(true) {
                *found = None;
            }
        }
    }

    /// The record of a value that was loaded just now in this time, and its head.
    pub(crate) fn written(
        &self,
        value: Option<&Arc<V>>,
        tags: &Marked,
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
        Ok((head, self.record(head, tags, &bytes)))
    }

    pub(crate) fn record(&self, head: Head, tags: &Marked, value: &[u8]) -> Vec<u8> {
        let tags = tags.iter().flat_map(|tags| tags.iter());
        self.codec.write(head, tags.map(|tag| self.cache.inner.tags.in_record(tag)), value)
    }

    /// What is to be put under a key whose record has this head: for as long as it may be of use.
    pub(crate) fn put<'p>(&self, key: &'p str, head: Head, value: &'p [u8], version: Version) -> Put<'p> {
        let until = head.fresh_until.after(self.policy.stale()).max(head.leased_until);
        let ttl = until.since(clock::millis(Instant::now())).max(Duration::from_millis(1));
        add(&self.counters.bytes_written, value.len());
        Put { key, value, version, ttl }
    }

    /// Keeps in this process what was found or loaded, unless it was made untrue since; tells whether it was not.
    pub(crate) fn keep(&self, ticket: Ticket, key: &str, found: &Found<V>, now: Instant) -> bool {
        let good = self.local.fill(ticket, key, self.fill(key, found, now), now);
        if !good {
            count(&self.counters.refused_fills);
        }
        good
    }

    /// What is found, as it is kept in this process.
    pub(crate) fn fill(&self, key: &str, found: &Found<V>, now: Instant) -> Fill<V> {
        let fresh_until = clock::instant(now, found.head.fresh_until);
        let until = clock::instant(now, found.head.fresh_until.after(self.policy.stale()));
        let ask_after = if self.shared().is_some() { now + self.policy.local_ttl } else { until };
        let size = match (&found.value, self.weigh.get()) {
            (Some(value), Some(weigh)) => weigh(value),
            _ if self.shared().is_some() => found.bytes,
            _ => size_of::<V>(),
        };
        let tags = found.tags.iter().flat_map(|tags| tags.iter());
        let tags: usize = tags.map(|tag| tag.name.len() + size_of::<Tag>()).sum();
        let kept = Kept {
            value: found.value.clone(),
            tags: found.tags.clone(),
            fresh_until,
            ask_after,
            load_time: found.head.load_time,
        };
        Fill { kept, weight: size + key.len() + tags + OVERHEAD_BYTES, until }
    }
}

#[cfg(any(feature = "postgres", feature = "redis"))]
impl<V> Spoil for Inner<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    #[cfg(feature = "postgres")]
    fn spoil(&self, key: &str) {
        Self::spoil(self, key, Instant::now());
    }

    #[cfg(feature = "postgres")]
    fn spoil_all(&self) {
        self.local.spoil_all(Instant::now());
        self.flights.forget_all();
    }

    #[cfg(feature = "postgres")]
    fn suspect(&self, keys: &[&str]) -> Stamp {
        self.suspects.add(keys.iter().copied())
    }

    #[cfg(feature = "postgres")]
    fn is_removed(&self, keys: &[&str], stamp: Stamp) {
        self.suspects.clear(keys.iter().copied(), stamp);
    }

    #[cfg(feature = "redis")]
    fn changed(&self, key: &str) {
        self.local.changed(key, Instant::now());
    }

    #[cfg(feature = "redis")]
    fn changed_all(&self) {
        self.local.changed_all(Instant::now());
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
