//! Changes and deletes rows that are there.

use super::{touch, visible};
use crate::{
    Answer, Error,
    entity::{Entity, Key, SoftDeletes, Versioned},
    run::{Call, Line},
};
use db_query::{Delete, Select, Update, col, now};
use sqlx::PgConnection;
use std::panic::Location;

/// Writes a whole row over the one that it was read from, and returns it as the database has it then.
///
/// # Errors
/// [`Error::Stale`] when it was changed since it was read, [`Error::NotFound`] when it is gone; [`Error::Refused`] by a
/// constraint, [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn update<'c, E: Versioned + Sync>(conn: &'c mut PgConnection, row: &'c E) -> Answer<'c, E> {
    update_at(Location::caller(), conn, row)
}

/// [`update`] on behalf of a line.
pub(crate) fn update_at<'c, E: Versioned + Sync>(
    line: Line,
    conn: &'c mut PgConnection,
    row: &'c E,
) -> Answer<'c, E> {
    let call = Call::at::<E>(line, "update");
    let (key, expected) = (row.key(), row.version());
    let statement = touch::<E>(row.write_sets(Update::table(E::TABLE.name())))
        .filter(key.is(E::KEY))
        .filter(col("version").eq(expected))
        .returning(E::COLUMNS)
        .build();
    Box::pin(async move {
        let updated = call.optional(conn, statement).await;
        if let Some(updated) = updated.map_err(|error| error.with_value(|column| row.shown(column)))? {
            return Ok(updated);
        }
        let version = visible::<E>(Select::from(E::TABLE).columns("version")).filter(key.is(E::KEY)).build();
        let (table, id) = (E::TABLE.name(), key.text());
        Err(match call.then("read the version in").value(conn, version).await? {
            Some(found) => Error::Stale { table, id, expected, found },
            None => Error::NotFound { table, id },
        })
    })
}

/// Marks a row as deleted, and returns it. Reading functions do not find it any more, unless they are asked for
/// [`WithDeleted`](crate::entity::WithDeleted).
///
/// # Errors
/// [`Error::NotFound`] without such a row, or when it is deleted already; [`Error::Database`] when the server cannot be
/// asked.
#[track_caller]
pub fn soft_delete<'c, E: SoftDeletes>(conn: &'c mut PgConnection, key: &E::Key) -> Answer<'c, E> {
    let call = Call::new::<E>("delete from");
    let update = touch::<E>(Update::table(E::TABLE.name()).set_expr("deleted_at", now()));
    changed(call, conn, update, key)
}

/// Takes back a [`soft_delete`].
///
/// # Errors
/// [`Error::NotFound`] without such a row, or when it is not deleted; [`Error::Refused`] when another row has taken its
/// place; [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn restore<'c, E: SoftDeletes>(conn: &'c mut PgConnection, key: &E::Key) -> Answer<'c, E> {
    let call = Call::new::<E>("restore a row of");
    let update = Update::table(E::TABLE.name())
        .set_expr("deleted_at", db_query::value(None::<chrono::DateTime<chrono::Utc>>))
        .filter(col("deleted_at").is_not_null());
    changed(call, conn, super::counted::<E>(update), key)
}

/// Deletes a row for good, also one that is marked as deleted.
///
/// # Errors
/// [`Error::NotFound`] without such a row, [`Error::Refused`] when others refer to it, [`Error::Database`] when the
/// server cannot be asked.
#[track_caller]
pub fn delete<'c, E: Entity>(conn: &'c mut PgConnection, key: &E::Key) -> Answer<'c, ()> {
    let call = Call::new::<E>("delete from");
    let statement = Delete::from(E::TABLE.name()).filter(key.is(E::KEY)).build();
    let id = key.text();
    Box::pin(async move {
        match call.execute(conn, statement).await? {
            0 => Err(Error::NotFound { table: E::TABLE.name(), id }),
            _ => Ok(()),
        }
    })
}

fn changed<'c, E: Entity>(
    call: Call,
    conn: &'c mut PgConnection,
    update: Update,
    key: &E::Key,
) -> Answer<'c, E> {
    let statement = update.filter(key.is(E::KEY)).returning(E::COLUMNS).build();
    let id = key.text();
    Box::pin(async move {
        let row = call.optional(conn, statement).await?;
        row.ok_or_else(|| Error::NotFound { table: E::TABLE.name(), id })
    })
}
