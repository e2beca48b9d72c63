//! Learning: what agents met, and the patterns found in it.

use crate::{AgentId, Answer, LearningEventId, LearningPatternId, TaskId, entity, repository, run::Call};
use chrono::{DateTime, Utc};
use db_query::{Insert, OnConflict, col, constant, desc, excluded, greatest};
use serde_json::{Value, json};
use sqlx::PgConnection;

entity! {
    /// A row of `learning_events`.
    pub struct LearningEvent in "learning_events";
    /// An event to insert.
    struct NewLearningEvent;

    id {
        /// Key.
        id: LearningEventId,
    }
    required {
        /// What kind of event it is; not empty.
        event_type: String,
    }
    optional {
        /// Who met it.
        agent_id: AgentId,
        /// At which task.
        task_id: TaskId,
        /// How good it was; finite.
        reward: f64,
    }
    default {
        /// What there was.
        input: Value = json!({}),
        /// What came of it.
        outcome: Value = json!({}),
    }
    now {
        /// When.
        occurred_at: DateTime<Utc>,
    }
}

entity! {
    /// A row of `learning_patterns`.
    pub struct LearningPattern in "learning_patterns": Versioned;
    /// A pattern to insert.
    struct NewLearningPattern;
    conflict [pattern_type, name];

    id {
        /// Key.
        id: LearningPatternId,
    }
    required {
        /// What kind of pattern it is; not empty.
        pattern_type: String,
        /// Its name, unique in its kind; not empty.
        name: String,
    }
    default {
        /// The pattern itself.
        pattern: Value = json!({}),
        /// How sure it is, from 0 to 1.
        confidence: f64 = 0.0,
        /// How often it was seen; at least 1.
        occurrences: i64 = 1,
        /// Whether agents act on it.
        active: bool = true,
    }
    now {
        /// When it was first seen.
        first_seen_at: DateTime<Utc>,
        /// When it was last seen.
        last_seen_at: DateTime<Utc>,
    }
    database {
        /// Changes so far.
        version: i64,
        /// When it was inserted.
        created_at: DateTime<Utc>,
        /// When it was last changed.
        updated_at: DateTime<Utc>,
    }
}

/// Notes that a pattern was seen: inserts it, or counts it up and takes over what it looks like now. Safe when several
/// agents see the same at once.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) by a constraint, [`Error::Database`](crate::Error::Database) when the server
/// cannot be asked.
#[track_caller]
pub fn observe<'c>(
    conn: &'c mut PgConnection,
    pattern_type: &str,
    name: &str,
    pattern: &Value,
    confidence: f64,
) -> Answer<'c, LearningPattern> {
    use crate::entity::Record;
    let call = Call::new::<LearningPattern>("note a pattern in");
    let statement =
        Insert::into("learning_patterns", &["id", "pattern_type", "name", "pattern", "confidence"])
            .row(|row| {
                row.value(LearningPatternId::generate())
                    .value(pattern_type)
                    .value(name)
                    .value(pattern)
                    .value(confidence);
            })
            .on_conflict(OnConflict::columns(&["pattern_type", "name"]).set(|sets| {
                sets.set_excluded("pattern")
                    .set_excluded("confidence")
                    .set_expr("occurrences", col("learning_patterns.occurrences") + constant(1))
                    // Never before it was first seen, whoever's transaction began first.
                    .set_expr(
                        "last_seen_at",
                        greatest((col("learning_patterns.last_seen_at"), excluded("last_seen_at"))),
                    )
                    .set_expr("version", col("learning_patterns.version") + constant(1))
                    .set_excluded("updated_at");
            }))
            .returning(LearningPattern::COLUMNS)
            .build();
    Box::pin(async move { call.only(conn, statement).await })
}

/// Active patterns of a kind, surest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn active<'c>(
    conn: &'c mut PgConnection,
    pattern_type: &str,
    limit: u32,
) -> Answer<'c, Vec<LearningPattern>> {
    repository::find(conn, |patterns| {
        patterns
            .filter(col("pattern_type").eq(pattern_type))
            .filter(col("active").holds())
            .order_by(desc("confidence"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// Events of one kind, latest first: what a model learns from.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn events_of_type<'c>(
    conn: &'c mut PgConnection,
    event_type: &str,
    limit: u32,
) -> Answer<'c, Vec<LearningEvent>> {
    repository::find(conn, |events| {
        events
            .filter(col("event_type").eq(event_type))
            .order_by(desc("occurred_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}

/// Events of an agent, latest first.
///
/// # Errors
/// [`Error::Database`](crate::Error::Database) when the server cannot be asked.
#[track_caller]
pub fn events_of_agent(
    conn: &mut PgConnection,
    agent_id: AgentId,
    limit: u32,
) -> Answer<'_, Vec<LearningEvent>> {
    repository::find(conn, |events| {
        events
            .filter(col("agent_id").eq(agent_id))
            .order_by(desc("occurred_at"))
            .order_by(desc("id"))
            .limit(limit)
    })
}
