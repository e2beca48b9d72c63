//! Users: accounts of people and services. How they prove who they are is told elsewhere.

use crate::{Answer, UserId, entity, repository, text_enum};
use chrono::{DateTime, Utc};
use db_query::{Field, Kind, col, lower, value};
use sqlx::PgConnection;

text_enum! {
    /// Where an account stands.
    pub enum UserStatus {
        /// Asked for, not confirmed.
        Pending = "pending",
        /// In use.
        Active = "active",
        /// May not sign in for now.
        Suspended = "suspended",
        /// Ended for good.
        Closed = "closed",
    }
    transitions {
        Pending => Active | Closed,
        Active => Suspended | Closed,
        Suspended => Active | Closed,
    }
}

entity! {
    /// A row of `users`, without the hash of the password, which no list needs.
    pub struct User in "users": Versioned, SoftDeletes;
    /// A user to insert, who cannot sign in before there is a password.
    struct NewUser;

    id {
        /// Key.
        id: UserId,
    }
    required {
        /// Address, unique whatever the case; one at-sign, at most 320 bytes.
        email: String,
    }
    optional {
        /// Name to sign in with, unique whatever the case; at most 64 characters, no at-sign or blank.
        username: String,
    }
    default {
        /// What the user may do; not empty.
        role: String = "member".to_owned(),
    }
    status {
        /// Where the account stands.
        status: UserStatus = UserStatus::Pending,
    }
    database {
        /// Failures to sign in since the last success.
        failed_logins: i32,
        /// No sign-in before this time, whatever the password.
        locked_until: Option<DateTime<Utc>>,
        /// When the user last signed in.
        last_login_at: Option<DateTime<Utc>>,
        /// Changes so far.
        version: i64,
        /// When it was deleted; its address and name are free since.
        deleted_at: Option<DateTime<Utc>>,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
    hidden [Field::new("password_hash", Kind::Text).nullable()]
}

/// The user with this address, whatever its case.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn by_email<'c>(conn: &'c mut PgConnection, email: &str) -> Answer<'c, Option<User>> {
    repository::find_one(conn, |users| users.filter(lower(col("email")).eq_to(lower(value(email)))))
}

/// The user with this name, whatever its case.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn by_username<'c>(conn: &'c mut PgConnection, username: &str) -> Answer<'c, Option<User>> {
    // The index is for rows that have a name, which the planner has to see.
    repository::find_one(conn, |users| {
        users
            .filter(lower(col("username")).eq_to(lower(value(username))))
            .filter(col("username").is_not_null())
    })
}
