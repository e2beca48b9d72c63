//! Agents: instances that work, what they can do, and whether they live.

use crate::{AgentId, Answer, entity, repository, run::Call, text_enum};
use chrono::{DateTime, Utc};
use db_query::{Op, Update, asc, clock_timestamp, col, make_interval, now, value};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::time::Duration;

text_enum! {
    /// What an agent does.
    pub enum AgentStatus {
        /// It is coming up.
        Starting = "starting",
        /// It works.
        Active = "active",
        /// It has nothing to do.
        Idle = "idle",
        /// It was told to do nothing.
        Paused = "paused",
        /// It broke down.
        Failed = "failed",
        /// It was ended.
        Stopped = "stopped",
    }
    transitions {
        Starting => Active | Idle | Failed | Stopped,
        Active => Idle | Paused | Failed | Stopped,
        Idle => Active | Paused | Failed | Stopped,
        Paused => Active | Idle | Failed | Stopped,
        Failed => Starting | Stopped,
        Stopped => Starting,
    }
}

entity! {
    /// A row of `agents`. One that starts again keeps its row.
    pub struct Agent in "agents": Versioned, SoftDeletes;
    /// An agent to insert.
    struct NewAgent;

    id {
        /// Key.
        id: AgentId,
    }
    required {
        /// Its name, unique among those that are not deleted; not empty.
        name: String,
        /// What kind it is, such as `gmail` or `research`; not empty.
        kind: String,
    }
    default {
        /// How it is set up.
        configuration: Value = json!({}),
        /// What it can do.
        capabilities: Vec<String> = Vec::new(),
    }
    status {
        /// What it does.
        status: AgentStatus = AgentStatus::Starting,
    }
    database {
        /// Last sign of life.
        last_heartbeat_at: Option<DateTime<Utc>>,
        /// Changes so far; signs of life are none.
        version: i64,
        /// When it was deleted; its name is free since.
        deleted_at: Option<DateTime<Utc>>,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed, or gave a sign of life.
        updated_at: DateTime<Utc>,
    }
}

/// The agent with this name.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn by_name<'c>(conn: &'c mut PgConnection, name: &str) -> Answer<'c, Option<Agent>> {
    repository::find_one(conn, |agents| agents.filter(col("name").eq(name)))
}

/// Notes that an agent lives. `false` when there is no such agent.
///
/// It changes neither the version nor an index, so that it costs little however often it comes.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn heartbeat(conn: &mut PgConnection, id: AgentId) -> Answer<'_, bool> {
    let call = Call::new::<Agent>("note a sign of life in");
    let statement = Update::table("agents")
        .set_expr("last_heartbeat_at", clock_timestamp())
        .set_expr("updated_at", clock_timestamp())
        .filter(col("id").eq(id))
        .filter(col("deleted_at").is_null())
        .build();
    Box::pin(async move { Ok(call.execute(conn, statement).await? > 0) })
}

/// Agents that should be working and gave no sign of life for so long, the longest silent first; those that never gave
/// one count from when they were inserted.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn silent(conn: &mut PgConnection, since: Duration, limit: u32) -> Answer<'_, Vec<Agent>> {
    repository::find(conn, |agents| {
        let working =
            [AgentStatus::Starting, AgentStatus::Active, AgentStatus::Idle].map(AgentStatus::as_str);
        let last_sign = || db_query::coalesce((col("last_heartbeat_at"), col("created_at")));
        let before = now() - make_interval(value(since.as_secs_f64()));
        agents
            .filter(col("status").any(working.to_vec()))
            .filter(last_sign().cmp_to(Op::Lt, before))
            .order_by(last_sign().asc())
            .order_by(asc("id"))
            .limit(limit)
    })
}

/// Agents that can do all of this, those that live last seen first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn with_capabilities<'c>(
    conn: &'c mut PgConnection,
    capabilities: &[&str],
    limit: u32,
) -> Answer<'c, Vec<Agent>> {
    repository::find(conn, |agents| {
        agents
            .filter(col("capabilities").cmp(Op::Contains, capabilities.to_vec()))
            .order_by(col("last_heartbeat_at").desc().nulls_last())
            .order_by(asc("id"))
            .limit(limit)
    })
}
