//! A value that is changed only if nobody else has changed it since it was read.

use crate::clock;
use crate::inner::{Found, new_version};
use crate::key::KeyParts;
use crate::local::Ticket;
use crate::stats::count;
use crate::{Error, Namespace};
use db_core::Expected;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The pause of [`Namespace::update`] before it begins anew, on average at most; it grows from a millisecond on.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// What was under a key when it was read: see [`Namespace::entry`].
pub struct Entry<V> {
    namespace: Namespace<V>,
    key: String,
    value: Option<Arc<V>>,
    /// What the store has there, where one is shared.
    expected: Expected,
    /// Spoiled when this process puts or removes something there.
    ticket: Ticket,
}

impl<V> Namespace<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// What is under a key now, of which [`Entry::replace`] knows whether it is still there. Asks the shared store where
    /// there is one, whatever this process has.
    ///
    /// # Errors
    /// [`Error::KeyTooLong`], [`Error::Store`].
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn entry(&self, key: impl KeyParts) -> Result<Entry<V>, Error> {
        let inner = &*self.inner;
        let key = inner.key(&key)?;
        let ticket = inner.local.ticket(&key);
        let asked = inner.ask(&key).await.map_err(|source| Error::Store { source })?;
        let now = Instant::now();
        let (expected, value) = match asked {
            Some((version, found)) => {
                let fresh = found.filter(|found| found.is_fresh(clock::millis(now)));
                (Expected::Version(version), fresh.and_then(|found| found.value))
            }
            None if inner.shared().is_some() => (Expected::Absent, None),
            None => {
                let kept = inner.local.get(&key, now).filter(|kept| inner.may_give_out(kept, now));
                (Expected::Absent, kept.and_then(|kept| kept.value))
            }
        };
        Ok(Entry { namespace: self.clone(), key, value, expected, ticket })
    }

    /// Puts what `change` makes of the value under a key, or of none, again and again until nobody else has changed it
    /// meanwhile; `None` of it leaves everything as it is. Tells what is there then.
    ///
    /// # Errors
    /// Those of [`Namespace::entry`] and [`Entry::replace`]; [`Error::Contended`] after the policy's `hard_timeout`.
    ///
    /// # Cancel safety
    /// It may have been put.
    pub async fn update(
        &self,
        key: impl KeyParts,
        mut change: impl FnMut(Option<&V>) -> Option<V>,
    ) -> Result<Option<Arc<V>>, Error> {
        let deadline = Instant::now() + self.inner.policy.hard_timeout;
        let mut pause = Duration::from_millis(1);
        let mut tries = 0;
        while Instant::now() < deadline {
            tries += 1;
            let entry = self.entry(&key).await?;
            let Some(value) = change(entry.value()) else { return Ok(entry.value) };
            let value = Arc::new(value);
            if entry.put(Arc::clone(&value)).await? {
                return Ok(Some(value));
            }
            sleep(pause.mul_f64(rand::random())).await;
            pause = (pause * 2).min(2 * LONGEST_PAUSE);
        }
        Err(Error::Contended { namespace: self.inner.name.clone(), tries })
    }
}

impl<V> Entry<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The value, if there was a fresh one.
    #[must_use]
    pub fn value(&self) -> Option<&V> {
        self.value.as_deref()
    }

    /// Puts a value there if nobody has put, loaded or removed one since; tells whether it did. It has no tags.
    ///
    /// # Errors
    /// [`Error::Encode`], [`Error::Store`]; then it may have been put.
    ///
    /// # Cancel safety
    /// It may have been put.
    pub async fn replace(self, value: V) -> Result<bool, Error> {
        self.put(Arc::new(value)).await
    }

    async fn put(self, value: Arc<V>) -> Result<bool, Error> {
        let inner = &*self.namespace.inner;
        let (head, bytes) = inner.written(Some(&value), &None, Duration::ZERO)?;
        let found = Found { head, value: Some(value), tags: None, bytes: bytes.len() };
        let now = Instant::now();
        let Some(store) = inner.shared() else {
            let fill = inner.fill(&self.key, &found, now);
            let is_put = inner.local.replace(self.ticket, &self.key, self.value.as_ref(), fill, now);
            inner.flights.forget(&self.key);
            return Ok(is_put);
        };
        // What this process has is given out no more, whether or not this is put in its place.
        inner.spoil(&self.key, now);
        let ticket = inner.local.ticket(&self.key);
        let put = inner.put(&self.key, head, &bytes, new_version());
        let is_put = store.set_if(self.expected, put).await.map_err(|source| {
            count(&inner.counters.shared_failures);
            // It has the one or the other: neither is given out.
            inner.suspects.add(std::iter::once(self.key.as_str()));
            Error::Store { source }
        })?;
        if is_put {
            inner.keep(ticket, &self.key, &found, Instant::now());
        }
        Ok(is_put)
    }
}

impl<V> fmt::Debug for Entry<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).finish_non_exhaustive()
    }
}
