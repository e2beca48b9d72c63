//! Signed statements of what the log is, and proofs out of its tree.

use super::{
    Checkpoint, CheckpointSigner, Consistency, Error, Hash, Inclusion, SignedCheckpoint,
    log::{Extent, extent, origin},
    sequence::{missing, read_tiles},
    tree::{Missing, consistency, inclusion, needs},
};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// Signs what the log is now, and stores that. `None` where it has not grown since the last time.
///
/// # Errors
/// [`Error::Damaged`], [`Error::NotThere`], [`Error::Database`].
///
/// # Cancel safety
/// Nothing lasts until the caller commits.
pub async fn checkpoint(
    conn: &mut PgConnection,
    signer: &CheckpointSigner,
) -> Result<Option<SignedCheckpoint>, Error> {
    let (log_id, size, last) = head(conn).await?;
    if size == 0 || last == Some(size) {
        return Ok(None);
    }
    // What others are told must be on disk here, even where the database answers commits before.
    sqlx::query(
        "SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off'",
    )
    .execute(&mut *conn)
    .await
    .map_err(Error::while_trying("have the commit wait for the disk"))?;
    let root = root_at(conn, size).await?;
    let signed = signer.sign(&Checkpoint { origin: origin(log_id), size, root });
    sqlx::query(
        "INSERT INTO audit_checkpoints (size, root, note) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING",
    )
    .bind(i64::try_from(size).unwrap_or(i64::MAX))
    .bind(root.as_bytes().as_slice())
    .bind(signed.note())
    .execute(conn)
    .await
    .map_err(Error::while_trying("store a checkpoint"))?;
    Ok(Some(signed))
}

/// The log's number and size, and the size that was signed last.
async fn head(conn: &mut PgConnection) -> Result<(Uuid, u64, Option<u64>), Error> {
    let row = sqlx::query("SELECT log_id, size, (SELECT max(size) FROM audit_checkpoints) FROM audit_tree")
        .fetch_one(conn)
        .await
        .map_err(Error::while_trying("read how far the log has come"))?;
    let unsigned = |number: i64| {
        u64::try_from(number).map_err(|_| Error::Damaged { what: format!("it counts {number}") })
    };
    Ok((row.get(0), unsigned(row.get(1))?, row.get::<Option<i64>, _>(2).map(unsigned).transpose()?))
}

/// The root of the log when it had so many leaves.
///
/// # Errors
/// [`Error::OutOfRange`] for one that it has not grown to, or that has left by retention; [`Error::Damaged`],
/// [`Error::NotThere`], [`Error::Database`].
pub async fn root_at(conn: &mut PgConnection, size: u64) -> Result<Hash, Error> {
    in_range(conn, size, size).await?;
    let tiles = read_tiles(conn, &needs::for_root(size)).await?;
    Ok(tiles.frontier(size).map_err(|Missing(place)| missing(place))?.root())
}

/// The proof that an event of this leaf is in the log of this size.
///
/// # Errors
/// Those of [`root_at`].
pub async fn prove_inclusion(conn: &mut PgConnection, leaf: u64, size: u64) -> Result<Inclusion, Error> {
    let log = in_range(conn, leaf.saturating_add(1), size).await?;
    if leaf < log.first_leaf {
        return Err(Error::OutOfRange { asked: leaf, size: log.size, first_leaf: log.first_leaf });
    }
    let tiles = read_tiles(conn, &needs::for_inclusion(leaf, size)).await?;
    inclusion(leaf, size, &tiles).map_err(|Missing(place)| missing(place))
}

/// The proof that the log of one size begins with that of another.
///
/// # Errors
/// Those of [`root_at`].
pub async fn prove_consistency(conn: &mut PgConnection, from: u64, to: u64) -> Result<Consistency, Error> {
    in_range(conn, from, to).await?;
    let tiles = read_tiles(conn, &needs::for_consistency(from, to)).await?;
    consistency(from, to, &tiles).map_err(|Missing(place)| missing(place))
}

/// Refuses what the tiles cannot show.
async fn in_range(conn: &mut PgConnection, part: u64, size: u64) -> Result<Extent, Error> {
    let log = extent(conn).await?;
    let asked = if size > log.size { size } else { part };
    if size > log.size || part > size || (part != 0 && part < log.first_leaf) {
        return Err(Error::OutOfRange { asked, size: log.size, first_leaf: log.first_leaf });
    }
    Ok(log)
}
