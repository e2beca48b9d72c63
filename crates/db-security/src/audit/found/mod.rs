//! An event as it is found: all that is stored of it, with the very text that is hashed.

mod open;

pub use open::{Personal, open_personal};

use super::{Error, Hash, encode::Leaf};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::{Row as _, postgres::PgRow};
use std::fmt;
use uuid::Uuid;

/// An event of the log, or of the inbox while it has no place there.
///
/// As JSON, `old_values`, `new_values` and `details` are left out where there are none, as `null` is a value that an event
/// may have; their text is what the server makes of them, which is what is hashed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Found {
    /// Its place; `None` while it has none.
    pub leaf: Option<u64>,
    /// When it got its place.
    pub sequenced_at: Option<DateTime<Utc>>,
    /// Its number.
    pub id: Uuid,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    /// Who did it.
    pub actor: Option<String>,
    /// What it was a part of.
    pub request: Option<String>,
    /// What was done.
    pub action: String,
    /// To which kind of thing.
    pub entity_type: String,
    /// To which one of them.
    pub entity_id: Option<String>,
    /// How it ended, as an [`Outcome`](super::Outcome) is stored; another word where a program has written one of its own.
    pub outcome: String,
    /// Who was logged in.
    pub database_user: String,
    /// What it was before.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub old_values: Option<Box<RawValue>>,
    /// What it is since.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub new_values: Option<Box<RawValue>>,
    /// What else is known.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub details: Option<Box<RawValue>>,
    /// Whom it is about.
    pub subject: Option<String>,
    /// The key that what is personal is encrypted by.
    pub subject_key: Option<Uuid>,
    /// What the tree holds of what is personal.
    #[serde(with = "base64_bytes")]
    pub commitment: Option<Vec<u8>>,
    /// What is personal in it, and whether that was opened; `None` where nothing is.
    pub personal: Option<Personal>,
    /// What only the key opens.
    #[serde(skip)]
    pub(crate) sealed: Option<Vec<u8>>,
    /// What a trigger found personal, while the sequencer has not encrypted it.
    #[serde(skip)]
    pub(crate) unsealed: Option<String>,
}

/// JSON `null` is a value, and not the absence of one.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

impl Found {
    /// The columns of the log, as [`Found::of_row`] reads them once they are [`Found::TEXTS`].
    pub(crate) const OF_LOG: &str = "leaf, sequenced_at, id, occurred_at, actor, request, action, entity_type, \
        entity_id, outcome, database_user, old_values, new_values, details, subject, subject_key, personal, commitment, \
        NULL::jsonb AS personal_values";
    /// The same of the inbox, where a time may be none that a calendar has.
    pub(crate) const OF_INBOX: &str = "NULL::bigint AS leaf, NULL::timestamptz AS sequenced_at, id, \
        least(greatest(occurred_at, '0001-01-01 00:00:00+00'), '9999-12-31 00:00:00+00') AS occurred_at, actor, \
        request, action, entity_type, entity_id, outcome, database_user, old_values, new_values, details, subject, \
        subject_key, personal, commitment, personal_values";
    /// Which rows of the inbox are to be found: those that are not in the log already, have a time that a calendar has and were not put
    /// aside. As a subquery that the server cannot turn into a join: it would read all of
    /// the log for the few rows that were sent again.
    pub(crate) const NOT_REPEATED: &str = "(NOT is_repeated OR \
        (SELECT moved.id FROM audit_events AS moved WHERE moved.id = audit_inbox.id LIMIT 1) IS NULL) \
        AND refused IS NULL AND audit_inbox.occurred_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-30 00:00:00+00'";
    /// What is sent of them.
    pub(crate) const TEXTS: &str = "leaf, sequenced_at, id, occurred_at, actor, request, action, entity_type, entity_id, \
        outcome, database_user, old_values::text, new_values::text, details::text, subject, subject_key, personal, \
        commitment, personal_values::text";

    /// Reads a row of [`Found::TEXTS`].
    pub(crate) fn of_row(row: &PgRow) -> Result<Self, Error> {
        Self::read(row).map_err(Error::while_trying("read an event"))
    }

    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        let json = |at: usize| -> Result<Option<Box<RawValue>>, sqlx::Error> {
            let text: Option<String> = row.try_get(at)?;
            text.map(RawValue::from_string).transpose().map_err(decode)
        };
        let leaf: Option<i64> = row.try_get(0)?;
        let (sealed, unsealed): (Option<Vec<u8>>, Option<String>) = (row.try_get(16)?, row.try_get(18)?);
        let personal = match (&sealed, &unsealed) {
            (Some(_), _) => Some(Personal::Sealed),
            (None, Some(_)) => Some(Personal::NoKey),
            (None, None) => None,
        };
        Ok(Self {
            leaf: leaf.map(u64::try_from).transpose().map_err(decode)?,
            sequenced_at: row.try_get(1)?,
            id: row.try_get(2)?,
            occurred_at: row.try_get(3)?,
            actor: row.try_get(4)?,
            request: row.try_get(5)?,
            action: row.try_get(6)?,
            entity_type: row.try_get(7)?,
            entity_id: row.try_get(8)?,
            outcome: row.try_get(9)?,
            database_user: row.try_get(10)?,
            old_values: json(11)?,
            new_values: json(12)?,
            details: json(13)?,
            subject: row.try_get(14)?,
            subject_key: row.try_get(15)?,
            commitment: row.try_get(17)?,
            personal,
            sealed,
            unsealed,
        })
    }

    /// The hash of its leaf, worked out from what it says; `None` while it has no place.
    #[must_use]
    pub fn leaf_hash(&self) -> Option<Hash> {
        let leaf = Leaf {
            id: self.id.into_bytes(),
            occurred_at: self.occurred_at.timestamp_micros(),
            sequenced_at: self.sequenced_at?.timestamp_micros(),
            actor: self.actor.as_deref().map(str::as_bytes),
            request: self.request.as_deref().map(str::as_bytes),
            action: self.action.as_bytes(),
            entity_type: self.entity_type.as_bytes(),
            entity_id: self.entity_id.as_deref().map(str::as_bytes),
            outcome: self.outcome.as_bytes(),
            database_user: self.database_user.as_bytes(),
            old_values: self.old_values.as_ref().map(|json| json.get().as_bytes()),
            new_values: self.new_values.as_ref().map(|json| json.get().as_bytes()),
            details: self.details.as_ref().map(|json| json.get().as_bytes()),
            subject: self.subject.as_deref().map(str::as_bytes),
            subject_key: self.subject_key.map(Uuid::into_bytes),
            commitment: self.commitment.as_deref(),
        };
        Some(leaf.hash(&mut Vec::with_capacity(512)))
    }
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not what it says: that is for those who may read the log.
        f.debug_struct("Found")
            .field("leaf", &self.leaf)
            .field("id", &self.id)
            .field("action", &self.action)
            .field("entity_type", &self.entity_type)
            .finish_non_exhaustive()
    }
}

/// Bytes as a text in base64.
mod base64_bytes {
    use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        bytes.as_ref().map(|bytes| BASE64.encode(bytes)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| BASE64.decode(text).map_err(|_| D::Error::custom("it is not base64"))).transpose()
    }
}
