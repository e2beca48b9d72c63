//! Reads rows.

use super::visible;
use crate::{
    Answer,
    entity::{Entity, Key, Record},
    run::{Call, Line},
};
use db_query::{Page, PageRequest, Pages, Select, constant, count_all};
use sqlx::PgConnection;
use std::panic::Location;

/// The row with this key, or `None`.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked, or the row cannot be read.
#[track_caller]
pub fn get<'c, E: Entity>(conn: &'c mut PgConnection, key: &E::Key) -> Answer<'c, Option<E>> {
    get_at(Location::caller(), conn, key)
}

/// [`get`] on behalf of a line.
pub(crate) fn get_at<'c, E: Entity>(
    line: Line,
    conn: &'c mut PgConnection,
    key: &E::Key,
) -> Answer<'c, Option<E>> {
    let call = Call::at::<E>(line, "read");
    let statement = visible::<E>(Select::from(E::TABLE).columns(E::COLUMNS)).filter(key.is(E::KEY)).build();
    Box::pin(async move { call.optional(conn, statement).await })
}

/// The rows with these keys, in one statement however many there are, in no order. A key without a row is left out, and
/// one that stands there twice counts once.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked, or a row cannot be read.
#[track_caller]
pub fn get_many<'c, E: Entity>(conn: &'c mut PgConnection, keys: &[E::Key]) -> Answer<'c, Vec<E>> {
    let call = Call::new::<E>("read");
    let statement = (!keys.is_empty()).then(|| {
        visible::<E>(Select::from(E::TABLE).columns(E::COLUMNS)).filter(E::Key::among(keys, E::KEY)).build()
    });
    Box::pin(async move {
        match statement {
            Some(statement) => call.decode(&call.rows(conn, statement).await?),
            None => Ok(Vec::new()),
        }
    })
}

/// The rows that the closure asks for: it adds conditions, order and limit. Set a limit unless the rows are few by
/// nature.
///
/// # Errors
/// [`Error::Statement`](crate::Error::Statement) for names that there are not and for what cannot be built, [`Error::Database`](crate::Error::Database) when the server
/// cannot be asked, or a row cannot be read.
#[track_caller]
pub fn find<'c, R: Record>(
    conn: &'c mut PgConnection,
    ask: impl FnOnce(Select) -> Select,
) -> Answer<'c, Vec<R>> {
    let call = Call::new::<R>("read");
    let statement = ask(visible::<R>(Select::from(R::TABLE).columns(R::COLUMNS))).build();
    Box::pin(async move { call.decode(&call.checked_rows(conn, statement).await?) })
}

/// The first row that the closure asks for: it adds conditions and order, but no limit.
///
/// # Errors
/// As [`find`].
#[track_caller]
pub fn find_one<'c, R: Record>(
    conn: &'c mut PgConnection,
    ask: impl FnOnce(Select) -> Select,
) -> Answer<'c, Option<R>> {
    find_one_at(Location::caller(), conn, ask)
}

/// [`find_one`] on behalf of a line.
pub(crate) fn find_one_at<'c, R: Record>(
    line: Line,
    conn: &'c mut PgConnection,
    ask: impl FnOnce(Select) -> Select,
) -> Answer<'c, Option<R>> {
    let call = Call::at::<R>(line, "read");
    let statement = ask(visible::<R>(Select::from(R::TABLE).columns(R::COLUMNS)).limit(1)).build();
    Box::pin(async move { Ok(call.decode(&call.checked_rows(conn, statement).await?)?.pop()) })
}

/// Whether there is a row for which the closure's conditions hold.
///
/// # Errors
/// As [`find`].
#[track_caller]
pub fn exists<'c, R: Record>(
    conn: &'c mut PgConnection,
    ask: impl FnOnce(Select) -> Select,
) -> Answer<'c, bool> {
    let call = Call::new::<R>("read");
    let statement =
        ask(visible::<R>(Select::from(R::TABLE).columns(constant(true).alias("found"))).limit(1)).build();
    Box::pin(async move { Ok(!call.checked_rows(conn, statement).await?.is_empty()) })
}

/// How many rows there are for which the closure's conditions hold; it adds nothing but conditions.
///
/// # Errors
/// As [`find`].
#[track_caller]
pub fn count<'c, R: Record>(
    conn: &'c mut PgConnection,
    ask: impl FnOnce(Select) -> Select,
) -> Answer<'c, i64> {
    let call = Call::new::<R>("count");
    let statement = ask(visible::<R>(Select::from(R::TABLE).columns(count_all().alias("rows")))).build();
    Box::pin(async move {
        let rows: Vec<(i64,)> = call.decode(&call.checked_rows(conn, statement).await?)?;
        Ok(rows.first().map_or(0, |row| row.0))
    })
}

/// One page of the rows for which the closure's conditions hold; it adds nothing but conditions. See
/// [`Keyset`](db_query::Keyset) for the order, and for what a cursor promises.
///
/// ```no_run
/// use db_model::{entity::Record, repository, user::User};
/// use db_query::{CursorKey, Keyset, PageSize, Pages, col};
///
/// # async fn example(
/// #     conn: &mut sqlx::PgConnection, key: CursorKey, cursor: Option<&str>,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let newest_first = Keyset::parse(User::TABLE, "-created_at", "id")?;
/// let pages = Pages::new(newest_first, key);
/// let request = pages.request(cursor, PageSize::new(50)?)?;
/// let page = repository::page::<User>(conn, &pages, &request, |users| users.filter(col("role").eq("admin"))).await?;
/// println!("{} users, next page: {:?}", page.items.len(), page.next);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`find`].
#[track_caller]
pub fn page<'c, R: Record>(
    conn: &'c mut PgConnection,
    pages: &'c Pages,
    request: &'c PageRequest,
    ask: impl FnOnce(Select) -> Select,
) -> Answer<'c, Page<R>> {
    let call = Call::new::<R>("read");
    let list = ask(visible::<R>(Select::from(R::TABLE).columns(R::COLUMNS)));
    let statement = pages.select(list, request).build();
    Box::pin(async move {
        let rows = call.checked_rows(conn, statement).await?;
        pages.page(rows, request).map_err(|error| call.failed(error))
    })
}
