//! One deployment at a time.
//!
//! The lock is asked for again and again, never waited for: a session that waits inside `pg_advisory_lock` holds a
//! snapshot, and `CREATE INDEX CONCURRENTLY` of the holder waits for every snapshot, so the two would deadlock.
//!
//! It belongs to the session, or to a transaction that does nothing else and so has no snapshot either. If a future is
//! dropped between the two functions the lock stays with the connection, and goes when that is closed; if the connection
//! is used for another run instead, the run lets go of it first.

use super::{DeployLock, Event, Options};
use crate::Error;
use rand::Rng;
use sqlx::{AssertSqlSafe, Connection, FromRow, PgConnection, Row};
use std::pin::pin;
use std::time::Duration;
use std::{fmt, io};
use tokio::time::{Instant, sleep, timeout};

/// "db-migra" as a number; advisory locks are per database, so one constant serves.
const KEY: i64 = 0x6462_2d6d_6967_7261;

/// Asked again after this, then after twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How soon it is noticed that a lock held aside is lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LONGEST_PING: Duration = Duration::from_secs(10);

/// Who holds the lock.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Holder {
    /// Process of the server.
    pub pid: i32,
    /// What the session calls itself.
    pub application_name: String,
    /// Its database role, where we may see it.
    pub role: Option<String>,
    /// Where it connects from; `None` for a local socket.
    pub address: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}, application_name {:?}", self.pid, self.application_name)?;
        self.role.iter().try_for_each(|role| write!(f, ", role {role}"))?;
        self.address.iter().try_for_each(|address| write!(f, ", from {address}"))
    }
}

/// The lock, held.
pub(crate) struct Lock {
    /// The session whose transaction holds it, where that is another than the one that migrates.
    aside: Option<PgConnection>,
    /// How long it took to get.
    pub(crate) waited: Duration,
}

/// Takes the lock within `deploy_lock_timeout`.
pub(crate) async fn acquire(
    conn: &mut PgConnection,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Lock, Error> {
    match options.deploy_lock {
        DeployLock::Session => {
            release_leftover(conn).await?;
            let waited = poll(conn, Scope::Session, options, progress).await?;
            Ok(Lock { aside: None, waited })
        }
        DeployLock::Transaction => {
            let server = options.server.as_ref().ok_or(Error::NoServer)?;
            let mut aside = server.connect().await?;
            let waited = poll(&mut aside, Scope::Transaction, options, progress).await?;
            Ok(Lock { aside: Some(aside), waited })
        }
    }
}

impl Lock {
    /// Does the work, unless the session that holds the lock aside is lost meanwhile: a pooler may end it.
    ///
    /// # Cancel safety
    /// The work is dropped.
    pub(crate) async fn keeping<T>(
        &mut self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(aside) = &mut self.aside else { return work.await };
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                () = sleep(LOOK_EVERY) => {}
            }
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                there = timeout(LONGEST_PING, aside.ping()) => {
                    let there = there.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()));
                    there.map_err(|source| Error::LockLost { source })?;
                }
            }
        }
    }

    /// Lets go of the lock after a run. The error of the run comes first: it may be that the connection is gone, and the
    /// lock with it.
    pub(crate) async fn release<T>(
        self,
        conn: &mut PgConnection,
        outcome: Result<T, Error>,
    ) -> Result<T, Error> {
        let released = match self.aside {
            None => unlock(conn).await,
            // Its transaction ends with it.
            Some(aside) => aside.close().await.map_err(Error::during("release the migration lock")),
        };
        let value = outcome?;
        released?;
        Ok(value)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Session,
    Transaction,
}

async fn poll(
    conn: &mut PgConnection,
    scope: Scope,
    options: &Options,
    progress: &mut (dyn FnMut(&Event<'_>) + Send),
) -> Result<Duration, Error> {
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if try_lock(conn, scope).await? {
            return Ok(start.elapsed());
        }
        let (holder, waited) = (holder(conn).await?, start.elapsed());
        let Some(left) = options.deploy_lock_timeout.checked_sub(waited) else {
            return Err(Error::Locked { waited, holder });
        };
        progress(&Event::Waiting { holder: holder.as_ref(), waited });
        sleep(jittered(pause).min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Between half and the whole of a pause, so that those who wait do not all ask at once.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.5..=1.0))
}

async fn try_lock(conn: &mut PgConnection, scope: Scope) -> Result<bool, Error> {
    let during = || Error::during("ask for the migration lock");
    let sql = match scope {
        Scope::Session => format!("SELECT pg_try_advisory_lock({KEY})"),
        // In a transaction that stays open when the answer is yes, and keeps no snapshot, for which an index that is
        // built concurrently would wait.
        Scope::Transaction => format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0; \
             SELECT pg_try_advisory_xact_lock({KEY}), \
                    (SELECT set_config(name, '0', true) FROM pg_settings WHERE name = 'transaction_timeout')"
        ),
    };
    let got = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *conn).await;
    let got: bool = got.and_then(|row| row.try_get(0)).map_err(during())?;
    if !got && scope == Scope::Transaction {
        sqlx::raw_sql("ROLLBACK").execute(conn).await.map_err(during())?;
    }
    Ok(got)
}

async fn unlock(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql(AssertSqlSafe(format!("SELECT pg_advisory_unlock({KEY})")))
        .execute(conn)
        .await
        .map_err(Error::during("release the migration lock"))?;
    Ok(())
}

/// A session may take its lock twice, and would then have to let go twice.
async fn release_leftover(conn: &mut PgConnection) -> Result<(), Error> {
    let own = sqlx::raw_sql("SELECT pg_backend_pid()").fetch_one(&mut *conn).await;
    let own: i32 =
        own.and_then(|row| row.try_get(0)).map_err(Error::during("read the number of the session"))?;
    match holder(conn).await? {
        Some(holder) if holder.pid == own => unlock(conn).await,
        _ => Ok(()),
    }
}

/// Who holds the lock, if anybody does.
pub(crate) async fn holder(conn: &mut PgConnection) -> Result<Option<Holder>, Error> {
    let sql = format!(
        "SELECT activity.pid, coalesce(activity.application_name, '') AS application_name, \
                activity.usename::text AS role, host(activity.client_addr) AS address \
         FROM pg_locks AS lock JOIN pg_stat_activity AS activity ON activity.pid = lock.pid \
         WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1 \
           AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
           AND lock.classid::bigint = {KEY} >> 32 AND lock.objid::bigint = {KEY} & 4294967295"
    );
    let found = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_optional(conn).await;
    found
        .and_then(|row| row.map(|row| Holder::from_row(&row)).transpose())
        .map_err(Error::during("ask who holds the migration lock"))
}
