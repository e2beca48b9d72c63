//! Opens what is personal in events that were found.

use super::Found;
use crate::audit::{
    Error, MasterKey,
    personal::{Opened, SubjectKey, check_master_key},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::{PgConnection, Row as _};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};
use uuid::Uuid;

/// What is personal in an event.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Personal {
    /// Encrypted; nobody has tried to open it.
    Sealed,
    /// What it says.
    Open {
        /// What was hashed with it, in base64: with both anybody can see that it is what the tree holds a commitment to. Empty
        /// where the event has not been encrypted yet.
        salt: String,
        /// The values.
        values: Box<RawValue>,
    },
    /// The subject was erased: nobody reads it any more.
    Erased,
    /// There is no key: the sequencer has not encrypted it yet, or the key is gone and nothing says that it was erased.
    NoKey,
    /// It or its key was altered: it does not open, or is not what the tree was told. `verify` says more.
    Altered,
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sealed => "Sealed",
            Self::Open { .. } => "Open(***)",
            Self::Erased => "Erased",
            Self::NoKey => "NoKey",
            Self::Altered => "Altered",
        })
    }
}

/// What there is of a key.
enum Key {
    Lives(SubjectKey),
    Erased,
    Altered,
}

/// Opens what is personal in these events, in one round trip for all of them.
///
/// # Errors
/// [`Error::WrongMasterKey`] before anything is opened; [`Error::Database`].
///
/// # Cancel safety
/// Nothing is written, and no event is half opened.
pub async fn open_personal(
    conn: &mut PgConnection,
    master: &MasterKey,
    events: &mut [Found],
) -> Result<(), Error> {
    let wanted: BTreeSet<Uuid> =
        events.iter().filter(|event| event.sealed.is_some()).filter_map(|event| event.subject_key).collect();
    if wanted.is_empty() && events.iter().all(|event| event.unsealed.is_none()) {
        return Ok(());
    }
    check_master_key(conn, master).await?;
    let keys = keys(conn, master, wanted.into_iter().collect()).await?;
    for event in events {
        if let Some(personal) = opened(event, &keys) {
            event.personal = Some(personal);
        }
    }
    Ok(())
}

async fn keys(
    conn: &mut PgConnection,
    master: &MasterKey,
    wanted: Vec<Uuid>,
) -> Result<HashMap<Uuid, Key>, Error> {
    let rows = sqlx::query("SELECT id, subject, wrapped FROM audit_keys WHERE id = ANY($1)")
        .bind(wanted)
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("read keys of subjects"))?;
    let key = |row: &sqlx::postgres::PgRow| {
        let (id, subject, wrapped): (Uuid, &str, Option<&[u8]>) = (row.get(0), row.get(1), row.get(2));
        let key = match wrapped {
            None => Key::Erased,
            Some(wrapped) => master.open(id, subject, wrapped).map_or(Key::Altered, Key::Lives),
        };
        (id, key)
    };
    Ok(rows.iter().map(key).collect())
}

/// Decides what can be said of an event; `None` where nothing in it is personal.
fn opened(event: &Found, keys: &HashMap<Uuid, Key>) -> Option<Personal> {
    if let Some(text) = &event.unsealed {
        let values = RawValue::from_string(text.clone()).ok()?;
        return Some(Personal::Open { salt: String::new(), values });
    }
    let (sealed, key) = (event.sealed.as_ref()?, event.subject_key?);
    Some(match keys.get(&key) {
        None => Personal::NoKey,
        Some(Key::Erased) => Personal::Erased,
        Some(Key::Altered) => Personal::Altered,
        Some(Key::Lives(subject)) => {
            let text = subject.open(key, event.id, sealed);
            let text =
                text.filter(|text| text.is_committed_to(event.commitment.as_deref().unwrap_or_default()));
            text.as_ref().and_then(said).unwrap_or(Personal::Altered)
        }
    })
}

fn said(opened: &Opened) -> Option<Personal> {
    let text = String::from_utf8(opened.text.to_vec()).ok()?;
    Some(Personal::Open { salt: BASE64.encode(opened.salt), values: RawValue::from_string(text).ok()? })
}
