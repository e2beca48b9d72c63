//! The cache of a handle: where it is kept, and that it hears of what commits make untrue.

use crate::{Database, Error, connect};
use db_cache::{Builder, Cache, Follow, Following, Policy, PostgresStore, Seen};
use db_config::{CacheStore, Config};
use db_core::{PasswordProvider, Recorder};
use db_pool::Pool;
use parking_lot::Mutex;
use sqlx::postgres::PgConnectOptions;
use std::{sync::Arc, time::Duration};

pub(crate) struct Cached {
    pub(crate) cache: Cache,
    pub(crate) default_ttl: Duration,
    connect: PgConnectOptions,
    password: Arc<dyn PasswordProvider>,
    following: Mutex<Option<Arc<Following>>>,
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
        let cache = match cache {
            Some(cache) => cache,
            None => build(config, pool, recorder)?,
        };
        Ok(Self {
            cache,
            default_ttl: config.redis.as_ref().map_or(DEFAULT_TTL, |redis| redis.default_ttl),
            connect: connect::connect_options(config)?,
            password: Arc::clone(&config.postgres.password),
            following: Mutex::default(),
            #[cfg(feature = "query")]
            queries: crate::query::Queries::default(),
        })
    }

    /// Begins to follow, unless it does.
    pub(crate) fn following(&self) -> Arc<Following> {
        let mut following = self.following.lock();
        let begin = || {
            let password = Some(Arc::clone(&self.password));
            Arc::new(self.cache.follow_as(self.connect.clone(), password, Follow::default()))
        };
        Arc::clone(following.get_or_insert_with(begin))
    }

    pub(crate) fn stop(&self) {
        drop(self.following.lock().take());
    }
}

fn build(config: &Config, pool: &Pool, recorder: Option<Arc<dyn Recorder>>) -> Result<Cache, Error> {
    let application = &config.cache.application;
    let mut builder = Cache::builder(application);
    if let Some(recorder) = recorder {
        builder = builder.recorder(recorder);
    }
    let builder = match config.cache.store {
        CacheStore::Postgres => builder.shared(Arc::new(PostgresStore::new(pool.clone()))),
        CacheStore::Process => builder,
        _ => in_redis(config, builder)?,
    };
    builder.build().map_err(|_| Error::Unsupported {
        key: "cache.application",
        value: application.clone(),
        why: "keys begin with it: use a-z, 0-9, `_`, `-` and `.`, 64 letters at most",
    })
}

#[cfg(feature = "redis")]
fn in_redis(config: &Config, builder: Builder) -> Result<Builder, Error> {
    use db_cache::{RedisAddress, RedisOptions, RedisStore};
    use db_config::{Pem, RedisMode};

    let Some(redis) = &config.redis else { return Ok(builder) };
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
    Ok(builder.shared(Arc::new(RedisStore::new(&options)?)))
}

#[cfg(not(feature = "redis"))]
fn in_redis(config: &Config, builder: Builder) -> Result<Builder, Error> {
    let why = "this program was built without it, feature `redis` of db-facade";
    match (config.cache.store, &config.redis) {
        (CacheStore::Redis, _) => {
            Err(Error::Unsupported { key: "cache.store", value: "redis".to_owned(), why })
        }
        (_, Some(redis)) => {
            tracing::warn!(redis.url = redis.masked_url, "Redis is not used: {why}");
            Ok(builder)
        }
        _ => Ok(builder),
    }
}

impl Database {
    /// The cache: in Redis where the configuration names one or says so (`cache.store`), in a table of the database where it
    /// says that, else in this process.
    #[must_use]
    pub fn cache(&self) -> &Cache {
        &self.cached.cache
    }

    /// A policy for values that are fresh for as long as the configuration says (`redis.default_ttl`).
    #[must_use]
    pub fn cache_policy(&self) -> Policy {
        Policy::fresh_for(self.cached.default_ttl)
    }

    /// Hears from here on of what commits make untrue, over a connection of its own, until the handle is closed; tells whether
    /// it does within this time. Where it does not, as when the migrations are not applied, it is tried again and again, and
    /// values have a time of their own meanwhile.
    ///
    /// # Cancel safety
    /// It follows all the same.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn follow_changes(&self, within: Duration) -> bool {
        self.cached.following().is_following(within).await
    }

    /// Ready once what this process caches is no older than this transaction, whose number [`Seen::of`] tells or
    /// [`Ready::committed`](db_cache::Ready::committed); within this time, else `false`, and then the database is to be asked.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn has_seen(&self, seen: Seen, within: Duration) -> bool {
        self.cached.following().has_seen(seen, within).await
    }
}
