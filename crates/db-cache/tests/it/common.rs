//! A source that counts how often it is asked, and a store that can be away.

use async_trait::async_trait;
use db_cache::{Cache, Memory, Namespace, Policy};
use db_core::{Expected, KeyValue, KeyValueError, KeyValueLimits, Put, Stored};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::Notify;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A policy in which nothing is left to chance.
pub(crate) fn plain(ttl: Duration) -> Policy {
    let mut policy = Policy::fresh_for(ttl);
    (policy.jitter, policy.early_refresh) = (0.0, 0.0);
    policy
}

/// A store that several caches share, as processes do.
pub(crate) fn store() -> Arc<Away> {
    Arc::new(Away {
        memory: Memory::new(16 << 20),
        is_away: AtomicBool::new(false),
        calls: AtomicU64::new(0),
    })
}

/// A namespace of a process of its own.
pub(crate) fn process(store: &Arc<Away>, policy: Policy) -> Namespace<u64> {
    cache(store).namespace("number", policy).expect("a policy")
}

/// A cache of a process of its own.
pub(crate) fn cache(store: &Arc<Away>) -> Cache {
    Cache::builder("app").shared(Arc::clone(store) as Arc<dyn KeyValue>).build().expect("a name")
}

/// A namespace without a shared store.
pub(crate) fn alone(policy: Policy) -> Namespace<u64> {
    Cache::builder("app").build().and_then(|cache| cache.namespace("number", policy)).expect("a policy")
}

/// Where values come from: each time it is asked the answer is one more than before.
#[derive(Debug, Default)]
pub(crate) struct Source {
    asked: AtomicU64,
    is_broken: AtomicBool,
    /// While it is held, nobody is answered.
    held: AtomicBool,
    let_go: Notify,
}

impl Source {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(SeqCst)
    }

    pub(crate) fn breaks(&self, is_broken: bool) {
        self.is_broken.store(is_broken, SeqCst);
    }

    pub(crate) fn hold(&self) {
        self.held.store(true, SeqCst);
    }

    pub(crate) fn let_go(&self) {
        self.held.store(false, SeqCst);
        self.let_go.notify_waiters();
    }

    /// What it answers, read when it is asked.
    pub(crate) async fn ask(self: Arc<Self>) -> Result<Option<u64>, io::Error> {
        let answer = self.asked.fetch_add(1, SeqCst) + 1;
        loop {
            let changed = self.let_go.notified();
            if !self.held.load(SeqCst) {
                break;
            }
            changed.await;
        }
        if self.is_broken.load(SeqCst) {
            Err(io::Error::other("the source is broken"))
        } else {
            Ok(Some(answer))
        }
    }

    /// Waits until it was asked so often.
    pub(crate) async fn was_asked(&self, times: u64) {
        while self.asked() < times {
            tokio::task::yield_now().await;
        }
    }
}

/// Takes so long on a paused clock.
pub(crate) async fn slow(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// What a caller gets.
pub(crate) async fn read(numbers: &Namespace<u64>, source: &Arc<Source>) -> Option<u64> {
    try_read(numbers, source).await.expect("a value")
}

pub(crate) async fn try_read(numbers: &Namespace<u64>, source: &Arc<Source>) -> Result<Option<u64>, String> {
    let source = Arc::clone(source);
    let landed = numbers.get_or_load("k", move || source.ask()).await;
    landed.map(|value| value.map(|value| *value)).map_err(|error| db_core::with_causes(&error))
}

/// A store in memory that can be away.
pub(crate) struct Away {
    memory: Memory,
    is_away: AtomicBool,
    calls: AtomicU64,
}

impl Away {
    pub(crate) fn goes(&self) {
        self.is_away.store(true, SeqCst);
    }

    pub(crate) fn comes_back(&self) {
        self.is_away.store(false, SeqCst);
    }

    /// How often it was asked for anything.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(SeqCst)
    }

    fn there(&self) -> Result<&Memory, KeyValueError> {
        self.calls.fetch_add(1, SeqCst);
        if self.is_away.load(SeqCst) {
            let source = io::Error::from(io::ErrorKind::ConnectionRefused).into();
            return Err(KeyValueError::Unavailable { store: "away".to_owned(), source });
        }
        Ok(&self.memory)
    }
}

#[async_trait]
impl KeyValue for Away {
    fn name(&self) -> &str {
        "away"
    }

    fn limits(&self) -> KeyValueLimits {
        self.memory.limits()
    }

    async fn get_multi(&self, keys: &[&str]) -> Result<Vec<Option<Stored>>, KeyValueError> {
        self.there()?.get_multi(keys).await
    }

    async fn set_multi(&self, puts: &[Put<'_>]) -> Result<(), KeyValueError> {
        self.there()?.set_multi(puts).await
    }

    async fn delete_multi(&self, keys: &[&str]) -> Result<u64, KeyValueError> {
        self.there()?.delete_multi(keys).await
    }

    async fn set_if(&self, expected: Expected, put: Put<'_>) -> Result<bool, KeyValueError> {
        self.there()?.set_if(expected, put).await
    }

    async fn increment(&self, key: &str, by: i64, ttl: Duration) -> Result<i64, KeyValueError> {
        self.there()?.increment(key, by, ttl).await
    }

    async fn clear(&self, prefix: &str) -> Result<u64, KeyValueError> {
        self.there()?.clear(prefix).await
    }
}
