//! Looks from a second session at a statement that takes its time: who blocks it, how far it is.

use super::retry::is_worth_it;
use super::{Blocker, Event, Options, Progress};
use crate::script::masked;
use crate::{Error, Server};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

/// No need to look at what is done by then.
const FIRST_LOOK: Duration = Duration::from_millis(30);
const NEXT_LOOK: Duration = Duration::from_millis(500);
/// How long an answer is waited for when the work has failed meanwhile.
const LATEST_ANSWER: Duration = Duration::from_millis(250);
/// How long between two looks that are told.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Of the statement of who is in the way.
const MOST_CHARS: usize = 200;

/// The second session, opened when there is something to look at.
pub(super) struct Watch {
    session: Session,
    /// Of the session that is looked at; 0 while it is not known.
    pid: Arc<AtomicI32>,
    /// Soon enough to see who blocks a statement before its lock timeout ends it.
    first_look: Duration,
    /// One for all migrations: to arm one for each wakes a thread of the runtime each time.
    alarm: Pin<Box<Sleep>>,
}

enum Session {
    /// Not yet: most migrations are done before anybody would look.
    Due(Box<Server>),
    /// Under way, from one attempt to the next where the server is far. It ends with this.
    Opening(JoinSet<Result<PgConnection, Error>>),
    Open(Box<PgConnection>),
    /// There is no server to ask, or it could not be asked; that costs what would have been seen, nothing more.
    None,
}

impl Session {
    async fn look(&mut self, pid: i32) -> Option<Seen> {
        if pid == 0 {
            return None;
        }
        if let Self::Due(server) = self {
            let server = server.clone();
            let mut opening = JoinSet::new();
            opening.spawn(async move { server.connect().await });
            *self = Self::Opening(opening);
        }
        if let Self::Opening(opening) = self {
            *self = match opening.join_next().await {
                Some(Ok(Ok(session))) => Self::Open(Box::new(session)),
                _ => Self::None,
            };
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
    /// Of the session that this process serves; 0 where that is not known yet.
    pub(super) fn new(pid: i32, options: &Options) -> Self {
        let first_look = FIRST_LOOK.min(options.lock_timeout / 3);
        let session = options.server.clone().map_or(Session::None, |server| Session::Due(Box::new(server)));
        Self { session, pid: Arc::new(pid.into()), first_look, alarm: Box::pin(sleep(Duration::ZERO)) }
    }

    /// Where the number of the process is, for whoever comes to know it.
    pub(super) fn pid(&self) -> Arc<AtomicI32> {
        Arc::clone(&self.pid)
    }

    /// Does the work, and returns with its outcome who blocked it when it was last looked at.
    ///
    /// # Cancel safety
    /// The work is dropped.
    pub(super) async fn during<T>(
        &mut self,
        label: &str,
        tell: Tell<'_>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> (Result<T, Error>, Vec<Blocker>) {
        let mut blockers = Vec::new();
        let mut work = pin!(work);
        let mut told = Instant::now();
        let mut due = told + self.first_look;
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return (outcome, blockers),
                () = self.alarm.as_mut(), if !matches!(self.session, Session::None) => {}
            }
            if Instant::now() < due {
                self.alarm.as_mut().reset(due);
                continue;
            }
            let pid = self.pid.load(Relaxed);
            let mut looking = pin!(self.session.look(pid));
            let seen = tokio::select! {
                biased;
                outcome = &mut work => {
                    // The server looked while the work was still waiting; its answer may take its time to come.
                    let late = match &outcome {
                        Err(error) if is_worth_it(error) => timeout(LATEST_ANSWER, looking).await.ok().flatten(),
                        _ => None,
                    };
                    let seen = late.map(|seen| seen.blockers).filter(|seen| !seen.is_empty());
                    return (outcome, seen.unwrap_or(blockers));
                }
                seen = &mut looking => seen,
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
            // Behind a pooler there may be nothing to look at yet.
            due = Instant::now() + if pid == 0 { self.first_look } else { NEXT_LOOK };
        }
    }
}

struct Seen {
    blockers: Vec<Blocker>,
    progress: Option<Progress>,
}

/// Each question is one message with nothing to prepare: the server must look before it gives up the wait.
async fn look(session: &mut PgConnection, pid: i32) -> Result<Seen, sqlx::Error> {
    let blockers = format!(
        "SELECT DISTINCT activity.pid, coalesce(activity.application_name, '') AS application_name, \
                activity.usename::text AS role, coalesce(activity.state, 'unknown') AS state, \
                coalesce(activity.query, '') AS query, \
                coalesce(extract(epoch FROM clock_timestamp() - activity.xact_start), 0)::float8 AS age_seconds \
         FROM unnest(pg_blocking_pids({pid})) AS blocker (pid) JOIN pg_stat_activity AS activity USING (pid) \
         ORDER BY age_seconds DESC LIMIT 5"
    );
    let progress = format!(
        "SELECT phase, CASE WHEN blocks_total > 0 THEN blocks_done ELSE lockers_done END AS done, \
                CASE WHEN blocks_total > 0 THEN blocks_total ELSE lockers_total END AS total \
         FROM pg_stat_progress_create_index WHERE pid = {pid} \
         UNION ALL SELECT 'vacuum: ' || phase, heap_blks_scanned, heap_blks_total \
         FROM pg_stat_progress_vacuum WHERE pid = {pid} \
         UNION ALL SELECT lower(command) || ': ' || phase, heap_blks_scanned, heap_blks_total \
         FROM pg_stat_progress_cluster WHERE pid = {pid}"
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(blockers)).fetch_all(&mut *session).await?;
    let mut blockers: Vec<Blocker> = rows.iter().map(FromRow::from_row).collect::<Result<_, _>>()?;
    // Literals may be somebody's data, and an error goes to logs.
    for blocker in &mut blockers {
        blocker.query = masked(&blocker.query, MOST_CHARS);
    }
    let row = sqlx::raw_sql(AssertSqlSafe(progress)).fetch_optional(session).await?;
    Ok(Seen { blockers, progress: row.map(|row| FromRow::from_row(&row)).transpose()? })
}
