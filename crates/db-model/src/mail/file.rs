//! Filing a message: which thread it belongs to, by what it answers and what answers it.
//!
//! The References and In-Reply-To headers tell, as RFC 5322 (3.6.4) has them; subjects do not, as strangers share them.
//! Messages come in any order: one that answers two threads, or that two threads answer, makes them one.

use super::{
    Direction, Email, EmailThread, NewEmail, NewEmailAttachment, NewEmailThread, Sides, ThreadStatus,
    thread::bare_subject,
};
use crate::{
    Answer, EmailThreadId, Error, UserId,
    entity::{Record, WithDeleted},
    repository,
    run::{Call, Line},
    user::User,
};
use chrono::{DateTime, Utc};
use db_query::{
    Delete, Lock, Op, Select, Update, asc, case, col, constant, count_all, greatest, least, max, min, now,
    subquery, value,
};
use sqlx::PgConnection;
use std::panic::Location;

/// A message with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Incoming {
    /// The message; its `thread_id` is found, whatever it is.
    pub email: NewEmail,
    /// Who sent it, and who got it.
    pub sides: Sides,
    /// What is attached; their `email_id` is set, whatever it is.
    pub attachments: Vec<NewEmailAttachment>,
}

impl Incoming {
    /// A message without people and attachments.
    #[must_use]
    pub fn new(email: NewEmail) -> Self {
        Self { email, sides: Sides::default(), attachments: Vec::new() }
    }

    /// With one more attachment of this size.
    #[must_use]
    pub fn attach(
        mut self,
        attachment: impl FnOnce(NewEmailAttachment) -> NewEmailAttachment,
        size_bytes: i64,
    ) -> Self {
        self.attachments.push(attachment(NewEmailAttachment::new(self.email.id, size_bytes)));
        self
    }
}

/// A message in its thread.
#[derive(Clone, Debug, PartialEq)]
pub struct Filed {
    /// The message.
    pub email: Email,
    /// The thread, with the message counted.
    pub thread: EmailThread,
    /// Whether the message was in the mailbox already, by its `message_id`: then nothing was written, even if it was
    /// deleted since. Only one that was in no thread was put into one.
    pub known: bool,
}

/// Puts a message into the mailbox of its user and into the thread that it belongs to, with its people and attachments. A
/// message that came before is found by its `message_id`. One that comes to a closed or archived thread opens it.
///
/// Call it in a transaction. Messages of one mailbox are filed one after the other, or two that belong together could each
/// begin a thread.
///
/// # Errors
/// [`Error::NotFound`] without such a user, [`Error::TooMany`] for more people than there are places in a header,
/// [`Error::Refused`] by a constraint, [`Error::Value`] for what no column holds, [`Error::Database`] when the server cannot
/// be asked; the caller's transaction must then be rolled back.
#[track_caller]
pub fn file<'c>(conn: &'c mut PgConnection, mail: &'c Incoming) -> Answer<'c, Filed> {
    let line = Location::caller();
    Box::pin(async move {
        // What it answers stands in one column, so that one index finds its answers.
        let new = NewEmail {
            message_id: mail.email.own_id().map(str::to_owned),
            in_reply_to: mail.email.in_reply_to.as_deref().map(|id| id.trim().to_owned()),
            reference_ids: mail.email.ancestors().into_iter().map(str::to_owned).collect(),
            ..mail.email.clone()
        };
        let people = mail.sides.rows(new.id)?;
        lock_mailbox(line, conn, new.user_id).await?;
        if let Some(email) = known(line, conn, &new).await? {
            return file_again(line, conn, new, email).await;
        }
        let thread = thread_for(line, conn, &new).await?;
        let row = NewEmail { thread_id: Some(thread), ..new };
        let email: Email = repository::insert_at(line, conn, &row).await?;
        repository::insert_many_at(line, conn, &people).await?;
        let of_email =
            |attachment: &NewEmailAttachment| NewEmailAttachment { email_id: email.id, ..attachment.clone() };
        let attachments: Vec<NewEmailAttachment> = mail.attachments.iter().map(of_email).collect();
        repository::insert_many_at(line, conn, &attachments).await?;
        let thread = count(line, conn, thread, &email).await?;
        Ok(Filed { email, thread, known: false })
    })
}

/// A message that is there stays as it is, but gets a thread where it has none: its own may have been deleted.
async fn file_again(
    line: Line,
    conn: &mut PgConnection,
    new: NewEmail,
    mut email: Email,
) -> Result<Filed, Error> {
    let thread = match email.thread_id {
        Some(id) => repository::get_at::<WithDeleted<EmailThread>>(line, conn, &id).await?,
        None => None,
    };
    if let Some(WithDeleted(thread)) = thread {
        return Ok(Filed { email, thread, known: true });
    }
    let new = NewEmail { received_at: Some(email.received_at), ..new };
    let thread = thread_for(line, conn, &new).await?;
    let statement = Update::table("emails")
        .set("thread_id", thread)
        .set_expr("version", col("version") + constant(1))
        .set_expr("updated_at", now())
        .filter(col("id").eq(email.id))
        .returning(Email::COLUMNS)
        .build();
    email = Call::at::<Email>(line, "put into a thread a row of").only(conn, statement).await?;
    let thread = count(line, conn, thread, &email).await?;
    Ok(Filed { email, thread, known: true })
}

/// The thread that a message belongs to: one that there is, those that it joins, or a new one.
async fn thread_for(line: Line, conn: &mut PgConnection, new: &NewEmail) -> Result<EmailThreadId, Error> {
    let threads = related(line, conn, new).await?;
    match threads.split_first() {
        None => begin(line, conn, new).await,
        Some((&oldest, others)) => {
            if !others.is_empty() {
                merge(line, conn, oldest, others).await?;
            }
            Ok(oldest)
        }
    }
}

async fn lock_mailbox(line: Line, conn: &mut PgConnection, user_id: UserId) -> Result<(), Error> {
    let call = Call::at::<User>(line, "lock a mailbox in");
    let statement = Select::from("users")
        .columns(["id"])
        .filter(col("id").eq(user_id))
        .filter(col("deleted_at").is_null())
        .lock(Lock::for_no_key_update())
        .build();
    match call.value::<UserId>(conn, statement).await? {
        Some(_) => Ok(()),
        None => Err(Error::NotFound { table: "users", id: user_id.to_string() }),
    }
}

/// The message as it was filed before, also one that was deleted since.
async fn known(line: Line, conn: &mut PgConnection, new: &NewEmail) -> Result<Option<Email>, Error> {
    let Some(message_id) = new.message_id.as_deref() else { return Ok(None) };
    let email: Option<WithDeleted<Email>> = repository::find_one_at(line, conn, |emails| {
        emails.filter(col("user_id").eq(new.user_id)).filter(col("message_id").eq(message_id))
    })
    .await?;
    Ok(email.map(|WithDeleted(email)| email))
}

/// The threads of what a message answers and of what answers it, the oldest first.
async fn related(line: Line, conn: &mut PgConnection, new: &NewEmail) -> Result<Vec<EmailThreadId>, Error> {
    let call = Call::at::<EmailThread>(line, "look for threads in");
    let ancestors: Vec<&str> = new.ancestors();
    let message_id: Vec<&str> = new.message_id.as_deref().into_iter().collect();
    if ancestors.is_empty() && message_id.is_empty() {
        return Ok(Vec::new());
    }
    let in_mailbox = || col("emails.user_id").eq(new.user_id).and(col("emails.thread_id").is_not_null());
    let statement = Select::from("email_threads")
        .columns(["id"])
        .filter(col("id").in_query(|q| {
            q.from("emails")
                .columns(["emails.thread_id"])
                .filter(in_mailbox())
                .filter(col("emails.message_id").any(ancestors))
                .union(|q| {
                    q.from("emails")
                        .columns(["emails.thread_id"])
                        .filter(in_mailbox())
                        .filter(col("emails.reference_ids").cmp(Op::Contains, message_id.clone()))
                        // An empty list is contained in every other.
                        .filter(value(message_id).ne(Vec::<String>::new()))
                })
        }))
        .order_by(asc("first_message_at"))
        .order_by(asc("id"))
        .build();
    let rows: Vec<(EmailThreadId,)> = call.decode(&call.rows(conn, statement).await?)?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

async fn begin(line: Line, conn: &mut PgConnection, new: &NewEmail) -> Result<EmailThreadId, Error> {
    let thread = NewEmailThread::new(new.user_id).subject(bare_subject(&new.subject));
    let thread =
        NewEmailThread { first_message_at: new.received_at, last_message_at: new.received_at, ..thread };
    Ok(repository::insert_at(line, conn, &thread).await?.id)
}

/// Moves the messages of other threads into one, and deletes the others.
async fn merge(
    line: Line,
    conn: &mut PgConnection,
    into: EmailThreadId,
    others: &[EmailThreadId],
) -> Result<(), Error> {
    let call = Call::at::<EmailThread>(line, "join threads in");
    let moved = Update::table("emails")
        .set("thread_id", into)
        .set_expr("version", col("version") + constant(1))
        .set_expr("updated_at", now())
        .filter(col("thread_id").any(others.to_vec()))
        .build();
    call.execute(conn, moved).await?;
    let deleted = Delete::from("email_threads").filter(col("id").any(others.to_vec())).build();
    call.execute(conn, deleted).await?;
    let counted = Update::table("email_threads")
        .set_expr("message_count", col("all.messages"))
        .set_expr("first_message_at", col("all.first_at"))
        .set_expr("last_message_at", col("all.last_at"))
        .set_expr("version", col("version") + constant(1))
        .set_expr("updated_at", now())
        .from(subquery("all", |q| {
            q.from("emails")
                .columns((
                    count_all().cast(db_query::SqlType::Int4).alias("messages"),
                    min(col("emails.received_at")).alias("first_at"),
                    max(col("emails.received_at")).alias("last_at"),
                ))
                .filter(col("emails.thread_id").eq(into))
        }))
        .filter(col("id").eq(into))
        .build();
    call.execute(conn, counted).await?;
    Ok(())
}

/// Counts a message in its thread; one that comes in opens it.
async fn count(
    line: Line,
    conn: &mut PgConnection,
    thread: EmailThreadId,
    email: &Email,
) -> Result<EmailThread, Error> {
    let call = Call::at::<EmailThread>(line, "count a message in");
    let at: DateTime<Utc> = email.received_at;
    let is_inbound = constant(email.direction == Direction::Inbound).holds();
    let statement = Update::table("email_threads")
        .set_expr("message_count", col("message_count") + constant(1))
        .set_expr("first_message_at", least((col("first_message_at"), value(at))))
        .set_expr("last_message_at", greatest((col("last_message_at"), value(at))))
        .set_expr("status", case(is_inbound, constant(ThreadStatus::Open.as_str())).otherwise(col("status")))
        .set_expr("deleted_at", db_query::constant_null())
        .set_expr("version", col("version") + constant(1))
        .set_expr("updated_at", now())
        .filter(col("id").eq(thread))
        .returning(EmailThread::COLUMNS)
        .build();
    call.only(conn, statement).await
}
