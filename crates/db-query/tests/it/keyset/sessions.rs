//! A cursor means the same place whatever the settings of the session that made it and of the one that uses it.

use super::{key, read, scratch, size};
use db_query::{Direction, Keyset, Pages};
use db_testkit::fresh_db;
use sqlx::{Executor, PgConnection};

const SETTINGS: [&str; 4] = [
    "SET DateStyle = 'ISO, MDY'; SET TimeZone = 'UTC'; SET extra_float_digits = 2; SET bytea_output = 'hex'",
    "SET DateStyle = 'German, DMY'; SET TimeZone = 'Europe/Amsterdam'; SET extra_float_digits = -15;
     SET IntervalStyle = 'iso_8601'; SET bytea_output = 'escape'",
    "SET DateStyle = 'SQL, DMY'; SET TimeZone = 'Asia/Kolkata'; SET extra_float_digits = 0;
     SET IntervalStyle = 'sql_standard'; SET standard_conforming_strings = off",
    "SET DateStyle = 'Postgres, YMD'; SET TimeZone = 'America/St_Johns'; SET extra_float_digits = 3;
     SET xmlbinary = 'hex'",
];

/// Walks the list with another session for every page.
async fn walk(conns: &mut [PgConnection], pages: &Pages) -> Vec<i64> {
    let mut ids = Vec::new();
    let mut request = pages.request(None, size(1)).expect("the first page");
    for turn in 0.. {
        let session = turn % conns.len();
        let page = read(&mut conns[session], pages, scratch::ids(), &request).await;
        ids.extend(page.items);
        match page.next {
            Some(cursor) if ids.len() < 100 => {
                request = pages.request(Some(cursor.as_str()), size(1)).expect("our own cursor");
            }
            _ => break,
        }
    }
    ids
}

#[tokio::test]
async fn do_not_move_a_cursor() {
    fresh_db(|db| async move {
        let mut conns = Vec::new();
        for settings in SETTINGS {
            let mut conn = db.connect().await;
            conn.execute(settings).await.expect("set");
            conns.push(conn);
        }
        scratch::create(&mut conns[0]).await;
        let rows: Vec<scratch::Choice> = (0..24).map(|row| [row; scratch::COLUMNS]).collect();
        // One bit apart, and of seventeen digits.
        let floats = [0.1_f64.next_up(), 123_456_789.123_456_79, 8.888_888_888_888_889e-300];
        scratch::fill(&mut conns[0], &rows, &floats).await;
        for column in 0..scratch::COLUMNS {
            for direction in [Direction::Ascending, Direction::Descending] {
                let column = scratch::name(column);
                let keyset = Keyset::unique(&scratch::TABLE, "id", direction);
                let pages =
                    Pages::new(keyset.and_then(|keyset| keyset.by(column, direction)).expect("keys"), key());
                let way = if direction == Direction::Ascending { "ASC" } else { "DESC" };
                let text = format!("SELECT id FROM scratch ORDER BY \"{column}\" {way}, id {way}");
                let expected: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
                    .fetch_all(&mut conns[0])
                    .await
                    .expect("the rows");
                assert_eq!(walk(&mut conns, &pages).await, expected, "by {column} {way}");
            }
        }
    })
    .await;
}
