//! What a pool needs to know: where the server is, how many connections, how long each wait may take.

use crate::Error;
use db_core::{NO_RECORDER, PasswordProvider, Recorder};
use sqlx::postgres::PgConnectOptions;
use std::{fmt, num::NonZeroU32, str::FromStr, sync::Arc, time::Duration};
use url::Url;

/// Configuration of one pool, for one server.
#[derive(Clone)]
pub struct PoolConfig {
    pub(crate) connect: PgConnectOptions,
    pub(crate) password: Option<Arc<dyn PasswordProvider>>,
    pub(crate) recorder: Arc<dyn Recorder>,
    pub(crate) min_size: u32,
    pub(crate) max_size: NonZeroU32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) check_after: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) reset_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_lifetime: Duration,
}

const DEFAULT_MAX_SIZE: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

impl PoolConfig {
    /// Defaults around the given server: at most 10 connections and none kept while idle, 30 s to acquire, 10 s to
    /// connect, checked after 30 s of idling, closed after 10 min of idling or 30 min of life.
    #[must_use]
    pub fn new(connect: PgConnectOptions) -> Self {
        Self {
            connect,
            password: None,
            recorder: Arc::new(NO_RECORDER),
            min_size: 0,
            max_size: DEFAULT_MAX_SIZE,
            acquire_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            check_after: Duration::from_secs(30),
            check_timeout: Duration::from_secs(2),
            reset_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(1800),
        }
    }

    /// Reads a `postgresql://` URL as libpq writes it.
    ///
    /// # Errors
    /// [`Error::Url`] when the text is no such URL; the text itself is not repeated, since it may hold a password.
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let parsed = Url::parse(url).map_err(|error| Error::Url { reason: error.to_string() })?;
        if !matches!(parsed.scheme(), "postgres" | "postgresql") {
            return Err(Error::Url { reason: "the scheme must be postgresql".to_owned() });
        }
        // sqlx's own message may quote a parameter's value; name what is wrong and nothing else.
        let connect = PgConnectOptions::from_str(url)
            .map_err(|_| Error::Url { reason: "a parameter has no valid value".to_owned() })?;
        Ok(Self::new(connect))
    }

    /// Asks this provider for the password of each new connection.
    #[must_use]
    pub fn password(mut self, provider: Arc<dyn PasswordProvider>) -> Self {
        self.password = Some(provider);
        self
    }

    /// Where measurements go; nowhere unless this is called.
    #[must_use]
    pub fn recorder(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.recorder = recorder;
        self
    }

    /// How many connections are opened at the start and kept while idle; at most `max_size` of them.
    #[must_use]
    pub fn min_size(mut self, connections: u32) -> Self {
        self.min_size = connections;
        self
    }

    /// How many connections may exist at once.
    #[must_use]
    pub fn max_size(mut self, connections: NonZeroU32) -> Self {
        self.max_size = connections;
        self
    }

    /// How long [`Pool::acquire`](crate::Pool::acquire) may take in all, waiting and connecting.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long one attempt to connect may take.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// A connection that idled longer than this is asked whether it is alive before it is lent.
    #[must_use]
    pub fn check_after(mut self, idle: Duration) -> Self {
        self.check_after = idle;
        self
    }

    /// How long the rollback of a connection that came back dirty may take before the connection is discarded.
    #[must_use]
    pub fn reset_timeout(mut self, timeout: Duration) -> Self {
        self.reset_timeout = timeout;
        self
    }

    /// A connection above `min_size` that idled longer than this is closed.
    #[must_use]
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle_timeout = idle;
        self
    }

    /// A connection older than this, less up to a tenth by chance, is closed instead of lent.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// `min_size`, but never above `max_size`.
    pub(crate) fn kept(&self) -> u32 {
        self.min_size.min(self.max_size.get())
    }
}

impl fmt::Debug for PoolConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the options as a whole: they hold the password.
        f.debug_struct("PoolConfig")
            .field("host", &self.connect.get_host())
            .field("port", &self.connect.get_port())
            .field("database", &self.connect.get_database())
            .field("min_size", &self.min_size)
            .field("max_size", &self.max_size)
            .field("acquire_timeout", &self.acquire_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::PoolConfig;

    #[test]
    fn a_bad_url_is_refused_without_repeating_it() {
        for url in [
            "postgres://app:hunter2-secret@host:notaport/db",
            "hunter2-secret",
            "mysql://app:hunter2-secret@host/db",
            "postgres://app:hunter2-secret@host/db?sslmode=hunter2-secret",
        ] {
            let error = PoolConfig::from_url(url).expect_err(url);
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2-secret"), "{shown}");
        }
    }

    #[test]
    fn debug_shows_where_but_not_the_password() {
        let config =
            PoolConfig::from_url("postgres://app:hunter2-secret@db.example:6432/app").expect("valid");
        let shown = format!("{config:?}");
        assert!(shown.contains("db.example") && shown.contains("6432"), "{shown}");
        assert!(!shown.contains("hunter2-secret"), "{shown}");
    }
}
