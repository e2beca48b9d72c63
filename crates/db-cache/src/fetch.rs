//! One load: whose turn it is, the work, and that what comes of it is kept.
//!
//! Among processes it is a lease (Nishtala et al., "Scaling Memcache at Facebook", 2013): whoever puts a mark under the key
//! may load, and what they loaded is kept only if that mark is still there. Removing the key removes the mark, so a value
//! that was loaded before cannot be stored after. Whoever has the lease renews it while they load; when they die it ends.

use crate::LoadError;
use crate::clock;
use crate::flight::{Landed, Pilot};
use crate::inner::{Found, Inner, new_version};
use crate::local::Ticket;
use crate::record::{Content, Head, UnixMillis};
use crate::stats::{Answer, count};
use crate::tags::Marked;
use db_core::{BoxError, Expected, KeyValueError, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// A lease that is not renewed ends after this.
const LEASE: Duration = Duration::from_secs(2);
const RENEW_EVERY: Duration = Duration::from_millis(500);
/// Somebody who is told so often in a row that there is something, where they find nothing, does not ask any more: it is
/// nothing of ours.
const MOST_REFUSALS: u32 = 8;
/// How often somebody who waits for a load of another process looks.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(100);

/// What is to be loaded.
pub(crate) struct Route {
    pub(crate) key: String,
    /// The keys of its tags.
    pub(crate) tags: Vec<String>,
    pub(crate) ticket: Ticket,
    pub(crate) caller: Caller,
}

/// Loads it, and gives what came of it to all who wait.
pub(crate) async fn fly<V, F, L, E>(inner: Arc<Inner<V>>, pilot: Pilot<V>, route: Route, load: F)
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: FnOnce() -> L + Send + 'static,
    L: Future<Output = Result<Option<V>, E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    let deadline = Instant::now() + inner.policy.hard_timeout;
    let flight = Flight { inner: &inner, route: &route, pilot: &pilot, deadline };
    let (landed, as_of) = flight.fetch(load).await;
    pilot.land(landed, as_of);
}

/// Whoever has it loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// For want of a value.
    Waits,
    /// Behind their back, as they were given one.
    HasOne,
}

/// One load.
struct Flight<'f, V> {
    inner: &'f Inner<V>,
    route: &'f Route,
    pilot: &'f Pilot<V>,
    deadline: Instant,
}

/// Whether it is ours to load.
enum Turn<V> {
    /// Somebody has, or an old value may be given out while they do; and a ticket from before it was read.
    Value(Option<Arc<V>>, Ticket),
    /// It is, and what is under the key until then says so.
    Leased(Lease<V>),
    /// It is, and nobody is asked.
    Alone,
}

struct Lease<V> {
    version: Version,
    /// What there was before.
    old: Option<Found<V>>,
}

impl<V> Flight<'_, V>
where
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// What is to be had, and a ticket from before it was.
    async fn fetch<F, L, E>(&self, load: F) -> (Landed<V>, Ticket)
    where
        F: FnOnce() -> L,
        L: Future<Output = Result<Option<V>, E>>,
        E: Into<BoxError> + Send + 'static,
    {
        let lease = match timeout_at(self.deadline, self.turn()).await {
            Ok(Turn::Value(value, as_of)) => return (Ok(value), as_of),
            Ok(Turn::Leased(lease)) => Some(lease),
            Ok(Turn::Alone) => None,
            Err(_) => return (Err(self.timed_out()), self.route.ticket),
        };
        // Before the source is asked: whatever makes one of them untrue from now on makes what it answers so.
        let tags = self.inner.cache.inner.tags.marked(self.inner.asking(), &self.route.tags);
        let Ok(tags) = timeout_at(self.deadline, tags).await else {
            return self.fail(lease, self.timed_out()).await;
        };
        let tags = tags.inspect_err(|_| count(&self.inner.counters.shared_failures)).ok().flatten();
        let (began, counters) = (Instant::now(), &self.inner.counters);
        count(&counters.loads);
        let loaded = match &lease {
            Some(lease) => timeout_at(self.deadline, self.renewing(lease, load())).await,
            None => timeout_at(self.deadline, load()).await,
        };
        let load_time = began.elapsed();
        let labels = [("cache.namespace", &*self.inner.name)];
        self.inner.cache.inner.recorder.timing("cache.load.duration", &labels, load_time);
        counters.load_micros.fetch_add(u64::try_from(load_time.as_micros()).unwrap_or(u64::MAX), Relaxed);
        match loaded {
            Ok(Ok(value)) => {
                let value = value.map(Arc::new);
                let as_of = self.store(lease, value.as_ref(), tags, load_time).await;
                (Ok(value), as_of)
            }
            Ok(Err(error)) => {
                count(&counters.load_failures);
                self.fail(lease, LoadError::source(error)).await
            }
            Err(_) => self.fail(lease, self.timed_out()).await,
        }
    }

    fn timed_out(&self) -> LoadError {
        count(&self.inner.counters.load_failures);
        LoadError::TimedOut { after: self.inner.policy.hard_timeout }
    }

    /// Asks the shared store, and waits there for those who load.
    async fn turn(&self) -> Turn<V> {
        let inner = self.inner;
        let patience = Instant::now() + inner.policy.hard_timeout / 2;
        let mut pause = FIRST_LOOK;
        let mut waited = false;
        let mut refusals = 0;
        loop {
            // Somebody's lease may have changed the key meanwhile, which is nothing to what is read now.
            let ticket = inner.local.renewed(self.route.ticket);
            let asked = inner.ask(&self.route.key).await;
            let now = clock::millis(Instant::now());
            let (expected, found) = match asked {
                // There is no store, or it does not answer: the source does.
                Err(_) => return self.miss(),
                Ok(None) if inner.shared().is_none() => return self.miss(),
                Ok(None) => (Expected::Absent, None),
                Ok(Some((version, found))) => (Expected::Version(version), found),
            };
            let is_leased = found.as_ref().is_some_and(|found| found.head.is_leased(now));
            if let Some(found) = &found
                && found.is_fresh(now)
            {
                let remaining = found.head.fresh_until.since(now);
                let early = !is_leased && inner.policy.is_early(remaining, found.head.load_time, drawn());
                if !early {
                    self.answered(Answer::Shared);
                    inner.keep(ticket, &self.route.key, found, Instant::now());
                    return Turn::Value(found.value.clone(), ticket);
                }
            }
            if is_leased {
                let is_mark = found.as_ref().is_some_and(|found| found.head.is_mark());
                if let Some(old) = found.filter(|found| self.may_be_given_out(found, now)) {
                    self.answered(Answer::Stale);
                    return Turn::Value(old.value, ticket);
                }
                // Whoever has announced a commit may be gone; half of the time is left to ask the source ourselves.
                if is_mark && Instant::now() >= patience {
                    return self.miss();
                }
                if !waited {
                    count(&inner.counters.awaited);
                    waited = true;
                }
                sleep(pause.mul_f64(0.5 + drawn() / 2.0)).await;
                pause = (pause * 2).min(LAST_LOOK);
                continue;
            }
            let version = new_version();
            match self.lease(expected, version, found.as_ref()).await {
                Ok(true) => {
                    // Nobody waits for the load of what may be given out meanwhile.
                    if let Some(old) = found.as_ref().filter(|found| self.may_be_given_out(found, now)) {
                        let answer = if old.is_fresh(now) { Answer::Shared } else { Answer::Stale };
                        self.answered(answer);
                        self.pilot.land(Ok(old.value.clone()), ticket);
                    } else {
                        self.miss();
                    }
                    return Turn::Leased(Lease { version, old: found });
                }
                Ok(false) if refusals == MOST_REFUSALS => return self.miss(),
                // Somebody was quicker.
                Ok(false) => refusals += 1,
                Err(_) => return self.miss(),
            }
        }
    }

    fn miss(&self) -> Turn<V> {
        self.answered(Answer::Miss);
        Turn::Alone
    }

    fn answered(&self, answer: Answer) {
        if self.route.caller == Caller::Waits {
            self.inner.answered(answer);
        }
    }

    /// Whether an old value may be given out while it is loaded anew.
    fn may_be_given_out(&self, found: &Found<V>, now: UnixMillis) -> bool {
        let until = found.head.fresh_until.after(self.inner.policy.stale_while_revalidate);
        found.head.content != Content::Nothing && now < until
    }

    /// Marks the key as ours to load; tells whether it is.
    async fn lease(
        &self,
        expected: Expected,
        version: Version,
        old: Option<&Found<V>>,
    ) -> Result<bool, KeyValueError> {
        let now = clock::millis(Instant::now());
        let head = old.map_or(self.nothing(now), |old| old.head);
        self.put_if(expected, version, Head { leased_until: now.after(LEASE), ..head }, old).await
    }

    fn nothing(&self, now: UnixMillis) -> Head {
        Head {
            content: Content::Nothing,
            schema: self.inner.policy.schema,
            loaded_at: now,
            fresh_until: now,
            leased_until: UnixMillis::default(),
            load_time: Duration::ZERO,
        }
    }

    /// Puts an old record back with another head.
    async fn put_if(
        &self,
        expected: Expected,
        version: Version,
        head: Head,
        old: Option<&Found<V>>,
    ) -> Result<bool, KeyValueError> {
        let inner = self.inner;
        let Some(store) = inner.shared() else { return Ok(true) };
        let value = old.and_then(|old| old.value.as_ref()).map(|value| inner.codec.encode(&**value));
        let value = match value {
            Some(Ok(value)) => value,
            // One that was read can be written.
            Some(Err(_)) | None => Vec::new(),
        };
        let tags = old.and_then(|old| old.tags.clone());
        let bytes = inner.record(head, &tags, &value);
        let put = inner.put(&self.route.key, head, &bytes, version);
        let put = store.set_if(expected, put).await;
        put.inspect_err(|_| count(&inner.counters.shared_failures))
    }

    /// Does the work, and keeps the lease alive meanwhile.
    async fn renewing<T>(&self, lease: &Lease<V>, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let expected = Expected::Version(lease.version);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep(RENEW_EVERY) => {}
            }
            tokio::select! {
                biased;
                done = &mut work => return done,
                // One that is lost is found out when the value is to be stored.
                _ = self.lease(expected, lease.version, lease.old.as_ref()) => {}
            }
        }
    }

    /// Keeps what was loaded, here and there, unless the key was made untrue meanwhile; answers with a ticket from before
    /// it was known to be true.
    async fn store(
        &self,
        lease: Option<Lease<V>>,
        value: Option<&Arc<V>>,
        tags: Option<Marked>,
        load_time: Duration,
    ) -> Ticket {
        let inner = self.inner;
        // The lease itself has changed the key. That nobody else did is what storing under it proves.
        let (mut ticket, proved) = (self.route.ticket, inner.local.renewed(self.route.ticket));
        let is_kept = value.is_some() || inner.policy.negative_ttl.is_some();
        let Some(tags) = tags.filter(|_| is_kept) else {
            if let Some(lease) = lease {
                let given_back = self.give_back(lease, self.nothing(clock::millis(Instant::now()))).await;
                return if matches!(given_back, Ok(true)) { proved } else { ticket };
            }
            return ticket;
        };
        let (head, bytes) = match inner.written(value, &tags, load_time) {
            Ok(written) => written,
            Err(error) => {
                tracing::warn!(namespace = inner.name, error = %error, "a value is not kept");
                return ticket;
            }
        };
        if let (Some(lease), Some(store)) = (lease, inner.shared()) {
            let put = inner.put(&self.route.key, head, &bytes, new_version());
            match store.set_if(Expected::Version(lease.version), put).await {
                Ok(true) => ticket = proved,
                // It was made untrue by another process: not here either.
                Ok(false) => {
                    count(&inner.counters.refused_fills);
                    inner.local.spoil(&self.route.key, Instant::now());
                    return ticket;
                }
                Err(_) => count(&inner.counters.shared_failures),
            }
        }
        let found = Found { head, value: value.cloned(), tags, bytes: bytes.len() };
        inner.keep(ticket, &self.route.key, &found, Instant::now());
        ticket
    }

    /// Gives the lease back, and what there was before where the policy lets it stand in.
    async fn fail(&self, lease: Option<Lease<V>>, error: LoadError) -> (Landed<V>, Ticket) {
        let Some(lease) = lease else { return (Err(error), self.route.ticket) };
        let inner = self.inner;
        let proved = inner.local.renewed(self.route.ticket);
        let now = clock::millis(Instant::now());
        let stands_in = |found: &Found<V>| {
            let until = found.head.fresh_until.after(inner.policy.stale_if_error);
            found.head.content != Content::Nothing && now < until
        };
        let old = lease
            .old
            .as_ref()
            .filter(|found| stands_in(found))
            .map(|found| (found.head, found.value.clone()));
        let head = Head {
            leased_until: UnixMillis::default(),
            ..old.as_ref().map_or(self.nothing(now), |old| old.0)
        };
        let given_back = self.give_back(lease, head).await;
        let as_of = if matches!(given_back, Ok(true)) { proved } else { self.route.ticket };
        if matches!(given_back, Ok(false)) {
            // What this process has of before stands in for nobody either.
            inner.local.spoil(&self.route.key, Instant::now());
        }
        // Where the store fails, nobody tells that it was made untrue.
        match old.filter(|_| given_back.unwrap_or(true)) {
            Some((_, value)) => {
                inner.answered(Answer::Stale);
                (Ok(value), as_of)
            }
            None => (Err(error), as_of),
        }
    }

    /// Tells whether it was ours still: else the key was made untrue meanwhile.
    async fn give_back(&self, lease: Lease<V>, head: Head) -> Result<bool, KeyValueError> {
        let expected = Expected::Version(lease.version);
        let old = lease.old.filter(|_| head.content != Content::Nothing);
        // Where that fails the lease ends by itself.
        self.put_if(expected, new_version(), head, old.as_ref()).await
    }
}

/// A number over 0 and up to 1.
pub(crate) fn drawn() -> f64 {
    1.0 - rand::random::<f64>()
}
