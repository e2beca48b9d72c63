//! An event as it comes out of the log, hashed on the way.

use crate::audit::{Hash, encode::Leaf, personal::ERASED};
use chrono::{DateTime, Utc};
use db_core::BoxError;
use db_pool::{CopyTypes, CopyValues, FromCopyRow};
use serde_json::Value;
use uuid::Uuid;

/// PostgreSQL counts from the beginning of 2000.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// An event, as far as verifying needs it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) leaf: u64,
    pub(super) hash: Hash,
    pub(super) id: Uuid,
    pub(super) sequenced_at: i64,
    pub(super) personal: Option<Box<PersonalRow>>,
    /// The keys that it says were erased.
    pub(super) erased: Vec<Uuid>,
}

/// What is personal in it.
#[derive(Debug)]
pub(super) struct PersonalRow {
    pub(super) subject: String,
    pub(super) key: Uuid,
    pub(super) personal: Vec<u8>,
    pub(super) commitment: Vec<u8>,
}

/// Events from one leaf to before another. Only numbers of our own stand in it, as COPY takes no parameters.
pub(super) fn query(from: u64, to: u64) -> String {
    format!(
        "SELECT leaf, sequenced_at, id, occurred_at, actor, request, action, entity_type, entity_id, outcome, \
         database_user, old_values, new_values, details, subject, subject_key, commitment, personal \
         FROM audit_events WHERE leaf >= {from} AND leaf < {to} ORDER BY leaf"
    )
}

impl FromCopyRow for Row {
    fn describe(types: &mut CopyTypes<'_>) {
        types.push::<i64>().push::<DateTime<Utc>>().push::<Uuid>().push::<DateTime<Utc>>();
        for _ in 0..7 {
            types.push::<String>();
        }
        types.push::<Value>().push::<Value>().push::<Value>().push::<String>().push::<Uuid>();
        types.push::<Vec<u8>>().push::<Vec<u8>>();
    }

    fn decode(values: &mut CopyValues<'_>) -> Result<Self, BoxError> {
        let leaf = u64::try_from(values.take::<i64>()?)?;
        let sequenced_at = micros(values)?;
        let id = Uuid::from_slice(present(values)?)?;
        let occurred_at = micros(values)?;
        let (actor, request) = (values.take_bytes()?, values.take_bytes()?);
        let (action, entity_type) = (present(values)?, present(values)?);
        let entity_id = values.take_bytes()?;
        let (outcome, database_user) = (present(values)?, present(values)?);
        let (old_values, new_values, details) = (json(values)?, json(values)?, json(values)?);
        let subject = values.take_bytes()?;
        let subject_key: Option<[u8; 16]> = values.take_bytes()?.map(TryFrom::try_from).transpose()?;
        let (commitment, personal) = (values.take_bytes()?, values.take_bytes()?);
        let leaf_data = Leaf {
            id: id.into_bytes(),
            occurred_at,
            sequenced_at,
            actor,
            request,
            action,
            entity_type,
            entity_id,
            outcome,
            database_user,
            old_values,
            new_values,
            details,
            subject,
            subject_key,
            commitment,
        };
        let hash = leaf_data.hash(&mut Vec::with_capacity(512));
        let personal = subject_key.map(|key| {
            Box::new(PersonalRow {
                subject: String::from_utf8_lossy(subject.unwrap_or_default()).into_owned(),
                key: Uuid::from_bytes(key),
                personal: personal.unwrap_or_default().to_vec(),
                commitment: commitment.unwrap_or_default().to_vec(),
            })
        });
        let erased = if action == ERASED.as_bytes() { erased_keys(details) } else { Vec::new() };
        Ok(Self { leaf, hash, id, sequenced_at, personal, erased })
    }
}

/// The keys in the details of an event that notes an erasure.
pub(super) fn erased_keys(details: Option<&[u8]>) -> Vec<Uuid> {
    let details: Option<Value> = details.and_then(|details| serde_json::from_slice(details).ok());
    let keys = details.as_ref().and_then(|details| details.get("keys")).and_then(Value::as_array);
    let keys = keys.into_iter().flatten();
    keys.filter_map(|key| key.as_str()?.parse().ok()).collect()
}

fn micros(values: &mut CopyValues<'_>) -> Result<i64, BoxError> {
    let bytes: [u8; 8] = present(values)?.try_into()?;
    i64::from_be_bytes(bytes).checked_add(EPOCH_MICROS).ok_or_else(|| "a time that no calendar has".into())
}

fn present<'t>(values: &mut CopyValues<'t>) -> Result<&'t [u8], BoxError> {
    values.take_bytes()?.ok_or_else(|| "NULL in a column that has none".into())
}

/// The text of a jsonb, which stands behind the number of its version.
fn json<'t>(values: &mut CopyValues<'t>) -> Result<Option<&'t [u8]>, BoxError> {
    let Some(bytes) = values.take_bytes()? else { return Ok(None) };
    bytes.strip_prefix(&[1]).map(Some).ok_or_else(|| "jsonb of an unknown version".into())
}
