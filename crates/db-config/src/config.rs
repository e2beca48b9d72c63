//! The configuration as a whole, made from checked settings.

use crate::explain::{Change, Explanation};
use crate::host::Address;
use crate::merge::Settings;
use crate::postgres::ClientCertificate;
use crate::provider::{self, StaticPassword};
use crate::value::{ReplicaAddress, Value};
use crate::{
    AccessConfig, AccessMode, AuditConfig, CacheConfig, CacheStore, Environment, HealthConfig, Host,
    LogLevel, LoggingConfig, MonitoringConfig, Pem, PoolConfig, PostgresConfig, Profile, QueryConfig,
    RedisConfig, RedisMode, Replica, SslMode, TargetSessionAttrs, TlsConfig, effective, explain,
};
use db_core::{PasswordProvider, Secret};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything that is set, typed, checked and with its source. Made by [`Loader::load`](crate::Loader::load).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Where the program runs.
    pub environment: Environment,
    /// The kind of load.
    pub profile: Profile,
    /// PostgreSQL.
    pub postgres: PostgresConfig,
    /// The pool in front of it.
    pub pool: PoolConfig,
    /// Bounds of a statement.
    pub query: QueryConfig,
    /// Health checks.
    pub health: HealthConfig,
    /// Measurements.
    pub monitoring: MonitoringConfig,
    /// The audit trail.
    pub audit: AuditConfig,
    /// What is logged.
    pub logging: LoggingConfig,
    /// Redis, where a URL was given.
    pub redis: Option<RedisConfig>,
    /// What is cached.
    pub cache: CacheConfig,
    /// Who may do what.
    pub access: AccessConfig,
    settings: Settings,
}

/// Who gives each secret that is asked for when it is needed.
pub(crate) struct Secrets {
    pub(crate) password: Arc<dyn PasswordProvider>,
    pub(crate) master_key: Option<Arc<dyn PasswordProvider>>,
    pub(crate) former_master_key: Option<Arc<dyn PasswordProvider>>,
    pub(crate) signing_key: Option<Arc<dyn PasswordProvider>>,
    pub(crate) checkpoint_webhook: Option<Arc<dyn PasswordProvider>>,
}

impl Config {
    /// Every key with its value, source and meaning, in the order of the reference; secrets masked.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        explain::explain(&self.settings)
    }

    /// The keys whose values differ in `other`; secrets are compared but shown as `***`.
    #[must_use]
    pub fn diff(&self, other: &Self) -> Vec<Change> {
        explain::diff(&self.settings, &other.settings)
    }

    /// The URL of the primary without its password.
    #[must_use]
    pub fn url_masked(&self) -> String {
        self.postgres.url_masked()
    }

    /// Settings that are complete and have passed their checks.
    pub(crate) fn new(settings: Settings, secrets: Secrets) -> Self {
        let typed = Typed(&settings);
        Self {
            environment: typed.word("environment", Environment::of),
            profile: typed.word("profile", Profile::of),
            postgres: postgres(&typed, secrets.password),
            pool: PoolConfig {
                min_size: typed.count("pool.min_size"),
                max_size: typed.positive("pool.max_size"),
                acquire_timeout: typed.span("pool.acquire_timeout"),
                idle_timeout: typed.span_or_off("pool.idle_timeout"),
                max_lifetime: typed.span_or_off("pool.max_lifetime"),
                leak_threshold: typed.span_or_off("pool.leak_threshold"),
            },
            query: QueryConfig {
                timeout: typed.span_or_off("query.timeout"),
                slow_threshold: typed.span_or_off("query.slow_threshold"),
            },
            health: HealthConfig {
                enabled: typed.flag("health.enabled"),
                interval: typed.span("health.interval"),
            },
            monitoring: MonitoringConfig { enabled: typed.flag("monitoring.enabled") },
            audit: AuditConfig {
                enabled: typed.flag("audit.enabled"),
                sequence: typed.flag("audit.sequence"),
                master_key: secrets.master_key,
                former_master_key: secrets.former_master_key,
                signing_key: secrets.signing_key,
                public_keys: list(&typed.text("audit.public_keys").unwrap_or_default()),
                checkpoint_file: typed.path("audit.checkpoint_file"),
                checkpoint_webhook: secrets.checkpoint_webhook,
                checkpoint_every: typed.span("audit.checkpoint_every"),
                spool: typed.path("audit.spool"),
            },
            logging: LoggingConfig {
                enabled: typed.flag("logging.enabled"),
                level: typed.word("logging.level", LogLevel::of),
                queries: typed.flag("logging.queries"),
                slow_queries: typed.flag("logging.slow_queries"),
            },
            redis: redis(&typed),
            cache: CacheConfig {
                application: typed.text("cache.application").unwrap_or_default(),
                store: typed.word("cache.store", CacheStore::of),
            },
            access: AccessConfig {
                mode: typed.word("access.mode", AccessMode::of),
                rules: typed.path("access.rules"),
            },
            settings,
        }
    }
}

fn postgres(typed: &Typed<'_>, password: Arc<dyn PasswordProvider>) -> PostgresConfig {
    let database = typed.text("database.name").unwrap_or_default();
    let user = typed.text("database.user").unwrap_or_default();
    let replica = |replica: &ReplicaAddress| Replica {
        host: Host::new(&replica.address, replica.port),
        database: replica.database.clone().unwrap_or_else(|| database.clone()),
        user: replica.user.clone().unwrap_or_else(|| user.clone()),
        password: replica
            .password
            .as_ref()
            .map_or_else(|| Arc::clone(&password), |own| Arc::new(StaticPassword::new(own.clone()))),
    };
    PostgresConfig {
        hosts: typed.hosts(),
        read_replicas: typed.replicas().iter().map(replica).collect(),
        tls: TlsConfig {
            mode: typed.word("database.ssl_mode", SslMode::of),
            root_certificate: typed.pem("database.ssl_root_cert"),
            client: typed
                .pem("database.ssl_cert")
                .zip(typed.pem("database.ssl_key"))
                .map(|(certificate, key)| ClientCertificate { certificate, key }),
        },
        application_name: typed.text("database.application_name").unwrap_or_default(),
        connect_timeout: typed.span("database.connect_timeout"),
        target_session_attrs: typed.word("database.target_session_attrs", TargetSessionAttrs::of),
        options: typed.text("database.options"),
        configured: effective::is_configured(typed.0),
        has_password: provider::PASSWORD.iter().any(|key| typed.0.contains_key(key)),
        database,
        user,
        password,
    }
}

fn redis(typed: &Typed<'_>) -> Option<RedisConfig> {
    let Some(Value::Redis(redis)) = typed.get("redis.url") else { return None };
    let tls = typed.flag("redis.tls");
    let secured = |url: &str| match url.strip_prefix("redis://") {
        Some(rest) if tls => format!("rediss://{rest}"),
        _ => url.to_owned(),
    };
    Some(RedisConfig {
        url: Secret::new(secured(redis.url.expose())),
        masked_url: secured(&redis.masked),
        max_connections: typed.positive("redis.max_connections"),
        default_ttl: typed.span("redis.default_ttl"),
        tls,
        root_certificate: typed.pem("redis.ssl_root_cert"),
        mode: typed.word("redis.mode", RedisMode::of),
        nodes: list(&typed.text("redis.nodes").unwrap_or_default()),
        master_name: typed.text("redis.master_name"),
    })
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
}

/// The settings by type. What it takes for granted (a default for each key that is asked for, and the variant that the
/// schema's kind says) is what the schema, the parser and the defaults make so; the tests load each of them.
struct Typed<'a>(&'a Settings);

impl Typed<'_> {
    fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).map(|setting| &setting.value)
    }

    fn word<T>(&self, key: &str, of: fn(&str) -> Option<T>) -> T {
        let word = if let Some(Value::Word(word)) = self.get(key) { *word } else { "" };
        of(word).unwrap_or_else(|| absent(key))
    }

    fn text(&self, key: &str) -> Option<String> {
        if let Some(Value::Text(text)) = self.get(key) { Some(text.clone()) } else { None }
    }

    fn flag(&self, key: &str) -> bool {
        if let Some(Value::Flag(flag)) = self.get(key) { *flag } else { absent(key) }
    }

    fn count(&self, key: &str) -> u32 {
        if let Some(Value::Count(count)) = self.get(key) { *count } else { absent(key) }
    }

    fn positive(&self, key: &str) -> NonZeroU32 {
        NonZeroU32::new(self.count(key)).unwrap_or_else(|| absent(key))
    }

    fn span(&self, key: &str) -> Duration {
        self.span_or_off(key).unwrap_or_else(|| absent(key))
    }

    fn span_or_off(&self, key: &str) -> Option<Duration> {
        if let Some(Value::Span(span)) = self.get(key) { *span } else { absent(key) }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        if let Some(Value::Path(path)) = self.get(key) { Some(path.clone()) } else { None }
    }

    fn pem(&self, key: &str) -> Option<Pem> {
        if let Some(Value::Pem(pem)) = self.get(key) { Some(pem.clone()) } else { None }
    }

    fn replicas(&self) -> &[ReplicaAddress] {
        if let Some(Value::Replicas(replicas)) = self.get("database.read_replicas") { replicas } else { &[] }
    }

    fn hosts(&self) -> Vec<Host> {
        let (Some(Value::Addresses(addresses)), Some(Value::Ports(ports))) =
            (self.get("database.host"), self.get("database.port"))
        else {
            absent("database.host")
        };
        // One port holds for all hosts; the checks have seen to the rest.
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(crate::url::postgres::PORT);
        let host = |(at, address): (usize, &Address)| Host::new(address, port(at));
        addresses.iter().enumerate().map(host).collect()
    }
}

fn absent(key: &str) -> ! {
    unreachable!("the schema gives {key} a default of its kind")
}
