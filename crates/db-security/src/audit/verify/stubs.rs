//! What has left by retention: each stub follows the one before, and the log itself says that it was let go.

use super::flaw::{Flaw, Flaws};
use crate::audit::{Error, Hash, retain::RETAINED};
use serde_json::Value;
use sqlx::{PgConnection, Row as _};

/// A month that has left.
struct Stub {
    from_leaf: u64,
    through_leaf: u64,
    root: Vec<u8>,
}

/// Compares the stubs with each other, with the first leaf that is there, and with the events that say what was let go. Answers with the
/// root that the last of them claims for the leaves before the first that is there.
pub(super) async fn check(
    conn: &mut PgConnection,
    first_leaf: u64,
    flaws: &mut Flaws,
) -> Result<Option<Vec<u8>>, Error> {
    let rows = sqlx::query("SELECT from_leaf, through_leaf, root FROM audit_stubs ORDER BY through_leaf")
        .fetch_all(&mut *conn)
        .await
        .map_err(Error::while_trying("read what has left the log"))?;
    let number = |number: i64| u64::try_from(number).unwrap_or(0);
    let stubs: Vec<Stub> = rows
        .iter()
        .map(|row| Stub { from_leaf: number(row.get(0)), through_leaf: number(row.get(1)), root: row.get(2) })
        .collect();
    let noted = noted(conn, first_leaf).await?;
    let mut next = 0;
    for (at, stub) in stubs.iter().enumerate() {
        let is_last = at + 1 == stubs.len();
        let follows = stub.from_leaf == next && stub.through_leaf >= stub.from_leaf;
        let is_noted = match noted.iter().find(|noted| noted.through_leaf == stub.through_leaf) {
            Some(noted) => noted.from_leaf == stub.from_leaf && noted.root == stub.root,
            // What notes an earlier one may have left with a later month; what notes the last is still there.
            None => !is_last,
        };
        if !follows || !is_noted {
            flaws.add(Flaw::StubDiffers { through_leaf: stub.through_leaf });
        }
        next = stub.through_leaf.saturating_add(1);
    }
    if next != first_leaf {
        flaws.add(Flaw::StubDiffers { through_leaf: first_leaf.saturating_sub(1) });
        return Ok(None);
    }
    Ok(stubs.into_iter().next_back().map(|stub| stub.root))
}

/// What the events that are there say was let go.
async fn noted(conn: &mut PgConnection, first_leaf: u64) -> Result<Vec<Stub>, Error> {
    let rows = sqlx::query_scalar::<_, Option<String>>(
        "SELECT details::text FROM audit_events WHERE entity_type = $1 AND action = $2 AND leaf >= $3 \
         UNION ALL SELECT details::text FROM audit_inbox WHERE entity_type = $1 AND action = $2",
    )
    .bind(RETAINED.0)
    .bind(RETAINED.1)
    .bind(super::walk::signed(first_leaf))
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("look for what was let go"))?;
    Ok(rows.iter().flatten().filter_map(|details| stub_of(&serde_json::from_str(details).ok()?)).collect())
}

fn stub_of(details: &Value) -> Option<Stub> {
    Some(Stub {
        from_leaf: details.get("from_leaf")?.as_u64()?,
        through_leaf: details.get("through_leaf")?.as_u64()?,
        root: Hash::from_base64(details.get("root")?.as_str()?)?.as_bytes().to_vec(),
    })
}
