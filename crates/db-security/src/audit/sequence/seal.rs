//! Encrypts what triggers have found personal, before it gets its place.

use super::cursor::Cursor;
use crate::audit::{
    Error, MasterKey,
    personal::{SealedFor, Wanted, keys_for},
    short::short_sql,
};
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

/// What was encrypted.
#[derive(Debug, Default)]
pub(super) struct Seals {
    /// The transaction that it has come to, where there may be more.
    pub(super) last: Option<u64>,
    /// Events whose subject was erased after they happened.
    pub(super) erased: u64,
    /// Events that were put aside, as the key of their subject was altered.
    pub(super) refused: u64,
}

/// Encrypts what triggers have found. Rows of others are not touched, and there are mostly none.
pub(super) async fn seal(
    conn: &mut PgConnection,
    master: &MasterKey,
    max_events: u32,
    cursor: &Cursor,
) -> Result<Seals, Error> {
    let (from, open) = cursor.bounds();
    // Constants of ours.
    let sql = format!(
        "SELECT ctid::text, id, {}, personal_values::text, txid::text, \
         least(greatest(occurred_at, '0001-01-01 00:00:00+00'), '9999-12-31 00:00:00+00') FROM audit_inbox \
         WHERE (txid >= $1::text::xid8 OR txid = ANY ($2::text[]::xid8[])) AND personal_values IS NOT NULL AND refused IS NULL \
         ORDER BY txid, seq LIMIT $3",
        short_sql("coalesce(subject, entity_type)")
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(from.to_string())
        .bind(open.iter().map(u64::to_string).collect::<Vec<_>>())
        .bind(i64::from(max_events))
        .fetch_all(&mut *conn)
        .await
        .map_err(Error::while_trying("read what is personal"))?;
    let mut seals = Seals::default();
    let Some(last) = rows.last() else { return Ok(seals) };
    let is_full = rows.len() as u64 == u64::from(max_events);
    seals.last = last.get::<&str, _>(4).parse().ok().filter(|_| is_full);
    let mut wanted = Wanted::by_server_clock();
    for row in &rows {
        wanted.add(row.get(2), row.get(5));
    }
    let keys = keys_for(conn, master, &wanted).await?;
    let (mut places, mut subjects) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
    let mut sealed = (Vec::new(), Vec::new(), Vec::new());
    let (mut altered, mut why) = (Vec::new(), Vec::new());
    for row in &rows {
        let (at, id, subject, text): (&str, Uuid, &str, &str) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        match keys.seal(subject, id, row.get::<DateTime<Utc>, _>(5), text.as_bytes()) {
            Ok((key, one, whom)) => {
                places.push(at);
                subjects.push(subject);
                sealed.0.push(key);
                sealed.1.push(one.personal);
                sealed.2.push(one.commitment.to_vec());
                seals.erased += u64::from(whom == SealedFor::Nobody);
            }
            Err(Error::AlteredKey { key, .. }) => {
                altered.push(at);
                why.push(format!("the key {key} was altered"));
            }
            Err(error) => return Err(error),
        }
    }
    store(conn, places, subjects, sealed).await?;
    seals.refused = altered.len() as u64;
    if !altered.is_empty() {
        tracing::error!(
            events = seals.refused,
            "events wait in the inbox: the keys of their subjects were altered"
        );
        put_aside(conn, altered, why).await?;
    }
    Ok(seals)
}

async fn store(
    conn: &mut PgConnection,
    places: Vec<&str>,
    subjects: Vec<&str>,
    sealed: (Vec<Uuid>, Vec<Vec<u8>>, Vec<Vec<u8>>),
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE audit_inbox SET personal_values = NULL, subject = sealed.subject, subject_key = sealed.key, \
         personal = sealed.personal, commitment = sealed.commitment \
         FROM unnest($1::text[]::tid[], $2::text[], $3::uuid[], $4::bytea[], $5::bytea[]) \
         AS sealed (at, subject, key, personal, commitment) WHERE audit_inbox.ctid = sealed.at",
    )
    .bind(places)
    .bind(subjects)
    .bind(sealed.0)
    .bind(sealed.1)
    .bind(sealed.2)
    .execute(conn)
    .await
    .map_err(Error::while_trying("store what was encrypted"))?;
    Ok(())
}

/// Others go on.
async fn put_aside(conn: &mut PgConnection, places: Vec<&str>, why: Vec<String>) -> Result<(), Error> {
    sqlx::query(
        "UPDATE audit_inbox SET refused = told.why FROM unnest($1::text[]::tid[], $2::text[]) AS told (at, why) \
         WHERE audit_inbox.ctid = told.at",
    )
    .bind(places)
    .bind(why)
    .execute(conn)
    .await
    .map_err(Error::while_trying("put events aside"))?;
    Ok(())
}
