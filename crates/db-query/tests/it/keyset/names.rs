//! A key is the table's column, whatever else goes by its name in the statement.

use super::{key, read, scratch, size};
use db_query::{Direction, Keyset, Pages, Select, col, constant, table_as};
use db_testkit::fresh_db;
use sqlx::PgConnection;

fn pages(alias: Option<&str>) -> Pages {
    let keyset = Keyset::unique(&scratch::TABLE, "id", Direction::Ascending).expect("unique");
    let keyset = keyset.by("n", Direction::Ascending).expect("a key");
    Pages::new(alias.into_iter().fold(keyset, Keyset::alias), key())
}

async fn all(conn: &mut PgConnection, pages: &Pages, select: impl Fn() -> Select) -> Vec<i64> {
    let mut ids = Vec::new();
    let mut request = pages.request(None, size(2)).expect("the first page");
    loop {
        let page = read(conn, pages, select(), &request).await;
        ids.extend(page.items);
        match page.next {
            Some(cursor) if ids.len() < 50 => {
                request = pages.request(Some(cursor.as_str()), size(2)).expect("our own cursor");
            }
            _ => return ids,
        }
    }
}

async fn with_rows(conn: &mut PgConnection) -> Vec<i64> {
    scratch::create(conn).await;
    let rows: Vec<scratch::Choice> = (0..9).map(|row| [row; scratch::COLUMNS]).collect();
    scratch::fill(conn, &rows, &[]).await;
    sqlx::query_scalar("SELECT id FROM scratch ORDER BY n, id").fetch_all(conn).await.expect("the rows")
}

#[tokio::test]
async fn a_result_column_of_the_same_name_changes_nothing() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let expected = with_rows(&mut conn).await;
        // In ORDER BY a bare name would mean the result column.
        let select = || Select::from("scratch").columns(("id", (constant(-1) - col("n")).alias("n")));
        assert_eq!(all(&mut conn, &pages(None), select).await, expected);
    })
    .await;
}

#[tokio::test]
async fn a_joined_table_with_the_same_columns_changes_nothing() {
    fresh_db(|db| async move {
        let mut conn = db.connect().await;
        let expected = with_rows(&mut conn).await;
        let join = || {
            Select::from("public.scratch")
                .columns(["scratch.id"])
                .left_join(table_as("scratch", "other"), col("other.id").eq_col("scratch.id"))
        };
        assert_eq!(all(&mut conn, &pages(None), join).await, expected);
        let aliased = || {
            Select::from(table_as("scratch", "s"))
                .columns(["s.id"])
                .left_join("scratch", col("scratch.id").eq_col("s.id"))
        };
        assert_eq!(all(&mut conn, &pages(Some("s")), aliased).await, expected);
    })
    .await;
}
