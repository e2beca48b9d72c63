//! From the configuration to the pool's and the driver's own settings. Pure.

use crate::Error;
use db_config::{Config, Host, LogLevel, Pem, PostgresConfig, SslMode, TargetSessionAttrs};
use db_core::Recorder;
use db_pool::PoolConfig;
use log::LevelFilter;
use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use std::{sync::Arc, time::Duration};

/// Long enough for "never" and short enough to be added to a time.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(crate) fn pool_config(config: &Config, recorder: Option<Arc<dyn Recorder>>) -> Result<PoolConfig, Error> {
    let pool = &config.pool;
    let mut settings = PoolConfig::new(connect_options(config)?)
        .password(Arc::clone(&config.postgres.password))
        .min_size(pool.min_size)
        .max_size(pool.max_size)
        .acquire_timeout(pool.acquire_timeout)
        // An attempt is bounded by the wait that it serves.
        .connect_timeout(config.postgres.connect_timeout.min(pool.acquire_timeout))
        .idle_timeout(pool.idle_timeout.unwrap_or(NEVER))
        .max_lifetime(pool.max_lifetime.unwrap_or(NEVER));
    if let Some(recorder) = recorder {
        settings = settings.recorder(recorder);
    }
    if let Some(limit) = config.query.timeout {
        settings = settings.statement_timeout(limit);
    }
    if let (true, true, Some(threshold)) =
        (config.logging.enabled, config.logging.slow_queries, config.query.slow_threshold)
    {
        settings = settings.slow_threshold(threshold);
    }
    if let Some(threshold) = pool.leak_threshold {
        settings = settings.leak_threshold(threshold);
    }
    Ok(settings)
}

pub(crate) fn connect_options(config: &Config) -> Result<PgConnectOptions, Error> {
    let postgres = &config.postgres;
    let host = the_host(postgres)?;
    let mut options = PgConnectOptions::new_without_pgpass()
        .port(host.port())
        .database(&postgres.database)
        .username(&postgres.user)
        .application_name(&postgres.application_name)
        .ssl_mode(ssl_mode(postgres.tls.mode));
    options = match host {
        Host::Tcp { name, .. } => options.host(name),
        Host::Unix { directory, .. } => options.socket(directory),
    };
    if let Some(root) = &postgres.tls.root_certificate {
        options = match root {
            Pem::File(path) => options.ssl_root_cert(path),
            Pem::Text(text) => options.ssl_root_cert_from_pem(text.expose().as_bytes().to_vec()),
        };
    }
    if let Some(client) = &postgres.tls.client {
        options = match &client.certificate {
            Pem::File(path) => options.ssl_client_cert(path),
            Pem::Text(text) => options.ssl_client_cert_from_pem(text.expose()),
        };
        options = match &client.key {
            Pem::File(path) => options.ssl_client_key(path),
            Pem::Text(text) => options.ssl_client_key_from_pem(text.expose()),
        };
    }
    Ok(logged(options, config))
}

/// What is logged about statements: all, the slow ones, or nothing.
fn logged(options: PgConnectOptions, config: &Config) -> PgConnectOptions {
    let logging = &config.logging;
    if !logging.enabled {
        return options.disable_statement_logging();
    }
    let level = match logging.level {
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    // The pool tells slow statements itself, by their shape; sqlx would print them whole.
    options
        .log_statements(if logging.queries { level } else { LevelFilter::Off })
        .log_slow_statements(LevelFilter::Off, Duration::ZERO)
}

/// The one host there is. What asks for a choice among nodes is refused rather than half done.
fn the_host(postgres: &PostgresConfig) -> Result<&Host, Error> {
    let [host] = postgres.hosts.as_slice() else {
        return Err(Error::Unsupported {
            key: "database.host",
            value: postgres.hosts.iter().map(Host::to_string).collect::<Vec<_>>().join(","),
            why: "this version connects to one node and does not fail over; name one",
        });
    };
    match postgres.target_session_attrs {
        TargetSessionAttrs::Any => {}
        other => {
            return Err(Error::Unsupported {
                key: "database.target_session_attrs",
                value: other.to_string(),
                why: "this version does not ask a node for its role; leave it out or set `any`",
            });
        }
    }
    if let Some(options) = &postgres.options {
        return Err(Error::Unsupported {
            key: "database.options",
            value: options.clone(),
            why: "set the role's defaults with ALTER ROLE .. SET",
        });
    }
    Ok(host)
}

fn ssl_mode(mode: SslMode) -> PgSslMode {
    match mode {
        SslMode::Disable => PgSslMode::Disable,
        SslMode::Allow => PgSslMode::Allow,
        SslMode::Prefer => PgSslMode::Prefer,
        SslMode::Require => PgSslMode::Require,
        SslMode::VerifyCa => PgSslMode::VerifyCa,
        // The strictest, also for a mode that a later version may add.
        _ => PgSslMode::VerifyFull,
    }
}

/// Rules that would be taken for enforced are no mere warning.
#[cfg(not(feature = "access"))]
pub(crate) fn refuse_access(config: &Config) -> Result<(), Error> {
    match config.access.mode {
        db_config::AccessMode::Off => Ok(()),
        mode => Err(Error::Unsupported {
            key: "access.mode",
            value: mode.to_string(),
            why: "this program was built without access rules (feature `access` of db-facade)",
        }),
    }
}

/// Keys that somebody has set and that nothing in this version reads yet.
pub(crate) fn unread(config: &Config) -> Vec<&'static str> {
    const UNREAD: &[&str] = &[
        #[cfg(not(feature = "audit"))]
        "audit.checkpoint_every",
        #[cfg(not(feature = "audit"))]
        "audit.checkpoint_file",
        #[cfg(not(feature = "audit"))]
        "audit.checkpoint_webhook",
        #[cfg(not(feature = "audit"))]
        "audit.enabled",
        #[cfg(not(feature = "audit"))]
        "audit.former_master_key",
        #[cfg(not(feature = "audit"))]
        "audit.master_key",
        #[cfg(not(feature = "audit"))]
        "audit.sequence",
        #[cfg(not(feature = "audit"))]
        "audit.signing_key",
        #[cfg(not(feature = "audit"))]
        "audit.spool",
        "database.read_replicas",
        "health.enabled",
        "health.interval",
        "monitoring.enabled",
        #[cfg(not(feature = "access"))]
        "access.rules",
        #[cfg(not(feature = "cache"))]
        "cache.application",
        #[cfg(not(feature = "cache"))]
        "cache.store",
        #[cfg(not(feature = "cache"))]
        "redis.url",
    ];
    let explained = config.explain();
    let set = explained
        .rows
        .iter()
        .filter(|row| row.source.as_deref().is_some_and(|source| !source.starts_with("default")));
    set.map(|row| row.key).filter(|key| UNREAD.contains(key)).collect()
}

#[cfg(test)]
mod tests {
    use super::{connect_options, unread};
    use crate::Error;
    use db_config::{Config, Loader};

    fn load(variables: &[(&str, &str)]) -> Config {
        Loader::new().env(variables.iter().copied()).load().expect("valid")
    }

    #[test]
    fn every_setting_arrives() {
        let config = load(&[(
            "DATABASE_URL",
            "postgresql://ann@db.example:6432/app?application_name=ci&sslmode=require",
        )]);
        let options = connect_options(&config).expect("one host");
        assert_eq!((options.get_host(), options.get_port()), ("db.example", 6432));
        assert_eq!((options.get_username(), options.get_database()), ("ann", Some("app")));
        assert_eq!(options.get_application_name(), Some("ci"));
    }

    #[test]
    fn a_socket_is_a_socket() {
        let options =
            connect_options(&load(&[("DB_HOST", "/run/pg"), ("DB_PORT", "5433")])).expect("one host");
        assert_eq!(options.get_socket().map(|path| path.display().to_string()).as_deref(), Some("/run/pg"));
    }

    #[test]
    fn what_cannot_be_served_is_refused() {
        let config = load(&[("DATABASE_URL", "postgresql://u@a,b/db")]);
        assert!(matches!(connect_options(&config), Err(Error::Unsupported { key: "database.host", .. })));
        let config = load(&[("DATABASE_URL", "postgresql://u@a/db?target_session_attrs=read-write")]);
        let refused = connect_options(&config);
        assert!(matches!(refused, Err(Error::Unsupported { key: "database.target_session_attrs", .. })));
    }

    #[test]
    fn what_is_set_and_not_read_is_told() {
        assert!(unread(&load(&[])).is_empty());
        assert_eq!(unread(&load(&[("DB_HEALTH_CHECK_INTERVAL", "20s")])), ["health.interval"]);
    }
}
