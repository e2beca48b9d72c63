//! The task that follows: reads what is new, sees to the shared store, and removes what everybody knows.

use super::CHANNEL;
use super::follow::{Follow, State};
use super::removal::Told;
use super::snapshot::{Snapshot, number};
use super::whole::{self, Clearing};
use crate::beside::Beside;
use crate::cache::Cache;
use crate::registry::is_whole;
use crate::trust::Voucher;
use sqlx::postgres::{PgListener, PgPoolOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

/// Rows that are read at once.
const PAGE: i64 = 10_000;
/// Rows that are seen to, or removed, at once.
const AT_ONCE: i64 = 1_000;
/// Rows that are noted as applied at once.
const MOST_DONE: usize = 1_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Follower {
    pub(super) cache: Cache,
    pub(super) voucher: Voucher,
    pub(super) beside: Beside,
    pub(super) how: Follow,
    pub(super) tell: watch::Sender<State>,
    pub(super) clearing: Clearing,
}

/// One connection.
struct Line {
    listener: PgListener,
    /// Which history of which server the transactions' numbers are of.
    origin: Arc<str>,
    /// Rows that are to be noted as applied.
    done: Vec<i64>,
}

impl Follower {
    /// Until it is aborted.
    pub(super) async fn run(self, mut applied: mpsc::Receiver<i64>) {
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
        // A server that does not answer is one that is lost.
        let mut line = self.within(self.open()).await?;
        let mut tidied = None::<Instant>;
        loop {
            self.look(&mut line).await?;
            if tidied.is_none_or(|tidied| tidied.elapsed() >= self.how.look_every) {
                self.within(self.tidy(&mut line)).await?;
                tidied = Some(Instant::now());
            }
            tokio::select! {
                heard = line.listener.try_recv() => if heard?.is_none() { return Err(lost()) },
                () = sleep(self.how.look_every) => {}
                Some(row) = applied.recv(), if line.done.len() < MOST_DONE => line.done.push(row),
            }
            // One look is enough for all that rang.
            while line.listener.next_buffered().is_some() {}
        }
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        timeout(self.how.trust_for, work).await.map_err(|_| lost())?
    }

    async fn open(&self) -> Result<Line, sqlx::Error> {
        let options = PgPoolOptions::new().max_connections(1).acquire_timeout(self.how.trust_for);
        let connect = self.beside.options().await?;
        let mut listener = PgListener::connect_with(&options.connect_lazy_with(connect)).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        let origin: String = sqlx::query_scalar(ORIGIN).fetch_one(&mut listener).await?;
        sqlx::raw_sql(FORGET_THE_FUTURE).execute(&mut listener).await?;
        if self.cache.shared().is_some() {
            // Before anything is read: from here on nobody but those who share the store lets its rows go.
            sqlx::query(SHARE).bind(&self.cache.inner.prefix).execute(&mut listener).await?;
        }
        Ok(Line { listener, origin: origin.into(), done: Vec::new() })
    }

    /// Hears of what is new, page by page.
    async fn look(&self, line: &mut Line) -> Result<(), sqlx::Error> {
        let looked = Instant::now();
        let known = self.tell.borrow().snapshot.clone();
        // Of another history nothing is known.
        let before = known.clone().filter(|known| known.origin() == &*line.origin);
        let (mut after, mut first) = ((0, 0), None);
        let mut is_gap = known.is_some() && before.is_none();
        let mut changes = 0;
        loop {
            let rows = self.within(self.page(line, before.as_deref(), after)).await?;
            let Some(Row { snapshot, removed, .. }) = rows.first() else {
                return Err(sqlx::Error::RowNotFound);
            };
            if first.is_none() {
                is_gap |=
                    before.as_ref().is_some_and(|before| before.xmin() < number(removed).unwrap_or(u64::MAX));
                first = Some(Arc::new(Snapshot::parse(&line.origin, snapshot)?));
            }
            let new: Vec<New<'_>> = rows.iter().filter_map(Row::as_new).collect::<Result<_, _>>()?;
            self.hear(line, &new).await;
            changes += new.len() as u64;
            match new.last() {
                Some(last) if new.len() as u64 >= PAGE.unsigned_abs() => after = (last.txid, last.id),
                _ => break,
            }
        }
        if is_gap || before.is_none() {
            // What was read before the first look may have been made untrue before it.
            self.cache.inner.registry.spoil_all();
        }
        if is_gap {
            tracing::warn!(
                "changes may have been missed: everything that was kept in this process is dropped"
            );
        }
        self.cache.inner.heard.lock().clone_from(&first);
        // Everything that had committed when it was looked is known.
        self.cache.inner.trust.extend(self.voucher, looked, self.how.trust_for);
        self.tell.send_modify(|state| {
            state.followed.gaps += u64::from(is_gap);
            // Those of the first look are of before.
            state.followed.changes += if before.is_some() { changes } else { 0 };
            state.snapshot = first;
        });
        Ok(())
    }

    async fn page(
        &self,
        line: &mut Line,
        before: Option<&Snapshot>,
        (txid, id): (u64, i64),
    ) -> Result<Vec<Row>, sqlx::Error> {
        let query = match before {
            Some(before) => sqlx::query_as(NEXT).bind(before.text().to_owned()),
            None => sqlx::query_as(FIRST).bind(self.cache.shared().is_some()),
        };
        let query = query.bind(&self.cache.inner.prefix).bind(txid.to_string()).bind(id).bind(PAGE);
        query.fetch_all(&mut line.listener).await
    }

    /// First in the shared store: what is read in this process while it is removed there is dropped after.
    async fn hear(&self, line: &mut Line, new: &[New<'_>]) {
        // Whole namespaces take their time, and are told of once more when it is done.
        let is_whole = |new: &New<'_>| new.keys.iter().any(|key| is_whole(key));
        let for_all: Vec<&New<'_>> = new.iter().filter(|new| new.is_for_all && !is_whole(new)).collect();
        let told: Vec<Told<'_>> =
            for_all.iter().flat_map(|new| new.keys.iter().map(|key| Told { key, txid: new.txid })).collect();
        if self.cache.inner.remove_untrue(&line.origin, &told).await {
            line.done.extend(for_all.iter().map(|new| new.id));
        }
        self.cache.inner.registry.spoil(new.iter().flat_map(|new| new.keys.iter()).map(String::as_str));
    }

    async fn tidy(&self, line: &mut Line) -> Result<(), sqlx::Error> {
        if !line.done.is_empty() {
            sqlx::query(APPLIED).bind(&line.done).execute(&mut line.listener).await?;
            line.done.clear();
        }
        self.apply_for_others(line).await?;
        sqlx::query(REMOVE).bind(AT_ONCE).execute(&mut line.listener).await?;
        sqlx::query(ADVANCE).bind(self.how.kept_for.as_secs_f64()).execute(&mut line.listener).await?;
        Ok(())
    }

    /// Removes from the shared store what whoever made it untrue did not, since they died or it did not answer them.
    async fn apply_for_others(&self, line: &mut Line) -> Result<(), sqlx::Error> {
        let Some(store) = self.cache.shared() else { return Ok(()) };
        let query = sqlx::query_as(UNAPPLIED).bind(&self.cache.inner.prefix).bind(AT_ONCE);
        let rows: Vec<(i64, Vec<String>)> = query.fetch_all(&mut line.listener).await?;
        let (rows, whole): (Vec<_>, Vec<_>) =
            rows.into_iter().partition(|(_, keys)| !keys.iter().any(|key| is_whole(key)));
        self.clear_for_others(whole, line).await?;
        let keys: Vec<&str> = rows.iter().flat_map(|(_, keys)| keys).map(String::as_str).collect();
        // Where it does not answer it is tried again at the next look.
        if keys.is_empty() || store.delete_multi(&keys).await.is_err() {
            return Ok(());
        }
        let ids: Vec<i64> = rows.iter().map(|(id, _)| *id).collect();
        let applied = sqlx::query(APPLIED).bind(&ids).execute(&mut line.listener).await?.rows_affected();
        self.tell.send_modify(|state| state.followed.applied_for_others += applied);
        Ok(())
    }

    /// The same with whole namespaces, in the background; when that is done, all are told once more.
    async fn clear_for_others(
        &self,
        mut rows: Vec<(i64, Vec<String>)>,
        line: &mut Line,
    ) -> Result<(), sqlx::Error> {
        let done = self.clearing.done();
        if !done.is_empty() {
            let told = whole::told_again(&mut line.listener, &done).await?;
            self.tell.send_modify(|state| state.followed.applied_for_others += told);
            rows.retain(|(id, _)| !done.contains(id));
        }
        if let Some(store) = self.cache.shared() {
            self.clearing.begin(store, rows);
        }
        Ok(())
    }
}

/// What is visible, and up to where rows may be missing; with it a row that was not visible before, if there is one.
#[derive(sqlx::FromRow)]
struct Row {
    snapshot: String,
    removed: String,
    id: Option<i64>,
    txid: Option<String>,
    keys: Option<Vec<String>>,
    is_for_all: Option<bool>,
}

/// A row that was not visible before.
struct New<'r> {
    id: i64,
    txid: u64,
    keys: &'r [String],
    /// Whether whoever hears of it is to remove them from the shared store.
    is_for_all: bool,
}

impl Row {
    fn as_new(&self) -> Option<Result<New<'_>, sqlx::Error>> {
        let (id, txid, keys) = (self.id?, self.txid.as_deref()?, self.keys.as_deref()?);
        let is_for_all = self.is_for_all.unwrap_or(true);
        Some(number(txid).map(|txid| New { id, txid, keys, is_for_all }))
    }
}

/// The server, as long as it is the same one, and its timeline: after a failover numbers may be given out again.
const ORIGIN: &str = "SELECT system_identifier || '.' || left(pg_walfile_name(pg_current_wal_lsn()), 8) \
    FROM pg_control_system()";

/// Rows that came here with a copy of the tables, from where transactions had other numbers.
const FORGET_THE_FUTURE: &str = "\
    DELETE FROM cache_invalidations WHERE txid >= pg_snapshot_xmax(pg_current_snapshot()); \
    UPDATE cache_invalidations_removed SET through = pg_snapshot_xmin(pg_current_snapshot()), \
        next = pg_snapshot_xmin(pg_current_snapshot()) \
    WHERE greatest(through, next) > pg_snapshot_xmax(pg_current_snapshot())";

const SHARE: &str = "INSERT INTO cache_stores (application) VALUES ($1) ON CONFLICT DO NOTHING";

/// Whatever was not visible then.
const NEXT: &str = "SELECT pg_current_snapshot()::text AS snapshot, gone.through::text AS removed, \
        new.id, new.txid::text, new.keys, new.is_for_all \
    FROM cache_invalidations_removed AS gone LEFT JOIN LATERAL ( \
        SELECT id, txid, keys, \
            applied_at IS NULL AND coalesce(marked_until < clock_timestamp(), true) AS is_for_all \
        FROM cache_invalidations \
        WHERE (txid >= pg_snapshot_xmax($1::pg_snapshot) OR txid IN (SELECT pg_snapshot_xip($1::pg_snapshot))) \
            AND application = $2 AND (txid, id) > ($3::text::xid8, $4) \
        ORDER BY txid, id LIMIT $5) AS new ON true";

/// At the first look, what nobody has removed from the shared store yet.
const FIRST: &str = "SELECT pg_current_snapshot()::text AS snapshot, gone.through::text AS removed, \
        new.id, new.txid::text, new.keys, new.is_for_all \
    FROM cache_invalidations_removed AS gone LEFT JOIN LATERAL ( \
        SELECT id, txid, keys, coalesce(marked_until < clock_timestamp(), true) AS is_for_all \
        FROM cache_invalidations \
        WHERE $1 AND applied_at IS NULL AND application = $2 AND (txid, id) > ($3::text::xid8, $4) \
        ORDER BY txid, id LIMIT $5) AS new ON true";

const APPLIED: &str =
    "UPDATE cache_invalidations SET applied_at = clock_timestamp() WHERE id = ANY($1) AND applied_at IS NULL";

const UNAPPLIED: &str = "SELECT id, keys FROM cache_invalidations \
    WHERE applied_at IS NULL AND application = $1 AND coalesce(marked_until < clock_timestamp(), true) \
    ORDER BY made_at LIMIT $2";

/// What ended so long ago that nobody waits for it; several processes do not wait for each other.
const REMOVE: &str = "DELETE FROM cache_invalidations WHERE id IN ( \
        SELECT held.id FROM cache_invalidations AS held, cache_invalidations_removed AS gone \
        WHERE held.txid < gone.through AND (held.applied_at IS NOT NULL \
            OR NOT EXISTS (SELECT FROM cache_stores WHERE cache_stores.application = held.application)) \
        LIMIT $1 FOR UPDATE OF held SKIP LOCKED)";

/// By transactions and not by time: a row may be written long before its commit.
const ADVANCE: &str = "UPDATE cache_invalidations_removed \
    SET through = next, next = pg_snapshot_xmin(pg_current_snapshot()), next_at = clock_timestamp() \
    WHERE is_only AND next_at < clock_timestamp() - $1 * interval '1 second'";

fn lost() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::from(std::io::ErrorKind::ConnectionAborted))
}
