//! Events that concern security, and who dealt with them.

use crate::{
    Answer, Error, SecurityEventId, UserId, entity, entity::Record, repository, run::Call, text_enum,
};
use chrono::{DateTime, Utc};
use db_query::{Update, clock_timestamp, col, desc};
use serde_json::{Value, json};
use sqlx::PgConnection;

text_enum! {
    /// How bad an event is.
    pub enum Severity {
        /// Worth knowing.
        Info = "info",
        /// Odd.
        Low = "low",
        /// To be looked at.
        Medium = "medium",
        /// To be looked at today.
        High = "high",
        /// To be looked at now.
        Critical = "critical",
    }
}

entity! {
    /// A row of `security_events`.
    pub struct SecurityEvent in "security_events";
    /// An event to insert, that nobody has dealt with.
    struct NewSecurityEvent;

    id {
        /// Key.
        id: SecurityEventId,
    }
    required {
        /// What happened, such as `login.failed`; not empty.
        event_type: String,
    }
    optional {
        /// Who did it, as they called themselves.
        actor: String,
        /// The user that it is about.
        user_id: UserId,
        /// Where it came from.
        source_ip: String,
        /// What it was about.
        resource: String,
    }
    default {
        /// How bad it is.
        severity: Severity = Severity::Info,
        /// What else is known; no secrets.
        details: Value = json!({}),
    }
    database {
        /// When somebody had dealt with it.
        resolved_at: Option<DateTime<Utc>>,
        /// Who had.
        resolved_by: Option<String>,
        /// When it was inserted.
        created_at: DateTime<Utc>,
    }
}

/// Notes who dealt with an event. The first who did stays.
///
/// # Errors
/// [`Error::NotFound`] without such an event that is open, [`Error::Refused`] for an empty name, [`Error::Database`] when
/// the server cannot be asked.
#[track_caller]
pub fn resolve<'c>(
    conn: &'c mut PgConnection,
    id: SecurityEventId,
    resolved_by: &str,
) -> Answer<'c, SecurityEvent> {
    let call = Call::new::<SecurityEvent>("resolve an event in");
    let statement = Update::table("security_events")
        .set_expr("resolved_at", clock_timestamp())
        .set("resolved_by", resolved_by)
        .filter(col("id").eq(id))
        .filter(col("resolved_at").is_null())
        .returning(SecurityEvent::COLUMNS)
        .build();
    Box::pin(async move {
        let resolved = call.optional(conn, statement).await?;
        resolved.ok_or_else(|| Error::NotFound { table: "security_events", id: id.to_string() })
    })
}

/// Events of one severity that nobody has dealt with, newest first.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn open(conn: &mut PgConnection, severity: Severity, limit: u32) -> Answer<'_, Vec<SecurityEvent>> {
    repository::find(conn, |events| {
        events
            .filter(col("severity").eq(severity))
            .filter(col("resolved_at").is_null())
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// Events around a user, newest first.
///
/// # Errors
/// [`Error::Database`] when the server cannot be asked.
#[track_caller]
pub fn of_user(conn: &mut PgConnection, user_id: UserId, limit: u32) -> Answer<'_, Vec<SecurityEvent>> {
    repository::find(conn, |events| {
        events
            .filter(col("user_id").eq(user_id))
            .order_by(desc("created_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}
