//! Keys of subjects, as the database keeps them: wrapped.

use super::{MasterKey, Sealed, SubjectKey};
use crate::audit::Error;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeMap, HashMap};
use uuid::Uuid;

/// A subject's key and its number.
#[derive(Clone, Debug)]
pub(crate) struct LiveKey {
    pub(crate) id: Uuid,
    pub(crate) key: SubjectKey,
}

/// Held by whoever makes keys, shared, and alone by whoever wraps them anew or erases somebody: a number of this system's own. Whoever
/// takes the log's row too takes that first.
const KEYS_LOCK: i64 = 7_316_650_299_842_164_104;

/// Makes this the master key of the log where there is none yet. It takes the log's row, so nobody who holds [`KEYS_LOCK`] does it.
async fn claim_master(conn: &mut PgConnection, master: &MasterKey) -> Result<(), Error> {
    sqlx::query("SELECT audit_claim_master_key($1)")
        .bind(master.check().as_slice())
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("store the check of the master key"))?;
    check_master_key(conn, master).await
}

/// Makes sure that this is the master key of the log, if it has one yet.
///
/// # Errors
/// [`Error::WrongMasterKey`], [`Error::NotThere`], [`Error::Database`].
pub async fn check_master_key(conn: &mut PgConnection, master: &MasterKey) -> Result<(), Error> {
    let stored: Option<Vec<u8>> = sqlx::query_scalar("SELECT master_key_check FROM audit_tree")
        .fetch_one(conn)
        .await
        .map_err(Error::while_trying("read the check of the master key"))?;
    if stored.is_none_or(|stored| stored == master.check()) { Ok(()) } else { Err(Error::WrongMasterKey) }
}

/// Whose keys are asked for, and when the last event happened that is to be sealed for each; and by whose clock that is.
#[derive(Debug)]
pub(crate) struct Wanted<'s> {
    subjects: BTreeMap<&'s str, DateTime<Utc>>,
    is_server_time: bool,
}

impl<'s> Wanted<'s> {
    /// By this program's clock.
    pub(crate) fn by_our_clock() -> Self {
        Self { subjects: BTreeMap::new(), is_server_time: false }
    }

    /// By the server's.
    pub(crate) fn by_server_clock() -> Self {
        Self { subjects: BTreeMap::new(), is_server_time: true }
    }

    pub(crate) fn add(&mut self, subject: &'s str, occurred_at: DateTime<Utc>) {
        let last = self.subjects.entry(subject).or_insert(occurred_at);
        *last = occurred_at.max(*last);
    }

    /// One of them, if there is any.
    pub(crate) fn first(&self) -> Option<&'s str> {
        self.subjects.keys().next().copied()
    }
}

/// What events of some subjects are sealed by.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    live: HashMap<String, LiveKey>,
    /// The key of the last erasure of each, and when that was.
    erased: HashMap<String, (Uuid, DateTime<Utc>)>,
    /// Keys that do not open.
    altered: HashMap<String, Uuid>,
    /// By how much the server's clock is ahead of the one by which events were told.
    ahead: TimeDelta,
}

/// By what an event was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealedFor {
    /// A key that opens it.
    Subject,
    /// Nobody: the subject was erased after it happened.
    Nobody,
}

impl Keys {
    /// Seals what an event says of a subject. What happened before the subject was erased is for nobody: the key that it is sealed by goes at
    /// once, and the event names that of the erasure.
    ///
    /// # Errors
    /// [`Error::AlteredKey`]; [`Error::Damaged`] for a subject that was not asked for.
    pub(crate) fn seal(
        &self,
        subject: &str,
        event: Uuid,
        occurred_at: DateTime<Utc>,
        text: &[u8],
    ) -> Result<(Uuid, Sealed, SealedFor), Error> {
        if let Some((id, _)) = self.erased.get(subject)
            && self.is_erased(subject, occurred_at)
        {
            return Ok((*id, SubjectKey::random().seal(*id, event, text), SealedFor::Nobody));
        }
        match (self.live.get(subject), self.altered.get(subject)) {
            (Some(live), _) => Ok((live.id, live.key.seal(live.id, event, text), SealedFor::Subject)),
            (None, Some(key)) => Err(Error::AlteredKey { key: *key, subject: subject.to_owned() }),
            (None, None) => Err(Error::Damaged { what: format!("the key of {subject} is not there") }),
        }
    }

    /// Whether the subject was erased since.
    fn is_erased(&self, subject: &str, occurred_at: DateTime<Utc>) -> bool {
        let at = occurred_at.checked_add_signed(self.ahead).unwrap_or(occurred_at);
        self.erased.get(subject).is_some_and(|(_, erased_at)| at <= *erased_at)
    }

    /// Whose events need a key that is not there.
    fn missing<'s>(&self, wanted: &Wanted<'s>) -> Vec<&'s str> {
        let is_missing = |(subject, last): &(&&'s str, &DateTime<Utc>)| {
            !self.live.contains_key(**subject)
                && !self.altered.contains_key(**subject)
                && !self.is_erased(subject, **last)
        };
        wanted.subjects.iter().filter(is_missing).map(|(subject, _)| *subject).collect()
    }
}

/// What these subjects' events are sealed by; keys are made where there are none. In a transaction they last as that does.
///
/// # Errors
/// [`Error::WrongMasterKey`], [`Error::NotThere`], [`Error::Database`]. A key that was altered is told when it is asked for.
pub(crate) async fn keys_for(
    conn: &mut PgConnection,
    master: &MasterKey,
    wanted: &Wanted<'_>,
) -> Result<Keys, Error> {
    let mut keys = Keys::default();
    let names: Vec<&str> = wanted.subjects.keys().copied().collect();
    let is_claimed = stored(conn, master, wanted, &names, &mut keys).await?;
    if keys.missing(wanted).is_empty() {
        return Ok(keys);
    }
    if !is_claimed {
        claim_master(conn, master).await?;
    }
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)")
        .bind(KEYS_LOCK)
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("lock the keys of subjects"))?;
    // Somebody may have been erased meanwhile.
    stored(conn, master, wanted, &names, &mut keys).await?;
    let missing = keys.missing(wanted);
    if missing.is_empty() {
        return Ok(keys);
    }
    let made: Vec<(Uuid, Vec<u8>)> = missing
        .iter()
        .map(|subject| {
            let id = Uuid::now_v7();
            (id, master.wrap(id, subject, &SubjectKey::random()))
        })
        .collect();
    let (ids, wrapped): (Vec<Uuid>, Vec<Vec<u8>>) = made.into_iter().unzip();
    // In one order, so that two who make keys for the same subjects wait for each other and do not stand in a circle.
    sqlx::query(
        "INSERT INTO audit_keys (id, subject, wrapped) \
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[]) ORDER BY 2 \
         ON CONFLICT (subject) WHERE wrapped IS NOT NULL DO NOTHING",
    )
    .bind(ids)
    .bind(&missing)
    .bind(wrapped)
    .execute(&mut *conn)
    .await
    .map_err(Error::while_trying("make keys of subjects"))?;
    // Another may have been first: what counts is what is there now.
    stored(conn, master, wanted, &missing, &mut keys).await?;
    match keys.missing(wanted).first() {
        // Erased between the two statements.
        Some(name) => Err(Error::Damaged { what: format!("the key of {name} went as it was made") }),
        None => Ok(keys),
    }
}

/// What is stored of these subjects: the key that lives, and the last one that was erased.
const STORED: &str = "\
SELECT master_key_check, clock_timestamp(), stored.id, subject, wrapped,
    least(greatest(stored.erased_at, '0001-01-01 00:00:00+00'), '9999-12-31 00:00:00+00')
FROM audit_tree LEFT JOIN LATERAL (
    SELECT id, subject, wrapped, erased_at FROM audit_keys WHERE subject = ANY ($1) AND wrapped IS NOT NULL
    UNION ALL
    SELECT * FROM (SELECT DISTINCT ON (subject) id, subject, wrapped, erased_at FROM audit_keys
        WHERE subject = ANY ($1) AND wrapped IS NULL ORDER BY subject, erased_at DESC) AS last
) AS stored ON true";

/// One round trip: the keys, and whether this is the master key that they are wrapped by. Whether the log has one at all.
async fn stored(
    conn: &mut PgConnection,
    master: &MasterKey,
    wanted: &Wanted<'_>,
    subjects: &[&str],
    keys: &mut Keys,
) -> Result<bool, Error> {
    // Before the question, so that no event seems to have happened earlier than it did: one of the moment before an erasure counts as after it.
    let ours = Utc::now();
    let rows = sqlx::query(STORED)
        .bind(subjects)
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("read keys of subjects"))?;
    let mut is_claimed = false;
    for row in rows {
        let (check, now): (Option<Vec<u8>>, DateTime<Utc>) = (row.get(0), row.get(1));
        is_claimed = check.is_some();
        if check.is_some_and(|check| check != master.check()) {
            return Err(Error::WrongMasterKey);
        }
        if !wanted.is_server_time {
            keys.ahead = now - ours;
        }
        let Some(id) = row.get::<Option<Uuid>, _>(2) else { continue };
        let (subject, wrapped): (String, Option<Vec<u8>>) = (row.get(3), row.get(4));
        let opened = wrapped.as_deref().map(|wrapped| master.open(id, &subject, wrapped));
        match (opened, row.get::<Option<DateTime<Utc>>, _>(5)) {
            (Some(Some(key)), _) => drop(keys.live.insert(subject, LiveKey { id, key })),
            (Some(None), _) => drop(keys.altered.insert(subject, id)),
            (None, Some(erased_at)) => drop(keys.erased.insert(subject, (id, erased_at))),
            (None, None) => {}
        }
    }
    Ok(is_claimed)
}

/// Has nobody make a key until the caller's transaction ends. Whoever has made one and not committed is waited for.
pub(super) async fn lock_keys(conn: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(KEYS_LOCK)
        .execute(conn)
        .await
        .map_err(Error::while_trying("lock the keys of subjects"))?;
    Ok(())
}

/// How many keys are wrapped anew in one statement.
const REWRAPPED_AT_ONCE: i64 = 1_000;

/// Wraps every key by another master key, and makes that the log's. What is encrypted by the keys stays as it is. Answers with
/// the number of keys.
///
/// Run it in a transaction: the sequencer and others who make keys wait until it ends, and whoever has the old master key is refused from then on.
///
/// # Errors
/// [`Error::WrongMasterKey`], [`Error::AlteredKey`], [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn rewrap(conn: &mut PgConnection, old: &MasterKey, new: &MasterKey) -> Result<u64, Error> {
    // The log's row first, as the sequencer takes them: the other way round each would wait for the other.
    sqlx::query("SELECT FROM audit_tree FOR UPDATE")
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("lock the log"))?;
    lock_keys(conn).await?;
    check_master_key(conn, old).await?;
    let (mut after, mut count) = (Uuid::nil(), 0);
    loop {
        let rows = sqlx::query(
            "SELECT id, subject, wrapped FROM audit_keys WHERE wrapped IS NOT NULL AND id > $1 ORDER BY id LIMIT $2",
        )
        .bind(after)
        .bind(REWRAPPED_AT_ONCE)
        .fetch_all(&mut *conn)
        .await
        .map_err(Error::while_trying("read keys of subjects"))?;
        let Some(last) = rows.last() else { break };
        after = last.get(0);
        let (mut ids, mut wrapped) = (Vec::new(), Vec::new());
        for row in &rows {
            let (id, subject): (Uuid, String) = (row.get(0), row.get(1));
            let Some(key) = old.open(id, &subject, row.get(2)) else {
                return Err(Error::AlteredKey { key: id, subject });
            };
            ids.push(id);
            wrapped.push(new.wrap(id, &subject, &key));
        }
        count += rows.len() as u64;
        sqlx::query(
            "UPDATE audit_keys SET wrapped = fresh.wrapped \
             FROM unnest($1::uuid[], $2::bytea[]) AS fresh (id, wrapped) WHERE audit_keys.id = fresh.id",
        )
        .bind(ids)
        .bind(wrapped)
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("store keys of subjects"))?;
    }
    sqlx::query("UPDATE audit_tree SET master_key_check = $1")
        .bind(new.check().as_slice())
        .execute(conn)
        .await
        .map_err(Error::while_trying("store the check of the master key"))?;
    Ok(count)
}
