//! Where the database is, for whoever needs more than the session that migrates.

use crate::Error;
use db_core::Secret;
use sqlx::postgres::PgConnectOptions;
#[cfg(feature = "backup")]
use sqlx::postgres::PgSslMode;
use sqlx::{ConnectOptions, Connection, PgConnection};
#[cfg(feature = "backup")]
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A database of a server: opens sessions in it and in its neighbours, and tells `pg_dump` where it is.
#[derive(Clone)]
pub struct Server {
    connect: PgConnectOptions,
    password: Option<Secret>,
    /// For `pg_dump`, which cannot be told by the options.
    #[cfg_attr(
        not(feature = "backup"),
        expect(dead_code, reason = "only a backup starts programs that ask for it")
    )]
    root_certificate: Option<PathBuf>,
}

impl Server {
    /// Around options that need no password, or whose password only sessions of ours need (`pg_dump` is not told it).
    #[must_use]
    pub fn new(connect: PgConnectOptions) -> Self {
        Self { connect: connect.disable_statement_logging(), password: None, root_certificate: None }
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
        let root_certificate = parameter("sslrootcert").map(PathBuf::from);
        Ok(Self { password, root_certificate, ..server })
    }

    /// The same with a password.
    #[must_use]
    pub fn password(self, password: Secret) -> Self {
        Self { connect: self.connect.password(password.expose()), password: Some(password), ..self }
    }

    /// The same with the certificates that vouch for the server.
    #[must_use]
    pub fn root_certificate(self, path: PathBuf) -> Self {
        Self { connect: self.connect.ssl_root_cert(&path), root_certificate: Some(path), ..self }
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
    /// [`Error::Database`] when the server cannot be reached or refuses.
    pub async fn connect(&self) -> Result<PgConnection, Error> {
        PgConnection::connect_with(&self.connect)
            .await
            .map_err(Error::during(format!("connect to the database {}", self.database())))
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
        variables.extend(self.root_certificate.as_ref().map(|path| ("PGSSLROOTCERT", path.into())));
        variables
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
