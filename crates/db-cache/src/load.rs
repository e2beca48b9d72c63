//! Loads what is not there: once for all who want it, in this process and among all that share a store.

use crate::fetch::{Caller, Route, drawn, fly};
use crate::flight::{Boarding, Landed, Passenger};
use crate::key::KeyParts;
use crate::local::{Kept, Ticket};
use crate::stats::{Answer, count};
use crate::{LoadError, Namespace};
use db_core::BoxError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

impl<V> Namespace<V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// The value under a key, else what `load` makes of the source, which is kept; `None` where the source has none.
    ///
    /// However many want it at once, it is loaded once in this process, and once among all that share a store. An old value
    /// is given out as the policy says: while it is loaded anew, when the source fails or is slow, or when too many loads
    /// are under way.
    ///
    /// # Errors
    /// [`LoadError`], to all who wait for the same load.
    ///
    /// # Cancel safety
    /// The load is a task of its own and goes on until `hard_timeout`: it is for others too.
    pub async fn get_or_load<F, L, E>(&self, key: impl KeyParts, load: F) -> Landed<V>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        self.load_with_tags(key, &[], load).await
    }

    pub(crate) async fn load_with_tags<F, L, E>(
        &self,
        key: impl KeyParts,
        tags: &[String],
        load: F,
    ) -> Landed<V>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let inner = &self.inner;
        let key = inner.key(&key).map_err(|error| LoadError::Key(Arc::new(error)))?;
        // Before anything is looked at.
        let came = inner.local.ticket(&key);
        let now = Instant::now();
        let is_unchanged = |kept: &Kept<V>| inner.cache.inner.tags.are_unchanged(&kept.tags, now);
        let kept = inner.local.get(&key, now).filter(is_unchanged);
        if let Some(kept) = &kept {
            if inner.may_give_out(kept, now) {
                inner.answered(Answer::Local);
                let remaining = kept.fresh_until - now;
                if inner.policy.is_early(remaining, kept.load_time, drawn()) {
                    let _ = self.start(&key, tags, Caller::HasOne, load);
                }
                return Ok(kept.value.clone());
            }
            let refreshed_until = kept.fresh_until + inner.policy.stale_while_revalidate;
            let is_true = inner.cache.inner.trust.is_good(kept.ask_after, now)
                && inner.cache.inner.tags.are_good(&kept.tags, inner.asking(), now);
            if is_true && kept.fresh_until <= now && now < refreshed_until {
                inner.answered(Answer::Stale);
                let _ = self.start(&key, tags, Caller::HasOne, load);
                return Ok(kept.value.clone());
            }
        }
        let landed = match self.start(&key, tags, Caller::Waits, load) {
            Ok(joined) => self.soon(self.landed(&key, tags, came, joined), kept.is_some()).await,
            Err(error) => Some(Err(error)),
        };
        // Not one that was made untrue meanwhile.
        let old = kept
            .filter(|kept| Instant::now() < kept.fresh_until + inner.policy.stale_if_error)
            .filter(|_| !inner.local.is_untrue(came));
        match (landed, old) {
            (Some(Ok(value)), _) => Ok(value),
            (_, Some(old)) => {
                inner.answered(Answer::Stale);
                Ok(old.value)
            }
            (Some(Err(error)), None) => Err(error),
            (None, None) => Err(LoadError::TimedOut { after: inner.policy.hard_timeout }),
        }
    }

    /// What lands, or `None` where there is an old value and it does not land soon.
    async fn soon(&self, landed: impl Future<Output = Landed<V>>, has_old: bool) -> Option<Landed<V>> {
        match self.inner.policy.soft_timeout.filter(|_| has_old) {
            Some(soft) => timeout(soft, landed).await.ok(),
            None => Some(landed.await),
        }
    }

    /// What lands. Where a load was joined that began before a change which was known when its caller came, and it cannot
    /// tell whether it has seen that, it is looked once more: by a load that begins after.
    async fn landed<F, L, E>(
        &self,
        key: &str,
        tags: &[String],
        came: Ticket,
        joined: Joined<V, F>,
    ) -> Landed<V>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let (landed, as_of) = joined.passenger.landed().await;
        match joined.load {
            Some(load) if landed.is_ok() && as_of.is_some_and(|as_of| as_of.is_before(came)) => {
                match self.start(key, tags, Caller::Waits, load) {
                    Ok(joined) => joined.passenger.landed().await.0,
                    Err(error) => Err(error),
                }
            }
            _ => landed,
        }
    }

    /// Has it loaded, by somebody who does so already or by a task.
    fn start<F, L, E>(
        &self,
        key: &str,
        tags: &[String],
        caller: Caller,
        load: F,
    ) -> Result<Joined<V, F>, LoadError>
    where
        F: FnOnce() -> L + Send + 'static,
        L: Future<Output = Result<Option<V>, E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        let inner = &self.inner;
        let marks = &inner.cache.inner.tags;
        let tickets = tags.iter().map(|tag| marks.ticket(tag)).collect();
        match inner.flights.board(key, tickets, |ticket| marks.is_spoiled(ticket)) {
            Boarding::Joined(passenger) => {
                count(&inner.counters.joined);
                Ok(Joined { passenger, load: Some(load) })
            }
            Boarding::Full(loads) => {
                count(&inner.counters.sheds);
                Err(LoadError::Shed { namespace: inner.name.clone(), loads })
            }
            Boarding::First(pilot, passenger) => {
                // Before anything is read: what is read after may be kept, unless the key is made untrue meanwhile.
                let ticket = inner.local.ticket(key);
                let route = Route { key: key.to_owned(), tags: tags.to_owned(), ticket, caller };
                tokio::spawn(fly(Arc::clone(inner), pilot, route, load));
                Ok(Joined { passenger, load: None })
            }
        }
    }
}

/// Somebody who waits for a load.
struct Joined<V, F> {
    passenger: Passenger<V>,
    /// Their own way to load, where that is not theirs.
    load: Option<F>,
}
