//! Threads: messages that answer one another.

use super::Email;
use crate::{Answer, EmailThreadId, UserId, entity, repository, text_enum};
use chrono::{DateTime, Utc};
use db_query::{asc, col, desc};
use sqlx::PgConnection;

text_enum! {
    /// Where a thread stands.
    pub enum ThreadStatus {
        /// Something may follow.
        Open = "open",
        /// Nothing more is expected.
        Closed = "closed",
        /// Out of sight.
        Archived = "archived",
    }
    transitions {
        Open => Closed | Archived,
        Closed => Open | Archived,
        Archived => Open,
    }
}

entity! {
    /// A row of `email_threads`.
    pub struct EmailThread in "email_threads": Versioned, SoftDeletes;
    /// A thread to insert; [`file`](super::file) does.
    struct NewEmailThread;
    fixed [user_id, message_count];

    id {
        /// Key.
        id: EmailThreadId,
    }
    required {
        /// Whose mailbox it is in.
        user_id: UserId,
    }
    default {
        /// What it is about: the subject of its first message, without `Re:`.
        subject: String = String::new(),
        /// How many messages it has.
        message_count: i32 = 0,
    }
    status {
        /// Where it stands.
        status: ThreadStatus = ThreadStatus::Open,
    }
    now {
        /// When its first message came.
        first_message_at: DateTime<Utc>,
        /// When its last message came.
        last_message_at: DateTime<Utc>,
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it was deleted.
        deleted_at: Option<DateTime<Utc>>,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
}

/// The threads of a mailbox, those with the latest message first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn threads(conn: &mut PgConnection, user_id: UserId, limit: u32) -> Answer<'_, Vec<EmailThread>> {
    repository::find(conn, |threads| {
        threads
            .filter(col("user_id").eq(user_id))
            .order_by(desc("last_message_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// The messages of a thread, oldest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn messages(conn: &mut PgConnection, thread_id: EmailThreadId, limit: u32) -> Answer<'_, Vec<Email>> {
    repository::find(conn, |emails| {
        emails
            .filter(col("thread_id").eq(thread_id))
            .order_by(asc("received_at"))
            .order_by(asc("id"))
            .limit(limit)
    })
}

/// A subject without what mail programs put before it: `Re:`, `Fwd:`, `AW:`, `[2]`, whatever the case.
#[must_use]
pub(super) fn bare_subject(subject: &str) -> &str {
    const MARKS: [&str; 8] = ["re", "fw", "fwd", "aw", "wg", "sv", "vs", "antw"];
    let mut bare = subject.trim();
    while let Some((mark, rest)) = bare.split_once(':') {
        let mark = mark
            .trim_end()
            .trim_end_matches(|char: char| matches!(char, '[' | ']' | '(' | ')') || char.is_ascii_digit());
        if !MARKS.contains(&mark.trim().to_ascii_lowercase().as_str()) {
            break;
        }
        bare = rest.trim();
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::bare_subject;

    #[test]
    fn marks_go_and_the_rest_stays() {
        for (subject, expected) in [
            ("Lunch", "Lunch"),
            ("Re: Lunch", "Lunch"),
            ("RE: re[2]: Fwd:  Lunch ", "Lunch"),
            ("AW: WG: Mittag", "Mittag"),
            ("Reminder: lunch", "Reminder: lunch"),
            ("Re:", ""),
            (": x", ": x"),
            ("", ""),
        ] {
            assert_eq!(bare_subject(subject), expected, "{subject:?}");
        }
    }
}
