//! The typed settings of PostgreSQL.

use crate::url::percent;
use crate::{Host, Pem, SslMode, TargetSessionAttrs, mask};
use db_core::PasswordProvider;
use std::sync::Arc;
use std::time::Duration;

/// Where PostgreSQL is and how to get in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostgresConfig {
    /// The candidates for the primary, in order; at least one.
    pub hosts: Vec<Host>,
    /// Database to connect to.
    pub database: String,
    /// Role to connect as.
    pub user: String,
    /// Asked for every new connection.
    pub password: Arc<dyn PasswordProvider>,
    /// TLS.
    pub tls: TlsConfig,
    /// Name that the server shows for our sessions.
    pub application_name: String,
    /// Longest wait for one new connection.
    pub connect_timeout: Duration,
    /// Which of `hosts` is acceptable.
    pub target_session_attrs: TargetSessionAttrs,
    /// Command-line options for the server's session, as in libpq's `options`.
    pub options: Option<String>,
    /// Servers for reading only; TLS and time-outs are those of the primary.
    pub read_replicas: Vec<Replica>,
    pub(crate) configured: bool,
    pub(crate) has_password: bool,
}

impl PostgresConfig {
    /// Whether any layer said where the database is. Where none did, a caller may start an embedded server instead of
    /// trying `localhost`.
    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    /// The URL of the primary without its password: `postgres://user:***@host:5432/database?sslmode=prefer`.
    #[must_use]
    pub fn url_masked(&self) -> String {
        let password = if self.has_password { format!(":{}", mask::MASK) } else { String::new() };
        let hosts: Vec<String> = self.hosts.iter().map(host_in_url).collect();
        format!(
            "postgres://{}{password}@{}/{}?sslmode={}",
            percent::encode(&self.user),
            hosts.join(","),
            percent::encode(&self.database),
            self.tls.mode
        )
    }
}

/// A server for reading only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Replica {
    /// Where it listens.
    pub host: Host,
    /// Its own, or the primary's.
    pub database: String,
    /// Its own, or the primary's.
    pub user: String,
    /// Its own, or the primary's; asked for every new connection.
    pub password: Arc<dyn PasswordProvider>,
}

/// TLS to PostgreSQL.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsConfig {
    /// How much of it is demanded.
    pub mode: SslMode,
    /// What the server's certificate must be signed by; `None` leaves it to the system's authorities.
    pub root_certificate: Option<Pem>,
    /// What we show to the server.
    pub client: Option<ClientCertificate>,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: Pem,
    /// Its private key.
    pub key: Pem,
}

fn host_in_url(host: &Host) -> String {
    match host {
        Host::Tcp { .. } => host.to_string(),
        Host::Unix { directory, port } => {
            format!("{}:{port}", percent::encode(&directory.display().to_string()))
        }
    }
}
