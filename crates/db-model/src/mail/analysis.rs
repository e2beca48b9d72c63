//! What models think of messages: the latest opinion of each.

use super::Email;
use crate::{Answer, EmailId, UserId, entity, repository};
use chrono::{DateTime, Utc};
use db_query::{col, desc};
use serde_json::{Value, json};
use sqlx::PgConnection;

entity! {
    /// A row of `email_analysis`.
    pub struct EmailAnalysis in "email_analysis";
    /// An opinion to insert, or to write over the one there is.
    struct NewEmailAnalysis;
    conflict [email_id];

    key {
        /// The message.
        email_id: EmailId,
    }
    required {
        /// Whose opinion it is; not empty.
        model: String,
    }
    optional {
        /// From -1, hostile, to 1, friendly.
        sentiment: f64,
        /// From 0 to 1.
        urgency: f64,
        /// From 0 to 1.
        importance: f64,
        /// What kind of message it is; not empty.
        category: String,
        /// What it says, in few words.
        summary: String,
    }
    default {
        /// Who and what it is about, a JSON array.
        entities: Value = json!([]),
    }
    now {
        /// When.
        analysed_at: DateTime<Utc>,
    }
}

/// Messages of a mailbox that a model finds important, the most important first; those without an opinion are left out.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn most_important(conn: &mut PgConnection, user_id: UserId, limit: u32) -> Answer<'_, Vec<Email>> {
    repository::find(conn, |emails| {
        emails
            .join("email_analysis", col("email_analysis.email_id").eq_col("emails.id"))
            .filter(col("emails.user_id").eq(user_id))
            .filter(col("email_analysis.importance").is_not_null())
            .order_by(desc("email_analysis.importance"))
            .order_by(desc("emails.received_at"))
            .order_by(desc("emails.id"))
            .limit(limit)
    })
}
