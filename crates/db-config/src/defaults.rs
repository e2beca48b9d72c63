//! What holds where nobody says otherwise.

use crate::host::Address;
use crate::value::Value;
use crate::{Environment, Profile};
use std::time::Duration;

/// The default of every key that has one. Pure; each combination is complete and consistent in itself.
pub(crate) fn defaults(environment: Environment, profile: Profile) -> Vec<(&'static str, Value)> {
    let load = Load::of(environment, profile);
    let production_like = environment != Environment::Development;
    vec![
        ("environment", Value::Word(environment.as_str())),
        ("profile", Value::Word(profile.as_str())),
        ("database.host", Value::Addresses(vec![Address::Name("localhost".to_owned())])),
        ("database.port", Value::Ports(vec![5432])),
        ("database.name", Value::Text("postgres".to_owned())),
        ("database.user", Value::Text("postgres".to_owned())),
        ("database.password_file_access", Value::Word("private")),
        ("database.ssl_mode", Value::Word(if production_like { "require" } else { "prefer" })),
        ("database.application_name", Value::Text("cairn".to_owned())),
        ("database.connect_timeout", seconds(5)),
        ("database.target_session_attrs", Value::Word("any")),
        ("database.read_replicas", Value::Replicas(Vec::new())),
        ("pool.min_size", Value::Count(load.min_size)),
        ("pool.max_size", Value::Count(load.max_size)),
        ("pool.acquire_timeout", seconds(load.acquire_s)),
        ("pool.idle_timeout", seconds(600)),
        ("pool.max_lifetime", seconds(load.lifetime_s)),
        ("pool.leak_threshold", seconds(load.leak_s)),
        ("query.timeout", seconds(load.query_s)),
        ("query.slow_threshold", Value::Span(Some(Duration::from_millis(load.slow_ms)))),
        ("health.enabled", Value::Flag(true)),
        ("health.interval", seconds(30)),
        ("monitoring.enabled", Value::Flag(true)),
        ("audit.enabled", Value::Flag(true)),
        ("audit.sequence", Value::Flag(true)),
        ("audit.checkpoint_every", seconds(60)),
        ("logging.enabled", Value::Flag(true)),
        ("logging.level", Value::Word(if production_like { "info" } else { "debug" })),
        ("logging.queries", Value::Flag(!production_like)),
        ("logging.slow_queries", Value::Flag(true)),
        ("redis.max_connections", Value::Count(20)),
        ("redis.default_ttl", seconds(300)),
        ("redis.tls", Value::Flag(false)),
        ("redis.mode", Value::Word("single")),
        ("cache.application", Value::Text("cairn".to_owned())),
        ("cache.store", Value::Word("auto")),
        ("access.mode", Value::Word("off")),
    ]
}

/// The numbers that follow the load.
struct Load {
    min_size: u32,
    max_size: u32,
    acquire_s: u64,
    lifetime_s: u64,
    leak_s: u64,
    query_s: u64,
    slow_ms: u64,
}

impl Load {
    /// A leak is reported only after a statement could have run into its timeout, so that a slow one is not called a
    /// leak.
    fn of(environment: Environment, profile: Profile) -> Self {
        let (min_size, max_size) = match (profile, environment) {
            (Profile::Oltp, Environment::Staging) => (5, 25),
            (Profile::Oltp, Environment::Production) => (10, 50),
            (Profile::Analytics, Environment::Development) => (1, 3),
            (Profile::Analytics, _) => (1, 5),
            (Profile::Mixed, _) | (Profile::Oltp, Environment::Development) => (2, 10),
        };
        let (acquire_s, lifetime_s, leak_s, query_s, slow_ms) = match profile {
            Profile::Oltp => (2, 1_800, 10, 5, 200),
            Profile::Mixed => (10, 1_800, 60, 30, 1_000),
            Profile::Analytics => (60, 3_600, 2_700, 1_800, 60_000),
        };
        Self { min_size, max_size, acquire_s, lifetime_s, leak_s, query_s, slow_ms }
    }
}

fn seconds(count: u64) -> Value {
    Value::Span(Some(Duration::from_secs(count)))
}

#[cfg(test)]
mod tests {
    use super::defaults;
    use crate::{Environment, Profile};

    /// `min max acquire query slow tls level`
    fn check(environment: Environment, profile: Profile, expected: &str) {
        let all = defaults(environment, profile);
        let shown = |key: &str| all.iter().find(|(name, _)| *name == key).map(|(_, value)| value.shown());
        let keys = [
            "pool.min_size",
            "pool.max_size",
            "pool.acquire_timeout",
            "query.timeout",
            "query.slow_threshold",
            "database.ssl_mode",
            "logging.level",
        ];
        assert_eq!(
            keys.map(|key| shown(key).unwrap_or_default()).join(" "),
            expected,
            "{environment} {profile}"
        );
    }

    #[test]
    fn by_environment_and_profile() {
        use {Environment as E, Profile as P};
        check(E::Development, P::Mixed, "2 10 10s 30s 1s prefer debug");
        check(E::Staging, P::Mixed, "2 10 10s 30s 1s require info");
        check(E::Production, P::Mixed, "2 10 10s 30s 1s require info");
        check(E::Development, P::Oltp, "2 10 2s 5s 200ms prefer debug");
        check(E::Staging, P::Oltp, "5 25 2s 5s 200ms require info");
        check(E::Production, P::Oltp, "10 50 2s 5s 200ms require info");
        check(E::Development, P::Analytics, "1 3 1m 30m 1m prefer debug");
        check(E::Staging, P::Analytics, "1 5 1m 30m 1m require info");
        check(E::Production, P::Analytics, "1 5 1m 30m 1m require info");
    }
}
