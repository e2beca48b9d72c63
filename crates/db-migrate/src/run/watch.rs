//! Looks from a second session at a statement that takes its time: who blocks it, how far it is.

use super::{Blocker, Event, Options, Progress};
use crate::script::masked;
use crate::{Error, Server};
use sqlx::PgConnection;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// No need to look at what is done by then.
const FIRST_LOOK: Duration = Duration::from_millis(30);
const NEXT_LOOK: Duration = Duration::from_millis(500);
/// How long between two looks that are told.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Of the statement of who is in the way.
const MOST_CHARS: usize = 200;

/// The second session, opened when there is something to look at.
pub(super) struct Watch {
    session: Session,
    pid: i32,
    /// Soon enough to see who blocks a statement before its lock timeout ends it.
    first_look: Duration,
}

enum Session {
    /// Not yet: most migrations are done before anybody would look.
    Due(Box<Server>),
    Open(Box<PgConnection>),
    /// There is no server to ask, or it could not be asked; that costs what would have been seen, nothing more.
    None,
}

impl Session {
    async fn look(&mut self, pid: i32) -> Option<Seen> {
        if let Self::Due(server) = self {
            let opened = server.connect().await;
            *self = opened.map_or(Self::None, |session| Self::Open(Box::new(session)));
        }
        let Self::Open(session) = self else { return None };
        let seen = look(session, pid).await.ok();
        if seen.is_none() {
            *self = Self::None;
        }
        seen
    }
}

/// Tells of what is seen.
pub(super) type Tell<'t> = &'t mut (dyn FnMut(&Event<'_>) + Send);

impl Watch {
    /// Of the session `conn`.
    pub(super) async fn open(conn: &mut PgConnection, options: &Options) -> Result<Self, Error> {
        let first_look = FIRST_LOOK.min(options.lock_timeout / 3);
        let Some(server) = &options.server else {
            return Ok(Self { session: Session::None, pid: 0, first_look });
        };
        let pid = sqlx::query_scalar("SELECT pg_backend_pid()")
            .persistent(false)
            .fetch_one(conn)
            .await
            .map_err(Error::during("read the number of the session"))?;
        Ok(Self { session: Session::Due(Box::new(server.clone())), pid, first_look })
    }

    /// Does the work, and returns with its outcome who blocked it when it was last looked at.
    ///
    /// # Cancel safety
    /// The work is dropped.
    pub(super) async fn during<T>(
        &mut self,
        label: &str,
        tell: Tell<'_>,
        work: impl Future<Output = T>,
    ) -> (T, Vec<Blocker>) {
        let (pid, mut blockers) = (self.pid, Vec::new());
        let mut work = pin!(work);
        let (mut pause, mut told) = (self.first_look, Instant::now());
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return (outcome, blockers),
                () = sleep(pause), if !matches!(self.session, Session::None) => {}
            }
            let seen = tokio::select! {
                biased;
                outcome = &mut work => return (outcome, blockers),
                seen = self.session.look(pid) => seen,
            };
            if let Some(seen) = seen {
                if let Some(progress) = seen.progress.filter(|_| told.elapsed() >= TELL_EVERY) {
                    tell(&Event::Progress { label, progress: &progress });
                    told = Instant::now();
                }
                if !seen.blockers.is_empty() {
                    blockers = seen.blockers;
                }
            }
            pause = NEXT_LOOK;
        }
    }
}

struct Seen {
    blockers: Vec<Blocker>,
    progress: Option<Progress>,
}

async fn look(session: &mut PgConnection, pid: i32) -> Result<Seen, sqlx::Error> {
    let mut blockers: Vec<Blocker> = sqlx::query_as(
        "SELECT DISTINCT activity.pid, coalesce(activity.application_name, '') AS application_name, \
                activity.usename::text AS role, coalesce(activity.state, 'unknown') AS state, \
                coalesce(activity.query, '') AS query, \
                coalesce(extract(epoch FROM clock_timestamp() - activity.xact_start), 0)::float8 AS age_seconds \
         FROM unnest(pg_blocking_pids($1)) AS blocker (pid) JOIN pg_stat_activity AS activity USING (pid) \
         ORDER BY age_seconds DESC LIMIT 5",
    )
    .bind(pid)
    .fetch_all(&mut *session)
    .await?;
    // Literals may be somebody's data, and an error goes to logs.
    for blocker in &mut blockers {
        blocker.query = masked(&blocker.query, MOST_CHARS);
    }
    let progress = sqlx::query_as(
        "SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done ELSE lockers_done END AS done, \
                CASE WHEN blocks_total > 0 THEN blocks_total ELSE lockers_total END AS total \
         FROM pg_stat_progress_create_index WHERE pid = $1 \
         UNION ALL SELECT 'vacuum: ' || phase, heap_blks_scanned, heap_blks_total \
         FROM pg_stat_progress_vacuum WHERE pid = $1 \
         UNION ALL SELECT lower(command) || ': ' || phase, heap_blks_scanned, heap_blks_total \
         FROM pg_stat_progress_cluster WHERE pid = $1",
    )
    .bind(pid)
    .fetch_optional(session)
    .await?;
    Ok(Seen { blockers, progress })
}
