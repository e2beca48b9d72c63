//! What the command line prints: every value with its source, and what differs between two configurations.

use db_config::{Config, Environment, Loader};

fn production() -> Config {
    let variables = [
        ("DATABASE_URL", "postgres://app:hunter2@db1/shop"),
        ("DB_PASSWORD_FILE_ACCESS", "any"),
        ("REDIS_URL", "redis://:hunter2@cache"),
    ];
    Loader::new().environment(Environment::Production).env(variables).load().unwrap()
}

#[test]
fn lists_every_key_with_its_source() {
    let text = production().explain().to_string();
    for line in
        [["environment", "production"], ["database.password", "***"], ["redis.url", "redis://***@cache:6379"]]
    {
        assert!(text.lines().any(|found| found.split_whitespace().take(2).eq(line)), "{line:?}: {text}");
    }
    assert!(
        text.contains("environment variable DATABASE_URL") && text.contains("default (production, mixed)")
    );
    assert!(
        text.lines().any(|line| line.starts_with("database.ssl_key") && line.ends_with("not set")),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
}

#[test]
fn shows_what_differs_and_masks_it() {
    let other = Loader::new().env([("DATABASE_URL", "postgres://app:hunter3@db1/shop")]).load().unwrap();
    let changes = production().diff(&other);
    let find = |key: &str| changes.iter().find(|change| change.key == key).map(ToString::to_string);
    assert_eq!(
        find("environment").as_deref(),
        Some(
            "environment: production (set in code environment) -> development (default (development, mixed))"
        )
    );
    assert_eq!(
        find("database.password").as_deref(),
        Some(
            "database.password: *** (environment variable DATABASE_URL) -> *** (environment variable DATABASE_URL)"
        )
    );
    assert!(find("redis.url").unwrap().ends_with("-> not set"));
    assert_eq!(find("database.host"), None);
    assert!(production().diff(&production()).is_empty());
}

#[cfg(feature = "serde")]
#[test]
fn is_serialisable() {
    let json = serde_json::to_value(production().explain()).unwrap();
    let row = json.as_array().unwrap().iter().find(|row| row["key"] == "database.password").unwrap();
    assert_eq!(row["value"], "***");
    assert_eq!(row["source"], "environment variable DATABASE_URL");
    assert!(row["doc"].is_string());
}
