//! Settings that a running service reads, by name.

use crate::{
    Answer, entity,
    entity::{Entity, Insertable, Record},
    repository,
    run::Call,
};
use chrono::{DateTime, Utc};
use db_query::{Insert, OnConflict, Op, asc, coalesce, col, constant, excluded, now};
use serde_json::Value;
use sqlx::PgConnection;

entity! {
    /// A row of `system_config`.
    pub struct Setting in "system_config": Versioned;
    /// A setting to insert, or to write over the one of the same name.
    struct NewSetting;

    key {
        /// Its name, as in `pool.size`; not empty.
        key: String,
    }
    required {
        /// What it is set to.
        value: Value,
    }
    optional {
        /// What it is for.
        description: String,
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it last changed.
        updated_at: DateTime<Utc>,
    }
}

/// The setting of this name, or `None`.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn get<'c>(conn: &'c mut PgConnection, key: &str) -> Answer<'c, Option<Setting>> {
    repository::get(conn, &key.to_owned())
}

/// The settings whose names begin with this text, by name; any name does for an empty one.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn list<'c>(conn: &'c mut PgConnection, begins_with: &str, limit: u32) -> Answer<'c, Vec<Setting>> {
    repository::find(conn, |settings| {
        settings.filter(col("key").cmp(Op::StartsWith, begins_with)).order_by(asc("key")).limit(limit)
    })
}

/// Writes a setting, whatever its value was before. Without a description the one that is there stays.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) for an empty name, [`Error::Database`](crate::Error::Database) when the server
/// cannot be asked.
#[track_caller]
pub fn set<'c>(conn: &'c mut PgConnection, new: &'c NewSetting) -> Answer<'c, Setting> {
    let call = Call::new::<Setting>("write");
    let statement = Insert::into("system_config", NewSetting::COLUMNS)
        .row(|row| new.write_row(row))
        .on_conflict(OnConflict::columns(Setting::KEY).set(|sets| {
            sets.set_excluded("value")
                .set_expr(
                    "description",
                    coalesce((excluded("description"), col("system_config.description"))),
                )
                .set_expr("version", col("system_config.version") + constant(1))
                .set_expr("updated_at", now());
        }))
        .returning(Setting::COLUMNS)
        .build();
    Box::pin(async move {
        call.only(conn, statement).await.map_err(|error| error.with_value(|column| new.shown(column)))
    })
}

/// Writes a setting that was read, unless somebody has changed it since.
///
/// # Errors
/// [`Error::Stale`](crate::Error::Stale) when it was changed, [`Error::NotFound`](crate::Error::NotFound) when it is gone,
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn update<'c>(conn: &'c mut PgConnection, setting: &'c Setting) -> Answer<'c, Setting> {
    repository::update(conn, setting)
}
