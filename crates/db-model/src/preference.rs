//! Preferences: settings of one user. A key that is absent has its default.

use crate::{Answer, UserId, entity, repository};
use chrono::{DateTime, Utc};
use db_query::{asc, col};
use serde_json::Value;
use sqlx::PgConnection;

entity! {
    /// A row of `user_preferences`.
    pub struct Preference in "user_preferences": Versioned;
    /// A preference to insert, or to write over the one there is.
    struct NewPreference;
    conflict [user_id, key];

    key {
        /// Whose it is.
        user_id: UserId,
        /// What it is about; not empty.
        key: String,
    }
    required {
        /// What it is set to.
        value: Value,
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
}

/// The preferences of a user, by key.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn of_user(conn: &mut PgConnection, user_id: UserId, limit: u32) -> Answer<'_, Vec<Preference>> {
    repository::find(conn, |preferences| {
        preferences.filter(col("user_id").eq(user_id)).order_by(asc("key")).limit(limit)
    })
}
