//! Stores events: one COPY in a transaction, and what the server has against one of them stops no other.

use super::batch::Batch;
use crate::audit::{
    Error, Event, MasterKey,
    personal::{Keys, Sealed, Wanted, keys_for},
};
use chrono::{DateTime, Utc};
use db_core::BoxError;
use db_pool::{CopyFields, CopyRow, CopyTarget, CopyTypes, Pool, copy_in};
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

/// Columns of the inbox that a writer fills.
const COLUMNS: [&str; 16] = [
    "id",
    "is_repeated",
    "occurred_at",
    "actor",
    "request",
    "action",
    "entity_type",
    "entity_id",
    "outcome",
    "old_values",
    "new_values",
    "details",
    "subject",
    "subject_key",
    "personal",
    "commitment",
];

/// What is acknowledged must be on disk, even where the database answers commits before.
const BEGIN: &str = "SELECT pg_advisory_xact_lock($1)::text, set_config('synchronous_commit', 'on', true) \
    WHERE current_setting('synchronous_commit') = 'off' \
    UNION ALL SELECT pg_advisory_xact_lock($1)::text, '' WHERE current_setting('synchronous_commit') <> 'off'";

/// Where events are stored, and under whose name.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) pool: Pool,
    pub(super) master: Option<MasterKey>,
}

impl Store {
    /// Stores the next part of a batch: all of it, or as little as the last refusal demands. Whether something is left. `writer` is a
    /// number of the writer's own: whoever stores what a writer has sent before waits for the transaction that may still be at it, so that
    /// nobody looks for an event while it is on its way.
    ///
    /// # Cancel safety
    /// The part that was under way may be stored, and is the next again; the caller marks the batch as repeated.
    pub(super) async fn store_next(&self, batch: &mut Batch, writer: i64) -> Result<bool, Error> {
        let all = 0..batch.events.len();
        let undone = batch.undone.get_or_insert_with(|| vec![all]);
        let Some(part) = undone.last().cloned() else { return Ok(false) };
        let stored = self.store_part(&batch.events[part.clone()], batch.is_repeated, writer).await;
        let refused = match stored {
            Ok(()) => None,
            Err(error) => Some(of_data(&error).ok_or(error)?),
        };
        undone.pop();
        match refused {
            None => {}
            Some(sqlstate) if part.len() <= 1 => {
                batch.refused.insert(part.start, sqlstate);
            }
            Some(_) => {
                let middle = part.start + part.len() / 2;
                undone.extend([middle..part.end, part.start..middle]);
            }
        }
        Ok(!undone.is_empty())
    }

    async fn store_part(&self, events: &[Event], is_repeated: bool, writer: i64) -> Result<(), Error> {
        let mut tx = self.pool.begin().await?;
        sqlx::query(BEGIN)
            .bind(writer)
            .execute(&mut *tx)
            .await
            .map_err(Error::while_trying("wait for what was sent before"))?;
        let mut wanted = Wanted::by_our_clock();
        for event in events {
            if let Some(personal) = &event.personal {
                wanted.add(&personal.subject, event.occurred_at);
            }
        }
        let keys = match (&self.master, wanted.first()) {
            (_, None) => Keys::default(),
            (Some(master), _) => keys_for(&mut tx, master, &wanted).await?,
            (None, Some(subject)) => return Err(Error::NoMasterKey { subject: subject.to_owned() }),
        };
        let sealed: Vec<_> = events.iter().map(|event| seal(event, &keys)).collect::<Result<_, _>>()?;
        let target = CopyTarget::new("audit_inbox", &COLUMNS)?;
        let mut copy = copy_in(tx.lease(), &target).await?;
        for (event, sealed) in events.iter().zip(sealed) {
            copy.send(&Row { event, is_repeated, sealed }).await?;
        }
        copy.finish().await?;
        tx.commit().await?;
        Ok(())
    }
}

fn seal(event: &Event, keys: &Keys) -> Result<Option<(Uuid, Sealed)>, Error> {
    let Some(personal) = &event.personal else { return Ok(None) };
    let text = personal.values.to_string();
    let (key, sealed, _) = keys.seal(&personal.subject, event.id, event.occurred_at, text.as_bytes())?;
    Ok(Some((key, sealed)))
}

/// What the server has against what an event says, and not against the statement or the moment.
fn of_data(error: &Error) -> Option<String> {
    match error {
        Error::Pool(db_pool::Error::Statement { sqlstate: Some(code), .. })
            if code.starts_with("22") || code.starts_with("23") || code.starts_with("54") =>
        {
            Some(code.clone())
        }
        _ => None,
    }
}

/// An event as the inbox takes it.
struct Row<'e> {
    event: &'e Event,
    is_repeated: bool,
    sealed: Option<(Uuid, Sealed)>,
}

impl CopyRow<'_> for Row<'_> {
    fn describe(types: &mut CopyTypes<'_>) {
        types.push::<Uuid>().push::<bool>().push::<DateTime<Utc>>();
        for _ in 0..6 {
            types.push::<Option<&str>>();
        }
        types.push::<Option<Json<Value>>>().push::<Option<Json<Value>>>().push::<Option<Json<Value>>>();
        types
            .push::<Option<&str>>()
            .push::<Option<Uuid>>()
            .push::<Option<Vec<u8>>>()
            .push::<Option<Vec<u8>>>();
    }

    fn encode(&self, fields: &mut CopyFields<'_>) -> Result<(), BoxError> {
        let event = self.event;
        fields.push(&event.id)?.push(&self.is_repeated)?.push(&event.occurred_at)?;
        fields.push(&event.actor.as_deref())?.push(&event.request.as_deref())?;
        fields.push(&event.action.as_str())?.push(&event.entity_type.as_str())?;
        fields.push(&event.entity_id.as_deref())?.push(&event.outcome.as_str())?;
        for values in [&event.old_values, &event.new_values, &event.details] {
            fields.push(&values.as_ref().map(Json))?;
        }
        fields.push(&event.personal.as_ref().map(|personal| personal.subject.as_str()))?;
        let sealed = self.sealed.as_ref();
        fields.push(&sealed.map(|(key, _)| *key))?;
        fields.push(&sealed.map(|(_, sealed)| sealed.personal.as_slice()))?;
        fields.push(&sealed.map(|(_, sealed)| sealed.commitment.as_slice()))?;
        Ok(())
    }
}
