//! Who sent a message, and who got it.

use super::Email;
use crate::{Answer, EmailId, EmailThreadId, Error, UserId, entity, repository, run::Call, text_enum};
use db_query::{Select, asc, col, count, desc, exists, lower, max, value};
use sqlx::{FromRow, PgConnection};
use std::collections::HashMap;

text_enum! {
    /// In which header an address stands.
    pub enum ParticipantRole {
        /// Who wrote it.
        From = "from",
        /// Whom it is for.
        To = "to",
        /// Who is to know of it.
        Cc = "cc",
        /// Who is to know of it without the others' knowing.
        Bcc = "bcc",
        /// Where answers go.
        ReplyTo = "reply_to",
    }
}

entity! {
    /// A row of `email_participants`: one address of one header.
    pub struct EmailParticipant in "email_participants";
    /// An address to insert.
    struct NewEmailParticipant;

    key {
        /// The message.
        email_id: EmailId,
        /// The header.
        role: ParticipantRole,
        /// Its place in the header, from 0.
        position: i16,
    }
    required {
        /// The address as it is written; 1 to 998 bytes.
        address: String,
    }
    optional {
        /// The name beside it.
        name: String,
    }
}

/// An address with the name beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Side {
    role: ParticipantRole,
    address: String,
    name: Option<String>,
}

/// The addresses of a message, in the order of its headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sides(Vec<Side>);

impl Sides {
    /// Adds who wrote it.
    #[must_use]
    pub fn from(self, address: impl Into<String>) -> Self {
        self.with(ParticipantRole::From, address, None)
    }

    /// Adds whom it is for.
    #[must_use]
    pub fn to(self, address: impl Into<String>) -> Self {
        self.with(ParticipantRole::To, address, None)
    }

    /// Adds who is to know of it.
    #[must_use]
    pub fn cc(self, address: impl Into<String>) -> Self {
        self.with(ParticipantRole::Cc, address, None)
    }

    /// Adds an address of any header, with the name beside it.
    #[must_use]
    pub fn with(mut self, role: ParticipantRole, address: impl Into<String>, name: Option<String>) -> Self {
        self.0.push(Side { role, address: address.into(), name });
        self
    }

    /// Rows for a message.
    pub(super) fn rows(&self, email_id: EmailId) -> Result<Vec<NewEmailParticipant>, Error> {
        let mut rows: Vec<NewEmailParticipant> = Vec::with_capacity(self.0.len());
        let mut places: HashMap<ParticipantRole, usize> = HashMap::new();
        for side in &self.0 {
            let place = places.entry(side.role).or_default();
            let position = i16::try_from(*place).map_err(|_| self.too_many(side.role))?;
            *place += 1;
            let row = NewEmailParticipant::new(email_id, side.role, position, side.address.clone());
            rows.push(NewEmailParticipant { name: side.name.clone(), ..row });
        }
        Ok(rows)
    }

    fn too_many(&self, role: ParticipantRole) -> Error {
        Error::TooMany {
            table: "email_participants",
            most: usize::from(i16::MAX.unsigned_abs()) + 1,
            given: self.0.iter().filter(|side| side.role == role).count(),
        }
    }
}

/// Somebody in several messages.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct Correspondent {
    /// The address in small letters.
    pub address: String,
    /// A name that stood beside it.
    pub name: Option<String>,
    /// In how many messages.
    pub messages: i64,
}

/// The addresses of a message: header by header, in their order.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn of_email(conn: &mut PgConnection, email_id: EmailId, limit: u32) -> Answer<'_, Vec<EmailParticipant>> {
    repository::find(conn, |people| {
        people
            .filter(col("email_id").eq(email_id))
            .order_by(asc("role"))
            .order_by(asc("position"))
            .limit(limit)
    })
}

/// Who takes part in a thread, the most frequent first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn of_thread(
    conn: &mut PgConnection,
    thread_id: EmailThreadId,
    limit: u32,
) -> Answer<'_, Vec<Correspondent>> {
    let call = Call::new::<EmailParticipant>("read");
    let statement = correspondents().filter(col("emails.thread_id").eq(thread_id)).limit(limit).build();
    Box::pin(async move { call.decode(&call.rows(conn, statement).await?) })
}

/// People and in how many messages that are not deleted they are; to be filtered.
pub(super) fn correspondents() -> Select {
    let address = || lower(col("email_participants.address"));
    Select::from("email_participants")
        .columns((
            address().alias("address"),
            max(col("email_participants.name")).alias("name"),
            count(col("emails.id")).distinct().alias("messages"),
        ))
        .join("emails", col("emails.id").eq_col("email_participants.email_id"))
        .filter(col("emails.deleted_at").is_null())
        .group_by_expr(address())
        .order_by(desc("messages"))
        .order_by(asc("address"))
}

/// Messages of a mailbox from or to an address, whatever its case, newest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn with_address<'c>(
    conn: &'c mut PgConnection,
    user_id: UserId,
    address: &str,
    limit: u32,
) -> Answer<'c, Vec<Email>> {
    repository::find(conn, |emails| {
        emails
            .filter(col("user_id").eq(user_id))
            .filter(exists(|q| {
                q.from("email_participants")
                    .columns(["email_participants.email_id"])
                    .filter(col("email_participants.email_id").eq_col("emails.id"))
                    .filter(lower(col("email_participants.address")).eq_to(lower(value(address))))
            }))
            .order_by(desc("received_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}
