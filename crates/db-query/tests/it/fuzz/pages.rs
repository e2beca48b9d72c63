//! Pages behind hostile positions. Only rows make cursors, so a server hands back positions that were made up here.

use super::{pieces, source::CANARY};
use db_core::Secret;
use db_query::{
    CursorKey, Direction, Field, Keyset, Kind, Nulls, PageRequest, PageSize, Pages, Select, Table, value,
};
use rand::{SeedableRng, rngs::SmallRng};
use sqlx::{Executor, PgConnection};
use std::sync::LazyLock;

/// Names as a program may have them: odd, but without quote, dot and NUL.
const TABLE: Table = Table::new(
    "od'd --/*",
    &[
        Field::new("id;", Kind::Text),
        Field::new("$1", Kind::Text).nullable(),
        Field::new("select \\", Kind::Timestamptz),
        Field::new("☃$$", Kind::Bool).nullable(),
    ],
);

/// The names that the harmless side has as well.
pub(super) const NAMES: [&str; 5] = ["od'd --/*", "id;", "$1", "select \\", "☃$$"];

/// A page by its order and the same position twice.
pub(super) struct Turn {
    pub(super) keyset: Keyset,
    pub(super) hostile: PageRequest,
    pub(super) harmless: PageRequest,
}

/// Made once, as a key takes longer than a statement.
static KEY: LazyLock<CursorKey> =
    LazyLock::new(|| CursorKey::new(&Secret::new("sixteen bytes or more")).expect("long enough"));

pub(super) fn key() -> CursorKey {
    KEY.clone()
}

/// Orders, each with the number of its keys.
fn orders() -> Vec<(Keyset, usize)> {
    let mut orders = Vec::new();
    for last in [Direction::Ascending, Direction::Descending] {
        let keyset = Keyset::unique(&TABLE, "id;", last).expect("unique");
        orders.push((keyset.clone(), 1));
        let plain = keyset.clone().by("select \\", last).expect("a key");
        orders.push((plain.clone(), 2));
        orders.push((plain.by("☃$$", Direction::Descending).expect("a key"), 3));
        for nulls in [Nulls::First, Nulls::Last] {
            orders.push((keyset.clone().by_nulls("$1", last, nulls).expect("a key"), 2));
            let both = keyset.clone().by_nulls("$1", last.reversed(), nulls);
            orders.push((both.and_then(|keyset| keyset.by("☃$$", last)).expect("keys"), 3));
        }
    }
    orders
}

/// The request behind, or before, a row that is said to be at this position.
async fn request(
    conn: &mut PgConnection,
    keyset: &Keyset,
    position: &[Option<String>],
    backwards: bool,
) -> PageRequest {
    let pages = Pages::new(keyset.clone(), key());
    let size = PageSize::new(1).expect("a size");
    let first = if backwards { pages.last(size) } else { pages.request(None, size).expect("the first page") };
    let json = serde_json::to_string(position).expect("texts");
    let row =
        Select::of((value(1_i32).alias("id"), value(json).alias("cursor_position"))).build().expect("valid");
    let mut rows = conn.fetch_all(row.clone()).await.expect("a row");
    rows.extend(conn.fetch_all(row).await.expect("another"));
    let page = pages.page::<(i32,)>(rows, &first).expect("a page");
    let cursor = if backwards { page.previous } else { page.next }.expect("one row more");
    pages.request(Some(cursor.as_str()), size).expect("our own cursor")
}

/// Requests of every order, behind and before positions with NULLs and without.
pub(super) async fn turns(conn: &mut PgConnection) -> Vec<Turn> {
    let mut rng = SmallRng::seed_from_u64(2);
    let mut turns = Vec::new();
    for (keyset, keys) in orders() {
        for (nulls, backwards) in [(false, false), (false, true), (true, false), (true, true)] {
            // The unique key, which is the last, is never NULL.
            let null = |key: usize| nulls && key + 1 < keys && key.is_multiple_of(2);
            let hostile: Vec<Option<String>> = (0..keys)
                .map(|key| (!null(key)).then(|| pieces::text(&mut rng).to_owned() + CANARY))
                .collect();
            let harmless: Vec<Option<String>> =
                (0..keys).map(|key| (!null(key)).then(|| "v".to_owned())).collect();
            turns.push(Turn {
                hostile: request(conn, &keyset, &hostile, backwards).await,
                harmless: request(conn, &keyset, &harmless, backwards).await,
                keyset: keyset.clone(),
            });
        }
    }
    turns
}
