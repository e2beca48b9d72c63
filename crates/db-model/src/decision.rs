//! Decisions of agents: what they chose between, why, and how it turned out.

use crate::{AgentId, Answer, DecisionId, TaskId, entity, repository, text_enum};
use chrono::{DateTime, Utc};
use db_query::{asc, clock_timestamp, col, constant, desc};
use serde_json::{Value, json};
use sqlx::PgConnection;

text_enum! {
    /// How a decision turned out.
    pub enum DecisionStatus {
        /// Not known yet.
        Pending = "pending",
        /// Well.
        Succeeded = "succeeded",
        /// Badly.
        Failed = "failed",
        /// It was taken back.
        Reverted = "reverted",
    }
    transitions {
        Pending => Succeeded | Failed | Reverted,
        Succeeded => Reverted,
        Failed => Reverted,
    }
}

entity! {
    /// A row of `decisions`.
    pub struct Decision in "decisions";
    /// A decision to insert, whose outcome is not known.
    struct NewDecision;

    id {
        /// Key.
        id: DecisionId,
    }
    required {
        /// What was decided about; not empty.
        decision_type: String,
        /// What was chosen; not empty.
        chosen: String,
    }
    optional {
        /// Who decided.
        agent_id: AgentId,
        /// For which task.
        task_id: TaskId,
        /// Why.
        rationale: String,
        /// How sure the agent was, from 0 to 1.
        confidence: f64,
    }
    default {
        /// What the agent knew.
        context: Value = json!({}),
        /// What it chose between, a JSON array.
        options: Value = json!([]),
    }
    status by database {
        /// How it turned out.
        status: DecisionStatus,
    }
    now {
        /// When.
        decided_at: DateTime<Utc>,
    }
    database {
        /// How it turned out, in detail.
        outcome: Option<Value>,
        /// When the present status was found out.
        resolved_at: Option<DateTime<Utc>>,
    }
}

/// Notes how a decision turned out.
///
/// # Errors
/// [`Error::Transition`](crate::Error::Transition) when that may not follow what was noted before, or for
/// [`DecisionStatus::Pending`]; [`Error::NotFound`](crate::Error::NotFound) without such a decision.
#[track_caller]
pub fn resolve<'c>(
    conn: &'c mut PgConnection,
    id: DecisionId,
    status: DecisionStatus,
    outcome: Option<&Value>,
) -> Answer<'c, Decision> {
    repository::set_status_with(conn, &id, status, |decision| {
        let decision = decision.set_expr("resolved_at", clock_timestamp());
        match outcome {
            Some(outcome) => decision.set("outcome", outcome),
            None => decision,
        }
    })
}

/// Decisions whose outcome is not known, oldest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn open(conn: &mut PgConnection, limit: u32) -> Answer<'_, Vec<Decision>> {
    repository::find(conn, |decisions| {
        decisions
            .filter(col("status").eq_to(constant(DecisionStatus::Pending.as_str())))
            .order_by(asc("decided_at"))
            .order_by(asc("id"))
            .limit(limit)
    })
}

/// Decisions of an agent, latest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn of_agent(conn: &mut PgConnection, agent_id: AgentId, limit: u32) -> Answer<'_, Vec<Decision>> {
    repository::find(conn, |decisions| {
        decisions
            .filter(col("agent_id").eq(agent_id))
            .order_by(desc("decided_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// Decisions made for a task, oldest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn for_task(conn: &mut PgConnection, task_id: TaskId, limit: u32) -> Answer<'_, Vec<Decision>> {
    repository::find(conn, |decisions| {
        decisions
            .filter(col("task_id").eq(task_id))
            .order_by(asc("decided_at"))
            .order_by(asc("id"))
            .limit(limit)
    })
}
