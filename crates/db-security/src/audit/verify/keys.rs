//! Keys of subjects against what they have sealed.

use super::{
    flaw::{Flaw, Flaws},
    row::{Row, erased_keys},
};
use crate::audit::{
    Error, MasterKey,
    personal::{ERASED, SubjectKey},
};
use sqlx::{PgConnection, Row as _};
use std::collections::{HashMap, HashSet};
use uuid::Uuid;

/// How many keys are asked for in one statement.
const ASKED_AT_ONCE: usize = 10_000;

/// What events say of keys: who was the first that each has sealed, and which were erased.
#[derive(Debug, Default)]
pub(super) struct Told {
    sealed: HashMap<Uuid, First>,
    erased: HashSet<Uuid>,
}

#[derive(Debug)]
struct First {
    subject: String,
    leaf: u64,
}

impl Told {
    pub(super) fn of(rows: &[Row]) -> Self {
        let mut told = Self::default();
        for row in rows {
            if let Some(personal) = &row.personal {
                told.first(personal.key, &personal.subject, row.leaf);
            }
            told.erased.extend(&row.erased);
        }
        told
    }

    pub(super) fn add(&mut self, other: Self) {
        for (key, first) in other.sealed {
            self.first(key, &first.subject, first.leaf);
        }
        self.erased.extend(other.erased);
    }

    fn first(&mut self, key: Uuid, subject: &str, leaf: u64) {
        self.sealed.entry(key).or_insert_with(|| First { subject: subject.to_owned(), leaf });
    }
}

/// Opens what is personal in these events. Answers with how many parts were what the tree was told; keys that do not open are
/// told once for all, by [`check`].
pub(super) async fn open(
    conn: &mut PgConnection,
    master: &MasterKey,
    rows: &[Row],
    flaws: &mut Vec<Flaw>,
) -> Result<u64, Error> {
    let wanted: HashSet<Uuid> = rows.iter().filter_map(|row| Some(row.personal.as_ref()?.key)).collect();
    if wanted.is_empty() {
        return Ok(0);
    }
    let mut keys: HashMap<Uuid, SubjectKey> = HashMap::new();
    let wanted: Vec<Uuid> = wanted.into_iter().collect();
    for some in wanted.chunks(ASKED_AT_ONCE) {
        for row in stored(conn, some).await? {
            let key = row.wrapped.as_deref().and_then(|wrapped| master.open(row.id, &row.subject, wrapped));
            keys.extend(key.map(|key| (row.id, key)));
        }
    }
    let mut opened = 0;
    for row in rows {
        let Some(personal) = row.personal.as_ref().filter(|personal| !personal.personal.is_empty()) else {
            continue;
        };
        let Some(key) = keys.get(&personal.key) else { continue };
        match key.open(personal.key, row.id, &personal.personal) {
            Some(text) if text.is_committed_to(&personal.commitment) => opened += 1,
            _ => flaws.push(Flaw::PersonalAltered { leaf: row.leaf, id: row.id }),
        }
    }
    Ok(opened)
}

/// Whether each key that has sealed something is there, or was erased as an event says. Answers with how many were.
pub(super) async fn check(
    conn: &mut PgConnection,
    master: Option<&MasterKey>,
    told: &Told,
    flaws: &mut Flaws,
) -> Result<u64, Error> {
    let all: Vec<Uuid> = told.sealed.keys().copied().collect();
    let mut erased = 0;
    for some in all.chunks(ASKED_AT_ONCE) {
        let there: HashMap<Uuid, Stored> =
            stored(conn, some).await?.into_iter().map(|row| (row.id, row)).collect();
        let gone: Vec<&str> = some
            .iter()
            .filter(|key| {
                !told.erased.contains(*key) && there.get(*key).is_none_or(|row| row.wrapped.is_none())
            })
            .map(|key| told.sealed[key].subject.as_str())
            .collect();
        let elsewhere = erasures(conn, &gone).await?;
        for key in some {
            let First { subject, leaf } = &told.sealed[key];
            let (key, subject, leaf) = (*key, subject.clone(), *leaf);
            match there.get(&key) {
                Some(row) if row.subject != subject => flaws.add(Flaw::KeyAltered { key, subject, leaf }),
                Some(Stored { wrapped: Some(wrapped), .. }) => {
                    if master.is_some_and(|master| master.open(key, &subject, wrapped).is_none()) {
                        flaws.add(Flaw::KeyAltered { key, subject, leaf });
                    }
                }
                _ if told.erased.contains(&key) || elsewhere.contains(&key) => erased += 1,
                _ => flaws.add(Flaw::KeyRemoved { key, subject, leaf }),
            }
        }
    }
    Ok(erased)
}

struct Stored {
    id: Uuid,
    subject: String,
    wrapped: Option<Vec<u8>>,
}

async fn stored(conn: &mut PgConnection, keys: &[Uuid]) -> Result<Vec<Stored>, Error> {
    let rows = sqlx::query("SELECT id, subject, wrapped FROM audit_keys WHERE id = ANY($1)")
        .bind(keys)
        .fetch_all(conn)
        .await
        .map_err(Error::while_trying("read keys of subjects"))?;
    Ok(rows.iter().map(|row| Stored { id: row.get(0), subject: row.get(1), wrapped: row.get(2) }).collect())
}

/// Keys of these subjects that some event says were erased: one that was not walked over, or that has no place yet.
async fn erasures(conn: &mut PgConnection, subjects: &[&str]) -> Result<HashSet<Uuid>, Error> {
    if subjects.is_empty() {
        return Ok(HashSet::new());
    }
    let rows = sqlx::query_scalar::<_, Option<String>>(
        "SELECT details::text FROM audit_events \
         WHERE entity_type = 'subjects' AND entity_id = ANY($1) AND action = $2 \
         UNION ALL SELECT details::text FROM audit_inbox \
         WHERE entity_type = 'subjects' AND entity_id = ANY($1) AND action = $2",
    )
    .bind(subjects)
    .bind(ERASED)
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("look for erasures"))?;
    Ok(rows.iter().flat_map(|details| erased_keys(details.as_deref().map(str::as_bytes))).collect())
}
