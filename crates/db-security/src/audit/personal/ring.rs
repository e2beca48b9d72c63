//! Keys of subjects, as the database keeps them: wrapped.

use super::{MasterKey, SubjectKey};
use crate::audit::Error;
use sqlx::{PgConnection, Row as _};
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// A subject's key and its number.
#[derive(Clone, Debug)]
pub(crate) struct LiveKey {
    pub(crate) id: Uuid,
    pub(crate) key: SubjectKey,
}

/// Held by whoever makes keys, shared, and alone by whoever wraps them anew: a number of this system's own.
const KEYS_LOCK: i64 = 7_316_650_299_842_164_104;

/// Makes sure that this is the master key of the log, which it becomes where there is none yet.
async fn claim_master(conn: &mut PgConnection, master: &MasterKey) -> Result<(), Error> {
    sqlx::query("UPDATE audit_tree SET master_key_check = $1 WHERE master_key_check IS NULL")
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

/// The living key of each of these subjects, made where there is none. In a transaction it lasts as that does.
pub(crate) async fn keys_for(
    conn: &mut PgConnection,
    master: &MasterKey,
    subjects: &BTreeSet<&str>,
) -> Result<HashMap<String, LiveKey>, Error> {
    let names: Vec<&str> = subjects.iter().copied().collect();
    let mut keys = living(conn, master, &names).await?;
    let missing: Vec<&str> = names.into_iter().filter(|name| !keys.contains_key(*name)).collect();
    if missing.is_empty() {
        return Ok(keys);
    }
    sqlx::query("SELECT pg_advisory_xact_lock_shared($1)")
        .bind(KEYS_LOCK)
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("lock the keys of subjects"))?;
    claim_master(conn, master).await?;
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
    keys.extend(living(conn, master, &missing).await?);
    match missing.iter().find(|name| !keys.contains_key(**name)) {
        // Erased between the two statements.
        Some(name) => Err(Error::Damaged { what: format!("the key of {name} went as it was made") }),
        None => Ok(keys),
    }
}

/// One round trip: the keys, and whether this is the master key that they are wrapped by.
async fn living(
    conn: &mut PgConnection,
    master: &MasterKey,
    subjects: &[&str],
) -> Result<HashMap<String, LiveKey>, Error> {
    let rows = sqlx::query(
        "SELECT master_key_check, audit_keys.id, subject, wrapped FROM audit_tree \
         LEFT JOIN audit_keys ON subject = ANY($1) AND wrapped IS NOT NULL",
    )
    .bind(subjects)
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("read keys of subjects"))?;
    let mut keys = HashMap::with_capacity(rows.len());
    for row in rows {
        let check: Option<Vec<u8>> = row.get(0);
        if check.is_some_and(|check| check != master.check()) {
            return Err(Error::WrongMasterKey);
        }
        let Some(id) = row.get::<Option<Uuid>, _>(1) else { continue };
        let (subject, wrapped): (String, Vec<u8>) = (row.get(2), row.get(3));
        match master.open(id, &subject, &wrapped) {
            Some(key) => keys.insert(subject, LiveKey { id, key }),
            None => return Err(Error::AlteredKey { key: id, subject }),
        };
    }
    Ok(keys)
}

/// How many keys are wrapped anew in one statement.
const REWRAPPED_AT_ONCE: i64 = 1_000;

/// Wraps every key by another master key, and makes that the log's. What is encrypted by the keys stays as it is. Answers with
/// the number of keys.
///
/// Run it in a transaction: others who make keys wait until it ends, and whoever has the old master key is refused from then on.
///
/// # Errors
/// [`Error::WrongMasterKey`], [`Error::AlteredKey`], [`Error::Database`]. Roll back then.
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn rewrap(conn: &mut PgConnection, old: &MasterKey, new: &MasterKey) -> Result<u64, Error> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(KEYS_LOCK)
        .execute(&mut *conn)
        .await
        .map_err(Error::while_trying("lock the keys of subjects"))?;
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
