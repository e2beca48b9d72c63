//! The typed settings beside PostgreSQL's own.

use crate::{AccessMode, CacheStore, LogLevel, Pem, RedisMode};
use db_core::{PasswordProvider, Secret};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How many connections there are, and how long each may wait, idle and live.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Connections kept open; at most `max_size`.
    pub min_size: u32,
    /// Most connections open at once.
    pub max_size: NonZeroU32,
    /// Longest wait for a connection.
    pub acquire_timeout: Duration,
    /// An unused connection above the minimum is closed after this; `None` keeps it.
    pub idle_timeout: Option<Duration>,
    /// A connection is replaced at this age; `None` keeps it.
    pub max_lifetime: Option<Duration>,
    /// A connection that is out for longer is reported as leaked; `None` reports none.
    pub leak_threshold: Option<Duration>,
}

/// Bounds of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryConfig {
    /// A statement that runs longer is cancelled; `None` lets it run.
    pub timeout: Option<Duration>,
    /// A statement that runs longer is reported as slow; `None` reports none.
    pub slow_threshold: Option<Duration>,
}

/// Health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthConfig {
    /// Whether health is checked.
    pub enabled: bool,
    /// Time between two checks.
    pub interval: Duration,
}

/// Measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MonitoringConfig {
    /// Whether measurements are kept.
    pub enabled: bool,
}

/// The audit trail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuditConfig {
    /// Whether changes are audited.
    pub enabled: bool,
    /// Whether this process gives events their places and signs.
    pub sequence: bool,
    /// Gives the key that wraps the keys of subjects; `None` where none is configured.
    pub master_key: Option<Arc<dyn PasswordProvider>>,
    /// Gives the key that was the master key before it was rotated; opens what lies in the spool from then.
    pub former_master_key: Option<Arc<dyn PasswordProvider>>,
    /// Gives the key that signs checkpoints; `None` where none is configured.
    pub signing_key: Option<Arc<dyn PasswordProvider>>,
    /// Keys that checkpoints must be signed by, as they were written.
    pub public_keys: Vec<String>,
    /// The file that checkpoints are appended to.
    pub checkpoint_file: Option<PathBuf>,
    /// Gives the address that checkpoints are posted to; `None` where none is configured.
    pub checkpoint_webhook: Option<Arc<dyn PasswordProvider>>,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
    /// The folder for events while the database does not take them.
    pub spool: Option<PathBuf>,
}

/// What is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggingConfig {
    /// Whether anything is.
    pub enabled: bool,
    /// The least severe event that is.
    pub level: LogLevel,
    /// Whether every statement is.
    pub queries: bool,
    /// Whether slow statements are.
    pub slow_queries: bool,
}

/// A Redis server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisConfig {
    /// The URL with its credentials, for the client; its scheme is `rediss` when `tls` holds.
    pub url: Secret,
    /// The URL for a reader.
    pub masked_url: String,
    /// Most connections.
    pub max_connections: NonZeroU32,
    /// How long a cached value lives unless told otherwise.
    pub default_ttl: Duration,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The certificate that the server's must be signed by; the machine's own authorities otherwise.
    pub root_certificate: Option<Pem>,
    /// What the URL is of.
    pub mode: RedisMode,
    /// Further Sentinels or nodes, each `host` or `host:port`.
    pub nodes: Vec<String>,
    /// What the Sentinels call the master; there where the mode is theirs.
    pub master_name: Option<String>,
}

/// What is cached, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheConfig {
    /// What keys begin with.
    pub application: String,
    /// Where processes share it.
    pub store: CacheStore,
}

/// Who may do what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessConfig {
    /// What is done with what the rules say.
    pub mode: AccessMode,
    /// The file with the rules; there unless the mode is off.
    pub rules: Option<PathBuf>,
}
