//! The merged values with the defaults filled in, and the checks of one value against another.

use crate::defaults::defaults;
use crate::error::{Problem, ProblemKind};
use crate::merge::{Setting, Settings};
use crate::value::Value;
use crate::{Environment, Profile, Source};

/// What is needed for two values to stand beside each other.
struct Order {
    low: &'static str,
    high: &'static str,
    /// Whether it is an error when both were given; a default yields in any case.
    required: bool,
}

const ORDERS: [Order; 4] = [
    Order { low: "pool.min_size", high: "pool.max_size", required: true },
    Order { low: "pool.idle_timeout", high: "pool.max_lifetime", required: true },
    Order { low: "query.slow_threshold", high: "query.timeout", required: true },
    Order { low: "query.timeout", high: "pool.leak_threshold", required: false },
];

/// Fills in the defaults of the environment and profile that the settings name, and fits a default that contradicts a
/// given value to that value.
pub(crate) fn complete(settings: &mut Settings) {
    let word = |key: &str| match settings.get(key).map(|setting| &setting.value) {
        Some(Value::Word(word)) => Some(*word),
        _ => None,
    };
    let environment = word("environment").and_then(Environment::of).unwrap_or(Environment::Development);
    let profile = word("profile").and_then(Profile::of).unwrap_or(Profile::Mixed);
    for (key, value) in defaults(environment, profile) {
        let source = Source::Default { environment, profile, fitted_to: None };
        settings.entry(key).or_insert_with(|| Setting::new(value, source));
    }
    follow_redis_scheme(settings);
    for order in ORDERS {
        fit(settings, &order, environment, profile);
    }
}

/// Whether nobody gave it.
pub(crate) fn is_default(setting: &Setting) -> bool {
    matches!(setting.source, Source::Default { .. })
}

/// Checks the values against each other.
pub(crate) fn check(settings: &Settings) -> Vec<Problem> {
    let orders = ORDERS.iter().filter_map(|order| check_order(settings, order));
    let rest = [
        check_ports(settings),
        check_client_certificate(settings),
        check_tls(settings),
        check_redis(settings),
        check_redis_certificate(settings),
        check_redis_mode(settings),
        check_cache(settings),
        check_access(settings),
    ];
    orders.chain(rest.into_iter().flatten()).chain(check_replicas(settings)).collect()
}

/// Whether any setting says where the database is.
pub(crate) fn is_configured(settings: &Settings) -> bool {
    let given = |key: &&str| settings.get(*key).is_some_and(|setting| !is_default(setting));
    ["database.host", "database.port", "database.name", "database.user"].iter().any(given)
}

fn fit(settings: &mut Settings, order: &Order, environment: Environment, profile: Profile) {
    let (Some(low), Some(high)) = (settings.get(order.low), settings.get(order.high)) else { return };
    if !exceeds(&low.value, &high.value) {
        return;
    }
    let (key, other, value) = match (is_default(low), is_default(high)) {
        (true, _) => (order.low, order.high, high.value.clone()),
        (false, true) => (order.high, order.low, low.value.clone()),
        (false, false) => return,
    };
    let source = Source::Default { environment, profile, fitted_to: Some(other) };
    settings.insert(key, Setting::new(value, source));
}

fn check_order(settings: &Settings, order: &Order) -> Option<Problem> {
    let (low, high) = (settings.get(order.low)?, settings.get(order.high)?);
    let wrong = order.required && exceeds(&low.value, &high.value);
    wrong.then(|| {
        conflict(
            &format!("{} exceeds {}", order.low, order.high),
            "lower one or raise the other",
            [low, high],
        )
    })
}

/// Whether `low` is above `high`; what is off has no bound.
fn exceeds(low: &Value, high: &Value) -> bool {
    match (low, high) {
        (Value::Count(low), Value::Count(high)) => low > high,
        (Value::Span(Some(low)), Value::Span(Some(high))) => low > high,
        _ => false,
    }
}

fn check_ports(settings: &Settings) -> Option<Problem> {
    let (hosts, ports) = (settings.get("database.host")?, settings.get("database.port")?);
    let (Value::Addresses(addresses), Value::Ports(numbers)) = (&hosts.value, &ports.value) else {
        return None;
    };
    let wrong = numbers.len() > 1 && numbers.len() != addresses.len();
    let what = format!("{} hosts and {} ports", addresses.len(), numbers.len());
    wrong.then(|| conflict(&what, "give one port, or one for each host", [hosts, ports]))
}

fn check_client_certificate(settings: &Settings) -> Option<Problem> {
    let missing = |what: &str, fix: &str, given: &Setting| {
        Some(
            Problem::new(ProblemKind::Missing, what, fix).value(given.value.shown()).at(given.source.clone()),
        )
    };
    match (settings.get("database.ssl_cert"), settings.get("database.ssl_key")) {
        (Some(certificate), None) => {
            let fix =
                "give database.ssl_key too; a certificate that verifies the server is database.ssl_root_cert";
            missing("a client certificate without its key", fix, certificate)
        }
        (None, Some(key)) => {
            missing("a client key without its certificate", "give database.ssl_cert (DB_SSL_CERT) too", key)
        }
        _ => None,
    }
}

fn check_tls(settings: &Settings) -> Option<Problem> {
    let mode =
        settings.get("database.ssl_mode").filter(|mode| matches!(mode.value, Value::Word("disable")))?;
    let material =
        ["database.ssl_root_cert", "database.ssl_cert"].iter().find_map(|key| settings.get(key))?;
    Some(conflict("a certificate, but TLS is disabled", "choose another database.ssl_mode", [material, mode]))
}

fn check_redis(settings: &Settings) -> Option<Problem> {
    let (url, tls) = (settings.get("redis.url")?, settings.get("redis.tls")?);
    let (Value::Redis(redis), Value::Flag(wanted)) = (&url.value, &tls.value) else { return None };
    let wrong = redis.tls && !wanted;
    wrong.then(|| conflict("the scheme rediss demands what redis.tls refuses", "leave one out", [url, tls]))
}

fn check_redis_certificate(settings: &Settings) -> Option<Problem> {
    let (certificate, tls) = (settings.get("redis.ssl_root_cert")?, settings.get("redis.tls")?);
    let wrong = matches!(tls.value, Value::Flag(false));
    wrong.then(|| {
        let fix = "write rediss:// or set redis.tls (REDIS_SSL_ENABLED)";
        conflict("a certificate for Redis, but no TLS", fix, [certificate, tls])
    })
}

fn check_redis_mode(settings: &Settings) -> Option<Problem> {
    let mode = settings.get("redis.mode")?;
    let Value::Word(word) = mode.value else { return None };
    let (nodes, name) = (settings.get("redis.nodes"), settings.get("redis.master_name"));
    match (word, nodes, name) {
        ("sentinel", _, None) => Some(
            Problem::new(
                ProblemKind::Missing,
                "Sentinels without the name of their master",
                "give redis.master_name (REDIS_MASTER_NAME) too",
            )
            .key("redis.mode")
            .value(mode.value.shown())
            .at(mode.source.clone()),
        ),
        ("single", Some(nodes), _) => {
            Some(conflict("further nodes of a single Redis", "choose another redis.mode", [nodes, mode]))
        }
        ("single" | "cluster", _, Some(name)) => Some(conflict(
            "the name of a master without Sentinels",
            "set redis.mode to sentinel",
            [name, mode],
        )),
        _ => None,
    }
}

fn check_cache(settings: &Settings) -> Option<Problem> {
    let store = settings.get("cache.store")?;
    let wrong = matches!(store.value, Value::Word("redis")) && settings.get("redis.url").is_none();
    wrong.then(|| {
        Problem::new(
            ProblemKind::Missing,
            "a cache in Redis without a Redis",
            "give redis.url (REDIS_URL) too",
        )
        .key("cache.store")
        .value(store.value.shown())
        .at(store.source.clone())
    })
}

fn check_access(settings: &Settings) -> Option<Problem> {
    let mode = settings.get("access.mode")?;
    let wrong = !matches!(mode.value, Value::Word("off")) && settings.get("access.rules").is_none();
    wrong.then(|| {
        Problem::new(
            ProblemKind::Missing,
            "access rules are to count, and there are none",
            "give access.rules (DB_ACCESS_RULES) too",
        )
        .key("access.mode")
        .value(mode.value.shown())
        .at(mode.source.clone())
    })
}

fn check_replicas(settings: &Settings) -> Option<Problem> {
    let replicas = settings.get("database.read_replicas")?;
    let Value::Replicas(list) = &replicas.value else { return None };
    let wrong = !list.is_empty() && !is_configured(settings);
    let problem = || {
        Problem::new(ProblemKind::Missing, "replicas without a primary", "give DATABASE_URL or DB_HOST too")
    };
    wrong.then(|| {
        problem().key("database.read_replicas").value(replicas.value.shown()).at(replicas.source.clone())
    })
}

fn follow_redis_scheme(settings: &mut Settings) {
    let Some(url) = settings.get("redis.url") else { return };
    let demands_tls = matches!(&url.value, Value::Redis(redis) if redis.tls);
    if demands_tls && settings.get("redis.tls").is_none_or(is_default) {
        let source = url.source.clone();
        settings.insert("redis.tls", Setting::new(Value::Flag(true), source));
    }
}

fn conflict(what: &str, fix: &str, [one, two]: [&Setting; 2]) -> Problem {
    let values = format!("{}` and `{}", one.value.shown(), two.value.shown());
    let problem = Problem::new(ProblemKind::Conflict, what, fix).value(values);
    problem.at(one.source.clone()).at(two.source.clone())
}

#[cfg(test)]
mod tests {
    use super::{check, complete};
    use crate::layer::code;
    use crate::merge::merge;
    use crate::{Environment, Profile};

    fn completed(pairs: &[(&str, &str)]) -> (crate::merge::Settings, String) {
        let pairs: Vec<_> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (mut settings, problems) = merge(vec![code::read(&pairs)]);
        assert!(problems.is_empty(), "{problems:?}");
        complete(&mut settings);
        let problems = check(&settings).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        (settings, problems)
    }

    #[test]
    fn every_set_of_defaults_passes_its_own_checks() {
        for environment in Environment::WORDS.iter().flat_map(|words| words.iter()) {
            for profile in Profile::WORDS.iter().flat_map(|words| words.iter()) {
                let (_, problems) = completed(&[("environment", environment), ("profile", profile)]);
                assert_eq!(problems, "", "{environment} {profile}");
            }
        }
    }

    #[test]
    fn a_default_yields_to_what_was_given() {
        for (given, value, fitted, expected) in [
            ("pool.max_size", "1", "pool.min_size", "1"),
            ("pool.min_size", "20", "pool.max_size", "20"),
            ("pool.max_lifetime", "1m", "pool.idle_timeout", "1m"),
            ("query.timeout", "500ms", "query.slow_threshold", "500ms"),
            ("query.timeout", "10m", "pool.leak_threshold", "10m"),
            ("redis.url", "rediss://h", "redis.tls", "true"),
        ] {
            let (settings, problems) = completed(&[(given, value)]);
            assert_eq!(problems, "", "{given}");
            assert_eq!(settings[fitted].value.shown(), expected, "{given}");
        }
    }

    #[test]
    fn contradictions_between_given_values_are_errors() {
        for (pairs, expected) in [
            (
                [("pool.min_size", "9"), ("pool.max_size", "8")],
                "`9` and `8`: pool.min_size exceeds pool.max_size",
            ),
            ([("pool.idle_timeout", "2h"), ("pool.max_lifetime", "1h")], "pool.idle_timeout exceeds"),
            ([("query.slow_threshold", "2s"), ("query.timeout", "1s")], "query.slow_threshold exceeds"),
            ([("database.host", "a,b,c"), ("database.port", "1,2")], "3 hosts and 2 ports"),
            ([("database.ssl_cert", "/c"), ("database.ssl_mode", "require")], "certificate without its key"),
            ([("database.ssl_key", "/k"), ("database.ssl_root_cert", "/c")], "key without its certificate"),
            ([("database.ssl_root_cert", "/c"), ("database.ssl_mode", "disable")], "TLS is disabled"),
            ([("redis.url", "rediss://h"), ("redis.tls", "false")], "demands what redis.tls refuses"),
            ([("database.read_replicas", "r1"), ("database.password", "p")], "replicas without a primary"),
            ([("redis.url", "redis://h"), ("redis.ssl_root_cert", "/c")], "for Redis, but no TLS"),
            ([("redis.url", "redis://h"), ("redis.mode", "sentinel")], "without the name of their master"),
            ([("redis.url", "redis://h"), ("redis.nodes", "a:1")], "further nodes of a single Redis"),
            ([("redis.mode", "cluster"), ("redis.master_name", "m")], "a master without Sentinels"),
            ([("access.mode", "enforce"), ("redis.tls", "false")], "and there are none"),
            ([("access.mode", "observe"), ("redis.tls", "false")], "and there are none"),
            ([("cache.store", "redis"), ("redis.tls", "false")], "a cache in Redis without a Redis"),
        ] {
            let (_, problems) = completed(&pairs);
            assert!(problems.contains(expected), "{pairs:?}: {problems}");
        }
    }

    #[test]
    fn what_is_off_has_no_bound() {
        let (_, problems) = completed(&[("query.timeout", "off"), ("query.slow_threshold", "9m")]);
        assert_eq!(problems, "");
        let (_, problems) = completed(&[("pool.idle_timeout", "off"), ("pool.max_lifetime", "1m")]);
        assert_eq!(problems, "");
    }
}
