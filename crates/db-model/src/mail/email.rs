//! Messages.

use crate::{Answer, EmailId, EmailThreadId, Urgency, UserId, entity, full_text, repository, text_enum};
use chrono::{DateTime, Utc};
use db_query::{Field, Kind, Op, col, constant, desc};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::collections::HashSet;

text_enum! {
    /// Which way a message went.
    pub enum Direction {
        /// To the mailbox's owner.
        Inbound = "inbound",
        /// From the mailbox's owner.
        Outbound = "outbound",
    }
}

text_enum! {
    /// What became of a message.
    pub enum EmailStatus {
        /// Not read.
        Unread = "unread",
        /// Read.
        Read = "read",
        /// Answered.
        Replied = "replied",
        /// Kept out of sight.
        Archived = "archived",
        /// Not wanted in the first place.
        Spam = "spam",
        /// Thrown away, and may be taken back.
        Trash = "trash",
    }
    transitions {
        Unread => Read | Replied | Archived | Spam | Trash,
        Read => Unread | Replied | Archived | Spam | Trash,
        Replied => Archived | Spam | Trash,
        Archived => Unread | Read | Replied | Spam | Trash,
        Spam => Unread | Read | Trash,
        Trash => Unread | Read | Replied | Archived,
    }
}

entity! {
    /// A row of `emails`.
    pub struct Email in "emails": Versioned, SoftDeletes;
    /// A message to insert; [`file`](super::file) finds its thread.
    struct NewEmail;
    fixed [user_id, direction, message_id, in_reply_to, reference_ids, sent_at, received_at];

    id {
        /// Key.
        id: EmailId,
    }
    required {
        /// Whose mailbox it is in.
        user_id: UserId,
        /// Which way it went.
        direction: Direction,
    }
    optional {
        /// The thread, in the same mailbox.
        thread_id: EmailThreadId,
        /// The Message-ID header, unique in a mailbox; at most 998 bytes.
        message_id: String,
        /// The In-Reply-To header: a message that need not be here.
        in_reply_to: String,
        /// The body as text.
        body_text: String,
        /// The body as HTML.
        body_html: String,
        /// Its beginning, for lists.
        snippet: String,
        /// The Date header, which is what the sender says.
        sent_at: DateTime<Utc>,
        /// Its size on the wire.
        size_bytes: i64,
    }
    default {
        /// The References header, oldest first.
        reference_ids: Vec<String> = Vec::new(),
        /// The Subject header.
        subject: String = String::new(),
        /// How urgent it is.
        priority: Urgency = Urgency::Normal,
        /// What it is filed under.
        labels: Vec<String> = Vec::new(),
        /// Other headers.
        headers: Value = json!({}),
    }
    status {
        /// What became of it.
        status: EmailStatus = EmailStatus::Unread,
    }
    now {
        /// When it came into the mailbox, or left it: the order of lists.
        received_at: DateTime<Utc>,
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
    hidden [Field::new("search", Kind::Tsvector)]
}

/// Bytes of a Message-ID: a line of a header holds no more (RFC 5322, 2.1.1).
const MAX_ID_BYTES: usize = 998;
/// Ancestors that a message keeps: the first, which began the thread, and the last.
const MAX_ANCESTORS: usize = 100;

impl NewEmail {
    /// The messages that it answers, directly or not, oldest first, each once: References, and In-Reply-To behind it. What
    /// is too long to be an id is left out, and of more than 100 all but the first and the last 99.
    #[must_use]
    pub fn ancestors(&self) -> Vec<&str> {
        let own = self.own_id();
        let mut seen = HashSet::new();
        let mut ancestors: Vec<&str> = self
            .reference_ids
            .iter()
            .chain(&self.in_reply_to)
            .map(|id| id.trim())
            .filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES && Some(*id) != own && seen.insert(*id))
            .collect();
        let surplus = ancestors.len().saturating_sub(MAX_ANCESTORS);
        if surplus > 0 {
            ancestors.drain(1..=surplus);
        }
        ancestors
    }

    /// Its Message-ID without the blanks around it, if there is one.
    pub(super) fn own_id(&self) -> Option<&str> {
        self.message_id.as_deref().map(str::trim).filter(|id| !id.is_empty())
    }
}

/// Which messages are looked for; what is `None` is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EmailSearch<'a> {
    /// Words, `"phrases"`, `or`, `-not`, in subject and body.
    pub text: Option<&'a str>,
    /// What became of them.
    pub status: Option<EmailStatus>,
    /// How urgent they are.
    pub priority: Option<Urgency>,
    /// What they are filed under.
    pub label: Option<&'a str>,
    /// Received at this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Received before this time.
    pub until: Option<DateTime<Utc>>,
}

/// Messages of a mailbox: with a text those that match best, without one the newest.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn search<'c>(
    conn: &'c mut PgConnection,
    user_id: UserId,
    wanted: EmailSearch<'_>,
    limit: u32,
) -> Answer<'c, Vec<Email>> {
    repository::find(conn, |emails| {
        let mut emails = emails.filter(col("user_id").eq(user_id)).limit(limit);
        if let Some(text) = wanted.text {
            emails = full_text::matching(emails, text);
        }
        if let Some(status) = wanted.status {
            emails = emails.filter(col("status").eq_to(constant(status.as_str())));
        }
        if let Some(priority) = wanted.priority {
            emails = emails.filter(col("priority").eq(priority));
        }
        if let Some(label) = wanted.label {
            emails = emails.filter(col("labels").cmp(Op::Contains, vec![label]));
        }
        if let Some(from) = wanted.from {
            emails = emails.filter(col("received_at").ge(from));
        }
        if let Some(until) = wanted.until {
            emails = emails.filter(col("received_at").lt(until));
        }
        emails.order_by(desc("received_at")).order_by(desc("id"))
    })
}

/// Unread messages of a mailbox, newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn unread(conn: &mut PgConnection, user_id: UserId, limit: u32) -> Answer<'_, Vec<Email>> {
    repository::find(conn, |emails| {
        emails
            .filter(col("user_id").eq(user_id))
            .filter(col("status").eq_to(constant(EmailStatus::Unread.as_str())))
            .order_by(desc("received_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// How many messages of a mailbox are unread.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn unread_count(conn: &mut PgConnection, user_id: UserId) -> Answer<'_, i64> {
    repository::count::<Email>(conn, |emails| {
        emails
            .filter(col("user_id").eq(user_id))
            .filter(col("status").eq_to(constant(EmailStatus::Unread.as_str())))
    })
}
