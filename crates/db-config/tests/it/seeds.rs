//! Every variable and file key of the programs whose configuration is taken over.

use db_config::{Config, Environment, Host, Loader, LogLevel, Pem, Profile, SslMode};
use std::time::Duration;

fn load(variables: &[(&str, &str)]) -> Config {
    Loader::new().env(variables.iter().copied()).load().unwrap()
}

fn tcp(name: &str, port: u16) -> Host {
    Host::Tcp { name: name.to_owned(), port }
}

#[test]
fn the_variables_of_the_python_program() {
    let config = load(&[
        ("DATABASE_URL", "postgresql://autonomous_user:password@localhost:5432/openevolve_autonomous"),
        ("DB_MIN_POOL_SIZE", "5"),
        ("DB_MAX_POOL_SIZE", "20"),
        ("DB_QUERY_TIMEOUT", "30.0"),
        ("DB_SSL_MODE", "prefer"),
        ("DB_SSL_CERT_PATH", "/etc/ca.pem"),
        ("DB_ENABLE_MONITORING", "true"),
        ("DB_ENABLE_AUDIT_LOGGING", "true"),
        ("REDIS_URL", "redis://localhost:6379/0"),
        ("REDIS_MAX_CONNECTIONS", "20"),
        ("REDIS_DEFAULT_TTL", "300"),
        ("REDIS_SSL_ENABLED", "false"),
    ]);
    assert_eq!(config.postgres.hosts, [tcp("localhost", 5432)]);
    assert_eq!(config.postgres.database, "openevolve_autonomous");
    assert_eq!(config.postgres.user, "autonomous_user");
    assert_eq!(config.postgres.tls.mode, SslMode::Prefer);
    assert!(
        matches!(&config.postgres.tls.root_certificate, Some(Pem::File(path)) if path.ends_with("ca.pem"))
    );
    assert_eq!((config.pool.min_size, config.pool.max_size.get()), (5, 20));
    assert_eq!(config.query.timeout, Some(Duration::from_secs(30)));
    assert!(config.monitoring.enabled && config.audit.enabled);
    let redis = config.redis.unwrap();
    assert_eq!(redis.url.expose(), "redis://localhost:6379/0");
    assert_eq!((redis.max_connections.get(), redis.default_ttl), (20, Duration::from_secs(300)));
    assert!(!redis.tls);
}

#[test]
fn the_variables_of_the_node_programs() {
    let config = load(&[
        ("NODE_ENV", "development"),
        ("DB_HOST", "db1"),
        ("DB_PORT", "5433"),
        ("DB_NAME", "ai_cicd_system"),
        ("DB_USER", "app"),
        ("DB_PASSWORD", "password"),
        ("DB_SSL_MODE", "require"),
        ("DB_SSL_CA", "-----BEGIN CERTIFICATE-----\\nabc\\n-----END CERTIFICATE-----"),
        ("DB_SSL_CERT", "/etc/client.pem"),
        ("DB_SSL_KEY", "/etc/client.key"),
        ("DB_POOL_MIN", "2"),
        ("DB_POOL_MAX", "20"),
        ("DB_POOL_IDLE_TIMEOUT", "30000"),
        ("DB_POOL_CONNECTION_TIMEOUT", "2000"),
        ("DB_POOL_ACQUIRE_TIMEOUT", "30000"),
        ("DB_WORKLOAD_PROFILE", "mixed"),
        ("DB_QUERY_TIMEOUT", "30000"),
        ("DB_SLOW_QUERY_THRESHOLD", "1000"),
        ("DB_HEALTH_CHECK_ENABLED", "true"),
        ("DB_HEALTH_CHECK_INTERVAL", "30000"),
        ("DB_MONITORING_ENABLED", "true"),
        ("DB_LOGGING_ENABLED", "true"),
        ("DB_LOGGING_LEVEL", "info"),
        ("DB_LOG_QUERIES", "false"),
        ("DB_LOG_SLOW_QUERIES", "true"),
    ]);
    assert_eq!((config.environment, config.profile), (Environment::Development, Profile::Mixed));
    assert_eq!(config.postgres.hosts, [tcp("db1", 5433)]);
    assert_eq!(config.postgres.connect_timeout, Duration::from_secs(2));
    assert!(
        matches!(&config.postgres.tls.root_certificate, Some(Pem::Text(text)) if text.expose().lines().count() == 3)
    );
    assert!(config.postgres.tls.client.is_some());
    assert_eq!(config.pool.idle_timeout, Some(Duration::from_secs(30)));
    assert_eq!(config.pool.acquire_timeout, Duration::from_secs(30));
    assert_eq!(config.query.timeout, Some(Duration::from_secs(30)));
    assert_eq!(config.query.slow_threshold, Some(Duration::from_secs(1)));
    assert_eq!(config.health.interval, Duration::from_secs(30));
    assert_eq!(config.logging.level, LogLevel::Info);
    assert!(config.logging.enabled && !config.logging.queries && config.logging.slow_queries);
    assert!(config.redis.is_none());
}

#[test]
fn every_other_variable() {
    let config = load(&[
        ("DB_ENVIRONMENT", "staging"),
        ("DATABASE_URL", "postgres://app@%2Ftmp:6000/shop"),
        ("DB_APPLICATION_NAME", "worker"),
        ("DB_TARGET_SESSION_ATTRS", "read-write"),
        ("DB_OPTIONS", "-c search_path=app"),
        ("DB_READ_REPLICAS", "postgres://r1:5433,r2/other postgres://ro:secret@r3"),
        ("DB_POOL_MAX_LIFETIME", "off"),
        ("DB_POOL_LEAK_THRESHOLD", "45s"),
        ("REDIS_URL", "redis://:secret@cache"),
        ("REDIS_SSL_ENABLED", "true"),
    ]);
    assert_eq!(config.environment, Environment::Staging);
    assert_eq!(config.postgres.hosts, [Host::Unix { directory: "/tmp".into(), port: 6000 }]);
    assert_eq!(config.postgres.options.as_deref(), Some("-c search_path=app"));
    let replicas: Vec<String> = config
        .postgres
        .read_replicas
        .iter()
        .map(|replica| format!("{}@{}/{}", replica.user, replica.host, replica.database))
        .collect();
    assert_eq!(replicas, ["app@r1:5433/other", "app@r2:5432/other", "ro@r3:5432/shop"]);
    assert_eq!(config.pool.max_lifetime, None);
    assert_eq!(config.pool.leak_threshold, Some(Duration::from_secs(45)));
    let redis = config.redis.unwrap();
    assert_eq!(redis.url.expose(), "rediss://:secret@cache");
    assert_eq!(redis.masked_url, "rediss://***@cache:6379");
    assert!(redis.tls);
    assert_eq!(config.postgres.url_masked(), "postgres://app@%2Ftmp:6000/shop?sslmode=require");
}

#[cfg(feature = "file")]
#[test]
fn the_database_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cairn.yaml");
    let text = r#"
database:
  url: "postgresql://user:pass@localhost:5432/autonomous_agent"
  pool_size: 20
  max_overflow: 30
  pool_timeout: 30
  pool_recycle: 3600
  read_replicas:
    - "postgresql://user:pass@replica1:5432/autonomous_agent"
    - "postgresql://user:pass@replica2:5432/autonomous_agent"
  enable_query_logging: false
  query_timeout: 60
gmail_agent:
  database: {enable_persistence: true}
"#;
    std::fs::write(&path, text).unwrap();
    let config = Loader::new().file(&path).pass_over("gmail_agent").load().unwrap();
    assert_eq!(config.postgres.database, "autonomous_agent");
    assert_eq!((config.pool.min_size, config.pool.max_size.get()), (20, 50));
    assert_eq!(config.pool.acquire_timeout, Duration::from_secs(30));
    assert_eq!(config.pool.max_lifetime, Some(Duration::from_secs(3600)));
    assert_eq!(config.query.timeout, Some(Duration::from_secs(60)));
    assert_eq!(config.postgres.read_replicas.len(), 2);
    assert!(!config.logging.queries);
}
