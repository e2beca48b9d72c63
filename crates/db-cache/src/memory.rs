//! The seam over this process's own memory.

use crate::census::Shares;
use crate::lfu::{Change, Lfu, Walk};
use crate::limits::Taken;
use async_trait::async_trait;
use db_core::{Census, Expected, KeyValue, KeyValueError, KeyValueLimits, Put, Share, Stored, Version};
use std::sync::Arc;
use std::time::{Duration, Instant};

const NAME: &str = "memory";
const KEY_BYTES: usize = 1_024;
const VALUE_BYTES: usize = 1 << 20;
/// A value may take no more of the room than this part of it.
const LEAST_VALUES: usize = 8;
/// What an entry takes beside its key and value, in the slab, the table, the sketch and the allocator.
const ENTRY_BYTES: usize = 160;
const SHORTEST: Duration = Duration::from_millis(1);
/// Further into the future no clock is asked to go.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// A [`KeyValue`] in this process's memory, of which those entries stay that are asked for most.
///
/// Nothing in it waits: every method is done when it is first polled, `clear` after a few polls.
#[derive(Debug)]
pub struct Memory {
    held: Lfu<Held>,
    limits: KeyValueLimits,
}

/// How a [`Memory`] is, and what has happened to its entries since it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStats {
    /// Entries held, some of which may have expired.
    pub entries: usize,
    /// What they take.
    pub bytes: usize,
    /// What they may take.
    pub capacity_bytes: usize,
    /// Entries that went for others.
    pub evictions: u64,
    /// Entries that were not let in, as they were worth less than those that would have had to go, or too large.
    pub rejections: u64,
    /// Entries that were removed after their time.
    pub expirations: u64,
}

#[derive(Clone, Debug)]
enum Held {
    Value { version: Version, bytes: Arc<[u8]> },
    Number(i64),
}

impl Memory {
    /// Holds this much at most, keys and its own books included. Takes keys up to 1 KiB, and values up to 1 MiB or an eighth of
    /// the capacity.
    #[must_use]
    pub fn new(capacity_bytes: usize) -> Self {
        let value_bytes = VALUE_BYTES.min(capacity_bytes / LEAST_VALUES);
        Self::with_limits(capacity_bytes, KeyValueLimits { key_bytes: KEY_BYTES, value_bytes })
    }

    /// The same with limits of one's own. The longer values may be, the fewer locks the memory is divided among; one that is
    /// longer than the whole is never kept.
    #[must_use]
    pub fn with_limits(capacity_bytes: usize, limits: KeyValueLimits) -> Self {
        let heaviest = limits.key_bytes.saturating_add(limits.value_bytes).saturating_add(ENTRY_BYTES);
        Self { held: Lfu::new(capacity_bytes, heaviest), limits }
    }

    /// How it is.
    #[must_use]
    pub fn stats(&self) -> MemoryStats {
        let counters = self.held.counters();
        MemoryStats {
            entries: self.held.len(),
            bytes: self.held.weight(),
            capacity_bytes: self.held.capacity(),
            evictions: counters.evictions,
            rejections: counters.rejections,
            expirations: counters.expirations,
        }
    }

    fn taken(&self) -> Taken<'_> {
        Taken { store: NAME, limits: self.limits }
    }
}

#[async_trait]
impl KeyValue for Memory {
    fn name(&self) -> &str {
        NAME
    }

    fn limits(&self) -> KeyValueLimits {
        self.limits
    }

    async fn get_multi(&self, keys: &[&str]) -> Result<Vec<Option<Stored>>, KeyValueError> {
        self.taken().keys(keys)?;
        let now = Instant::now();
        let found = keys.iter().map(|key| match self.held.get(key, now) {
            None => Ok(None),
            Some(Held::Value { version, bytes }) => Ok(Some(Stored { version, value: bytes.to_vec() })),
            Some(Held::Number(_)) => Err(wrong_kind(key, "number")),
        });
        found.collect()
    }

    async fn set_multi(&self, puts: &[Put<'_>]) -> Result<(), KeyValueError> {
        self.taken().puts(puts)?;
        let now = Instant::now();
        for put in puts {
            self.held.insert(put.key, value(put), weight(put.key, put.value), until(now, put.ttl), now);
        }
        Ok(())
    }

    async fn delete_multi(&self, keys: &[&str]) -> Result<u64, KeyValueError> {
        self.taken().keys(keys)?;
        let now = Instant::now();
        Ok(keys.iter().map(|key| u64::from(self.held.remove(key, now))).sum())
    }

    async fn set_if(&self, expected: Expected, put: Put<'_>) -> Result<bool, KeyValueError> {
        self.taken().put(&put)?;
        let now = Instant::now();
        let new = value(&put);
        let mut done = false;
        self.held.update(put.key, now, |found| {
            done = match (expected, found) {
                (Expected::Absent, None) => true,
                (Expected::Version(expected), Some(Held::Value { version, .. })) => *version == expected,
                (Expected::Absent, Some(_)) | (Expected::Version(_), _) => false,
            };
            if !done {
                return Change::Keep;
            }
            Change::Put { value: new, weight: weight(put.key, put.value), expires_at: until(now, put.ttl) }
        });
        Ok(done)
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, KeyValueError> {
        self.taken().key(key)?;
        let now = Instant::now();
        let mut sum = Ok(by);
        self.held.update(key, now, |found| {
            let number = match found {
                None => {
                    let (weight, expires_at) = (weight(key, &[]), until(now, ttl));
                    return Change::Put { value: Held::Number(by), weight, expires_at };
                }
                Some(Held::Number(number)) => number.checked_add(by).ok_or_else(|| overflow(key)),
                Some(Held::Value { .. }) => Err(wrong_kind(key, "value")),
            };
            let change =
                number.as_ref().map_or(Change::Keep, |number| Change::Replace(Held::Number(*number)));
            sum = number;
            change
        });
        sum
    }

    async fn clear(&self, prefix: &str) -> Result<u64, KeyValueError> {
        let now = Instant::now();
        let mut walk = Walk::default();
        let mut removed = 0;
        while let Some(more) = self.held.remove_some(&mut walk, now, |key, _| key.starts_with(prefix)) {
            removed += more;
            // Others of this thread have their turn.
            tokio::task::yield_now().await;
        }
        Ok(removed)
    }
}

#[async_trait]
impl Census for Memory {
    async fn census(
        &self,
        prefix: &str,
        counted: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<Vec<Share>, KeyValueError> {
        let now = Instant::now();
        let (mut walk, mut shares) = (Walk::default(), Shares::new(prefix));
        let count = |shares: &mut Shares<'_>, key: &str, held: &Held| {
            let bytes = match held {
                Held::Value { bytes, .. } => bytes.len(),
                Held::Number(_) => size_of::<i64>(),
            };
            shares.count(key, bytes);
            false
        };
        while self.held.remove_some(&mut walk, now, |key, held| count(&mut shares, key, held)).is_some() {
            counted(shares.entries());
            // Others of this thread have their turn.
            tokio::task::yield_now().await;
        }
        Ok(shares.finish())
    }

    async fn figures(&self) -> Result<Vec<(String, String)>, KeyValueError> {
        Ok(Vec::new())
    }
}

fn value(put: &Put<'_>) -> Held {
    Held::Value { version: put.version, bytes: put.value.into() }
}

fn weight(key: &str, value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

fn until(now: Instant, ttl: Duration) -> Instant {
    now + ttl.clamp(SHORTEST, LONGEST)
}

fn wrong_kind(key: &str, found: &'static str) -> KeyValueError {
    KeyValueError::WrongKind { key: key.to_owned(), found }
}

fn overflow(key: &str) -> KeyValueError {
    KeyValueError::Overflow { key: key.to_owned() }
}
