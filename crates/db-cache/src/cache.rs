//! The cache: where values are kept, and what they are kept by.

use crate::inner;
use crate::namespace::Namespace;
#[cfg(any(feature = "postgres", feature = "redis"))]
use crate::registry::{Registry, Spoil};
use crate::tags::Tags;
use crate::trust::Trust;
use crate::{Counter, Error, Memory, Policy};
use db_core::{Census, KeyValue, NoRecorder, Recorder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Room for numbers in this process, some ten thousand.
const NUMBERS_BYTES: usize = 4 << 20;

/// Values near their users: in this process and, where there is one, in a store that several share. Cloning it is cheap.
#[derive(Clone)]
pub struct Cache {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) prefix: String,
    pub(crate) shared: Option<Arc<dyn KeyValue>>,
    census: Option<Arc<dyn Census>>,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) trust: Trust,
    pub(crate) tags: Arc<Tags>,
    /// Only where no store is shared.
    numbers: OnceLock<Memory>,
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) registry: Registry,
    /// What the task that follows has heard of.
    #[cfg(feature = "postgres")]
    pub(crate) heard: parking_lot::Mutex<Option<Arc<crate::changes::Snapshot>>>,
    /// Rows of changes that were seen to by whoever made them, for the task that follows.
    #[cfg(feature = "postgres")]
    pub(crate) changes: crate::changes::Applied,
}

impl Inner {
    /// Where numbers are: they are of one mind, so that they are either in the shared store or in this process.
    pub(crate) fn numbers(&self) -> &dyn KeyValue {
        match self.shared.as_deref() {
            Some(store) => store,
            None => self.numbers.get_or_init(|| Memory::new(NUMBERS_BYTES)),
        }
    }
}

impl Cache {
    /// Begins to put one together. Its keys begin with the name of the application, by which several may share a store.
    pub fn builder(application: &str) -> Builder {
        Builder {
            application: application.to_owned(),
            shared: None,
            census: None,
            recorder: Arc::new(NoRecorder),
        }
    }

    /// Values of one type and one meaning, kept by one policy. Those of the same name in other processes are the same where
    /// a store is shared; in one process, open it once and clone it.
    ///
    /// # Errors
    /// [`Error::Name`] and [`Error::Policy`].
    pub fn namespace<V>(&self, name: &str, policy: Policy) -> Result<Namespace<V>, Error>
    where
        V: Serialize + DeserializeOwned + Send + Sync + 'static,
    {
        checked(name)?;
        policy.check(name)?;
        let inner = Arc::new(inner::Inner::new(self.clone(), name, policy));
        #[cfg(feature = "postgres")]
        self.inner.registry.add(&inner.prefix, Arc::downgrade(&(Arc::clone(&inner) as Arc<dyn Spoil>)));
        Ok(Namespace { inner })
    }

    /// Numbers of one meaning, each kept for so long from its beginning on. Its name is none of a namespace.
    ///
    /// # Errors
    /// [`Error::Name`], [`Error::Policy`] for no time at all.
    pub fn counter(&self, name: &str, ttl: Duration) -> Result<Counter, Error> {
        checked(name)?;
        if ttl < Duration::from_millis(1) {
            return Err(Error::Policy {
                namespace: name.to_owned(),
                reason: "ttl must be a millisecond at least",
            });
        }
        Ok(Counter::new(self.clone(), name, ttl))
    }

    /// The store that several share, if there is one.
    #[must_use]
    pub fn shared(&self) -> Option<&Arc<dyn KeyValue>> {
        self.inner.shared.as_ref()
    }

    /// Who tells what takes its room, where that is known.
    #[must_use]
    pub fn census(&self) -> Option<&Arc<dyn Census>> {
        self.inner.census.as_ref()
    }

    /// What the keys of its namespaces begin with, before a colon.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.inner.prefix
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.inner.shared.as_ref().map(|store| store.name());
        f.debug_struct("Cache")
            .field("prefix", &self.inner.prefix)
            .field("shared", &shared)
            .finish_non_exhaustive()
    }
}

/// Puts a [`Cache`] together.
#[must_use]
pub struct Builder {
    application: String,
    shared: Option<Arc<dyn KeyValue>>,
    census: Option<Arc<dyn Census>>,
    recorder: Arc<dyn Recorder>,
}

impl Builder {
    /// The store behind what each process keeps by itself.
    pub fn shared(self, store: Arc<dyn KeyValue>) -> Self {
        Self { shared: Some(store), ..self }
    }

    /// The same store once more, to tell what takes its room: see [`Cache::census`].
    pub fn census(self, store: Arc<dyn Census>) -> Self {
        Self { census: Some(store), ..self }
    }

    /// Who is told of hits, misses and loads.
    pub fn recorder(self, recorder: Arc<dyn Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// The cache; connects to nothing.
    ///
    /// # Errors
    /// [`Error::Name`] of the application.
    pub fn build(self) -> Result<Cache, Error> {
        checked(&self.application)?;
        let Self { application: prefix, shared, census, recorder } = self;
        let tags = Arc::new(Tags::new(&prefix));
        let inner = Inner {
            prefix,
            shared,
            census,
            recorder,
            trust: Trust::default(),
            tags: Arc::clone(&tags),
            numbers: OnceLock::new(),
            #[cfg(any(feature = "postgres", feature = "redis"))]
            registry: Registry::default(),
            #[cfg(feature = "postgres")]
            heard: parking_lot::Mutex::default(),
            #[cfg(feature = "postgres")]
            changes: crate::changes::Applied::default(),
        };
        #[cfg(any(feature = "postgres", feature = "redis"))]
        inner.registry.add(tags.prefix(), Arc::downgrade(&(Arc::clone(&tags) as Arc<dyn Spoil>)));
        Ok(Cache { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("application", &self.application).finish_non_exhaustive()
    }
}

/// Names part keys, so nothing that parts them may be in one.
pub(crate) fn checked(name: &str) -> Result<(), Error> {
    let known =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "_-.".contains(letter);
    if !name.is_empty() && name.len() <= 64 && name.chars().all(known) {
        return Ok(());
    }
    Err(Error::Name { name: name.to_owned() })
}
