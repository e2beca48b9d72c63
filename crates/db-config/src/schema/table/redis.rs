//! Redis and the cache.

use crate::schema::{
    Key, Kind,
    row::{named, row, s, span},
};
use crate::{CacheStore, RedisMode};

/// Most connections a pool may be told to keep; a PostgreSQL server is long out of memory before.
const MOST_CONNECTIONS: u32 = 10_000;
const DAY: u64 = 24 * 3600;

pub(super) static KEYS: &[Key] = &[
    row(
        "redis.url",
        Kind::RedisUrl,
        &[named("REDIS_URL")],
        &[],
        "redis:// or rediss:// URL; without it there is no Redis",
    ),
    row(
        "redis.max_connections",
        Kind::Count { least: 1, most: MOST_CONNECTIONS },
        &[named("REDIS_MAX_CONNECTIONS")],
        &[],
        "most connections to Redis",
    ),
    row(
        "redis.default_ttl",
        span(1_000, 30 * DAY),
        &[s("REDIS_DEFAULT_TTL")],
        &[],
        "how long a cached value lives unless told otherwise",
    ),
    row(
        "redis.tls",
        Kind::Flag,
        &[named("REDIS_SSL_ENABLED")],
        &[named("redis.ssl_enabled")],
        "TLS to Redis",
    ),
    row(
        "redis.ssl_root_cert",
        Kind::Pem,
        &[named("REDIS_SSL_CA")],
        &[named("redis.ssl_ca")],
        "certificate that the Redis server's must be signed by; path or PEM text",
    ),
    row(
        "redis.mode",
        Kind::Word(RedisMode::WORDS),
        &[named("REDIS_MODE")],
        &[],
        "whether the URL is of the one server, of a Sentinel, or of a node of a cluster",
    ),
    row(
        "redis.nodes",
        Kind::Text,
        &[named("REDIS_NODES")],
        &[],
        "further Sentinels or nodes of the cluster, `host:port` with commas between",
    ),
    row(
        "redis.master_name",
        Kind::Text,
        &[named("REDIS_MASTER_NAME")],
        &[],
        "what the Sentinels call the master",
    ),
    row(
        "cache.application",
        Kind::Text,
        &[named("DB_CACHE_APPLICATION")],
        &[],
        "what the cache's keys begin with: processes of one name share what they cache",
    ),
    row(
        "cache.store",
        Kind::Word(CacheStore::WORDS),
        &[named("DB_CACHE_STORE")],
        &[],
        "where processes share what they cache; `auto` is Redis where there is a redis.url, else each by itself",
    ),
];
