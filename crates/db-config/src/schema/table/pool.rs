//! Connections, statements, health, and what is logged.

use crate::LogLevel;
use crate::schema::{
    Key, Kind, Name,
    row::{ms, named, row, s, span, span_or_off},
};
use crate::span::Bare;

/// Most connections a pool may be told to keep; a PostgreSQL server is long out of memory before.
const MOST_CONNECTIONS: u32 = 10_000;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * 3600;

pub(super) static KEYS: &[Key] = &[
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
];
