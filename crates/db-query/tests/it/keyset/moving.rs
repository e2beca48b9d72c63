//! Rows that come and go between two pages: what was there all the time is read once, in order.

use super::{key, read, scratch, size};
use db_query::{Delete, Direction, Keyset, Pages, col};
use db_testkit::fresh_db;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sqlx::{Executor, PgConnection};
use std::collections::BTreeSet;

/// Rows at the start; their numbers are even, and those that come in between are odd.
const ROWS: i64 = 30;

async fn insert(conn: &mut PgConnection, id: i64, n: i32) {
    sqlx::query(
        r#"INSERT INTO scratch (id, n, n_null, t, "at", f, b, u, raw, span)
           VALUES ($1, $2, nullif($2, 1), '', 'epoch', 0, true, gen_random_uuid(), '', '1 day')"#,
    )
    .bind(id)
    .bind(n)
    .execute(conn)
    .await
    .expect("inserted");
}

async fn delete(conn: &mut PgConnection, ids: Vec<i64>) {
    let delete = Delete::from("scratch").filter(col("id").any(ids));
    conn.execute(delete.build().expect("valid")).await.expect("deleted");
}

/// Rows inserted at random places, and rows deleted, the page's own first and last among them.
async fn disturb(conn: &mut PgConnection, rng: &mut StdRng, page: &[i64], gone: &mut BTreeSet<i64>) {
    for _ in 0..3 {
        let id = rng.random_range(0..ROWS * 2) | 1;
        if gone.insert(id) {
            insert(conn, id, rng.random_range(0..3)).await;
        }
    }
    let ends = [page.first(), page.last()].into_iter().flatten().filter(|_| rng.random()).copied();
    let mut doomed: Vec<i64> = ends.collect();
    doomed.push(rng.random_range(0..ROWS) * 2);
    doomed.extend(gone.iter().copied().collect::<Vec<_>>().choose(rng));
    gone.extend(&doomed);
    delete(conn, doomed).await;
}

async fn list(conn: &mut PgConnection) -> Vec<i64> {
    sqlx::query_scalar("SELECT id FROM scratch ORDER BY n_null DESC NULLS FIRST, n, id")
        .fetch_all(conn)
        .await
        .expect("the rows")
}

async fn check(conn: &mut PgConnection, pages: &Pages, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    conn.execute("TRUNCATE scratch").await.expect("emptied");
    for row in 0..ROWS {
        insert(conn, row * 2, rng.random_range(0..3)).await;
    }
    let backwards = seed.is_multiple_of(2);
    let before = list(conn).await;
    let mut gone = BTreeSet::new();
    let mut seen = Vec::new();
    let rows = size(rng.random_range(1..=7));
    let mut request =
        if backwards { pages.last(rows) } else { pages.request(None, rows).expect("the first") };
    loop {
        let page = read(conn, pages, scratch::ids(), &request).await;
        disturb(conn, &mut rng, &page.items, &mut gone).await;
        let on = if backwards { page.previous } else { page.next };
        if backwards {
            seen.splice(..0, page.items);
        } else {
            seen.extend(page.items);
        }
        let Some(cursor) = on else { break };
        request = pages.request(Some(cursor.as_str()), rows).expect("our own cursor");
    }
    let unique: BTreeSet<i64> = seen.iter().copied().collect();
    assert_eq!(unique.len(), seen.len(), "seed {seed}: a row came twice in {seen:?}");
    let stayed: Vec<i64> = before.into_iter().filter(|id| !gone.contains(id)).collect();
    let kept: Vec<i64> = seen.into_iter().filter(|id| id % 2 == 0 && !gone.contains(id)).collect();
    assert_eq!(kept, stayed, "seed {seed}: what stayed, in order");
}

#[tokio::test]
async fn neither_repeat_nor_hide_others() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        scratch::create(&mut conn).await;
        let keyset = Keyset::unique(&scratch::TABLE, "id", Direction::Ascending)
            .and_then(|keyset| keyset.by("n_null", Direction::Descending))
            .and_then(|keyset| keyset.by("n", Direction::Ascending))
            .expect("keys");
        let pages = Pages::new(keyset, key());
        for seed in 0..24 {
            check(&mut conn, &pages, seed).await;
        }
    })
    .await;
}

#[tokio::test]
async fn past_either_end_the_way_back_is_the_page_at_that_end() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        scratch::create(&mut conn).await;
        let keyset = Keyset::unique(&scratch::TABLE, "id", Direction::Ascending).expect("a key");
        let pages = Pages::new(keyset, key());
        for id in 0..4 {
            insert(&mut conn, id, 0).await;
        }
        let first =
            read(&mut conn, &pages, scratch::ids(), &pages.request(None, size(2)).expect("first")).await;
        let last = read(&mut conn, &pages, scratch::ids(), &pages.last(size(2))).await;
        assert_eq!((first.items, last.items), (vec![0, 1], vec![2, 3]));
        let after = pages.request(first.next.as_ref().map(AsRef::as_ref), size(2)).expect("ours");
        let before = pages.request(last.previous.as_ref().map(AsRef::as_ref), size(2)).expect("ours");

        delete(&mut conn, vec![2, 3]).await;
        let past = read(&mut conn, &pages, scratch::ids(), &after).await;
        assert_eq!((past.items, past.next), (vec![], None));
        let back = pages.request(past.previous.as_ref().map(AsRef::as_ref), size(2)).expect("ours");
        assert_eq!(read(&mut conn, &pages, scratch::ids(), &back).await.items, [0, 1], "the last page");

        delete(&mut conn, vec![0, 1]).await;
        insert(&mut conn, 9, 0).await;
        let ahead = read(&mut conn, &pages, scratch::ids(), &before).await;
        assert_eq!((ahead.items, ahead.previous), (vec![], None));
        let on = pages.request(ahead.next.as_ref().map(AsRef::as_ref), size(2)).expect("ours");
        assert_eq!(read(&mut conn, &pages, scratch::ids(), &on).await.items, [9], "the first page");
    })
    .await;
}
