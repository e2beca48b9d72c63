//! What a pool needs to know: where the server is, how many connections, how long each wait may take.

use crate::{BreakerConfig, CoDel, Error};
use db_core::{PasswordProvider, Recorder};
use sqlx::{ConnectOptions, postgres::PgConnectOptions};
use std::{fmt, num::NonZeroU32, str::FromStr, sync::Arc, time::Duration};
use url::Url;

/// Configuration of one pool, for one server.
#[derive(Clone)]
pub struct PoolConfig {
    pub(crate) connect: PgConnectOptions,
    pub(crate) name: Option<String>,
    pub(crate) password: Option<Arc<dyn PasswordProvider>>,
    pub(crate) recorder: Option<Arc<dyn Recorder>>,
    pub(crate) min_size: u32,
    pub(crate) max_size: NonZeroU32,
    pub(crate) max_waiting: NonZeroU32,
    pub(crate) sizing: Sizing,
    pub(crate) acquire_timeout: Duration,
    connect_timeout: Option<Duration>,
    pub(crate) connect_attempts: NonZeroU32,
    pub(crate) connects_per_second: NonZeroU32,
    pub(crate) breaker: BreakerConfig,
    pub(crate) aging: Duration,
    pub(crate) codel: Option<CoDel>,
    pub(crate) check_after: Duration,
    pub(crate) check_timeout: Duration,
    pub(crate) reset: Reset,
    pub(crate) reset_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) slow_threshold: Option<Duration>,
    pub(crate) leak_threshold: Option<Duration>,
}

/// What is done about session state (settings, advisory locks, temporary tables, LISTEN) when a connection comes back.
///
/// The reset is one round trip in the background, after the caller has gone on; it also rolls back a transaction that was
/// opened by a raw `BEGIN`. A connection that does not answer it as it should is closed; so is one to a server that is not
/// quite PostgreSQL, so use `Never` there. A transaction opened through sqlx or the pool and dropped is rolled back under every policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Reset when something may have changed: after a statement whose text says so, and after the connection itself was
    /// in the caller's hands (`&mut *lease`), where the pool cannot see the statements. Queries that run on `&pool` or
    /// through the lease's own methods cost nothing.
    #[default]
    Smart,
    /// Reset after every lease.
    Always,
    /// Never reset: the callers leave no mark on the session, or want it kept. Settings of
    /// [`with_session`](crate::Pool::with_session) are refused outside of transactions, which cannot leave any behind.
    Never,
}

/// How many connections may exist between the minimum and the maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sizing {
    /// As many as the maximum; what is not needed goes after the idle timeout.
    #[default]
    Fixed,
    /// As many as the load needs, measured once a second (Little's law), and no more than the server's
    /// `max_connections` and this machine's cores can use.
    Adaptive,
}

const DEFAULT_MAX_SIZE: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
const DEFAULT_MAX_WAITING: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not zero");
const DEFAULT_ATTEMPTS: NonZeroU32 = NonZeroU32::new(3).expect("three is not zero");
const DEFAULT_CONNECTS: NonZeroU32 = NonZeroU32::new(100).expect("a hundred is not zero");
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl PoolConfig {
    /// Around the options as they are: what the driver logs of statements by them, it logs literals and all. Defaults: at most 10 connections and none kept while idle, 30 s to acquire, 10 s to
    /// connect, checked after 30 s of idling, closed after 10 min of idling or 30 min of life, reset when it may be
    /// needed; no statement timeout, slow-query event, leak report or CoDel until asked for.
    #[must_use]
    pub fn new(connect: PgConnectOptions) -> Self {
        Self {
            connect,
            name: None,
            password: None,
            recorder: None,
            min_size: 0,
            max_size: DEFAULT_MAX_SIZE,
            max_waiting: DEFAULT_MAX_WAITING,
            sizing: Sizing::Fixed,
            acquire_timeout: Duration::from_secs(30),
            connect_timeout: None,
            connect_attempts: DEFAULT_ATTEMPTS,
            connects_per_second: DEFAULT_CONNECTS,
            breaker: BreakerConfig::default(),
            aging: Duration::from_secs(1),
            codel: None,
            check_after: Duration::from_secs(30),
            check_timeout: Duration::from_secs(2),
            reset: Reset::Smart,
            reset_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(1800),
            statement_timeout: None,
            slow_threshold: None,
            leak_threshold: None,
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
        // sqlx would log an unknown parameter with its value, which may be a misspelt password's.
        if parsed.query_pairs().any(|(key, _)| !known(&key)) {
            return Err(Error::Url {
                reason: format!("it has a parameter other than {} and options[..]", PARAMETERS.join(", ")),
            });
        }
        // sqlx's own message may quote a parameter's value; name what is wrong and nothing else.
        let connect = PgConnectOptions::from_str(url)
            .map_err(|_| Error::Url { reason: "a parameter has no valid value".to_owned() })?;
        // Texts of statements are logged without their literals, by the pool, or not at all.
        Ok(Self::new(connect.disable_statement_logging()))
    }

    /// What the pool is called in measurements: its server and database unless this is called.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Asks this provider for the password of each new connection, and once more when the server refuses it (28P01).
    #[must_use]
    pub fn password(mut self, provider: Arc<dyn PasswordProvider>) -> Self {
        self.password = Some(provider);
        self
    }

    /// Where measurements go, under OpenTelemetry's names; nowhere unless this is called.
    #[must_use]
    pub fn recorder(mut self, recorder: Arc<dyn Recorder>) -> Self {
        self.recorder = Some(recorder);
        self
    }

    /// How many connections are opened at the start and kept while idle.
    #[must_use]
    pub fn min_size(mut self, connections: u32) -> Self {
        self.min_size = connections;
        self
    }

    /// How many connections may exist at once. For a moment there may be more on the server: one that replaces another before
    /// it expires, and those whose cut query is still being stopped.
    #[must_use]
    pub fn max_size(mut self, connections: NonZeroU32) -> Self {
        self.max_size = connections;
        self
    }

    /// Whether the number of connections follows the load.
    #[must_use]
    pub fn sizing(mut self, sizing: Sizing) -> Self {
        self.sizing = sizing;
        self
    }

    /// How many callers may wait at once; the next is turned away with [`Error::QueueFull`].
    #[must_use]
    pub fn max_waiting(mut self, callers: NonZeroU32) -> Self {
        self.max_waiting = callers;
        self
    }

    /// How long [`Pool::acquire`](crate::Pool::acquire) may take in all, waiting and connecting.
    #[must_use]
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// How long one attempt to connect may take: 10 s, or the acquire timeout where that is shorter.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// How often a connection is tried before the callers are told, when the server refuses at once. A server that says that it
    /// is starting up is asked until the acquire timeout has passed.
    #[must_use]
    pub fn connect_attempts(mut self, attempts: NonZeroU32) -> Self {
        self.connect_attempts = attempts;
        self
    }

    /// How many connections may be opened in a second, so that a restarted server is not run over.
    #[must_use]
    pub fn connects_per_second(mut self, connects: NonZeroU32) -> Self {
        self.connects_per_second = connects;
        self
    }

    /// When to stop trying to connect, and for how long.
    #[must_use]
    pub fn breaker(mut self, breaker: BreakerConfig) -> Self {
        self.breaker = breaker;
        self
    }

    /// The head start of a [`Priority`](crate::Priority) class over the next one.
    #[must_use]
    pub fn aging(mut self, aging: Duration) -> Self {
        self.aging = aging;
        self
    }

    /// Sheds callers from a queue that stands for too long. Off unless this is called: a batch program would rather wait.
    #[must_use]
    pub fn codel(mut self, codel: CoDel) -> Self {
        self.codel = Some(codel);
        self
    }

    /// A connection that idled longer than this is asked whether it is alive before it is lent.
    #[must_use]
    pub fn check_after(mut self, idle: Duration) -> Self {
        self.check_after = idle;
        self
    }

    /// How long that answer may take.
    #[must_use]
    pub fn check_timeout(mut self, timeout: Duration) -> Self {
        self.check_timeout = timeout;
        self
    }

    /// What is done about session state when a connection comes back.
    #[must_use]
    pub fn reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// How long a rollback, a reset, or the end of a cut query may take before the connection is discarded. Callers do not
    /// wait for it.
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

    /// A connection older than this, less up to a tenth by chance, is not lent any more; an idle one is replaced before that.
    #[must_use]
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// How long a statement may run: the server's `statement_timeout` for every session, and a client-side deadline a little
    /// later for a server that has fallen silent. No limit unless this is called.
    #[must_use]
    pub fn statement_timeout(mut self, limit: Duration) -> Self {
        self.statement_timeout = Some(limit);
        self
    }

    /// Statements that take longer than this are told as `tracing` events with their shape, call site and where the time went.
    #[must_use]
    pub fn slow_threshold(mut self, threshold: Duration) -> Self {
        self.slow_threshold = Some(threshold);
        self
    }

    /// Leases older than this are told as `tracing` events, with where they were taken and what the session does.
    #[must_use]
    pub fn leak_threshold(mut self, threshold: Duration) -> Self {
        self.leak_threshold = Some(threshold);
        self
    }

    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or_else(|| DEFAULT_CONNECT_TIMEOUT.min(self.acquire_timeout))
    }

    /// Whether the values can hold together.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let refused = |reason: String| Err(Error::Config { reason });
        if self.min_size > self.max_size.get() {
            return refused(format!(
                "min_size {} is above max_size {}; lower the one or raise the other",
                self.min_size, self.max_size
            ));
        }
        for (name, value) in [
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.attempt_timeout()),
            ("check_timeout", self.check_timeout),
            ("reset_timeout", self.reset_timeout),
            ("idle_timeout", self.idle_timeout),
            ("max_lifetime", self.max_lifetime),
            ("statement_timeout", self.statement_timeout.unwrap_or(Duration::MAX)),
            ("aging", self.aging.max(Duration::from_nanos(1))),
        ] {
            if value.is_zero() {
                return refused(format!("{name} is zero, so nothing could ever succeed; give it a duration"));
            }
        }
        if let Some(limit) = self.connect_timeout
            && limit > self.acquire_timeout
        {
            return refused(format!(
                "connect_timeout {limit:?} is longer than acquire_timeout {:?}, within which it must fit",
                self.acquire_timeout
            ));
        }
        if let Some(limit) = self.statement_timeout.filter(|limit| *limit > LONGEST_STATEMENT) {
            return refused(format!(
                "statement_timeout {limit:?} is more than the server can count; leave it out"
            ));
        }
        Ok(())
    }

    /// The same with every duration short enough to be added to a time; a century is for ever.
    pub(crate) fn bounded(mut self) -> Self {
        for duration in [
            &mut self.acquire_timeout,
            &mut self.aging,
            &mut self.check_after,
            &mut self.check_timeout,
            &mut self.reset_timeout,
            &mut self.idle_timeout,
            &mut self.max_lifetime,
        ] {
            *duration = (*duration).min(FOR_EVER);
        }
        for duration in [&mut self.connect_timeout, &mut self.slow_threshold, &mut self.leak_threshold] {
            *duration = duration.map(|duration| duration.min(FOR_EVER));
        }
        // The server counts in milliseconds, and takes zero for no limit.
        self.statement_timeout = self.statement_timeout.map(|limit| limit.max(Duration::from_millis(1)));
        self
    }
}

/// Parameters of a URL that sqlx knows.
const PARAMETERS: [&str; 17] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
];

fn known(parameter: &str) -> bool {
    PARAMETERS.contains(&parameter)
        || parameter == "options"
        || (parameter.starts_with("options[") && parameter.ends_with(']'))
}

const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The server holds it in milliseconds in 31 bits.
const LONGEST_STATEMENT: Duration = Duration::from_millis(i32::MAX as u64);

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
    use std::time::Duration;

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

    /// A change to the defaults, and what the refusal must name; `None` when it must be accepted.
    fn check(change: impl FnOnce(PoolConfig) -> PoolConfig, named: Option<&str>) {
        let config = change(PoolConfig::from_url("postgres://app@db.example/app").expect("valid"));
        match (config.validate(), named) {
            (Ok(()), None) => {}
            (Err(error), Some(named)) => assert!(error.to_string().contains(named), "{error}"),
            (result, named) => panic!("{result:?}, expected {named:?}"),
        }
    }

    #[test]
    fn values_that_contradict_each_other_are_refused_by_name() {
        check(|config| config, None);
        check(|config| config.min_size(11), Some("min_size 11 is above max_size 10"));
        check(|config| config.acquire_timeout(Duration::ZERO), Some("acquire_timeout is zero"));
        check(|config| config.statement_timeout(Duration::ZERO), Some("statement_timeout is zero"));
        check(
            |config| config.connect_timeout(Duration::from_secs(31)),
            Some("connect_timeout 31s is longer"),
        );
        // A connect timeout that nobody chose gives way.
        check(|config| config.acquire_timeout(Duration::from_secs(1)), None);
    }
}
