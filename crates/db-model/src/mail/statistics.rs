//! What the mail of a span of time adds up to.

use super::{Correspondent, Direction, Email, EmailStatus, participant::correspondents};
use crate::{Answer, UserId, run::Call};
use chrono::{DateTime, Utc};
use db_query::{
    Condition, Expr, Select, asc, avg, col, constant, count_all, func, lateral, min, percentile, table_as,
    value,
};
use sqlx::{FromRow, PgConnection};

/// Mail of a span of time.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct MailStatistics {
    /// Messages in all.
    pub messages: i64,
    /// Those that came.
    pub inbound: i64,
    /// Those that went.
    pub outbound: i64,
    /// Those that nobody has read.
    pub unread: i64,
    /// Those that were answered.
    pub replied: i64,
    /// Those that nobody wanted.
    pub spam: i64,
    /// Those that a model has an opinion of.
    pub analysed: i64,
    /// Mean of their sentiments, from -1 to 1.
    pub sentiment: Option<f64>,
    /// Mean of their urgencies, from 0 to 1.
    pub urgency: Option<f64>,
    /// Mean of their importances, from 0 to 1.
    pub importance: Option<f64>,
}

/// Mail of a day.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct Day {
    /// Where the day begins, in UTC.
    pub begins_at: DateTime<Utc>,
    /// Messages that came.
    pub inbound: i64,
    /// Messages that went.
    pub outbound: i64,
}

/// How long answers took, in seconds.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub struct ResponseTimes {
    /// How many messages were answered.
    pub answered: i64,
    /// The median.
    pub p50: Option<f64>,
    /// Ninety-five of a hundred took no longer.
    pub p95: Option<f64>,
}

/// A span of time: from its begin to before its end.
fn within(user_id: UserId, from: DateTime<Utc>, until: DateTime<Utc>) -> Condition<impl Expr> {
    col("emails.user_id")
        .eq(user_id)
        .and(col("emails.deleted_at").is_null())
        .and(col("emails.received_at").ge(from))
        .and(col("emails.received_at").lt(until))
}

fn went(direction: Direction) -> Condition<impl Expr> {
    col("emails.direction").eq_to(constant(direction.as_str()))
}

fn stands(status: EmailStatus) -> Condition<impl Expr> {
    col("emails.status").eq_to(constant(status.as_str()))
}

/// Sums up the mail of a mailbox from one time to before another.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn statistics(
    conn: &mut PgConnection,
    user_id: UserId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Answer<'_, MailStatistics> {
    let call = Call::new::<Email>("sum up");
    let statement = Select::from("emails")
        .columns((
            count_all().alias("messages"),
            count_all().only(went(Direction::Inbound)).alias("inbound"),
            count_all().only(went(Direction::Outbound)).alias("outbound"),
            count_all().only(stands(EmailStatus::Unread)).alias("unread"),
            count_all().only(stands(EmailStatus::Replied)).alias("replied"),
            count_all().only(stands(EmailStatus::Spam)).alias("spam"),
        ))
        .columns((
            db_query::count(col("email_analysis.email_id")).alias("analysed"),
            avg(col("email_analysis.sentiment")).alias("sentiment"),
            avg(col("email_analysis.urgency")).alias("urgency"),
            avg(col("email_analysis.importance")).alias("importance"),
        ))
        .left_join("email_analysis", col("email_analysis.email_id").eq_col("emails.id"))
        .filter(within(user_id, from, until))
        .build();
    Box::pin(async move { call.only(conn, statement).await })
}

/// The mail of a mailbox day by day, oldest first; a day without mail is left out.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn days(
    conn: &mut PgConnection,
    user_id: UserId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u32,
) -> Answer<'_, Vec<Day>> {
    let call = Call::new::<Email>("sum up");
    let begin = || func("date_trunc", (constant("day"), col("emails.received_at"), constant("UTC")));
    let statement = Select::from("emails")
        .columns((
            begin().alias("begins_at"),
            count_all().only(went(Direction::Inbound)).alias("inbound"),
            count_all().only(went(Direction::Outbound)).alias("outbound"),
        ))
        .filter(within(user_id, from, until))
        .group_by_expr(begin())
        .order_by(asc("begins_at"))
        .limit(limit)
        .build();
    Box::pin(async move { call.decode(&call.rows(conn, statement).await?) })
}

/// The people that a mailbox had most messages with, from one time to before another.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn top_correspondents(
    conn: &mut PgConnection,
    user_id: UserId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    limit: u32,
) -> Answer<'_, Vec<Correspondent>> {
    let call = Call::new::<Email>("sum up");
    let statement = correspondents().filter(within(user_id, from, until)).limit(limit).build();
    Box::pin(async move { call.decode(&call.rows(conn, statement).await?) })
}

/// How long the owner of a mailbox took to answer what came from one time to before another: to the first answer each.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn response_times(
    conn: &mut PgConnection,
    user_id: UserId,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
) -> Answer<'_, ResponseTimes> {
    let call = Call::new::<Email>("sum up");
    let seconds = || func("date_part", (constant("epoch"), col("answer.at") - col("emails.received_at")));
    let statement = Select::from("emails")
        .columns((
            count_all().alias("answered"),
            percentile(value(0.5), seconds()).alias("p50"),
            percentile(value(0.95), seconds()).alias("p95"),
        ))
        // Answers are in the message's thread, so its index finds them.
        .cross_join(lateral("answer", |q| {
            q.from(table_as("emails", "reply"))
                .columns(min(col("reply.received_at")).alias("at"))
                .filter(col("reply.thread_id").eq_col("emails.thread_id"))
                .filter(col("reply.in_reply_to").eq_col("emails.message_id"))
                .filter(col("reply.direction").eq_to(constant(Direction::Outbound.as_str())))
                .filter(col("reply.deleted_at").is_null())
        }))
        .filter(within(user_id, from, until))
        .filter(went(Direction::Inbound))
        .filter(col("answer.at").is_not_null())
        .build();
    Box::pin(async move { call.only(conn, statement).await })
}
