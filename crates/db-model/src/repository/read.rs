//! Reads rows.

use super::visible;
use crate::{
    Answer,
    entity::{Entity, Key, Record},
    run::Call,
};
use db_query::{Select, count_all};
use sqlx::PgConnection;

/// The row with this key, or `None`.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked, or the row cannot be read.
#[track_caller]
pub fn get<'c, E: Entity>(conn: &'c mut PgConnection, key: &E::Key) -> Answer<'c, Option<E>> {
    let call = Call::new::<E>("read");
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
pub fn find<'c, R: Record, F: FnOnce(Select) -> Select>(
    conn: &'c mut PgConnection,
    ask: F,
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
pub fn find_one<'c, R: Record, F: FnOnce(Select) -> Select>(
    conn: &'c mut PgConnection,
    ask: F,
) -> Answer<'c, Option<R>> {
    let call = Call::new::<R>("read");
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
        ask(visible::<R>(Select::from(R::TABLE).columns(db_query::constant(true).alias("found"))).limit(1))
            .build();
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
