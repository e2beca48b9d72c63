//! What some tables can do and others cannot: the compiler refuses what a table has no columns for.

use super::{ColumnType, Entity, Insertable, Record};
use chrono::{DateTime, Utc};
use db_query::{Table, Update};
use sqlx::{Decode, FromRow, Postgres, postgres::PgRow};
use std::fmt;

/// Rows that count their changes, so that a change on top of an outdated row is found out.
///
/// A table without a column `version` cannot do that, so this does not compile:
/// ```compile_fail
/// # use db_model::{repository, error_log::ErrorLog};
/// # async fn example(conn: &mut sqlx::PgConnection, error: &ErrorLog) -> Result<(), db_model::Error> {
/// repository::update(conn, error).await?;
/// # Ok(())
/// # }
/// ```
pub trait Versioned: Entity {
    /// Changes so far, from 1.
    fn version(&self) -> i64;
}

/// Rows that are marked as deleted, and may come back.
///
/// Others are deleted for good; this does not compile:
/// ```compile_fail
/// # use db_model::{repository, task::Task, TaskId};
/// # async fn example(conn: &mut sqlx::PgConnection, id: TaskId) -> Result<(), db_model::Error> {
/// repository::soft_delete::<Task>(conn, &id).await?;
/// # Ok(())
/// # }
/// ```
pub trait SoftDeletes: Entity {
    /// When it was deleted.
    fn deleted_at(&self) -> Option<DateTime<Utc>>;
}

/// A status with rules about what may follow.
pub trait Status:
    ColumnType + for<'r> Decode<'r, Postgres> + Copy + Eq + fmt::Display + Send + Sync + 'static
{
    /// Every status, in the order of declaration.
    const ALL: &'static [Self];

    /// Whether `next` may follow; a trigger of the table says the same.
    fn can_become(self, next: Self) -> bool;

    /// The text that the database holds.
    fn as_str(self) -> &'static str;
}

/// Rows that have a status.
pub trait HasStatus: Entity {
    /// Its type.
    type Status: Status;
    /// Its column.
    const STATUS: &'static str;

    /// Where the row stands.
    fn status(&self) -> Self::Status;
}

/// Rows that can be written over what is there.
pub trait Upserts: Insertable {
    /// The columns of the unique constraint that tells what is there.
    const CONFLICT: &'static [&'static str];
}

/// A row that may be deleted: reading functions that are asked for `WithDeleted<User>` in place of `User` find deleted
/// rows too.
#[derive(Clone, Debug, PartialEq)]
pub struct WithDeleted<E>(pub E);

impl<'r, E: SoftDeletes> FromRow<'r, PgRow> for WithDeleted<E> {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        E::from_row(row).map(Self)
    }
}

impl<E: SoftDeletes> Record for WithDeleted<E> {
    const TABLE: &'static Table = E::TABLE;
    const COLUMNS: &'static [&'static str] = E::COLUMNS;
    const HIDES_DELETED: bool = false;
}

impl<E: SoftDeletes> Entity for WithDeleted<E> {
    type Key = E::Key;
    const KEY: &'static [&'static str] = E::KEY;

    fn key(&self) -> E::Key {
        self.0.key()
    }

    fn write_sets(&self, update: Update) -> Update {
        self.0.write_sets(update)
    }

    fn shown(&self, column: &str) -> Option<String> {
        self.0.shown(column)
    }
}
