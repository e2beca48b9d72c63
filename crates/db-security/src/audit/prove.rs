//! One event with its proof, and proofs for many events at once.

use super::{
    Checkpoint, Error, Found, Hash, Inclusion, SignedCheckpoint,
    sequence::{missing, read_tiles},
    tree::{Missing, inclusion, needs},
};
use serde::Serialize;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// An event, and that it is in the log.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Proven {
    /// The event.
    pub event: Found,
    /// The proof; `None` while the event has no place, or no checkpoint has been signed since it got one.
    pub proof: Option<EventProof>,
}

/// That an event is in the log as it was signed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EventProof {
    /// The hash of the event's leaf.
    #[serde(serialize_with = "as_text")]
    pub leaf_hash: Hash,
    /// From there to the root.
    pub inclusion: Inclusion,
    /// The checkpoint that has that root, as a signed note.
    pub checkpoint: String,
}

pub(crate) fn as_text<S: serde::Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hash.to_base64())
}

/// Finds an event by its number, and proves it by the last checkpoint.
///
/// # Errors
/// [`Error::NoSuchEvent`]; [`Error::Damaged`] where the event is not what the tree has; [`Error::NotThere`],
/// [`Error::Database`].
///
/// # Cancel safety
/// Nothing is written.
pub async fn prove(conn: &mut PgConnection, id: Uuid) -> Result<Proven, Error> {
    // As the log's first event moves into the first partition, a statement that knew of no partition can see it nowhere.
    let event = match find(conn, id).await? {
        Some(event) => event,
        None => find(conn, id).await?.ok_or(Error::NoSuchEvent { id })?,
    };
    let Some(checkpoint) = last_checkpoint(conn).await? else { return Ok(Proven { event, proof: None }) };
    let of = checkpoint.checkpoint();
    let proof = match event.leaf {
        Some(leaf) if leaf < of.size => {
            let proofs = prove_all(conn, std::slice::from_ref(&event), of).await?;
            proofs.into_iter().next().map(|(leaf_hash, inclusion)| EventProof {
                leaf_hash,
                inclusion,
                checkpoint: checkpoint.note().to_owned(),
            })
        }
        _ => None,
    };
    Ok(Proven { event, proof })
}

async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Found>, Error> {
    // Constants of ours. Whatever was put in beside an event under its number comes behind it.
    let sql = format!(
        "SELECT {texts} FROM (SELECT {log} FROM audit_events WHERE id = $1 \
         UNION ALL SELECT {inbox} FROM audit_inbox WHERE id = $1) AS found ORDER BY leaf NULLS LAST LIMIT 1",
        texts = Found::TEXTS,
        log = Found::OF_LOG,
        inbox = Found::OF_INBOX,
    );
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(conn)
        .await
        .map_err(Error::while_trying("look for an event"))?;
    row.as_ref().map(Found::of_row).transpose()
}

/// The checkpoint that was signed last; `None` where none was.
///
/// # Errors
/// [`Error::Note`] where it was altered so that it is none any more; [`Error::NotThere`], [`Error::Database`].
pub async fn last_checkpoint(conn: &mut PgConnection) -> Result<Option<SignedCheckpoint>, Error> {
    let note: Option<String> =
        sqlx::query_scalar("SELECT note FROM audit_checkpoints ORDER BY size DESC LIMIT 1")
            .fetch_optional(conn)
            .await
            .map_err(Error::while_trying("read the last checkpoint"))?;
    note.map(|note| note.parse().map_err(Error::Note)).transpose()
}

/// The hash of each event's leaf, and its way to the root of a checkpoint; all of them have a place in it. In one round trip.
///
/// # Errors
/// [`Error::Damaged`] for an event that is not what the tree has.
pub(crate) async fn prove_all(
    conn: &mut PgConnection,
    events: &[Found],
    of: &Checkpoint,
) -> Result<Vec<(Hash, Inclusion)>, Error> {
    let leaves = events.iter().filter_map(|event| event.leaf);
    let places = leaves.flat_map(|leaf| needs::for_inclusion(leaf, of.size)).collect();
    let tiles = read_tiles(conn, &places).await?;
    let prove = |event: &Found| {
        let damaged =
            || Error::Damaged { what: format!("event {} is not what the tree has of it", event.id) };
        let (leaf, hash) = event.leaf.zip(event.leaf_hash()).ok_or_else(damaged)?;
        let inclusion = inclusion(leaf, of.size, &tiles).map_err(|Missing(place)| missing(place))?;
        if inclusion.proves(hash, of.root) { Ok((hash, inclusion)) } else { Err(damaged()) }
    };
    events.iter().map(prove).collect()
}
