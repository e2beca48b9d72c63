//! The cache of a handle: where it is kept, and that it hears of what commits make untrue.

use crate::{Database, Error, connect};
use db_cache::{Builder, Cache, Follow, Following, Policy, PostgresChannels, PostgresStore, Seen, Topics};
#[cfg(feature = "redis")]
use db_cache::{RedisAddress, RedisOptions, RedisStore, RedisStreams, Track, Tracking};
use db_config::{CacheStore, Config};
#[cfg(feature = "redis")]
use db_config::{Pem, RedisMode};
use db_core::{Census, KeyValue, PasswordProvider, PubSub, Recorder};
use db_pool::Pool;
use parking_lot::Mutex;
use sqlx::postgres::PgConnectOptions;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

pub(crate) struct Cached {
    pub(crate) cache: Cache,
    pub(crate) default_ttl: Duration,
    connect: PgConnectOptions,
    password: Arc<dyn PasswordProvider>,
    /// How long a statement may take, where that is bounded: to be let in, and to be answered.
    #[cfg(feature = "query")]
    pub(crate) load_timeout: Option<Duration>,
    topics: Topics,
    state: Mutex<State>,
    #[cfg(feature = "redis")]
    redis: Option<Redis>,
    #[cfg(feature = "query")]
    pub(crate) queries: crate::query::Queries,
}

/// Where nothing says how long a value is fresh.
const DEFAULT_TTL: Duration = Duration::from_secs(300);

impl Cached {
    pub(crate) fn new(
        config: &Config,
        cache: Option<Cache>,
        pool: &Pool,
        recorder: Option<Arc<dyn Recorder>>,
    ) -> Result<Self, Error> {
        #[cfg(feature = "redis")]
        let redis = match cache {
            Some(_) => None,
            None => Redis::of(config)?,
        };
        #[cfg(feature = "redis")]
        let store = redis.as_ref().map(|redis| Shared::of(&redis.store));
        #[cfg(not(feature = "redis"))]
        let store = without_redis(config)?;
        let cache = match cache {
            Some(cache) => cache,
            None => build(config, store, pool, recorder)?,
        };
        let connect = connect::connect_options(config)?;
        let channels = PostgresChannels::new(pool.clone(), connect.clone());
        let channels: Arc<dyn PubSub> = Arc::new(channels.password(Arc::clone(&config.postgres.password)));
        #[cfg(feature = "redis")]
        let channels = match &redis {
            Some(redis) => Arc::new(RedisStreams::new(Arc::clone(&redis.store))) as Arc<dyn PubSub>,
            None => channels,
        };
        let topics = Topics::new(&config.cache.application, channels).map_err(|_| unnameable(config))?;
        Ok(Self {
            cache,
            default_ttl: config.redis.as_ref().map_or(DEFAULT_TTL, |redis| redis.default_ttl),
            connect,
            password: Arc::clone(&config.postgres.password),
            #[cfg(feature = "query")]
            load_timeout: config.query.timeout.map(|limit| limit + config.pool.acquire_timeout),
            topics,
            state: Mutex::default(),
            #[cfg(feature = "redis")]
            redis,
            #[cfg(feature = "query")]
            queries: crate::query::Queries::default(),
        })
    }

    /// Begins to follow, unless it does; `None` once the handle is closed.
    pub(crate) fn following(&self) -> Option<Arc<Following>> {
        Some(self.since()?.1)
    }

    /// The same, and since when.
    fn since(&self) -> Option<(Instant, Arc<Following>)> {
        let mut state = self.state.lock();
        if matches!(*state, State::Idle) {
            #[cfg(feature = "redis")]
            if let Some(redis) = &self.redis {
                *redis.tracking.lock() = Some(self.cache.track(&redis.store, Track::default()));
            }
            let password = Some(Arc::clone(&self.password));
            let following = self.cache.follow_as(self.connect.clone(), password, Follow::default());
            *state = State::Follows { since: Instant::now(), following: Arc::new(following) };
        }
        match &*state {
            State::Follows { since, following } => Some((*since, Arc::clone(following))),
            State::Idle | State::Closed => None,
        }
    }

    /// Whether it hears of changes at present. Whoever comes first waits for that, until so long after it began to listen.
    #[cfg(feature = "query")]
    pub(crate) async fn is_current(&self, first: Duration) -> bool {
        let Some((since, following)) = self.since() else { return false };
        if following.is_current() {
            return true;
        }
        following.is_following(first.saturating_sub(since.elapsed())).await && following.is_current()
    }

    pub(crate) fn stop(&self) {
        *self.state.lock() = State::Closed;
        #[cfg(feature = "redis")]
        drop(self.redis.as_ref().and_then(|redis| redis.tracking.lock().take()));
    }
}

/// Whether changes are heard of.
#[derive(Default)]
enum State {
    #[default]
    Idle,
    Follows {
        since: Instant,
        following: Arc<Following>,
    },
    /// The handle is closed, and its clones with it.
    Closed,
}

/// A store as the cache needs it.
struct Shared {
    values: Arc<dyn KeyValue>,
    census: Arc<dyn Census>,
}

impl Shared {
    fn of<S: KeyValue + Census + 'static>(store: &Arc<S>) -> Self {
        Self { values: Arc::clone(store) as _, census: Arc::clone(store) as _ }
    }

    fn put_into(self, builder: Builder) -> Builder {
        builder.shared(self.values).census(self.census)
    }
}

fn build(
    config: &Config,
    store: Option<Shared>,
    pool: &Pool,
    recorder: Option<Arc<dyn Recorder>>,
) -> Result<Cache, Error> {
    let mut builder = Cache::builder(&config.cache.application);
    if let Some(recorder) = recorder {
        builder = builder.recorder(recorder);
    }
    let builder = match (config.cache.store, store) {
        (CacheStore::Postgres, _) => {
            Shared::of(&Arc::new(PostgresStore::new(pool.clone()))).put_into(builder)
        }
        (_, Some(store)) => store.put_into(builder),
        (_, None) => builder,
    };
    builder.build().map_err(|_| unnameable(config))
}

fn unnameable(config: &Config) -> Error {
    Error::Unsupported {
        key: "cache.application",
        value: config.cache.application.clone(),
        why: "keys begin with it: use a-z, 0-9, `_`, `-` and `.`, 64 letters at most",
    }
}

/// The store in Redis, and that it tells of what changes there.
#[cfg(feature = "redis")]
struct Redis {
    store: Arc<RedisStore>,
    tracking: Mutex<Option<Tracking>>,
}

#[cfg(feature = "redis")]
impl Redis {
    /// Nothing where the configuration wants none.
    fn of(config: &Config) -> Result<Option<Self>, Error> {
        let redis = match (config.cache.store, &config.redis) {
            (CacheStore::Auto | CacheStore::Redis, Some(redis)) => redis,
            _ => return Ok(None),
        };
        let mut options = RedisOptions::from_url(&redis.url)?.max_connections(redis.max_connections);
        match &redis.root_certificate {
            Some(Pem::File(path)) => options = options.ca_file(path)?,
            Some(Pem::Text(text)) => options = options.ca(text.expose())?,
            None => {}
        }
        let nodes: Result<Vec<RedisAddress>, _> = redis.nodes.iter().map(|node| node.parse()).collect();
        options = match (redis.mode, &redis.master_name) {
            (RedisMode::Cluster, _) => options.cluster(nodes?),
            (RedisMode::Sentinel, Some(master)) => options.sentinel(master, nodes?),
            _ => options,
        };
        Ok(Some(Self { store: Arc::new(RedisStore::new(&options)?), tracking: Mutex::default() }))
    }
}

#[cfg(not(feature = "redis"))]
fn without_redis(config: &Config) -> Result<Option<Shared>, Error> {
    let why = "this program was built without it, feature `redis` of db-facade";
    match (config.cache.store, &config.redis) {
        (CacheStore::Redis, _) => {
            return Err(Error::Unsupported { key: "cache.store", value: "redis".to_owned(), why });
        }
        (CacheStore::Auto, Some(redis)) => {
            tracing::warn!(redis.url = redis.masked_url, "Redis is not used: {why}");
        }
        _ => {}
    }
    Ok(None)
}

impl Database {
    /// The cache: in Redis where the configuration names one or says so (`cache.store`), in a table of the database where it
    /// says that, else in this process.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cached.cache
    }

    /// Topics to publish and subscribe to, of this application: over Redis where the cache is there, else over LISTEN and
    /// NOTIFY of the database.
    #[must_use]
    pub fn topics(&self) -> &Topics {
        &self.cached.topics
    }

    /// A policy for values that are fresh for as long as the configuration says (`redis.default_ttl`).
    #[must_use]
    pub fn cache_policy(&self) -> Policy {
        Policy::fresh_for(self.cached.default_ttl)
    }

    /// Hears from here on of what commits make untrue, over a connection of its own, and of what changes in Redis, over
    /// another, until the handle is closed; tells whether it hears of commits within this time. Where it does not, as when the migrations are not applied, it is tried again and again, and
    /// values have a time of their own meanwhile.
    ///
    /// # Cancel safety
    /// It follows all the same.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn follow_changes(&self, within: Duration) -> bool {
        match self.cached.following() {
            Some(following) => following.is_following(within).await,
            None => false,
        }
    }

    /// Ready once what this process caches is no older than this transaction, whose number [`Seen::of`] tells or
    /// [`Change::committed`](db_cache::Change::committed); within this time, else `false`, and then the database is to be asked.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn has_seen(&self, seen: Seen, within: Duration) -> bool {
        match self.cached.following() {
            Some(following) => following.has_seen(seen, within).await,
            None => false,
        }
    }
}
