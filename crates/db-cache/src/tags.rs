//! Tags: names that values share, and by which all of them are made untrue at once.
//!
//! A tag has a mark, which is kept under a key of its own in both tiers. A value is kept with the marks that its tags had
//! before it was loaded, and is given out only as long as they have them. To make a tag untrue its mark is removed, as a
//! value is; whoever loads next begins another one. So a tag costs no more the more values it has, and everything that
//! makes keys untrue, from the commit of a transaction on, does so with tags.

use crate::Error;
use crate::cache::{Cache, Inner};
use crate::inner::{OVERHEAD_BYTES, new_version};
use crate::key::{KeyParts, KeyWriter};
use crate::local::{Fill, Kept, Local, Ticket};
use crate::record::Tag;
#[cfg(any(feature = "postgres", feature = "redis"))]
use crate::registry::Spoil;
#[cfg(feature = "postgres")]
use crate::suspects::Stamp;
use crate::suspects::Suspects;
use db_core::{Expected, KeyValueError, Put, Version};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Of one value. Each may cost a place in the record, and a look at each hit.
const MOST: usize = 32;
/// For how long a mark is kept after it was begun; after that what has it is loaded anew.
const TTL: Duration = Duration::from_secs(7 * 24 * 3600);
/// Room for the marks that this process knows, some ten thousand.
const LOCAL_BYTES: usize = 4 << 20;

/// The tags of a value with the marks that they had before it was loaded; most have none.
pub(crate) type Marked = Option<Arc<[Tag]>>;

/// Whoever asks for marks: how long one that was learnt will do for them, where nobody tells of changes.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a> {
    pub(crate) cache: &'a Inner,
    pub(crate) local_ttl: Duration,
}

/// The marks of all tags of a cache.
pub(crate) struct Tags {
    /// What their keys begin with; no namespace may be called so.
    prefix: String,
    marks: Local<Version>,
    suspects: Suspects,
}

impl Tags {
    pub(crate) fn new(application: &str) -> Self {
        Self {
            prefix: format!("{application}:%tag"),
            marks: Local::new(LOCAL_BYTES),
            suspects: Suspects::default(),
        }
    }

    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The keys of these tags, each once.
    pub(crate) fn keys(&self, tags: impl IntoIterator<Item = impl KeyParts>) -> Result<Vec<String>, Error> {
        let key = |tag| {
            let mut writer = KeyWriter::new(&self.prefix);
            KeyParts::write_to(&tag, &mut writer);
            writer.finish()
        };
        let mut keys = tags.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// The same for the tags of one value, of which there are only so many.
    pub(crate) fn keys_of_value(
        &self,
        tags: impl IntoIterator<Item = impl KeyParts>,
    ) -> Result<Vec<String>, Error> {
        let keys = self.keys(tags)?;
        if keys.len() > MOST {
            return Err(Error::TooManyTags { tags: keys.len(), most: MOST });
        }
        Ok(keys)
    }

    /// A tag as it stands in a record, without what all of them begin with.
    pub(crate) fn in_record<'t>(&self, tag: &'t Tag) -> Tag<&'t str> {
        Tag { name: tag.name.get(self.prefix.len()..).unwrap_or_default(), mark: tag.mark }
    }

    pub(crate) fn of_record(&self, tags: &[Tag<&str>]) -> Marked {
        let whole = |tag: &Tag<&str>| Tag { name: [&self.prefix, tag.name].concat().into(), mark: tag.mark };
        (!tags.is_empty()).then(|| tags.iter().map(whole).collect())
    }

    /// Whether every tag has its mark still, as far as this process has heard.
    pub(crate) fn are_unchanged(&self, tags: &Marked, now: Instant) -> bool {
        let has_mark = |tag: &Tag| self.marks.get(&tag.name, now).is_some_and(|known| is(&known, tag.mark));
        tags.iter().all(|tags| tags.iter().all(has_mark))
    }

    /// Whether every tag is known to have its mark still.
    pub(crate) fn are_good(&self, tags: &Marked, asking: Asking<'_>, now: Instant) -> bool {
        let is_good = |tag: &Tag| self.known(&tag.name, asking, now) == Some(tag.mark);
        tags.iter().all(|tags| tags.iter().all(is_good))
    }

    /// The mark of a tag, where this process need not ask.
    fn known(&self, key: &str, asking: Asking<'_>, now: Instant) -> Option<Version> {
        let known = self.marks.get(key, now)?;
        // Of a mark it says when it was learnt: how long that will do is for whoever asks to say.
        let is_good = asking.cache.trust.is_good(known.ask_after + asking.local_ttl, now);
        known.value.as_deref().copied().filter(|_| is_good)
    }

    /// For a load of what has this tag.
    pub(crate) fn ticket(&self, key: &str) -> Ticket {
        self.marks.ticket(key)
    }

    /// Whether the tag may have been made untrue since.
    pub(crate) fn is_spoiled(&self, ticket: Ticket) -> bool {
        self.marks.is_spoiled(ticket)
    }

    /// Of each of these, whether its tags have their marks still. One round trip, where this process does not know.
    pub(crate) async fn hold(
        &self,
        asking: Asking<'_>,
        tagged: &[Arc<[Tag]>],
    ) -> Result<Vec<bool>, KeyValueError> {
        let now = Instant::now();
        let mut marks: HashMap<&str, Option<Version>> = HashMap::new();
        let mut unknown = Vec::new();
        for tag in tagged.iter().flat_map(|tags| tags.iter()) {
            if marks.contains_key(&*tag.name) {
                continue;
            }
            let known = self.known(&tag.name, asking, now);
            if known.is_none() {
                unknown.push(&*tag.name);
            }
            marks.insert(&tag.name, known);
        }
        if !unknown.is_empty() {
            let learnt = self.learn(asking.cache, &unknown).await?;
            marks.extend(unknown.into_iter().zip(learnt.into_iter().map(Learnt::mark)));
        }
        let has_mark = |tag: &Tag| marks.get(&*tag.name) == Some(&Some(tag.mark));
        Ok(tagged.iter().map(|tags| tags.iter().all(has_mark)).collect())
    }

    /// The tags with the marks that they have now, which are begun where there are none; for what is loaded from here on.
    /// `None` where one is about to change, and what is loaded must not be kept.
    pub(crate) async fn marked(
        &self,
        asking: Asking<'_>,
        keys: &[String],
    ) -> Result<Option<Marked>, KeyValueError> {
        if keys.is_empty() {
            return Ok(Some(None));
        }
        let now = Instant::now();
        let mut marks: Vec<Option<Version>> = keys.iter().map(|key| self.known(key, asking, now)).collect();
        let unknown: Vec<&str> =
            keys.iter().zip(&marks).filter(|(_, mark)| mark.is_none()).map(|(key, _)| &**key).collect();
        if !unknown.is_empty() {
            let learnt = self.learn(asking.cache, &unknown).await?;
            let missing = marks.iter_mut().filter(|mark| mark.is_none());
            for ((mark, key), learnt) in missing.zip(unknown).zip(learnt) {
                *mark = match learnt {
                    Learnt::Mark(mark) => Some(mark),
                    Learnt::None => self.begin(asking.cache, key).await?,
                    Learnt::Changing => return Ok(None),
                };
            }
        }
        let tag =
            |(key, mark): (&String, Option<Version>)| Some(Tag { name: key.as_str().into(), mark: mark? });
        Ok(keys.iter().zip(marks).map(tag).collect::<Option<Arc<[Tag]>>>().map(Some))
    }

    /// Begins a mark, unless somebody else has.
    async fn begin(&self, cache: &Inner, key: &str) -> Result<Option<Version>, KeyValueError> {
        let ticket = self.marks.ticket(key);
        let mark = new_version();
        if let Some(store) = &cache.shared {
            let heard = heard(cache);
            let put = Put { key, value: heard.as_bytes(), version: mark, ttl: TTL };
            if !store.set_if(Expected::Absent, put).await? {
                return Ok(self.learn(cache, &[key]).await?.pop().and_then(Learnt::mark));
            }
        }
        self.keep(cache, ticket, key, mark);
        Ok(Some(mark))
    }

    /// The marks that tags have in the shared store.
    async fn learn(&self, cache: &Inner, keys: &[&str]) -> Result<Vec<Learnt>, KeyValueError> {
        let Some(store) = cache.shared.as_deref() else {
            return Ok(keys.iter().map(|_| Learnt::None).collect());
        };
        let tickets: Vec<Ticket> = keys.iter().map(|key| self.marks.ticket(key)).collect();
        self.suspects.remove_among(store, keys, &self.prefix).await?;
        let stored = store.get_multi(keys).await?;
        let learnt = stored.into_iter().zip(keys).zip(tickets).map(|((stored, key), ticket)| match stored {
            None => Learnt::None,
            // Something is under way that will change it.
            Some(stored) if !is_mark(&stored.value) => Learnt::Changing,
            Some(stored) => {
                self.keep(cache, ticket, key, stored.version);
                Learnt::Mark(stored.version)
            }
        });
        Ok(learnt.collect())
    }

    fn keep(&self, cache: &Inner, ticket: Ticket, key: &str, mark: Version) {
        let now = Instant::now();
        let until = now + TTL;
        let ask_after = if cache.shared.is_some() { now } else { until };
        let kept = Kept {
            value: Some(Arc::new(mark)),
            tags: None,
            fresh_until: until,
            ask_after,
            load_time: Duration::ZERO,
        };
        self.marks.fill(ticket, key, Fill { kept, weight: key.len() + OVERHEAD_BYTES, until }, now);
    }

    async fn delete(&self, cache: &Inner, keys: &[String]) -> Result<(), Error> {
        let now = Instant::now();
        let spoil = || keys.iter().for_each(|key| self.marks.spoil(key, now));
        let Some(store) = cache.shared.as_deref() else {
            spoil();
            return Ok(());
        };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let removing = async {
            // After they are suspects: whoever learns one from now on is not to find what was there.
            spoil();
            store.delete_multi(&keys).await
        };
        let removed = self.suspects.while_removing(&keys, removing).await;
        removed.map(|_| ()).map_err(|source| Error::NotRemoved { source })
    }
}

/// As it is kept beside a mark that is begun now; nothing where changes are not followed.
#[cfg(feature = "postgres")]
fn heard(cache: &Inner) -> String {
    cache.heard.lock().as_ref().map(|snapshot| snapshot.mark()).unwrap_or_default()
}

#[cfg(not(feature = "postgres"))]
fn heard(_: &Inner) -> String {
    String::new()
}

/// Beside a mark stands what was heard, in digits, or nothing; a record says that something is under way.
pub(crate) fn is_mark(value: &[u8]) -> bool {
    value.first().is_none_or(u8::is_ascii_digit)
}

/// What the shared store says of a tag.
enum Learnt {
    None,
    Mark(Version),
    Changing,
}

impl Learnt {
    fn mark(self) -> Option<Version> {
        match self {
            Self::Mark(mark) => Some(mark),
            Self::None | Self::Changing => None,
        }
    }
}

fn is(known: &Kept<Version>, mark: Version) -> bool {
    known.value.as_deref() == Some(&mark)
}

impl Cache {
    /// Makes every value untrue that has one of these tags, in all namespaces: nothing that was loaded before is given out
    /// any more, nor kept when it arrives later. One round trip, however many values there are.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::NotRemoved`] when the shared store may still have them: this process does not give
    /// them out, others may.
    ///
    /// # Cancel safety
    /// They are untrue in this process, and may be in others.
    pub async fn delete_tags(&self, tags: impl IntoIterator<Item = impl KeyParts>) -> Result<(), Error> {
        let keys = self.inner.tags.keys(tags)?;
        self.inner.tags.delete(&self.inner, &keys).await
    }
}

#[cfg(any(feature = "postgres", feature = "redis"))]
impl Spoil for Tags {
    #[cfg(feature = "postgres")]
    fn spoil(&self, key: &str) {
        self.marks.spoil(key, Instant::now());
    }

    #[cfg(feature = "postgres")]
    fn spoil_all(&self) {
        self.marks.spoil_all(Instant::now());
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
        self.marks.changed(key, Instant::now());
    }

    #[cfg(feature = "redis")]
    fn changed_all(&self) {
        self.marks.changed_all(Instant::now());
    }
}
