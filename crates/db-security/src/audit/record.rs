//! Events that are recorded in a transaction, with the change that they speak of.

use super::{
    Error, Event, MasterKey,
    personal::{Sealed, Wanted, keys_for},
};
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

/// Records an event in the caller's transaction: it is there if and only if what the transaction does is. Answers with its number.
/// The key is needed only for what is personal. What it says of somebody who was erased after it happened is readable by nobody.
///
/// # Errors
/// [`Error::Invalid`] and [`Error::NoMasterKey`] before anything is written; [`Error::WrongMasterKey`], [`Error::AlteredKey`],
/// [`Error::Database`].
///
/// # Cancel safety
/// Whether it was recorded is not known: roll back.
pub async fn record(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    event: Event,
) -> Result<Uuid, Error> {
    event.check()?;
    let sealed = seal(conn, master, &event).await?;
    let (key, personal, commitment) = match sealed {
        None => (None, None, None),
        Some((key, sealed)) => (Some(key), Some(sealed.personal), Some(sealed.commitment.to_vec())),
    };
    sqlx::query(
        "INSERT INTO audit_inbox (id, occurred_at, actor, request, action, entity_type, entity_id, outcome, \
         old_values, new_values, details, subject, subject_key, personal, commitment) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
    )
    .bind(event.id)
    .bind(event.occurred_at)
    .bind(event.actor)
    .bind(event.request)
    .bind(event.action)
    .bind(event.entity_type)
    .bind(event.entity_id)
    .bind(event.outcome.as_str())
    .bind(event.old_values.map(Json))
    .bind(event.new_values.map(Json))
    .bind(event.details.map(Json))
    .bind(event.personal.map(|personal| personal.subject))
    .bind(key)
    .bind(personal)
    .bind(commitment)
    .execute(conn)
    .await
    .map_err(Error::while_trying("record an event"))?;
    Ok(event.id)
}

async fn seal(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    event: &Event,
) -> Result<Option<(Uuid, Sealed)>, Error> {
    let Some(personal) = &event.personal else { return Ok(None) };
    let subject = personal.subject.as_str();
    let Some(master) = master else {
        return Err(Error::NoMasterKey { subject: subject.to_owned() });
    };
    let mut wanted = Wanted::by_our_clock();
    wanted.add(subject, event.occurred_at);
    let keys = keys_for(conn, master, &wanted).await?;
    let text = personal.values.to_string();
    let (key, sealed, _) = keys.seal(subject, event.id, event.occurred_at, text.as_bytes())?;
    Ok(Some((key, sealed)))
}
