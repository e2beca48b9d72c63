//! Research: questions put to agents, and what was found.

use crate::{
    Answer, ResearchQueryId, ResearchResultId, ResearchSourceId, Urgency, entity, full_text, repository,
    text_enum,
};
use chrono::{DateTime, Utc};
use db_query::{Field, Kind, asc, clock_timestamp, col, constant, constant_null, value};
use serde_json::{Value, json};
use sqlx::PgConnection;

text_enum! {
    /// Where a question stands.
    pub enum ResearchStatus {
        /// Nobody works on it.
        Pending = "pending",
        /// An agent works on it.
        InProgress = "in_progress",
        /// It is answered.
        Completed = "completed",
        /// No answer was found.
        Failed = "failed",
        /// It is no longer wanted.
        Cancelled = "cancelled",
    }
    transitions {
        Pending => InProgress | Cancelled,
        InProgress => Completed | Failed | Cancelled | Pending,
        Failed => Pending,
        Cancelled => Pending,
    }
}

text_enum! {
    /// What kind of answer is wanted.
    pub enum ResearchType {
        /// How something works.
        Technical = "technical",
        /// Where something is going.
        Trend = "trend",
        /// What is bought and sold.
        Market = "market",
        /// What science says.
        Academic = "academic",
        /// What others do.
        Competitive = "competitive",
        /// Anything else.
        General = "general",
    }
}

entity! {
    /// A row of `research_queries`.
    pub struct ResearchQuery in "research_queries": Versioned, SoftDeletes;
    /// A question to insert, pending.
    struct NewResearchQuery;

    id {
        /// Key.
        id: ResearchQueryId,
    }
    required {
        /// The question; not empty.
        query_text: String,
    }
    optional {
        /// Who asks.
        requested_by: String,
    }
    default {
        /// What kind of answer is wanted.
        research_type: ResearchType = ResearchType::General,
        /// How urgent it is.
        priority: Urgency = Urgency::Normal,
        /// What the agent needs to know.
        parameters: Value = json!({}),
    }
    status by database {
        /// Where it stands.
        status: ResearchStatus,
    }
    database {
        /// Who works, or worked, on it.
        agent: Option<String>,
        /// Why there is no answer.
        error_details: Option<Value>,
        /// Start of the latest attempt.
        started_at: Option<DateTime<Utc>>,
        /// When it became completed, failed or cancelled.
        completed_at: Option<DateTime<Utc>>,
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

entity! {
    /// A row of `research_results`.
    pub struct ResearchResult in "research_results";
    /// A result to insert.
    struct NewResearchResult;

    id {
        /// Key.
        id: ResearchResultId,
    }
    required {
        /// The question that it answers.
        query_id: ResearchQueryId,
        /// What it is, in one line; not empty.
        title: String,
    }
    optional {
        /// Where it comes from.
        source_id: ResearchSourceId,
        /// What was found.
        content: String,
        /// The same in few words.
        summary: String,
        /// How well it answers the question, from 0 to 1.
        relevance: f64,
        /// How sure the agent is that it holds, from 0 to 1.
        confidence: f64,
        /// Its place among the results, from 1, the best.
        rank: i32,
    }
    default {
        /// What else is known.
        data: Value = json!({}),
    }
    database {
        /// When it was inserted.
        created_at: DateTime<Utc>,
    }
    hidden [Field::new("search", Kind::Tsvector)]
}

/// How a question ends, or goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResearchChange<'a> {
    /// An agent begins.
    Start {
        /// Which one.
        agent: &'a str,
    },
    /// It is answered.
    Complete,
    /// There is no answer.
    Fail {
        /// Why not.
        details: &'a Value,
    },
    /// It is no longer wanted.
    Cancel,
    /// It waits again.
    Requeue,
}

/// Changes where a question stands, with all that goes with it.
///
/// # Errors
/// [`Error::Transition`](crate::Error::Transition) when the new status may not follow,
/// [`Error::NotFound`](crate::Error::NotFound) without such a question.
#[track_caller]
pub fn set_status<'c>(
    conn: &'c mut PgConnection,
    id: ResearchQueryId,
    change: ResearchChange<'_>,
) -> Answer<'c, ResearchQuery> {
    use ResearchChange::{Cancel, Complete, Fail, Requeue, Start};
    let to = match change {
        Start { .. } => ResearchStatus::InProgress,
        Complete => ResearchStatus::Completed,
        Fail { .. } => ResearchStatus::Failed,
        Cancel => ResearchStatus::Cancelled,
        Requeue => ResearchStatus::Pending,
    };
    repository::set_status_with(conn, &id, to, |query| match change {
        Start { agent } => query
            .set("agent", agent)
            .set_expr("started_at", clock_timestamp())
            .set_expr("error_details", constant_null()),
        Complete | Cancel => query.set_expr("completed_at", clock_timestamp()),
        Fail { details } => query.set("error_details", details).set_expr("completed_at", clock_timestamp()),
        Requeue => query.set_expr("completed_at", constant_null()),
    })
}

/// Questions that wait for an answer, oldest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn open(conn: &mut PgConnection, limit: u32) -> Answer<'_, Vec<ResearchQuery>> {
    repository::find(conn, |queries| {
        let pending = col("status").eq_to(constant(ResearchStatus::Pending.as_str()));
        let started = col("status").eq_to(constant(ResearchStatus::InProgress.as_str()));
        queries.filter(pending.or(started)).order_by(asc("created_at")).order_by(asc("id")).limit(limit)
    })
}

/// Questions that match what somebody typed, best first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn search<'c>(conn: &'c mut PgConnection, text: &str, limit: u32) -> Answer<'c, Vec<ResearchQuery>> {
    repository::find(conn, |queries| full_text::matching(queries, text).limit(limit))
}

/// The results of a question, best first; those without a rank last.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn results(
    conn: &mut PgConnection,
    query_id: ResearchQueryId,
    limit: u32,
) -> Answer<'_, Vec<ResearchResult>> {
    repository::find(conn, |results| {
        results.filter(col("query_id").eq(query_id)).order_by(asc("rank")).order_by(asc("id")).limit(limit)
    })
}

/// Results that match what somebody typed, best first; `least_relevance` leaves out what answers its question less.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn search_results<'c>(
    conn: &'c mut PgConnection,
    text: &str,
    least_relevance: Option<f64>,
    limit: u32,
) -> Answer<'c, Vec<ResearchResult>> {
    repository::find(conn, |results| {
        let results = full_text::matching(results, text).limit(limit);
        match least_relevance {
            Some(least) => results.filter(col("relevance").cmp_to(db_query::Op::Ge, value(least))),
            None => results,
        }
    })
}
