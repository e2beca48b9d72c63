//! Tiles of the tree, as they are stored.

use crate::audit::{
    Error, Hash,
    tree::{Place, Tiles},
};
use sqlx::{PgConnection, Row as _, postgres::PgRow};
use std::collections::BTreeSet;

/// Tiles by their places; those that are not there are left out.
pub(crate) async fn read_tiles(conn: &mut PgConnection, places: &BTreeSet<Place>) -> Result<Tiles, Error> {
    let mut tiles = Tiles::default();
    for row in tile_rows(conn, places).await? {
        let (place, hashes) = tile_of(&row)?;
        tiles.insert(place, hashes);
    }
    Ok(tiles)
}

/// The rows of tiles: level, number, hashes.
pub(crate) async fn tile_rows(
    conn: &mut PgConnection,
    places: &BTreeSet<Place>,
) -> Result<Vec<PgRow>, Error> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (levels, numbers): (Vec<i16>, Vec<i64>) = places
        .iter()
        .filter_map(|place| Some((i16::try_from(place.level).ok()?, i64::try_from(place.tile).ok()?)))
        .unzip();
    sqlx::query(
        "SELECT level, tile, hashes FROM unnest($1::smallint[], $2::bigint[]) AS wanted (level, tile) \
         JOIN audit_tiles USING (level, tile)",
    )
    .bind(levels)
    .bind(numbers)
    .fetch_all(conn)
    .await
    .map_err(Error::while_trying("read tiles of the log"))
}

/// A tile of a row that begins with level, number and hashes.
fn tile_of(row: &PgRow) -> Result<(Place, Vec<Hash>), Error> {
    let (level, tile, bytes): (i16, i64, &[u8]) = (row.get(0), row.get(1), row.get(2));
    let place =
        u16::try_from(level).ok().zip(u64::try_from(tile).ok()).map(|(level, tile)| Place { level, tile });
    let (hashes, rest) = bytes.as_chunks::<{ Hash::LEN }>();
    match place {
        Some(place) if rest.is_empty() => Ok((place, hashes.iter().map(|hash| Hash(*hash)).collect())),
        _ => Err(Error::Damaged { what: format!("tile {tile} of level {level} has {} bytes", bytes.len()) }),
    }
}

pub(crate) fn missing(place: Place) -> Error {
    Error::Damaged {
        what: format!("tile {} of level {} is not what the tree's size says", place.tile, place.level),
    }
}
