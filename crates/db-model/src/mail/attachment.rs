//! What is known of attachments; their content lies elsewhere.

use crate::{Answer, EmailAttachmentId, EmailId, entity, repository};
use chrono::{DateTime, Utc};
use db_query::{asc, col};
use sqlx::PgConnection;

entity! {
    /// A row of `email_attachments`.
    pub struct EmailAttachment in "email_attachments";
    /// An attachment to insert.
    struct NewEmailAttachment;

    id {
        /// Key.
        id: EmailAttachmentId,
    }
    required {
        /// The message; [`file`](super::file) sets it.
        email_id: EmailId,
        /// Size in bytes, decoded.
        size_bytes: i64,
    }
    optional {
        /// What the sender calls it. Do not use it as a path.
        filename: String,
        /// SHA-256 of the content, 32 bytes.
        sha256: Vec<u8>,
        /// The Content-ID header, by which the HTML body refers to it.
        content_id: String,
        /// Where the content is.
        storage_url: String,
    }
    default {
        /// What the sender says it is; not empty.
        content_type: String = "application/octet-stream".to_owned(),
        /// Whether it is shown within the body rather than offered beside it.
        inline: bool = false,
    }
    database {
        /// When it was inserted.
        created_at: DateTime<Utc>,
    }
}

/// The attachments of a message, in the order in which they were inserted.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn attachments(
    conn: &mut PgConnection,
    email_id: EmailId,
    limit: u32,
) -> Answer<'_, Vec<EmailAttachment>> {
    repository::find(conn, |attachments| {
        attachments.filter(col("email_id").eq(email_id)).order_by(asc("id")).limit(limit)
    })
}
