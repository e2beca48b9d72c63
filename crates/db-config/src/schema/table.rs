//! The keys.

use super::{Key, Kind, Name, Zero};
use crate::span::{Bare, Window};
use crate::{
    AccessMode, CacheStore, Environment, FileAccess, LogLevel, Profile, RedisMode, SslMode,
    TargetSessionAttrs,
};
use std::time::Duration;

const fn named(text: &'static str) -> Name {
    Name { text, bare: Bare::Refused }
}

const fn ms(text: &'static str) -> Name {
    Name { text, bare: Bare::Milliseconds }
}

const fn s(text: &'static str) -> Name {
    Name { text, bare: Bare::Seconds }
}

const fn window(least_ms: u64, most_s: u64) -> Window {
    Window { least: Duration::from_millis(least_ms), most: Duration::from_secs(most_s) }
}

const fn span(least_ms: u64, most_s: u64) -> Kind {
    Kind::Span { zero: Zero::Refused, window: window(least_ms, most_s) }
}

const fn span_or_off(least_ms: u64, most_s: u64) -> Kind {
    Kind::Span { zero: Zero::Off, window: window(least_ms, most_s) }
}

/// One row: canonical name, kind, variables, further paths, documentation.
const fn row(
    name: &'static str,
    kind: Kind,
    variables: &'static [Name],
    paths: &'static [Name],
    doc: &'static str,
) -> Key {
    Key { name, kind, variables, paths, doc }
}

/// Most connections a pool may be told to keep; a PostgreSQL server is long out of memory before.
const MOST_CONNECTIONS: u32 = 10_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

/// In the order in which `explain` lists them.
pub(crate) static KEYS: &[Key] = &[
    row(
        "environment",
        Kind::Word(Environment::WORDS),
        &[named("DB_ENVIRONMENT"), named("NODE_ENV")],
        &[named("database.environment")],
        "where the program runs; decides the defaults",
    ),
    row(
        "profile",
        Kind::Word(Profile::WORDS),
        &[named("DB_WORKLOAD_PROFILE")],
        &[named("database.workload_profile")],
        "kind of load; decides the defaults",
    ),
    row(
        "database.url",
        Kind::PostgresUrl,
        &[named("DATABASE_URL")],
        &[],
        "postgres:// URL; stands for the keys that it names, several hosts allowed",
    ),
    row(
        "database.host",
        Kind::Addresses,
        &[named("DB_HOST")],
        &[],
        "host names or socket directories, by commas",
    ),
    row("database.port", Kind::Ports, &[named("DB_PORT")], &[], "one port, or one for each host by commas"),
    row(
        "database.name",
        Kind::Text,
        &[named("DB_NAME")],
        &[named("database.database"), named("database.dbname")],
        "database to connect to",
    ),
    row(
        "database.user",
        Kind::Text,
        &[named("DB_USER")],
        &[named("database.username")],
        "role to connect as",
    ),
    row("database.password", Kind::Secret, &[named("DB_PASSWORD")], &[], "password of the role"),
    row(
        "database.password_file",
        Kind::Path,
        &[named("DB_PASSWORD_FILE")],
        &[],
        "file with the password, read anew for each connection",
    ),
    row(
        "database.password_file_access",
        Kind::Word(FileAccess::WORDS),
        &[named("DB_PASSWORD_FILE_ACCESS")],
        &[],
        "`private` refuses a password file that others may read; `any` accepts it",
    ),
    row(
        "database.password_command",
        Kind::Command,
        &[named("DB_PASSWORD_COMMAND")],
        &[],
        "program and arguments (no shell) that print the password, run for each connection",
    ),
    row(
        "database.ssl_mode",
        Kind::Word(SslMode::WORDS),
        &[named("DB_SSL_MODE")],
        &[],
        "how much of TLS is demanded",
    ),
    row(
        "database.ssl_root_cert",
        Kind::Pem,
        &[named("DB_SSL_CA"), named("DB_SSL_CERT_PATH")],
        &[named("database.ssl_ca"), named("database.ssl_cert_path")],
        "certificate that the server's must be signed by; path or PEM text",
    ),
    row("database.ssl_cert", Kind::Pem, &[named("DB_SSL_CERT")], &[], "client certificate; path or PEM text"),
    row(
        "database.ssl_key",
        Kind::Pem,
        &[named("DB_SSL_KEY")],
        &[],
        "key of the client certificate; path or PEM text",
    ),
    row(
        "database.application_name",
        Kind::Text,
        &[named("DB_APPLICATION_NAME")],
        &[],
        "name that the server shows for our sessions",
    ),
    row(
        "database.connect_timeout",
        span(50, 300),
        &[ms("DB_POOL_CONNECTION_TIMEOUT"), named("DB_CONNECT_TIMEOUT")],
        &[named("pool.connect_timeout")],
        "longest wait for one new connection",
    ),
    row(
        "database.target_session_attrs",
        Kind::Word(TargetSessionAttrs::WORDS),
        &[named("DB_TARGET_SESSION_ATTRS")],
        &[],
        "which of several hosts is acceptable",
    ),
    row(
        "database.options",
        Kind::Text,
        &[named("DB_OPTIONS")],
        &[],
        "command-line options for the server's session",
    ),
    row(
        "database.read_replicas",
        Kind::Replicas,
        &[named("DB_READ_REPLICAS")],
        &[],
        "replicas as URLs or host:port; what one leaves out is the primary's",
    ),
    row(
        "database.pool_size",
        Kind::PoolSize,
        &[],
        &[],
        "SQLAlchemy's name: connections kept, so `pool.min_size`",
    ),
    row(
        "database.max_overflow",
        Kind::MaxOverflow,
        &[],
        &[],
        "SQLAlchemy's name: connections beyond `pool_size`; their sum is `pool.max_size` (10 when left out)",
    ),
    row(
        "pool.min_size",
        Kind::Count { least: 0, most: MOST_CONNECTIONS },
        &[named("DB_POOL_MIN"), named("DB_MIN_POOL_SIZE")],
        &[],
        "connections kept open",
    ),
    row(
        "pool.max_size",
        Kind::Count { least: 1, most: MOST_CONNECTIONS },
        &[named("DB_POOL_MAX"), named("DB_MAX_POOL_SIZE")],
        &[],
        "most connections open at once",
    ),
    row(
        "pool.acquire_timeout",
        span(50, 600),
        &[ms("DB_POOL_ACQUIRE_TIMEOUT")],
        &[s("database.pool_timeout")],
        "longest wait for a connection from the pool",
    ),
    row(
        "pool.idle_timeout",
        span_or_off(1_000, DAY),
        &[ms("DB_POOL_IDLE_TIMEOUT")],
        &[],
        "an unused connection above the minimum is closed after this; `off` keeps it",
    ),
    row(
        "pool.max_lifetime",
        span_or_off(10_000, 7 * DAY),
        &[ms("DB_POOL_MAX_LIFETIME")],
        &[s("database.pool_recycle")],
        "a connection is replaced when it is this old; `off` keeps it",
    ),
    row(
        "pool.leak_threshold",
        span_or_off(1_000, DAY),
        &[ms("DB_POOL_LEAK_THRESHOLD")],
        &[],
        "a connection out for longer is reported as leaked; `off` reports none",
    ),
    row(
        "query.timeout",
        span_or_off(100, 6 * HOUR),
        &[Name { text: "DB_QUERY_TIMEOUT", bare: Bare::SecondsWithPoint }],
        &[s("database.query_timeout")],
        "a statement that runs longer is cancelled; `off` lets it run",
    ),
    row(
        "query.slow_threshold",
        span_or_off(5, 600),
        &[ms("DB_SLOW_QUERY_THRESHOLD")],
        &[],
        "a statement that runs longer is reported as slow; `off` reports none",
    ),
    row("health.enabled", Kind::Flag, &[named("DB_HEALTH_CHECK_ENABLED")], &[], "whether health is checked"),
    row(
        "health.interval",
        span(1_000, HOUR),
        &[ms("DB_HEALTH_CHECK_INTERVAL")],
        &[],
        "time between two checks",
    ),
    row(
        "monitoring.enabled",
        Kind::Flag,
        &[named("DB_MONITORING_ENABLED"), named("DB_ENABLE_MONITORING")],
        &[],
        "whether measurements are kept",
    ),
    row("audit.enabled", Kind::Flag, &[named("DB_ENABLE_AUDIT_LOGGING")], &[], "whether changes are audited"),
    row("logging.enabled", Kind::Flag, &[named("DB_LOGGING_ENABLED")], &[], "whether anything is logged"),
    row(
        "logging.level",
        Kind::Word(LogLevel::WORDS),
        &[named("DB_LOGGING_LEVEL")],
        &[],
        "least severe event logged",
    ),
    row(
        "logging.queries",
        Kind::Flag,
        &[named("DB_LOG_QUERIES")],
        &[named("database.enable_query_logging")],
        "whether every statement is logged",
    ),
    row(
        "logging.slow_queries",
        Kind::Flag,
        &[named("DB_LOG_SLOW_QUERIES")],
        &[],
        "whether slow statements are logged",
    ),
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
    row(
        "access.mode",
        Kind::Word(AccessMode::WORDS),
        &[named("DB_ACCESS_MODE")],
        &[],
        "whether access rules are enforced, or only observed: everything is done, and what they would refuse is told",
    ),
    row(
        "access.rules",
        Kind::Path,
        &[named("DB_ACCESS_RULES")],
        &[],
        "file of access rules, TOML or, where it ends in .json, JSON",
    ),
];
