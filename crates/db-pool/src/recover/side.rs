//! The pool's own connection to the server, beside those that it lends: to stop a query, and to look at a session.
//!
//! sqlx keeps PostgreSQL's cancel key to itself, so a query is stopped by `pg_cancel_backend` from another session. The
//! session is looked for by process number and start, so that a number that is used again stops nobody else's work.

use crate::{session::Identity, store::connector::Connector};
use sqlx::{Connection, Executor, PgConnection, Row, raw_sql};
use std::time::{Duration, Instant};
use tokio::{sync::Mutex, time::timeout};

/// One connection, opened when it is first needed, shared in turn, and closed after idling.
pub(crate) struct Side {
    connector: Connector,
    deadline: Duration,
    conn: Mutex<Option<Kept>>,
}

struct Kept {
    conn: PgConnection,
    used: Instant,
}

/// What a session is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Activity {
    /// As `pg_stat_activity` has it: `active`, `idle in transaction` and so on.
    pub(crate) state: String,
    pub(crate) transaction_age: Option<Duration>,
    /// The last statement, literals and all: never to be shown as it is.
    pub(crate) query: String,
}

/// The pool's own connection failed; what it was to do was not done.
#[derive(Debug)]
pub(crate) struct SideFailed;

impl Side {
    pub(crate) fn new(connector: Connector, deadline: Duration) -> Self {
        Self { connector, deadline, conn: Mutex::new(None) }
    }

    /// Stops what a session is running; no error if it runs nothing any more.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have stopped the query; the side connection is then opened anew.
    pub(crate) async fn cancel(&self, session: Identity) -> Result<(), SideFailed> {
        self.run(async move |conn| {
            let cancel = sqlx::query(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_get_activity($1) \
                 WHERE (extract(epoch FROM backend_start) * 1000000)::int8 = $2",
            );
            cancel.bind(session.pid).bind(session.started_micros).execute(conn).await.map(drop)
        })
        .await
    }

    /// What a session is doing; `None` when it is gone.
    pub(crate) async fn activity(&self, pid: i32) -> Result<Option<Activity>, SideFailed> {
        self.run(async move |conn| {
            let look = sqlx::query(
                "SELECT coalesce(state, '') AS state, coalesce(query, '') AS query, \
                 (extract(epoch FROM now() - xact_start) * 1000000)::int8 AS age FROM pg_stat_get_activity($1)",
            );
            let Some(row) = look.bind(pid).fetch_optional(conn).await? else { return Ok(None) };
            let age: Option<i64> = row.try_get("age")?;
            Ok(Some(Activity {
                state: row.try_get("state")?,
                transaction_age: age.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0))),
                query: row.try_get("query")?,
            }))
        })
        .await
    }

    /// Closes the connection when nobody has used it for `idle`.
    pub(crate) fn close_idle(&self, idle: Duration) {
        if let Ok(mut kept) = self.conn.try_lock() {
            kept.take_if(|kept| kept.used.elapsed() >= idle);
        }
    }

    /// Runs one query within the deadline, connecting first if need be, and a second time on a new connection when the one
    /// that was kept turns out to be dead: what is asked here may be asked twice. The connection is taken out while it is
    /// used, so that a query that fails, or a future that is dropped, leaves none behind that is out of step.
    async fn run<T>(
        &self,
        mut work: impl AsyncFnMut(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, SideFailed> {
        let turn = async {
            let mut place = self.conn.lock().await;
            if let Some(mut kept) = place.take()
                && let Ok(result) = work(&mut kept.conn).await
            {
                *place = Some(Kept { used: Instant::now(), ..kept });
                return Ok(result);
            }
            let mut conn = self.connector.connect().await.map_err(|_| SideFailed)?;
            // As the login itself, which may look at its own sessions and stop them, whatever role it is given.
            conn.execute(raw_sql("SET ROLE NONE")).await.map_err(|_| SideFailed)?;
            let result = work(&mut conn).await.map_err(|_| SideFailed)?;
            *place = Some(Kept { conn, used: Instant::now() });
            Ok(result)
        };
        timeout(self.deadline, turn).await.map_err(|_| SideFailed)?
    }

    /// Says goodbye, if there is anybody to say it to.
    pub(crate) async fn close(&self) {
        let goodbye = async {
            if let Some(kept) = self.conn.lock().await.take() {
                let _ = kept.conn.close().await;
            }
        };
        let _ = timeout(self.deadline, goodbye).await;
    }
}
