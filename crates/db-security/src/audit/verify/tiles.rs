//! The tree's tiles as they are, whatever somebody has made of them.

use super::{
    flaw::{Flaw, Flaws},
    leaves::root_of,
};
use crate::audit::{
    Error, Hash,
    sequence::tile_rows,
    tree::{Place, TILE, Tiles},
};
use futures_util::TryStreamExt as _;
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::{BTreeMap, BTreeSet};

/// The tiles at these places, as far as they are whole hashes; [`check_lengths`] names those that are not.
pub(super) async fn read(conn: &mut PgConnection, places: &BTreeSet<Place>) -> Result<Tiles, Error> {
    let mut tiles = Tiles::default();
    for row in tile_rows(conn, places).await? {
        if let Some((place, hashes)) = tile_of(&row) {
            tiles.insert(place, hashes);
        }
    }
    Ok(tiles)
}

/// A tile of a row that begins with level, number and hashes; `None` where no tree has such a place.
fn tile_of(row: &PgRow) -> Option<(Place, Vec<Hash>)> {
    let place = place_of(row)?;
    let (hashes, _) = row.get::<&[u8], _>(2).as_chunks::<{ Hash::LEN }>();
    Some((place, hashes.iter().take(usize::try_from(TILE).ok()?).map(|hash| Hash(*hash)).collect()))
}

fn place_of(row: &PgRow) -> Option<Place> {
    let (level, tile): (i16, i64) = (row.get(0), row.get(1));
    Some(Place { level: u16::try_from(level).ok()?, tile: u64::try_from(tile).ok()? })
}

/// How many hashes a tile has in a tree of so many leaves; 0 where there is no such tile.
fn expected(place: Place, size: u64) -> u64 {
    let nodes = size.checked_shr(u32::from(place.level) * TILE.trailing_zeros()).unwrap_or(0);
    nodes.saturating_sub(place.tile.saturating_mul(TILE)).min(TILE)
}

/// The leaves beneath a tile, from the first to the last.
fn beneath(place: Place) -> (u64, u64) {
    let width = TILE.checked_pow(u32::from(place.level) + 1).unwrap_or(u64::MAX);
    let leaf = place.tile.saturating_mul(width);
    (leaf, leaf.saturating_add(width - 1))
}

/// Whether each tile of a tree of so many leaves is there and as long as it must be, and no other is. Those of leaves that have left by
/// retention need not be there.
pub(super) async fn check_lengths(
    conn: &mut PgConnection,
    first_leaf: u64,
    size: u64,
    flaws: &mut Flaws,
) -> Result<(), Error> {
    let mut at: BTreeMap<u16, u64> = BTreeMap::from([(0, first_leaf / TILE)]);
    let mut damaged = |place: Place| {
        let (leaf, through_leaf) = beneath(place);
        flaws.add(Flaw::TileDamaged { level: place.level, leaf, through_leaf });
    };
    let mut rows =
        sqlx::query("SELECT level, tile, length(hashes)::int8 FROM audit_tiles ORDER BY level, tile")
            .fetch(conn);
    while let Some(row) = rows.try_next().await.map_err(Error::while_trying("read the tree"))? {
        let Some(place) = place_of(&row) else { continue };
        let next = at.entry(place.level).or_default();
        if place.level == 0 && place.tile < *next {
            continue;
        }
        (*next..place.tile).take_while(|tile| expected(Place { tile: *tile, ..place }, size) > 0).for_each(
            |tile| {
                damaged(Place { tile, ..place });
            },
        );
        *next = place.tile + 1;
        if u64::try_from(row.get::<i64, _>(2)) != Ok(expected(place, size) * Hash::LEN as u64)
            || expected(place, size) == 0
        {
            damaged(place);
        }
    }
    drop(rows);
    for level in 0..8 {
        let mut place = Place { level, tile: at.get(&level).copied().unwrap_or(0) };
        while expected(place, size) > 0 {
            damaged(place);
            place.tile += 1;
        }
    }
    Ok(())
}

/// Tiles above the first level against those beneath them.
pub(super) async fn check_upper(conn: &mut PgConnection, flaws: &mut Flaws) -> Result<(), Error> {
    let mut levels: BTreeMap<Place, Vec<Hash>> = BTreeMap::new();
    let mut rows =
        sqlx::query("SELECT level, tile, hashes FROM audit_tiles WHERE level > 0 ORDER BY level, tile")
            .fetch(conn);
    while let Some(row) = rows.try_next().await.map_err(Error::while_trying("read the tree"))? {
        levels.extend(tile_of(&row));
    }
    for (place, hashes) in &levels {
        let above = Place { level: place.level + 1, tile: place.tile / TILE };
        let at = usize::try_from(place.tile % TILE).unwrap_or(usize::MAX);
        let said = levels.get(&above).and_then(|tile| tile.get(at));
        let is_full = hashes.len() as u64 == TILE;
        if is_full && said != Some(&root_of(hashes)) {
            let (leaf, through_leaf) = beneath(*place);
            flaws.add(Flaw::NodeAltered { level: above.level, leaf, through_leaf });
        }
    }
    Ok(())
}
