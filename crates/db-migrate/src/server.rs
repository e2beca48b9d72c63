//! Where the database is, for whoever needs more than the session that migrates.

use crate::Error;
use crate::pem::{Certificates, PemSource, with_client, with_root};
use crate::shape::quoted;
use db_core::Secret;
use sqlx::postgres::PgConnectOptions;
#[cfg(feature = "backup")]
use sqlx::postgres::PgSslMode;
use sqlx::{ConnectOptions, Connection, PgConnection};
#[cfg(feature = "backup")]
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, io};
use tokio::time::timeout;

/// The database lets nobody in.
const NOT_ACCEPTING: &str = "55000";

/// A database of a server: opens sessions in it and in its neighbours, and tells `pg_dump` where it is.
#[derive(Clone)]
pub struct Server {
    connect: PgConnectOptions,
    password: Option<Secret>,
    /// For `pg_dump`, which cannot be told by the options.
    certificates: Certificates,
    connect_timeout: Duration,
}

/// As long as a service can be expected to take that is there at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Server {
    /// Around options that need no password, or whose password only sessions of ours need (`pg_dump` is not told it).
    #[must_use]
    pub fn new(connect: PgConnectOptions) -> Self {
        Self {
            // A pooler knows nothing of the digits, and the server writes all of them by itself.
            connect: connect.disable_statement_logging().extra_float_digits(None),
            password: None,
            certificates: Certificates::default(),
            connect_timeout: CONNECT_TIMEOUT,
        }
    }

    /// The same with a limit to how long a session may take to be had; 10 s unless told.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self { connect_timeout, ..self }
    }

    /// Reads a `postgresql://` URL as libpq writes it.
    ///
    /// # Errors
    /// [`Error::Url`] when the text is no such URL; the text itself is not repeated, since it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let connect = PgConnectOptions::from_str(url).map_err(|_| Error::Url)?;
        let parsed = url::Url::parse(url).map_err(|_| Error::Url)?;
        let parameter = |name: &str| {
            parsed.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let server = Self::new(connect);
        let written = parsed.password().map(percent_decoded).or_else(|| parameter("password"));
        let password = written.map(Secret::from).or(server.password.clone());
        let file = |name: &str| parameter(name).map(|path| PemSource::File(PathBuf::from(path)));
        let (root, certificate, key) = (file("sslrootcert"), file("sslcert"), file("sslkey"));
        Ok(Self { password, certificates: Certificates { root, certificate, key }, ..server })
    }

    /// The same with a password.
    #[must_use]
    pub fn password(self, password: Secret) -> Self {
        Self { connect: self.connect.password(password.expose()), password: Some(password), ..self }
    }

    /// The same with the certificates that vouch for the server.
    #[must_use]
    pub fn root_certificate(self, root: impl Into<PemSource>) -> Self {
        let root = root.into();
        let connect = with_root(self.connect, &root);
        Self { connect, certificates: Certificates { root: Some(root), ..self.certificates }, ..self }
    }

    /// The same with a certificate that vouches for us, and its key.
    #[must_use]
    pub fn client_certificate(self, certificate: impl Into<PemSource>, key: impl Into<PemSource>) -> Self {
        let (certificate, key) = (certificate.into(), key.into());
        let connect = with_client(self.connect, &certificate, &key);
        let (certificate, key) = (Some(certificate), Some(key));
        Self { connect, certificates: Certificates { certificate, key, ..self.certificates }, ..self }
    }

    /// The same server, another database.
    #[must_use]
    pub fn in_database(&self, name: &str) -> Self {
        Self { connect: self.connect.clone().database(name), ..self.clone() }
    }

    /// Name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        self.connect.get_database().unwrap_or_else(|| self.connect.get_username())
    }

    /// Opens a session.
    ///
    /// # Errors
    /// [`Error::Database`] when the server cannot be reached in time or refuses.
    pub async fn connect(&self) -> Result<PgConnection, Error> {
        let connected = timeout(self.connect_timeout, PgConnection::connect_with(&self.connect)).await;
        let connected = connected.unwrap_or_else(|_| {
            let text = format!("the server did not answer within {:?}", self.connect_timeout);
            Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
        });
        connected.map_err(|error| {
            let (name, code) = (self.database(), error.as_database_error().and_then(|error| error.code()));
            let closed = code.is_some_and(|code| code == NOT_ACCEPTING);
            let help = if closed { opening(name) } else { String::new() };
            Error::during(format!("connect to the database {name}{help}"))(error)
        })
    }

    /// What `pg_dump` and `pg_restore` read of their environment, the password among it; never put it on a command line,
    /// where everybody on the machine reads it.
    #[cfg(feature = "backup")]
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let host = match self.connect.get_socket() {
            Some(folder) => folder.clone().into_os_string(),
            None => self.connect.get_host().into(),
        };
        let mut variables = vec![
            ("PGHOST", host),
            ("PGPORT", self.connect.get_port().to_string().into()),
            ("PGUSER", self.connect.get_username().into()),
            ("PGDATABASE", self.database().into()),
            ("PGSSLMODE", ssl_mode(self.connect.get_ssl_mode()).into()),
        ];
        variables.extend(self.password.as_ref().map(|password| ("PGPASSWORD", password.expose().into())));
        variables.extend(self.connect.get_options().map(|options| ("PGOPTIONS", options.into())));
        variables.extend(self.certificates.variables().filter_map(|(name, source)| match source {
            PemSource::File(path) => Some((name, path.into())),
            PemSource::Text(_) => None,
        }));
        variables
    }

    /// What they read of files whose text is all that there is, by the variables that name the files.
    #[cfg(feature = "backup")]
    pub(crate) fn pem_texts(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        self.certificates.variables().filter_map(|(name, source)| match source {
            PemSource::File(_) => None,
            PemSource::Text(text) => Some((name, text)),
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("user", &self.connect.get_username())
            .field("database", &self.database())
            .finish_non_exhaustive()
    }
}

/// A restore that was killed while it put a database in the place of another leaves it so.
fn opening(name: &str) -> String {
    let sql = format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", quoted(name));
    format!(
        ", which lets nobody in, as a restore that was killed leaves it: `{sql}` in another database opens it"
    )
}

#[cfg(feature = "backup")]
fn ssl_mode(mode: PgSslMode) -> &'static str {
    match mode {
        PgSslMode::Disable => "disable",
        PgSslMode::Allow => "allow",
        PgSslMode::Prefer => "prefer",
        PgSslMode::Require => "require",
        PgSslMode::VerifyCa => "verify-ca",
        PgSslMode::VerifyFull => "verify-full",
    }
}

fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(all(test, feature = "backup"))]
mod tests {
    use super::Server;
    use std::ffi::OsString;

    #[test]
    fn programs_are_told_what_sessions_are() {
        let url =
            "postgres://u@h/d?sslrootcert=/root.pem&sslcert=/me.pem&sslkey=/me.key&options=-c%20role%3Dx";
        let told = Server::from_url(url).expect("a URL").environment();
        let of = |name: &str| {
            let found = told.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        for (name, expected) in [
            ("PGSSLROOTCERT", "/root.pem"),
            ("PGSSLCERT", "/me.pem"),
            ("PGSSLKEY", "/me.key"),
            ("PGOPTIONS", "-c role=x"),
            ("PGUSER", "u"),
        ] {
            assert_eq!(of(name), OsString::from(expected), "{name}");
        }
    }
}
