//! Follows what commits make untrue.

use super::snapshot::{Snapshot, number};
use super::{CHANNEL, Seen};
use crate::cache::Cache;
use crate::tags::Told;
use crate::trust::{Teller, Voucher};
use db_core::PasswordProvider;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

/// More new rows than this are not read: everything is dropped instead.
const MOST_ROWS: i64 = 10_000;
/// Rows that are seen to, or removed, at once.
const AT_ONCE: i64 = 1_000;
/// Rows that are noted as applied at once.
const MOST_DONE: usize = 1_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How changes are followed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Follow {
    /// How often it is looked even if the bell is silent.
    pub look_every: Duration,
    /// For how long after a look this process gives out what it keeps; more than `look_every`.
    pub trust_for: Duration,
    /// After this, what whoever made a change did not remove from the shared store is removed by others.
    pub applied_within: Duration,
    /// For how long rows are kept: whoever is away for longer drops everything.
    pub kept_for: Duration,
}

impl Default for Follow {
    fn default() -> Self {
        Self {
            look_every: Duration::from_secs(1),
            trust_for: Duration::from_secs(3),
            applied_within: Duration::from_secs(2),
            kept_for: Duration::from_secs(600),
        }
    }
}

/// What following has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Followed {
    /// Changes that were heard of.
    pub changes: u64,
    /// Times that something may have been missed, so that everything was dropped.
    pub gaps: u64,
    /// Times that the connection was lost.
    pub losses: u64,
    /// Changes that were removed from the shared store for others.
    pub applied_for_others: u64,
}

/// The task that follows. It ends when this is dropped; then values have a time of their own in this process again.
#[derive(Debug)]
pub struct Following {
    cache: Cache,
    voucher: Voucher,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

#[derive(Clone, Debug, Default)]
struct State {
    followed: Followed,
    /// What was visible when it was last looked.
    snapshot: Option<Arc<Snapshot>>,
}

impl Cache {
    /// Follows what commits make untrue in this database, by a connection of its own, until what it answers with is dropped.
    /// Follow before values are read: what was read before is dropped.
    ///
    /// The database must have our migrations up to 0012, or the two tables of that one.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn follow(&self, connect: PgConnectOptions, how: Follow) -> Following {
        self.follow_as(connect, None, how)
    }

    /// The same with a password that is asked for before each connection, so that it may change meanwhile.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn follow_as(
        &self,
        connect: PgConnectOptions,
        password: Option<Arc<dyn PasswordProvider>>,
        how: Follow,
    ) -> Following {
        let (tell, state) = watch::channel(State::default());
        let voucher = self.inner.trust.begin(Teller::Database);
        self.inner.registry.spoil_all();
        let follower = Follower { cache: self.clone(), voucher, connect, password, how, tell };
        let applied = self.inner.changes.listen();
        let task = tokio::spawn(follower.run(applied)).abort_handle();
        Following { cache: self.clone(), voucher, state, task }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.task.abort();
        // What is kept was kept for as long as changes would be told.
        self.cache.inner.trust.forget(self.voucher);
        self.cache.inner.registry.spoil_all();
    }
}

impl Following {
    /// What it has come to.
    #[must_use]
    pub fn followed(&self) -> Followed {
        self.state.borrow().followed
    }

    /// Ready once this process knows of everything that was known when `seen` was given out, so that it gives out nothing
    /// older; within this time, else `false`, and then the source is to be asked.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn has_seen(&self, seen: Seen, within: Duration) -> bool {
        let mut state = self.state.clone();
        let known =
            state.wait_for(|state| state.snapshot.as_ref().is_some_and(|snapshot| snapshot.has(seen.0)));
        matches!(timeout(within, known).await, Ok(Ok(_)))
    }

    /// Whether this process knows of everything that had committed some moments ago: `trust_for` at most.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.cache.inner.trust.hears(Teller::Database, Instant::now())
    }

    /// Ready once it follows for the first time.
    ///
    /// # Cancel safety
    /// Nothing is changed.
    pub async fn is_following(&self, within: Duration) -> bool {
        let mut state = self.state.clone();
        matches!(timeout(within, state.wait_for(|state| state.snapshot.is_some())).await, Ok(Ok(_)))
    }
}

struct Follower {
    cache: Cache,
    voucher: Voucher,
    connect: PgConnectOptions,
    password: Option<Arc<dyn PasswordProvider>>,
    how: Follow,
    tell: watch::Sender<State>,
}

impl Follower {
    /// Until it is aborted.
    async fn run(self, mut applied: mpsc::Receiver<i64>) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = Instant::now();
            let Err(error) = self.follow(&mut applied).await else { return };
            tracing::warn!(error = %error, "lost the connection that tells what is untrue; nothing is given out unasked");
            self.tell.send_modify(|state| state.followed.losses += 1);
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            sleep(pause.mul_f64(0.5 + rand::random::<f64>() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// As long as the connection lasts.
    async fn follow(&self, applied: &mut mpsc::Receiver<i64>) -> Result<(), sqlx::Error> {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(self.how.trust_for);
        let connect = timeout(self.how.trust_for, self.connect()).await.map_err(|_| lost())??;
        let pool = options.connect_lazy_with(connect);
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        // A server that does not answer is one that is lost.
        let limit = self.how.trust_for;
        timeout(limit, listener.listen(CHANNEL)).await.map_err(|_| lost())??;
        let (mut done, mut tidied) = (Vec::new(), None::<Instant>);
        loop {
            timeout(limit, self.read(&mut listener, &mut done)).await.map_err(|_| lost())??;
            if tidied.is_none_or(|tidied| tidied.elapsed() >= self.how.look_every) {
                timeout(limit, self.tidy(&mut listener, &mut done)).await.map_err(|_| lost())??;
                tidied = Some(Instant::now());
            }
            tokio::select! {
                heard = listener.try_recv() => if heard?.is_none() { return Err(lost()) },
                () = sleep(self.how.look_every) => {}
                Some(row) = applied.recv(), if done.len() < MOST_DONE => done.push(row),
            }
            // One look is enough for all that rang.
            while listener.next_buffered().is_some() {}
        }
    }

    async fn connect(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let connect = self.connect.clone();
        let Some(provider) = &self.password else { return Ok(connect) };
        let password = provider.password().await.map_err(sqlx::Error::Configuration)?;
        Ok(match password {
            Some(password) => connect.password(password.expose()),
            None => connect,
        })
    }

    /// Hears of what is new.
    async fn read(&self, listener: &mut PgListener, done: &mut Vec<i64>) -> Result<(), sqlx::Error> {
        let looked = Instant::now();
        let before = self.tell.borrow().snapshot.clone();
        let rows: Vec<Row> = sqlx::query_as(READ)
            .bind(before.as_ref().map(|before| before.text().to_owned()))
            .bind(MOST_ROWS + 1)
            .fetch_all(listener)
            .await?;
        let Some((snapshot, removed, ..)) = rows.first() else { return Err(sqlx::Error::RowNotFound) };
        let (snapshot, removed) = (Arc::new(Snapshot::parse(snapshot)?), number(removed)?);
        let too_many = rows.len() > usize::try_from(MOST_ROWS).unwrap_or_default();
        let is_gap = before.as_ref().is_some_and(|before| too_many || before.xmin < removed);
        let new: Vec<&Vec<String>> = rows.iter().filter_map(|row| row.2.as_ref()).collect();
        // First there: what is read in this process while it is removed is dropped after.
        let by_tables: Vec<&Row> = rows.iter().filter(|row| row.3 == Some(true)).collect();
        let mut told = Vec::new();
        for row in &by_tables {
            let txid = row.5.as_deref().map(number).transpose()?;
            told.extend(row.2.iter().flatten().map(|key| Told { key, txid }));
        }
        if self.cache.inner.tags.remove_untrue(&self.cache.inner, &told).await {
            done.extend(by_tables.iter().filter_map(|row| row.4));
        }
        if is_gap || before.is_none() {
            // What was read before the first look may have been made untrue before it.
            self.cache.inner.registry.spoil_all();
        } else {
            let keys = new.iter().flat_map(|keys| keys.iter()).map(String::as_str);
            self.cache.inner.registry.spoil(keys);
        }
        if is_gap {
            tracing::warn!(
                "changes may have been missed: everything that was kept in this process is dropped"
            );
        }
        *self.cache.inner.heard.lock() = Some(Arc::clone(&snapshot));
        // Everything that had committed when it was looked is known.
        self.cache.inner.trust.extend(self.voucher, looked, self.how.trust_for);
        self.tell.send_modify(|state| {
            state.followed.gaps += u64::from(is_gap);
            // Those of the first look are of before.
            let new = if before.is_some() { new.len() } else { 0 };
            state.followed.changes += u64::try_from(new).unwrap_or_default();
            state.snapshot = Some(snapshot);
        });
        Ok(())
    }

    async fn tidy(&self, listener: &mut PgListener, done: &mut Vec<i64>) -> Result<(), sqlx::Error> {
        if !done.is_empty() {
            sqlx::query(APPLIED).bind(&*done).execute(&mut *listener).await?;
            done.clear();
        }
        self.apply_for_others(listener).await?;
        sqlx::query(REMOVE).bind(AT_ONCE).execute(&mut *listener).await?;
        sqlx::query(ADVANCE).bind(self.how.kept_for.as_secs_f64()).execute(listener).await?;
        Ok(())
    }

    /// Removes from the shared store what whoever made it untrue did not, since they died or it did not answer them.
    async fn apply_for_others(&self, listener: &mut PgListener) -> Result<(), sqlx::Error> {
        let Some(store) = self.cache.shared() else { return Ok(()) };
        let rows: Vec<(i64, Vec<String>)> = sqlx::query_as(UNAPPLIED)
            .bind(self.how.applied_within.as_secs_f64())
            .bind(AT_ONCE)
            .fetch_all(&mut *listener)
            .await?;
        let keys: Vec<&str> = rows.iter().flat_map(|(_, keys)| keys).map(String::as_str).collect();
        // Where it does not answer it is tried again at the next look.
        if keys.is_empty() || store.delete_multi(&keys).await.is_err() {
            return Ok(());
        }
        let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
        let applied = sqlx::query(APPLIED).bind(&ids).execute(listener).await?.rows_affected();
        self.tell.send_modify(|state| state.followed.applied_for_others += applied);
        Ok(())
    }
}

/// What is visible, up to where rows may be missing; the keys of a row that was not visible before, whether it is for
/// whoever hears of it to remove them from the shared store, its number and its transaction.
type Row = (String, String, Option<Vec<String>>, Option<bool>, Option<i64>, Option<String>);

/// At the first look those are new that nobody has removed from the shared store yet.
const READ: &str = "SELECT pg_current_snapshot()::text, removed.through::text, new.keys, new.is_for_all, new.id, new.txid \
    FROM cache_invalidations_removed AS removed LEFT JOIN LATERAL ( \
        (SELECT keys, by_table AND applied_at IS NULL AS is_for_all, id, txid::text FROM cache_invalidations \
        WHERE txid >= pg_snapshot_xmax($1::pg_snapshot) OR txid IN (SELECT pg_snapshot_xip($1::pg_snapshot)) \
        LIMIT $2) \
        UNION ALL (SELECT DISTINCT keys, true, NULL::bigint, NULL FROM cache_invalidations \
        WHERE $1 IS NULL AND applied_at IS NULL AND by_table)) AS new ON true";

const APPLIED: &str =
    "UPDATE cache_invalidations SET applied_at = clock_timestamp() WHERE id = ANY($1) AND applied_at IS NULL";

const UNAPPLIED: &str = "SELECT id, keys FROM cache_invalidations \
    WHERE applied_at IS NULL AND (by_table OR made_at < clock_timestamp() - $1 * interval '1 second') \
    ORDER BY made_at LIMIT $2";

/// What ended so long ago that nobody waits for it; several processes do not wait for each other.
const REMOVE: &str = "DELETE FROM cache_invalidations WHERE id IN ( \
        SELECT held.id FROM cache_invalidations AS held, cache_invalidations_removed AS removed \
        WHERE held.txid < removed.through AND held.applied_at IS NOT NULL LIMIT $1 FOR UPDATE OF held SKIP LOCKED)";

/// By transactions and not by time: a row may be written long before its commit.
const ADVANCE: &str = "UPDATE cache_invalidations_removed \
    SET through = next, next = pg_snapshot_xmin(pg_current_snapshot()), next_at = clock_timestamp() \
    WHERE is_only AND next_at < clock_timestamp() - $1 * interval '1 second'";

fn lost() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
}
