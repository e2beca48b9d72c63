//! A stretch of the log: read, and compared with what the tree has of it.

use super::{
    flaw::Flaw,
    keys::{self, Told},
    leaves::{Compared, compare, root_of},
    row::{self, Row},
    snapshot::{Name, Snapshot},
    tiles,
    walk::signed,
};
use crate::audit::{
    Error, Hash, MasterKey, SignedCheckpoint,
    tree::{Place, TILE},
};
use db_pool::{Lease, Pool, Transaction, copy_out};
use futures_util::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves in a stretch: those under one tile of level 1.
const STRETCH: u64 = TILE * TILE;
/// Checkpoints by their size, as they are to be met.
pub(super) type Signed = BTreeMap<u64, Vec<SignedCheckpoint>>;

/// From where to where: no stretch goes over the border of a tile of level 1.
pub(super) fn bounds(start: u64, size: u64) -> Vec<(u64, u64)> {
    let mut bounds = Vec::new();
    let mut from = start;
    while from < size {
        let to = ((from / STRETCH + 1) * STRETCH).min(size);
        bounds.push((from, to));
        from = to;
    }
    bounds
}

/// What a task has made of a stretch.
pub(super) struct Stretch {
    pub(super) from: u64,
    pub(super) events: u64,
    pub(super) compared: Compared,
    /// The root over each full tile of leaves.
    pub(super) nodes: Vec<Option<Hash>>,
    pub(super) flaws: Vec<Flaw>,
    pub(super) told: Told,
    pub(super) personal: u64,
    pub(super) signed: Signed,
    pub(super) first_time: i64,
    pub(super) last_time: i64,
}

pub(super) async fn read_stretch(
    pool: &Pool,
    snapshot: &Name,
    master: Option<&MasterKey>,
    bounds: (u64, u64),
) -> Result<Stretch, Error> {
    let mut tx = Snapshot::join(pool, snapshot).await?;
    let stretch = read_stretch_on(&mut tx, master, bounds).await?;
    tx.rollback().await?;
    Ok(stretch)
}

/// The same on a session that sees the log already.
pub(super) async fn read_stretch_on(
    tx: &mut Transaction,
    master: Option<&MasterKey>,
    (from, to): (u64, u64),
) -> Result<Stretch, Error> {
    let (stored, above) = stored(tx, from, to).await?;
    let (signed, unread) = checkpoints(tx, from + 1, to).await?;
    let rows = events(tx.lease(), from, to).await?;
    let compared = compare(from, &stored, &above, &rows);
    let mut flaws: Vec<Flaw> =
        compared.wrong_leaves.iter().map(|leaf| Flaw::LeafAltered { leaf: *leaf }).collect();
    flaws.extend(unread);
    let nodes = nodes(from, &compared.leaves, &above, &mut flaws);
    for two in rows.windows(2) {
        if two[1].sequenced_at < two[0].sequenced_at {
            flaws.push(Flaw::BackInTime { leaf: two[1].leaf });
        }
    }
    // Erasing takes the key, never what it has sealed, so this needs no key to be seen.
    let emptied =
        rows.iter().filter(|row| row.personal.as_ref().is_some_and(|personal| personal.personal.is_empty()));
    flaws.extend(emptied.map(|row| Flaw::PersonalAltered { leaf: row.leaf, id: row.id }));
    let personal = match master {
        Some(master) => keys::open(tx, master, &rows, &mut flaws).await?,
        None => 0,
    };
    Ok(Stretch {
        from,
        events: rows.len() as u64,
        nodes,
        flaws,
        told: Told::of(&rows),
        personal,
        signed,
        first_time: rows.first().map_or(i64::MAX, |row| row.sequenced_at),
        last_time: rows.last().map_or(i64::MIN, |row| row.sequenced_at),
        compared,
    })
}

/// The stored hashes of the leaves, and those over each tile of them. The first tile may be cut: what it is over begins before.
async fn stored(
    conn: &mut PgConnection,
    from: u64,
    to: u64,
) -> Result<(Vec<Option<Hash>>, Vec<Option<Hash>>), Error> {
    let last = (to - 1) / TILE;
    let mut places: BTreeSet<Place> = (from / TILE..=last).map(|tile| Place { level: 0, tile }).collect();
    places.insert(Place { level: 1, tile: from / STRETCH });
    let tiles = tiles::read(conn, &places).await?;
    let at = |level, index: u64| {
        let hashes = tiles.get(Place { level, tile: index / TILE })?;
        hashes.get(usize::try_from(index % TILE).ok()?).copied()
    };
    let leaves = (from..to).map(|leaf| at(0, leaf)).collect();
    let above = (from.div_ceil(TILE)..=last).map(|tile| at(1, tile)).collect();
    Ok((leaves, above))
}

/// What is signed at the sizes from one to another, as the database has it. One that cannot be read is a flaw.
pub(super) async fn checkpoints(
    conn: &mut PgConnection,
    from: u64,
    to: u64,
) -> Result<(Signed, Vec<Flaw>), Error> {
    let notes: Vec<(i64, String)> = sqlx::query_as(
        "SELECT size, note FROM audit_checkpoints WHERE size >= $1 AND size <= $2 ORDER BY size",
    )
    .bind(signed(from))
    .bind(signed(to))
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("read checkpoints"))?;
    let (mut signed, mut unread) = (Signed::new(), Vec::new());
    for (size, note) in notes {
        let size = u64::try_from(size).unwrap_or(0);
        match note.parse::<SignedCheckpoint>() {
            Ok(checkpoint) => signed.entry(size).or_default().push(checkpoint),
            Err(error) => unread.push(Flaw::NotSigned { size, why: error.to_string() }),
        }
    }
    Ok((signed, unread))
}

async fn events(lease: &mut Lease, from: u64, to: u64) -> Result<Vec<Row>, Error> {
    let query = AssertSqlSafe(row::query(from, to));
    let mut rows = Vec::with_capacity(usize::try_from(to - from).unwrap_or(0));
    let mut stream = copy_out::<Row>(lease, query).await?;
    while let Some(row) = stream.try_next().await? {
        rows.push(row);
    }
    Ok(rows)
}

/// The root over each full tile of leaves, compared with what the tree has of it.
fn nodes(from: u64, leaves: &[Hash], above: &[Option<Hash>], flaws: &mut Vec<Flaw>) -> Vec<Option<Hash>> {
    let width = usize::try_from(TILE).unwrap_or(usize::MAX);
    let first_tile = from.div_ceil(TILE);
    let cut = usize::try_from(first_tile * TILE - from).unwrap_or(usize::MAX).min(leaves.len());
    let mut nodes = Vec::new();
    for (tile, some) in (first_tile..).zip(leaves[cut..].chunks_exact(width)) {
        let root = root_of(some);
        let said = above.get(nodes.len()).copied().flatten();
        if said != Some(root) {
            let (leaf, through_leaf) = (tile * TILE, (tile + 1) * TILE - 1);
            flaws.push(Flaw::NodeAltered { level: 1, leaf, through_leaf });
        }
        nodes.push(Some(root));
    }
    nodes
}
