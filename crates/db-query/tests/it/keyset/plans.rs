//! A page is read by the index of its order, from where the page before ended, and nothing is sorted.

use super::{key, read, scratch, size};
use db_query::{Cursor, Direction, Field, Keyset, Kind, Nulls, PageRequest, Pages, Select, Table};
use db_testkit::fresh_db;
use sqlx::{AssertSqlSafe, Execute, Executor, PgConnection};

use Direction::{Ascending, Descending};

const TASKS: Table =
    Table::new("tasks", &[Field::new("id", Kind::Uuid), Field::new("created_at", Kind::Timestamptz)]);

fn on_scratch(keys: &[(&str, Direction, Option<Nulls>)], unique: Direction) -> Pages {
    let keyset = Keyset::unique(&scratch::TABLE, "id", unique).expect("unique");
    let keyset = keys.iter().try_fold(keyset, |keyset, &(column, direction, nulls)| match nulls {
        Some(nulls) => keyset.by_nulls(column, direction, nulls),
        None => keyset.by(column, direction),
    });
    Pages::new(keyset.expect("keys"), key())
}

/// What the server does for a page. It may choose freely: no setting speaks for the index.
async fn plan(conn: &mut PgConnection, pages: &Pages, select: Select, request: &PageRequest) -> String {
    let mut statement = pages.select(select, request).build().expect("valid");
    let arguments = statement.take_arguments().expect("encoded").expect("there");
    let text = format!("EXPLAIN (COSTS OFF) {}", db_query::Statement::sql(&statement));
    let lines: Vec<String> =
        sqlx::query_scalar_with(AssertSqlSafe(text), arguments).fetch_all(conn).await.expect("a plan");
    lines.join("\n")
}

/// The plan must read this index, begin at the position, and sort nothing.
fn check(plan: &str, scan: &str, condition: &str) {
    assert!(plan.contains(scan), "{scan} in\n{plan}");
    assert!(plan.contains(condition), "{condition} in\n{plan}");
    assert!(!plan.contains("Sort"), "{plan}");
}

/// The request for the page behind the first one.
async fn second(conn: &mut PgConnection, pages: &Pages, select: Select) -> PageRequest {
    let first = pages.request(None, size(10)).expect("the first page");
    let page = read(conn, pages, select, &first).await;
    pages.request(page.next.as_ref().map(AsRef::as_ref), size(10)).expect("our own cursor")
}

async fn with_tasks(conn: &mut PgConnection) {
    conn.execute(
        "INSERT INTO tasks (title, created_at)
         SELECT 'x', timestamptz 'epoch' + n * interval '1 minute' FROM generate_series(1, 5000) AS n",
    )
    .await
    .expect("inserted");
    conn.execute("ANALYZE tasks").await.expect("analysed");
}

/// A fifth of 5,000 rows has no `n_null`, all have an `n` of 500 values.
async fn with_scratch(conn: &mut PgConnection, index: &'static str) {
    scratch::create(conn).await;
    conn.execute(
        r#"INSERT INTO scratch (id, n, n_null, t, "at", f, b, u, raw, span)
           SELECT n, n % 500, nullif(n % 5, 0), n % 7, 'epoch', n % 11, true, gen_random_uuid(), '', '1 day'
           FROM generate_series(1, 5000) AS n"#,
    )
    .await
    .expect("inserted");
    conn.execute(index).await.expect("indexed");
    conn.execute("ANALYZE scratch").await.expect("analysed");
}

#[tokio::test]
async fn of_the_newest_tasks_use_their_index_both_ways() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        with_tasks(conn).await;
        let keyset =
            Keyset::unique(&TASKS, "id", Descending).and_then(|keyset| keyset.by("created_at", Descending));
        let pages = Pages::new(keyset.expect("keys"), key());
        // The rows' type is the reader's business: here the time as a number.
        let select = || {
            Select::from("tasks").columns(
                db_query::func("date_part", (db_query::value("epoch"), db_query::col("created_at")))
                    .cast(db_query::SqlType::Int8)
                    .alias("seconds"),
            )
        };
        let forwards = second(conn, &pages, select()).await;
        let plan_forwards = plan(conn, &pages, select(), &forwards).await;
        check(&plan_forwards, "Scan using tasks_created_idx", "Index Cond: (ROW(created_at, id) < ROW(");
        let last = read(conn, &pages, select(), &pages.last(size(10))).await;
        let backwards =
            pages.request(last.previous.as_ref().map(AsRef::as_ref), size(10)).expect("our own cursor");
        let plan_backwards = plan(conn, &pages, select(), &backwards).await;
        check(
            &plan_backwards,
            "Scan Backward using tasks_created_idx",
            "Index Cond: (ROW(created_at, id) > ROW(",
        );
        for end in [pages.request(None, size(10)).expect("the first page"), pages.last(size(10))] {
            check(&plan(conn, &pages, select(), &end).await, "using tasks_created_idx", "Limit");
        }
    })
    .await;
}

#[tokio::test]
async fn of_a_single_key_use_its_index() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        with_scratch(&mut conn, "SELECT 1").await;
        for (direction, scan, condition) in [
            (Ascending, "Scan using scratch_pkey", "Index Cond: (id > "),
            (Descending, "Scan Backward using scratch_pkey", "Index Cond: (id < "),
        ] {
            let pages = on_scratch(&[], direction);
            let request = second(&mut conn, &pages, scratch::ids()).await;
            check(&plan(&mut conn, &pages, scratch::ids(), &request).await, scan, condition);
        }
    })
    .await;
}

#[tokio::test]
async fn of_mixed_directions_begin_at_the_first_key() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        with_scratch(&mut conn, "CREATE INDEX mixed ON scratch (n DESC, t, id DESC)").await;
        let pages = on_scratch(&[("n", Descending, None), ("t", Ascending, None)], Descending);
        let request = second(&mut conn, &pages, scratch::ids()).await;
        check(
            &plan(&mut conn, &pages, scratch::ids(), &request).await,
            "Scan using mixed",
            "Index Cond: (n <= 499)",
        );
        let last = read(&mut conn, &pages, scratch::ids(), &pages.last(size(10))).await;
        let back =
            pages.request(last.previous.as_ref().map(AsRef::as_ref), size(10)).expect("our own cursor");
        check(
            &plan(&mut conn, &pages, scratch::ids(), &back).await,
            "Scan Backward using mixed",
            "Index Cond: (n >= 0)",
        );
    })
    .await;
}

/// A value at the first key bounds the index where NULLs stand before it, and a NULL where NULLs stand behind. In the
/// other two cases what comes after is two ranges: the index gives the order, and what stands before is filtered out.
#[tokio::test]
async fn with_nulls_begin_at_the_first_key_where_one_range_can_say_it() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let conn = &mut conn;
        with_scratch(conn, "CREATE INDEX nulls ON scratch (n_null DESC, id DESC)").await;
        let pages = on_scratch(&[("n_null", Descending, None)], Descending);
        let select = scratch::ids;
        let ours = |cursor: Option<&Cursor>, rows: u16| {
            pages.request(cursor.map(AsRef::as_ref), size(rows)).expect("our own cursor")
        };
        // The first 1,000 rows are those with NULL.
        let nulls = read(conn, &pages, select(), &ours(None, 1_000)).await;
        let values = read(conn, &pages, select(), &ours(nulls.next.as_ref(), 1_000)).await;
        let behind_a_value = plan(conn, &pages, select(), &ours(values.next.as_ref(), 5)).await;
        check(&behind_a_value, "Scan using nulls", "Index Cond: (n_null <= 4)");
        let among_nulls = read(conn, &pages, select(), &ours(None, 5)).await;
        let behind_a_null = plan(conn, &pages, select(), &ours(among_nulls.next.as_ref(), 5)).await;
        check(&behind_a_null, "Scan using nulls", "Filter: ");

        // Backwards NULLs stand last.
        let before_a_value = plan(conn, &pages, select(), &ours(values.previous.as_ref(), 5)).await;
        check(&before_a_value, "Scan Backward using nulls", "Filter: ");
        let half = read(conn, &pages, select(), &ours(None, 500)).await;
        let other_half = read(conn, &pages, select(), &ours(half.next.as_ref(), 5)).await;
        let before_a_null = plan(conn, &pages, select(), &ours(other_half.previous.as_ref(), 5)).await;
        check(&before_a_null, "Scan Backward using nulls", "Index Cond: ((n_null IS NULL) AND (id > ");
    })
    .await;
}

/// Where NULLs stand in a column that has none must not cost the index.
#[tokio::test]
async fn of_a_column_without_nulls_use_its_index_wherever_nulls_would_stand() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        with_scratch(&mut conn, "CREATE INDEX plain ON scratch (n, id)").await;
        for nulls in [Nulls::First, Nulls::Last] {
            let pages = on_scratch(&[("n", Ascending, Some(nulls))], Ascending);
            let request = second(&mut conn, &pages, scratch::ids()).await;
            let plan = plan(&mut conn, &pages, scratch::ids(), &request).await;
            check(&plan, "Scan using plain", "Index Cond: (ROW(n, id) > ROW(");
        }
    })
    .await;
}
