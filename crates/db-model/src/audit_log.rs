//! Who changed what, and from what to what. Entries are appended and read; nobody changes them.

use crate::{Answer, AuditLogId, entity, repository};
use chrono::{DateTime, Utc};
use db_query::{col, desc};
use serde_json::Value;
use sqlx::PgConnection;

entity! {
    /// A row of `audit_logs`.
    pub struct AuditLog in "audit_logs";
    /// An entry to append; no secrets.
    struct NewAuditLog;

    id {
        /// Key.
        id: AuditLogId,
    }
    required {
        /// Name of the table, or of the kind of thing where there is no table; not empty.
        entity_type: String,
        /// Key of the entity, written as text.
        entity_id: String,
        /// What was done, as in `update`; not empty.
        action: String,
    }
    optional {
        /// What it was before.
        old_values: Value,
        /// What it is since.
        new_values: Value,
        /// Who did it.
        user_id: String,
    }
    database {
        /// When.
        created_at: DateTime<Utc>,
    }
}

/// Appends an entry.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) by a constraint, [`Error::Database`](crate::Error::Database) when the server
/// cannot be asked.
#[track_caller]
pub fn append<'c>(conn: &'c mut PgConnection, new: &'c NewAuditLog) -> Answer<'c, AuditLog> {
    repository::insert(conn, new)
}

/// What was done to one entity, the latest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn history<'c>(
    conn: &'c mut PgConnection,
    entity_type: &str,
    entity_id: &str,
    limit: u16,
) -> Answer<'c, Vec<AuditLog>> {
    repository::find(conn, |entries| {
        entries
            .filter(col("entity_type").eq(entity_type))
            .filter(col("entity_id").eq(entity_id))
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit.into())
    })
}

/// What one user did, the latest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn by_user<'c>(conn: &'c mut PgConnection, user_id: &str, limit: u16) -> Answer<'c, Vec<AuditLog>> {
    repository::find(conn, |entries| {
        entries
            .filter(col("user_id").eq(user_id))
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit.into())
    })
}
