//! Keyset pages before a server: the same rows as OFFSET gives, by an index, with cursors that nobody else can make.

mod cursors;
mod errors;
mod moving;
mod names;
mod plans;
mod scratch;
mod sessions;
mod walks;

use db_core::Secret;
use db_query::{CursorKey, Page, PageRequest, PageSize, Pages, Select};
use sqlx::{Executor, PgConnection};

fn key() -> CursorKey {
    CursorKey::new(&Secret::new("sixteen bytes or more".to_owned())).expect("long enough")
}

fn size(rows: u16) -> PageSize {
    PageSize::new(rows).expect("a page's size")
}

/// Reads the page of a SELECT whose first column is a number.
async fn read(conn: &mut PgConnection, pages: &Pages, select: Select, request: &PageRequest) -> Page<i64> {
    let statement = pages.select(select, request).build().expect("valid");
    let text = statement.sql().to_owned();
    let rows = conn.fetch_all(statement).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    pages.page::<(i64,)>(rows, request).expect("a page").map(|(id,)| id)
}
